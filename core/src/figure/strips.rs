//! A session as stacked strips: one row a call, width in tokens, cached solid, computed hatched,
//! output as ink at the end. A row whose prefix broke says how much it computes again.

use super::axis::{LABEL, SMALL, key, token_axis, token_ticks};
use super::pen::{Area, Ink, Pen, Side};
use super::{DrawError, Figure, Table, Theme, units};
use crate::rank::rank;
use crate::report::StripRow;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend};

/// The strips of one session.
#[derive(Clone, Debug, PartialEq)]
pub struct StripsFigure {
    /// What the session is called.
    pub name: String,
    /// What filled the cache: a policy's name, or `an endless cache`.
    pub cache: String,
    /// One row a call.
    pub rows: Vec<StripRow>,
    /// The row to point at.
    pub selected: Option<usize>,
}

/// Left of the bars: turn numbers.
const LEFT: f64 = 34.0;
/// Above the bars: the key.
const TOP: f64 = 26.0;
/// Below the bars: the axis.
const BOTTOM: f64 = 26.0;
/// Breaks that are labelled at most.
const LABELS: usize = 3;

/// A text right of a row.
struct RowLabel {
    row: usize,
    text: String,
    loud: bool,
}

impl StripsFigure {
    /// Height of one row with its gap.
    #[inline]
    fn pitch(&self) -> f64 {
        match self.rows.len() {
            0..=48 => 14.0,
            49..=80 => 10.0,
            81..=160 => 6.0,
            161..=320 => 4.0,
            _ => 2.0,
        }
    }

    /// The row at a height, for hit testing.
    #[inline]
    pub fn row_at(&self, y: f64) -> Option<usize> {
        let row = ((y - TOP) / self.pitch()).floor();
        (row >= 0.0 && row < self.rows.len() as f64).then_some(row as usize)
    }

    /// Rows whose prefix broke, the largest first.
    #[inline]
    fn breaks(&self) -> Vec<usize> {
        let mut breaks = rank(self.rows.iter().map(|row| !row.again_tokens));
        breaks.retain(|&row| self.rows[row].again_tokens > 0);
        breaks
    }

    /// Labels right of rows: the largest breaks and the last row's size.
    #[inline]
    fn labels(&self, width: f64) -> Vec<RowLabel> {
        let pitch = self.pitch();
        let mut labels: Vec<RowLabel> = Vec::new();
        for row in self.breaks() {
            let apart = labels.iter().all(|label| label.row.abs_diff(row) as f64 * pitch >= 15.0);
            if labels.len() < LABELS && apart {
                labels.push(RowLabel { row, text: self.again(row, width), loud: true });
            }
        }
        let apart = |row: usize| labels.iter().all(|label| label.row.abs_diff(row) as f64 * pitch >= 15.0);
        if let Some(row) = self.rows.len().checked_sub(1).filter(|&row| apart(row)) {
            let text = units::short(self.rows[row].prompt_tokens);
            labels.push(RowLabel { row, text, loud: false });
        }
        labels
    }

    #[inline]
    fn again(&self, row: usize, width: f64) -> String {
        let strip = &self.rows[row];
        if width < 560.0 {
            return format!("{} again", units::short(strip.again_tokens));
        }
        let again = format!("{} tokens again", units::grouped(strip.again_tokens));
        match strip.pause_us {
            Some(pause) if pause >= 60_000_000 => format!("{again}, after {}", units::time_us(pause)),
            _ => again,
        }
    }

    #[inline]
    fn max_tokens(&self) -> u64 {
        self.rows.iter().map(|row| row.prompt_tokens + row.output_tokens).max().unwrap_or(0)
    }

    /// Width of a token: as large as leaves every label its room.
    #[inline]
    fn px_per_token(&self, width: f64, labels: &[RowLabel]) -> f64 {
        let room = width - LEFT - 2.0;
        let fit = |tokens: u64, text: f64| (room - text).max(40.0) / tokens.max(1) as f64;
        let labelled = labels.iter().map(|label| {
            let row = &self.rows[label.row];
            fit(row.prompt_tokens + row.output_tokens, units::text_width(&label.text, LABEL, true) + 10.0)
        });
        labelled.fold(fit(self.max_tokens(), 0.0), f64::min)
    }

    fn draw_row<B: DrawingBackend>(
        &self,
        pen: &Pen<'_, B>,
        theme: &Theme,
        row: usize,
        px_per_token: f64,
    ) -> Result<(), DrawError<B>> {
        let strip = &self.rows[row];
        let pitch = self.pitch();
        let gap = if pitch >= 6.0 { 2.0 } else { 0.0 };
        let y = TOP + row as f64 * pitch;
        let h = pitch - gap;
        let bar = |from: u64, tokens: u64| Area {
            x: LEFT + from as f64 * px_per_token,
            y,
            w: tokens as f64 * px_per_token,
            h,
        };
        pen.rect(bar(0, strip.cached_tokens), theme.cached)?;
        pen.computed(bar(strip.cached_tokens, strip.prompt_tokens - strip.cached_tokens))?;
        let output = bar(strip.prompt_tokens, strip.output_tokens);
        // A hair of paper keeps the output apart from a computed end.
        pen.rect(Area { x: output.x + 1.0, w: output.w.max(1.0), ..output }, theme.ink)?;
        if self.selected == Some(row) {
            let end = output.x + output.w + 2.0;
            let (top, low) = (y - 1.0, y + h + 1.0);
            let outline = [(LEFT, top), (end, top), (end, low), (LEFT, low), (LEFT, top)];
            pen.line(&outline, theme.accent, 1.5)?;
        }
        Ok(())
    }

