//! The other simulator, and what both are given. Included by the tests that compare them: natively and in a browser.
#![allow(dead_code, unused_imports)]

mod cluster;
mod made;
mod memory;
mod replica;
mod tape;

pub(crate) use cluster::run;
pub(crate) use made::{setup, work};
pub(crate) use tape::{DRAWS, Tape};

use atr_core::choice::choose;
use atr_core::serve::cache::CACHES;
use atr_core::serve::evict::EVICTIONS;
use atr_core::serve::latency::Coefficients;
use atr_core::serve::route::ROUTERS;
use atr_core::serve::schedule::SCHEDULERS;
use atr_core::serve::{ArrivalPlan, ClusterConfig, Parts, PrefixTree, Replay, recorded, simulate};
use atr_core::trace::{Outcome, Workload};

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
pub(crate) fn simulated(work: &Workload, setup: &Setup, stepwise: bool) -> Outcome {
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
