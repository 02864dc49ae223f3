//! Small workloads and tight clusters, in which calls wait, share, evict and are thrown out.

use super::{Arrivals, Router, Setup};
use atr_core::serve::latency::Coefficients;
use atr_core::trace::{CallRole, Run, Scope, Segment, Start, WorkCall, WorkSession, Workload};
use proptest::prelude::*;

/// Segments that prompts are made of; the first are common.
const SEGMENTS: u32 = 24;

/// One call: what becomes of the prompt before it, output, cap, delay, time, whom it waits for, what its tokens are
/// beside its segments.
#[derive(Clone, Debug)]
struct Turn {
    change: u32,
    output: u32,
    spare: u32,
    delay_us: u64,
    at_us: u64,
    back: u32,
    tail: i32,
    replies: bool,
}

fn turn() -> impl Strategy<Value = Turn> {
    let tail = prop_oneof![4 => Just(0), 1 => 1..30i32, 1 => -6..0i32];
    let shape = (0..SEGMENTS + 4, 0..50u32, 0..40u32, any::<bool>());
    let when = (prop_oneof![Just(0), 0..30_000u64], 0..200_000u64, 0..6u32);
    (shape, when, tail).prop_map(|((change, output, spare, replies), (delay_us, at_us, back), tail)| Turn {
        change,
        output,
        spare,
        delay_us,
        at_us,
        back,
        tail,
        replies,
    })
}

/// A handful of agents over common and own segments.
pub(crate) fn work() -> impl Strategy<Value = Workload> {
    let sessions = prop::collection::vec((prop::collection::vec(turn(), 1..7), 0..90_000u64), 1..8);
    let sizes = prop::collection::vec(1..80u32, SEGMENTS as usize);
    (sessions, sizes, 1..3u32).prop_map(|(sessions, sizes, models)| {
        let mut work = Workload {
            segments: (0..).zip(sizes).map(|(id, tokens)| Segment { id, tokens }).collect(),
            models: (0..models).map(|number| number.to_string()).collect(),
            predict_keys: vec!["unknown".to_owned()],
            scope: Scope::Set,
            ..Workload::default()
        };
        for (turns, start_us) in sessions {
            session(&mut work, &turns, start_us, models);
        }
        work
    })
}

fn session(work: &mut Workload, turns: &[Turn], start_us: u64, models: u32) {
    let (first, number) = (work.calls.len() as u32, work.sessions.len() as u32);
    let mut held = vec![number % 3];
    for (place, turn) in (0..).zip(turns) {
        // Mostly grow, sometimes go back: that is where prefixes break.
        match turn.change.checked_sub(SEGMENTS) {
            None => held.push(turn.change),
            Some(keep) => held.truncate(keep as usize + 1),
        }
        let mut prompt = Vec::new();
        held.iter().for_each(|&segment| Run::push(&mut prompt, segment));
        let sum: u32 = held.iter().map(|&segment| work.segments[segment as usize].tokens).sum();
        let next = turns.get(place as usize + 1).map_or(0, |next| next.change);
        let reply =
            if turn.replies && next < SEGMENTS { vec![Run { first: next, count: 1 }] } else { Vec::new() };
        let after = match turn.back {
            _ if place == 0 => Vec::new(),
            0 => Vec::new(),
            1 if place > 1 => vec![first + place - 2, first + place - 1],
            2 if place > 1 => vec![first + place - 2],
            _ => vec![first + place - 1],
        };
        work.calls.push(WorkCall {
            id: first + place,
            session: number,
            source_call: Some(place),
            model: number % models,
            role: CallRole::Agent,
            prompt,
            reply,
            prompt_tokens: sum.saturating_add_signed(turn.tail).max(1),
            output_tokens: turn.output,
            max_tokens: turn.output + turn.spare,
            start: Start { after, delay_us: turn.delay_us, at_us: turn.at_us },
            priority: 0,
            predict_key: 0,
        });
    }
    work.sessions.push(WorkSession {
        id: number.to_string(),
        calls: Run { first, count: turns.len() as u32 },
        sessionless: false,
        start_us,
    });
}

fn costs() -> impl Strategy<Value = Coefficients> {
    let rich = (
        0..3_000_000_000u64,
        0..200_000_000u64,
        0..30_000u64,
        0..20_000_000u64,
        0..9_000u64,
        0..5_000_000u64,
    );
    rich.prop_map(|(step, sequence, kv_token, prefill_token, attention_pair, prompt)| Coefficients {
        step,
        sequence,
        kv_token,
        prefill_token,
        attention_pair,
        prompt,
        ..Coefficients::default()
    })
}

/// Clusters with little room.
pub(crate) fn setup() -> impl Strategy<Value = Setup> {
    let router = prop_oneof![Just(Router::RoundRobin), Just(Router::LeastLoad)];
    let arrivals = prop_oneof![Just(Arrivals::Recorded), (1..6usize).prop_map(Arrivals::Concurrency)];
    let asked = (router, arrivals, any::<bool>(), prop::sample::select(vec![1u64, 2, 5]));
    let sizes = (1..4u32, 12..60u64, prop::sample::select(vec![1u64, 8, 16, 24]), 1..6usize, 1..160u64);
    let switches = (prop_oneof![1 => Just(false), 4 => Just(true)], any::<bool>(), costs());
    (asked, sizes, switches).prop_map(|(asked, sizes, (cache, reserve, costs))| {
        let (router, arrivals, times, speed) = asked;
        let (replicas, blocks, block, max_batch, step_tokens) = sizes;
        // Single tokens as blocks want more of them.
        let capacity_blocks = if block == 1 { blocks * 12 } else { blocks };
        Setup {
            router,
            arrivals,
            times,
            speed,
            replicas,
            capacity_blocks,
            block,
            context_tokens: 600,
            max_batch,
            step_tokens,
            costs,
            cache,
            reserve,
        }
    })
}
