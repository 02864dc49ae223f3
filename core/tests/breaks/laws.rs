//! What must hold for every session.

use crate::made::{empty, message, push, runs};
use atr_core::metrics::breaks::{Cause, session_breaks};
use atr_core::trace::{Mark, MessageKind, Session};
use proptest::prelude::*;

const KINDS: [MessageKind; 7] = [
    MessageKind::SystemPrompt,
    MessageKind::Tools,
    MessageKind::Task,
    MessageKind::Action,
    MessageKind::Observation,
    MessageKind::Summary,
    MessageKind::Other,
];

/// A call: agent, model, what it does to the agent's latest view, tokens that the prompt is longer or
/// shorter than its messages, whether its reply is known, whether there was reasoning.
type Step = (u32, u32, Change, i32, bool, bool);

#[derive(Clone, Debug)]
enum Change {
    Grow(usize),
    Replace(usize),
    Remove(usize),
    Keep(usize),
    Back(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => (0_usize..3).prop_map(Change::Grow),
        1 => (0_usize..20).prop_map(Change::Replace),
        1 => (0_usize..20).prop_map(Change::Remove),
        1 => (0_usize..4).prop_map(Change::Keep),
        1 => (0_usize..9).prop_map(Change::Back),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let extra = prop_oneof![3 => Just(0), 1 => -40_i32..40];
    (0_u32..2, 0_u32..2, change(), extra, any::<bool>(), any::<bool>())
}

fn session() -> impl Strategy<Value = Session> {
    let messages = prop::collection::vec((0_usize..7, 1_u32..200), 30..31);
    let block = prop_oneof![2 => Just(None), 1 => Just(Some(16_u32))];
    (messages, prop::collection::vec(step(), 1..25), block, any::<bool>()).prop_map(
        |(messages, steps, block, told)| {
            let mut session = empty(&messages.iter().map(|(_, tokens)| *tokens).collect::<Vec<_>>());
            session.messages = (0..)
                .zip(&messages)
                .map(|(at, &(kind, tokens))| message(KINDS[kind], tokens, vec![at]))
                .collect();
            session.block_tokens = block;
            if block.is_some() {
                session.mark(Mark::DerivedMessages);
            }
            let mut views: Vec<Vec<Vec<u32>>> = vec![vec![vec![0, 1]]; 2];
            for (n, (agent, model, change, extra, reply, reasoning)) in steps.into_iter().enumerate() {
                let past = &mut views[agent as usize];
                let mut view = past.last().unwrap().clone();
                let fresh = (n * 2 % messages.len()) as u32;
                match change {
                    Change::Grow(by) => {
                        view.extend((0..by as u32).map(|k| (fresh + k) % messages.len() as u32));
                    }
                    Change::Replace(at) => {
                        let at = at % view.len();
                        view[at] = fresh;
                    }
                    Change::Remove(at) if view.len() > 1 => drop(view.remove(at % view.len())),
                    Change::Remove(_) => {}
                    Change::Keep(count) => view.truncate(count.max(1)),
                    Change::Back(by) => view = past[past.len().saturating_sub(1 + by)].clone(),
                }
                past.push(view.clone());
                let sum: u32 = view.iter().map(|&at| messages[at as usize].1).sum();
                push(
                    &mut session,
                    model,
                    &view,
                    sum.saturating_add_signed(extra).max(1),
                    reply.then_some(fresh),
                );
                let call = session.calls.last_mut().unwrap();
                call.agent = agent;
                call.output_tokens = Some(9);
                call.reasoning_tokens = u32::from(reasoning);
                call.view = if told { runs(&view) } else { Vec::new() };
            }
            session
        },
    )
}

/// Tokens of a list of segments as single letters: segment and place within it.
fn letters(session: &Session, segments: impl Iterator<Item = u32>) -> Vec<(u64, u32)> {
    let segments = segments.map(|index| session.segments[index as usize]);
    segments.flat_map(|segment| (0..segment.tokens).map(move |place| (segment.id, place))).collect()
}

/// What an earlier prompt and reply of the same agent and model share, token by token; the end of a
/// segment may not be cut, because two segments never share a beginning here.
fn found_before(session: &Session, call: usize) -> u64 {
    let asked = &session.calls[call];
    let prompt = letters(session, asked.prompt.iter().flat_map(|run| run.indices()));
    let earlier = session.calls[..call].iter().filter(|c| (c.agent, c.model) == (asked.agent, asked.model));
    let shared = earlier.map(|earlier| {
        let mut segments: Vec<u32> = earlier.prompt.iter().flat_map(|run| run.indices()).collect();
        if session.block_tokens.is_none() && earlier.reasoning_tokens == 0 {
            segments.extend(earlier.reply);
        }
        let sent = letters(session, segments.into_iter());
        sent.iter().zip(&prompt).take_while(|(a, b)| a == b).count() as u64
    });
    shared.max().unwrap_or(0).min(asked.prompt_tokens.into())
}

proptest! {
    #[test]
    fn every_prompt_token_is_accounted_for(session in session(), block in 1_u32..70) {
        let found = session_breaks(&session, block);
        let ledger = found.ledger;
        prop_assert_eq!(ledger.prompt_tokens, session.prompt_tokens());
        let parts = ledger.shared_tokens + ledger.new_tokens + ledger.again_tokens + ledger.rounding_tokens;
        prop_assert_eq!(parts, ledger.prompt_tokens);
        let again: u64 = found.breaks.iter().map(|at| at.again_tokens).sum();
        prop_assert_eq!(again, ledger.again_tokens);
        let shared: u64 = (0..session.calls.len())
            .map(|call| (found_before(&session, call), u64::from(session.calls[call].prompt_tokens)))
            .map(|(shared, all)| if shared == all { all } else { shared / u64::from(block) * u64::from(block) })
            .sum();
        prop_assert_eq!(ledger.shared_tokens, shared);
    }

    #[test]
    fn breaks_are_possible(session in session()) {
        let found = session_breaks(&session, 16);
        for at in &found.breaks {
            let (now, before) = (&session.calls[at.call as usize], &session.calls[at.before as usize]);
            prop_assert!(at.before < at.call);
            prop_assert_eq!(now.agent, before.agent);
            prop_assert_eq!(at.cause == Cause::ModelChange, now.model != before.model);
            prop_assert!(at.position_tokens <= u64::from(now.prompt_tokens));
            prop_assert!(at.again_tokens <= u64::from(now.prompt_tokens));
        }
        prop_assert!(found.breaks.windows(2).all(|pair| pair[0].call < pair[1].call));
    }

    /// Finer blocks lose less, and single tokens lose nothing where the source is exact.
    #[test]
    fn rounding_is_what_blocks_cost(session in session()) {
        let rounding = |block| session_breaks(&session, block).ledger.rounding_tokens;
        let calls = session.calls.len() as u64;
        if session.block_tokens.is_none() {
            prop_assert_eq!(rounding(1), 0);
            prop_assert!(rounding(32) <= 31 * calls);
        }
        prop_assert!(rounding(16) <= rounding(32));
        let again = |block| session_breaks(&session, block).ledger.again_tokens;
        prop_assert_eq!(again(1), again(64), "where a prefix breaks does not depend on blocks");
    }
}
