//! Searches against plain ones, orders against runs, and sentences against the figures below them.

use super::agents;
use atr_core::advise::{
    self, Advice, CapacityFigures, CeilingFigures, LeastMemory, Lever, Memory, Options, Search, Sentence,
    Setup, Tried, capacity, ceiling, flags, search, shuffled, take,
};
use atr_core::metrics::breaks::breaks;
use atr_core::metrics::objective::objectives;
use atr_core::metrics::{Curve, Knot, PolicyMetrics, Spread, compare, summarise};
use atr_core::policy::{Arrivals, Scenario, ScenarioError, by_name, simulate};
use atr_core::report::Origin;
use atr_core::trace::{Mark, Outcome, Session, Workload};
use proptest::prelude::*;
use std::convert::Infallible;

fn row(ttft_ms: f64) -> PolicyMetrics {
    let spread = Spread { mean: ttft_ms, p50: ttft_ms, p90: ttft_ms, p95: ttft_ms, p99: ttft_ms };
    PolicyMetrics {
        hit_rate: Some(0.5),
        ceiling_hit_rate: Some(0.8),
        ttft_ms: Some(spread),
        ..summarise("any", &Workload::default(), &Outcome::default(), &[])
    }
}

fn options(slo: &str) -> Options {
    let arrivals = Some(Arrivals::Poisson { per_s: 2.0 });
    super::options(Scenario { arrivals, ..Scenario::default() }, slo, 16, 3)
}

/// Searches figures given by number of replicas (from 1), the same in every draw but for `noise` each.
fn found(figures: &[f64], noise: f64, draws: u32) -> advise::ReplicaAdvice {
    let how = Search { most_replicas: figures.len() as u32, draws };
    let objectives = objectives("ttft_ms.p99<=100").unwrap();
    let answer: Result<_, Infallible> = search("any", &objectives, how, &mut |replicas, draw| {
        Ok(row(figures[replicas as usize - 1] + f64::from(draw) * noise))
    });
    answer.unwrap()
}

#[test]
fn the_least_number_is_found_and_contradictions_are_said() {
    let plain = found(&[900.0, 500.0, 300.0, 150.0, 90.0, 80.0, 70.0, 60.0], 0.0, 1);
    assert_eq!(plain.replicas, Some(5));
    assert!(plain.not_monotone.is_empty());
    let text = &plain.says[0].text;
    assert!(
        text.starts_with("5 replicas meet `ttft_ms.p99<=100`: `ttft_ms.p99` is 90.0 ms. 4 replicas do not: "),
        "{text}"
    );
    // One draw of three is above at 5 replicas.
    let noisy = found(&[900.0, 500.0, 300.0, 150.0, 90.0, 80.0, 70.0, 60.0], 6.0, 3);
    assert_eq!(noisy.replicas, Some(6));
    let at = noisy.probes.iter().find(|probe| probe.replicas == 5).unwrap();
    assert_eq!(
        (at.met, at.draws, at.kept[0].least, at.kept[0].median, at.kept[0].most),
        (2, 3, 90.0, 96.0, 102.0)
    );
    // Five replicas are worse than four: the answer is what holds from there on.
    let dip = found(&[900.0, 500.0, 300.0, 90.0, 110.0, 80.0, 80.0, 80.0], 0.0, 1);
    assert_eq!(dip.replicas, Some(6));
    assert_eq!(dip.not_monotone.iter().map(|drop| (drop.fewer, drop.more)).collect::<Vec<_>>(), [(4, 5)]);
    assert!(dip.says.iter().any(|said| said.text.contains("4 replicas meet the objectives, 5 do not")));
}

