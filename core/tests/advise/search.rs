//! The search of advice: over made-up times, where what is best is known, and over real runs against the page's own table.

use super::{agents, options};
use atr_core::advise::{self, Draws, Gain, Lever, Levers, OrderAdvice, Ranking, Setup, greedy, parts};
use atr_core::metrics::objective::Quantity;
use atr_core::policy::{Arrivals, PolicyRun, Scenario, simulate};
use proptest::prelude::*;

/// Every call of a run, with its first token after so many milliseconds.
fn with_ttft(run: &PolicyRun, setup: &Setup, ms: f64) -> PolicyRun {
    let mut run = PolicyRun { name: setup.name(), ..run.clone() };
    for call in &mut run.outcome.calls {
        call.first_token_us = Some(call.scheduled_us + (ms * 1_000.0) as u64);
        call.finished_us = Some(call.finished_us.unwrap() + (ms * 1_000.0) as u64);
    }
    run
}

fn template() -> PolicyRun {
    let scenario = Scenario { policies: vec!["naive".to_owned()], ..Scenario::default() };
    simulate(&agents(1), &scenario).unwrap().1.remove(0)
}

fn router(name: &str) -> Lever {
    Lever::Router(name.to_owned())
}

fn levers(known: &[Setup]) -> Levers {
    let lossless =
        vec![Lever::Cache, router("cache-aware"), router("llm-d"), router("vllm-dp"), Lever::Predict];
    Levers { lossless, known: known.to_vec(), ..Levers::default() }
}

fn ranking() -> Ranking {
    Ranking { quantity: Quantity::parse("ttft_ms.mean").unwrap() }
}

/// The search over times by set-up and draw.
fn searched(levers: &Levers, draws: u32, ttft_ms: &dyn Fn(&str, u32) -> f64) -> OrderAdvice {
    let template = template();
    let mut run =
        |setup: &Setup, draw: u32| Ok(Some(with_ttft(&template, setup, ttft_ms(&setup.name(), draw))));
    let (order, last) =
        greedy(&Setup::default(), levers, ranking(), Draws::Arrivals(draws), &mut run).unwrap();
    assert_eq!(last.unwrap().name, order.setup.name());
    order
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "found {found}, expected {expected}");
}

/// A cache alone scatters sessions and loses; with a router that keeps them together it is worth a hundred times.
#[test]
fn a_cache_that_pays_with_a_router_alone_is_found() {
    let times = |setup: &str, _| match setup {
        "naive" => 1_000.0,
        "prefix-cache" => 4_000.0,
        "prefix-cache+cache-aware" => 10.0,
        "prefix-cache+llm-d" => 500.0,
        _ => 2_000.0,
    };
    let order = searched(&levers(&[]), 2, &times);
    let [step] = &order.steps[..] else { panic!("{:?}", order.steps) };
    assert_eq!((step.lever.as_str(), step.kind.as_str()), ("prefix-cache+cache-aware", "together"));
    assert_eq!((step.to.as_str(), step.gives.as_str()), ("naive", "prefix-cache+cache-aware"));
    close(step.gain, 0.99);
    assert_eq!(order.setup.router.as_deref(), Some("cache-aware"));
    let instead: Vec<&str> = order.instead.iter().map(|gain| gain.lever.as_str()).collect();
    assert_eq!(instead, ["prefix-cache+llm-d", "prefix-cache+vllm-dp", "prefix-cache"]);
    assert!(
        order.says[0].text.starts_with("Turn on `prefix-cache` and `cache-aware` together. From `naive`"),
        "{}",
        order.says[0].text
    );
    // Where the cache gains alone, each has a step of its own.
    let alone = |setup: &str, draw| if setup == "prefix-cache" { 500.0 } else { times(setup, draw) };
    let steps: Vec<String> =
        searched(&levers(&[]), 2, &alone).steps.into_iter().map(|step| step.lever).collect();
    assert_eq!(steps, ["prefix-cache", "cache-aware"]);
}

