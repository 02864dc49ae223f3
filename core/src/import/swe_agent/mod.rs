//! SWE-agent: `.traj` files with their text, one JSON document a run.
//!
//! Versions 0.x to 1.1 and later, retry runs with several attempts in one file, the Complexity Trap's
//! fork with its statistics and summaries, and demonstrations that hold a history only. [`prompts`] tells
//! which part of a file says what was sent. There are no stamps: the delay before a call is the time that
//! the tool before it ran, where that is written. Schemas of tools are sent but stand in no file; the
//! harness leaves them out of its counts too. What the fork gives as cached is what its own model of a
//! cache holds.

mod converse;
mod history;
mod prompts;
mod raw;
mod stats;
mod talk;
mod thread;
mod window;

use super::dialogue::Dialogue;
use super::exit;
use super::head::Shape;
use super::json::{Fault, Text, read_document};
use super::names;
use super::{ImportError, Imported, Importer, Source};
use crate::trace::Ending;
use raw::{Document, Raw};
use std::io::BufRead;
use thread::Talk;

const NAME: &str = "swe-agent";

pub(super) struct SweAgent;

impl Importer for SweAgent {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "SWE-agent trajectories (0.x to 1.1 and later, retries, demonstrations, the Complexity Trap's fork)"
    }

    fn detect(&self, head: &[u8]) -> bool {
        let Some(shape) = Shape::of(head) else { return false };
        let either = |paths: &[&str]| paths.iter().any(|path| shape.has(path));
        let steps = shape.has("/trajectory/[]/action")
            && either(&["/trajectory/[]/observation", "/trajectory/[]/response", "/trajectory/[]/thought"])
            && !either(&["/trajectory/[]/args", "/trajectory/[]/extras"]);
        let history = shape.has("/history/[]/role")
            && either(&["/history/[]/agent", "/history/[]/message_type", "/trajectory"]);
        let attempts = either(&["/attempts/[]/trajectory", "/attempts/[]/history"]);
        let empty = shape.has("/trajectory") && shape.has("/history") && shape.has("/info/model_stats");
        let list = shape.has("/[]/role") && either(&["/[]/agent", "/[]/message_type"]);
        steps || history || attempts || empty || list
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let malformed = |why| ImportError::Malformed { file: source.name.to_owned(), why };
        let bytes = read_document(input, source)?;
        let whole = |error| malformed(format!("expected a whole JSON run: {error}"));
        let document = if bytes.trim_ascii_start().first() == Some(&b'[') {
            let history = serde_json::from_slice(&bytes).map_err(whole)?;
            Document { history, ..Document::default() }
        } else {
            serde_json::from_slice(&bytes).map_err(whole)?
        };
        run(&document, source, into).map_err(|fault| malformed(fault.to_string()))
    }
}

/// Reads one run and adds it.
fn run(document: &Document<'_>, source: &Source<'_>, into: &mut Imported) -> Result<(), Fault> {
    into.unknown_keys += unknown(document);
    let attempts = match document.attempts.items.as_slice() {
        [] => std::slice::from_ref(document),
        attempts => attempts,
    };
    let configs = [document.config, attempts[0].config];
    let config = configs.into_iter().find(|config| !config.as_str().is_empty()).unwrap_or_default();
    let named = stats::named(config);
    let id = match named.problem.as_str() {
        "" => names::id_from_file(source.name),
        problem => names::id(problem),
    };
    let mut talk = Talk::new(Dialogue::new(id, NAME));
    talk.dialogue.model = named.agent(0).into();
    for (number, attempt) in attempts.iter().enumerate() {
        talk.attempt(attempt, number, &named);
    }
    let chooser = &document.info.chooser;
    for (messages, reply) in
        [(&chooser.before.messages, &chooser.before.response), (&chooser.messages, &chooser.response)]
    {
        talk.judge(&messages.items, reply.as_str(), &named.chooser);
    }
    talk.dialogue.outcome = outcome(document, attempts);
    let calls = talk.dialogue.asked.len();
    match stats::totals(&document.info.stats, calls, attempts.iter().any(calls_tools)) {
        Ok(totals) => talk.dialogue.totals = totals,
        Err(fault) => talk.fault("info", &fault),
    }
    let Talk { mut dialogue, faults, .. } = talk;
    if calls == 0 {
        let found = faults.first().cloned().unwrap_or_else(|| "without a reply of a model".to_owned());
        return Err(Fault::new("trajectory", found, "at least one reply of a model"));
    }
    faults.into_iter().for_each(|why| into.skip(source, why));
    window::annotate(&mut dialogue.said);
    dialogue.finish(NAME, source, into);
    Ok(())
}

fn outcome(document: &Document<'_>, attempts: &[Document<'_>]) -> Option<Ending> {
    let last = attempts.last().map(|attempt| &attempt.info.exit);
    let exits = [Some(&document.info.exit), last];
    let exit = exits.into_iter().flatten().find(|Text(exit)| exit.is_some()).map(Text::as_str);
    let cost_usd = stats::run_cost(document);
    let ends = exit.is_some() || cost_usd.is_some();
    ends.then(|| Ending { cost_usd, ..exit::ending(exit.unwrap_or_default()) })
}

fn calls_tools(document: &Document<'_>) -> bool {
    let asks = |raw: &Raw<'_>| !raw.tool_calls.items.is_empty();
    let steps =
        document.trajectory.items.iter().flat_map(|step| step.query.items.iter().chain(&step.messages.items));
    document.history.items.iter().chain(steps).any(asks)
}

/// Unknown keys of a run and of what it holds. Prompts repeat the keys of the history.
fn unknown(document: &Document<'_>) -> u64 {
    let steps: u64 =
        document.trajectory.items.iter().map(|step| step.unknown + step.statistics.unknown).sum();
    let history: u64 = document.history.items.iter().map(|raw| raw.unknown).sum();
    let attempts: u64 = document.attempts.items.iter().map(unknown).sum();
    let summaries: u64 = document.summaries.items.iter().map(|summary| summary.unknown).sum();
    document.unknown
        + document.info.unknown
        + document.info.stats.unknown
        + steps
        + history
        + attempts
        + summaries
}