#[test]
fn an_objective_out_of_reach_is_said_and_no_error() {
    let flat = found(&[900.0, 400.0, 400.0, 400.0], 0.0, 2);
    assert_eq!(flat.replicas, None);
    let text = &flat.says[0].text;
    assert!(
        text.starts_with("No number of replicas up to 4 that was tried (1, 2, 4) meets `ttft_ms.p99<=100`"),
        "{text}"
    );
    assert!(text.contains("The last doubling changed nothing"), "{text}");
    let falling = found(&[900.0, 700.0, 500.0, 300.0], 0.0, 2);
    assert!(!falling.says[0].text.contains("The last doubling"), "{}", falling.says[0].text);
    // It holds with three, yet with four not any more: nothing is promised.
    let lost = found(&[900.0, 90.0, 95.0, 300.0], 0.0, 1);
    assert_eq!((lost.replicas, lost.not_monotone.len()), (None, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Where more is never worse, the answer is that of trying every number; it always holds from there on.
    #[test]
    fn searches_find_what_trying_all_finds(mut figures in prop::collection::vec(0.0f64..400.0, 1..40)) {
        figures.sort_by(|a, b| b.total_cmp(a));
        let answer = found(&figures, 0.0, 1);
        let least = figures.iter().position(|ttft| *ttft <= 100.0).map(|place| place as u32 + 1);
        prop_assert_eq!(answer.replicas, least);
        prop_assert!(answer.not_monotone.is_empty());
    }

    #[test]
    fn any_shape_is_told_as_it_was_tried(figures in prop::collection::vec(50.0f64..150.0, 1..40)) {
        let answer = found(&figures, 0.0, 1);
        for probe in &answer.probes {
            prop_assert_eq!(probe.kept[0].median, figures[probe.replicas as usize - 1]);
        }
        let holds = |probe: &advise::Probe| probe.kept[0].median <= 100.0;
        if let Some(replicas) = answer.replicas {
            prop_assert!(answer.probes.iter().filter(|probe| probe.replicas >= replicas).all(holds));
        } else {
            prop_assert!(!holds(answer.probes.last().unwrap()));
        }
        let dropped = answer.probes.windows(2).any(|two| holds(&two[0]) && !holds(&two[1]));
        prop_assert_eq!(dropped, !answer.not_monotone.is_empty());
    }

    #[test]
    fn samples_are_whole_sessions_within_their_bound(count in 2u32..40, calls in 1u64..600, contiguous: bool) {
        let all = agents(count);
        let size: u64 = all.iter().map(|session| session.calls.len() as u64).sum();
        match take(&all, calls, contiguous) {
            None => prop_assert!(size <= calls),
            Some((taken, sample)) => {
                prop_assert_eq!((sample.sessions, sample.of_sessions), (taken.len() as u64, u64::from(count)));
                prop_assert_eq!(sample.calls, taken.iter().map(|session| session.calls.len() as u64).sum::<u64>());
                prop_assert!(sample.calls <= calls || taken.len() == 1);
                prop_assert_eq!(sample.of_calls, size);
                let places: Vec<_> =
                    taken.iter().map(|session| all.iter().position(|other| other.id == session.id).unwrap()).collect();
                prop_assert!(places.windows(2).all(|two| two[0] < two[1]));
                prop_assert!(!contiguous || places == (0..places.len()).collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn another_order_holds_the_same_sessions() {
    let all = agents(20);
    let ids = |sessions: &[Session]| sessions.iter().map(|session| session.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&shuffled(&all, 0)), ids(&all));
    let mut other = ids(&shuffled(&all, 7));
    assert_ne!(other, ids(&all));
    assert_eq!(other, ids(&shuffled(&all, 7)));
    other.sort();
    let mut sorted = ids(&all);
    sorted.sort();
    assert_eq!(other, sorted);
}

fn everything_said(advice: &Advice) -> Vec<&Sentence> {
    let replicas = advice.replicas.iter().flat_map(|found| &found.says);
    let says = advice.setting.says.iter().chain(&advice.setting.warns).chain(&advice.ceiling.says);
    let order = advice.order.says.iter().chain(&advice.order.warnings);
    let steps = advice.order.steps.iter().map(|step| &step.says);
    let jobs = advice.jobs.says.iter().chain(&advice.jobs.says_of_steps);
    let all = says.chain(order).chain(steps).chain(&advice.capacity.says).chain(replicas);
    all.chain(jobs).chain(&advice.cannot_say).collect()
}

#[test]
fn every_sentence_rests_on_figures_of_a_named_origin() {
    let advice =
        advise::run(&agents(8), &options("ttft_ms.p95<=60,job_ms.p95<=60000"), &mut |_, _| {}).unwrap();
    assert_eq!((advice.origin, advice.profile.origin.as_str()), (Origin::Simulated, "estimated"));
    for said in everything_said(&advice) {
        assert!(!said.because.is_empty(), "{}", said.text);
        assert!(said.because.iter().all(|figure| figure.value.is_finite()), "{said:?}");
    }
    for warning in &advice.order.warnings {
        assert!(warning.because.iter().all(|figure| figure.origin == Origin::Published), "{warning:?}");
        assert!(warning.text.contains("-11.2 to +2.8 points"), "{}", warning.text);
    }
    assert!(
        advice.order.lossy.iter().all(|gain| gain.lossy && gain.risk.is_some()),
        "never free by omission"
    );
    assert!(advice.order.steps.iter().chain(&advice.order.left).all(|gain| !gain.lossy));
}

/// The steps are runs of named policies, and the figures those of `simulate`.
#[test]
fn steps_are_what_simulate_gives() {
    let sessions = agents(8);
    let mut options = options("");
    options.scenario.replicas = 3;
    options.scenario.router = Some("cache-aware".to_owned());
    let advice = advise::run(&sessions, &options, &mut |_, _| {}).unwrap();
    let (_, runs) = simulate(&sessions, &options.scenario).unwrap();
    let rows = compare(&runs);
    let of = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
    let first = &advice.order.steps[0];
    assert_eq!((first.lever.as_str(), first.to.as_str()), ("prefix-cache", "naive"));
    assert_eq!(first.before.ttft_mean_ms, of("naive").ttft_ms.map(|ttft| ttft.mean));
    assert_eq!(first.before.prefill_tokens, of("naive").prefill_tokens);
    let second = &advice.order.steps[1];
    assert_eq!((second.lever.as_str(), second.to.as_str()), ("cache-aware", "prefix-cache"));
    assert_eq!(second.before, first.after);
    assert_eq!(second.after.ttft_mean_ms, of("prefix-aware-routing").ttft_ms.map(|ttft| ttft.mean));
    assert_eq!(second.after.hit_rate, of("prefix-aware-routing").hit_rate);
    let gain = 1.0 - second.after.ttft_mean_ms.unwrap() / second.before.ttft_mean_ms.unwrap();
    assert!((second.gain - gain).abs() < 1e-12);
    let masked = advice.order.lossy.iter().find(|gain| gain.lever == "masking:10:10").unwrap();
    assert_eq!(masked.after.prefill_tokens, of("prompt-compaction").prefill_tokens);
    assert!(advice.replicas.is_none(), "nothing must hold");
}

/// With so few calls the 99th percentile is that of first calls, which no cache helps: the cache is
/// advised all the same, for what the others gain.
#[test]
fn a_percentile_that_does_not_move_hides_no_gain() {
    let advice = advise::run(&agents(2), &options("ttft_ms.p99<=1"), &mut |_, _| {}).unwrap();
    let first = &advice.order.steps[0];
    assert_eq!(first.lever, "prefix-cache");
    assert!(first.ttft_gain > 0.01 && first.gain > -0.01, "{first:?}");
    assert!(advice.order.setup.cache);
}

#[test]
fn a_trace_of_single_requests_says_what_it_cannot() {
    let mut sessions = agents(6);
    for session in &mut sessions {
        session.marks.push(Mark::Sessionless);
        session.messages.clear();
        session.calls.truncate(1);
        session.calls[0].view.clear();
        session.calls[0].reply = None;
    }
    let advice = advise::run(&sessions, &options("job_ms.p95<=1"), &mut |_, _| {}).unwrap();
    let said: Vec<&str> = advice.cannot_say.iter().map(|said| said.text.as_str()).collect();
    assert!(said[0].starts_with("Whether `job_ms.p95<=1` can be met"), "{said:?}");
    assert!(said.iter().any(|text| text.contains("single requests only")), "{said:?}");
    assert!(said.iter().any(|text| text.starts_with("`prompt-compaction` does not apply")), "{said:?}");
    assert!(advice.replicas.is_none() && advice.order.lossy.is_empty());
    let error = advise::run(&[], &options(""), &mut |_, _| {}).unwrap_err();
    assert_eq!(error, ScenarioError::NoSessions);
}

#[test]
fn memory_is_read_from_the_curve() {
    let knots = [(0, 0), (64, 0), (164, 100)].map(|(kv_tokens, hit_tokens)| Knot { kv_tokens, hit_tokens });
    let curve = Curve { block_tokens: 1, prompt_tokens: 200, knots: knots.to_vec() };
    let memory = Memory { replicas: 2, kv_tokens: 57, kv_bytes_per_token: Some(1024.0) };
    let least = [(0.90, Some(171)), (0.95, Some(180)), (0.99, None)];
    let found = least.map(|(share_of_ceiling, kv_tokens)| LeastMemory {
        share_of_ceiling,
        kv_tokens,
        not_monotone: false,
    });
    let tried = [(57, 0.25), (180, 0.97)].map(|(kv_tokens, share_of_ceiling)| Tried {
        kv_tokens,
        share_of_ceiling,
        failed: 0,
        enough: kv_tokens > 60,
    });
    let figures = CapacityFigures {
        admitted: &curve,
        one_by_one: &curve,
        memory,
        setup: "any",
        without_host: false,
        found: &found,
        tried: &tried,
    };
    let advice = capacity(&figures);
    let rows: Vec<_> =
        advice.rows.iter().map(|row| (row.curve_kv_tokens, row.one_by_one_kv_tokens)).collect();
    assert_eq!(rows, [(154, 154), (159, 159), (163, 163)]);
    let rows: Vec<_> = advice.rows.iter().map(|row| (row.kv_tokens, row.kv_bytes)).collect();
    let bytes = |kv_tokens: u64| Some(kv_tokens as f64 * 1024.0);
    assert_eq!(rows, [(Some(171), bytes(171)), (Some(180), bytes(180)), (None, None)]);
    assert_eq!(advice.ceiling_hit_rate, Some(0.5));
    let said: Vec<&str> = advice.says.iter().map(|said| said.text.as_str()).collect();
    let answer = "Simulated with `any` on 2 replicas: of what an infinite cache finds, 90 % needs 171 tokens (0.00 GiB) and \
                  95 % needs 180 tokens (0.00 GiB) of KV memory a replica";
    assert!(said[0].starts_with(answer), "{said:?}");
    assert!(said[0].contains("But no memory that was tried finds 99 %"), "{said:?}");
    assert!(said[0].contains("the most is 97.0 %"), "{said:?}");
    assert_eq!(
        said[1],
        "Each replica holds 57 tokens (0.00 GiB): with that the simulation finds 25.0 % of it."
    );
    assert!(said[2].starts_with(
        "One LRU cache for all calls, in which nothing runs, would need 154, 159 and 163 tokens."
    ));
    let none = Curve { knots: vec![Knot { kv_tokens: 0, hit_tokens: 0 }], ..curve.clone() };
    let nothing = capacity(&CapacityFigures { admitted: &none, one_by_one: &none, ..figures });
    assert!(nothing.says[0].text.contains("more KV memory adds no hits"));
}

#[test]
fn the_distance_to_the_ceiling_is_split() {
    let sessions = agents(2);
    let broken = breaks(&sessions, 16);
    let rows = [row(1.0)];
    let figures = CeilingFigures {
        ceiling_hit_rate: Some(0.75),
        policies: &rows,
        shared_hit_rate: Some(0.7),
        shared_kv_tokens: 1_000,
        breaks: &broken,
        identified: true,
    };
    let says = ceiling(&figures).says;
    assert!(says[0].text.contains("`any` finds 62.5 %: a hit rate of 50.0 % of 80.0 %"), "{}", says[0].text);
    let lost = "about 10.0 % of prompt tokens are lost to too little memory, and 20.0 % of prompt tokens are lost to";
    assert!(says[1].text.contains(lost), "{}", says[1].text);
    assert_eq!(says[2].text, "No prefix broke: every prompt continues the one before it.");
    let nothing = ceiling(&CeilingFigures { ceiling_hit_rate: None, policies: &[], ..figures });
    assert!(nothing.says[0].text.starts_with("No prompt tokens were sent"));
    assert_eq!(nothing.says.len(), 2);
}

/// Flags that were checked, and no others; every lever with a flag of its own gets it.
#[test]
fn flags_are_those_that_were_checked() {
    let scenario =
        Scenario { block_tokens: Some(16), kv_tokens: Some(1_000), replicas: 2, ..Scenario::default() };
    let levers = [Lever::lossless(&scenario, false), Lever::lossy(&scenario)].concat();
    let on = |setup: Setup, lever: &Lever| if lever.fits(&setup) { lever.on(&setup) } else { setup };
    let all = levers.iter().fold(Setup::default(), on);
    let text = |setup: &Setup| {
        flags(setup, &scenario, Some(1_073_741.824))
            .iter()
            .map(|flag| flag.flag.clone())
            .collect::<Vec<_>>()
            .join("\n")
    };
    for expected in [
        "--enable-prefix-caching",
        "--block-size 16",
        "--max-num-seqs 256",
        "--max-num-batched-tokens 8192",
        "--policy cache_aware --cache-threshold 0.5 --balance-abs-threshold 32 --balance-rel-threshold 1.1",
        "--routing-logic prefixaware",
        "--scheduling-policy priority",
        "--radix-eviction-policy lfu",
        // Twice 1,000 tokens of a thousandth of a GiB each.
        "--kv-offloading-backend native --kv-offloading-size 2",
        "--enable-hierarchical-cache --hicache-ratio 2.00",
        "type: last_n_observations, n: 10, polling: 10",
    ] {
        assert!(text(&all).contains(expected), "{expected}");
    }
    let naive = text(&Setup::default());
    assert!(!naive.contains("--policy"), "{naive}");
    for router in Lever::ROUTERS {
        let setup = Setup { cache: true, router: Some(router.to_owned()), ..Setup::default() };
        assert!(text(&setup).len() > text(&Setup { router: None, ..setup.clone() }).len(), "{router}");
    }
    let ranks = Setup { cache: true, router: Some("vllm-dp".to_owned()), ..Setup::default() };
    assert!(text(&ranks).contains("--data-parallel-size 2"), "{}", text(&ranks));
}

#[test]
fn a_policy_is_its_levers() {
    let scenario = Scenario::default();
    let name = |policy: &str| Setup::of(by_name(policy).unwrap(), &scenario).name();
    assert_eq!(name("naive"), "naive");
    assert_eq!(name("exact-prefix-cache"), "prefix-cache");
    assert_eq!(name("prefix-aware-routing"), "prefix-cache+cache-aware");
    assert_eq!(name("prompt-compaction"), "prefix-cache+cache-aware+masking:10:10");
    assert_eq!(name("max-token-prediction"), "prefix-cache+cache-aware+shortest-predicted-first");
}
