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

mod quantity;

pub use quantity::{METRICS, Metric, Quantity, Statistic};

use super::PolicyMetrics;
use crate::choice::did_you_mean;
use serde::{Serialize, Serializer};
use std::fmt;

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
    /// A figure that is to be worse.
    #[error(
        "`{found}` asks for a worse figure, expected `{metric}{}` a number: {} of it is better",
        if *.less { "<=" } else { ">=" },
        if *.less { "less" } else { "more" }
    )]
    Worse {
        /// The condition.
        found: String,
        /// Its figure.
        metric: String,
        /// Whether less of it is better.
        less: bool,
    },
    /// Two bounds of one figure.
    #[error("`{metric}` has two bounds, `{first}` and `{second}`, expected one")]
    Twice {
        /// The figure.
        metric: String,
        /// The first.
        first: String,
        /// The second.
        second: String,
    },
    /// A figure that advice cannot move.
    #[error(
        "`{found}` is about what no lever and no number of replicas moves, expected one of: {}",
        moving()
    )]
    Given {
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

/// All figures that advice can move, for errors.
fn moving() -> String {
    let names: Vec<&str> = METRICS.iter().filter(|metric| metric.moves).map(|metric| metric.name).collect();
    names.join(", ")
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

/// Reads what advice is to reach: objectives that ask for better figures, each once, of what there is a way to move.
///
/// # Errors
/// What is wrong with the first condition that is.
pub fn goals(text: &str) -> Result<Vec<Condition>, ObjectiveError> {
    let goals = objectives(text)?;
    for (place, goal) in goals.iter().enumerate() {
        let Quantity { metric, .. } = goal.quantity;
        let (name, found) = (goal.quantity.to_string(), goal.to_string());
        if !metric.moves {
            return Err(ObjectiveError::Given { found });
        }
        if goal.comparison.wants_less() != metric.less_is_better {
            return Err(ObjectiveError::Worse { found, metric: name, less: metric.less_is_better });
        }
        if let Some(first) = goals[..place].iter().find(|first| first.quantity == goal.quantity) {
            return Err(ObjectiveError::Twice { metric: name, first: first.to_string(), second: found });
        }
    }
    Ok(goals)
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
