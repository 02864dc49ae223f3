//! The failures of routers that are known from elsewhere happen here too, to the routers that they are known of; before, nothing
//! is wrong with anybody; and what became of a router follows from its figures by the rule that the report states.
#![allow(clippy::unwrap_used)]

use atr_core::metrics::compare;
use atr_core::policy::{EXHIBITS, Exhibit, Measure, Scenario, simulate};
use atr_core::report::{Failure, Figures, RouterRow, Verdict};
use atr_core::serve::route::NAMES;
use proptest::prelude::*;
use std::sync::OnceLock;

/// All failures under all routers, simulated once.
fn failures() -> &'static [Failure] {
    static ALL: OnceLock<Vec<Failure>> = OnceLock::new();
    ALL.get_or_init(|| EXHIBITS.iter().map(failure).collect())
}

fn failure(exhibit: &Exhibit) -> Failure {
    let mut resolved = Vec::new();
    let runs = NAMES.map(|router| {
        let both = [false, true].map(|failing| {
            let (sessions, scenario) = exhibit.make(failing);
            let scenario = Scenario { router: Some(router.to_owned()), ..scenario };
            let (set_up, runs) = simulate(&sessions, &scenario).unwrap();
            resolved.push(set_up);
            Figures::new(&runs[0], &compare(&runs)[0])
        });
        (router.to_owned(), both)
    });
    Failure::new(exhibit, [resolved[0].clone(), resolved[1].clone()], runs.into())
}

fn rows(exhibit: &str) -> &'static [RouterRow] {
    &failures().iter().find(|one| one.name == exhibit).unwrap().routers
}

fn row(exhibit: &str, router: &str) -> &'static RouterRow {
    rows(exhibit).iter().find(|row| row.router == router).unwrap()
}

fn fall(exhibit: &str, routers: &[&str]) {
    for router in routers {
        let row = row(exhibit, router);
        assert_eq!(row.verdict, Verdict::Falls, "{row:?}");
        assert!(!row.close, "{row:?}");
    }
}

fn stand(exhibit: &str, routers: &[&str]) {
    for router in routers {
        let row = row(exhibit, router);
        assert_eq!(row.verdict, Verdict::Stands, "{row:?}");
    }
}

/// SGLang's router: everybody's calls go where the shared prompt went first.
#[test]
fn a_shared_prompt_collapses_cache_aware_routing_onto_one_worker() {
    let busy = |row: &RouterRow| row.failing.calls_by_replica.iter().filter(|calls| **calls > 0).count();
    fall("shared-prompt", &["cache-aware"]);
    assert_eq!(busy(row("shared-prompt", "cache-aware")), 1);
    for router in ["round-robin", "least-load", "session-affinity"] {
        let row = row("shared-prompt", router);
        assert!(row.verdict < Verdict::Falls && busy(row) == 8, "{row:?}");
    }
}

/// 14 sessions of 32 calls on two replicas: the published split is 448 to 0.
#[test]
fn strictly_sequential_calls_leave_all_but_one_replica_idle() {
    fall("one-at-a-time", &["vllm-dp"]);
    assert_eq!(row("one-at-a-time", "vllm-dp").failing.calls_by_replica, [448, 0]);
    // What idles could have held what the other evicts; and where ties are broken in turn, nobody idles.
    assert_eq!(row("one-at-a-time", "least-load").failing.calls_by_replica, [224, 224]);
    stand("one-at-a-time", &["round-robin", "least-load", "cache-aware"]);
}

/// Published: a hit rate of 98 % falls to 5 % under consistent hashing.
#[test]
fn a_hot_session_thrashes_the_replica_that_it_is_hashed_to() {
    fall("hot-session", &["session-affinity", "prefix-hash"]);
    let affinity = row("hot-session", "session-affinity");
    assert!(affinity.calm.hit_rate.unwrap() > 0.9, "{affinity:?}");
    assert!(affinity.failing.hit_rate.unwrap() < 0.25, "{affinity:?}");
    stand("hot-session", &["cache-aware"]);
}

/// Who looks at load or caches and counts nothing itself goes where everybody goes until the next report.
#[test]
fn stale_signals_herd() {
    fall("stale-signals", &["least-load", "cache-aware", "llm-d", "aibrix", "mooncake-conductor"]);
    stand("stale-signals", &["round-robin"]);
    assert!(row("stale-signals", "random").verdict < Verdict::Falls);
}

/// Before, no replica is near saturation under any router: what goes wrong is what was changed.
#[test]
fn calm_set_ups_are_calm() {
    for failure in failures() {
        for row in &failure.routers {
            assert!(row.calm.busy_share < 0.75, "{}: {} {:?}", failure.name, row.router, row.calm);
        }
    }
}

/// The figure, and whether more is better.
fn figure(figures: &Figures, key: &str) -> (f64, bool) {
    match key {
        "hit_rate" => (figures.hit_rate.unwrap(), true),
        "ttft_ms.mean" => (figures.ttft_ms.unwrap().mean, false),
        _ => (figures.ttft_ms.unwrap().p99, false),
    }
}

