//! Sessions made by chance: few segments of odd sizes, so that prompts share much.

use atr_core::trace::{Call, CallRole, Mark, Recorded, Run, Scope, Segment, Session};
use proptest::prelude::*;

/// One call before it has a place: agent, segments, tail without identity, output, pause and length in µs.
pub(crate) type Asked = (u32, Vec<u8>, u32, u32, (u64, u64));

/// How segment sizes come about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sizes {
    /// Anything.
    Odd,
    /// So many tokens each.
    Blocks(u32),
}

impl Sizes {
    fn of(self, id: u8) -> u32 {
        match self {
            Sizes::Odd => [1, 37, 64, 100, 511, 512, 700, 1_500][usize::from(id) % 8],
            Sizes::Blocks(tokens) => tokens,
        }
    }
}

/// A session in which each agent's calls follow one another and no two calls begin at once.
pub(crate) fn session(id: usize, scope: Scope, sizes: Sizes, asked: &[Asked]) -> Session {
    let mut ends: Vec<(u32, u64)> = Vec::new();
    let mut calls: Vec<(u64, Call, Vec<u8>)> = Vec::new();
    for (place, (agent, prompt, tail, output, (pause_us, took_us))) in asked.iter().enumerate() {
        // The main agent is first, and each agent's first call is later than those of lower numbers.
        let agent = if place == 0 { 0 } else { *agent };
        let known = ends.iter().position(|(known, _)| *known == agent);
        let before = match known {
            Some(known) => ends[known].1,
            None => calls.iter().map(|(at, ..)| *at).max().unwrap_or(0),
        };
        let at = before + pause_us + u64::from(agent);
        let known = known.unwrap_or_else(|| {
            ends.push((agent, 0));
            ends.len() - 1
        });
        ends[known].1 = at + took_us;
        let tokens: u32 = prompt.iter().map(|id| sizes.of(*id)).sum();
        let call = Call {
            agent,
            role: if agent == 0 { CallRole::Agent } else { CallRole::Subagent },
            at_us: Some(at),
            prompt_tokens: tokens + tail,
            output_tokens: Some(*output),
            recorded: Some(Recorded { e2e_us: Some(*took_us), ..Recorded::default() }),
            ..Call::default()
        };
        calls.push((at, call, prompt.clone()));
    }
    let (calls, segments) = assembled(calls, sizes);
    Session {
        id: format!("s{id}"),
        source: "test".to_owned(),
        harness: String::new(),
        models: vec!["unknown".to_owned()],
        scope,
        block_tokens: match sizes {
            Sizes::Odd => None,
            Sizes::Blocks(tokens) => Some(tokens),
        },
        counts_from: "source".to_owned(),
        marks: Vec::<Mark>::new(),
        messages: Vec::new(),
        segments,
        calls,
        outcome: None,
    }
}

/// Sorts calls, links each agent's and lays out their prompts.
fn assembled(mut calls: Vec<(u64, Call, Vec<u8>)>, sizes: Sizes) -> (Vec<Call>, Vec<Segment>) {
    calls.sort_by_key(|(at, call, _)| (*at, call.agent));
    let start = calls[0].0;
    let mut segments: Vec<Segment> = Vec::new();
    let mut latest: Vec<(u32, u32, u64)> = Vec::new();
    let mut made = Vec::new();
    for (place, (at, mut call, prompt)) in (0_u32..).zip(calls) {
        call.id = place;
        call.at_us = Some(at - start);
        let end = at + call.recorded.as_ref().unwrap().e2e_us.unwrap();
        match latest.iter_mut().find(|(agent, ..)| *agent == call.agent) {
            Some(before) => {
                call.after = vec![before.1];
                call.delay_us = Some(at.saturating_sub(before.2));
                *before = (call.agent, place, end);
            }
            None => latest.push((call.agent, place, end)),
        }
        for id in prompt {
            let segment = Segment { id: id.into(), tokens: sizes.of(id) };
            let at = segments.iter().position(|known| *known == segment).unwrap_or_else(|| {
                segments.push(segment);
                segments.len() - 1
            });
            Run::push(&mut call.prompt, at as u32);
        }
        made.push(call);
    }
    (made, segments)
}

/// Calls by chance of up to `agents` agents. With `tails`, prompts may end without identity.
pub(crate) fn asked(agents: u32, tails: bool) -> impl Strategy<Value = Vec<Asked>> {
    let tail = if tails { 0..200_u32 } else { 0..1 };
    let pace = (0..5_000_000_u64, 0..5_000_000_u64);
    let call = (0..agents, prop::collection::vec(0..5_u8, 0..6), tail, 0..5_000_u32, pace);
    let call = call.prop_filter("no server answers an empty prompt", |(_, segments, tail, ..)| {
        !segments.is_empty() || *tail > 0
    });
    prop::collection::vec(call, 1..7)
}

/// What two prompts share: tokens up to the first segment in which they differ, and whether they are
/// the same to the end.
pub(crate) fn shared(a: (&Session, u32), b: (&Session, u32)) -> (u64, bool) {
    let tokens = super::shared_tokens(a, b);
    let length = |(session, call): (&Session, u32)| u64::from(session.calls[call as usize].prompt_tokens);
    (tokens, tokens == length(a) && tokens == length(b))
}
