//! The failures of routers that are known from elsewhere happen here too, to the routers that they are known of.
#![allow(clippy::unwrap_used)]

use atr_core::metrics::compare;
use atr_core::policy::{EXHIBITS, Scenario, simulate};
use atr_core::report::{Figures, RouterRow};

fn row(exhibit: &str, router: &str) -> RouterRow {
    let exhibit = EXHIBITS.iter().find(|one| one.name == exhibit).unwrap();
    let [calm, failing] = [false, true].map(|failing| {
        let (sessions, scenario) = exhibit.make(failing);
        let scenario = Scenario { router: Some(router.to_owned()), ..scenario };
        let (_, runs) = simulate(&sessions, &scenario).unwrap();
        Figures::new(&runs[0], &compare(&runs)[0])
    });
    RouterRow::new(router, exhibit.measure, calm, failing)
}

/// SGLang's router: everybody's calls go where the shared prompt went first.
#[test]
fn a_shared_prompt_collapses_cache_aware_routing_onto_one_worker() {
    let cache_aware = row("shared-prompt", "cache-aware");
    assert!(cache_aware.fell, "{cache_aware:?}");
    let busy = |row: &RouterRow| row.failing.calls_by_replica.iter().filter(|calls| **calls > 0).count();
    assert_eq!(busy(&cache_aware), 1);
    for router in ["round-robin", "least-load", "session-affinity"] {
        let row = row("shared-prompt", router);
        assert!(!row.fell && busy(&row) == 4, "{row:?}");
    }
}

/// 14 sessions of 32 calls on two replicas: the published split is 448 to 0.
#[test]
fn strictly_sequential_calls_leave_all_but_one_replica_idle() {
    let first = row("one-at-a-time", "vllm-dp");
    assert_eq!(first.failing.calls_by_replica, [448, 0]);
    assert!(first.fell);
    // What idles could have held what the other evicts; and where ties are broken in turn, nobody idles.
    assert_eq!(row("one-at-a-time", "least-load").failing.calls_by_replica, [224, 224]);
    for router in ["round-robin", "session-affinity", "least-load"] {
        assert!(!row("one-at-a-time", router).fell, "{router}");
    }
}

/// Published: a hit rate of 98 % falls to 5 % under consistent hashing.
#[test]
fn a_hot_session_thrashes_the_replica_that_it_is_hashed_to() {
    let affinity = row("hot-session", "session-affinity");
    assert!(affinity.fell, "{affinity:?}");
    assert!(affinity.calm.hit_rate.unwrap() > 0.9, "{affinity:?}");
    assert!(affinity.failing.hit_rate.unwrap() < 0.25, "{affinity:?}");
    assert!(!row("hot-session", "cache-aware").fell);
}

#[test]
fn stale_signals_herd() {
    for router in ["least-load", "vllm-dp"] {
        assert!(row("stale-signals", router).fell, "{router}");
    }
    for router in ["round-robin", "random"] {
        assert!(!row("stale-signals", router).fell, "{router}");
    }
}
