//! What is demanded of a run, in one grammar: `ttft_ms.p99<=800`, `job_ms.p95>+10%`.
//!
//! ```text
//! conditions = condition { "," condition }
//! condition  = metric [ "." statistic ] ( "<=" | "<" | ">=" | ">" ) bound
//! bound      = number | ( "+" | "-" ) number "%"
//! ```
//!
//! A metric that is a spread needs a statistic, a plain number has none. An objective says what must hold of one run
//! and takes numbers. A gate says what must not be when a run is held against another one, and takes a change
//! in percent of that other one, too.

use super::{PolicyMetrics, Spread};
use crate::choice::did_you_mean;
use serde::{Serialize, Serializer};
use std::fmt;

/// A figure that a condition may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name, its unit included: the key of the figure in results.
    pub name: &'static str,
    /// Whether it is a mean with percentiles.
    pub spread: bool,
    /// Whether it is a share of something, from 0 to 1.
    pub share: bool,
}

impl Metric {
    const fn spread(name: &'static str) -> Self {
        Metric { name, spread: true, share: false }
    }

    const fn share(name: &'static str) -> Self {
        Metric { name, spread: false, share: true }
    }

    const fn plain(name: &'static str) -> Self {
        Metric { name, spread: false, share: false }
    }
}

/// All figures that a condition may name.
pub const METRICS: &[Metric] = &[
    Metric::spread("ttft_ms"),
    Metric::spread("tpot_ms"),
    Metric::spread("e2e_ms"),
    Metric::spread("queue_ms"),
    Metric::spread("job_ms"),
    Metric::share("hit_rate"),
    Metric::share("ceiling_hit_rate"),
    Metric::plain("calls"),
    Metric::plain("failed"),
    Metric::plain("rejected"),
    Metric::plain("prompt_tokens"),
    Metric::plain("prefill_tokens"),
    Metric::plain("output_tokens"),
    Metric::plain("makespan_ms"),
    Metric::share("utilisation"),
    Metric::plain("preemptions"),
];

/// A mean or a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// Median.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
}

impl Statistic {
    /// All, in the order of results.
    pub const ALL: [Statistic; 5] =
        [Statistic::Mean, Statistic::P50, Statistic::P90, Statistic::P95, Statistic::P99];

    /// The key in results.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::Mean => "mean",
            Statistic::P50 => "p50",
            Statistic::P90 => "p90",
            Statistic::P95 => "p95",
            Statistic::P99 => "p99",
        }
    }

    /// This number of a spread.
    pub fn of(self, spread: &Spread) -> f64 {
        match self {
            Statistic::Mean => spread.mean,
            Statistic::P50 => spread.p50,
            Statistic::P90 => spread.p90,
            Statistic::P95 => spread.p95,
            Statistic::P99 => spread.p99,
        }
    }
}

/// One number of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The figure.
    pub metric: &'static Metric,
    /// Which of its numbers, where it has several.
    pub statistic: Option<Statistic>,
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.statistic {
            Some(statistic) => write!(out, "{}.{}", self.metric.name, statistic.name()),
            None => out.write_str(self.metric.name),
        }
    }
}

impl Quantity {
    /// Reads `metric` or `metric.statistic`.
    ///
    /// # Errors
    /// When there is no such figure, or it lacks or has a statistic that it must or must not have.
    pub fn parse(text: &str) -> Result<Self, ObjectiveError> {
        let (name, tail) =
            text.split_once('.').map_or((text, None), |(name, tail)| (name, Some(tail.trim())));
        let name = name.trim();
        let metric = METRICS.iter().find(|metric| metric.name == name).ok_or_else(|| {
            let known = METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
            ObjectiveError::Metric { found: name.to_owned(), known }
        })?;
        let statistic = match (metric.spread, tail) {
            (false, None) => None,
            (false, Some(found)) => {
                return Err(ObjectiveError::NoStatistic { metric: metric.name, found: found.to_owned() });
            }
            (true, None | Some("")) => return Err(ObjectiveError::Which { metric: metric.name }),
            (true, Some(found)) => {
                let known = Statistic::ALL.into_iter().find(|statistic| statistic.name() == found);
                let error = || ObjectiveError::Statistic { metric: metric.name, found: found.to_owned() };
                Some(known.ok_or_else(error)?)
            }
        };
        Ok(Quantity { metric, statistic })
    }

