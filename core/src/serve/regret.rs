//! Hindsight: what would have come of a router's choices, had it chosen otherwise. Right before a call comes the cluster is
//! copied once for each replica; each copy sends the call there and goes on, later calls and all, until it ends. That is hindsight
//! of one choice, with the router's own for all that follow: the best of them is best for that call, and no bound on a run.

use super::engine::{Engine, simulate};
use super::run::ClusterConfig;
use super::{ArrivalPlan, PrefixTree};
use crate::synth::Chance;
use crate::trace::{Hindsight, Outcome, Tried, Workload};
use std::collections::BTreeMap;

/// Runs a workload through a cluster, and tries every replica for at most `most` of the decisions, drawn by the
/// scenario's seed.
pub fn simulate_with_hindsight(
    work: &Workload,
    tree: &PrefixTree,
    config: &ClusterConfig,
    arrivals: &ArrivalPlan,
    most: u32,
) -> Outcome {
    let mut outcome = simulate(work, tree, &ClusterConfig { decisions: true, ..config.clone() }, arrivals);
    let mut open = draw(&outcome, most, config.seed);
    // Once more, now that it is known which calls to stop at. What is not needed is not kept.
    let lean = ClusterConfig { decisions: false, curves: false, ..config.clone() };
    let mut engine = Engine::new(work, tree, &lean, arrivals);
    while !open.is_empty() {
        if let Some((call, place)) = engine.coming().and_then(|call| open.remove_entry(&call)) {
            outcome.decisions[place].hindsight = hindsight(&engine, call, config.replicas);
        }
        if !engine.step() {
            break;
        }
    }
    outcome
}

/// Calls whose decisions are tried, with their places: all, or as many as are asked for.
fn draw(outcome: &Outcome, most: u32, seed: u64) -> BTreeMap<u32, usize> {
    let mut places: Vec<usize> = (0..outcome.decisions.len()).collect();
    let mut chance = Chance::part(seed, &[6]);
    let most = (most as usize).min(places.len());
    for drawn in 0..most {
        let left = places.len() - drawn;
        let other = libm::floor(chance.uniform() * left as f64) as usize;
        places.swap(drawn, drawn + other.min(left - 1));
    }
    places.truncate(most);
    places.into_iter().map(|place| (outcome.decisions[place].call, place)).collect()
}

/// What would have come of a call on each replica; `None` where it would never have ended on one.
fn hindsight(engine: &Engine<'_>, call: u32, replicas: u32) -> Option<Hindsight> {
    let mut hindsight = Hindsight::default();
    for replica in 0..replicas {
        let (came, oracle) = engine.clone().try_on(call, replica, replica == 0);
        hindsight.replicas.push(Tried {
            ttft_us: came.first_token_us? - came.scheduled_us,
            e2e_us: came.finished_us? - came.scheduled_us,
        });
        hindsight.oracle = oracle.unwrap_or(hindsight.oracle);
    }
    Some(hindsight)
}
