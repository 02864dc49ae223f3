//! What a session shows of the quantities that the generator models: its size, its turns, and what
//! happened to the prompt from each call to the next.

use crate::trace::{Call, CallRole, MessageKind, Run, Session};
use rustc_hash::FxHashMap;

/// What became of a prompt in the next call of the same agent to the same model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The whole prompt was sent again.
    Grew,
    /// It did not get shorter, but only so many of its tokens stand at its beginning as before.
    Broke(u32),
    /// It got shorter, and only so many of its tokens stand at its beginning as before.
    Dropped(u32),
}

/// From one call to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The prompt before.
    pub prompt_tokens: u32,
    /// The prompt after.
    pub next_prompt_tokens: u32,
    /// What became of it.
    pub change: Change,
    /// Of the reply, what was sent again.
    pub reply_tokens: u32,
    /// What is new besides the reply: tool output, a person's words. 0 where the prompt dropped.
    pub input_tokens: u32,
    /// Time from the end of what the next call waits for; none where unknown.
    pub delay_us: Option<u64>,
    /// Whether the new input is a person's.
    pub person: bool,
}

/// One call, and the step to the next where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// 0 is the main agent.
    pub agent: u32,
    /// Its prompt.
    pub prompt_tokens: u32,
    /// Tokens generated.
    pub output_tokens: u32,
    /// Of these, reasoning that is not sent again.
    pub reasoning_tokens: u32,
    /// Time from send to the last token; none where it was not recorded.
    pub model_us: Option<u64>,
    /// The step to the same agent's next call to the same model.
    pub step: Option<Step>,
}

/// One session's quantities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The main agent's calls.
    pub turns: u64,
    /// The main agent's first prompt.
    pub first_prompt_tokens: u32,
    /// Its longest.
    pub peak_prompt_tokens: u32,
    /// All prompt tokens of all agents.
    pub prompt_tokens: u64,
    /// Tokens of tools and of the system prompt in the main agent's first prompt.
    pub prefix: (u32, u32),
    /// All calls, in order.
    pub calls: Vec<Turn>,
}

/// A session and what was seen of it.
pub(super) struct Seen<'a> {
    pub(super) session: &'a Session,
    pub(super) observed: Observed,
}

impl Observed {
    /// Looks at a session; `None` where its source knows single requests only, or nothing of the main
    /// agent.
    pub fn of(session: &Session) -> Option<Observed> {
        let turns = session.turns().filter(|&turns| turns > 0)?;
        let main = || session.calls.iter().filter(|call| call.role == CallRole::Agent);
        let first = main().next()?;
        let mut calls: Vec<Turn> = session.calls.iter().map(turn).collect();
        let mut latest: FxHashMap<(u32, u32), usize> = FxHashMap::default();
        for (place, call) in session.calls.iter().enumerate() {
            if let Some(before) = latest.insert((call.agent, call.model), place) {
                calls[before].step = Some(step(session, &session.calls[before], call));
            }
        }
        Some(Observed {
            turns,
            first_prompt_tokens: first.prompt_tokens,
            peak_prompt_tokens: main().map(|call| call.prompt_tokens).max()?,
            prompt_tokens: session.prompt_tokens(),
            prefix: prefix(session, first),
            calls,
        })
    }

    /// The main agent's calls.
    pub fn main(&self) -> impl Iterator<Item = &Turn> {
        self.calls.iter().filter(|turn| turn.agent == 0)
    }
}

fn turn(call: &Call) -> Turn {
    Turn {
        agent: if call.role == CallRole::Agent { 0 } else { call.agent.max(1) },
        prompt_tokens: call.prompt_tokens,
        output_tokens: call.output(),
        reasoning_tokens: call.reasoning_tokens,
        model_us: call.recorded.as_ref().and_then(|recorded| recorded.e2e_us),
        step: None,
    }
}

fn step(session: &Session, before: &Call, next: &Call) -> Step {
    let shared = shared_tokens(session, before, next);
    // The last block of a source that has only blocks may hold a reply's beginning too.
    let whole = shared.saturating_add(session.block_tokens.unwrap_or(0)) >= before.prompt_tokens;
    let change = match whole {
        true => Change::Grew,
        false if next.prompt_tokens < before.prompt_tokens => Change::Dropped(shared.min(next.prompt_tokens)),
        false => Change::Broke(shared),
    };
    let grew = next.prompt_tokens.saturating_sub(before.prompt_tokens);
    let reply_tokens = grew.min(before.output() - before.reasoning_tokens.min(before.output()));
    let last = next.view.last().and_then(|run| run.indices().next_back());
    let kind = last.and_then(|message| session.messages.get(message as usize)).map(|message| message.kind);
    Step {
        prompt_tokens: before.prompt_tokens,
        next_prompt_tokens: next.prompt_tokens,
        change,
        reply_tokens,
        input_tokens: grew - reply_tokens,
        delay_us: next.delay_us.filter(|_| !next.after.is_empty()),
        person: kind == Some(MessageKind::Task),
    }
}

/// How many of a prompt's tokens the next one begins with, by identity.
fn shared_tokens(session: &Session, before: &Call, next: &Call) -> u32 {
    let segments = |call: &Call| {
        let runs = call.prompt.clone();
        runs.into_iter().flat_map(Run::indices).map(|index| session.segments[index as usize])
    };
    let equal = segments(before).zip(segments(next)).take_while(|(a, b)| a == b);
    let tokens = equal.fold(0u32, |sum, (segment, _)| sum.saturating_add(segment.tokens));
    tokens.min(before.prompt_tokens)
}

fn prefix(session: &Session, first: &Call) -> (u32, u32) {
    let messages = first.view.iter().flat_map(|run| run.indices());
    let mut sizes = (0u32, 0u32);
    for message in messages.filter_map(|index| session.messages.get(index as usize)) {
        match message.kind {
            MessageKind::Tools => sizes.0 = sizes.0.saturating_add(message.tokens),
            MessageKind::SystemPrompt => sizes.1 = sizes.1.saturating_add(message.tokens),
            _ => {}
        }
    }
    sizes
}
