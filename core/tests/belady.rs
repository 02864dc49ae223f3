//! Belady's rule where calls are refused: a bound without time and where calls come one at a time; on other timed runs how
//! often and by how much it is missed.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use atr_core::choice::choose;
use atr_core::metrics::{InspectOptions, Untimed};
use atr_core::policy::{Arrivals, PolicyRun, Replay, Scenario, simulate};
use atr_core::serve::evict::EVICTIONS;
use atr_core::trace::{CallStatus, Scope, Session};
use common::session;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

const BLOCK: u32 = 8;

/// What is drawn for a call: the segment that it adds, tokens behind it, delay, how far back what it waits for is, size.
type Turn = (u64, u32, u64, u32, u32);

/// Agents that share beginnings, grow, go back and now and then ask for more than fits. No prompt is of whole blocks: of such
/// a one the last block is computed though it is held, and finding more is then no gain.
fn sessions() -> impl Strategy<Value = Vec<Session>> {
    let turn = (1u64..12, 1u32..BLOCK, 0u64..40_000, prop::sample::select(vec![1u32, 1, 1, 2]), 0u32..30);
    let set = prop::collection::vec(prop::collection::vec(turn, 1..9), 2..9);
    set.prop_map(|all| {
        let one = |(number, turns): (u64, Vec<Turn>)| {
            let mut prompt = vec![number % 3];
            let mut calls = Vec::new();
            for &(id, tail, delay, _, size) in &turns {
                // One in thirty is larger than any memory here.
                let tail = if size == 0 { 4_096 + tail } else { tail };
                if id == 11 {
                    prompt.truncate(1);
                } else {
                    prompt.push(10 + id + 100 * (number % 2));
                }
                calls.push((prompt.clone(), tail, 1, delay));
            }
            let tokens = |id: u64| BLOCK * (1 + (id as u32 * 37) % 9);
            let mut session = session(&format!("s{number}"), Scope::Set, tokens, &calls);
            for (call, turn) in session.calls.iter_mut().zip(&turns) {
                call.after = call.id.checked_sub(turn.3).into_iter().collect();
            }
            session
        };
        (0u64..).zip(all).map(one).collect()
    })
}

fn run(sessions: &[Session], eviction: &str, scenario: &Scenario) -> PolicyRun {
    let scenario = Scenario { eviction: Some(eviction.to_owned()), ..scenario.clone() };
    simulate(sessions, &scenario).unwrap().1.remove(0)
}

fn scenario(kv_blocks: u64, arrivals: Arrivals) -> Scenario {
    Scenario {
        policies: vec!["exact-prefix-cache".into()],
        arrivals: Some(arrivals),
        block_tokens: Some(BLOCK),
        kv_tokens: Some(kv_blocks * u64::from(BLOCK)),
        max_tokens: 64,
        ..Scenario::default()
    }
}

/// Prompt tokens found, and asked for, by calls that were answered.
fn found(run: &PolicyRun) -> (u64, u64) {
    let answered = run.workload.calls.iter().zip(&run.outcome.calls);
    let answered = answered.filter(|(_, call)| call.status == CallStatus::Ok);
    answered.fold((0, 0), |(found, asked), (call, out)| {
        (found + out.cached_tokens.device, asked + u64::from(call.prompt_tokens))
    })
}

/// Calls that were answered, as they were admitted.
fn admitted(run: &PolicyRun) -> Vec<u32> {
    let answered = run.outcome.calls.iter().filter(|call| call.status == CallStatus::Ok);
    let mut order: Vec<(u64, u32)> = answered.map(|call| (call.admitted_us.unwrap(), call.id)).collect();
    order.sort_unstable();
    order.into_iter().map(|(_, call)| call).collect()
}

fn arrivals() -> impl Strategy<Value = Arrivals> {
    prop_oneof![
        Just(Arrivals::Recorded),
        (1u32..5).prop_map(|sessions| Arrivals::Concurrency { sessions }),
        (5.0f64..400.0).prop_map(|per_s| Arrivals::Poisson { per_s }),
        (1u32..5, 5.0f64..400.0).prop_map(|(users, per_s)| Arrivals::Users { users, per_s }),
    ]
}

