//! The simulator in its steady state asks for no memory: what a run asks for grows with its tables, not with its calls.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::context::{self, BuildOptions, Raw};
use atr_core::serve::cache::CACHES;
use atr_core::serve::evict::EVICTIONS;
use atr_core::serve::route::ROUTERS;
use atr_core::serve::schedule::SCHEDULERS;
use atr_core::serve::{ArrivalPlan, ClusterConfig, Parts, PrefixTree, simulate};
use atr_core::trace::{Session, Workload};
use common::parts;

const TURNS: u32 = 25;

/// So many agents, four at a time on each of four replicas with room for a few of them: calls queue, blocks are evicted.
fn workload(sessions: u32) -> Workload {
    let sessions: Vec<Session> =
        (0..sessions).map(|number| common::agent(&format!("agent-{number}"), TURNS, 150, 700)).collect();
    context::build(&sessions, &Raw, &BuildOptions { max_tokens: 16_384, share_system: false })
}

/// How often the engine asked for memory, and how many blocks it evicted.
fn asked(work: &Workload, parts: Parts) -> (u64, u64) {
    let tree = PrefixTree::build(work, 16);
    let config = ClusterConfig { parts, replicas: 4, capacity_blocks: 8_000, ..common::plain_cluster() };
    let mut evicted = 0;
    let asked = allocation_counter::measure(|| {
        let outcome = simulate(work, &tree, &config, &ArrivalPlan::Concurrency(16));
        evicted = outcome.counters.evicted_blocks;
    });
    (asked.count_total, evicted)
}

/// A member of each family under test, the others plain.
fn variants() -> Vec<[&'static str; 4]> {
    let plain = ["round-robin", "block-hash", "lru", "fcfs"];
    let families: [Vec<&str>; 4] = [
        ROUTERS.iter().map(|about| about.name).collect(),
        CACHES.iter().map(|about| about.name).collect(),
        EVICTIONS.iter().map(|about| about.name).collect(),
        SCHEDULERS.iter().map(|about| about.name).collect(),
    ];
    let one = |(place, names): (usize, Vec<&'static str>)| {
        names.into_iter().map(move |name| {
            let mut chosen = plain;
            chosen[place] = name;
            chosen
        })
    };
    families.into_iter().enumerate().flat_map(one).collect()
}

/// Copies every replica for every call.
const COPIES: &str = "oracle";

/// 25 calls are a session; a BTreeSet that empties between two of them asks once a session.
#[test]
fn calls_ask_for_no_memory() {
    const SESSIONS: u32 = 100;
    let (short, long) = (workload(SESSIONS), workload(4 * SESSIONS));
    for names in variants() {
        let ((few, _), (many, evicted)) = (asked(&short, parts(names)), asked(&long, parts(names)));
        assert!(evicted > 0, "{names:?}: nothing was evicted");
        let more = many - few;
        assert_eq!(
            more <= u64::from(3 * SESSIONS),
            names[0] != COPIES,
            "{names:?}: {few} times, then {many}"
        );
    }
}