/// What gains in the first draw and loses in another is no step; a gain is the median, with the least and the most.
#[test]
fn a_step_gains_in_every_draw() {
    let times = |setup: &str, draw: u32| match (setup, draw) {
        ("naive", _) => 1_000.0,
        // 20 %, 30 % and 22 %.
        ("prefix-cache", draw) => [800.0, 700.0, 780.0][draw as usize],
        // More than the cache in the first draw, and a loss in the last.
        ("shortest-predicted-first", draw) => [500.0, 900.0, 1_020.0][draw as usize],
        // A gain below 1 % in one draw is none.
        ("prefix-cache+shortest-predicted-first", draw) => [600.0, 600.0, 775.0][draw as usize],
        _ => 5_000.0,
    };
    let order = searched(&levers(&[]), 3, &times);
    let [step] = &order.steps[..] else { panic!("{:?}", order.steps) };
    assert_eq!(step.lever, "prefix-cache");
    close(step.gain, 0.22);
    let drawn: Vec<f64> = step.draws.iter().map(|drawn| drawn.gain).collect();
    drawn.iter().zip([0.2, 0.3, 0.22]).for_each(|(found, expected)| close(*found, expected));
    close(step.before.ttft_mean_ms.unwrap(), 1_000.0);
    close(step.after.ttft_mean_ms.unwrap(), 800.0);
    let wavers = order.left.iter().find(|gain| gain.lever == "shortest-predicted-first").unwrap();
    assert_eq!(wavers.draws.len(), 3);
    let said: Vec<&str> = order.says.iter().map(|said| said.text.as_str()).collect();
    let expected = "Gains in some draws only, which makes no step on top of that: `shortest-predicted-first` +14.3 % (+0.6 to +25.0 %).";
    assert!(said.contains(&expected), "{said:?}");
    // What loses in the first draw is not drawn again.
    assert!(order.left.iter().filter(|gain| gain.kind == "router").all(|gain| gain.draws.len() == 1));
    // With one draw it would have been first.
    assert_eq!(searched(&levers(&[]), 1, &times).steps[0].lever, "shortest-predicted-first");
}

/// Medians of 42, 41 and 30 %: the second lies between the least and the most of the first.
#[test]
fn what_lies_within_the_spread_is_called_equal() {
    let times = |setup: &str, draw: u32| match (setup, draw) {
        ("naive", _) => 2_000.0,
        ("prefix-cache", _) => 1_000.0,
        ("prefix-cache+cache-aware", draw) => [600.0, 580.0, 560.0][draw as usize],
        ("prefix-cache+llm-d", draw) => [590.0, 590.0, 610.0][draw as usize],
        ("prefix-cache+vllm-dp", draw) => [700.0, 690.0, 710.0][draw as usize],
        // A median below the least of the first, whose own spread reaches over the first's median.
        ("prefix-cache+aibrix", draw) => [610.0, 570.0, 630.0][draw as usize],
        _ => 3_000.0,
    };
    let mut levers = levers(&[]);
    levers.lossless.push(router("aibrix"));
    let order = searched(&levers, 3, &times);
    assert_eq!(order.steps[1].lever, "cache-aware");
    let of = |name: &str| order.instead.iter().find(|gain| gain.lever == name).unwrap();
    close(order.steps[1].gain, 0.42);
    close(of("llm-d").gain, 0.41);
    assert!(of("llm-d").equal && of("aibrix").equal && !of("vllm-dp").equal);
    let said = order.says.iter().find(|said| said.text.starts_with("In the place of `cache-aware`")).unwrap();
    assert_eq!(
        said.text,
        "In the place of `cache-aware` +42.0 % (+40.0 to +44.0 %): equal within the spread of draws, `llm-d` +41.0 % \
         (+39.0 to +41.0 %), `aibrix` +39.0 % (+37.0 to +43.0 %); otherwise `vllm-dp` +30.0 % (+29.0 to +31.0 %)."
    );
}

/// One lever after the other leads to `llm-d`, on which nothing gains; a policy of the table is far better.
#[test]
fn a_known_set_up_that_is_better_is_where_the_search_goes_on() {
    let predicted =
        Setup { cache: true, router: Some("cache-aware".to_owned()), predict: true, ..Setup::default() };
    let times = |setup: &str, _| match setup {
        "naive" => 1_000.0,
        "prefix-cache" => 900.0,
        "prefix-cache+llm-d" => 500.0,
        "prefix-cache+cache-aware" => 510.0,
        "prefix-cache+cache-aware+shortest-predicted-first" => 50.0,
        _ => 2_000.0,
    };
    let order = searched(&levers(std::slice::from_ref(&predicted)), 2, &times);
    assert_eq!(order.setup, predicted);
    let [step] = &order.steps[..] else { panic!("{:?}", order.steps) };
    assert_eq!(
        (step.to.as_str(), step.lever.as_str()),
        ("naive", "prefix-cache+cache-aware+shortest-predicted-first")
    );
    close(step.gain, 0.95);
    assert!(order.instead.is_empty() && order.total.unwrap().gain > 0.9);
}

