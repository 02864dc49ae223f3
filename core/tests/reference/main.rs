//! The simulator against another one: slow, simple, and written from what is documented alone. A prompt is a list of
//! single blocks, each known by all tokens up to its end; a cache is a list of such blocks; what happens next is looked
//! for anew at every instant; every step is a step. It shares the workload's type with the simulator and nothing else.
//!
//! It knows round robin and least load, whole blocks with the least recently used going first, first come first
//! served, prompts in chunks, pages on demand and reserved, calls that are thrown out, sessions by concurrency and as
//! recorded, replay by delays and by times. A few hundred of the same cases run in a browser, with `tests/wasm`.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

#[path = "apart.rs"]
mod apart;

use apart::{DRAWS, Tape, run, setup, simulated, work};
use atr_core::trace::{CallOutcome, CallStatus};
use proptest::prelude::*;

/// Workloads with their clusters.
const CASES: u32 = 4_000;

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, ..ProptestConfig::default() })]

    /// Two engines that were written apart agree in every field.
    #[test]
    fn two_simulators_say_the_same(numbers in prop::collection::vec(any::<u64>(), DRAWS)) {
        let mut tape = Tape::new(numbers);
        let (setup, work) = (setup(&mut tape), work(&mut tape));
        let (found, expected) = (simulated(&work, &setup, false), run(&work, &setup));
        for (found, expected) in found.calls.iter().zip(&expected.calls) {
            prop_assert_eq!(found, expected, "{:?}", setup);
        }
        prop_assert_eq!(found.counters, expected.counters, "{:?}", setup);
    }
}

/// What is compared is no run of calls that meet nobody: in at least one case of twenty calls find something, evict,
/// are thrown out, are refused, are skipped, wait.
#[test]
fn the_cases_are_hard() {
    let mut met = [0; 6];
    for seed in 0..300 {
        let mut tape = Tape::of(seed);
        let (setup, work) = (setup(&mut tape), work(&mut tape));
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
