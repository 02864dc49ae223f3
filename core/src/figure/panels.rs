//! Small multiples: curves on panels that share their axes, what was recorded as a plain line with a
//! band and what is synthetic dashed.

use super::axis::{LABEL, SMALL, share};
use super::pen::{Ink, Side};
use super::scene::Scene;
use super::theme::Rgb;
use super::units;
use crate::report::Origin;

/// One line, with the range around it where there is one.
pub(super) struct Curve {
    pub(super) origin: Origin,
    pub(super) points: Vec<(f64, f64)>,
    /// Lower and upper ends of the range.
    pub(super) low: Vec<(f64, f64)>,
    pub(super) high: Vec<(f64, f64)>,
}

/// One panel: its name, what stands below the name, and its curves.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) notes: Vec<String>,
    pub(super) curves: Vec<Curve>,
}

/// A scale with its ticks.
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) log: bool,
    pub(super) ticks: Vec<(f64, String)>,
}

/// Panels over one pair of axes.
pub(super) struct Panels {
    /// What the axes are.
    pub(super) head: String,
    pub(super) panels: Vec<Panel>,
    pub(super) x: Axis,
    pub(super) y: Axis,
    /// Values of x that are marked, and their names.
    pub(super) rules: Vec<(f64, String)>,
}

const PLOT: f64 = 150.0;
const FOOT: f64 = 34.0;
const LEFT: f64 = 46.0;
const GAP: f64 = 26.0;
/// Height of one line of notes.
pub(super) const NOTE: f64 = 15.0;
/// What is synthetic is drawn in these strokes.
const SYNTHETIC_DASH: &[f64] = &[5.0, 3.0];

impl Axis {
    #[inline]
    fn share(&self, value: f64) -> f64 {
        share(value, (self.low, self.high), self.log)
    }
}

/// Space above the first panel or row: what the axes are, and what dashes mean.
const HEAD: f64 = 46.0;

/// What the figure shows, and the two kinds of lines.
#[inline]
fn head(scene: &mut Scene<'_>, text: &str, synthetic: bool) {
    let soft = Ink::new(scene.theme.soft, SMALL);
    scene.text(text, (0.0, 9.0), soft);
    let keys = [("recorded", Origin::Measured), ("synthetic", Origin::Simulated)];
    let mut x = 0.0;
    for (name, origin) in keys.into_iter().take(if synthetic { 2 } else { 1 }) {
        let (colour, dash) = style(scene, origin);
        scene.line(vec![(x, 27.0), (x + 26.0, 27.0)], dash, colour, 2.0);
        x = scene.run(name, (x + 32.0, 27.0), soft) + 18.0;
    }
}

/// Colour and dash of an origin.
#[inline]
fn style(scene: &Scene<'_>, origin: Origin) -> (Rgb, &'static [f64]) {
    if origin == Origin::Measured { (scene.theme.accent, &[]) } else { (scene.theme.soft, SYNTHETIC_DASH) }
}

/// Columns that so many panels stand in.
#[inline]
fn columns(width: f64, panels: usize) -> usize {
    let room = match width {
        width if width >= 860.0 => 3,
        width if width >= 560.0 => 2,
        _ => 1,
    };
    panels.clamp(1, room)
}

/// A bold name with notes below it.
#[inline]
pub(super) fn notes(scene: &mut Scene<'_>, title: &str, notes: &[String], (left, top): (f64, f64)) {
    scene.text(title, (left, top + 8.0), Ink::new(scene.theme.ink, LABEL).bold());
    for (place, note) in notes.iter().enumerate() {
        scene.text(note, (left, top + 24.0 + place as f64 * NOTE), Ink::new(scene.theme.soft, SMALL));
    }
}

impl Panels {
    /// Space above the plots of one row: the names, the notes, and the names of rules.
    #[inline]
    fn above(&self, row: &[Panel]) -> f64 {
        let notes = row.iter().map(|panel| panel.notes.len()).max().unwrap_or(0);
        20.0 + notes as f64 * NOTE + if self.rules.is_empty() { 4.0 } else { 18.0 }
    }

    #[inline]
    pub(super) fn height(&self, width: f64) -> f64 {
        let rows = self.panels.chunks(columns(width, self.panels.len()));
        HEAD + rows.map(|row| self.above(row) + PLOT + FOOT).sum::<f64>()
    }

    #[inline]
    pub(super) fn draw(&self, scene: &mut Scene<'_>, width: f64) {
        let synthetic =
            self.panels.iter().flat_map(|panel| &panel.curves).any(|curve| curve.origin != Origin::Measured);
        head(scene, &self.head, synthetic);
        let columns = columns(width, self.panels.len());
        let each = (width - GAP * (columns - 1) as f64) / columns as f64;
        let mut top = HEAD;
        for row in self.panels.chunks(columns) {
            let plot = top + self.above(row);
            for (place, panel) in row.iter().enumerate() {
                let left = place as f64 * (each + GAP);
                notes(scene, &panel.title, &panel.notes, (left, top));
                // The last tick's label may reach a little beyond the plot.
                self.draw_plot(scene, panel, (left + LEFT, plot), each - LEFT - 10.0);
            }
            top = plot + PLOT + FOOT;
        }
    }

    #[inline]
    fn draw_plot(&self, scene: &mut Scene<'_>, panel: &Panel, (left, top): (f64, f64), width: f64) {
        let (soft, rule) = (scene.theme.soft, scene.theme.rule);
        let (right, base) = (left + width, top + PLOT);
        let small = Ink::new(soft, SMALL);
        for (value, text) in &self.y.ticks {
            let y = base - PLOT * self.y.share(*value);
            scene.line(vec![(left, y), (right, y)], &[], rule, 1.0);
            scene.text(text, (left - 7.0, y), small.side(Side::Right));
        }
        let mut free = f64::NEG_INFINITY;
        for (value, text) in &self.x.ticks {
            let x = left + width * self.x.share(*value);
            let half = units::text_width(text, SMALL, false) / 2.0;
            let centre = x.min(right + 8.0 - half);
            // A tick without its label would only raise a question.
            if centre - half > free {
                scene.line(vec![(x, base), (x, base + 4.0)], &[], soft, 1.0);
                scene.text(text, (centre, base + 13.0), small.side(Side::Centre));
                free = centre + half + 5.0;
            }
        }
        let at =
            |point: &(f64, f64)| (left + width * self.x.share(point.0), base - PLOT * self.y.share(point.1));
        for (value, name) in &self.rules {
            let x = left + width * self.x.share(*value);
            scene.line(vec![(x, top - 3.0), (x, base)], &[2.0, 3.0], soft, 1.2);
            scene.text(name, (x, top - 11.0), small.side(Side::Centre));
        }
        for curve in &panel.curves {
            let (colour, dash) = style(scene, curve.origin);
            let (low, high): (Vec<_>, Vec<_>) =
                (curve.low.iter().map(at).collect(), curve.high.iter().map(at).collect());
            if dash.is_empty() {
                let pale = colour.over(scene.theme.paper, 0.18);
                scene.shape(low.into_iter().chain(high.into_iter().rev()).collect(), pale);
            } else {
                // A second band would hide the first: its ends are enough.
                scene.line(low, &[2.0, 3.0], colour, 1.0);
                scene.line(high, &[2.0, 3.0], colour, 1.0);
            }
        }
        for curve in &panel.curves {
            let (colour, dash) = style(scene, curve.origin);
            scene.line(curve.points.iter().map(at).collect(), dash, colour, 2.0);
        }
    }
}
