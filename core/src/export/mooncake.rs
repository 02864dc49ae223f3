//! Mooncake JSONL: one request a line, in time order, with ids of its blocks.
//!
//! Sessions go out in the extension met in other people's files: `session_id`, and `delay` in
//! milliseconds after the answer to the session's previous line. A sub-agent becomes a session of its
//! own, so that it still runs beside its parent. The format knows no models, so calls to different
//! models get different ids. Sessions whose clocks begin at 0 all begin at 0.

use super::blocks::Blocks;
use super::lost::{self, Fact};
use super::{Amount, Documents, ExportError, Exported, Exporter, Set};
use crate::trace::{Call, Mark, Scope, Session};
use rustc_hash::FxHashMap;
use serde::Serialize;

/// Tokens of a block where nothing else is asked for.
const BLOCK: u32 = 512;
/// Microseconds of a millisecond, the unit of the format's times.
const MILLISECOND: u64 = 1_000;
/// What no line can say.
const LOST: &[Fact] = &[
    lost::HARNESS,
    lost::COUNTS,
    lost::MESSAGES,
    lost::MODELS,
    lost::TOOLS,
    lost::REASONING,
    lost::OUTPUTS,
    lost::TIMINGS,
    lost::CACHE,
    lost::COSTS,
    lost::ENDINGS,
    lost::UNKNOWN,
    lost::ROLES,
    lost::GRAPH,
];

pub(super) struct Mooncake;

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Amount>,
    input_length: u32,
    output_length: u32,
    hash_ids: Vec<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay: Option<Amount>,
}

/// A call, where it stands in time, and what it says of its session.
struct Placed<'a> {
    /// Its time, or that of what it follows where it has none.
    at_us: u64,
    session: &'a Session,
    /// The session's place in the set.
    place: usize,
    call: &'a Call,
    /// Index into the names of sessions as the format sees them; none for single requests.
    name: Option<usize>,
    /// Whether its only predecessor is the same session's line before it.
    follows: bool,
}

impl Exporter for Mooncake {
    fn name(&self) -> &'static str {
        "mooncake"
    }

    fn about(&self) -> &'static str {
        "Mooncake JSONL: one request a line, with ids of 512-token blocks or others"
    }

    fn ending(&self) -> &'static str {
        "jsonl"
    }

    fn write(&self, set: &Set<'_>, to: &mut dyn Documents) -> Result<Exported, ExportError> {
        let block = set.block_tokens.unwrap_or(BLOCK);
        if block == 0 {
            let expected = "at least 1".to_owned();
            return Err(ExportError::Block { format: "mooncake", asked: block, expected });
        }
        let mut exported = Exported::default();
        let mut blocks = Blocks::new(block, true);
        let mut names: Vec<String> = Vec::new();
        let mut placed = Vec::new();
        for (at, session) in set.sessions.iter().enumerate() {
            if !blocks.fit(session) {
                exported.lose("sessions whose blocks would have to be split", 1);
                continue;
            }
            exported.sessions += 1;
            exported.calls += session.calls.len() as u64;
            lost::count(&mut exported, session, LOST);
            place((at, session), &mut names, &mut placed, &mut exported);
        }
        placed.sort_by_key(|placed| placed.at_us);
        let out = to.begin("requests")?;
        exported.documents = 1;
        let mut roots = Roots::default();
        for placed in &placed {
            let root = roots.of(placed, &mut blocks);
            let name = placed.name.and_then(|name| names.get(name));
            // A pause that holds the model's time too is left to the time stamps.
            let exact = !placed.call.estimated || placed.call.at_us.is_none();
            let delay = placed.call.delay_us.filter(|_| placed.follows && exact);
            let line = Line {
                timestamp: placed.call.at_us.map(|us| Amount::of(us, MILLISECOND)),
                input_length: placed.call.prompt_tokens,
                output_length: placed.call.output(),
                hash_ids: blocks.prompt(root, placed.session, placed.call),
                session_id: name.map(String::as_str),
                delay: delay.map(|us| Amount::of(us, MILLISECOND)),
            };
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")?;
        }
        Ok(exported)
    }
}

/// Where prompts begin: one place for every model, of the set or of a session.
#[derive(Default)]
struct Roots<'a> {
    of: FxHashMap<(Option<usize>, &'a str), u32>,
}

impl<'a> Roots<'a> {
    fn of(&mut self, placed: &Placed<'a>, blocks: &mut Blocks) -> u32 {
        let model = placed.session.models.get(placed.call.model as usize).map_or("", String::as_str);
        let local = (placed.session.scope == Scope::Session).then_some(placed.place);
        *self.of.entry((local, model)).or_insert_with(|| blocks.root())
    }
}

/// Lists a session's calls with their times.
fn place<'a>(
    (place, session): (usize, &'a Session),
    names: &mut Vec<String>,
    placed: &mut Vec<Placed<'a>>,
    exported: &mut Exported,
) {
    let single = session.has(Mark::Sessionless);
    // By agent: its name's index, and its latest call.
    let mut agents: FxHashMap<u32, (usize, u32)> = FxHashMap::default();
    let mut latest_us = 0;
    let mut untimed = 0;
    for call in &session.calls {
        latest_us = call.at_us.unwrap_or(latest_us);
        untimed += u64::from(call.at_us.is_none() && call.delay_us.is_none());
        let before = agents.get(&call.agent).copied();
        let follows = before.is_some_and(|(_, before)| call.after == [before]);
        let name = before.map_or_else(
            || {
                names.push(match call.agent {
                    0 => session.id.clone(),
                    agent => format!("{}.agent-{agent}", session.id),
                });
                names.len() - 1
            },
            |(name, _)| name,
        );
        agents.insert(call.agent, (name, call.id));
        let name = (!single).then_some(name);
        placed.push(Placed { at_us: latest_us, session, place, call, name, follows });
    }
    exported.lose("sub-agents, now sessions of their own", agents.len().saturating_sub(1) as u64);
    exported.lose("calls without any time", untimed);
}
