//! Time to first token under each policy: the range from the median to the 95th percentile and the
//! mean, on an axis that begins at zero, with naive always in sight.

use super::axis::{LABEL, SMALL, ticks, time_tick};
use super::lossy::{caution, sends_all};
use super::pen::{Area, Ink, Pen, Side};
use super::{DrawError, Figure, Table, Theme, units};
use crate::metrics::{PolicyMetrics, Spread};
use crate::report::Policies;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};

/// The policies of one set side by side.
#[derive(Clone, Copy, Debug)]
pub struct LatencyFigure<'a> {
    /// The comparison.
    pub report: &'a Policies,
}

/// Above the rows: the head and naive's label.
const TOP: f64 = 40.0;
/// Below the rows: the axis.
const BOTTOM: f64 = 28.0;
/// From this width on, names stand left of the rows.
const WIDE: f64 = 600.0;

impl LatencyFigure<'_> {
    #[inline]
    fn rows(&self) -> impl Iterator<Item = (&PolicyMetrics, &Spread)> {
        self.report.policies.iter().filter_map(|row| Some((row, row.ttft_ms.as_ref()?)))
    }

    #[inline]
    fn naive(&self) -> Option<&Spread> {
        self.rows().find(|(row, _)| row.name == "naive").map(|(_, spread)| spread)
    }

    #[inline]
    fn max_ms(&self) -> f64 {
        self.rows().map(|(_, spread)| spread.p95.max(spread.mean)).fold(0.0, f64::max)
    }

    #[inline]
    fn pitch(width: f64) -> f64 {
        if width >= WIDE { 34.0 } else { 46.0 }
    }

    #[inline]
    fn mean_label(spread: &Spread) -> String {
        format!("mean {}", units::time(spread.mean))
    }

    /// Left end and width of the plot.
    #[inline]
    fn span(&self, width: f64) -> (f64, f64) {
        let names = self.rows().map(|(row, _)| units::text_width(&row.name, LABEL, true));
        let left = if width >= WIDE { names.fold(0.0, f64::max) + 16.0 } else { 7.0 };
        let labels = self.rows().map(|(_, spread)| {
            // Room behind the widest bar for its own label, not behind every bar.
            let share = spread.p95.max(spread.mean) / self.max_ms().max(f64::MIN_POSITIVE);
            (units::text_width(&Self::mean_label(spread), SMALL, false) + 14.0, share)
        });
        let room = width - left - 4.0;
        let widest =
            labels.map(|(text, share)| (room - text).max(60.0) / share.max(0.05)).fold(room, f64::min);
        (left, widest)
    }

    fn draw_row<B: DrawingBackend>(
        pen: &Pen<'_, B>,
        theme: &Theme,
        (name, spread): (&str, &Spread),
        x: &dyn Fn(f64) -> f64,
        y: f64,
    ) -> Result<(), DrawError<B>> {
        let style = theme.policy(name);
        let (from, to) = (x(spread.p50), x(spread.p95));
        let pale = style.colour.over(theme.paper, 0.35);
        pen.rect(Area { x: from, y: y - 4.0, w: (to - from).max(1.0), h: 8.0 }, pale)?;
        for end in [from, to] {
            pen.line(&[(end, y - 6.0), (end, y + 6.0)], style.colour, 1.5)?;
        }
        pen.mark(style.mark, (x(spread.mean), y), 4.5, style.colour)?;
        let behind = to.max(x(spread.mean)) + 10.0;
        pen.label(&Self::mean_label(spread), (behind, y), Ink::new(theme.ink, SMALL))
    }
}

