//! Some hundred random cases on both targets: every registered member and preset of every family in a few, to the bit;
//! and the other simulator, field by field.

use super::apart::{self, Tape};
use super::common::{Turn, names, scattered};
use super::fnv;
use atr_core::choice::About;
use atr_core::policy::{Arrivals, Scenario, simulate};
use atr_core::predict::PREDICTORS;
use atr_core::serve::cache::CACHES;
use atr_core::serve::evict::EVICTIONS;
use atr_core::serve::route::ROUTERS;
use atr_core::serve::schedule::SCHEDULERS;
use atr_core::trace::Session;

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Cases of each member and preset.
const CASES: u64 = 6;
/// Cases of the other simulator.
const APART: u64 = 300;

/// A handful of agents.
fn sessions(tape: &mut Tape) -> Vec<Session> {
    (0..tape.within(1, 8))
        .map(|number| {
            let count = tape.within(1, 8);
            let turn = |_| {
                let (id, back) = (tape.within(1, 12), tape.one_of(&[1, 1, 1, 2, 3]));
                (id, tape.below(40) as u32, tape.below(60) as u32, tape.below(40_000), back)
            };
            let turns: Vec<Turn> = (0..count).map(turn).collect();
            scattered(number, &turns)
        })
        .collect()
}

/// Clusters with little room; arrivals and profile take their share of floating point.
fn scenario(tape: &mut Tape) -> Scenario {
    let per_s = 1.0 + tape.below(400_000) as f64 / 1_000.0;
    let arrivals = match tape.below(6) {
        0 => Arrivals::Recorded,
        1 => Arrivals::Concurrency { sessions: tape.within(1, 5) as u32 },
        2 => Arrivals::Poisson { per_s },
        3 => Arrivals::Gamma { per_s, shape: 0.2 + tape.below(28) as f64 / 10.0 },
        4 => Arrivals::Constant { per_s },
        _ => Arrivals::Users { users: tape.within(1, 5) as u32, per_s },
    };
    let block = tape.one_of(&[1, 8, 16, 24]);
    Scenario {
        policies: vec!["max-token-prediction".into()],
        profile: tape.one_of(&["rtx3090-qwen3-4b-awq", "h200-qwen3-4b"]).to_owned(),
        arrivals: Some(arrivals),
        replicas: tape.within(1, 4) as u32,
        kv_tokens: Some(tape.within(30, 120) * u64::from(block.max(8))),
        host_kv_tokens: tape.flip().then(|| tape.within(100, 4_000)),
        block_tokens: Some(block),
        max_batch: tape.within(1, 6) as u32,
        step_tokens: tape.within(20, 200) as u32,
        reserve: tape.flip(),
        staleness_us: tape.one_of(&[0, 0, 40, 5_000, 100_000]),
        max_tokens: 64,
        decisions: true,
        curves: true,
        ..Scenario::default()
    }
}

/// One line a member and preset: its name, and the hash of what comes of its cases.
fn lines(family: &str, members: &[About], set: fn(&mut Scenario, String)) -> String {
    let line = |name: String| {
        let outcomes = (0..CASES).map(|case| {
            // The cases of a member do not depend on who else is registered.
            let mut tape = Tape::of(fnv(&name) ^ case);
            let mut scenario = scenario(&mut tape);
            set(&mut scenario, name.clone());
            let (_, runs) = simulate(&sessions(&mut tape), &scenario).unwrap();
            serde_json::to_string(&runs[0].outcome).unwrap()
        });
        format!("{family} {name} {}\n", fnv_hex(&outcomes.collect::<String>()))
    };
    members.iter().flat_map(names).map(line).collect()
}

fn fnv_hex(text: &str) -> String {
    format!("{:016x}", fnv(text))
}

#[test]
fn every_member_is_equal_to_the_bit() {
    let found = [
        lines("router", ROUTERS, |scenario, name| scenario.router = Some(name)),
        lines("cache", CACHES, |scenario, name| scenario.cache = Some(name)),
        lines("eviction", EVICTIONS, |scenario, name| scenario.eviction = Some(name)),
        lines("scheduler", SCHEDULERS, |scenario, name| scenario.scheduler = Some(name)),
        lines("predictor", PREDICTORS, |scenario, name| scenario.predictor = Some(name)),
    ]
    .concat();
    #[cfg(not(target_arch = "wasm32"))]
    if std::env::var_os("ATR_BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/members.txt");
        std::fs::write(file, &found).unwrap();
        return;
    }
    let expected = include_str!("../expected/members.txt");
    let differing: Vec<_> =
        found.lines().filter(|line| !expected.lines().any(|known| known == *line)).collect();
    assert!(
        differing.is_empty() && found.lines().count() == expected.lines().count(),
        "not as committed: {differing:#?}; if they were meant to change, or a member is new, run \
         `ATR_BLESS=1 cargo test -p atr-core --test wasm` and look at the difference"
    );
}

#[test]
fn the_other_simulator_says_the_same() {
    for seed in 0..APART {
        let mut tape = Tape::of(seed);
        let (setup, work) = (apart::setup(&mut tape), apart::work(&mut tape));
        let (found, expected) = (apart::simulated(&work, &setup, false), apart::run(&work, &setup));
        assert_eq!(found.calls, expected.calls, "seed {seed}: {setup:?}");
        assert_eq!(found.counters, expected.counters, "seed {seed}: {setup:?}");
    }
}