    /// The number in a row; `None` where the row does not know it.
    pub fn of(&self, row: &PolicyMetrics) -> Option<f64> {
        let spread = match self.metric.name {
            "ttft_ms" => row.ttft_ms,
            "tpot_ms" => row.tpot_ms,
            "e2e_ms" => row.e2e_ms,
            "queue_ms" => row.queue_ms,
            "job_ms" => row.job_ms,
            "hit_rate" => return row.hit_rate,
            "ceiling_hit_rate" => return row.ceiling_hit_rate,
            "utilisation" => return row.utilisation,
            "calls" => return Some(row.calls as f64),
            "failed" => return Some(row.failed as f64),
            "rejected" => return Some(row.rejected as f64),
            "prompt_tokens" => return Some(row.prompt_tokens as f64),
            "prefill_tokens" => return Some(row.prefill_tokens as f64),
            "output_tokens" => return Some(row.output_tokens as f64),
            "makespan_ms" => return Some(row.makespan_ms),
            "preemptions" => return Some(row.preemptions as f64),
            _ => None,
        };
        Some(self.statistic?.of(&spread?))
    }
}

/// How a figure stands to its bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `>=`
    AtLeast,
    /// `>`
    Above,
}

impl Comparison {
    /// Longer signs first, as they are looked for.
    const SIGNS: [(&'static str, Comparison); 4] = [
        ("<=", Comparison::AtMost),
        (">=", Comparison::AtLeast),
        ("<", Comparison::Below),
        (">", Comparison::Above),
    ];

    fn sign(self) -> &'static str {
        Comparison::SIGNS.iter().find(|(_, comparison)| *comparison == self).map_or("", |(sign, _)| sign)
    }

    /// Whether less is better where such a condition is to hold.
    pub fn wants_less(self) -> bool {
        matches!(self, Comparison::AtMost | Comparison::Below)
    }

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Comparison::AtMost => value <= bound,
            Comparison::Below => value < bound,
            Comparison::AtLeast => value >= bound,
            Comparison::Above => value > bound,
        }
    }
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// A number in the figure's own unit.
    Number(f64),
    /// The other run's figure, and so many percent of it more (or, below 0, less).
    Change(f64),
}

/// One condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Condition {
    /// Of what.
    pub quantity: Quantity,
    /// How it stands to the bound.
    pub comparison: Comparison,
    /// The bound.
    pub bound: Bound,
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.quantity, self.comparison.sign())?;
        match self.bound {
            Bound::Number(number) => write!(out, "{number}"),
            Bound::Change(percent) => write!(out, "{percent:+}%"),
        }
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// Why a text is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectiveError {
    /// Nothing between two commas, or nothing at all.
    #[error("an empty condition, expected for example `ttft_ms.p99<=800`")]
    Empty,
    /// No sign.
    #[error("`{found}` compares nothing, expected `<=`, `<`, `>=` or `>` as in `ttft_ms.p99<=800`")]
    NoComparison {
        /// The condition.
        found: String,
    },
    /// No such figure.
    #[error("unknown metric `{found}`{}, expected one of: {known}", did_you_mean(found, known))]
    Metric {
        /// The name.
        found: String,
        /// The accepted ones.
        known: String,
    },
    /// A spread without a statistic.
    #[error("`{metric}` has several numbers, expected one of: {}", statistics(&format!("{metric}.")))]
    Which {
        /// The figure.
        metric: &'static str,
    },
    /// A spread without a known statistic.
    #[error("`{metric}` with `{found}`, expected one of: {} as in `{metric}.p99`", statistics(""))]
    Statistic {
        /// The figure.
        metric: &'static str,
        /// What stood behind the dot.
        found: String,
    },
    /// A plain number with a statistic.
    #[error("`{metric}` with `{found}`, expected `{metric}` alone: it is one number")]
    NoStatistic {
        /// The figure.
        metric: &'static str,
        /// What stood behind the dot.
        found: String,
    },
    /// No number behind the sign.
    #[error(
        "`{found}` is no bound, expected a number that is not negative, or for a change `+10%` or `-10%`"
    )]
    Bound {
        /// What stood there.
        found: String,
    },
    /// A share held against more than all.
    #[error("`{found}` is about a share, expected a number from 0 to 1, such as 0.8 for 80 %")]
    Share {
        /// The condition.
        found: String,
    },
    /// A change where only one run is looked at.
    #[error("`{found}` is a change, expected a number: an objective looks at one run alone")]
    Change {
        /// The condition.
        found: String,
    },
}