impl Figure for LatencyFigure<'_> {
    fn id(&self) -> &'static str {
        "latency"
    }

    #[inline]
    fn finding(&self) -> String {
        let title = &self.report.set.title;
        let others = self.rows().filter(|(row, _)| row.name != "naive" && sends_all(&row.name));
        let Some((best, spread)) = others.min_by(|a, b| a.1.mean.total_cmp(&b.1.mean)) else {
            return format!("On {title}, no policy besides naive that sends prompts as they are was run.");
        };
        match self.naive() {
            Some(naive) if spread.mean < naive.mean => format!(
                "On {title}, {} cuts the mean time to first token from {} to {}, by {}.",
                best.name,
                units::time(naive.mean),
                units::time(spread.mean),
                units::percent(Some(1.0 - spread.mean / naive.mean))
            ),
            Some(naive) => format!(
                "On {title}, no policy cuts naive's mean time to first token of {}; the nearest is {} with {}.",
                units::time(naive.mean),
                best.name,
                units::time(spread.mean)
            ),
            None => format!(
                "On {title}, {} has the lowest mean time to first token: {}.",
                best.name,
                units::time(spread.mean)
            ),
        }
    }

    #[inline]
    fn caption(&self) -> String {
        let calls = self.report.policies.first().map_or(0, |row| row.calls);
        format!(
            "Time to first token, from schedule, over the {} calls that every policy admitted. Bar: from the median to \
             the 95th percentile. Mark: the mean. Dotted: naive's mean. The axis begins at zero.{}",
            units::grouped(calls),
            caution(self.report.policies.iter().map(|row| row.name.as_str()))
        )
    }

    #[inline]
    fn height(&self, width: u32) -> u32 {
        (TOP + self.rows().count() as f64 * Self::pitch(f64::from(width)) + BOTTOM).ceil() as u32
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        theme: &Theme,
    ) -> Result<(), DrawError<B>> {
        let pen = Pen::new(area, theme);
        let width = pen.width();
        let (left, room) = self.span(width);
        let max_ms = self.max_ms();
        let x = |ms: f64| left + ms / max_ms.max(f64::MIN_POSITIVE) * room;
        let pitch = Self::pitch(width);
        let base = TOP + self.rows().count() as f64 * pitch;
        pen.text("time to first token", (0.0, 9.0), Ink::new(theme.soft, SMALL))?;
        let steps = ticks(max_ms, (room / 80.0).clamp(3.0, 6.0) as usize);
        for &tick in &steps {
            pen.line(&[(x(tick), TOP - 8.0), (x(tick), base)], theme.rule, 1.0)?;
            let side = if tick == 0.0 { Side::Left } else { Side::Centre };
            pen.text(
                &time_tick(tick, max_ms),
                (x(tick), base + 13.0),
                Ink::new(theme.soft, SMALL).side(side),
            )?;
        }
        if let Some(naive) = self.naive() {
            let colour = theme.policy("naive").colour;
            let at = x(naive.mean);
            pen.dashed(&[(at, TOP - 8.0), (at, base)], &[2.0, 3.0], colour, 1.2)?;
            let text = format!("naive's mean {}", units::time(naive.mean));
            let half = units::text_width(&text, SMALL, false) / 2.0;
            let centre = at.clamp(half, (width - half).max(half));
            pen.text(&text, (centre, TOP - 16.0), Ink::new(colour, SMALL).side(Side::Centre))?;
        }
        for (place, (row, spread)) in self.rows().enumerate() {
            let top = TOP + place as f64 * pitch;
            let name = Ink::new(theme.policy(&row.name).colour, LABEL).bold();
            let (y, name_y) = if width >= WIDE { (top + 15.0, top + 15.0) } else { (top + 30.0, top + 11.0) };
            if width >= WIDE {
                pen.text(&row.name, (0.0, name_y), name)?;
            } else {
                pen.label(&row.name, (0.0, name_y), name)?;
            }
            Self::draw_row(&pen, theme, (&row.name, spread), &x, y)?;
        }
        Ok(())
    }

    #[inline]
    fn table(&self) -> Table {
        let columns = [
            "policy",
            "calls",
            "failed",
            "hit rate",
            "TTFT mean",
            "TTFT p50",
            "TTFT p95",
            "TTFT p99",
            "E2E p50",
            "job p50",
            "utilisation",
        ];
        let rows = self.report.policies.iter().map(|row| {
            let at = |spread: Option<Spread>, pick: fn(&Spread) -> f64| {
                units::known_time(spread.as_ref().map(pick))
            };
            vec![
                row.name.clone(),
                units::grouped(row.calls),
                units::grouped(row.failed),
                units::percent(row.hit_rate),
                at(row.ttft_ms, |s| s.mean),
                at(row.ttft_ms, |s| s.p50),
                at(row.ttft_ms, |s| s.p95),
                at(row.ttft_ms, |s| s.p99),
                at(row.e2e_ms, |s| s.p50),
                at(row.job_ms, |s| s.p50),
                units::percent(row.utilisation),
            ]
        });
        Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
    }
}
