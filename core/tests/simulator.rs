//! The simulator against calculations by hand.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::metrics::compare;
use atr_core::policy::{Arrivals, Replay, Scenario, ScenarioError, simulate};
use atr_core::trace::{CallStatus, Scope};
use common::{agent, session};

fn linear(policies: &[&str]) -> Scenario {
    Scenario {
        policies: policies.iter().map(|name| (*name).to_owned()).collect(),
        profile: "linear:10,0.5,2".to_owned(),
        max_batch: 1,
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        ..Scenario::default()
    }
}

/// Two calls of one session, 100 and 150 prompt tokens, 4 and 1 output tokens, 7 ms between them,
/// 10 ms + 0.5 ms a computed token, 2 ms a further token, blocks of 16.
///
/// naive: first token at 10 + 50 = 60 ms, end at 66; second call at 73, first token 73 + 10 + 75 = 158.
/// cached: the second finds the 6 full blocks (96 tokens) of the first: 73 + 10 + 27 = 110.
#[test]
fn a_linear_profile_gives_what_the_hand_gives() {
    let tokens = |id| if id == 0 { 100 } else { 50 };
    let one = session("s", Scope::Session, tokens, &[(vec![0], 0, 4, 0), (vec![0, 1], 0, 1, 7_000)]);
    let (_, runs) = simulate(&[one], &linear(&["naive", "exact-prefix-cache"])).unwrap();
    let naive = &runs[0].outcome.calls;
    assert_eq!((naive[0].first_token_us, naive[0].finished_us), (Some(60_000), Some(66_000)));
    assert_eq!((naive[1].scheduled_us, naive[1].first_token_us), (73_000, Some(158_000)));
    assert_eq!(naive[1].cached_tokens.device, 0);
    let cached = &runs[1].outcome.calls;
    assert_eq!(cached[1].cached_tokens.device, 96);
    assert_eq!(cached[1].computed_tokens, 54);
    assert_eq!(cached[1].first_token_us, Some(110_000));
    assert_eq!(cached[1].finished_us, Some(110_000));
    let rows = compare(&runs);
    assert_eq!(rows[1].hit_rate, Some(96.0 / 250.0));
    assert_eq!(rows[0].job_ms.unwrap().p50, 158.0);
    // The second call has one token: it takes no part in the time per further token.
    assert_eq!(rows[0].tpot_ms.unwrap().mean, 2.0);
}

/// One prompt of exactly six blocks, asked twice: of a fully cached prompt the last block is computed.
#[test]
fn the_last_block_is_always_computed() {
    let twice = session("s", Scope::Session, |_| 96, &[(vec![0], 0, 1, 0), (vec![0], 0, 1, 0)]);
    let (_, runs) = simulate(&[twice], &linear(&["exact-prefix-cache"])).unwrap();
    assert_eq!(runs[0].outcome.calls[1].cached_tokens.device, 80);
}

/// Blocks of 16, room for 7: a prompt of 100 tokens needs 7. Another session's prompt evicts the
/// first from its deepest block on.
#[test]
fn room_is_made_from_the_deepest_block_on() {
    let ids = |n| move |_: u64| n;
    let sessions = [
        session("a", Scope::Set, ids(64), &[(vec![0], 0, 1, 0)]),
        session("b", Scope::Set, ids(80), &[(vec![1], 0, 1, 0)]),
        session("c", Scope::Set, ids(64), &[(vec![0], 0, 1, 0)]),
    ];
    let scenario = Scenario { kv_tokens: Some(7 * 16), ..linear(&["exact-prefix-cache"]) };
    let (_, runs) = simulate(&sessions, &scenario).unwrap();
    // a leaves 4 blocks, b takes 5 of 7: a keeps the first 2. c finds them.
    assert_eq!(runs[0].outcome.calls[2].cached_tokens.device, 32);
    assert_eq!(runs[0].outcome.counters.evicted_blocks, 2 + 2);
}

