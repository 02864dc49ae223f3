//! Small workloads and tight clusters, in which calls wait, share, evict and are thrown out.

use super::{Arrivals, Router, Setup, Tape};
use atr_core::serve::latency::Coefficients;
use atr_core::trace::{CallRole, Run, Scope, Segment, Start, WorkCall, WorkSession, Workload};

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

fn turn(tape: &mut Tape) -> Turn {
    Turn {
        change: tape.below(u64::from(SEGMENTS) + 4) as u32,
        output: tape.below(50) as u32,
        spare: tape.below(40) as u32,
        replies: tape.flip(),
        delay_us: if tape.flip() { tape.below(30_000) } else { 0 },
        at_us: tape.below(200_000),
        back: tape.below(6) as u32,
        tail: match tape.below(6) {
            0..4 => 0,
            4 => tape.within(1, 30) as i32,
            _ => -(tape.within(1, 7) as i32),
        },
    }
}

/// A handful of agents over common and own segments.
pub(crate) fn work(tape: &mut Tape) -> Workload {
    let models = tape.within(1, 3) as u32;
    let mut work = Workload {
        segments: (0..u64::from(SEGMENTS))
            .map(|id| Segment { id, tokens: tape.within(1, 80) as u32 })
            .collect(),
        models: (0..models).map(|number| number.to_string()).collect(),
        predict_keys: vec!["unknown".to_owned()],
        scope: Scope::Set,
        ..Workload::default()
    };
    for _ in 0..tape.within(1, 8) {
        let start_us = tape.below(90_000);
        let turns: Vec<Turn> = (0..tape.within(1, 7)).map(|_| turn(tape)).collect();
        session(&mut work, &turns, start_us, models);
    }
    work
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
            new_tokens: 0,
        });
    }
    work.sessions.push(WorkSession {
        id: number.to_string(),
        calls: Run { first, count: turns.len() as u32 },
        sessionless: false,
        start_us,
    });
}

fn costs(tape: &mut Tape) -> Coefficients {
    Coefficients {
        step: tape.below(3_000_000_000),
        sequence: tape.below(200_000_000),
        kv_token: tape.below(30_000),
        prefill_token: tape.below(20_000_000),
        attention_pair: tape.below(9_000),
        prompt: tape.below(5_000_000),
        ..Coefficients::default()
    }
}

/// Clusters with little room.
pub(crate) fn setup(tape: &mut Tape) -> Setup {
    let block = tape.one_of(&[1, 8, 16, 24]);
    let blocks = tape.within(12, 60);
    Setup {
        router: tape.one_of(&[Router::RoundRobin, Router::LeastLoad]),
        arrivals: if tape.flip() {
            Arrivals::Concurrency(tape.within(1, 6) as usize)
        } else {
            Arrivals::Recorded
        },
        times: tape.flip(),
        speed: tape.one_of(&[1, 2, 5]),
        replicas: tape.within(1, 4) as u32,
        // Single tokens as blocks want more of them.
        capacity_blocks: if block == 1 { blocks * 12 } else { blocks },
        block,
        context_tokens: 600,
        max_batch: tape.within(1, 6) as usize,
        step_tokens: tape.within(1, 160),
        costs: costs(tape),
        cache: tape.below(5) < 4,
        reserve: tape.flip(),
    }
}
