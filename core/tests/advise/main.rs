//! Advice: what it answers, held against plain searches, the simulator itself and figures by hand.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod answers;
#[path = "../common.rs"]
mod common;
mod flags;
mod floor;
mod memory;
mod search;
mod setting;

use atr_core::advise::{self, Advice, Options, Search, Sentence};
use atr_core::metrics::objective::objectives;
use atr_core::policy::Scenario;
use atr_core::trace::Session;
use common::agent;

fn agents(count: u32) -> Vec<Session> {
    (0..count).map(|number| agent(&format!("s{number}"), 12 + number % 7, 150, 800)).collect()
}

/// Of all calls; `slo` may be empty.
fn options(scenario: Scenario, slo: &str, most_replicas: u32, draws: u32) -> Options {
    Options {
        scenario,
        objectives: if slo.is_empty() { Vec::new() } else { objectives(slo).unwrap() },
        search: Search { most_replicas, draws },
        sample_calls: 1_000_000,
    }
}

/// Up to four replicas, in two draws each.
fn advice(sessions: &[Session], slo: &str, scenario: Scenario) -> Advice {
    let mut told = Vec::new();
    let mut tell = |what: &str, done| told.push((what.to_owned(), done));
    let advice = advise::run(sessions, &options(scenario, slo, 4, 2), &mut tell).unwrap();
    assert!(told.windows(2).all(|two| two[0].1 <= two[1].1), "progress never goes back: {told:?}");
    assert!(told.last().unwrap().1 <= advice.simulations);
    advice
}

fn texts(says: &[Sentence]) -> String {
    says.iter().map(|said| said.text.as_str()).collect::<Vec<_>>().join("\n")
}