/// Anything timed: several replicas, outputs that take room, batches, places that calls go to by what is held.
fn timed() -> impl Strategy<Value = (Vec<Session>, Scenario)> {
    let router = prop::sample::select(vec!["round-robin", "cache-aware", "dynamo-kv", "session-affinity"]);
    let sizes = (20u64..90, 1u32..4, 1u32..6, 0u32..3, any::<bool>());
    (sessions(), arrivals(), sizes, router).prop_map(|(mut sessions, arrivals, sizes, router)| {
        let (blocks, replicas, max_batch, output, times) = sizes;
        for call in sessions.iter_mut().flat_map(|session| &mut session.calls) {
            call.output_tokens = Some(1 + output * (call.prompt_tokens % 20));
        }
        let times = times && !matches!(arrivals, Arrivals::Users { .. });
        let scenario = Scenario {
            replicas,
            max_batch,
            router: Some(router.to_owned()),
            replay: times.then_some(Replay::Times),
            ..scenario(blocks, arrivals)
        };
        (sessions, scenario)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The calls of a timed run with refusals, in the order in which it admitted them, passed over a cache without time.
    #[test]
    fn without_time_nothing_finds_more((sessions, scenario) in timed()) {
        let order = admitted(&run(&sessions, "lru", &scenario));
        let options = InspectOptions { block_tokens: Some(BLOCK), ..InspectOptions::default() };
        let untimed = Untimed::new(&sessions, &options).prompts_only().ordered(order);
        for blocks in [2, 5, 11, 20, 40, 80] {
            let kv_tokens = blocks * u64::from(BLOCK);
            let found = |name: &str| {
                untimed.found(kv_tokens, untimed.eviction(&choose(EVICTIONS, name).unwrap(), kv_tokens))
            };
            let best = found("belady");
            prop_assert!(best <= untimed.ceiling());
            for eviction in EVICTIONS {
                let tokens = found(eviction.name);
                prop_assert!(tokens <= best, "{} found {tokens} of {best} in {blocks} blocks", eviction.name);
            }
        }
    }

    /// One call after the other on one replica, with nothing to decode: the order of calls does not depend on what is found, and
    /// is the recorded one. Then the rule is a bound on the timed run, too, whatever is refused.
    #[test]
    fn one_at_a_time_nothing_finds_more(mut sessions in sessions(), blocks in 20u64..90) {
        for call in sessions.iter_mut().flat_map(|session| &mut session.calls) {
            call.after = call.id.checked_sub(1).into_iter().collect();
        }
        let scenario = Scenario { max_batch: 1, ..scenario(blocks, Arrivals::Concurrency { sessions: 1 }) };
        let (best, asked) = found(&run(&sessions, "belady", &scenario));
        for eviction in EVICTIONS {
            let of = found(&run(&sessions, eviction.name, &scenario));
            prop_assert_eq!(of.1, asked);
            prop_assert!(of.0 <= best, "{} found {} of {best}", eviction.name, of.0);
        }
    }
}

/// How often and by how much others find more on timed runs: what the guide cites. Prints; run it with `--ignored --nocapture`.
#[test]
#[ignore = "measures"]
fn how_often_others_find_more_on_timed_runs() {
    let cases: usize = std::env::var("CASES").map_or(4_000, |cases| cases.parse().unwrap());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(ProptestConfig::default(), rng);
    let strategy = timed();
    // By eviction: cases with evictions where it found more, the sum of what it found more, and the most, in points.
    let mut more = vec![(0u32, 0.0f64, 0.0f64); EVICTIONS.len()];
    let (mut pressed, mut refused) = (0u32, 0u32);
    let (mut any, mut mean) = (0u32, vec![0.0; EVICTIONS.len()]);
    for _ in 0..cases {
        let (sessions, scenario) = strategy.new_tree(&mut runner).unwrap().current();
        let best = run(&sessions, "belady", &scenario);
        if best.outcome.counters.evicted_blocks == 0 {
            continue;
        }
        pressed += 1;
        refused += u32::from(best.outcome.calls.iter().any(|call| call.status == CallStatus::Rejected));
        let rate = |(found, asked): (u64, u64)| 100.0 * found as f64 / asked.max(1) as f64;
        let bound = rate(found(&best));
        let mut lost = false;
        for (place, eviction) in EVICTIONS.iter().enumerate() {
            let rate = rate(found(&run(&sessions, eviction.name, &scenario)));
            mean[place] += rate;
            if rate > bound + 1e-9 {
                lost = true;
                let (count, sum, most) = &mut more[place];
                (*count, *sum, *most) = (*count + 1, *sum + rate - bound, most.max(rate - bound));
            }
        }
        any += u32::from(lost);
    }
    println!("{pressed} of {cases} cases evict, {refused} of them refuse; in {any} some other finds more");
    for ((eviction, (count, sum, most)), mean) in EVICTIONS.iter().zip(more).zip(mean) {
        let share = 100.0 * f64::from(count) / f64::from(pressed.max(1));
        let by = sum / f64::from(count.max(1));
        let mean = mean / f64::from(pressed.max(1));
        println!(
            "{:18} hit rate {mean:5.2} %; more in {share:5.2} %, then by {by:.2} points, {most:.2} at most",
            eviction.name
        );
    }
}
