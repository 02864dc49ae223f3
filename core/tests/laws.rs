//! Laws that hold for every member of every family, over random workloads and clusters.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::choice::{About, choose};
use atr_core::metrics::JobParts;
use atr_core::policy::{Arrivals, PolicyRun, Scenario, simulate};
use atr_core::predict::PREDICTORS;
use atr_core::serve::cache::CACHES;
use atr_core::serve::evict::EVICTIONS;
use atr_core::serve::route::ROUTERS;
use atr_core::serve::schedule::SCHEDULERS;
use atr_core::trace::{CallOutcome, CallStatus, Decision, Session};
use common::{names, scattered};
use proptest::prelude::*;

/// A handful of agents.
fn sessions() -> impl Strategy<Value = Vec<Session>> {
    let back = prop::sample::select(vec![1u32, 1, 1, 2, 3]);
    let turn = (1u64..12, 0u32..40, 0u32..60, 0u64..40_000, back);
    let one = prop::collection::vec(turn, 1..8);
    prop::collection::vec(one, 1..8)
        .prop_map(|all| (0u64..).zip(all).map(|(number, turns)| scattered(number, &turns)).collect())
}

/// Members with parameters that let something happen within the milliseconds and tokens of these workloads.
const SMALL: &[&str] = &[
    "ttl:cold_s=0.02",
    "ttl:fixed_s=0.015",
    "cost-aware:alpha=3,window=4",
    "slots:slots=2",
    "slots:similarity=0",
];

/// Any member of a family, as it is, with one of its presets, or with parameters for small workloads.
fn any_of(family: &'static [About]) -> impl Strategy<Value = Option<String>> {
    let named = |member: &'static About| {
        let small = SMALL.iter().filter(|text| text.split(':').next() == Some(member.name));
        names(member).chain(small.map(|text| (*text).to_owned()))
    };
    prop::sample::select(family.iter().flat_map(named).collect::<Vec<_>>()).prop_map(Some)
}

/// Any part of each family, in any combination.
fn parts() -> impl Strategy<Value = Scenario> {
    let staleness = prop::sample::select(vec![0u64, 0, 40, 5_000, 100_000]);
    (any_of(ROUTERS), any_of(CACHES), any_of(EVICTIONS), any_of(SCHEDULERS), any_of(PREDICTORS), staleness)
        .prop_map(|(router, cache, eviction, scheduler, predictor, staleness_us)| Scenario {
            router,
            cache,
            eviction,
            scheduler,
            predictor,
            staleness_us,
            decisions: true,
            ..Scenario::default()
        })
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let arrivals = prop_oneof![
        Just(Arrivals::Recorded),
        (1u32..5).prop_map(|sessions| Arrivals::Concurrency { sessions }),
        (1.0f64..400.0).prop_map(|per_s| Arrivals::Poisson { per_s }),
        (1.0f64..400.0, 0.2f64..3.0).prop_map(|(per_s, shape)| Arrivals::Gamma { per_s, shape }),
        (1.0f64..400.0).prop_map(|per_s| Arrivals::Constant { per_s }),
        (1u32..5, 1.0f64..400.0).prop_map(|(users, per_s)| Arrivals::Users { users, per_s }),
    ];
    let block = prop::sample::select(vec![1u32, 8, 16, 24]);
    let sizes = (1u32..4, 30u64..120, 1u32..6, block, 20u32..200, any::<bool>());
    let host = prop::option::of(100u64..4_000);
    (parts(), arrivals, sizes, host).prop_map(|(parts, arrivals, sizes, host_kv_tokens)| {
        let (replicas, blocks, max_batch, block, step_tokens, reserve) = sizes;
        Scenario {
            policies: vec![
                "naive".into(),
                "exact-prefix-cache".into(),
                "prefix-aware-routing".into(),
                "max-token-prediction".into(),
            ],
            arrivals: Some(arrivals),
            replicas,
            kv_tokens: Some(blocks * u64::from(block.max(8))),
            host_kv_tokens,
            block_tokens: Some(block),
            max_batch,
            step_tokens,
            reserve,
            max_tokens: 64,
            ..parts
        }
    })
}

/// What a preset sets is a parameter and in its range: it reads back as single values.
#[test]
fn presets_are_within_the_ranges_of_their_parameters() {
    for family in [ROUTERS, CACHES, EVICTIONS, SCHEDULERS, PREDICTORS] {
        for member in family {
            for preset in member.presets {
                let choice = choose(family, &format!("{}:{}", member.name, preset.name)).unwrap();
                assert_eq!(choose(family, &choice.text()).as_ref(), Ok(&choice), "{choice:?}");
                assert!(!preset.source.is_empty());
            }
        }
    }
}

/// What the simulator assumes can be read: every member has its row, with its parameters and presets.
#[test]
#[cfg(not(target_arch = "wasm32"))]
fn every_member_stands_in_the_guide() {
    let guide = include_str!("../../docs/simulator.md");
    let families = [
        ("Routers", ROUTERS),
        ("Caches", CACHES),
        ("Evictions", EVICTIONS),
        ("Schedulers", SCHEDULERS),
        ("Predictors", PREDICTORS),
    ];
    for (head, family) in families {
        let from = guide.split_once(&format!("\n## {head}\n")).unwrap().1;
        let section = from.split("\n## ").next().unwrap();
        let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), family.len(), "{head}: a row for each member and for nothing else");
        for member in family {
            let start = format!("| `{}` |", member.name);
            let row = rows.iter().find(|row| row.starts_with(&start));
            let row = row.unwrap_or_else(|| panic!("docs/simulator.md, {head}: no row `{start}`"));
            let keys = member.params.iter().map(|param| param.key);
            for name in keys.chain(member.presets.iter().map(|preset| preset.name)) {
                assert!(row.contains(&format!("`{name}`")), "`{}`: no word of `{name}`", member.name);
            }
        }
    }
}

