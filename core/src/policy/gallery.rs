//! Known failures of routers, each as a small made-up workload in two set-ups: one in which no replica is near saturation under
//! any router, and the same with the one thing changed that some of them fall over.

use super::{Arrivals, Replay, Scenario};
use crate::trace::{Call, MAX_TOKENS, Run, Scope, Segment, Session};

/// A figure by which routers are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The share of prompt tokens that is found.
    HitRate,
    /// Mean time to first token.
    TtftMean,
    /// Time to first token of the slowest hundredth.
    TtftP99,
}

/// One failure.
#[derive(Clone, Copy, Debug)]
pub struct Exhibit {
    /// Stable name.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// How it comes about.
    pub mechanism: &'static str,
    /// The set-up that is stood.
    pub calm: &'static str,
    /// What is changed.
    pub failing: &'static str,
    /// What it is about.
    pub measure: Measure,
    /// Makes either set-up.
    make: fn(bool) -> (Vec<Session>, Scenario),
}

/// All failures.
pub const EXHIBITS: &[Exhibit] = &[
    Exhibit {
        name: "shared-prompt",
        title: "A system prompt that everybody shares",
        mechanism: "A router that follows the longest prefix it knows finds the shared prompt where the first call went, \
                    and sends every later session there too. The guard against imbalance counts calls in flight, and \
                    there are never enough of them: one replica queues while the others idle.",
        calm: "every session has a system prompt of its own",
        failing: "all sessions have the same system prompt",
        measure: Measure::TtftP99,
        make: shared_prompt,
    },
    Exhibit {
        name: "one-at-a-time",
        title: "Calls that never overlap",
        mechanism: "Where every call ends before the next begins, load is zero wherever a router looks, and ties decide. \
                    One that gives them to the first replica sends it everything; that replica evicts what it needs next, \
                    while the others idle.",
        calm: "sessions take turns two at a time, and their calls overlap",
        failing: "the same calls, each after the one before has ended",
        measure: Measure::HitRate,
        make: one_at_a_time,
    },
    Exhibit {
        name: "hot-session",
        title: "A session that outgrows its replica",
        mechanism: "Hashing sends all calls of a session to one replica. When its sub-agents together hold more than fits \
                    there, each evicts what the next one needs, and the cache finds next to nothing.",
        calm: "a session with few sub-agents",
        failing: "the same session with more sub-agents than one replica holds",
        measure: Measure::HitRate,
        make: hot_session,
    },
    Exhibit {
        name: "stale-signals",
        title: "Signals that are late",
        mechanism: "All calls between two reports go where load was least at the last one. By the next report that \
                    replica has a queue, and the herd moves on.",
        calm: "load is seen as it is",
        failing: "load is seen late",
        measure: Measure::TtftP99,
        make: stale_signals,
    },
];

impl Exhibit {
    /// Sessions and scenario of one of its set-ups. The router is left to the caller.
    pub fn make(&self, failing: bool) -> (Vec<Session>, Scenario) {
        (self.make)(failing)
    }
}

/// A prompt's segments by id, and what is asked with it.
struct Asked {
    prompt: Vec<(u64, u32)>,
    output: u32,
    after: Option<u32>,
    at_us: u64,
    delay_us: u64,
    agent: u32,
}

fn session(name: String, asked: Vec<Asked>) -> Session {
    let mut segments: Vec<Segment> = Vec::new();
    let mut calls = Vec::with_capacity(asked.len());
    for (id, one) in (0..).zip(asked) {
        let mut prompt = Vec::new();
        let mut sum = 0;
        for (id, tokens) in one.prompt {
            let index = segments.iter().position(|segment| segment.id == id).unwrap_or_else(|| {
                segments.push(Segment { id, tokens });
                segments.len() - 1
            });
            Run::push(&mut prompt, index as u32);
            sum += tokens;
        }
        calls.push(Call {
            id,
            agent: one.agent,
            after: one.after.into_iter().collect(),
            delay_us: Some(one.delay_us),
            at_us: Some(one.at_us),
            prompt,
            prompt_tokens: sum.min(MAX_TOKENS),
            output_tokens: Some(one.output),
            ..Call::default()
        });
    }
    Session {
        id: name,
        source: "synthetic".to_owned(),
        harness: "synthetic".to_owned(),
        models: vec!["unknown".to_owned()],
        scope: Scope::Set,
        block_tokens: None,
        counts_from: "synthetic".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments,
        calls,
        outcome: None,
    }
}

