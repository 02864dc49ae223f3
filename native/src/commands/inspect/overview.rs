//! The report on a set: what it is, its tables and histograms.

use super::histogram::{Unit, panel, panel_width, side_by_side};
use crate::table::Table;
use crate::terminal::{bar, lines, pairs, printable};
use atr_core::figure::units::{grouped, percent, short};
use atr_core::import::Imported;
use atr_core::metrics::shapes::{Samples, Shapes, Variable};
use atr_core::metrics::{Distribution, Inspection};
use atr_core::trace::{CallRole, Mark, Session};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Names listed of a kind before the rest is only counted.
const NAMES: usize = 6;
/// Tools listed.
const TOOLS: usize = 8;

/// What the set is: names, formats, software, models, marks.
pub(super) fn header(imported: &Imported, files: &[PathBuf], columns: usize) -> String {
    let sessions = &imported.sessions;
    let names: Vec<String> = if imported.headers.is_empty() {
        files.iter().map(|file| printable(&file.display().to_string())).collect()
    } else {
        let kind = |kind: &str| if kind.is_empty() { String::new() } else { format!(" ({kind})") };
        imported.headers.iter().map(|h| printable(&format!("{}{}", h.name, kind(&h.kind)))).collect()
    };
    let text = |names: Vec<String>| some(names.into_iter());
    let mut rows = vec![("set", text(names)), ("format", imported.format.to_owned())];
    let sources = counted(sessions.iter().map(|session| session.source.clone()));
    rows.push(("read from", text(names_of(sources))));
    let harnesses = counted(sessions.iter().map(|session| session.harness.clone()));
    rows.push(("harness", shares(harnesses, "sessions")));
    let models = sessions.iter().flat_map(|session| {
        session.calls.iter().filter_map(|call| session.models.get(call.model as usize).cloned())
    });
    rows.push(("models", shares(counted(models), "calls")));
    let marks = sessions.iter().flat_map(|session| &session.marks).filter_map(|mark| name(*mark));
    let marks: Vec<String> =
        counted(marks).into_iter().map(|(mark, n)| format!("{mark} {}", grouped(n))).collect();
    if !marks.is_empty() {
        rows.push(("marks", text(marks)));
    }
    rows.push(("tokens by", text(names_of(counted(sessions.iter().map(|s| s.counts_from.clone()))))));
    pairs(&rows, columns)
}

/// The mark as files write it.
fn name(mark: Mark) -> Option<String> {
    Some(serde_json::to_value(mark).ok()?.as_str()?.replace('_', "-"))
}