fn check_laws(run: &PolicyRun) {
    for (asked, call) in run.workload.calls.iter().zip(&run.outcome.calls) {
        if call.status != CallStatus::Ok {
            continue;
        }
        let (admitted, first, end) =
            (call.admitted_us.unwrap(), call.first_token_us.unwrap(), call.finished_us.unwrap());
        assert!(call.scheduled_us <= admitted && admitted <= first && first <= end, "clock: {call:?}");
        assert_eq!(call.output_tokens, u64::from(asked.output_tokens), "tokens out: {call:?}");
        let cached = call.cached_tokens.device + call.cached_tokens.host;
        assert!(cached < u64::from(asked.prompt_tokens.max(1)), "one token is computed: {call:?}");
        assert!(cached <= call.ceiling_tokens, "ceiling: {call:?}");
        if call.preemptions == 0 {
            assert_eq!(
                cached + call.computed_tokens,
                u64::from(asked.prompt_tokens).max(1),
                "tokens in: {call:?}"
            );
        }
        if run.name == "naive" {
            assert_eq!(cached, 0);
        }
    }
    for job in &run.workload.sessions {
        let calls = &run.outcome.calls[job.calls.first as usize..job.calls.indices().end as usize];
        let Some(parts) = JobParts::of(&run.workload, job, &run.outcome) else {
            assert!(calls.iter().any(|call| call.status != CallStatus::Ok), "a finished job is split");
            continue;
        };
        let start = calls.iter().map(|call| call.scheduled_us).min().unwrap();
        let end = calls.iter().filter_map(|call| call.finished_us).max().unwrap();
        assert_eq!((parts.total(), parts.routing), (end - start, 0), "parts sum to the job: {parts:?}");
    }
}

/// Routers say what they think: the highest score is picked.
fn check_decisions(run: &PolicyRun) {
    for decision in &run.outcome.decisions {
        assert_eq!(run.outcome.calls[decision.call as usize].replica, Some(decision.replica));
        let picked = decision.scores[decision.replica as usize];
        let best = decision.scores.iter().flatten().copied().max_by(f64::total_cmp);
        assert_eq!(picked, best, "{}: {decision:?}", run.name);
    }
}

/// Calls that a router was asked about.
fn sent(run: &PolicyRun) -> usize {
    run.outcome.calls.iter().filter(|call| call.status == CallStatus::Ok).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The closed form and the step-by-step engine agree in every field, and the laws hold.
    #[test]
    fn the_fast_engine_equals_the_slow_one(sessions in sessions(), scenario in scenario()) {
        let (_, fast) = simulate(&sessions, &scenario).unwrap();
        let (_, slow) = simulate(&sessions, &Scenario { stepwise: true, ..scenario }).unwrap();
        for (fast, slow) in fast.iter().zip(&slow) {
            prop_assert_eq!(&fast.outcome, &slow.outcome, "{}", fast.name);
            check_laws(fast);
            check_decisions(fast);
            prop_assert_eq!(fast.outcome.decisions.len(), sent(fast), "every call that is sent is decided on");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// What a replica is tried for is what came of it where it is the one that was picked; nothing was earlier than
    /// the best, and the oracle picks what the oracle picks.
    #[test]
    fn hindsight_agrees_with_what_happened(
        sessions in sessions(), scenario in scenario(), tried in 1u32..50, other in 2u32..4,
    ) {
        let scenario = Scenario { regret: tried, replicas: other, ..scenario };
        let (_, runs) = simulate(&sessions, &scenario).unwrap();
        let (_, plain) = simulate(&sessions, &Scenario { regret: 0, decisions: false, ..scenario.clone() }).unwrap();
        let (_, slow) = simulate(&sessions, &Scenario { stepwise: true, ..scenario.clone() }).unwrap();
        for ((run, plain), slow) in runs.iter().zip(&plain).zip(&slow) {
            prop_assert_eq!(&run.outcome, &slow.outcome, "{}", run.name);
            let unnumbered = |call: &CallOutcome| CallOutcome { decision: None, ..call.clone() };
            let calls: Vec<CallOutcome> = run.outcome.calls.iter().map(unnumbered).collect();
            prop_assert_eq!(&calls, &plain.outcome.calls, "neither trying nor keeping scores changes anything");
            // After the last call nothing comes, and the oracle is right.
            if let Some(regret) = run.outcome.decisions.last().and_then(Decision::regret) {
                prop_assert_eq!(regret.oracle_ttft_us, 0, "{:?}", run.outcome.decisions.last());
            }
            let decisions = run.outcome.decisions.iter().filter(|decision| decision.hindsight.is_some());
            prop_assert_eq!(decisions.clone().count(), sent(run).min(tried as usize));
            for decision in decisions {
                let call = &run.outcome.calls[decision.call as usize];
                let hindsight = decision.hindsight.as_ref().unwrap();
                let own = hindsight.replicas[decision.replica as usize];
                prop_assert_eq!(Some(own.ttft_us + call.scheduled_us), call.first_token_us);
                prop_assert_eq!(Some(own.e2e_us + call.scheduled_us), call.finished_us);
                prop_assert_eq!(hindsight.replicas.len(), other as usize);
                let regret = decision.regret().unwrap();
                prop_assert!(regret.ttft_us <= own.ttft_us && regret.e2e_us <= own.e2e_us);
                if scenario.router.as_deref() == Some("oracle") && run.name != "naive" {
                    prop_assert_eq!(hindsight.oracle, decision.replica);
                    prop_assert_eq!(regret.oracle_ttft_us, regret.ttft_us);
                }
            }
        }
    }
}
