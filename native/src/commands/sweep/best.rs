//! The table of a sweep: the rows that do best by each figure.

use super::store::{Header, Row};
use super::values;
use crate::args::WrongCall;
use crate::table::Table;
use crate::terminal;
use crate::words::count;
use anyhow::Context;
use atr_core::figure::units;
use atr_core::metrics::PolicyMetrics;
use atr_core::metrics::objective::{Condition, ObjectiveError, Quantity, objectives};
use atr_core::policy::POLICIES;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// Which rows the table shows.
#[derive(clap::Args, Debug)]
pub(crate) struct TableArgs {
    /// Figures by which the best rows are shown.
    #[arg(long, value_name = "FIGURE,…", default_value = "ttft_ms.p99,job_ms.p50,hit_rate")]
    best: String,
    /// Show only rows that meet this: `ttft_ms.p99<=800,job_ms.p95<=60000`.
    #[arg(long, value_name = "OBJECTIVES")]
    slo: Option<String>,
    /// How many rows by each figure.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    top: u32,
}

/// The same, checked.
pub(crate) struct Wanted {
    best: Vec<Quantity>,
    slo: Vec<Condition>,
    top: usize,
}

impl TableArgs {
    /// Looks the figures up.
    ///
    /// # Errors
    /// When one is none.
    pub(crate) fn wanted(&self) -> Result<Wanted, WrongCall> {
        let wrong = |flag, error: ObjectiveError| WrongCall(format!("`{flag}`: {error}"));
        let best = self.best.split(',').map(|name| Quantity::parse(name.trim()));
        let best = best.collect::<Result<_, _>>().map_err(|error| wrong("--best", error))?;
        let slo = self.slo.as_deref().map(objectives).transpose().map_err(|error| wrong("--slo", error))?;
        Ok(Wanted { best, slo: slo.unwrap_or_default(), top: self.top as usize })
    }
}

/// Whether more of a figure is shown first: of its use, too, though less leaves room.
fn more_is_better(quantity: &Quantity) -> bool {
    !quantity.metric.less_is_better || quantity.metric.name == "utilisation"
}

/// Whether a policy leaves out of prompts what the agent would have seen.
fn lossy(policy: &str) -> bool {
    POLICIES.iter().any(|known| known.name == policy && known.context != "raw")
}

/// One policy at one point.
struct Entry {
    label: String,
    place: usize,
    figures: PolicyMetrics,
}

/// The best rows by each figure, as text.
///
/// # Errors
/// When a row does not hold what a sweep writes.
pub(crate) fn render(header: &Header, rows: &[Row], wanted: &Wanted) -> anyhow::Result<String> {
    let mut entries = entries(rows)?;
    let mut text = format!(
        "simulated: {} of {}, at each {} of {}\n",
        units::grouped(rows.len() as u64),
        count(header.points as u64, "point"),
        count(header.inputs.calls, "call"),
        count(header.inputs.sessions, "session")
    );
    let all = entries.len();
    // Who refuses the long calls looks fast.
    let most = entries.iter().map(|entry| entry.figures.calls).max().unwrap_or(0);
    entries.retain(|entry| entry.figures.calls == most);
    let easier = all - entries.len();
    let ranked = entries.len() as u64;
    entries.retain(|entry| wanted.slo.iter().all(|condition| condition.met(&entry.figures) == Some(true)));
    for quantity in &wanted.best {
        section(&mut text, quantity, &entries, wanted.top);
    }
    text.push_str(
        "\nTTFT: time to first token, from schedule. Figures cover the calls that every policy of a point admitted.\n",
    );
    if entries.iter().any(|entry| lossy(&entry.figures.name)) {
        text.push_str(
            "A policy that masks what the agent sees may solve fewer tasks, which is not simulated.\n",
        );
    }
    if !wanted.slo.is_empty() {
        let conditions: Vec<String> = wanted.slo.iter().map(ToString::to_string).collect();
        let _ =
            writeln!(text, "{} of {} meet {}.", entries.len(), count(ranked, "row"), conditions.join(", "));
    }
    if easier > 0 {
        let _ = writeln!(
            text,
            "Not ranked: {easier} of {}, which finished fewer than {} and so would be compared on easier ones.",
            count(all as u64, "row"),
            count(most, "call")
        );
    }
    let mut failed = rows.iter().filter_map(|row| Some((row, row.error.as_deref()?)));
    let how_many = failed.clone().count();
    if let Some((row, why)) = failed.next() {
        let _ = writeln!(text, "Points that cannot be run: {how_many}; the first, {}: {why}.", row.point);
    }
    Ok(text)
}

fn entries(rows: &[Row]) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for row in rows {
        let Some(policies) = &row.policies else { continue };
        let point: Map<String, Value> = serde_json::from_str(row.point.get())?;
        let point: Vec<String> =
            point.iter().map(|(key, value)| format!("{key}={}", values::shown(value))).collect();
        let all: Vec<PolicyMetrics> =
            serde_json::from_str(policies.get()).with_context(|| format!("point `{}`", row.id))?;
        for figures in all {
            let label = terminal::printable(&format!("{} {}", figures.name, point.join(" ")));
            entries.push(Entry { label: label.trim_end().to_owned(), place: row.index, figures });
        }
    }
    Ok(entries)
}

fn section(text: &mut String, quantity: &Quantity, entries: &[Entry], top: usize) {
    let more = more_is_better(quantity);
    let mut ranked: Vec<(f64, &Entry)> =
        entries.iter().filter_map(|entry| Some((quantity.of(&entry.figures)?, entry))).collect();
    ranked.sort_by(|(a, left), (b, right)| {
        let order = if more { b.total_cmp(a) } else { a.total_cmp(b) };
        order.then(left.place.cmp(&right.place))
    });
    let _ = write!(text, "\n{} {quantity}\n", if more { "highest" } else { "lowest" });
    if ranked.is_empty() {
        text.push_str("no row\n");
        return;
    }
    let heads =
        ["policy and point", "calls", "failed", "hit rate", "TTFT p50", "p99", "job p50", "prefill tokens"];
    let mut table = Table::new(&heads);
    let time = units::known_time;
    for (_, Entry { label, figures, .. }) in ranked.iter().take(top) {
        table.row(vec![
            label.clone(),
            units::grouped(figures.calls),
            units::grouped(figures.failed),
            units::percent(figures.hit_rate),
            time(figures.ttft_ms.map(|spread| spread.p50)),
            time(figures.ttft_ms.map(|spread| spread.p99)),
            time(figures.job_ms.map(|spread| spread.p50)),
            units::grouped(figures.prefill_tokens),
        ]);
    }
    text.push_str(&table.render());
}
