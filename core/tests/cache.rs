//! The prefix tree and its cache against a plain one: a list of single blocks, each known by all the
//! tokens before it.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::metrics::{InspectOptions, inspect};
use atr_core::trace::{Scope, Session};
use common::session;
use proptest::prelude::*;
use std::collections::HashMap;

/// A prompt as single tokens, each known by its segment and its place in it.
fn tokens(session: &Session, call: usize) -> Vec<(u64, u32)> {
    let runs = session.calls[call].prompt.iter().flat_map(|run| run.indices());
    runs.map(|index| session.segments[index as usize])
        .flat_map(|segment| (0..segment.tokens).map(move |place| (segment.id, place)))
        .collect()
}

/// Hit tokens of one shared LRU cache over single blocks, and of a cache without end.
fn plain(sessions: &[Session], block: usize, capacity: usize) -> (u64, u64) {
    let mut held: HashMap<Vec<(u64, u32)>, usize> = HashMap::new();
    let mut ever: HashMap<Vec<(u64, u32)>, ()> = HashMap::new();
    let (mut hit, mut best, mut now) = (0, 0, 0);
    for session in sessions {
        for call in 0..session.calls.len() {
            now += 1;
            let all = tokens(session, call);
            let paths: Vec<_> = (1..=all.len() / block).map(|n| all[..n * block].to_vec()).collect();
            let matched = paths.iter().take_while(|path| held.contains_key(*path)).count();
            let seen = paths.iter().take_while(|path| ever.contains_key(*path)).count();
            hit += ((matched * block) as u64).min(session.calls[call].prompt_tokens.into());
            best += ((seen * block) as u64).min(session.calls[call].prompt_tokens.into());
            let kept = paths.len().min(capacity.max(matched));
            for path in &paths[..kept] {
                held.insert(path.clone(), now);
            }
            while held.len() > capacity {
                let oldest =
                    held.iter().map(|(path, &used)| (used, std::cmp::Reverse(path.len()), path)).min();
                let path = oldest.unwrap().2.clone();
                held.remove(&path);
            }
            ever.extend(paths.into_iter().map(|path| (path, ())));
        }
    }
    (hit, best)
}

fn sessions() -> impl Strategy<Value = Vec<Session>> {
    let call = (prop::collection::vec(0u64..7, 1..9), 0u32..30);
    prop::collection::vec(prop::collection::vec(call, 1..12), 1..4).prop_map(|all| {
        let calls = |calls: Vec<(Vec<u64>, u32)>| {
            calls.into_iter().map(|(ids, tail)| (ids, tail, 1, 0)).collect::<Vec<_>>()
        };
        all.into_iter()
            .map(|one| session("s", Scope::Set, |id| 3 + (id as u32 * 19) % 41, &calls(one)))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_tree_finds_what_single_blocks_find(sessions in sessions(), block in 2u32..20, capacity in 1u64..60) {
        let options = InspectOptions { block_tokens: Some(block), kv_tokens: vec![capacity * u64::from(block)], interleaved: false };
        let found = inspect(&sessions, &options);
        let (hit, best) = plain(&sessions, block as usize, capacity as usize);
        let rate = |tokens: u64| Some(tokens as f64 / found.prompt_tokens as f64);
        prop_assert_eq!(found.ceiling_hit_rate, rate(best));
        prop_assert_eq!(found.lru[0].hit_rate, rate(hit));
    }
}
