//! From events to a dialogue: what is sent, what replies, what is condensed, who asks.

use super::counts::{Counts, Known};
use super::raw::{Args, Event, Extras};
use crate::import::dialogue::{Asked, Dialogue, Said, Tool};
use crate::import::json::{Fault, Num};
use crate::import::stamp::iso_us;
use crate::trace::{CallRole, MessageKind, MessageRole, Run, Tag};
use std::borrow::Cow;
use std::collections::HashMap;

/// Actions and observations that only the harness sees.
const UNSENT: &[&str] = &[
    "agent_state_changed",
    "change_agent_state",
    "condensation_request",
    "condense",
    "download",
    "loop_detection",
    "loop_recovery",
    "null",
    "pause",
    "push",
    "recall",
    "resume",
    "send_pr",
    "server_ready",
    "start",
    "stop",
];

/// A message of a view and the event that it came from.
type Sent = (Option<u64>, u32);

/// An agent at work; a delegate works on top of the one that sent for it.
struct Worker {
    agent: u32,
    view: Vec<Sent>,
    /// When the latest message of its view was made.
    ready_us: Option<u64>,
    /// Its latest call, and the response that answered it.
    latest: Option<(u32, String)>,
    /// Calls of others that its next call waits for.
    waits: Vec<u32>,
}

struct Converse<'d, 'a> {
    dialogue: &'d mut Dialogue<'a>,
    workers: Vec<Worker>,
    agents: u32,
    /// The call and the place among its tools of each action, by the event's id, and when it began.
    tools: HashMap<u64, (u32, usize, Option<u64>)>,
    /// The files that were shown, in order of appearance.
    paths: Vec<Cow<'a, str>>,
}

/// Says what was sent and asks what was replied to.
pub(super) fn converse<'a>(
    dialogue: &mut Dialogue<'a>,
    events: &'a [Event<'a>],
    mut counts: Counts<'a>,
    mut skip: impl FnMut(String),
) {
    let mut talk =
        Converse { dialogue, workers: Vec::new(), agents: 0, tools: HashMap::new(), paths: Vec::new() };
    talk.send_for(None);
    for (place, event) in events.iter().enumerate() {
        let done = match event.wrong {
            Some(found) => Err(Fault::new("event", found, "an object")),
            None => talk.event(event, &events[place + 1..], &mut counts),
        };
        if let Err(fault) = done {
            skip(format!("event {place}: {fault}"));
        }
    }
    if let Some((untold, billed)) = counts.untold() {
        skip(format!("{untold} of {billed} calls in `metrics` have no event, expected one for each"));
    }
}