/// The report's rule, from its words.
fn by_the_words(failure: &Failure, row: &RouterRow, by: f64) -> Verdict {
    let verdicts = [failure.measure.as_str(), "ttft_ms.mean"].map(|key| {
        let (now, more_is_better) = figure(&row.failing, key);
        let (before, _) = figure(&row.calm, key);
        let real = failure.routers.iter().filter(|row| row.router != "oracle");
        let all = real.map(|row| figure(&row.failing, key).0);
        let best = if more_is_better { all.fold(0.0, f64::max) } else { all.fold(f64::MAX, f64::min) };
        let times = |than: f64| by * if more_is_better { than / now } else { now / than };
        match (times(before), times(best)) {
            (a, b) if a >= 2.0 && b >= 2.0 => Verdict::Falls,
            (a, b) if a >= 1.25 && b >= 1.25 => Verdict::Suffers,
            (a, b) if (a >= 2.0 && b >= 0.8) || (b >= 2.0 && a >= 0.8) => Verdict::Suffers,
            _ => Verdict::Stands,
        }
    });
    verdicts[0].max(verdicts[1])
}

#[test]
fn verdicts_follow_from_the_figures() {
    let mut seen = Vec::new();
    for failure in failures() {
        for row in &failure.routers {
            assert_eq!(row.verdict, by_the_words(failure, row, 1.0), "{} {row:?}", failure.name);
            let near = [1.05, 1.0 / 1.05].map(|by| by_the_words(failure, row, by));
            assert_eq!(row.close, near != [row.verdict; 2], "{} {row:?}", failure.name);
            seen.push(row.verdict);
        }
    }
    for verdict in [Verdict::Falls, Verdict::Suffers, Verdict::Stands] {
        assert!(seen.contains(&verdict), "{verdict:?}");
    }
}

/// Figures with a hit rate and a time to first token.
fn made(hit_rate: f64, ttft_ms: f64) -> Figures {
    let mut figures = row("hot-session", "random").calm.clone();
    figures.hit_rate = Some(hit_rate);
    if let Some(spread) = &mut figures.ttft_ms {
        (spread.mean, spread.p99) = (ttft_ms, ttft_ms);
    }
    figures
}

fn verdicts(rows: &[(f64, f64, f64, f64)]) -> Vec<(Verdict, bool)> {
    let exhibit = EXHIBITS.iter().find(|one| one.measure == Measure::HitRate).unwrap();
    let template = failures().iter().find(|one| one.name == exhibit.name).unwrap();
    let runs = rows.iter().zip(NAMES).map(|(&(hits, ttft, now_hits, now_ttft), router)| {
        (router.to_owned(), [made(hits, ttft), made(now_hits, now_ttft)])
    });
    let made = Failure::new(exhibit, template.scenarios.clone(), runs.collect());
    made.routers.iter().map(|row| (row.verdict, row.close)).collect()
}

/// Hit rate and time before and after. The best finds 0.8 in 100 ms. By hand: (1) as before: stands. (2) Finds 0.4, half of both:
/// falls, on the threshold. (3) Three times as long as before and as the best: falls. (4) Three times as long as the best, but as
/// before: suffers. (5) 1.5 times as long as both: suffers. (6) 1.27 times: suffers, close. (7) Three times as long as before,
/// still the best: suffers. (8) Twice as long as the best, but half of what it was: stands.
#[test]
fn verdicts_by_hand() {
    let rows = [
        (0.8, 100.0, 0.8, 100.0),
        (0.8, 100.0, 0.4, 100.0),
        (0.8, 100.0, 0.8, 300.0),
        (0.8, 300.0, 0.8, 300.0),
        (0.8, 100.0, 0.8, 150.0),
        (0.8, 100.0, 0.8, 127.0),
        (0.8, 33.0, 0.8, 100.0),
        (0.8, 500.0, 0.8, 250.0),
    ];
    use Verdict::{Falls, Stands, Suffers};
    let expected = [
        (Stands, false),
        (Falls, true),
        (Falls, false),
        (Suffers, false),
        (Suffers, false),
        (Suffers, true),
        (Suffers, false),
        (Stands, false),
    ];
    assert_eq!(verdicts(&rows), expected);
}

proptest! {
    /// Nobody stands with a figure as bad as that of one that falls by it, unless it was worse before; nobody who gets worse is judged
    /// milder.
    #[test]
    fn worse_is_not_milder(
        rows in prop::collection::vec((0.05..1.0_f64, 10.0..900.0_f64, 0.05..1.0_f64, 10.0..900.0_f64), 2..9),
        by in 1.0..4.0_f64,
    ) {
        // All find the same, so that time alone decides.
        let rows: Vec<_> = rows.into_iter().map(|(_, before, _, after)| (0.5, before, 0.5, after)).collect();
        let found = verdicts(&rows);
        for (fallen, _) in rows.iter().zip(&found).filter(|(_, (verdict, _))| *verdict == Verdict::Falls) {
            for (row, (verdict, _)) in rows.iter().zip(&found) {
                prop_assert!(row.3 < fallen.3 || row.1 > 1.2 * row.3 || *verdict > Verdict::Stands);
            }
        }
        let mut worse = rows.clone();
        worse[0].3 *= by;
        prop_assert!(verdicts(&worse)[0].0 >= found[0].0);
    }
}
