//! Mooncake JSONL: one request a line, with the hashes of its 512-token blocks.
//!
//! The source knows no sessions, so every line is a session of one call. Files of others name them:
//! lines of one `session_id` are the turns of one session, each sent a `delay` in milliseconds after the
//! answer to the one before. A turn without a delay is placed by its time stamp, which leaves the model's
//! time in the pause, and is marked. Hash ids hold across the file, and they cover the prompt's last,
//! partial block too.
//!
//! The turns of sessions lie in memory until the file's end.

use super::blocks::Chunks;
use super::head::Shape;
use super::json::{Fault, Ids, Num, Text};
use super::{ImportError, Imported, Importer, Source, names};
use crate::trace::lines::Lines;
use crate::trace::{Call, Mark, Scope, Session};
use rustc_hash::FxHashMap;
use std::io::BufRead;

/// Tokens of a block.
const BLOCK: u32 = 512;
/// Microseconds of a millisecond, the unit of the source's times.
const MILLISECOND: f64 = 1_000.0;
/// Largest block id that is accepted.
const MAX_ID: u64 = 1 << 40;

pub(super) struct Mooncake;

record! {
    /// One line.
    Line<'a> {
        "timestamp" => timestamp: Num,
        "input_length" => input: Num,
        "output_length" => output: Num,
        "hash_ids" => ids: Ids,
        "session_id" => session: Text<'a>,
        "delay" => delay: Num,
    } ignoring []
}

/// One request that was understood.
struct Asked {
    at_us: Option<u64>,
    delay_us: Option<u64>,
    prompt_tokens: u32,
    output_tokens: u32,
    ids: Vec<u64>,
}

/// What a file's lines belong to, in the order of their first lines.
#[derive(Default)]
struct Gathered {
    /// Lines of one session, or a single one with its number.
    groups: Vec<(Result<String, u64>, Vec<Asked>)>,
    by_id: FxHashMap<String, usize>,
}

impl Gathered {
    /// Takes a line. Gives it back where it need not wait for others.
    fn take(&mut self, session: &str, number: u64, asked: Asked) -> Option<Asked> {
        if session.is_empty() {
            if self.by_id.is_empty() {
                return Some(asked);
            }
            self.groups.push((Err(number), vec![asked]));
            return None;
        }
        let next = self.groups.len();
        let place = *self.by_id.entry(session.to_owned()).or_insert(next);
        if place == next {
            self.groups.push((Ok(names::id(session)), Vec::new()));
        }
        self.groups[place].1.push(asked);
        None
    }
}

impl Importer for Mooncake {
    fn name(&self) -> &'static str {
        "mooncake"
    }

    fn about(&self) -> &'static str {
        "Mooncake JSONL: one request a line, with hashes of 512-token blocks"
    }

    fn detect(&self, head: &[u8]) -> bool {
        const KEYS: &[&str] = &["/input_length", "/output_length", "/hash_ids"];
        // The first line may be the bad one, so a few more are asked.
        head.split(|byte| *byte == b'\n')
            .filter(|line| !line.trim_ascii().is_empty())
            .take(4)
            .filter_map(Shape::of)
            .any(|shape| {
                let placed = shape.has("/timestamp") || shape.has("/session_id");
                // Requests that wait for several others, in blocks of any size, are another format's.
                let other = shape.has("/chat_id") || shape.has("/dependencies");
                shape.has_all(KEYS) && placed && !other
            })
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let base = into.reserve_ids();
        let mut gathered = Gathered::default();
        let mut lines = Lines::new(input);
        while into.next_line(source, &mut lines) {
            let number = lines.number();
            match serde_json::from_slice::<Line<'_>>(lines.line()) {
                Err(error) => into.skip(source, format!("line {number}: no JSON: {error}")),
                Ok(mut line) => {
                    into.unknown_keys += line.unknown;
                    let session = line.session.0.take().unwrap_or_default();
                    match understood(line) {
                        Ok(asked) => {
                            if let Some(single) = gathered.take(&session, number, asked) {
                                into.push(source, assembled(&Err(number), vec![single], base));
                            }
                        }
                        Err(fault) => into.skip(source, format!("line {number}: {fault}")),
                    }
                }
            }
        }
        for (id, asked) in gathered.groups {
            into.push(source, assembled(&id, asked, base));
        }
        Ok(())
    }
}

fn understood(line: Line<'_>) -> Result<Asked, Fault> {
    if let Some(found) = line.wrong {
        return Err(Fault::new("request", found, "an object"));
    }
    let at_us = line.timestamp.time_us("timestamp", MILLISECOND)?;
    let delay_us = line.delay.time_us("delay", MILLISECOND)?;
    let prompt_tokens = line.input.tokens("input_length")?;
    let output_tokens = line.output.tokens("output_length")?;
    let ids = line.ids.list("hash_ids")?;
    if ids.len() as u64 != u64::from(prompt_tokens.div_ceil(BLOCK)) {
        let expected =
            format!("{} for {prompt_tokens} tokens in blocks of {BLOCK}", prompt_tokens.div_ceil(BLOCK));
        return Err(Fault::new("hash_ids", format!("{} ids", ids.len()), expected));
    }
    if let Some(id) = ids.iter().find(|id| **id > MAX_ID) {
        return Err(Fault::new("hash_ids", id, format!("ids up to {MAX_ID}")));
    }
    Ok(Asked { at_us, delay_us, prompt_tokens, output_tokens, ids })
}

/// The turns of a session, or a single request where there is only a line's number.
fn assembled(id: &Result<String, u64>, mut asked: Vec<Asked>, base: u64) -> Session {
    let timed = asked.iter().all(|turn| turn.at_us.is_some());
    let out_of_order = timed && !asked.is_sorted_by_key(|turn| turn.at_us);
    if out_of_order {
        asked.sort_by_key(|turn| turn.at_us);
    }
    let mut chunks = Chunks::new(BLOCK, base);
    let mut calls: Vec<Call> = Vec::with_capacity(asked.len());
    for (place, turn) in asked.iter().enumerate() {
        let before = place.checked_sub(1);
        let earlier = before.map(|before| (asked[before].ids.as_slice(), calls[before].prompt.as_slice()));
        let prompt = chunks.prompt(earlier, &turn.ids);
        let since = before.and_then(|before| Some(turn.at_us?.saturating_sub(asked[before].at_us?)));
        calls.push(Call {
            id: place as u32,
            after: before.map(|before| before as u32).into_iter().collect(),
            delay_us: before.and_then(|_| turn.delay_us.or(since)),
            at_us: turn.at_us,
            prompt,
            prompt_tokens: turn.prompt_tokens,
            output_tokens: Some(turn.output_tokens),
            estimated: before.is_some() && turn.delay_us.is_none(),
            ..Call::default()
        });
    }
    let dropped = asked.windows(2).any(|pair| pair[1].prompt_tokens < pair[0].prompt_tokens / 2);
    let marks = [
        (calls.iter().any(|call| call.estimated), Mark::Estimated),
        (out_of_order, Mark::OutOfOrder),
        (dropped, Mark::ContextDrop),
        (id.is_err(), Mark::Sessionless),
    ];
    let mut session = Session {
        id: id.as_ref().map_or_else(|number| format!("mooncake-{number}"), String::clone),
        source: "mooncake".to_owned(),
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
