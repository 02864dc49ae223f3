//! From sessions and a context strategy to a workload.

use super::{ContextStrategy, Fate};
use crate::trace::{
    Call, Message, MessageKind, MessageRole, Run, Scope, Segment, Session, Start, WorkCall, WorkSession,
    Workload,
};
use rustc_hash::FxHashMap;

/// What the builder needs besides the strategy.
#[derive(Clone, Copy, Debug)]
pub struct BuildOptions {
    /// The output cap that clients ask for; a longer recorded output raises it.
    pub max_tokens: u32,
    /// Assume that tool and system prefixes of equal sizes are equal across sessions.
    pub share_system: bool,
}

/// Makes the workload that `strategy` sends for `sessions`.
pub fn build(sessions: &[Session], strategy: &dyn ContextStrategy, options: &BuildOptions) -> Workload {
    let mut builder = Builder {
        options: *options,
        work: Workload { scope: Scope::Set, block_tokens: common_block(sessions), ..Workload::default() },
        ids: Ids::default(),
        models: Names::default(),
        keys: Names::default(),
        scratch: Scratch::default(),
    };
    builder.reserve(sessions);
    for session in sessions {
        builder.session(session, strategy);
    }
    builder.work
}

/// What the client says of a call's priority, lower first: no format of traces says anything of it yet.
pub fn priority(_call: &Call) -> i32 {
    0
}

/// The block size that all block-hashed sources agree on; of several, the largest.
fn common_block(sessions: &[Session]) -> Option<u32> {
    sessions.iter().filter_map(|session| session.block_tokens).max()
}

/// Gives every segment a number that holds across the workload.
#[derive(Default)]
struct Ids {
    next: u64,
    set: FxHashMap<u64, u64>,
    assumed: FxHashMap<(String, MessageKindKey, u32, usize, u32), u64>,
}

type MessageKindKey = u8;

impl Ids {
    fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    fn of_set(&mut self, id: u64) -> u64 {
        let next = self.next;
        let number = *self.set.entry(id).or_insert(next);
        self.next += u64::from(number == next);
        number
    }
}

struct Builder {
    options: BuildOptions,
    work: Workload,
    ids: Ids,
    models: Names,
    keys: Names,
    scratch: Scratch,
}

/// What is needed for one session or call at a time.
#[derive(Default)]
struct Scratch {
    view: Vec<u32>,
    fates: Vec<Fate>,
    at: Vec<u64>,
}

impl Builder {
    fn reserve(&mut self, sessions: &[Session]) {
        let (mut calls, mut segments, mut of_set) = (0, 0, 0);
        for session in sessions {
            calls += session.calls.len();
            segments += session.segments.len();
            of_set += if session.scope == Scope::Set { session.segments.len() } else { 0 };
        }
        self.work.sessions.reserve(sessions.len());
        self.work.calls.reserve(calls);
        self.work.segments.reserve(segments);
        self.ids.set.reserve(of_set);
    }

    fn session(&mut self, session: &Session, strategy: &dyn ContextStrategy) {
        let base = self.work.segments.len() as u32;
        self.segments(session);
        let first = self.work.calls.len() as u32;
        let start_us = session.calls.iter().filter_map(|call| call.at_us).min().unwrap_or(0);
        let number = self.work.sessions.len() as u32;
        let asks = !strategy.keeps_all() && strategy.applies(session);
        let mut placeholders = FxHashMap::default();
        let Scratch { mut view, mut fates, mut at } = std::mem::take(&mut self.scratch);
        at.clear();
        for call in &session.calls {
            fates.clear();
            if asks {
                view.clear();
                view.extend(call.view.iter().flat_map(|run| run.indices()));
                strategy.fates(session, call, &view, &mut fates);
            }
            let (prompt, prompt_tokens) = if fates.is_empty() {
                (shift(&call.prompt, base), call.prompt_tokens)
            } else {
                self.rewritten(session, call, &view, &fates, base, &mut placeholders)
            };
            let start = start(call, first, start_us, &mut at, session);
            let work = WorkCall {
                id: first + call.id,
                session: number,
                source_call: Some(call.id),
                model: self.model(session, call),
                role: call.role,
                prompt,
                reply: reply(session, call, base),
                prompt_tokens,
                output_tokens: call.output(),
                max_tokens: self.options.max_tokens.max(call.output()),
                start,
                priority: priority(call),
                predict_key: self.predict_key(session, call),
                new_tokens: new_tokens(session, call, prompt_tokens),
            };
            if call.output_tokens.is_none() {
                self.work.unknown_outputs.push(work.id);
            }
            self.work.calls.push(work);
        }
        self.work.sessions.push(WorkSession {
            id: session.id.clone(),
            calls: Run { first, count: session.calls.len() as u32 },
            sessionless: session.turns().is_none(),
            start_us,
        });
        self.scratch = Scratch { view, fates, at };
    }

    fn segments(&mut self, session: &Session) {
        let first = self.work.segments.len();
        for segment in &session.segments {
            let id = if session.scope == Scope::Set { self.ids.of_set(segment.id) } else { self.ids.fresh() };
            self.work.segments.push(Segment { id, tokens: segment.tokens });
        }
        if self.options.share_system && session.scope == Scope::Session {
            self.assume_shared(session, first);
        }
    }

    /// Gives the tool and system messages of all sessions that agree in model and size one identity.
    fn assume_shared(&mut self, session: &Session, first: usize) {
        let model = session.models.first().cloned().unwrap_or_default();
        for message in &session.messages {
            let kind = match message.kind {
                MessageKind::Tools => 0,
                MessageKind::SystemPrompt => 1,
                _ => continue,
            };
            for (place, &part) in message.parts.iter().enumerate() {
                let segment = &mut self.work.segments[first + part as usize];
                let key = (model.clone(), kind, message.tokens, place, segment.tokens);
                segment.id = *self.ids.assumed.entry(key).or_insert(segment.id);
            }
        }
    }

