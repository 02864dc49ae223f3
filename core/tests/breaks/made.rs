//! Sessions made by hand: one segment a message, so that tokens can be added up on paper.

use MessageKind::{Action, Observation, SystemPrompt, Task, Tools};
use atr_core::trace::{
    Call, CallRole, Mark, Message, MessageKind, MessageRole, Run, Scope, Segment, Session,
};

/// The messages that all worked sessions begin with; further ones get the numbers from 9 on.
const FIRST: [(MessageKind, u32); 9] = [
    (Tools, 400),
    (SystemPrompt, 300),
    (Task, 100),
    (Action, 20),
    (Observation, 500),
    (Action, 30),
    (Observation, 600),
    (Action, 40),
    (Observation, 200),
];

pub(crate) fn role(kind: MessageKind) -> MessageRole {
    match kind {
        Tools | SystemPrompt => MessageRole::System,
        Action => MessageRole::Assistant,
        Observation => MessageRole::Tool,
        _ => MessageRole::User,
    }
}

pub(crate) fn message(kind: MessageKind, tokens: u32, parts: Vec<u32>) -> Message {
    Message {
        agent: 0,
        role: role(kind),
        kind,
        tokens,
        parts,
        tool: None,
        lines: 0,
        words: 0,
        path: None,
        window: None,
        tags: Vec::new(),
    }
}

pub(crate) fn runs(indices: &[u32]) -> Vec<Run> {
    let mut runs = Vec::new();
    indices.iter().for_each(|&index| Run::push(&mut runs, index));
    runs
}

/// A session without messages and calls.
pub(crate) fn empty(segments: &[u32]) -> Session {
    Session {
        id: "s".to_owned(),
        source: "test".to_owned(),
        harness: "test".to_owned(),
        models: vec!["m".to_owned(), "n".to_owned()],
        scope: Scope::Session,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments: (0..).zip(segments).map(|(id, &tokens)| Segment { id, tokens }).collect(),
        calls: Vec::new(),
        outcome: None,
    }
}

/// A session of [`FIRST`] and `more` messages, and of calls that are given as (model, view, reply).
pub(crate) fn worked(more: &[(MessageKind, u32)], calls: &[(u32, &[u32], Option<u32>)]) -> Session {
    let all: Vec<(MessageKind, u32)> = FIRST.iter().chain(more).copied().collect();
    let mut session = empty(&all.iter().map(|(_, tokens)| *tokens).collect::<Vec<_>>());
    session.messages = (0..).zip(&all).map(|(at, &(kind, tokens))| message(kind, tokens, vec![at])).collect();
    for &(model, view, reply) in calls {
        let prompt_tokens = view.iter().map(|&at| all[at as usize].1).sum();
        push(&mut session, model, view, prompt_tokens, reply);
        session.calls.last_mut().unwrap().view = runs(view);
    }
    session
}

/// Appends a call with this prompt and no view.
pub(crate) fn push(
    session: &mut Session,
    model: u32,
    prompt: &[u32],
    prompt_tokens: u32,
    reply: Option<u32>,
) {
    let id = session.calls.len() as u32;
    session.calls.push(Call {
        id,
        model,
        role: CallRole::Agent,
        prompt: runs(prompt),
        prompt_tokens,
        reply,
        output_tokens: Some(1),
        ..Call::default()
    });
}

/// A source of blocks of 64: tools of 128, system prompt of 192, task of 100, then action 20 and
/// observation 60 a turn. Given per call: length and hashes of its whole blocks.
pub(crate) fn blocks(calls: &[(u32, &[u32])]) -> Session {
    let highest = calls.iter().flat_map(|(_, ids)| ids.iter()).max().unwrap() + 1;
    let mut session = empty(&vec![64; highest as usize]);
    session.block_tokens = Some(64);
    session.mark(Mark::DerivedMessages);
    for &(prompt_tokens, ids) in calls {
        push(&mut session, 0, ids, prompt_tokens, None);
        // The head is renewed with every call, as an importer does behind a change.
        let first = session.messages.len() as u32;
        session
            .messages
            .extend([(Tools, 128), (SystemPrompt, 192), (Task, 100)].map(|(k, n)| message(k, n, vec![])));
        let mut sum = 420;
        while sum < prompt_tokens {
            session.messages.extend([(Action, 20), (Observation, 60)].map(|(k, n)| message(k, n, vec![])));
            sum += 80;
        }
        let view: Vec<u32> = (first..session.messages.len() as u32).collect();
        session.calls.last_mut().unwrap().view = runs(&view);
    }
    session
}