/// A call larger than the replica is refused and ends its session; the others go on, and rows
/// compare only what all policies finished.
#[test]
fn too_large_is_refused_and_counted() {
    let tokens = |id| if id == 2 { 1_000 } else { 40 };
    let calls = [(vec![0], 0, 2, 0), (vec![0, 1, 2], 0, 2, 0), (vec![0, 1], 0, 2, 0)];
    let sessions = [session("a", Scope::Session, tokens, &calls), agent("b", 2, 10, 20)];
    let scenario = Scenario { kv_tokens: Some(500), ..linear(&["naive"]) };
    let (_, runs) = simulate(&sessions[..1], &scenario).unwrap();
    let status: Vec<CallStatus> = runs[0].outcome.calls.iter().map(|call| call.status).collect();
    assert_eq!(status, [CallStatus::Ok, CallStatus::Rejected, CallStatus::Skipped]);
    let row = &compare(&runs)[0];
    assert_eq!((row.calls, row.failed, row.rejected, row.skipped), (1, 2, 1, 1));
    assert_eq!(row.job_ms, None);
}

/// Masking with n = 10 in batches of 10: from the call after 19 completed turns on, 9 observations are
/// placeholders of 15 tokens.
#[test]
fn compaction_masks_in_batches() {
    let (_, runs) = simulate(&[agent("s", 22, 150, 800)], &linear(&["naive", "prompt-compaction"])).unwrap();
    let saved: Vec<i64> = runs[0]
        .workload
        .calls
        .iter()
        .zip(&runs[1].workload.calls)
        .map(|(raw, masked)| i64::from(raw.prompt_tokens) - i64::from(masked.prompt_tokens))
        .collect();
    assert_eq!(saved[18], 0);
    assert_eq!(saved[19], 9 * (800 - 15));
    assert_eq!(saved[21], 9 * (800 - 15));
}

/// Room for 320 tokens, two calls that need 231 each: the one admitted last is thrown out, computed
/// again, and still makes all its tokens.
#[test]
fn the_last_one_in_is_thrown_out_when_decoding_runs_out_of_room() {
    let one = |id: &str, n| session(id, Scope::Set, |_| 32, &[(vec![n], 0, 200, 0)]);
    let scenario = Scenario {
        policies: vec!["exact-prefix-cache".into()],
        kv_tokens: Some(320),
        arrivals: Some(Arrivals::Concurrency { sessions: 2 }),
        ..Scenario::default()
    };
    let (_, runs) = simulate(&[one("a", 0), one("b", 1)], &scenario).unwrap();
    let calls = &runs[0].outcome.calls;
    assert_eq!((calls[0].preemptions, calls[1].preemptions), (0, 1));
    assert!(calls.iter().all(|call| call.output_tokens == 200));
    assert!(calls[1].computed_tokens > 32, "what was thrown out is computed again");
    let (_, slow) = simulate(&[one("a", 0), one("b", 1)], &Scenario { stepwise: true, ..scenario }).unwrap();
    assert_eq!(runs[0].outcome, slow[0].outcome);
}

/// By times, the second call is due at 30 ms although the first ends at 66 only; it waits for the one
/// place and begins at 66: first token at 66 + 10 + 75 = 151 ms, 121 ms after its schedule.
#[test]
fn replay_by_times_does_not_wait_for_the_reply() {
    let tokens = |id| if id == 0 { 100 } else { 50 };
    let mut one = session("s", Scope::Session, tokens, &[(vec![0], 0, 4, 0), (vec![0, 1], 0, 1, 7_000)]);
    one.calls[0].at_us = Some(5_000);
    one.calls[1].at_us = Some(35_000);
    let scenario = Scenario { replay: Some(Replay::Times), ..linear(&["naive"]) };
    let (_, runs) = simulate(&[one.clone()], &scenario).unwrap();
    let second = &runs[0].outcome.calls[1];
    assert_eq!((second.scheduled_us, second.admitted_us), (30_000, Some(66_000)));
    assert_eq!(second.first_token_us, Some(151_000));
    // Twice the speed halves recorded times, not the server.
    let (_, runs) = simulate(&[one], &Scenario { speed: 2.0, ..scenario }).unwrap();
    assert_eq!(runs[0].outcome.calls[1].scheduled_us, 15_000);
    assert_eq!(runs[0].outcome.calls[1].first_token_us, Some(151_000));
}

