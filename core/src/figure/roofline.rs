//! The roofline: what a GPU reached against how much it computes for each byte, under its measured and its stated roofs.

use super::axis::{SMALL, log_ticks, plain, share};
use super::pen::{Ink, Pen, Side};
use super::{DrawError, Figure, Mark, Rgb, Table, Theme, units};
use crate::report::{Measured, Probe};
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};

/// The points of one probe.
#[derive(Clone, Copy, Debug)]
pub struct RooflineFigure<'a> {
    /// What was measured.
    pub report: &'a Probe,
}

/// Points of one kind, as they are drawn.
struct Family<'a> {
    name: &'static str,
    mark: Mark,
    points: &'a [Measured],
}

/// Above the key: what the y axis is. Below the plot: the x axis.
const HEAD: f64 = 22.0;
const FOOT: f64 = 38.0;
const PLOT: f64 = 280.0;
/// Space for the y axis' labels, and behind the plot.
const LEFT: f64 = 42.0;
const RIGHT: f64 = 14.0;
/// Kinds of points.
const FAMILIES: usize = 5;
/// A name of the key takes so much, its line so much.
const KEY: f64 = 150.0;
const KEY_LINE: f64 = 18.0;
/// Strokes of the stated roof.
const STATED: &[f64] = &[5.0, 3.0];

/// Scales of the plot, both logarithmic.
struct Plot {
    top: f64,
    width: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Plot {
    #[inline]
    fn at(&self, x: f64, y: f64) -> (f64, f64) {
        (LEFT + self.width * share(x, self.x, true), self.top + PLOT * (1.0 - share(y, self.y, true)))
    }
}

impl Family<'_> {
    /// Those that log scales can show: what computes or moves nothing has no place on them.
    #[inline]
    fn drawn(&self) -> impl Iterator<Item = &Measured> {
        let computes = |point: &&Measured| point.flops > 0.0 && point.bytes > 0.0 && point.flops_per_s > 0.0;
        self.points.iter().filter(computes)
    }
}

/// Operations a byte.
#[inline]
fn intensity(measured: &Measured) -> f64 {
    measured.flops / measured.bytes
}

impl RooflineFigure<'_> {
    #[inline]
    fn families(&self) -> [Family<'_>; FAMILIES] {
        let results = &self.report.results;
        [
            ("products", Mark::Circle, results.products.as_slice()),
            ("prefill attention", Mark::Square, &results.prefill_attention),
            ("decode attention", Mark::Diamond, &results.decode_attention),
            ("whole prefill", Mark::Up, &results.prefill_graphs),
            ("whole decode step", Mark::Down, &results.decode_graphs),
        ]
        .map(|(name, mark, points)| Family { name, mark, points })
    }

    /// Operations and bytes a second of each roof, and its strokes.
    #[inline]
    fn roofs(&self) -> Vec<(f64, f64, &'static [f64])> {
        let peaks = self.report.peaks;
        let measured = (peaks.measured_flops_per_s, peaks.measured_bytes_per_s, &[][..]);
        let stated = peaks.stated_flops_per_s.zip(peaks.stated_bytes_per_s);
        let stated = stated.map(|(flops, bytes)| (flops, bytes, STATED));
        [Some(measured), stated].into_iter().flatten().collect()
    }

    /// Columns of the key, and its height.
    #[inline]
    fn key(width: f64) -> (usize, f64) {
        let columns = ((width / KEY) as usize).clamp(1, FAMILIES);
        (columns, FAMILIES.div_ceil(columns) as f64 * KEY_LINE)
    }

    #[inline]
    fn plot(&self, width: f64) -> Plot {
        let families = self.families();
        let points: Vec<&Measured> = families.iter().flat_map(Family::drawn).collect();
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, 0.0_f64), |(low, high), value| (low.min(value), high.max(value)))
        };
        let x = range(&mut points.iter().map(|point| intensity(point)));
        let y = range(&mut points.iter().map(|point| point.flops_per_s));
        let roof = self.roofs().iter().map(|roof| roof.0).fold(y.1, f64::max);
        let (x, y) =
            if points.is_empty() { ((1.0, 1e3), (1e9, 1e15)) } else { (x, (y.0.min(roof / 10.0), roof)) };
        let top = HEAD + Self::key(width).1 + 8.0;
        Plot { top, width: width - LEFT - RIGHT, x: (x.0 / 1.5, x.1 * 1.5), y: (y.0 / 1.5, y.1 * 1.3) }
    }

    fn draw_axes<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        theme: &Theme,
        plot: &Plot,
    ) -> Result<(), DrawError<B>> {
        let soft = Ink::new(theme.soft, SMALL);
        let right = LEFT + plot.width;
        for value in log_ticks(plot.y.0 / 1e12, plot.y.1 / 1e12) {
            let (_, y) = plot.at(plot.x.0, value * 1e12);
            pen.line(&[(LEFT, y), (right, y)], theme.rule, 1.0)?;
            pen.text(&plain(value), (LEFT - 7.0, y), soft.side(Side::Right))?;
        }
        let base = plot.top + PLOT;
        pen.line(&[(LEFT, base), (right, base)], theme.soft, 1.0)?;
        for value in log_ticks(plot.x.0, plot.x.1) {
            let (x, _) = plot.at(value, plot.y.0);
            pen.line(&[(x, base), (x, base + 4.0)], theme.soft, 1.0)?;
            pen.text(&plain(value), (x, base + 13.0), soft.side(Side::Centre))?;
        }
        pen.text("operations a byte", (LEFT, base + 29.0), soft)
    }

    fn draw_roofs<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        theme: &Theme,
        plot: &Plot,
    ) -> Result<(), DrawError<B>> {
        for (flops, bytes, dash) in self.roofs() {
            // From the left or the lower edge up to the ridge, then level.
            let from = plot.x.0.max(plot.y.0 / bytes);
            let ridge = (flops / bytes).clamp(from, plot.x.1);
            let corners = [from, ridge, plot.x.1].map(|x| plot.at(x, (x * bytes).min(flops)));
            pen.dashed(&corners, dash, theme.ink, 1.4)?;
        }
        Ok(())
    }

    /// Family by family: its line of the key, then its points.
    fn draw_families<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        theme: &Theme,
        plot: &Plot,
    ) -> Result<(), DrawError<B>> {
        let (columns, _) = Self::key(pen.width());
        for (place, (family, colour)) in self.families().iter().zip(colours(theme)).enumerate() {
            let x = (place % columns) as f64 * KEY;
            let y = HEAD + (place / columns) as f64 * KEY_LINE + 4.0;
            pen.mark(family.mark, (x + 6.0, y), 3.6, colour)?;
            pen.text(family.name, (x + 16.0, y), Ink::new(colour, SMALL))?;
            for point in family.drawn() {
                pen.mark(family.mark, plot.at(intensity(point), point.flops_per_s), 2.6, colour)?;
            }
        }
        Ok(())
    }
}

