//! The simulator against another one: slow, simple, and written from what is documented alone. A prompt is a list of
//! single blocks, each known by all tokens up to its end; a cache is a list of such blocks; what happens next is looked
//! for anew at every instant; every step is a step. It shares the workload's type with the simulator and nothing else.
//!
//! It knows round robin and least load, whole blocks with the least recently used going first, first come first
//! served, prompts in chunks, pages on demand and reserved, calls that are thrown out, sessions by concurrency and as
//! recorded, replay by delays and by times.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod cluster;
mod made;
mod memory;
mod replica;

use atr_core::choice::choose;
use atr_core::serve::cache::CACHES;
use atr_core::serve::evict::EVICTIONS;
use atr_core::serve::latency::Coefficients;
use atr_core::serve::route::ROUTERS;
use atr_core::serve::schedule::SCHEDULERS;
use atr_core::serve::{ArrivalPlan, ClusterConfig, Parts, PrefixTree, Replay, recorded, simulate};
use atr_core::trace::{CallOutcome, CallStatus, Outcome, Workload};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// Which replica answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Router {
    RoundRobin,
    LeastLoad,
}

/// When sessions start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Arrivals {
    Recorded,
    Concurrency(usize),
}

/// A cluster and how it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    router: Router,
    arrivals: Arrivals,
    times: bool,
    /// Recorded times and delays are divided by it.
    speed: u64,
    replicas: u32,
    capacity_blocks: u64,
    block: u64,
    context_tokens: u64,
    max_batch: usize,
    step_tokens: u64,
    costs: Coefficients,
    cache: bool,
    reserve: bool,
}

impl Setup {
    /// Microseconds of the source in picoseconds of the simulation.
    pub(crate) fn scaled(&self, us: u64) -> u64 {
        us * 1_000_000 / self.speed
    }
}

/// Picoseconds to the nearest microsecond.
pub(crate) fn us(time: u64) -> u64 {
    (time + 500_000) / 1_000_000
}

/// What the simulator makes of it.
fn simulated(work: &Workload, setup: &Setup, stepwise: bool) -> Outcome {
    let router = match setup.router {
        Router::RoundRobin => "round-robin",
        Router::LeastLoad => "least-load",
    };
    let config = ClusterConfig {
        parts: Parts {
            router: choose(ROUTERS, router).unwrap(),
            cache: choose(CACHES, "block-hash").unwrap(),
            eviction: choose(EVICTIONS, "lru").unwrap(),
            scheduler: choose(SCHEDULERS, "fcfs").unwrap(),
            predictor: None,
        },
        replicas: setup.replicas,
        capacity_blocks: setup.capacity_blocks,
        host_blocks: 0,
        context_tokens: setup.context_tokens,
        max_batch: setup.max_batch as u32,
        step_tokens: setup.step_tokens as u32,
        coefficients: setup.costs,
        cache: setup.cache,
        reserve: setup.reserve,
        replay: if setup.times { Replay::Times } else { Replay::Delays },
        speed: setup.speed as f64,
        stepwise,
        curves: false,
        staleness_us: 0,
        decisions: false,
        seed: 1,
    };
    let arrivals = match setup.arrivals {
        Arrivals::Recorded => recorded(work, setup.speed as f64),
        Arrivals::Concurrency(sessions) => ArrivalPlan::Concurrency(sessions as u32),
    };
    let tree = PrefixTree::build(work, setup.block as u32);
    simulate(work, &tree, &config, &arrivals)
}

/// Workloads with their clusters.
const CASES: u32 = 500;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    /// Two engines that were written apart agree in every field.
    #[test]
    fn two_simulators_say_the_same(work in made::work(), setup in made::setup()) {
        let (found, expected) = (simulated(&work, &setup, false), cluster::run(&work, &setup));
        for (found, expected) in found.calls.iter().zip(&expected.calls) {
            prop_assert_eq!(found, expected);
        }
        prop_assert_eq!(found.counters, expected.counters);
    }
}

/// What is compared is no run of calls that meet nobody: in at least one case of twenty calls find something, evict,
/// are thrown out, are refused, are skipped, wait.
#[test]
fn the_cases_are_hard() {
    let mut runner = TestRunner::deterministic();
    let mut met = [0; 6];
    for _ in 0..300 {
        let work = made::work().new_tree(&mut runner).unwrap().current();
        let setup = made::setup().new_tree(&mut runner).unwrap().current();
        let outcome = simulated(&work, &setup, false);
        let some = |is: fn(&CallOutcome) -> bool| outcome.calls.iter().any(is);
        let found = [
            some(|call| call.cached_tokens.device > 0),
            outcome.counters.evicted_blocks > 0,
            outcome.counters.preemptions > 0,
            some(|call| call.status == CallStatus::Rejected),
            some(|call| call.status == CallStatus::Skipped),
            some(|call| call.admitted_us.is_some_and(|admitted| admitted > call.sent_us)),
        ];
        met.iter_mut().zip(found).for_each(|(met, found)| *met += u32::from(found));
    }
    assert!(met.iter().all(|&cases| cases >= 15), "of 300: {met:?}");
}
