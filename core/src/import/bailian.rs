//! Bailian usage traces: one request a line, with the hashes of its 16-token blocks and the chat it
//! continues.
//!
//! A chat without a parent begins a session, and every chat that continues it, directly or through
//! others, is one of its calls. Two chats may continue the same one: the session branches there. Hash ids
//! hold across the file. How long a call took is not in the source, so the pause between two calls holds
//! the model's time too, and is marked.
//!
//! Parents may stand anywhere in the file, so all of it lies in memory until the end: about 8 bytes a block
//! beside the sessions that come out.

use super::blocks::Chunks;
use super::head::Shape;
use super::json::{Fault, Ids, Num, Text};
use super::{ImportError, Imported, Importer, Source, names};
use crate::trace::lines::Lines;
use crate::trace::{Call, Mark, Scope, Session};
use rustc_hash::FxHashMap;
use std::io::BufRead;

/// Tokens of a block.
const BLOCK: u32 = 16;
/// Largest block id that is accepted.
const MAX_ID: u64 = 1 << 40;
/// Microseconds of a second, the unit of the source's times.
const SECOND: f64 = 1_000_000.0;

pub(super) struct Bailian;

record! {
    /// One line.
    Line<'a> {
        "chat_id" => chat: Num,
        "parent_chat_id" => parent: Num,
        "timestamp" => timestamp: Num,
        "input_length" => input: Num,
        "output_length" => output: Num,
        "hash_ids" => ids: Ids,
        "turn" => turn: Num,
        "type" => kind: Text<'a>,
    } ignoring []
}

/// One request that was understood.
struct Asked {
    line: u64,
    chat: u64,
    parent: Option<u64>,
    at_us: u64,
    prompt_tokens: u32,
    output_tokens: u32,
    ids: Vec<u64>,
    /// Whether the source says that something came before it.
    continues: bool,
}

impl Importer for Bailian {
    fn name(&self) -> &'static str {
        "bailian"
    }

    fn about(&self) -> &'static str {
        "Bailian usage traces: one request a line, with hashes of 16-token blocks and the chat it continues"
    }

    fn detect(&self, head: &[u8]) -> bool {
        const KEYS: &[&str] = &["/chat_id", "/timestamp", "/input_length", "/output_length", "/hash_ids"];
        head.split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .take(4)
            .filter_map(Shape::of)
            .any(|shape| shape.has_all(KEYS))
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let mut asked: Vec<Asked> = Vec::new();
        let mut lines = Lines::new(input);
        let mut places: FxHashMap<u64, usize> = FxHashMap::default();
        while into.next_line(source, &mut lines) {
            let number = lines.number();
            let line = match serde_json::from_slice::<Line<'_>>(lines.line()) {
                Ok(line) => line,
                Err(error) => {
                    into.skip(source, format!("line {number}: no JSON: {error}"));
                    continue;
                }
            };
            into.unknown_keys += line.unknown;
            match understood(line, number) {
                Ok(request) if places.contains_key(&request.chat) => {
                    let why = format!("line {number}: `chat_id` {} stands in an earlier line", request.chat);
                    into.skip(source, why);
                }
                Ok(request) => {
                    places.insert(request.chat, asked.len());
                    asked.push(request);
                }
                Err(fault) => into.skip(source, format!("line {number}: {fault}")),
            }
        }
        sessions(asked, &places, source, into);
        Ok(())
    }
}

fn understood(line: Line<'_>, number: u64) -> Result<Asked, Fault> {
    if let Some(found) = line.wrong {
        return Err(Fault::new("request", found, "an object"));
    }
    let missing = |field, expected| Fault::new(field, "missing", expected);
    let chat = line.chat.whole("chat_id", u64::MAX)?.ok_or_else(|| missing("chat_id", "a whole number"))?;
    let parent = match line.parent {
        Num::Float(-1.0) => None,
        parent => parent.whole("parent_chat_id", u64::MAX)?,
    };
    let at_us = line.timestamp.time_us("timestamp", SECOND)?;
    let at_us = at_us.ok_or_else(|| missing("timestamp", "a time in seconds"))?;
    let prompt_tokens = line.input.tokens("input_length")?;
    let output_tokens = line.output.tokens("output_length")?;
    let ids = line.ids.list("hash_ids")?;
    let (floor, ceil) = (prompt_tokens / BLOCK, prompt_tokens.div_ceil(BLOCK));
    if ids.len() as u64 != u64::from(floor) && ids.len() as u64 != u64::from(ceil) {
        let expected = format!("{ceil} for {prompt_tokens} tokens in blocks of {BLOCK}");
        return Err(Fault::new("hash_ids", format!("{} ids", ids.len()), expected));
    }
    if let Some(id) = ids.iter().find(|id| **id > MAX_ID) {
        return Err(Fault::new("hash_ids", id, format!("ids up to {MAX_ID}")));
    }
    let continues = parent.is_some() || matches!(line.turn, Num::Int(turn) if turn > 1);
    Ok(Asked { line: number, chat, parent, at_us, prompt_tokens, output_tokens, ids, continues })
}