/// One agent's turns: a head, then `grow` tokens more each time. Ids from `own` on are its own.
fn growing(head: &[(u64, u32)], own: u64, turns: u32, grow: u32) -> Vec<Vec<(u64, u32)>> {
    let whole: Vec<(u64, u32)> =
        head.iter().copied().chain((0..u64::from(turns)).map(|turn| (own + turn, grow))).collect();
    (1..=turns as usize).map(|turn| whole[..head.len() + turn].to_vec()).collect()
}

const SECOND: u64 = 1_000_000;
/// Ids of one agent's own segments.
const OWN: u64 = 10_000;

fn base(replicas: u32) -> Scenario {
    Scenario {
        policies: vec!["prefix-aware-routing".to_owned()],
        replicas,
        replay: Some(Replay::Delays),
        ..Scenario::default()
    }
}

fn shared_prompt(failing: bool) -> (Vec<Session>, Scenario) {
    let sessions = (0..24u64).map(|number| {
        let system = if failing { 1 } else { 2 + number };
        let asked = growing(&[(system, 3_000)], OWN * (number + 1), 24, 100).into_iter().zip(0u32..).map(
            |(prompt, turn)| Asked {
                prompt,
                output: 200,
                after: turn.checked_sub(1),
                at_us: 0,
                delay_us: 2_400_000 + 20_000 * ((7 * number + 5 * u64::from(turn)) % 29),
                agent: 0,
            },
        );
        session(format!("agent-{number}"), asked.collect())
    });
    let scenario = Scenario {
        arrivals: Some(Arrivals::Concurrency { sessions: 24 }),
        kv_tokens: Some(30_000),
        ..base(8)
    };
    (sessions.collect(), scenario)
}

fn one_at_a_time(failing: bool) -> (Vec<Session>, Scenario) {
    let at_us =
        |place: u64| if failing { place * 4 * SECOND } else { place / 2 * 900_000 + place % 2 * 20_000 };
    let sessions = (0..14u64).map(|number| {
        let asked = growing(&[(1 + number, 4_000)], OWN * (number + 1), 32, 100).into_iter().zip(0u32..).map(
            |(prompt, turn)| Asked {
                prompt,
                output: 120,
                after: turn.checked_sub(1),
                at_us: at_us(14 * u64::from(turn) + number),
                delay_us: 0,
                agent: 0,
            },
        );
        session(format!("agent-{number}"), asked.collect())
    });
    let scenario = Scenario {
        arrivals: Some(Arrivals::Recorded),
        replay: Some(Replay::Times),
        kv_tokens: Some(66_000),
        ..base(2)
    };
    (sessions.collect(), scenario)
}

fn hot_session(failing: bool) -> (Vec<Session>, Scenario) {
    let agents = if failing { 24 } else { 4 };
    let turns = 25;
    let mut asked = Vec::new();
    for agent in 0..agents {
        let first = agent * turns;
        let head = [(1, 2_000), (2 + u64::from(agent), 8_000)];
        for (prompt, turn) in growing(&head, OWN * (u64::from(agent) + 1), turns, 400).into_iter().zip(0u32..)
        {
            asked.push(Asked {
                prompt,
                output: 60,
                after: turn.checked_sub(1).map(|before| first + before),
                at_us: 0,
                delay_us: SECOND + 53_000 * u64::from((3 * agent + 11 * turn) % 31),
                agent: agent + 1,
            });
        }
    }
    let scenario = Scenario {
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        kv_tokens: Some(150_000),
        ..base(4)
    };
    (vec![session("agents".to_owned(), asked)], scenario)
}

fn stale_signals(failing: bool) -> (Vec<Session>, Scenario) {
    let sessions = (0..1_500u64).map(|number| {
        let asked = Asked {
            prompt: vec![(1 + number, 4_000)],
            output: 12,
            after: None,
            at_us: 0,
            delay_us: 0,
            agent: 0,
        };
        session(format!("request-{number}"), vec![asked])
    });
    let scenario = Scenario {
        arrivals: Some(Arrivals::Poisson { per_s: 34.0 }),
        staleness_us: if failing { SECOND } else { 0 },
        ..base(8)
    };
    (sessions.collect(), scenario)
}
