//! Latency profiles: coefficients found again from times, what outcomes tell, and files.
#![allow(clippy::unwrap_used)]

#[path = "../common.rs"]
mod common;
mod fitting;
mod observing;
mod profiles;

use atr_core::policy::{Arrivals, PolicyRun, Scenario, simulate};
use atr_core::serve::latency::UsPer;
use atr_core::trace::Session;
use common::agent;

/// Agents of several shapes, whose prompts take several steps of 512 tokens.
fn agents() -> Vec<Session> {
    let shapes =
        [(9, 180, 700), (14, 60, 1_900), (6, 420, 260), (21, 95, 410), (12, 300, 90), (5, 40, 4_000)];
    shapes
        .into_iter()
        .zip('a'..)
        .map(|((turns, action, seen), id)| agent(&id.to_string(), turns, action, seen))
        .collect()
}

/// Coarse enough that prompts need several steps, loaded enough that calls decode together.
fn scenario(profile: &str) -> Scenario {
    Scenario {
        policies: vec!["exact-prefix-cache".to_owned()],
        profile: profile.to_owned(),
        arrivals: Some(Arrivals::Concurrency { sessions: 4 }),
        step_tokens: 512,
        curves: true,
        ..Scenario::default()
    }
}

fn run(sessions: &[Session], scenario: &Scenario) -> PolicyRun {
    simulate(sessions, scenario).unwrap().1.remove(0)
}

/// Each value within `share` of the true one; what is 0 is found as next to nothing.
fn assert_found(found: &UsPer, truth: &UsPer, share: f64) {
    for (found, truth) in found.values().into_iter().zip(truth.values()) {
        assert!((found - truth).abs() <= share * truth + 1e-7, "{found} is not {truth}");
    }
}
