//! How well a fit predicts, and why there may be none.

use super::{FitOptions, Point};
use crate::serve::latency::{Term, UsPer};
use serde::{Deserialize, Serialize};

/// Relative errors of predicted times, without sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Errors {
    /// Mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// Ninetieth percentile.
    pub p90: f64,
    /// Largest.
    pub max: f64,
}

/// Why there is no fit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FitError {
    /// A number that no measurement gives.
    #[error("point {place}: `{key}` is {found}, expected {expected}")]
    Point {
        /// The point, from 0 on.
        place: usize,
        /// The key.
        key: &'static str,
        /// The value.
        found: f64,
        /// What is accepted.
        expected: &'static str,
    },
    /// An option outside of its range.
    #[error("`{key}` is {found}, expected {expected}")]
    Option {
        /// The key.
        key: &'static str,
        /// The value.
        found: String,
        /// What is accepted.
        expected: &'static str,
    },
    /// Too little data.
    #[error("{found} times to fit to, expected at least {needed}")]
    TooFew {
        /// Points.
        found: usize,
        /// Points that it takes.
        needed: usize,
    },
    /// A term that does not occur.
    #[error("no time has any `{}` in it: hold that term at a value, or add data that has it", .term.name())]
    Absent {
        /// The term.
        term: Term,
    },
    /// Terms that always change together.
    #[error("the data cannot tell `{}` from {}: they change together; hold one of them at a value, or add data that tells them apart", .term.name(), names(.with))]
    Together {
        /// A term that follows from others.
        term: Term,
        /// The others.
        with: Vec<Term>,
    },
    /// An outcome that does not belong to the workload.
    #[error("the outcome is not of this trace: {what} {found}, expected {expected}")]
    OtherTrace {
        /// What differs.
        what: &'static str,
        /// As the outcome has it.
        found: u64,
        /// As the workload has it.
        expected: u64,
    },
}

fn names(terms: &[Term]) -> String {
    let names: Vec<String> = terms.iter().map(|term| format!("`{}`", term.name())).collect();
    names.join(", ")
}

/// Checks every number on its own.
pub(super) fn check(points: &[Point], options: &FitOptions) -> Result<(), FitError> {
    for (place, point) in points.iter().enumerate() {
        let wrong = |key, found, expected| Err(FitError::Point { place, key, found, expected });
        if !(point.us.is_finite() && point.us > 0.0) {
            return wrong("us", point.us, "a finite number above 0");
        }
        let amounts = [
            ("steps", point.steps),
            ("sequences", point.sequences),
            ("kv_tokens", point.kv_tokens),
            ("prefill_tokens", point.prefill_tokens),
            ("attention_pairs", point.attention_pairs),
            ("prompts", point.prompts),
        ];
        for (key, amount) in amounts {
            if !(amount.is_finite() && amount >= 0.0) {
                return wrong(key, amount, "a finite number from 0 on");
            }
        }
    }
    let share = options.held_out_share;
    if !(0.0..1.0).contains(&share) {
        let expected = "a share from 0 on and below 1";
        return Err(FitError::Option { key: "held_out_share", found: share.to_string(), expected });
    }
    for &(term, us) in &options.held {
        if !(us.is_finite() && us >= 0.0) {
            let found = format!("`{}` at {us}", term.name());
            return Err(FitError::Option { key: "held", found, expected: "a finite number from 0 on" });
        }
    }
    Ok(())
}

impl Errors {
    /// Those of some points.
    pub(crate) fn of<'p>(points: impl Iterator<Item = &'p Point>, us_per: &UsPer) -> Self {
        let error = |point: &Point| (point.predicted_us(us_per) - point.us).abs() / point.us;
        let mut all: Vec<f64> = points.map(error).collect();
        all.sort_by(f64::total_cmp);
        let Some(&max) = all.last() else { return Errors::default() };
        let mean = all.iter().sum::<f64>() / all.len() as f64;
        Errors { mean, p50: quantile(&all, 0.5), p90: quantile(&all, 0.9), max }
    }
}

/// Linear between order statistics. `sorted` is not empty.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = share * (sorted.len() - 1) as f64;
    let (below, above) = (libm::floor(at) as usize, libm::ceil(at) as usize);
    sorted[below] + (sorted[above] - sorted[below]) * (at - below as f64)
}

/// Share of the times' variance that coefficients explain.
pub(super) fn r2(points: &[Point], us_per: &UsPer) -> Option<f64> {
    let mean = points.iter().map(|point| point.us).sum::<f64>() / points.len() as f64;
    let square = |x: f64| x * x;
    let all: f64 = points.iter().map(|point| square(point.us - mean)).sum();
    let left: f64 = points.iter().map(|point| square(point.us - point.predicted_us(us_per))).sum();
    (all > 0.0).then(|| 1.0 - left / all)
}