/// All statistics behind what stands before each, for errors.
fn statistics(before: &str) -> String {
    Statistic::ALL.map(|one| format!("{before}{}", one.name())).join(", ")
}

/// Reads what must hold of one run.
///
/// # Errors
/// What is wrong with the first condition that is.
pub fn objectives(text: &str) -> Result<Vec<Condition>, ObjectiveError> {
    let conditions = gates(text)?;
    let above = |bound| matches!(bound, Bound::Number(number) if number > 1.0);
    if let Some(wrong) = conditions.iter().find(|one| one.quantity.metric.share && above(one.bound)) {
        return Err(ObjectiveError::Share { found: wrong.to_string() });
    }
    match conditions.iter().find(|condition| matches!(condition.bound, Bound::Change(_))) {
        Some(condition) => Err(ObjectiveError::Change { found: condition.to_string() }),
        None => Ok(conditions),
    }
}

/// Reads what must not be when a run is held against another one.
///
/// # Errors
/// What is wrong with the first condition that is.
pub fn gates(text: &str) -> Result<Vec<Condition>, ObjectiveError> {
    text.split(',').map(|condition| Condition::parse(condition.trim())).collect()
}

impl Condition {
    fn parse(text: &str) -> Result<Self, ObjectiveError> {
        if text.is_empty() {
            return Err(ObjectiveError::Empty);
        }
        let none = || ObjectiveError::NoComparison { found: text.to_owned() };
        let at = text.find(['<', '>']).ok_or_else(none)?;
        let signs = Comparison::SIGNS.iter().find(|(sign, _)| text[at..].starts_with(sign));
        let &(sign, comparison) = signs.ok_or_else(none)?;
        let quantity = Quantity::parse(&text[..at])?;
        let bound = bound(text[at + sign.len()..].trim())?;
        Ok(Condition { quantity, comparison, bound })
    }

    /// Whether the condition is true of `value`, held against the other run's `baseline` where it asks
    /// for a change. `None` where it asks for one and there is none.
    pub fn holds(&self, value: f64, baseline: Option<f64>) -> Option<bool> {
        let bound = match self.bound {
            Bound::Number(number) => number,
            Bound::Change(percent) => {
                let baseline = baseline?;
                baseline + baseline.abs() * percent / 100.0
            }
        };
        Some(self.comparison.holds(value, bound))
    }

    /// Whether an objective is met by a row: `None` where the row does not know its figure.
    pub fn met(&self, row: &PolicyMetrics) -> Option<bool> {
        self.holds(self.quantity.of(row)?, None)
    }
}

fn bound(text: &str) -> Result<Bound, ObjectiveError> {
    let wrong = || ObjectiveError::Bound { found: text.to_owned() };
    let signed = text.starts_with(['+', '-']);
    let (number, percent) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
    let plain = number.strip_prefix(['+', '-']).unwrap_or(number);
    // Neither `nan` nor `1e999` nor `+-5`: digits, and what is finite.
    if signed != percent || !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(wrong());
    }
    let value: f64 = number.parse().map_err(|_| wrong())?;
    match value.is_finite() {
        true if percent => Ok(Bound::Change(value)),
        true => Ok(Bound::Number(value)),
        false => Err(wrong()),
    }
}
