//! What is known to go wrong with routers, each as the smallest scenario that shows it, next to a router that
//! it does not happen to.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::metrics::{PolicyMetrics, compare};
use atr_core::policy::{Arrivals, Scenario, simulate};
use atr_core::trace::{Scope, Session};
use common::session;

/// Calls by replica, and the row of figures.
fn run(sessions: &[Session], router: &str, replicas: u32, more: &Scenario) -> (Vec<usize>, PolicyMetrics) {
    let scenario = Scenario {
        policies: vec!["exact-prefix-cache".into()],
        router: Some(router.to_owned()),
        replicas,
        ..more.clone()
    };
    let (_, runs) = simulate(sessions, &scenario).unwrap();
    let on = |replica| runs[0].outcome.calls.iter().filter(|call| call.replica == Some(replica)).count();
    ((0..replicas).map(on).collect(), compare(&runs).remove(0))
}

/// Sessions of one call, 4,000 tokens that all share and 300 of their own.
fn one_system_prompt(count: u64) -> Vec<Session> {
    let tokens = |id| if id == 0 { 4_000 } else { 300 };
    (1..=count)
        .map(|own| session(&own.to_string(), Scope::Set, tokens, &[(vec![0, own], 0, 64, 0)]))
        .collect()
}

fn at_a_time(sessions: u32) -> Scenario {
    Scenario { arrivals: Some(Arrivals::Concurrency { sessions }), ..Scenario::default() }
}

/// A system prompt that everybody has is more than half of every prompt, so its first holder gets all that comes, until
/// it has 32 calls more than who has none.
#[test]
fn a_shared_system_prompt_draws_all_to_one_replica() {
    let sessions = one_system_prompt(24);
    let (calls, row) = run(&sessions, "cache-aware", 4, &at_a_time(24));
    assert_eq!(calls.iter().max(), Some(&24));
    let (spread, even) = run(&sessions, "preble-e2", 4, &at_a_time(24));
    assert!(spread.iter().all(|&calls| calls <= 8), "{spread:?}");
    assert!(even.e2e_ms.unwrap().mean < 0.8 * row.e2e_ms.unwrap().mean);
    // A lower bound on what counts as unbalanced mends it.
    let (mended, _) = run(&sessions, "cache-aware:abs=2", 4, &at_a_time(24));
    assert!(mended.iter().all(|&calls| calls <= 8), "{mended:?}");
}

/// One session after the other: whenever one comes all replicas are idle, so load says nothing and ties decide. Most give them to
/// the first, or to who holds what all share; who takes turns or draws does not mind.
#[test]
fn sequential_sessions_make_load_say_nothing() {
    let sessions = one_system_prompt(448);
    for router in ["cache-aware", "production-stack", "vllm-dp"] {
        let (mut calls, _) = run(&sessions, router, 2, &at_a_time(1));
        calls.sort_unstable_by(|a, b| b.cmp(a));
        // vLLM counts what it sent itself until the next report, which comes before the next session does.
        assert_eq!(calls, [448, 0], "{router}");
    }
    assert_eq!(run(&sessions, "least-load", 2, &at_a_time(1)).0, [224, 224]);
    let (calls, _) = run(&sessions, "power-of-two", 2, &at_a_time(1));
    assert!(calls.iter().all(|&calls| calls > 190), "{calls:?}");
}

/// Six agents of one session take turns, 2,400 tokens each in the end: 14,400. Where its replica holds 9,000, each
/// finds its prompt gone whenever its turn comes, while the other three replicas stand idle.
#[test]
fn a_session_that_outgrows_its_replica_thrashes() {
    let tokens = |id| if id < 6 { 2_000 } else { 20 };
    let turn = |agent: u64, turn: u64| -> Vec<u64> {
        std::iter::once(agent).chain((1..=turn).map(|n| 100 * (agent + 1) + n)).collect()
    };
    let calls: Vec<_> =
        (0..20).flat_map(|n| (0..6).map(move |agent| (turn(agent, n), 0, 8, 1_000))).collect();
    let hot = [session("hot", Scope::Session, tokens, &calls)];
    let with = |kv_tokens| Scenario { kv_tokens: Some(kv_tokens), ..at_a_time(1) };
    let rate = |router: &str, kv_tokens| run(&hot, router, 4, &with(kv_tokens)).1.hit_rate.unwrap();
    assert!(rate("session-affinity", 16_000) > 0.93, "{}", rate("session-affinity", 16_000));
    assert!(rate("session-affinity", 9_000) < 0.05, "{}", rate("session-affinity", 9_000));
    assert!(rate("dynamo-kv", 9_000) > 0.8, "{}", rate("dynamo-kv", 9_000));
}
