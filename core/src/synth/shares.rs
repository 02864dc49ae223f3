//! What a fit counts: models, prefixes, tools, sub-agents, ways to end.

use super::observe::{Seen, Turn};
use super::profile::{Exit, Named, Prefix, Subagents, Tool, Tools, ppm};
use super::table::Table;
use crate::trace::{CallRole, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// Most variants of tools and system prompt that a profile keeps.
const MAX_PREFIXES: usize = 24;

pub(super) fn scope(seen: &[Seen<'_>]) -> Scope {
    let set = seen.iter().filter(|seen| seen.session.scope == Scope::Set).count();
    if 2 * set > seen.len() { Scope::Set } else { Scope::Session }
}

fn counted<T: Ord>(values: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_insert(0) += 1);
    counts
}

pub(super) fn most_common(values: impl Iterator<Item = String>) -> Option<String> {
    counted(values).into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0))).map(|(value, _)| value)
}

/// The model that each session's main agent asks most.
pub(super) fn models(seen: &[Seen<'_>]) -> Vec<Named> {
    let main = |seen: &Seen<'_>| {
        let calls = seen.session.calls.iter().filter(|call| call.role == CallRole::Agent);
        let names = calls.filter_map(|call| seen.session.models.get(call.model as usize).cloned());
        most_common(names).unwrap_or_else(|| "unknown".to_owned())
    };
    counted(seen.iter().map(main)).into_iter().map(|(name, count)| Named { name, count }).collect()
}

/// Variants of tools and system prompt; where there are many, those at evenly spaced places of the
/// sessions sorted by size.
pub(super) fn prefixes(seen: &[Seen<'_>]) -> Vec<Prefix> {
    let mut sizes: Vec<(u32, u32)> = seen.iter().map(|seen| seen.observed.prefix).collect();
    if sizes.iter().collect::<BTreeSet<_>>().len() > MAX_PREFIXES {
        sizes.sort_unstable_by_key(|&(tools, system)| (u64::from(tools) + u64::from(system), tools));
        let places = (0..MAX_PREFIXES).map(|place| (2 * place + 1) * sizes.len() / (2 * MAX_PREFIXES));
        sizes = places.map(|place| sizes[place]).collect();
    }
    let rows = counted(sizes.into_iter()).into_iter();
    rows.map(|((tools, system), count)| Prefix { tools, system, count }).collect()
}

/// Most tools that one turn is taken to ask for.
const MAX_TOOLS: usize = 8;

pub(super) fn tools(seen: &[Seen<'_>]) -> Option<Tools> {
    let calls =
        || seen.iter().flat_map(|seen| &seen.session.calls).filter(|call| call.role == CallRole::Agent);
    let mut mix: BTreeMap<String, Tool> = BTreeMap::new();
    for used in calls().flat_map(|call| &call.tools) {
        let name = || used.name.clone();
        let tool = mix.entry(name()).or_insert_with(|| Tool { name: name(), count: 0, ok: 0, failed: 0 });
        tool.count += 1;
        tool.ok += u64::from(used.ok == Some(true));
        tool.failed += u64::from(used.ok == Some(false));
    }
    let mut per_turn = vec![0; MAX_TOOLS + 1];
    calls().for_each(|call| per_turn[call.tools.len().min(MAX_TOOLS)] += 1);
    while per_turn.last() == Some(&0) {
        per_turn.pop();
    }
    (!mix.is_empty()).then(|| Tools { per_turn, mix: mix.into_values().collect() })
}

pub(super) fn subagents(seen: &[Seen<'_>]) -> Option<Subagents> {
    let mut agents: Vec<Vec<&Turn>> = Vec::new();
    let mut counts = Vec::new();
    for seen in seen {
        let mut own: BTreeMap<u32, Vec<&Turn>> = BTreeMap::new();
        for turn in seen.observed.calls.iter().filter(|turn| turn.agent > 0) {
            own.entry(turn.agent).or_default().push(turn);
        }
        counts.extend((!own.is_empty()).then_some(own.len() as u64));
        agents.extend(own.into_values());
    }
    let calls = || agents.iter().flatten();
    let steps = || calls().filter_map(|turn| turn.step);
    Some(Subagents {
        sessions_ppm: ppm(counts.len() as u64, seen.len() as u64),
        count: Table::of(counts)?,
        turns: Table::of(agents.iter().map(|turns| turns.len() as u64))?,
        first_prompt_tokens: Table::of(
            agents.iter().filter_map(|turns| Some(turns.first()?.prompt_tokens.into())),
        )?,
        output_tokens: Table::of(calls().map(|turn| turn.output_tokens.into()))?,
        input_tokens: Table::of(steps().map(|step| step.input_tokens.into())).unwrap_or(Table(vec![0])),
        delay_us: Table::of(steps().filter_map(|step| step.delay_us)),
        model_us: Table::of(calls().filter_map(|turn| turn.model_us)),
    })
}

pub(super) fn endings(seen: &[Seen<'_>]) -> Vec<Exit> {
    let known = seen.iter().filter_map(|seen| seen.session.outcome.as_ref());
    let counts = counted(known.map(|ending| (ending.exit.clone(), ending.submitted)));
    counts.into_iter().map(|((exit, submitted), count)| Exit { exit, submitted, count }).collect()
}
