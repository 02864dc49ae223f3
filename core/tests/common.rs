//! Small workloads of our own for the simulator's tests.
#![allow(dead_code, clippy::unwrap_used)]

use atr_core::choice::{About, choose};
use atr_core::serve::cache::CACHES;
use atr_core::serve::evict::EVICTIONS;
use atr_core::serve::latency;
use atr_core::serve::route::ROUTERS;
use atr_core::serve::schedule::SCHEDULERS;
use atr_core::serve::{ClusterConfig, Parts, Replay};
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

/// One turn of [`scattered`]: the segment that comes (11: none, and back to the beginning), tail tokens, output,
/// delay in µs, and how many calls back the one is that it waits for.
pub(crate) type Turn = (u64, u32, u32, u64, u32);

/// An agent with common and own content, in sizes that do not fit blocks. Its prompts mostly grow, and sometimes go back:
/// that is where prefixes break. A call need not wait for the one before it, so that several run at a time.
pub(crate) fn scattered(number: u64, turns: &[Turn]) -> Session {
    let mut prompt = vec![number % 3];
    let call = |&(id, tail, output, delay, _): &Turn| {
        match id {
            11 => prompt.truncate(1),
            id => prompt.push(10 + id + 100 * (number % 2)),
        }
        (prompt.clone(), tail, output, delay)
    };
    let calls: Vec<_> = turns.iter().map(call).collect();
    let mut session = session(&format!("s{number}"), Scope::Set, |id| 5 + (id as u32 * 37) % 90, &calls);
    for (call, turn) in session.calls.iter_mut().zip(turns) {
        call.after = call.id.checked_sub(turn.4).into_iter().collect();
    }
    session
}

/// A member as it is, and with each of its presets.
pub(crate) fn names(member: &About) -> impl Iterator<Item = String> {
    let presets = member.presets.iter().map(|preset| format!("{}:{}", member.name, preset.name));
    std::iter::once(member.name.to_owned()).chain(presets)
}

/// Router, cache, eviction and scheduler by name; lengths are not predicted.
pub(crate) fn parts([router, cache, eviction, scheduler]: [&str; 4]) -> Parts {
    Parts {
        router: choose(ROUTERS, router).unwrap(),
        cache: choose(CACHES, cache).unwrap(),
        eviction: choose(EVICTIONS, eviction).unwrap(),
        scheduler: choose(SCHEDULERS, scheduler).unwrap(),
        predictor: None,
    }
}

/// One plain replica with more room than anything here fills.
pub(crate) fn plain_cluster() -> ClusterConfig {
    ClusterConfig {
        parts: parts(["round-robin", "block-hash", "lru", "fcfs"]),
        replicas: 1,
        capacity_blocks: 1_000_000,
        host_blocks: 0,
        context_tokens: 1_000_000,
        max_batch: 256,
        step_tokens: 8_192,
        coefficients: latency::by_name("h200-qwen3-4b").unwrap().coefficients,
        cache: true,
        reserve: false,
        replay: Replay::Delays,
        speed: 1.0,
        stepwise: false,
        curves: false,
        staleness_us: 0,
        decisions: false,
        seed: 1,
    }
}
