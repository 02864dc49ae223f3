//! The hit rate at every capacity in one pass, against caches of single capacities and a plain list of blocks.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::metrics::{Curve, InspectOptions, inspect, miss_ratio_curve};
use atr_core::trace::{Message, MessageKind, MessageRole, Scope, Session};
use common::session;
use proptest::prelude::*;

const BLOCK: u32 = 16;

/// Gives every segment a message, and call `n` the reply `replies[n]` of these, if it is there.
fn with_replies(mut session: Session, replies: &[u32]) -> Session {
    for (index, segment) in (0..).zip(&session.segments) {
        session.messages.push(Message {
            agent: 0,
            role: MessageRole::Assistant,
            kind: MessageKind::Action,
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
    let messages = session.messages.len() as u32;
    for (call, &reply) in session.calls.iter_mut().zip(replies) {
        call.view = call.prompt.clone();
        call.reply = (reply < messages).then_some(reply);
    }
    session
}

/// As a source of whole blocks has it: the last block of a prompt may be short of a few tokens.
fn in_blocks(mut session: Session, short: u32) -> Session {
    session.block_tokens = Some(BLOCK);
    for call in &mut session.calls {
        call.prompt_tokens -= short.min(call.prompt_tokens - 1);
    }
    session
}

/// Sessions whose prompts grow, go back, repeat each other and are answered with what was said before.
fn sessions() -> impl Strategy<Value = Vec<Session>> {
    let call = (prop::collection::vec(0u64..6, 1..8), 0u32..30, 0u32..12);
    let set = prop::collection::vec(prop::collection::vec(call, 1..12), 1..5);
    (set, any::<bool>(), 0u32..16).prop_map(|(set, blocks, short)| {
        set.into_iter()
            .map(|calls| {
                let replies: Vec<u32> = calls.iter().map(|(_, _, reply)| *reply).collect();
                let tail = |tail: u32| if blocks { 0 } else { tail };
                let made: Vec<_> =
                    calls.into_iter().map(|(ids, end, _)| (ids, tail(end), 1, 1_000)).collect();
                let tokens =
                    |id: u64| if blocks { BLOCK * (1 + id as u32 % 3) } else { 3 + (id as u32 * 19) % 41 };
                let session = session("s", Scope::Set, tokens, &made);
                if blocks { in_blocks(session, short) } else { with_replies(session, &replies) }
            })
            .collect()
    })
}

/// A prompt as single tokens, each known by its segment and its place in it.
fn tokens(session: &Session, indices: impl Iterator<Item = u32>) -> Vec<(u64, u32)> {
    indices
        .map(|index| session.segments[index as usize])
        .flat_map(|segment| (0..segment.tokens).map(move |place| (segment.id, place)))
        .collect()
}

type Block = Vec<(u64, u32)>;

/// Hit tokens at each of the first `most` capacities, from one list of single blocks, each known by all the
/// tokens up to its end, the most recent first.
fn plain(sessions: &[Session], block: usize, most: usize) -> Vec<u64> {
    let mut recent: Vec<Block> = Vec::new();
    let mut hits = vec![0; most + 1];
    for session in sessions {
        for call in &session.calls {
            let prompt = tokens(session, call.prompt.iter().flat_map(|run| run.indices()));
            let mut all = prompt.clone();
            if let Some(reply) = call.reply.filter(|_| session.block_tokens.is_none()) {
                all.extend(tokens(session, session.messages[reply as usize].parts.iter().copied()));
            }
            let way = |tokens: &[(u64, u32)]| -> Vec<Block> {
                (1..=tokens.len() / block).map(|n| tokens[..n * block].to_vec()).collect()
            };
            for (capacity, hits) in hits.iter_mut().enumerate() {
                let held = &recent[..capacity.min(recent.len())];
                let matched = way(&prompt).iter().take_while(|path| held.contains(path)).count();
                *hits += ((matched * block) as u64).min(call.prompt_tokens.into());
            }
            let kept = way(&all);
            recent.retain(|path| !kept.contains(path));
            recent.splice(0..0, kept);
        }
    }
    hits
}

fn options(block: u32, kv_tokens: Vec<u64>, interleaved: bool) -> InspectOptions {
    InspectOptions { block_tokens: Some(block), kv_tokens, interleaved }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_capacity_is_what_a_cache_of_it_finds(sessions in sessions(), interleaved: bool, joined in 1u32..3) {
        let block = BLOCK * joined;
        let all: Vec<u64> = (1..60).map(|blocks| blocks * u64::from(block)).collect();
        let found = inspect(&sessions, &options(block, all.clone(), interleaved));
        let curve = miss_ratio_curve(&sessions, &options(block, Vec::new(), interleaved));
        for row in &found.lru {
            prop_assert_eq!(curve.hit_rate(row.kv_tokens), row.hit_rate, "{} tokens", row.kv_tokens);
            prop_assert_eq!(curve.hit_tokens(row.kv_tokens + u64::from(block) - 1), curve.hit_tokens(row.kv_tokens));
        }
        prop_assert_eq!(Some(curve.ceiling_tokens() as f64 / curve.prompt_tokens as f64), found.ceiling_hit_rate);
        prop_assert_eq!(curve.hit_tokens(u64::MAX), curve.ceiling_tokens());
        laws(&curve);
    }

    #[test]
    fn a_list_of_single_blocks_finds_the_same(sessions in sessions(), block in 1u32..4) {
        let block = BLOCK * block;
        let curve = miss_ratio_curve(&sessions, &options(block, Vec::new(), false));
        for (capacity, hits) in plain(&sessions, block as usize, 40).into_iter().enumerate() {
            prop_assert_eq!(curve.hit_tokens(capacity as u64 * u64::from(block)), hits, "{} blocks", capacity);
        }
    }
}

/// More room never finds less, bends are bends, and the least capacity for a share is the least.
fn laws(curve: &Curve) {
    let block = u64::from(curve.block_tokens);
    assert!(curve.knots.windows(2).all(|two| two[0].kv_tokens < two[1].kv_tokens));
    assert!(curve.knots.windows(2).all(|two| two[0].hit_tokens <= two[1].hit_tokens));
    for share in [0.0, 0.3, 0.5, 0.9, 0.95, 0.99, 1.0] {
        let wanted = share * curve.ceiling_tokens() as f64;
        let least = curve.kv_tokens_for(share);
        assert!(curve.hit_tokens(least) as f64 >= wanted, "{share}: {least}");
        assert!(least == 0 || (curve.hit_tokens(least - block) as f64) < wanted, "{share}: {least}");
    }
}

/// Three prompts over blocks of 16: A (3 blocks), B (2 blocks), then A again. B lies before A's blocks, so
/// A's first block is found with 3 blocks of room, its last with 5.
#[test]
fn distances_by_hand() {
    let calls = [(vec![1], 0, 1, 0), (vec![2], 0, 1, 0), (vec![1], 0, 1, 0)];
    let sessions = [session("s", Scope::Set, |id| if id == 1 { 48 } else { 32 }, &calls)];
    let curve = miss_ratio_curve(&sessions, &options(16, Vec::new(), false));
    let found: Vec<u64> = (0..7).map(|blocks| curve.hit_tokens(blocks * 16)).collect();
    assert_eq!(found, [0, 0, 0, 16, 32, 48, 48]);
    assert_eq!((curve.kv_tokens_for(0.5), curve.kv_tokens_for(1.0)), (4 * 16, 5 * 16));
    assert_eq!((curve.prompt_tokens, curve.ceiling_tokens()), (128, 48));
}

#[test]
fn nothing_shared_needs_no_room() {
    let sessions = [session("s", Scope::Set, |_| 5, &[(vec![1], 0, 1, 0)])];
    let curve = miss_ratio_curve(&sessions, &options(16, Vec::new(), false));
    assert_eq!((curve.ceiling_tokens(), curve.kv_tokens_for(0.99), curve.hit_tokens(1_000)), (0, 0, 0));
    let none = miss_ratio_curve(&[], &InspectOptions::default());
    assert_eq!((none.hit_rate(16), none.kv_tokens_for(1.0)), (None, 0));
}