    /// The prompt with some messages replaced. Where the messages do not account for the prompt
    /// segment by segment, the prompt stays as it is.
    fn rewritten(
        &mut self,
        session: &Session,
        call: &Call,
        view: &[u32],
        fates: &[Fate],
        base: u32,
        placeholders: &mut FxHashMap<(u32, u32), u32>,
    ) -> (Vec<Run>, u32) {
        let parts =
            || view.iter().flat_map(|&message| session.messages[message as usize].parts.iter().copied());
        if !parts().eq(call.prompt.iter().flat_map(|run| run.indices())) {
            return (shift(&call.prompt, base), call.prompt_tokens);
        }
        let (mut runs, mut removed, mut added) = (Vec::new(), 0i64, 0i64);
        for (&message, &fate) in view.iter().zip(fates) {
            let parts = &session.messages[message as usize].parts;
            match fate {
                Fate::Keep => parts.iter().for_each(|&part| Run::push(&mut runs, base + part)),
                Fate::Replace(tokens) => {
                    let fresh = self.work.segments.len() as u32;
                    let segment = *placeholders.entry((message, tokens)).or_insert(fresh);
                    if segment == fresh {
                        let id = self.ids.fresh();
                        self.work.segments.push(Segment { id, tokens });
                    }
                    Run::push(&mut runs, segment);
                    removed += parts
                        .iter()
                        .map(|&part| i64::from(session.segments[part as usize].tokens))
                        .sum::<i64>();
                    added += i64::from(tokens);
                }
            }
        }
        let tokens = (i64::from(call.prompt_tokens) - removed + added).clamp(1, i64::from(u32::MAX));
        (runs, tokens as u32)
    }

    fn model(&mut self, session: &Session, call: &Call) -> u32 {
        let name = session.models.get(call.model as usize).map_or("", String::as_str);
        self.models.number(&mut self.work.models, name)
    }

    /// Lengths are predicted from what the model was just told: a tool's answer, else the kind.
    fn predict_key(&mut self, session: &Session, call: &Call) -> u32 {
        let last = call.view.iter().rev().find_map(|run| run.indices().next_back());
        let name = match last.map(|last| &session.messages[last as usize]) {
            Some(Message { tool: Some(tool), .. }) => tool,
            Some(message) => kind_name(message.kind),
            None => "unknown",
        };
        self.keys.number(&mut self.work.predict_keys, name)
    }
}

/// Tokens behind the model's own last message, of a prompt of so many.
fn new_tokens(session: &Session, call: &Call, prompt_tokens: u32) -> u32 {
    let mut told = 0u32;
    for message in call.view.iter().rev().flat_map(|run| run.indices().rev()) {
        let message = &session.messages[message as usize];
        if message.role == MessageRole::Assistant {
            return told.min(prompt_tokens);
        }
        told = told.saturating_add(message.tokens);
    }
    prompt_tokens
}

/// What length predictors call a message that no tool wrote.
fn kind_name(kind: MessageKind) -> &'static str {
    match kind {
        MessageKind::SystemPrompt => "SystemPrompt",
        MessageKind::Tools => "Tools",
        MessageKind::Task => "Task",
        MessageKind::Action => "Action",
        MessageKind::Observation => "Observation",
        MessageKind::Summary => "Summary",
        MessageKind::Other => "Other",
    }
}

/// Numbers of names. Calls side by side mostly have the same.
#[derive(Default)]
struct Names {
    numbers: FxHashMap<String, u32>,
    last: u32,
}

impl Names {
    fn number(&mut self, names: &mut Vec<String>, name: &str) -> u32 {
        if names.get(self.last as usize).is_none_or(|last| last != name) {
            self.last = self.numbers.get(name).copied().unwrap_or(names.len() as u32);
            if self.last as usize == names.len() {
                names.push(name.to_owned());
                self.numbers.insert(name.to_owned(), self.last);
            }
        }
        self.last
    }
}

fn shift(runs: &[Run], base: u32) -> Vec<Run> {
    runs.iter().map(|run| Run { first: run.first + base, count: run.count }).collect()
}

/// What the reply adds to the cache. Reasoning that is not sent again stands before the reply, so
/// that the reply's own place in the next prompt is another: it cannot be reused.
fn reply(session: &Session, call: &Call, base: u32) -> Vec<Run> {
    let mut runs = Vec::new();
    if let Some(reply) = call.reply.filter(|_| call.reasoning_tokens == 0) {
        let parts = &session.messages[reply as usize].parts;
        parts.iter().for_each(|&part| Run::push(&mut runs, base + part));
    }
    runs
}

/// Times and delays, where one may be missing: a missing time follows from the calls waited for, a
/// missing delay is none.
fn start(call: &Call, first: u32, start_us: u64, at: &mut Vec<u64>, session: &Session) -> Start {
    let delay_us = match (call.delay_us, call.after.is_empty()) {
        (Some(delay), _) => delay,
        (None, true) => call.at_us.map_or(0, |us| us - start_us),
        (None, false) => 0,
    };
    let end_of = |&earlier: &u32| {
        let took = session.calls[earlier as usize].recorded.as_ref().and_then(|recorded| recorded.e2e_us);
        at.get(earlier as usize).copied().unwrap_or(0) + took.unwrap_or(0)
    };
    let at_us = match call.at_us {
        Some(us) => us - start_us,
        None => call.after.iter().map(end_of).max().unwrap_or(0) + delay_us,
    };
    at.push(at_us);
    Start { after: call.after.iter().map(|earlier| first + earlier).collect(), delay_us, at_us }
}
