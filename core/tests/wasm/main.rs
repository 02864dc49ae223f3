//! The same inputs give bit-equal results on native and on wasm32. This file runs on both: natively as any
//! test, and in a headless browser as `cargo xtask test` starts it. Both compare with one committed file,
//! which the native run writes when `ATR_BLESS` is set.
#![allow(clippy::unwrap_used)]

#[path = "../reference/apart.rs"]
mod apart;
#[path = "../common.rs"]
mod common;
#[path = "../import/bits.rs"]
mod import_bits;
mod members;
#[path = "../synth/bits.rs"]
mod synth_bits;

use atr_core::metrics::compare;
use atr_core::policy::{Arrivals, Scenario, simulate};
use atr_core::trace::{Scope, Session, fold, ndjson};
use common::{agent, session};
use serde_json::{Value, json};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

/// Agents of several shapes, and two that share a system prompt across sessions.
fn sessions() -> Vec<Session> {
    let writers = [(5, 2_400, 90), (4, 2_900, 300), (5, 1_700, 800)];
    let shapes = [(9, 180, 700), (14, 60, 1_900), (6, 420, 260), (21, 95, 410)].into_iter();
    let mut sessions: Vec<Session> = shapes
        .chain([writers; 3].concat())
        .zip('a'..)
        .map(|((turns, action, observation), name)| agent(&name.to_string(), turns, action, observation))
        .collect();
    let tokens = |id| if id == 0 { 2_048 } else { 130 + 17 * id as u32 };
    let turns = |own: u64| (0..7).map(|n| ((0..=own + n).collect(), 5, 33 + n as u32, 900 * n)).collect();
    for (name, own) in [("shared-1", 1), ("shared-2", 4)] {
        let calls: Vec<_> = turns(own);
        sessions.push(session(name, Scope::Session, tokens, &calls));
    }
    sessions
}

/// Enough load and little enough room that calls wait, blocks are evicted and calls are thrown out;
/// Poisson arrivals and the roofline profiles take their share of floating point.
fn scenario(profile: &str, kv_tokens: u64) -> Scenario {
    Scenario {
        replicas: 3,
        kv_tokens: Some(kv_tokens),
        profile: profile.to_owned(),
        arrivals: Some(Arrivals::Poisson { per_s: 7.3 }),
        step_tokens: 1_024,
        max_tokens: 900,
        speed: 1.7,
        seed: 41,
        curves: true,
        ..Scenario::default()
    }
}

/// What both targets must agree on: every row of figures in full, every outcome by its hash.
fn results() -> Value {
    let runs = [("rtx3090-qwen3-4b-awq", 33_000), ("h200-qwen3-4b", 33_000), ("linear:10,0.5,2", 33_000)];
    let results = runs.map(|(profile, kv_tokens)| {
        let max_batch = if profile.starts_with("linear") { 1 } else { 64 };
        let scenario = Scenario { max_batch, ..scenario(profile, kv_tokens) };
        let (_, runs) = simulate(&sessions(), &scenario).unwrap();
        let outcomes = runs.iter().map(|run| {
            let text = serde_json::to_string(&run.outcome).unwrap();
            json!({"name": run.name, "outcome_fnv": format!("{:016x}", fnv(&text)), "counters": run.outcome.counters})
        });
        json!({"profile": profile, "outcomes": outcomes.collect::<Vec<_>>(), "rows": compare(&runs)})
    });
    Value::from(results.to_vec())
}

/// FNV-1a, 64 bits.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_hash_is_fnv_1a() {
    // From the reference implementation's test vectors.
    assert_eq!(fnv(""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(fnv("foobar"), 0x8594_4171_f739_67e8);
}

#[test]
fn simulation_equals_the_committed_results_to_the_bit() {
    let found = serde_json::to_string_pretty(&results()).unwrap() + "\n";
    #[cfg(not(target_arch = "wasm32"))]
    if std::env::var_os("ATR_BLESS").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/expected/bit_equal.json");
        std::fs::write(file, &found).unwrap();
        return;
    }
    let expected = include_str!("../expected/bit_equal.json");
    let differing = expected.lines().zip(found.lines()).enumerate().find(|(_, (a, b))| a != b);
    assert!(
        differing.is_none() && expected.len() == found.len(),
        "line and (committed, found) that differ first: {differing:?}; if the simulator was meant to change, \
         run `ATR_BLESS=1 cargo test -p atr-core --test wasm` and look at the difference"
    );
}

/// What takes most floating point: lengths learned by a perceptron, gaps of a gamma distribution.
#[test]
fn learned_lengths_and_drawn_gaps_are_equal_to_the_bit() {
    let scenario = Scenario {
        policies: vec!["max-token-prediction".into()],
        arrivals: Some(Arrivals::Gamma { per_s: 7.3, shape: 0.4 }),
        predictor: Some("mlp".into()),
        scheduler: Some("pause-resume".into()),
        max_batch: 64,
        ..scenario("rtx3090-qwen3-4b-awq", 33_000)
    };
    let (_, runs) = simulate(&sessions(), &scenario).unwrap();
    let text = serde_json::to_string(&runs[0].outcome).unwrap();
    assert_eq!(format!("{:016x}", fnv(&text)), "00edca7985d2ffd7");
}

#[test]
fn the_scenarios_reach_waiting_eviction_and_preemption() {
    let results = results();
    let sum = |key: &str| -> u64 {
        let runs = results.as_array().unwrap().iter().flat_map(|run| run["outcomes"].as_array().unwrap());
        runs.map(|outcome| outcome["counters"][key].as_u64().unwrap()).sum()
    };
    assert!(sum("evicted_blocks") > 0, "no block was evicted");
    assert!(sum("preemptions") > 0, "no call was thrown out");
}

#[test]
fn a_folded_set_reads_back_equal() {
    let mut set = sessions();
    fold::fold(&mut set);
    let mut bytes = Vec::new();
    ndjson::write(&mut bytes, &ndjson::Header::named("set"), &set).unwrap();
    let mut input = bytes.as_slice();
    let (header, reader) = ndjson::Reader::open(&mut input).unwrap();
    assert_eq!(header.name, "set");
    let back: Vec<Session> = reader.map(Result::unwrap).collect();
    assert_eq!(back, set);
}