impl<'a> Converse<'_, 'a> {
    fn event(
        &mut self,
        event: &'a Event<'a>,
        behind: &'a [Event<'a>],
        counts: &mut Counts<'a>,
    ) -> Result<(), Fault> {
        let stamp_us = iso_us(event.timestamp.as_str());
        match (event.action.as_str(), event.observation.as_str(), event.source.as_str()) {
            ("", "", _) => return Err(Fault::new("event", "neither", "an action or an observation")),
            ("", "delegate", _) => {
                self.come_back();
                self.observed(event, stamp_us);
            }
            ("", "recall", _) => self.recalled(event, stamp_us),
            ("", observation, _) if !UNSENT.contains(&observation) => self.observed(event, stamp_us),
            ("system", ..) => self.system(event, stamp_us),
            ("condensation", ..) => self.condensed(event, behind, counts)?,
            (action, _, _) if UNSENT.contains(&action) => {}
            ("message", _, "user" | "environment") => {
                let kind =
                    if self.dialogue.asked.is_empty() { MessageKind::Task } else { MessageKind::Other };
                self.say(
                    event,
                    Said::new(MessageRole::User, kind, args(event).content.0.unwrap_or_default()),
                    stamp_us,
                );
            }
            (action, _, "agent") if !action.is_empty() => {
                self.replied(event, stamp_us, counts)?;
                if action == "delegate" {
                    let call = self.worker().latest.as_ref().map(|(call, _)| *call);
                    self.send_for(call);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn worker(&mut self) -> &mut Worker {
        if self.workers.is_empty() {
            self.send_for(None);
        }
        let last = self.workers.len() - 1;
        &mut self.workers[last]
    }

    /// A new agent begins, after the call that sent for it.
    fn send_for(&mut self, after: Option<u32>) {
        let agent = self.agents;
        self.agents += 1;
        let waits = after.into_iter().collect();
        self.workers.push(Worker { agent, view: Vec::new(), ready_us: None, latest: None, waits });
    }

    /// A delegate is done; who sent for it waits for its last call.
    fn come_back(&mut self) {
        if self.workers.len() > 1
            && let Some((call, _)) = self.workers.pop().and_then(|worker| worker.latest)
        {
            self.worker().waits.push(call);
        }
    }

    /// Adds a message to the view of who works now.
    fn say(&mut self, event: &Event<'_>, said: Said<'a>, stamp_us: Option<u64>) -> u32 {
        let agent = self.worker().agent;
        let index = self.dialogue.say(Said { agent, ..said });
        let id = event_id(event.id);
        let worker = self.worker();
        worker.view.push((id, index));
        worker.ready_us = stamp_us.or(worker.ready_us);
        index
    }

    fn system(&mut self, event: &'a Event<'a>, stamp_us: Option<u64>) {
        let args = args(event);
        let tools = args.tools.as_str();
        if !matches!(tools, "" | "null" | "[]") {
            self.say(event, Said::new(MessageRole::System, MessageKind::Tools, tools), stamp_us);
        }
        let text = args.content.0.unwrap_or_default();
        self.say(event, Said::new(MessageRole::System, MessageKind::SystemPrompt, text), stamp_us);
    }

    /// What is recalled lies beside the text of its event.
    fn recalled(&mut self, event: &'a Event<'a>, stamp_us: Option<u64>) {
        self.say(event, Said::new(MessageRole::User, MessageKind::Other, event.extras.as_str()), stamp_us);
    }

    fn observed(&mut self, event: &'a Event<'a>, stamp_us: Option<u64>) {
        let extras: Extras<'a> = serde_json::from_str(event.extras.as_str()).unwrap_or_default();
        let code = [extras.metadata.exit_code, extras.exit_code].into_iter().find_map(exit_code);
        let failed = event.observation.as_str() == "error" || code.is_some_and(|code| code != 0);
        let ok = if failed { Some(false) } else { code.map(|code| code == 0) };
        let function = event.tool_call.function.as_str();
        let by_call = !function.is_empty();
        let role = if by_call { MessageRole::Tool } else { MessageRole::User };
        let tool = if by_call { function } else { event.observation.as_str() };
        let path = extras.path.0.filter(|path| !path.is_empty()).map(|path| self.path(path));
        let caused = event_id(event.cause).and_then(|cause| self.tools.get(&cause).copied());
        let said = Said {
            tool: Some(tool.into()),
            tags: if failed { vec![Tag::Error] } else { Vec::new() },
            path,
            ..Said::new(role, MessageKind::Observation, event.content.as_str())
        };
        self.say(event, said, stamp_us);
        if let Some((call, place, began_us)) = caused
            && let Some(tool) = self.dialogue.asked[call as usize].tools.get_mut(place)
        {
            tool.us = stamp_us.zip(began_us).map(|(now, began)| now.saturating_sub(began));
            tool.ok = ok;
        }
    }

    fn path(&mut self, path: Cow<'a, str>) -> u32 {
        let known = self.paths.iter().position(|known| *known == path);
        let place = known.unwrap_or_else(|| {
            self.paths.push(path);
            self.paths.len() - 1
        });
        place as u32
    }

    /// An action is the reply to a call, unless it is of the same response as the one before.
    fn replied(
        &mut self,
        event: &'a Event<'a>,
        stamp_us: Option<u64>,
        counts: &mut Counts<'a>,
    ) -> Result<(), Fault> {
        let response = event.tool_call.response.id.as_str();
        let same = |(_, latest): &&(u32, String)| !response.is_empty() && latest == response;
        let call = match self.worker().latest.as_ref().filter(same).map(|(call, _)| *call) {
            Some(call) => call,
            None => self.ask(event, stamp_us, counts.call(event)?),
        };
        let function = event.tool_call.function.as_str();
        let name = if function.is_empty() { event.action.as_str() } else { function };
        if name != "message" {
            let tools = &mut self.dialogue.asked[call as usize].tools;
            tools.push(Tool { name: name.into(), us: None, ok: None });
            if let Some(id) = event_id(event.id) {
                self.tools.insert(id, (call, tools.len() - 1, stamp_us));
            }
        }
        Ok(())
    }

    fn ask(&mut self, event: &'a Event<'a>, stamp_us: Option<u64>, known: Known<'a>) -> u32 {
        let agent = self.worker().agent;
        let preamble = |said: &Said<'_>| said.agent == agent && said.kind == MessageKind::SystemPrompt;
        if !self.dialogue.said.iter().any(preamble) {
            let hidden = self.dialogue.say(Said::hidden(agent));
            self.worker().view.insert(0, (None, hidden));
        }
        let view = runs(&self.worker().view);
        let text = reply_text(event);
        let worker = self.worker();
        let ready_us = worker.ready_us;
        let mut after = std::mem::take(&mut worker.waits);
        after.extend(worker.latest.take().map(|(call, _)| call));
        let reply = self.say(event, Said::new(MessageRole::Assistant, MessageKind::Action, text), stamp_us);
        let measured = known.e2e_us.zip(stamp_us).and_then(|(e2e, done)| done.checked_sub(e2e));
        let call = self.dialogue.ask(Asked {
            agent,
            role: if agent == 0 { CallRole::Agent } else { CallRole::Subagent },
            model: known.model.into(),
            view,
            reply: Some(reply),
            usage: known.usage,
            sent_us: measured.or(ready_us).or(stamp_us),
            done_us: stamp_us,
            e2e_us: known.e2e_us,
            after: Some(after),
            cost_usd: known.cost_usd,
            estimated: stamp_us.is_none(),
            ..Asked::default()
        });
        self.worker().latest = Some((call, event.tool_call.response.id.as_str().to_owned()));
        call
    }

    /// Takes what is forgotten out of the view and puts the summary in, with the call that wrote it
    /// where the metrics know one.
    fn condensed(
        &mut self,
        event: &'a Event<'a>,
        behind: &'a [Event<'a>],
        counts: &mut Counts<'a>,
    ) -> Result<(), Fault> {
        let args = args(event);
        let (first, last) = (event_id(args.forgotten_first), event_id(args.forgotten_last));
        let listed: Vec<u64> = args.forgotten.items.iter().filter_map(|id| event_id(*id)).collect();
        let forgotten = |id: u64| {
            listed.contains(&id) || first.zip(last).is_some_and(|(first, last)| (first..=last).contains(&id))
        };
        let worker = self.worker();
        let agent = worker.agent;
        let (out, kept): (Vec<Sent>, Vec<Sent>) =
            std::mem::take(&mut worker.view).into_iter().partition(|(id, _)| id.is_some_and(forgotten));
        worker.view = kept;
        let Some(summary) = args.summary.0.filter(|summary| !summary.is_empty()) else { return Ok(()) };
        let offset = event_id(args.summary_offset).unwrap_or(u64::MAX);
        let place = place_of(&self.worker().view, offset);
        let said = Said { agent, ..Said::new(MessageRole::User, MessageKind::Summary, summary) };
        let index = self.dialogue.say(said);
        self.worker().view.insert(place, (event_id(event.id), index));
        if let Some(known) = counts.condenser(behind) {
            let after = self.worker().latest.as_ref().map(|(call, _)| *call);
            let done_us = iso_us(event.timestamp.as_str());
            let sent_us = done_us.zip(known.e2e_us).and_then(|(done, e2e)| done.checked_sub(e2e)).or(done_us);
            let call = self.dialogue.ask(Asked {
                agent,
                role: CallRole::Summariser,
                model: known.model.into(),
                view: runs(&out),
                reply: Some(index),
                usage: known.usage,
                sent_us,
                done_us,
                e2e_us: known.e2e_us,
                after: Some(after.into_iter().collect()),
                cost_usd: known.cost_usd,
                ..Asked::default()
            });
            self.worker().waits.push(call);
        }
        Ok(())
    }
}

/// Where in a view a summary goes that shall stand behind so many events.
fn place_of(view: &[Sent], events: u64) -> usize {
    let (mut seen, mut latest) = (0, None);
    for (place, (id, _)) in view.iter().enumerate() {
        if id.is_some() && *id != latest {
            if seen == events {
                return place;
            }
            seen += 1;
            latest = *id;
        }
    }
    view.len()
}

fn runs(view: &[Sent]) -> Vec<Run> {
    let mut runs = Vec::new();
    view.iter().for_each(|(_, index)| Run::push(&mut runs, *index));
    runs
}

/// What an action says, without the borrowed record around it.
fn args<'a>(event: &Event<'a>) -> Args<'a> {
    serde_json::from_str(event.args.as_str()).unwrap_or_default()
}

/// What the model replied, as far as it is sent again: of the response, else of the action.
fn reply_text<'a>(event: &'a Event<'a>) -> Cow<'a, str> {
    let messages = event.tool_call.response.choices.items.iter().map(|choice| &choice.message);
    let mut text = String::new();
    for message in messages {
        text.push_str(message.content.as_str());
        for call in &message.tool_calls.items {
            text.push_str(call.function.name.as_str());
            text.push_str(call.function.arguments.as_str());
        }
    }
    if !text.is_empty() {
        return text.into();
    }
    match event.action.as_str() {
        "message" => args(event).content.0.unwrap_or_default(),
        _ => event.args.as_str().into(),
    }
}

fn event_id(number: Num) -> Option<u64> {
    number.whole("id", u64::MAX).ok().flatten()
}

/// The code that a command ended with. −1 stands for one that is not known.
fn exit_code(number: Num) -> Option<i64> {
    match number {
        Num::Int(code) => i64::try_from(code).ok(),
        Num::Float(code) if code < -1.0 => Some(code as i64),
        _ => None,
    }
}
