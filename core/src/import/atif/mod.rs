//! ATIF (Agent Trajectory Interchange Format, versions 1.0 to 1.8): what Harbor and others write of a run.
//!
//! One JSON document an agent, several one behind the other, or a list of them. A step of the agent is the
//! reply to a call over all steps before it ([`converse`]), with the counts of its metrics. Sub-agents lie
//! inside the document of their parent (1.7), or directly behind it, and are told by what results name.
//!
//! What the format leaves open, and what is made of it:
//! - A step copied from an earlier trajectory is a message and no call; so is one with `llm_call_count` 0.
//! - A step that stands for several calls is as many calls, each with its share of the step's sums.
//! - Converters split one reply into steps and count the first alone: where others have metrics, a step of
//!   the agent without them goes on with the reply before it.
//! - A step's one stamp is that of its reply. How long tools ran is unknown, so the model's time behind
//!   them is estimated ([`counts`]).
//! - A system's step with results may be a compaction: where it says that it replaces the context, or the
//!   next prompt is smaller, what stood before leaves the view.
//!
//! Documents that this project wrote state sizes, kinds and times in their `extra`, which are taken from it.

mod calls;
mod converse;
mod counts;
mod pool;
mod raw;
mod said;
mod talk;
mod worker;

use super::dialogue::{Dialogue, Totals};
use super::documents::each_document;
use super::exit;
use super::head::Shape;
use super::json::{Fault, Num, Text};
use super::names;
use super::{ImportError, Imported, Importer, Source};
use crate::trace::{Ending, Mark};
use pool::Pool;
use raw::{Ids, Observation, Trajectory};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use std::collections::HashSet;
use std::io::BufRead;
use talk::Talk;

pub(super) struct Atif;

const NAME: &str = "atif";

impl Importer for Atif {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "ATIF trajectories (Harbor and others, versions 1.0 to 1.8)"
    }

    fn detect(&self, head: &[u8]) -> bool {
        let Some(shape) = Shape::of(head) else { return false };
        ["", "/[]"].iter().any(|root| {
            let path = |key: &str| format!("{root}/{key}");
            let has = |keys: &[&str]| keys.iter().all(|key| shape.has(&path(key)));
            let named = shape.text(&path("schema_version")).is_some_and(|name| name.starts_with("ATIF"));
            let steps = has(&["agent/name", "steps/[]/step_id", "steps/[]/source", "steps/[]/message"]);
            // Long schemas of tools may hide everything behind them.
            let begun = shape.cut && has(&["agent/name", "agent/tool_definitions"]) && !has(&["history"]);
            named || steps || begun
        })
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let mut group = Group::default();
        each_document(input, source, into, "trajectory", |bytes, number, into| {
            if !group.takes(bytes) {
                group.finish(source, into);
                group.begin(bytes, number, source, into);
            }
            Ok(())
        })?;
        group.finish(source, into);
        Ok(())
    }
}

/// A document whose sub-agents may follow it, and those that did.
#[derive(Default)]
struct Group {
    documents: Vec<Vec<u8>>,
    /// The number of the first, from 1.
    number: u64,
    /// The ids of sub-agents that were named and did not come yet.
    wanted: HashSet<String>,
}

impl Group {
    /// Reads a document, or keeps it where sub-agents may follow.
    fn begin(&mut self, bytes: &[u8], number: u64, source: &Source<'_>, into: &mut Imported) {
        self.number = number;
        self.wants(bytes);
        if !self.wanted.is_empty() {
            self.documents.push(bytes.to_vec());
            return;
        }
        read_all(&[bytes], number, source, into);
    }

    /// Whether the document is a sub-agent of those kept, which is then kept too.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        if self.documents.is_empty() || self.wanted.is_empty() {
            return false;
        }
        let Ok(ids) = serde_json::from_slice::<Ids<'_>>(bytes) else { return false };
        if !self.wanted.remove(ids.session.as_str()) && !self.wanted.remove(ids.id.as_str()) {
            return false;
        }
        self.wants(bytes);
        self.documents.push(bytes.to_vec());
        true
    }

    /// Notes what a document names and does not hold.
    fn wants(&mut self, bytes: &[u8]) {
        // Few documents name others; a look is cheaper than a reading.
        if bytes.first() != Some(&b'{')
            || memchr::memmem::find(bytes, b"\"subagent_trajectory_ref\"").is_none()
        {
            return;
        }
        let Ok(ids) = serde_json::from_slice::<Ids<'_>>(bytes) else { return };
        let own = [ids.session.as_str(), ids.id.as_str()];
        self.wanted.extend(named(&own, ids.steps.items.iter().map(|step| &step.observation)));
    }

    fn finish(&mut self, source: &Source<'_>, into: &mut Imported) {
        let documents = std::mem::take(&mut self.documents);
        self.wanted.clear();
        let documents: Vec<&[u8]> = documents.iter().map(Vec::as_slice).collect();
        if !documents.is_empty() {
            read_all(&documents, self.number, source, into);
        }
    }
}

