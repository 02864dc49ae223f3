//! The prefix tree and its cache against a plain one: a list of single blocks, each known by all the
//! tokens before it.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::choice::choose;
use atr_core::metrics::{InspectOptions, Untimed, inspect};
use atr_core::serve::evict::EVICTIONS;
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

/// What a list of single blocks knows of one.
#[derive(Clone, Copy, Default)]
struct Block {
    born: usize,
    hits: usize,
    used: usize,
}

type Path = Vec<(u64, u32)>;

/// Hit tokens of one shared cache over single blocks that evicts the one with the least `key` that no held block stands
/// behind. The key is told the block, what is known of it, and the calls to come.
fn plain_by<K: Ord>(
    prompts: &[Vec<Path>],
    block: usize,
    capacity: usize,
    key: impl Fn(&Path, Block, &[Vec<Path>]) -> K,
) -> u64 {
    let mut held: HashMap<Path, Block> = HashMap::new();
    let mut found = 0;
    for (now, paths) in prompts.iter().enumerate() {
        let matched = paths.iter().take_while(|path| held.contains_key(*path)).count();
        found += matched * block;
        paths[..matched].iter().for_each(|path| held.get_mut(path).unwrap().hits += 1);
        let kept = &paths[..paths.len().min(capacity.max(matched))];
        while held.len() + kept.len() - matched > capacity {
            let behind = |path: &Path| {
                held.keys().any(|other| other.len() == path.len() + block && other.starts_with(path))
            };
            let leaves = held.iter().filter(|(path, _)| !kept.contains(path) && !behind(path));
            let least =
                leaves.min_by_key(|(path, known)| (key(path, **known, &prompts[now + 1..]), known.used));
            let least = least.unwrap().0.clone();
            held.remove(&least);
        }
        for path in kept {
            held.entry(path.clone()).or_insert(Block { born: now, ..Block::default() }).used = now;
        }
    }
    found as u64
}

/// Every call's blocks, each by all the tokens up to its end.
fn paths(sessions: &[Session], block: usize) -> Vec<Vec<Path>> {
    let calls =
        sessions.iter().flat_map(|session| (0..session.calls.len()).map(move |call| tokens(session, call)));
    calls.map(|all| (1..=all.len() / block).map(|n| all[..n * block].to_vec()).collect()).collect()
}

fn found(sessions: &[Session], block: u32, capacity: u64, eviction: &str) -> u64 {
    let options = InspectOptions { block_tokens: Some(block), ..InspectOptions::default() };
    let untimed = Untimed::new(sessions, &options).prompts_only();
    let kv_tokens = capacity * u64::from(block);
    untimed.found(kv_tokens, untimed.eviction(&choose(EVICTIONS, eviction).unwrap(), kv_tokens))
}

/// How many calls come before the next one through a block, the most as the least.
fn ahead(path: &Path, to_come: &[Vec<Path>]) -> std::cmp::Reverse<usize> {
    std::cmp::Reverse(to_come.iter().position(|call| call.contains(path)).unwrap_or(usize::MAX))
}

/// Sessions whose segments are one block each, so that a node of the tree is one block.
fn single_blocks() -> impl Strategy<Value = Vec<Session>> {
    let call = prop::collection::vec(0u64..4, 1..7);
    prop::collection::vec(prop::collection::vec(call, 1..12), 1..4).prop_map(|all| {
        let calls = |calls: Vec<Vec<u64>>| calls.into_iter().map(|ids| (ids, 0, 1, 0)).collect::<Vec<_>>();
        all.into_iter().map(|one| session("s", Scope::Set, |_| 4, &calls(one))).collect()
    })
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn evictions_find_what_single_blocks_find(sessions in single_blocks(), capacity in 1u64..16) {
        let paths = paths(&sessions, 4);
        let plain = |key: fn(&Path, Block, &[Vec<Path>]) -> usize| plain_by(&paths, 4, capacity as usize, key);
        prop_assert_eq!(found(&sessions, 4, capacity, "lru"), plain(|_, known, _| known.used));
        prop_assert_eq!(found(&sessions, 4, capacity, "lfu"), plain(|_, known, _| known.hits));
        prop_assert_eq!(found(&sessions, 4, capacity, "fifo"), plain(|_, known, _| known.born));
    }

    #[test]
    fn belady_finds_what_single_blocks_find(sessions in sessions(), block in 2u32..20, capacity in 1u64..60) {
        let paths = paths(&sessions, block as usize);
        let plain = plain_by(&paths, block as usize, capacity as usize, |path, _, to_come| ahead(path, to_come));
        prop_assert_eq!(found(&sessions, block, capacity, "belady"), plain);
    }

    #[test]
    fn nothing_finds_more_than_belady(sessions in sessions(), block in 2u32..20) {
        for capacity in [1, 2, 3, 5, 8, 13, 21, 34, 55] {
            let best = found(&sessions, block, capacity, "belady");
            for eviction in EVICTIONS {
                let found = found(&sessions, block, capacity, eviction.name);
                prop_assert!(found <= best, "{} found {found} of {best} at {capacity} blocks", eviction.name);
            }
        }
    }
}