/// Puts every request into the session of its root, sessions in the order of their first lines.
fn sessions(asked: Vec<Asked>, places: &FxHashMap<u64, usize>, source: &Source<'_>, into: &mut Imported) {
    let parents: Vec<Option<usize>> =
        asked.iter().map(|request| request.parent.and_then(|chat| places.get(&chat).copied())).collect();
    let roots = roots(&parents);
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut group_of: FxHashMap<usize, usize> = FxHashMap::default();
    for (place, root) in roots.iter().enumerate() {
        match root {
            Some(root) => {
                let group = *group_of.entry(*root).or_insert(groups.len());
                if group == groups.len() {
                    groups.push(Vec::new());
                }
                groups[group].push(place);
            }
            None => {
                let why = format!("line {}: `parent_chat_id` leads in a circle", asked[place].line);
                into.skip(source, format!("{why}, expected a chat without a parent at its end"));
            }
        }
    }
    let base = into.reserve_ids();
    for group in groups {
        into.push(source, session(&asked, &parents, group, base));
    }
}

/// The request that each one goes back to; none where parents lead in a circle.
fn roots(parents: &[Option<usize>]) -> Vec<Option<usize>> {
    #[derive(Clone, Copy)]
    enum Seen {
        No,
        OnTheWay,
        Root(Option<usize>),
    }
    let mut seen = vec![Seen::No; parents.len()];
    let mut path = Vec::new();
    for start in 0..parents.len() {
        let mut at = start;
        let root = loop {
            match seen[at] {
                Seen::Root(root) => break root,
                Seen::OnTheWay => break None,
                Seen::No => {}
            }
            seen[at] = Seen::OnTheWay;
            path.push(at);
            match parents[at] {
                Some(parent) => at = parent,
                None => break Some(at),
            }
        };
        path.drain(..).for_each(|place| seen[place] = Seen::Root(root));
    }
    let root = |seen: Seen| if let Seen::Root(root) = seen { root } else { None };
    seen.into_iter().map(root).collect()
}

/// One session; `group` are the places of its requests, in file order.
fn session(asked: &[Asked], parents: &[Option<usize>], mut group: Vec<usize>, base: u64) -> Session {
    let out_of_order = !group.is_sorted_by_key(|&place| asked[place].at_us);
    group.sort_by_key(|&place| asked[place].at_us);
    let index: FxHashMap<usize, u32> = group.iter().copied().zip(0..).collect();
    let root = group.iter().find(|&&place| parents[place].is_none()).copied().unwrap_or(group[0]);
    let mut chunks = Chunks::new(BLOCK, base);
    let mut calls: Vec<Call> = Vec::with_capacity(group.len());
    let mut dropped = false;
    for (place, &from) in group.iter().enumerate() {
        let request = &asked[from];
        let parent = parents[from].and_then(|parent| Some((parent, *index.get(&parent)?)));
        let known = parent.filter(|(_, before)| (*before as usize) < place);
        let earlier = known
            .map(|(parent, before)| (asked[parent].ids.as_slice(), calls[before as usize].prompt.as_slice()));
        let prompt = chunks.prompt(earlier, &request.ids);
        dropped |= known.is_some_and(|(parent, _)| request.prompt_tokens < asked[parent].prompt_tokens / 2);
        calls.push(Call {
            id: place as u32,
            after: parent.iter().map(|(_, before)| *before).collect(),
            delay_us: parent.map(|(parent, _)| request.at_us.saturating_sub(asked[parent].at_us)),
            at_us: Some(request.at_us),
            prompt,
            prompt_tokens: request.prompt_tokens,
            output_tokens: Some(request.output_tokens),
            estimated: parent.is_some(),
            ..Call::default()
        });
    }
    let marks = [
        (asked[root].continues, Mark::MidSession),
        (calls.len() > 1, Mark::Estimated),
        (out_of_order, Mark::OutOfOrder),
        (dropped, Mark::ContextDrop),
    ];
    let mut session = Session {
        id: format!("bailian-{}", asked[root].chat),
        source: "bailian".to_owned(),
        harness: String::new(),
        models: vec![names::UNKNOWN.to_owned()],
        scope: Scope::Set,
        block_tokens: Some(BLOCK),
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments: chunks.segments,
        calls,
        outcome: None,
    };
    marks.iter().filter(|(holds, _)| *holds).for_each(|(_, mark)| session.mark(*mark));
    session
}
