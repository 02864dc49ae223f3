//! Small workloads of our own for the simulator's tests.
#![allow(dead_code, clippy::unwrap_used)]

use atr_core::trace::{Call, CallRole, Message, MessageKind, MessageRole, Run, Scope, Segment, Session};

/// A session of one call after the other, given as (segments of the prompt, tail tokens without identity,
/// output, delay in µs). Segment `n` has id `n` and `tokens(n)` tokens.
pub(crate) fn session(
    id: &str,
    scope: Scope,
    tokens: impl Fn(u64) -> u32,
    calls: &[(Vec<u64>, u32, u32, u64)],
) -> Session {
    let mut segments: Vec<Segment> = Vec::new();
    let mut made = Vec::new();
    for (number, (prompt, tail, output, delay)) in (0..).zip(calls) {
        let mut runs = Vec::new();
        let mut sum = *tail;
        for &id in prompt {
            let index = segments.iter().position(|segment| segment.id == id).unwrap_or_else(|| {
                segments.push(Segment { id, tokens: tokens(id) });
                segments.len() - 1
            });
            Run::push(&mut runs, index as u32);
            sum += tokens(id);
        }
        made.push(Call {
            id: number,
            agent: 0,
            model: 0,
            role: CallRole::Agent,
            after: number.checked_sub(1).into_iter().collect(),
            delay_us: Some(*delay),
            at_us: None,
            prompt: runs,
            prompt_tokens: sum,
            view: Vec::new(),
            reply: None,
            output_tokens: Some(*output),
            reasoning_tokens: 0,
            tools: Vec::new(),
            estimated: false,
            recorded: None,
        });
    }
    Session {
        id: id.to_owned(),
        source: "test".to_owned(),
        harness: "test".to_owned(),
        models: vec!["m".to_owned()],
        scope,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments,
        calls: made,
        outcome: None,
    }
}

/// A session of `turns` turns in the manner of an agent: system 3,000 tokens, then action and
/// observation by turns; the prompt of turn t holds all before it.
pub(crate) fn agent(id: &str, turns: u32, action: u32, observation: u32) -> Session {
    let prompt_ids = |turn: u32| (0..=u64::from(2 * turn)).collect::<Vec<_>>();
    let tokens = move |id: u64| match id {
        0 => 3_000,
        n if n % 2 == 1 => action,
        _ => observation,
    };
    let calls: Vec<_> = (0..turns).map(|turn| (prompt_ids(turn), 0, action, 1_000)).collect();
    let mut session = session(id, Scope::Session, tokens, &calls);
    for (index, segment) in (0..).zip(&session.segments) {
        let (role, kind) = match index {
            0 => (MessageRole::User, MessageKind::Task),
            n if n % 2 == 1 => (MessageRole::Assistant, MessageKind::Action),
            _ => (MessageRole::Tool, MessageKind::Observation),
        };
        session.messages.push(Message {
            agent: 0,
            role,
            kind,
            tokens: segment.tokens,
            parts: vec![index],
            tool: None,
            lines: 0,
            words: 0,
            path: None,
            window: None,
            tags: Vec::new(),
        });
    }
    for call in &mut session.calls {
        call.view = call.prompt.clone();
        let reply = 2 * call.id + 1;
        call.reply = (reply < session.messages.len() as u32).then_some(reply);
    }
    session
}