/// A colour for each family: those of policies without the grey of the first.
#[inline]
fn colours(theme: &Theme) -> impl Iterator<Item = Rgb> + '_ {
    theme.policies.iter().skip(1).copied()
}

impl Figure for RooflineFigure<'_> {
    fn id(&self) -> &'static str {
        "roofline"
    }

    #[inline]
    fn finding(&self) -> String {
        let Probe { model, dtype, gpu, peaks, results, .. } = self.report;
        let most = |points: &[Measured], rate: fn(&Measured) -> f64, peak: f64| {
            let most = points.iter().map(rate).max_by(f64::total_cmp);
            units::percent(most.map(|most| most / peak))
        };
        let flops = most(&results.prefill_attention, |point| point.flops_per_s, peaks.measured_flops_per_s);
        let bytes = most(&results.decode_attention, |point| point.bytes_per_s, peaks.measured_bytes_per_s);
        format!(
            "{} in {dtype} on {}: attention reaches {flops} of the measured matrix rate in prefill and {bytes} of the \
             measured bandwidth in decoding.",
            model.name, gpu.name
        )
    }

    #[inline]
    fn caption(&self) -> String {
        format!(
            "Measured ({}), medians; one mark a size. Lines: the fastest product and the copy that were measured, dashed \
             what the maker states. Both axes are log scales; bytes are the fewest that the work needs, so that a mark over \
             the slope was served by a cache.",
            self.report.label
        )
    }

    #[inline]
    fn height(&self, width: u32) -> u32 {
        (self.plot(f64::from(width)).top + PLOT + FOOT).ceil() as u32
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        theme: &Theme,
    ) -> Result<(), DrawError<B>> {
        let pen = Pen::new(area, theme);
        let head = format!("TFLOP/s, {} ({})", self.report.gpu.name, self.report.label);
        pen.text(&head, (0.0, 9.0), Ink::new(theme.soft, SMALL))?;
        let plot = self.plot(pen.width());
        self.draw_axes(&pen, theme, &plot)?;
        self.draw_roofs(&pen, theme, &plot)?;
        self.draw_families(&pen, theme, &plot)
    }

    #[inline]
    fn table(&self) -> Table {
        let columns = ["what", "size", "by", "operations a byte", "TFLOP/s", "GB/s", "median"];
        let families = self.families();
        let rows = families.iter().flat_map(Family::drawn).map(|point| {
            vec![
                point.what.clone(),
                units::grouped(point.sizes[0]),
                units::grouped(point.sizes[1]),
                format!("{:.1}", intensity(point)),
                format!("{:.1}", point.flops_per_s / 1e12),
                format!("{:.0}", point.bytes_per_s / 1e9),
                units::time(point.times.median_us / 1e3),
            ]
        });
        Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
    }
}
