//! What an outcome tells, by hand.

use crate::{agents, run, scenario};
use atr_core::policy::Scenario;
use atr_core::serve::latency::fit::{FitError, LeftOut, Observed, Point, observe};
use atr_core::trace::{CallOutcome, CallStatus, Outcome, Run, Start, WorkCall, WorkSession, Workload};

/// Calls of one prompt size each, each a session of its own.
fn workload(prompts: &[u32]) -> Workload {
    let call = |(id, &prompt_tokens): (u32, &u32)| WorkCall {
        id,
        session: id,
        source_call: None,
        model: 0,
        role: atr_core::trace::CallRole::Agent,
        prompt: Vec::new(),
        reply: Vec::new(),
        prompt_tokens,
        output_tokens: 1,
        max_tokens: 1,
        start: Start::default(),
        priority: 0,
        predict_key: 0,
        new_tokens: 0,
    };
    let session = |id: u32| WorkSession {
        id: id.to_string(),
        calls: Run { first: id, count: 1 },
        sessionless: true,
        start_us: 0,
    };
    Workload {
        calls: (0..).zip(prompts).map(call).collect(),
        sessions: (0..prompts.len() as u32).map(session).collect(),
        ..Workload::default()
    }
}

/// A call by its prompt, cached part, output and the times of admission, first token and end.
fn call(id: u32, tokens: [u64; 3], times: [u64; 3]) -> CallOutcome {
    let [prompt, cached, output_tokens] = tokens;
    let mut call = CallOutcome {
        id,
        output_tokens,
        computed_tokens: prompt - cached,
        replica: Some(0),
        ..CallOutcome::default()
    };
    call.cached_tokens.device = cached;
    (call.admitted_us, call.first_token_us, call.finished_us) =
        (Some(times[0]), Some(times[1]), Some(times[2]));
    call
}

fn seen(calls: Vec<CallOutcome>, step_tokens: u32) -> Observed {
    let prompts: Vec<u32> = calls
        .iter()
        .map(|call| (call.cached_tokens.device + call.cached_tokens.host + call.computed_tokens) as u32)
        .collect();
    observe(&workload(&prompts), &Outcome { calls, ..Outcome::default() }, step_tokens).unwrap()
}

/// 300 tokens behind 100 cached ones in steps of 200: chunks of 200 and 100, pairs 200·100 + 20,000 and
/// 100·300 + 5,000. Then three further tokens, which read 401, 402 and 403.
#[test]
fn a_call_that_is_alone_gives_its_prefill_and_its_decoding() {
    let observed = seen(vec![call(0, [400, 100, 4], [1_000, 61_000, 67_000])], 200);
    let prefill = Point {
        steps: 2.0,
        prefill_tokens: 300.0,
        attention_pairs: 40_000.0 + 35_000.0,
        prompts: 1.0,
        us: 60_000.0,
        ..Point::default()
    };
    let decode = Point { steps: 3.0, sequences: 3.0, kv_tokens: 1_206.0, us: 6_000.0, ..Point::default() };
    assert_eq!(observed.points, [prefill, decode]);
    assert_eq!((observed.prefills, observed.decodes, observed.alone, observed.calls), (1, 1, 2, 1));
    assert_eq!(Point::stretch(1, 400, 3, 6_000.0), decode);
}

/// The first decodes (5 tokens, one before the second comes); the second is admitted at 30 and computed in one step
/// beside it until 50, then both decode until 90. Curves say what the first had made.
fn two_calls(curves: bool) -> Vec<CallOutcome> {
    let mut first = call(0, [100, 0, 5], [0, 20, 90]);
    let mut second = call(1, [60, 0, 3], [30, 50, 90]);
    if curves {
        first.curve = Some(vec![[20, 1], [30, 2], [50, 3], [90, 5]]);
        second.curve = Some(vec![[50, 1], [90, 3]]);
    }
    vec![first, second]
}

#[test]
fn calls_together_give_windows() {
    let observed = seen(two_calls(true), 512);
    assert_eq!(observed.left_out, LeftOut::default());
    let [alone, before, beside, both] = observed.points[..] else { panic!("{observed:?}") };
    assert_eq!((alone.steps, alone.prefill_tokens, alone.us), (1.0, 100.0, 20.0));
    assert_eq!(before, Point { steps: 1.0, sequences: 1.0, kv_tokens: 101.0, us: 10.0, ..Point::default() });
    let expected = Point {
        steps: 1.0,
        sequences: 1.0,
        kv_tokens: 102.0,
        prefill_tokens: 60.0,
        attention_pairs: 1_800.0,
        prompts: 1.0,
        us: 20.0,
    };
    assert_eq!(beside, expected);
    // 103 + 104 for the first, 61 + 62 for the second.
    assert_eq!(both, Point { steps: 2.0, sequences: 4.0, kv_tokens: 330.0, us: 40.0, ..Point::default() });
    assert_eq!(observed.alone, 2);
}

