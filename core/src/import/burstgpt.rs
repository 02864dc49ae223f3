//! BurstGPT: a table with one request a line, in seconds since the recording's first midnight.
//!
//! Newer releases name the conversation a request belongs to and how long the answer took. Lines with a
//! conversation become sessions of several calls; all others are sessions of one call. Prompts have no
//! identity: they share nothing, not even within a conversation. A request without a response failed,
//! says the data set's page: it is skipped.
//!
//! Where there is a column for conversations the rows of the file lie in memory, about 50 bytes each,
//! until its end.

use super::csv::{Layout, Row};
use super::json::{Fault, Num};
use super::{ImportError, Imported, Importer, Source, names};
use crate::trace::{Call, Mark, Recorded, Scope, Session};
use rustc_hash::FxHashMap;
use std::io::BufRead;

const LAYOUT: Layout = Layout {
    columns: &["Timestamp", "Request tokens", "Response tokens", "Model", "Session ID", "Elapsed time"],
    required: 3,
    ignored: &["Total tokens", "Log Type"],
};
/// Microseconds of a second, the unit of every time in the source.
const SECOND: f64 = 1_000_000.0;

pub(super) struct BurstGpt;

/// One request.
struct Asked {
    line: u64,
    at_us: u64,
    elapsed_us: Option<u64>,
    prompt_tokens: u32,
    output_tokens: u32,
    model: u32,
}

impl Asked {
    fn call(&self, id: u32, model: u32) -> Call {
        let recorded = self.elapsed_us.map(|us| Recorded { e2e_us: Some(us), ..Recorded::default() });
        Call {
            id,
            model,
            at_us: Some(self.at_us),
            prompt_tokens: self.prompt_tokens,
            output_tokens: Some(self.output_tokens),
            recorded,
            ..Call::default()
        }
    }
}

/// What a file's requests belong to, in the order of their first lines.
#[derive(Default)]
struct Gathered {
    models: names::Models,
    /// Requests of one conversation, or a single one without.
    groups: Vec<(Option<String>, Vec<Asked>)>,
    by_id: FxHashMap<String, usize>,
}

impl Importer for BurstGpt {
    fn name(&self) -> &'static str {
        "burstgpt"
    }

    fn about(&self) -> &'static str {
        "BurstGPT CSV: one request a line, with token counts and, in newer releases, conversations"
    }

    fn detect(&self, head: &[u8]) -> bool {
        LAYOUT.detect(head)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let mut gathered = Gathered::default();
        LAYOUT.read(input, source, into, |row, into| {
            let model = match row.text(3) {
                "" => names::UNKNOWN,
                name => name,
            };
            let asked = understood(row, gathered.models.index(model))?;
            match conversation(row) {
                "" if gathered.by_id.is_empty() => {
                    into.push(source, session(None, &mut [asked], &gathered.models.names));
                }
                "" => gathered.groups.push((None, vec![asked])),
                id => {
                    let next = gathered.groups.len();
                    let place = *gathered.by_id.entry(id.to_owned()).or_insert(next);
                    if place == next {
                        gathered.groups.push((Some(names::id(id)), Vec::new()));
                    }
                    gathered.groups[place].1.push(asked);
                }
            }
            Ok(())
        })?;
        for (id, mut asked) in gathered.groups {
            into.push(source, session(id.as_deref(), &mut asked, &gathered.models.names));
        }
        Ok(())
    }
}

/// What the row says of its conversation; empty where it has none, in any of the usual spellings.
fn conversation<'a>(row: &'a Row<'_>) -> &'a str {
    let id = row.text(4);
    let none = ["nan", "none", "null", "-1"].iter().any(|none| id.eq_ignore_ascii_case(none));
    if none { "" } else { id }
}

fn understood(row: &Row<'_>, model: u32) -> Result<Asked, String> {
    let fault = |fault: Fault| fault.to_string();
    let at_us = row.num(0).time_us("Timestamp", SECOND).map_err(fault)?;
    let at_us = at_us.ok_or_else(|| Fault::new("Timestamp", "missing", "seconds").to_string())?;
    let prompt_tokens = row.num(1).tokens("Request tokens").map_err(fault)?;
    let output_tokens = row.num(2).tokens("Response tokens").map_err(fault)?;
    if output_tokens == 0 {
        return Err("the request failed: `Response tokens` is 0".to_owned());
    }
    let elapsed_us = match row.num(5) {
        Num::Wrong(_) => None,
        elapsed => elapsed.time_us("Elapsed time", SECOND).map_err(fault)?,
    };
    Ok(Asked { line: row.number, at_us, elapsed_us, prompt_tokens, output_tokens, model })
}

/// A conversation, or a single request where `id` is none. `models` are those of the file.
fn session(id: Option<&str>, asked: &mut [Asked], models: &[String]) -> Session {
    let line = asked.first().map_or(0, |asked| asked.line);
    let out_of_order = !asked.is_sorted_by_key(|asked| asked.at_us);
    asked.sort_by_key(|asked| asked.at_us);
    let mut used: Vec<u32> = Vec::new();
    let mut calls: Vec<Call> = Vec::with_capacity(asked.len());
    for (place, asked) in (0..).zip(asked.iter()) {
        let model = used.iter().position(|known| *known == asked.model).unwrap_or_else(|| {
            used.push(asked.model);
            used.len() - 1
        });
        let mut call = asked.call(place, model as u32);
        if let Some(before) = calls.last() {
            let took = before.recorded.as_ref().and_then(|recorded| recorded.e2e_us);
            let end_us = before.at_us.unwrap_or(0) + took.unwrap_or(0);
            call.after = vec![before.id];
            call.delay_us = Some(asked.at_us.saturating_sub(end_us));
            // Without a length of the call before, the pause holds its model time too.
            call.estimated = took.is_none();
        }
        calls.push(call);
    }
    let mut session = Session {
        id: id.map_or_else(|| format!("burstgpt-{line}"), |id| format!("burstgpt-session-{id}")),
        source: "burstgpt".to_owned(),
        harness: String::new(),
        models: used.iter().filter_map(|model| models.get(*model as usize).cloned()).collect(),
        scope: Scope::Session,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments: Vec::new(),
        calls,
        outcome: None,
    };
    let estimated = session.calls.iter().any(|call| call.estimated);
    let marks =
        [(estimated, Mark::Estimated), (out_of_order, Mark::OutOfOrder), (id.is_none(), Mark::Sessionless)];
    marks.iter().filter(|(holds, _)| *holds).for_each(|(_, mark)| session.mark(*mark));
    session
}
