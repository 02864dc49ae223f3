//! The table of a sweep: the rows that do best by each objective.

use super::store::{Header, Row};
use super::values;
use crate::args::WrongCall;
use crate::table::Table;
use crate::terminal;
use anyhow::Context;
use atr_core::figure::units;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Quantities with a mean and percentiles.
const SPREADS: &[&str] = &["ttft_ms", "tpot_ms", "e2e_ms", "queue_ms", "job_ms"];
/// What they offer.
const POINTS: &[&str] = &["mean", "p50", "p90", "p95", "p99"];
/// Plain figures, and whether more is better.
const PLAIN: &[(&str, bool)] = &[
    ("hit_rate", true),
    ("utilisation", true),
    ("makespan_ms", false),
    ("prefill_tokens", false),
    ("preemptions", false),
];
/// Objectives where none is named.
pub(crate) const DEFAULT: &str = "ttft_ms.p99,job_ms.p50,hit_rate";

/// A figure by which rows are ordered.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objective {
    name: String,
    more: bool,
}

impl Objective {
    /// Reads names parted by commas.
    ///
    /// # Errors
    /// When one names no figure.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>, WrongCall> {
        text.split(',').map(|name| Self::read(name.trim())).collect()
    }

    fn read(name: &str) -> Result<Self, WrongCall> {
        if let Some((_, more)) = PLAIN.iter().find(|(known, _)| *known == name) {
            return Ok(Objective { name: name.to_owned(), more: *more });
        }
        match name.split_once('.') {
            Some((spread, point)) if SPREADS.contains(&spread) && POINTS.contains(&point) => {
                Ok(Objective { name: name.to_owned(), more: false })
            }
            _ => {
                let plain: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
                Err(WrongCall(format!(
                    "unknown objective `{name}`, expected one of: {}, or one of {} with `.` and one of {}",
                    plain.join(", "),
                    SPREADS.join(", "),
                    POINTS.join(", ")
                )))
            }
        }
    }

    fn of(&self, figures: &Value) -> Option<f64> {
        number(figures, &self.name)
    }
}

fn number(figures: &Value, path: &str) -> Option<f64> {
    path.split('.').try_fold(figures, |value, key| value.get(key))?.as_f64()
}

/// One policy at one point.
struct Entry {
    label: String,
    place: usize,
    figures: Value,
}

/// The best rows by each objective, as text.
///
/// # Errors
/// When a row does not hold what a sweep writes.
pub(crate) fn render(
    header: &Header,
    rows: &[Row],
    objectives: &[Objective],
    top: usize,
) -> anyhow::Result<String> {
    let mut entries = Vec::new();
    for row in rows {
        let Some(policies) = &row.policies else { continue };
        let point: Map<String, Value> = serde_json::from_str(row.point.get())?;
        let point: Vec<String> =
            point.iter().map(|(key, value)| format!("{key}={}", values::shown(value))).collect();
        let all: Vec<Value> =
            serde_json::from_str(policies.get()).with_context(|| format!("point `{}`", row.id))?;
        for figures in all {
            let name = figures.get("name").and_then(Value::as_str).unwrap_or_default();
            let label = terminal::printable(&format!("{name} {}", point.join(" "))).trim_end().to_owned();
            entries.push(Entry { label, place: row.index, figures });
        }
    }
    let mut text = format!(
        "simulated: {} of {} points, {} calls of {} sessions at each\n",
        units::grouped(rows.len() as u64),
        units::grouped(header.points as u64),
        units::grouped(header.inputs.calls),
        units::grouped(header.inputs.sessions)
    );
    // Who refuses the long calls looks fast.
    let calls = |entry: &Entry| number(&entry.figures, "calls").unwrap_or(0.0);
    let most = entries.iter().map(calls).fold(0.0, f64::max);
    let all = entries.len();
    entries.retain(|entry| calls(entry) >= most);
    for objective in objectives {
        section(&mut text, objective, &entries, top);
    }
    let failed = rows.iter().filter(|row| row.error.is_some());
    if let Some(first) = failed.clone().next() {
        let why = first.error.as_deref().unwrap_or_default();
        let _ =
            write!(text, "\n{} points cannot be run; the first, {}: {why}\n", failed.count(), first.point);
    }
    text.push_str("\nTTFT: time to first token, from schedule. Figures cover the calls that every policy of a point admitted.\n");
    if entries.len() < all {
        let _ = writeln!(
            text,
            "Not ranked: {} of {} rows, which finished fewer than {} calls and so would be compared on easier ones.",
            units::grouped((all - entries.len()) as u64),
            units::grouped(all as u64),
            units::grouped(most as u64)
        );
    }
    Ok(text)
}

fn section(text: &mut String, objective: &Objective, entries: &[Entry], top: usize) {
    let mut ranked: Vec<(f64, &Entry)> =
        entries.iter().filter_map(|entry| Some((objective.of(&entry.figures)?, entry))).collect();
    ranked.sort_by(|(a, left), (b, right)| {
        let order = if objective.more { b.total_cmp(a) } else { a.total_cmp(b) };
        order.then(left.place.cmp(&right.place))
    });
    let direction = if objective.more { "highest" } else { "lowest" };
    let _ = write!(text, "\n{direction} {}\n", objective.name);
    if ranked.is_empty() {
        text.push_str("no row has this figure\n");
        return;
    }
    let mut table = Table::new(&[
        "policy and point",
        "calls",
        "failed",
        "hit rate",
        "TTFT p50",
        "p99",
        "job p50",
        "prefill tokens",
    ]);
    for (_, entry) in ranked.iter().take(top) {
        let figure = |path: &str| number(&entry.figures, path);
        let count = |path: &str| figure(path).map_or_else(|| "–".to_owned(), |n| units::grouped(n as u64));
        let time = |path: &str| figure(path).map_or_else(|| "–".to_owned(), units::time);
        table.row(vec![
            entry.label.clone(),
            count("calls"),
            count("failed"),
            units::percent(figure("hit_rate")),
            time("ttft_ms.p50"),
            time("ttft_ms.p99"),
            time("job_ms.p50"),
            count("prefill_tokens"),
        ]);
    }
    text.push_str(&table.render());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_figures_of_a_row() {
        assert!(Objective::read("hit_rate").unwrap().more);
        assert!(!Objective::read("job_ms.p95").unwrap().more);
        for name in ["ttft_ms", "ttft_ms.p42", "calls", ""] {
            let said = Objective::read(name).unwrap_err().to_string();
            assert!(said.contains(&format!("`{name}`")) && said.contains("makespan_ms"), "{said}");
        }
        let figures = serde_json::json!({"ttft_ms": {"p99": 2.5}, "job_ms": null, "hit_rate": 0.5});
        assert_eq!(Objective::read("ttft_ms.p99").unwrap().of(&figures), Some(2.5));
        assert_eq!(Objective::read("job_ms.p50").unwrap().of(&figures), None);
    }
}