#[test]
fn what_cannot_be_told_is_left_out_and_counted() {
    let without = seen(two_calls(false), 512);
    assert_eq!(without.points.len(), 1, "the first call's prefill");
    assert_eq!(without.left_out, LeftOut { unknown_progress: 3, ..LeftOut::default() });
    // One token at a time does not fit beside a prompt of 60 in a step of 40.
    let in_two = seen(two_calls(true), 40);
    assert_eq!(in_two.points.len(), 4, "steps of a prefill beside others may differ by one: {in_two:?}");
    let mut uneven = two_calls(true);
    uneven[0].curve = Some(vec![[20, 1], [30, 2], [50, 3], [90, 9]]);
    uneven[0].output_tokens = 9;
    assert_eq!(seen(uneven, 512).left_out.uneven_progress, 1);
    let mut thrown_out = two_calls(true);
    thrown_out[1].preemptions = 1;
    assert_eq!(seen(thrown_out, 512).left_out.unclear_call, 2);
    let mut from_host = two_calls(true);
    from_host[0].cached_tokens.host = 16;
    assert_eq!(seen(from_host, 512).left_out.unclear_call, 4);
    let mut late = two_calls(true);
    late[1].admitted_us = Some(25);
    late[0].curve = Some(vec![[20, 1], [30, 2], [50, 3], [90, 5]]);
    late.push(call(2, [16, 0, 1], [30, 50, 50]));
    assert_eq!(seen(late, 512).left_out.mixed_prefill, 2, "a prefill that another one joins");
}

/// A client does not know when a server admits: a prefill counts only if its call was alone, from when it was sent.
#[test]
fn without_an_admission_only_calls_alone_count() {
    let mut calls = two_calls(true);
    for (call, sent) in calls.iter_mut().zip([5, 30]) {
        (call.admitted_us, call.sent_us, call.replica) = (None, sent, None);
    }
    let observed = seen(calls, 512);
    assert_eq!(observed.left_out, LeftOut { unknown_queueing: 1, ..LeftOut::default() });
    assert_eq!((observed.points[0].us, observed.prefills, observed.decodes), (15.0, 1, 2));
}

#[test]
fn calls_that_never_ran_do_not_count_and_replicas_do_not_mix() {
    let mut calls = two_calls(true);
    calls[1].replica = Some(1);
    let mut rejected = call(2, [10, 0, 0], [0, 0, 0]);
    rejected.status = CallStatus::Rejected;
    (rejected.admitted_us, rejected.first_token_us, rejected.finished_us) = (None, None, None);
    calls.push(rejected);
    let observed = seen(calls, 512);
    assert_eq!((observed.calls, observed.alone, observed.points.len()), (2, 4, 4));
}

/// The windows of a simulation cover the time that its replicas were busy, but for prefills that overlap.
#[test]
fn windows_cover_what_was_busy() {
    let one = Scenario { replicas: 2, ..scenario("h200-qwen3-4b") };
    let run = run(&agents(), &one);
    let observed = observe(&run.workload, &run.outcome, 512).unwrap();
    let covered: f64 = observed.points.iter().map(|point| point.us).sum();
    let busy = run.outcome.counters.busy_us as f64;
    assert!(covered <= busy + 2.0 && covered > 0.5 * busy, "{covered} of {busy}: {observed:?}");
    let steps: f64 = observed.points.iter().map(|point| point.steps).sum();
    assert!(steps <= run.outcome.counters.steps as f64);
    assert_eq!(observed.left_out.unknown_progress + observed.left_out.uneven_progress, 0, "{observed:?}");
}

#[test]
fn an_outcome_of_another_trace_is_refused() {
    let outcome = |calls| Outcome { calls, ..Outcome::default() };
    let fewer = observe(&workload(&[100]), &outcome(two_calls(true)), 512).unwrap_err();
    assert_eq!(fewer.to_string(), "the outcome is not of this trace: its calls are 2, expected 1");
    let larger = observe(&workload(&[100, 100]), &outcome(two_calls(true)), 512).unwrap_err();
    assert_eq!(larger, FitError::OtherTrace { what: "its prompt tokens are", found: 160, expected: 200 });
    let mut moved = two_calls(true);
    moved[1].id = 7;
    assert!(
        observe(&workload(&[100, 60]), &outcome(moved), 512).unwrap_err().to_string().contains("number 7")
    );
    // A server that counts one token in twenty more is the same trace.
    assert!(observe(&workload(&[95, 57]), &outcome(two_calls(true)), 512).is_ok());
}