    fn draw_numbers<B: DrawingBackend>(&self, pen: &Pen<'_, B>, theme: &Theme) -> Result<(), DrawError<B>> {
        let pitch = self.pitch();
        let middle = |row: usize| TOP + row as f64 * pitch + (pitch - 2.0).max(2.0) / 2.0;
        let mut taken: Vec<f64> = Vec::new();
        let breaks = self.breaks();
        let loud = breaks.iter().take(LABELS).map(|&row| (row, true));
        let step =
            [1, 2, 4, 5, 10, 20, 50, 100, 200, 500].into_iter().find(|&n| f64::from(n) * pitch >= 40.0);
        let quiet = (0..self.rows.len()).step_by(step.unwrap_or(1_000) as usize).map(|row| (row, false));
        let last = self.rows.len().checked_sub(1).map(|row| (row, false));
        for (row, is_loud) in loud.chain(last).chain(quiet) {
            let y = middle(row);
            if taken.iter().any(|other| (other - y).abs() < 13.0) {
                continue;
            }
            taken.push(y);
            let ink = Ink::new(if is_loud { theme.computed } else { theme.soft }, SMALL).side(Side::Right);
            let ink = if is_loud { ink.bold() } else { ink };
            pen.text(&(row + 1).to_string(), (LEFT - 8.0, y), ink)?;
        }
        Ok(())
    }
}

impl Figure for StripsFigure {
    fn id(&self) -> &'static str {
        "strips"
    }

    #[inline]
    fn finding(&self) -> String {
        let breaks = self.breaks();
        let Some(&worst) = breaks.first() else {
            let prompt: u64 = self.rows.iter().map(|row| row.prompt_tokens).sum();
            let cached: u64 = self.rows.iter().map(|row| row.cached_tokens).sum();
            let share = (prompt > 0).then(|| cached as f64 / prompt as f64);
            return format!(
                "{} of the {} prompt tokens of {} were in the cache already.",
                units::percent(share),
                units::short(prompt),
                self.name
            );
        };
        let row = &self.rows[worst];
        let (again, prompt) = (units::grouped(row.again_tokens), units::grouped(row.prompt_tokens));
        let call = worst + 1;
        if breaks.len() == 1 {
            format!("At call {call} the prefix breaks: {again} of its {prompt} tokens are computed again.")
        } else {
            format!(
                "The prefix breaks at {} of {} calls; call {call} alone computes {again} tokens again.",
                breaks.len(),
                self.rows.len()
            )
        }
    }

    #[inline]
    fn caption(&self) -> String {
        format!(
            "The calls of {}, one row each, as wide as the prompt in tokens. Solid: found in the cache ({}). Hatched: \
             computed. Dark: output.",
            self.name, self.cache
        )
    }

    #[inline]
    fn height(&self, _width: u32) -> u32 {
        (TOP + self.rows.len() as f64 * self.pitch() + BOTTOM).ceil() as u32
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        theme: &Theme,
    ) -> Result<(), DrawError<B>> {
        let pen = Pen::new(area, theme);
        let width = pen.width();
        let labels = self.labels(width);
        let px_per_token = self.px_per_token(width, &labels);
        key(&pen, theme, (LEFT, 9.0), true)?;
        let base = TOP + self.rows.len() as f64 * self.pitch();
        for tick in token_ticks(px_per_token, self.max_tokens() as f64) {
            let x = LEFT + tick * px_per_token;
            pen.line(&[(x, TOP), (x, base)], theme.rule, 1.0)?;
        }
        for row in 0..self.rows.len() {
            self.draw_row(&pen, theme, row, px_per_token)?;
        }
        self.draw_numbers(&pen, theme)?;
        for label in &labels {
            let row = &self.rows[label.row];
            let x = LEFT + (row.prompt_tokens + row.output_tokens) as f64 * px_per_token + 8.0;
            let y = TOP + label.row as f64 * self.pitch() + (self.pitch() - 2.0).max(2.0) / 2.0;
            let ink = Ink::new(if label.loud { theme.computed } else { theme.soft }, SMALL);
            pen.label(&label.text, (x, y), if label.loud { ink.bold() } else { ink })?;
        }
        token_axis(&pen, theme, (LEFT, base + 2.0), px_per_token, self.max_tokens() as f64)
    }

    #[inline]
    fn table(&self) -> Table {
        let columns =
            ["call", "agent", "pause", "prompt tokens", "cached", "computed", "computed again", "output"];
        let rows = self.rows.iter().enumerate().map(|(place, row)| {
            vec![
                (place + 1).to_string(),
                if row.agent == 0 { "main".to_owned() } else { format!("sub {}", row.agent) },
                row.pause_us.map_or_else(|| "–".to_owned(), units::time_us),
                units::grouped(row.prompt_tokens),
                units::grouped(row.cached_tokens),
                units::grouped(row.prompt_tokens - row.cached_tokens),
                units::grouped(row.again_tokens),
                units::grouped(row.output_tokens),
            ]
        });
        Table { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
    }
}
