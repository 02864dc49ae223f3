//! Objectives that no number of replicas meets: held to what tools and prompts take by themselves.

use super::{advice, agents};
use atr_core::metrics::{compare, percentile};
use atr_core::policy::{Scenario, simulate};

/// Tools run for a time that no server shortens: the pauses of the slowest session, summed by hand from the trace.
#[test]
fn an_objective_below_the_time_of_tools_is_out_of_reach() {
    let mut sessions = agents(3);
    for session in &mut sessions {
        for call in session.calls.iter_mut().skip(1) {
            call.delay_us = Some(2_000_000);
        }
    }
    let longest = sessions.iter().map(|session| session.calls.len() as u64 - 1).max().unwrap() * 2;
    let slo = format!("job_ms.p99<={},ttft_ms.p95<=100000", longest * 1_000 / 2);
    let found = advice(&sessions, &slo, Scenario::default()).replicas.unwrap();
    assert_eq!(found.out_of_reach.len(), 1);
    let why = &found.out_of_reach[0];
    assert!(why.text.contains("cannot be met by any number of replicas"), "{}", why.text);
    let alone = why.because[0].value;
    assert!(
        alone <= (longest * 1_000) as f64 && alone > (longest * 1_000) as f64 * 0.9,
        "{alone} of {longest} s"
    );
    assert_eq!(found.says[0], *why);
    assert_eq!(found.replicas, Some(1), "the other objective is searched for alone");
    // Alone: nothing is searched.
    let alone = advice(&sessions, "job_ms.mean<=1", Scenario::default()).replicas.unwrap();
    assert!(alone.probes.is_empty() && alone.replicas.is_none() && alone.says.len() == 1);
    let high = advice(&sessions, "hit_rate>=0.999", Scenario::default()).replicas.unwrap();
    assert!(high.says[0].text.contains("an infinite cache finds"), "{:?}", high.says);
}

/// A first token takes at least what its call takes alone: 100 ms, and 1 ms for each token that the ceiling does not find.
#[test]
fn an_objective_below_the_time_of_prompts_is_out_of_reach() {
    let sessions = agents(5);
    let linear = Scenario { profile: "linear:100,1,10".to_owned(), max_batch: 1, ..Scenario::default() };
    let (_, runs) = simulate(&sessions, &linear).unwrap();
    let calls = runs[0].workload.calls.iter().zip(&runs[0].outcome.calls);
    let alone =
        calls.map(|(asked, call)| 100.0 + f64::from(asked.prompt_tokens) - call.ceiling_tokens as f64);
    let mut alone: Vec<f64> = alone.collect();
    alone.sort_by(f64::total_cmp);
    let found = advice(&sessions, "ttft_ms.p50<=1,ttft_ms.p99<=1000000", linear).replicas.unwrap();
    let why = &found.out_of_reach[0];
    assert!(
        why.text.contains("`ttft_ms.p50<=1` cannot be met by any number of replicas: each call alone"),
        "{}",
        why.text
    );
    assert!((why.because[0].value - percentile(&alone, 0.5).unwrap()).abs() < 1e-9, "{why:?}");
    assert_eq!(found.replicas, Some(1), "the other one is met");
    // One session finds all that its ceiling does, and never waits: it takes just that.
    let one = agents(1);
    let bound = advice(&one, "ttft_ms.p90<=1", Scenario::default()).replicas.unwrap().out_of_reach[0].because
        [0]
    .value;
    let (_, runs) = simulate(&one, &Scenario::default()).unwrap();
    let cached = compare(&runs).into_iter().find(|row| row.name == "exact-prefix-cache").unwrap();
    assert!((cached.ttft_ms.unwrap().p90 - bound).abs() < 0.002, "{bound} of {:?}", cached.ttft_ms);
    // Steps of 1,000 tokens make a prompt of 3,000 take three.
    let steps = Scenario { step_tokens: 1_000, ..Scenario::default() };
    let more = advice(&one, "ttft_ms.p99<=1", steps).replicas.unwrap().out_of_reach[0].because[0].value;
    let less = advice(&one, "ttft_ms.p99<=1", Scenario::default()).replicas.unwrap().out_of_reach[0].because
        [0]
    .value;
    assert!(more > less, "{more} {less}");
}
