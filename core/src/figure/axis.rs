//! Axes: round steps, ticks, and the shared key of cached and computed tokens.

use super::pen::{Area, Ink, Pen, Side};
use super::{DrawError, Theme, units};
use plotters::prelude::DrawingBackend;

/// Size of all labels, in CSS pixels.
pub(super) const LABEL: f64 = 12.0;
/// Size of ticks' labels.
pub(super) const SMALL: f64 = 11.0;

/// Round values from 0 to at most `max`, no more than about `count` of them.
#[inline]
pub(super) fn ticks(max: f64, count: usize) -> Vec<f64> {
    if max.is_nan() || max <= 0.0 || count == 0 {
        return vec![0.0];
    }
    let rough = max / count as f64;
    let power = libm::pow(10.0, libm::floor(libm::log10(rough)));
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(10.0 * power);
    (0..).map(|n| f64::from(n) * step).take_while(|value| *value <= max * 1.0001).collect()
}

/// Round values within a range of a log scale: powers of ten where there are enough, else more.
#[inline]
pub(super) fn log_ticks(low: f64, high: f64) -> Vec<f64> {
    let first = libm::floor(libm::log10(low)) as i32;
    let last = libm::ceil(libm::log10(high)) as i32;
    let within = |factors: &[f64]| {
        let all = (first..=last).flat_map(|e| factors.iter().map(move |f| f * libm::pow(10.0, f64::from(e))));
        all.filter(|v| *v >= low * 0.999 && *v <= high * 1.001).collect::<Vec<f64>>()
    };
    let finer: [&[f64]; 3] = [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0]];
    let mut found = Vec::new();
    for factors in finer {
        found = within(factors);
        if found.len() >= 3 {
            break;
        }
    }
    found
}

/// Where a value lies between the ends of an axis, from 0 to 1; what lies beyond an end stands at it.
#[inline]
pub(super) fn share(value: f64, (low, high): (f64, f64), log: bool) -> f64 {
    let share = if log {
        libm::log(value.max(low) / low) / libm::log(high / low)
    } else {
        (value - low) / (high - low)
    };
    share.clamp(0.0, 1.0)
}

/// A time on an axis that goes up to `max_ms`: no more digits than a round step needs.
#[inline]
pub(super) fn time_tick(ms: f64, max_ms: f64) -> String {
    let (value, unit) = match max_ms {
        max if max < 1_000.0 => (ms, "ms"),
        max if max < 300_000.0 => (ms / 1e3, "s"),
        max if max < 7_200_000.0 => (ms / 6e4, "min"),
        _ => (ms / 3.6e6, "h"),
    };
    format!("{} {unit}", plain(value))
}

/// Ticks of a log scale over times in milliseconds, round in the unit that suits them.
#[inline]
pub(super) fn log_time_ticks(low_ms: f64, high_ms: f64) -> Vec<(f64, String)> {
    let (by, unit) = match high_ms {
        high if high < 5_000.0 => (1.0, "ms"),
        _ if low_ms >= 60_000.0 => (60_000.0, "min"),
        _ => (1_000.0, "s"),
    };
    let values = log_ticks(low_ms / by, high_ms / by);
    values.into_iter().map(|value| (value * by, format!("{} {unit}", plain(value)))).collect()
}

/// A number without needless zeros.
#[inline]
pub(super) fn plain(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Round token counts for an axis of this length, about one per 90 CSS pixels.
#[inline]
pub(super) fn token_ticks(px_per_token: f64, max_tokens: f64) -> Vec<f64> {
    let room = (max_tokens * px_per_token / 90.0).max(1.0) as usize;
    ticks(max_tokens, room.min(8))
}

/// A token axis under a plot: ticks at round counts, the unit at the last.
pub(super) fn token_axis<B: DrawingBackend>(
    pen: &Pen<'_, B>,
    theme: &Theme,
    (left, y): (f64, f64),
    px_per_token: f64,
    max_tokens: f64,
) -> Result<(), DrawError<B>> {
    let steps = token_ticks(px_per_token, max_tokens);
    for (place, &value) in steps.iter().enumerate() {
        let x = left + value * px_per_token;
        pen.line(&[(x, y), (x, y + 4.0)], theme.soft, 1.0)?;
        let count = units::short(value.round() as u64);
        let text = if place + 1 == steps.len() { format!("{count} tokens") } else { count };
        // A label stands under its tick, but never beyond the figure.
        let half = units::text_width(&text, SMALL, false) / 2.0;
        let centre = x.min(pen.width() - half - 1.0);
        let ink = Ink::new(theme.soft, SMALL);
        if place == 0 {
            pen.text(&text, (x, y + 13.0), ink)?;
        } else {
            pen.text(&text, (centre, y + 13.0), ink.side(Side::Centre))?;
        }
    }
    Ok(())
}

/// The key of the strip: which stretch means what. Returns the x behind it.
pub(super) fn key<B: DrawingBackend>(
    pen: &Pen<'_, B>,
    theme: &Theme,
    (mut x, y): (f64, f64),
    output: bool,
) -> Result<f64, DrawError<B>> {
    let swatch = |x: f64| Area { x, y: y - 5.0, w: 18.0, h: 10.0 };
    let ink = Ink::new(theme.soft, SMALL);
    let advance = |text: &str| 18.0 + 6.0 + units::text_width(text, SMALL, false) + 16.0;
    pen.rect(swatch(x), theme.cached)?;
    pen.text("cached", (x + 24.0, y), ink)?;
    x += advance("cached");
    pen.computed(swatch(x))?;
    pen.text("computed", (x + 24.0, y), ink)?;
    x += advance("computed");
    if output {
        pen.rect(swatch(x), theme.ink)?;
        pen.text("output", (x + 24.0, y), ink)?;
        x += advance("output");
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_stay_within() {
        assert_eq!(ticks(69_800.0, 4), [0.0, 20_000.0, 40_000.0, 60_000.0]);
        assert_eq!(ticks(0.0, 4), [0.0]);
        assert_eq!(ticks(f64::NAN, 4), [0.0]);
        assert_eq!(log_ticks(80.0, 12_000.0), [100.0, 1_000.0, 10_000.0]);
        assert_eq!(log_ticks(15.0, 90.0), [15.0, 20.0, 30.0, 40.0, 50.0, 70.0]);
        assert_eq!(log_ticks(15.0, 290.0), [20.0, 50.0, 100.0, 200.0]);
    }

    #[test]
    fn ticks_of_time_need_few_digits() {
        assert_eq!(time_tick(500.0, 900.0), "500 ms");
        assert_eq!(time_tick(500.0, 2_500.0), "0.5 s");
        assert_eq!(time_tick(20_000.0, 60_000.0), "20 s");
        let texts: Vec<String> =
            log_time_ticks(700_000.0, 7_000_000.0).into_iter().map(|tick| tick.1).collect();
        assert_eq!(texts, ["20 min", "50 min", "100 min"]);
        let texts: Vec<String> = log_time_ticks(90.0, 20_000.0).into_iter().map(|tick| tick.1).collect();
        assert_eq!(texts, ["0.1 s", "1 s", "10 s"]);
    }
}
