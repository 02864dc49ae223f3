//! Memory of a replica: the search against a plain scan, and the answer against the simulator itself.

use super::common::agent;
use super::options;
use atr_core::advise::{self, LeastMemory, Tried, least_memory};
use atr_core::policy::{Arrivals, Scenario, simulate};
use proptest::prelude::*;
use std::convert::Infallible;

/// The present memory.
const HERE: u64 = 4_000;

/// Searches a function of memory that gives a share of the ceiling; above `enough` nothing is evicted.
fn found(shares: &[(f64, u64)], enough: u64, of: &dyn Fn(u64) -> f64) -> (Vec<LeastMemory>, Vec<Tried>) {
    let answer: Result<_, Infallible> = least_memory(shares, 16, HERE, &mut |kv_tokens| {
        let share_of_ceiling = of(kv_tokens);
        Ok(Some(Tried { kv_tokens, share_of_ceiling, failed: 0, enough: kv_tokens >= enough }))
    });
    answer.unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Where more is never worse the answer is at most a twentieth (or a block) above the least, wherever it begins.
    #[test]
    fn the_least_memory_is_found(all in 20u64..40_000, start in 1u64..2_000_000, share in 0.05f64..0.99) {
        let enough = all * 16;
        let of = |kv_tokens: u64| (kv_tokens as f64 / enough as f64).min(1.0);
        let least = (1..=all).map(|blocks| blocks * 16).find(|kv_tokens| of(*kv_tokens) >= share).unwrap();
        let (answers, tried) = found(&[(share, start)], enough, &of);
        // A start that is too far away is given up on one side: it holds, and less was not tried.
        let answer = answers[0].kv_tokens.unwrap();
        prop_assert!(of(answer) >= share && answer % 16 == 0);
        prop_assert!(!answers[0].not_monotone);
        prop_assert!(answer as f64 <= least as f64 * 1.05 + 32.0, "{} for {}", answer, least);
        prop_assert!(tried.len() < 64, "{}", tried.len());
    }
}

#[test]
fn more_that_finds_less_is_said_and_the_answer_holds_from_there_on() {
    // Between 4,800 and 6,400 tokens less is found than just below.
    let of = |kv_tokens: u64| match kv_tokens {
        0..=3_199 => 0.5,
        4_800..=6_400 => 0.8,
        _ => 1.0,
    };
    let (answers, tried) = found(&[(0.9, 5_000)], 100_000, &of);
    let answer = answers[0].kv_tokens.unwrap();
    assert!(answers[0].not_monotone, "{tried:?}");
    assert!(
        tried.iter().filter(|tried| tried.kv_tokens >= answer).all(|tried| tried.share_of_ceiling >= 0.9)
    );
    assert!(tried.iter().any(|tried| tried.kv_tokens < answer && tried.share_of_ceiling >= 0.9));
}

#[test]
fn what_no_memory_finds_has_no_answer() {
    let (answers, tried) =
        found(&[(0.9, 4_000), (0.99, 8_000)], 20_000, &|kv_tokens| (kv_tokens as f64 / 20_000.0).min(0.95));
    assert!(answers[0].kv_tokens.is_some());
    assert_eq!((answers[1].kv_tokens, answers[1].not_monotone), (None, false));
    assert!(tried.iter().any(|tried| tried.kv_tokens == HERE), "the present memory is looked at in any case");
}

/// The answer is a memory with which `simulate` finds that share, and a little less does not.
#[test]
fn the_answer_is_what_simulate_finds() {
    let sessions: Vec<_> =
        (0..12).map(|number| agent(&format!("s{number}"), 14 + number % 5, 300, 900)).collect();
    let scenario = Scenario {
        arrivals: Some(Arrivals::Concurrency { sessions: 12 }),
        policies: vec!["exact-prefix-cache".to_owned()],
        kv_tokens: Some(40_000),
        ..Scenario::default()
    };
    let advice = advise::run(&sessions, &options(scenario.clone(), "", 4, 1), &mut |_, _| {}).unwrap();
    assert!(!advice.capacity.setup.contains("host-memory"), "{}", advice.capacity.setup);
    let share = |kv_tokens: u64| {
        let (_, runs) = simulate(
            &sessions,
            &Scenario {
                kv_tokens: Some(kv_tokens),
                eviction: advice.order.setup.eviction.clone(),
                scheduler: advice.order.setup.scheduler.clone(),
                ..scenario.clone()
            },
        )
        .unwrap();
        let row = atr_core::metrics::compare(&runs).pop().unwrap();
        (row.hit_rate.unwrap() / row.ceiling_hit_rate.unwrap(), row.failed)
    };
    assert!(!advice.order.setup.predict && advice.order.setup.router.is_none());
    for row in &advice.capacity.rows {
        let kv_tokens = row.kv_tokens.unwrap();
        let (found, failed) = share(kv_tokens);
        assert!(found >= row.share_of_ceiling && failed == 0, "{row:?}: {found}");
        let below = advice.capacity.tried.iter().rev().find(|tried| tried.kv_tokens < kv_tokens).unwrap();
        assert!(below.share_of_ceiling < row.share_of_ceiling || below.failed > 0, "{row:?}: {below:?}");
        let block = advice.scenario.scenario.block_tokens.unwrap_or(16);
        let close = kv_tokens as f64 <= below.kv_tokens as f64 * 1.05 + f64::from(2 * block);
        assert!(close, "{row:?}: {below:?}");
    }
    let here = advice.capacity.tried.iter().find(|tried| tried.kv_tokens == 40_000).unwrap();
    assert!((here.share_of_ceiling - share(40_000).0).abs() < 1e-12);
}