/// By falling count, then by name.
fn counted(values: impl Iterator<Item = String>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

fn names_of(counted: Vec<(String, u64)>) -> Vec<String> {
    counted.into_iter().map(|(name, _)| known(name)).collect()
}

fn known(name: String) -> String {
    if name.is_empty() { "unknown".to_owned() } else { printable(&name) }
}

/// Names with their shares of all `what`, where there are several.
fn shares(counted: Vec<(String, u64)>, what: &str) -> String {
    if counted.len() == 1 {
        return some(names_of(counted).into_iter());
    }
    let all: u64 = counted.iter().map(|(_, n)| n).sum();
    let share = |n: u64| percent(Some(n as f64 / all.max(1) as f64));
    let text = some(counted.into_iter().map(|(name, n)| format!("{} {}", known(name), share(n))));
    format!("{text} of {what}")
}

fn some(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let mut text = names.iter().take(NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > NAMES {
        text.push_str(&format!(" and {} more", names.len() - NAMES));
    }
    text
}

/// Tables and histograms.
pub(super) fn text(sessions: &[Session], found: &Inspection, columns: usize) -> String {
    let all: Vec<&Session> = sessions.iter().collect();
    let shapes = Shapes::of(&all);
    let mut text = totals(sessions, found);
    let recorded = Recordings::of(sessions);
    let identified = sessions.iter().flat_map(|s| &s.calls).any(|call| !call.prompt.is_empty());
    text.push_str(&caches(found, identified, &recorded, columns));
    text.push_str(&recorded.text());
    text.push_str(&histograms(sessions, columns));
    text.push_str(&pauses(&shapes));
    text.push_str(&tools(&shapes, columns));
    text
}

fn totals(sessions: &[Session], found: &Inspection) -> String {
    let mut table = Table::new(&["", "total", "a session", "a call"]);
    let per = |n: u64, of: u64| if of == 0 { "–".to_owned() } else { decimal(n as f64 / of as f64) };
    let has_sessions = found.turns.is_some();
    let count = if has_sessions { found.sessions } else { 0 };
    if has_sessions {
        table.row(vec!["sessions".into(), grouped(found.sessions), String::new(), String::new()]);
        let turns: u64 = sessions.iter().filter_map(Session::turns).sum();
        table.row(vec!["turns".into(), grouped(turns), per(turns, count), String::new()]);
    }
    let sub = sessions.iter().flat_map(|s| &s.calls).filter(|call| call.role == CallRole::Subagent).count();
    table.row(vec!["calls".into(), grouped(found.calls), per(found.calls, count), String::new()]);
    if sub > 0 {
        table.row(vec!["  of sub-agents".into(), grouped(sub as u64), per(sub as u64, count), String::new()]);
    }
    let prompt = found.prompt_tokens;
    table.row(vec!["prompt tokens".into(), grouped(prompt), per(prompt, count), per(prompt, found.calls)]);
    let unknown = sessions.iter().flat_map(|s| &s.calls).filter(|call| call.output_tokens.is_none()).count();
    let known = found.calls.saturating_sub(unknown as u64);
    let output = |n: u64, of: u64| if unknown > 0 { "–".to_owned() } else { per(n, of) };
    table.row(vec![
        "output tokens".into(),
        if known > 0 { grouped(found.output_tokens) } else { "–".to_owned() },
        output(found.output_tokens, count),
        per(found.output_tokens, known),
    ]);
    if unknown > 0 {
        let calls = format!("{} calls", grouped(unknown as u64));
        table.row(vec!["  unknown for".into(), calls, String::new(), String::new()]);
    }
    let reasoning: u64 =
        sessions.iter().flat_map(|s| &s.calls).map(|call| u64::from(call.reasoning_tokens)).sum();
    if reasoning > 0 {
        table.row(vec![
            "  of it reasoning".into(),
            grouped(reasoning),
            per(reasoning, count),
            per(reasoning, found.calls),
        ]);
    }
    let sum = found.prompt_tokens + found.output_tokens;
    let share = (sum > 0 && unknown == 0).then(|| found.output_tokens as f64 / sum as f64);
    table.row(vec!["output share".into(), fine_percent(share), String::new(), String::new()]);
    for (name, n) in [("duplicates", found.duplicates), ("skipped records", found.skipped)] {
        if n > 0 {
            table.row(vec![name.into(), grouped(n), String::new(), String::new()]);
        }
    }
    format!("\n{}", table.render())
}

/// Two digits where one would be none.
fn fine_percent(share: Option<f64>) -> String {
    match share {
        Some(share) if share < 0.01 => format!("{:.2} %", share * 100.0),
        share => percent(share),
    }
}

/// With one decimal below a hundred, where it needs one.
fn decimal(value: f64) -> String {
    if value >= 99.95 {
        return grouped(value.round() as u64);
    }
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

/// Where nothing says which prompts are equal, what a cache would find is unknown.
fn caches(found: &Inspection, identified: bool, recorded: &Recordings, columns: usize) -> String {
    let mut table = Table::new(&["cache", "KV tokens", "hit rate"]);
    let mut rates = Vec::new();
    let mut add = |name: &str, kv_tokens: String, rate: Option<f64>| {
        table.row(vec![name.to_owned(), kv_tokens, percent(rate)]);
        rates.push(rate.unwrap_or(0.0));
    };
    add("endless, shared (the ceiling)", "∞".to_owned(), found.ceiling_hit_rate.filter(|_| identified));
    for row in &found.lru {
        add(
            &format!("LRU, shared, {}", row.order),
            grouped(row.kv_tokens),
            row.hit_rate.filter(|_| identified),
        );
    }
    if recorded.prompt_tokens > 0 {
        let rate = recorded.cached_tokens as f64 / recorded.prompt_tokens as f64;
        add("the provider's, as recorded", "–".to_owned(), Some(rate));
    }
    let note = format!("Blocks of {} tokens.\n", grouped(found.block_tokens.into()));
    let note = if found.block_tokens == 1 { "Blocks of one token.\n".to_owned() } else { note };
    let unknown = "The source does not say which parts of prompts are equal: no cache can be judged on it.";
    let unknown = if identified { String::new() } else { lines(unknown, columns).join("\n") + "\n" };
    format!("\n{}{note}{unknown}", with_bars(&table.render(), &rates, columns))
}

/// A table with a bar behind each row, where there is room for one.
fn with_bars(table: &str, shares: &[f64], columns: usize) -> String {
    let width = table.lines().skip(1).map(|line| line.chars().count()).max().unwrap_or(0) + 2;
    let room = columns.saturating_sub(width).min(24);
    let mut text = String::new();
    for (nth, line) in table.lines().enumerate() {
        let share = nth.checked_sub(1).and_then(|nth| shares.get(nth)).filter(|_| room >= 8);
        let fill = width.saturating_sub(line.chars().count());
        let bar = share.map_or(String::new(), |share| " ".repeat(fill) + &bar(*share, room));
        text.push_str(format!("{line}{bar}").trim_end());
        text.push('\n');
    }
    text
}

/// What the source recorded, and what is counted over the same calls.
#[derive(Default)]
struct Recordings {
    cached_calls: u64,
    cached_tokens: u64,
    prompt_tokens: u64,
    output_calls: u64,
    recorded_output_tokens: u64,
    output_tokens: u64,
    cost_calls: u64,
    cost_usd: f64,
}

impl Recordings {
    fn of(sessions: &[Session]) -> Self {
        let mut sums = Recordings::default();
        for call in sessions.iter().flat_map(|session| &session.calls) {
            let Some(recorded) = &call.recorded else { continue };
            if let Some(cached) = recorded.cached_tokens {
                sums.cached_calls += 1;
                sums.cached_tokens += cached;
                sums.prompt_tokens += u64::from(call.prompt_tokens);
            }
            // It is kept apart only where another number is used.
            if let Some(output) = recorded.output_tokens {
                sums.output_calls += 1;
                sums.recorded_output_tokens += output;
                sums.output_tokens += u64::from(call.output());
            }
            if let Some(usd) = recorded.cost_usd {
                sums.cost_calls += 1;
                sums.cost_usd += usd;
            }
        }
        sums
    }

    fn text(&self) -> String {
        let mut table = Table::new(&["recorded by the source", "calls", "recorded", "used here"]);
        let mut rows = 0;
        let mut add = |calls: u64, name: &str, recorded: String, here: String| {
            if calls > 0 {
                rows += 1;
                table.row(vec![name.to_owned(), grouped(calls), recorded, here]);
            }
        };
        let unused = || "–".to_owned();
        add(self.cached_calls, "cached prompt tokens", grouped(self.cached_tokens), unused());
        let written = grouped(self.recorded_output_tokens);
        add(self.output_calls, "output tokens that were replaced", written, grouped(self.output_tokens));
        add(self.cost_calls, "cost, USD", format!("{:.2}", self.cost_usd), unused());
        if rows == 0 { String::new() } else { format!("\n{}", table.render()) }
    }
}

fn histograms(sessions: &[Session], columns: usize) -> String {
    let calls = || sessions.iter().flat_map(|session| &session.calls);
    let turns: Vec<f64> = sessions.iter().filter_map(Session::turns).map(|n| n as f64).collect();
    let samples = Samples::of(sessions);
    let variables = [
        ("turns a session", turns, Unit::Count),
        ("prompt tokens a call", calls().map(|call| call.prompt_tokens.into()).collect(), Unit::Count),
        (
            "output tokens a call",
            calls().filter_map(|call| call.output_tokens.map(f64::from)).collect(),
            Unit::Count,
        ),
        ("pause before a call", samples.values(Variable::GapMs).to_vec(), Unit::Ms),
    ];
    let width = panel_width(columns);
    let panels = variables.into_iter().filter_map(|(title, values, unit)| {
        let sample = Distribution::of(&values)?;
        let values = if sample.n == 1 { "value" } else { "values" };
        Some(panel(&format!("{title} ({} {values})", short(sample.n)), &sample, unit, width))
    });
    side_by_side(&panels.collect::<Vec<_>>(), width, columns)
}

/// Pauses that outlast a provider's cache.
fn pauses(shapes: &Shapes) -> String {
    let Some(rows) = &shapes.beyond else { return String::new() };
    let mut table =
        Table::new(&["pauses beyond a cache's life", "pauses", "of all", "of prompt tokens after"]);
    for row in rows {
        let name = match row.lifetime_s {
            s if s % 3_600 == 0 => format!("{} h", s / 3_600),
            s => format!("{} min", s / 60),
        };
        let (of_all, of_prompts) = (fine_percent(Some(row.gaps_share)), fine_percent(Some(row.prompt_share)));
        table.row(vec![name, grouped(row.gaps), of_all, of_prompts]);
    }
    format!("\n{}", table.render())
}

fn tools(shapes: &Shapes, columns: usize) -> String {
    let Some(rows) = &shapes.tools else { return String::new() };
    let all: u64 = rows.iter().map(|row| row.uses).sum();
    let share = |uses: u64| uses as f64 / all.max(1) as f64;
    let mut table = Table::new(&["tools", "uses", "share"]);
    let mut shares = Vec::new();
    let mut add = |name: String, uses: u64| {
        table.row(vec![name, grouped(uses), percent(Some(share(uses)))]);
        shares.push(share(uses));
    };
    rows.iter().take(TOOLS).for_each(|row| add(printable(&row.name), row.uses));
    let rest = rows.iter().skip(TOOLS);
    match rest.len() {
        0 => {}
        more => add(format!("{more} more"), rest.map(|row| row.uses).sum()),
    }
    format!("\n{}", with_bars(&table.render(), &shares, columns))
}
