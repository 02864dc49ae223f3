//! Late views and choices in hindsight, by hand.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::metrics::compare;
use atr_core::policy::{Arrivals, PolicyRun, Scenario, simulate};
use atr_core::trace::{Regret, Scope, Session, Tried};
use common::{agent, session};

fn scenario(router: &str, replicas: u32) -> Scenario {
    Scenario {
        policies: vec!["exact-prefix-cache".into()],
        router: Some(router.to_owned()),
        replicas,
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        ..Scenario::default()
    }
}

fn run(sessions: &[Session], scenario: &Scenario) -> PolicyRun {
    simulate(sessions, scenario).unwrap().1.remove(0)
}

fn replicas(run: &PolicyRun) -> Vec<u32> {
    run.outcome.calls.iter().map(|call| call.replica.unwrap()).collect()
}

/// 100 prompt tokens, then 150 that begin with them, 10 ms + 0.5 ms a computed token. Round robin computes the second
/// in full on the other replica: 85 ms. On the first 96 tokens are cached: 10 + 27 = 37 ms, so it regrets 48. It ends with
/// its first token.
#[test]
fn regret_is_what_the_hand_gives() {
    let tokens = |id| if id == 0 { 100 } else { 50 };
    let one = session("s", Scope::Session, tokens, &[(vec![0], 0, 4, 0), (vec![0, 1], 0, 1, 7_000)]);
    let linear =
        Scenario { profile: "linear:10,0.5,2".to_owned(), max_batch: 1, ..scenario("round-robin", 2) };
    let tried = run(&[one], &Scenario { regret: 9, ..linear });
    let hindsight = tried.outcome.decisions[1].hindsight.as_ref().unwrap();
    let [here, there] = [37_000, 85_000].map(|us| Tried { ttft_us: us, e2e_us: us });
    assert_eq!((hindsight.replicas.as_slice(), hindsight.oracle), ([here, there].as_slice(), 0));
    assert_eq!(tried.outcome.decisions[0].regret(), Some(Regret::default()));
    let regret = Regret { ttft_us: 48_000, e2e_us: 48_000, oracle_ttft_us: 0 };
    assert_eq!(tried.outcome.decisions[1].regret(), Some(regret));
    let row = compare(&[tried])[0].regret.unwrap();
    assert_eq!((row.decisions, row.none_share), (2, 0.5));
    assert_eq!((row.ttft_ms.mean, row.ttft_ms.p50, row.oracle_ttft_ms.mean), (24.0, 24.0, 0.0));
    assert!((row.ttft_ms.p99 - 47.52).abs() < 1e-9);
}

/// A dozen agents at a time, by router: the oracle regrets least, and no more than what later calls change.
#[test]
fn the_oracle_regrets_little() {
    let sessions: Vec<Session> = (0..12).map(|n| agent(&n.to_string(), 6 + n, 60, 300)).collect();
    let mean = |router: &str| {
        let scenario = Scenario {
            arrivals: Some(Arrivals::Poisson { per_s: 30.0 }),
            profile: "rtx3090-qwen3-4b-awq".to_owned(),
            regret: 40,
            ..scenario(router, 3)
        };
        compare(&[run(&sessions, &scenario)])[0].regret.unwrap()
    };
    let (oracle, random, robin) = (mean("oracle"), mean("random"), mean("round-robin"));
    assert_eq!(oracle.decisions, 40);
    assert!(oracle.ttft_ms.mean * 3.0 < random.ttft_ms.mean, "{oracle:?} {random:?}");
    assert!(oracle.ttft_ms.mean * 3.0 < robin.ttft_ms.mean, "{oracle:?} {robin:?}");
    assert!(oracle.none_share > 0.6, "{oracle:?}");
}