#[test]
fn a_trace_without_messages_has_no_masking() {
    let plain = session("s", Scope::Session, |_| 50, &[(vec![0], 0, 2, 0)]);
    let (resolved, runs) = simulate(&[plain], &linear(&["naive", "prompt-compaction"])).unwrap();
    assert_eq!(runs.len(), 1);
    assert_eq!(resolved.not_applicable[0].name, "prompt-compaction");
}

#[test]
fn errors_name_the_key_the_value_and_what_is_accepted() {
    let one = [agent("s", 2, 10, 20)];
    let fails = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = linear(&["naive"]);
        change(&mut scenario);
        simulate(&one, &scenario).unwrap_err().to_string()
    };
    assert_eq!(fails(&|s| s.policies = vec!["fast".into()]).split(',').next(), Some("unknown policy `fast`"));
    assert!(fails(&|s| s.policies = vec!["learned".into()]).contains("not trained yet"));
    assert!(fails(&|s| s.max_batch = 2).contains("`max_batch` is 2, expected 1 with a `linear` profile"));
    assert!(fails(&|s| s.profile = "h100".into()).contains("h200-qwen3-4b"));
    assert!(fails(&|s| s.replicas = 0).contains("`replicas` is 0, expected at least 1"));
    assert!(fails(&|s| s.speed = f64::NAN).contains("`speed` is NaN"));
    assert!(
        fails(&|s| {
            s.policies = vec!["exact-prefix-cache".into()];
            s.router = Some("best".into());
        })
        .contains("round-robin")
    );
    assert_eq!(simulate(&[], &linear(&["naive"])).unwrap_err(), ScenarioError::NoSessions);
}

/// Where the calls of two sessions go on four replicas, by router.
#[test]
fn routers_go_where_they_say() {
    let sessions = [agent("a", 6, 50, 200), agent("b", 6, 50, 200)];
    let replicas = |router: &str| {
        let scenario = Scenario {
            policies: vec!["exact-prefix-cache".into()],
            router: Some(router.to_owned()),
            replicas: 4,
            arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
            ..Scenario::default()
        };
        let (_, runs) = simulate(&sessions, &scenario).unwrap();
        runs[0].outcome.calls.iter().map(|call| call.replica.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(replicas("round-robin"), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
    // One call at a time: all are idle, and each has its turn.
    assert_eq!(replicas("least-load"), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3]);
    for router in ["session-affinity", "cache-aware"] {
        let picked = replicas(router);
        assert!(picked[..6].iter().all(|&replica| replica == picked[0]), "{router}: {picked:?}");
        assert!(picked[6..].iter().all(|&replica| replica == picked[6]), "{router}: {picked:?}");
    }
}

/// 64 bits of picoseconds last for 213 days: what would be later is refused, not lost.
#[test]
fn a_schedule_that_the_clock_does_not_last_for_is_refused() {
    let sessions = [agent("a", 2, 10, 20), agent("b", 2, 10, 20)];
    let fails = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = linear(&["naive"]);
        change(&mut scenario);
        simulate(&sessions, &scenario).unwrap_err().to_string()
    };
    // The second session starts after 1e8 s, 1,157 days.
    let said = fails(&|s| s.arrivals = Some(Arrivals::Constant { per_s: 1e-8 }));
    assert!(said.contains("`arrivals` is a schedule of") && said.contains("at most 150 days"), "{said}");
    // Two pauses of a millisecond, 1e11 times as long.
    assert!(fails(&|s| s.speed = 1e-11).contains("`speed` or rate"));
}