/// Reads the documents of one session, or a list of sessions.
fn read_all(documents: &[&[u8]], number: u64, source: &Source<'_>, into: &mut Imported) {
    let mut sessions: Vec<Vec<Trajectory<'_>>> = Vec::new();
    let mut wanted = HashSet::new();
    for (bytes, place) in documents.iter().zip(number..) {
        let read = if bytes.first() == Some(&b'[') {
            serde_json::from_slice::<Vec<Trajectory<'_>>>(bytes)
        } else {
            serde_json::from_slice(bytes).map(|document| vec![document])
        };
        let read = read.unwrap_or_else(|error| {
            into.skip(source, format!("trajectory {place}: expected a whole JSON trajectory: {error}"));
            Vec::new()
        });
        for document in read {
            let ids = [document.session.as_str(), document.id.as_str()];
            let below = ids.iter().any(|id| wanted.remove(*id));
            wanted.extend(named(&ids, document.steps.items.iter().map(|step| &step.observation)));
            match sessions.last_mut().filter(|_| below) {
                Some(last) => last.push(document),
                None => sessions.push(vec![document]),
            }
        }
    }
    let several = sessions.len() > 1;
    for (place, documents) in sessions.iter().enumerate() {
        let place = if several { format!("{number}.{}", place + 1) } else { number.to_string() };
        if let Err(fault) = session(documents, &place, source, into) {
            into.skip(source, format!("trajectory {place}: {fault}"));
        }
    }
}

/// The ids that results name, but for a document's own.
fn named<'a>(own: &[&str], results: impl Iterator<Item = &'a Observation<'a>>) -> Vec<String> {
    let results = results.flat_map(|observation| &observation.results.items);
    let references = results.flat_map(|result| result.subagents.each()).filter_map(|held| held.here());
    let ids = references.flat_map(|reference| [reference.id.as_str(), reference.session.as_str()]);
    ids.filter(|id| !id.is_empty() && !own.contains(id)).map(str::to_owned).collect()
}

/// Reads one session and adds it.
fn session(
    documents: &[Trajectory<'_>],
    place: &str,
    source: &Source<'_>,
    into: &mut Imported,
) -> Result<(), Fault> {
    let Some(main) = documents.first() else { return Ok(()) };
    let expected = "a list of steps";
    match (main.wrong, main.steps.wrong) {
        (Some(found), _) => return Err(Fault::new("trajectory", found, "an object with steps")),
        (_, Some(found)) => return Err(Fault::new("steps", found, expected)),
        _ if main.steps.items.is_empty() => return Err(Fault::new("steps", "missing or empty", expected)),
        _ => {}
    }
    let id = match [&main.session, &main.id].into_iter().find(|id| !id.as_str().is_empty()) {
        Some(id) => names::id(id.as_str()),
        None if place == "1" => names::id_from_file(source.name),
        None => names::id(&format!("{}-{place}", names::id_from_file(source.name))),
    };
    into.unknown_keys += documents.iter().map(Trajectory::unknown_keys).sum::<u64>();
    let mut dialogue = Dialogue::new(id, names::harness(main.agent.name.as_str()).unwrap_or(NAME));
    dialogue.outcome = outcome(main);
    dialogue.marks = marks(main);
    let mut talk = Talk::new(&mut dialogue, Pool::new(documents));
    talk.converse();
    for fault in talk.faults {
        into.skip(source, format!("trajectory {place}: {fault}"));
    }
    if dialogue.asked.is_empty() {
        return Err(Fault::new("steps", "without a call of the agent", "at least one"));
    }
    if dialogue.asked.iter().all(|asked| asked.usage.is_none()) {
        dialogue.totals = totals(documents);
    }
    dialogue.finish(NAME, source, into);
    Ok(())
}

/// Counts of the whole session, all agents included; unknown where one of them has none.
fn totals(documents: &[Trajectory<'_>]) -> Option<Totals> {
    let mut sum = Totals { prompt: 0, output: 0 };
    for document in documents {
        let total = |num: Num| num.whole("final_metrics", u64::MAX >> 16).ok().flatten();
        sum.prompt += total(document.totals.prompt).filter(|prompt| *prompt > 0)?;
        sum.output += total(document.totals.output).unwrap_or(0);
        if !document.subagents.items.is_empty() {
            let below = totals(&document.subagents.items)?;
            sum = Totals { prompt: sum.prompt + below.prompt, output: sum.output + below.output };
        }
    }
    Some(sum)
}

/// How the session ended: what this project wrote of it, else no more than what it cost.
fn outcome(main: &Trajectory<'_>) -> Option<Ending> {
    let counted =
        [main.totals.prompt, main.totals.output].into_iter().any(|n| n.amount().unwrap_or(0.0) > 0.0);
    let cost_usd = main.totals.cost.amount().filter(|cost| *cost > 0.0 || counted);
    let outcome = &main.extra.outcome;
    let status = outcome.exit.as_str();
    if main.is_ours() && !status.is_empty() {
        let status = if status == "unknown" { "" } else { status };
        let submitted = outcome.submitted.is_set();
        return Some(Ending { submitted, resolved: outcome.resolved.0, cost_usd, ..exit::ending(status) });
    }
    cost_usd.map(|cost| Ending { cost_usd: Some(cost), ..exit::ending("") })
}

/// What is unusual: what this project noted, a beginning that was copied, a parent in another file.
fn marks(main: &Trajectory<'_>) -> Vec<Mark> {
    let mark = |name: &Text<'_>| {
        let word: StrDeserializer<'_, Error> = name.as_str().into_deserializer();
        Mark::deserialize(word).ok()
    };
    let noted = main.extra.marks.items.iter().filter(|_| main.is_ours()).filter_map(mark);
    let mut marks: Vec<Mark> = noted.filter(|mark| *mark != Mark::Duplicate).collect();
    let below = main.is_ours() && main.extra.agent.amount().is_some_and(|agent| agent > 0.0);
    if below || !main.agent.extra.parent.as_str().is_empty() {
        marks.push(Mark::SubagentOnly);
    }
    if main.steps.items.iter().any(|step| step.is_copied() && step.source.as_str() == "agent") {
        marks.push(Mark::MidSession);
    }
    marks
}
