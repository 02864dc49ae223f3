//! How numbers are written in advice.

use super::Sentence;
use crate::figure::units::{grouped, percent, plural, time};
use crate::metrics::objective::{Bound, Condition, Quantity};

pub(super) fn calls_of(number: u64) -> String {
    plural(number, "call")
}

pub(super) fn replicas_of(number: u32) -> String {
    plural(number.into(), "replica")
}

/// `once`, `3 times`.
pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", grouped(count)) }
}

/// Bytes in GiB.
pub(super) fn gib(bytes: f64) -> String {
    let gib = bytes / f64::from(1 << 30);
    if gib < 10.0 { format!("{gib:.2} GiB") } else { format!("{gib:.0} GiB") }
}

/// A figure with its unit: `444 ms`, `12.5 min`, `41.6 %`, `3,120`.
pub(super) fn value(quantity: Quantity, value: f64) -> String {
    let metric = quantity.metric;
    if metric.name.ends_with("_ms") {
        time(value)
    } else if metric.share {
        percent(Some(value))
    } else {
        grouped(value.max(0.0) as u64)
    }
}

/// An objective as it was written, with its bound in a unit where that helps.
pub(super) fn objective(condition: &Condition) -> String {
    match condition.bound {
        Bound::Number(bound) if bound >= 10_000.0 && condition.quantity.metric.name.ends_with("_ms") => {
            format!("`{condition}` ({})", time(bound))
        }
        _ => format!("`{condition}`"),
    }
}

/// A change of a figure in percent of what it was; nothing where it was nothing.
pub(super) fn change(was: f64, is: f64) -> Option<String> {
    (was.abs() > 0.0).then(|| format!("{:+.1} %", (is / was - 1.0) * 100.0))
}

/// Least and most of a share: `+1.0 to +2.5 %`.
pub(super) fn span(least: f64, most: f64) -> String {
    format!("{:+.1} to {:+.1} %", least * 100.0, most * 100.0)
}

/// Its bound as a figure, where it is a number.
pub(super) fn bound(sentence: Sentence, condition: &Condition) -> Sentence {
    match condition.bound {
        Bound::Number(bound) => sentence.given(format!("bound of {condition}"), bound),
        _ => sentence,
    }
}