/// Where scores are kept every replica is asked when it would be first, else only those that may be: the choice is
/// the same, over memory of all sizes and kinds.
#[test]
fn the_oracle_leaves_out_only_who_cannot_be_first() {
    let tokens = |id| if id == 0 { 900 } else { 70 + 13 * (id % 9) as u32 };
    let turns = |own: u64| {
        (0..6).map(move |n| (std::iter::once(0).chain(own * 10..=own * 10 + n).collect(), 5, 40, 900))
    };
    let mut sessions: Vec<Session> = (1..14)
        .map(|own| session(&own.to_string(), Scope::Set, tokens, &turns(own).collect::<Vec<_>>()))
        .collect();
    sessions.extend((0..6).map(|n| agent(&format!("own-{n}"), 5, 30, 200)));
    for cache in ["block-hash", "radix", "slots"] {
        for (kv_tokens, host_kv_tokens) in [(5_000, None), (6_000, Some(9_000)), (40_000, None)] {
            let scenario = Scenario {
                cache: Some(cache.to_owned()),
                kv_tokens: Some(kv_tokens),
                host_kv_tokens,
                step_tokens: 512,
                max_batch: 4,
                arrivals: Some(Arrivals::Poisson { per_s: 20.0 }),
                profile: "rtx3090-qwen3-4b-awq".to_owned(),
                ..scenario("oracle", 3)
            };
            let picked = |decisions| -> Vec<Option<u32>> {
                let run = run(&sessions, &Scenario { decisions, ..scenario.clone() });
                run.outcome.calls.iter().map(|call| call.replica).collect()
            };
            let sent = picked(true).iter().flatten().count();
            assert!(sent > 50 || cache == "slots", "{cache} {kv_tokens}: {sent}");
            assert_eq!(picked(false), picked(true), "{cache} {kv_tokens}");
        }
    }
}

#[test]
fn the_seed_draws_the_decisions_and_one_replica_has_none() {
    let sessions = [agent("a", 30, 60, 300)];
    let tried = |seed| {
        let run = run(&sessions, &Scenario { regret: 5, seed, ..scenario("round-robin", 2) });
        let decisions = run.outcome.decisions.into_iter().filter(|decision| decision.hindsight.is_some());
        decisions.map(|decision| decision.call).collect::<Vec<_>>()
    };
    assert_eq!(tried(1).len(), 5);
    assert_eq!(tried(1), tried(1));
    assert_ne!(tried(1), tried(2));
    let error = simulate(&sessions, &Scenario { regret: 5, ..scenario("round-robin", 1) }).unwrap_err();
    assert_eq!(error.to_string(), "`regret` is 5, expected 0 with one replica: there is no choice");
}

/// Sixteen sessions at once on four replicas: seen at once they spread, seen 50 ms late they do not.
#[test]
fn a_late_view_herds_and_a_fresh_one_does_not() {
    let sessions: Vec<Session> = (0..16).map(|n| agent(&n.to_string(), 1, 60, 300)).collect();
    for router in ["cache-aware", "dynamo-kv:reports,request=1", "llm-d"] {
        let spread = |staleness_us| {
            let all = Scenario {
                arrivals: Some(Arrivals::Concurrency { sessions: 16 }),
                staleness_us,
                ..scenario(router, 4)
            };
            let mut counts = [0; 4];
            for replica in replicas(&run(&sessions, &all)) {
                counts[replica as usize] += 1;
            }
            counts
        };
        let most = |counts: [u32; 4]| counts.into_iter().max().unwrap();
        assert_eq!(most(spread(0)), 4, "{router}: {:?}", spread(0));
        // All draw among equals, so they do not all go one way, but no longer evenly either.
        assert!(most(spread(50_000)) > 5, "{router}: {:?}", spread(50_000));
    }
    // What a router sends it may count itself, as vLLM and production-stack do: late reports alone do not herd. Nor do turns.
    for router in ["vllm-dp", "production-stack", "least-load"] {
        let own = Scenario {
            arrivals: Some(Arrivals::Concurrency { sessions: 16 }),
            staleness_us: if router == "vllm-dp" { 0 } else { 50_000 },
            ..scenario(router, 4)
        };
        let mut picked = replicas(&run(&sessions, &own));
        picked.sort_unstable();
        assert_eq!(picked, [[0; 4], [1; 4], [2; 4], [3; 4]].concat(), "{router}");
    }
}

/// One session. By caches as they are, turns go home; where they are a minute late, no turn
/// knows where home is.
#[test]
fn caches_are_seen_late_too() {
    let sessions = [agent("a", 8, 60, 300)];
    let home = |staleness_us| {
        let picked = replicas(&run(&sessions, &Scenario { staleness_us, ..scenario("dynamo-kv", 4) }));
        picked.windows(2).filter(|pair| pair[0] == pair[1]).count()
    };
    assert_eq!(home(0), 7);
    assert!(home(60_000_000) < 5, "nobody knows who holds what, so chance decides: {}", home(60_000_000));
    // 60 tokens at 2.7 ms lie between turns: a view of a tenth of a second is taken anew for each.
    assert_eq!(home(100_000), 7);
}