/// The set-ups of the page's table that change nothing of what the model is told.
fn table() -> Vec<Setup> {
    let cached = Setup { cache: true, ..Setup::default() };
    let routed = Setup { router: Some("cache-aware".to_owned()), ..cached.clone() };
    vec![Setup::default(), cached, routed.clone(), Setup { predict: true, ..routed }]
}

/// A time for a set-up in a draw, the same whenever it is asked for.
fn any_ms(seed: u64, setup: &str, draw: u32, noise: f64) -> f64 {
    let mix = |seed: u64, text: &str| {
        text.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    let unit = |hash: u64| (hash ^ (hash >> 29)) as f64 % 1_000.0 / 1_000.0;
    let noisy = 1.0 + noise * (unit(mix(seed + 1 + u64::from(draw), setup)) - 0.5);
    (100.0 + 1_000.0 * unit(mix(seed, setup))) * noisy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever the times are: no row of the table is better than what comes out, by 1 % in every draw; and no step on the way
    /// fails to gain in a draw.
    #[test]
    fn no_row_of_the_table_is_better(seed in 0u64..1_000_000, draws in 1u32..4, noise in 0.0f64..0.5) {
        let order = searched(&levers(&table()), draws, &|setup, draw| any_ms(seed, setup, draw, noise));
        let found = order.setup.name();
        for row in table() {
            let gain = |draw| 1.0 - any_ms(seed, &row.name(), draw, noise) / any_ms(seed, &found, draw, noise);
            let gains: Vec<f64> = (0..draws).map(gain).collect();
            prop_assert!(gains.iter().any(|gain| *gain < 0.0101), "{} against {found}: {gains:?}", row.name());
        }
        let holds = |step: &Gain| step.draws.len() == draws as usize && step.draws.iter().all(|drawn| drawn.gain >= 0.01);
        prop_assert!(order.steps.iter().all(holds), "{:?}", order.steps);
    }
}

/// Real runs: what comes out is at least as good as the best row of the table above it that changes nothing of prompts.
#[test]
fn the_page_does_not_contradict_its_table() {
    let sessions = agents(24);
    for (replicas, per_s, kv_tokens) in [
        (1, 5.0, Some(20_000)),
        (2, 0.5, None),
        (4, 8.0, None),
        (3, 2.0, Some(30_000)),
        (4, 50.0, Some(20_000)),
    ] {
        let arrivals = Some(Arrivals::Poisson { per_s });
        let scenario = Scenario { replicas, arrivals, kv_tokens, ..Scenario::default() };
        let advice = advise::run(&sessions, &options(scenario, "", 2, 1), &mut |_, _| {}).unwrap();
        let rows = advice.ceiling.policies.iter().filter(|row| row.name != "prompt-compaction");
        let best = rows.filter_map(|row| row.ttft_mean_ms).fold(f64::INFINITY, f64::min);
        let naive = advice.ceiling.policies[0].ttft_mean_ms;
        let found = advice.order.total.as_ref().map_or(naive, |total| total.after.ttft_mean_ms).unwrap();
        assert!(replicas > 1 || advice.order.setup.router.is_none(), "one replica needs no router");
        assert!(found <= best * 1.0102, "{replicas} replicas, {per_s} a second: {found} against {best}");
    }
}

/// Recorded arrivals come in one way only: gains must hold in halves of the sessions, too.
#[test]
fn recorded_arrivals_are_drawn_by_halves() {
    let recorded = Scenario { arrivals: Some(Arrivals::Recorded), ..Scenario::default() };
    let of = |count, draws| {
        advise::run(&agents(count), &options(recorded.clone(), "", 2, draws), &mut |_, _| {}).unwrap()
    };
    let halves = of(12, 3);
    let step = &halves.order.steps[0];
    assert_eq!((step.lever.as_str(), step.draws.len(), halves.order.draws), ("prefix-cache", 3, 3));
    assert!(step.draws.iter().all(|drawn| drawn.gain > 0.01));
    let least = step.draws.iter().map(|drawn| drawn.gain).fold(f64::INFINITY, f64::min);
    assert!(least <= step.gain && step.draws.iter().any(|drawn| drawn.gain.total_cmp(&step.gain).is_eq()));
    let said = |advice: &advise::Advice| format!("{:?}", parts(advice));
    assert!(said(&halves).contains("the whole, and halves of its sessions"), "{}", said(&halves));
    // No run more than with one draw.
    assert_eq!(halves.simulations, of(12, 1).simulations);
    let few = of(4, 3);
    assert_eq!(few.order.draws, 1);
    assert!(said(&few).contains("Gains are of one draw"), "{}", said(&few));
}
