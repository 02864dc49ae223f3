//! OpenHands: runs as events, an action and what it led to.
//!
//! Read are the rows of an evaluation's `output.jsonl`, single rows, lists of events (downloaded
//! trajectories, replays) alone or under `history`, `trajectory` or `events`, and old lists of pairs.
//! An action of the agent is the reply to a call over all events before it ([`converse`]); actions of
//! one response are one call. Counts come from the response beside the action, or from the metrics by
//! the response's id ([`counts`]). A condensation takes events out of the view and puts a summary in.
//!
//! Not in the files: what the harness masks without saying so, and in old ones the system prompt and the
//! tool schemas, which are then what the first prompt's total leaves over. A call that the metrics list and
//! no event tells of (an answer that the harness threw away) has neither place nor prompt: it is counted and
//! named, not read.

mod converse;
mod counts;
mod raw;

use super::dialogue::Dialogue;
use super::documents::each_document;
use super::exit;
use super::head::Shape;
use super::json::Fault;
use super::names;
use super::{ImportError, Imported, Importer, Source};
use crate::trace::Ending;
use raw::{Event, Events, Row};
use std::io::BufRead;

pub(super) struct OpenHands;

const NAME: &str = "openhands";

impl Importer for OpenHands {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "OpenHands evaluation outputs (output.jsonl) and event lists"
    }

    fn detect(&self, head: &[u8]) -> bool {
        let Some(shape) = Shape::of(head) else { return false };
        let events = |list: &str| {
            let has = |key: &str| shape.has(&format!("{list}/[]/{key}"));
            has("source") && (has("action") || has("observation")) && (has("args") || has("extras"))
        };
        let row =
            shape.has("/instance_id") && shape.has_all(&["/metadata/agent_class", "/metadata/llm_config"]);
        let lists = ["", "/history", "/trajectory", "/events", "/[]", "/history/[]"];
        lists.iter().any(|list| events(list)) || row && (shape.cut || shape.has("/history"))
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        each_document(input, source, into, "run", |bytes, number, into| document(bytes, number, source, into))
    }
}

/// Reads one document: a row, or a list of events.
fn document(bytes: &[u8], number: u64, source: &Source<'_>, into: &mut Imported) -> Result<(), String> {
    let whole = |error| format!("expected a whole JSON run: {error}");
    let row = if bytes.first() == Some(&b'[') {
        Row { history: serde_json::from_slice(bytes).map_err(whole)?, ..Row::default() }
    } else {
        serde_json::from_slice(bytes).map_err(whole)?
    };
    run(&row, number, source, into).map_err(|fault: Fault| fault.to_string())
}

/// Reads one run and adds it.
fn run(row: &Row<'_>, number: u64, source: &Source<'_>, into: &mut Imported) -> Result<(), Fault> {
    if let Some(found) = row.wrong {
        return Err(Fault::new("run", found, "an object or a list of events"));
    }
    let lists = [&row.history, &row.trajectory, &row.events];
    let events = lists.into_iter().find(|list| !list.items.is_empty());
    let Some(Events { items: events, wrong }) = events else {
        return Err(Fault::new("history", "without events", "a list of events"));
    };
    if *wrong > 0 {
        into.skip(source, format!("run {number}: {wrong} entries of `history` are no events"));
    }
    into.unknown_keys += row.unknown + events.iter().map(|event| event.unknown).sum::<u64>();
    let id = match (row.instance.as_str(), number) {
        ("", 1) => names::id_from_file(source.name),
        ("", number) => format!("{}-{number}", names::id_from_file(source.name)),
        (id, _) => names::id(id),
    };
    let mut dialogue = Dialogue::new(id, NAME);
    // A call that names no model goes to the one of the others, whatever the settings call it.
    let named = events.iter().map(|event| event.tool_call.response.model.as_str());
    let model = named.chain([row.metadata.llm.model.as_str()]).find(|model| !model.is_empty());
    dialogue.model = model.unwrap_or_default().into();
    dialogue.outcome = outcome(row, events);
    let counts = counts::Counts::of(row, events);
    converse::converse(&mut dialogue, events, counts, |why| {
        into.skip(source, format!("run {number}: {why}"));
    });
    if dialogue.asked.is_empty() {
        return Err(Fault::new("history", "without an action of the agent", "at least one"));
    }
    dialogue.finish(NAME, source, into);
    Ok(())
}

/// How the run ended: by its error, else by whether the agent finished.
fn outcome(row: &Row<'_>, events: &[Event<'_>]) -> Option<Ending> {
    let finished = events.iter().rev().any(|event| event.action.as_str() == "finish");
    let status = match row.error.as_str() {
        "" if finished => "submitted",
        error => error,
    };
    let resolved = row.test.resolved.0.or(row.test.report.resolved.0);
    let cost_usd = row.metrics.cost.amount().filter(|cost| *cost > 0.0);
    let known = !status.is_empty() || resolved.is_some() || cost_usd.is_some();
    known.then(|| Ending { resolved, cost_usd, ..exit::ending(status) })
}
