//! Schedulers, users and job times inside the engine, against calculations by hand.
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::context::{self, BuildOptions};
use atr_core::metrics::{JobParts, JobSplit, compare};
use atr_core::policy::{Arrivals, PolicyRun, Replay, Scenario, simulate};
use atr_core::serve::{self, ArrivalPlan, ClusterConfig, PrefixTree};
use atr_core::trace::{CallOutcome, Outcome, Run, Scope, Session, Start, WorkSession, Workload};
use common::{parts, plain_cluster, session};

/// One call at a time, 1 ms a computed token, 1 ms a further token.
fn one_at_a_time(scheduler: &str) -> Scenario {
    Scenario {
        policies: vec!["naive".into()],
        scheduler: Some(scheduler.to_owned()),
        profile: "linear:0,1,1".to_owned(),
        max_batch: 1,
        arrivals: Some(Arrivals::Recorded),
        replay: Some(Replay::Delays),
        ..Scenario::default()
    }
}

fn run(sessions: &[Session], scenario: &Scenario) -> PolicyRun {
    let (_, mut runs) = simulate(sessions, scenario).unwrap();
    runs.remove(0)
}

/// Call ids in the order in which they were admitted.
fn admitted(run: &PolicyRun) -> Vec<u32> {
    let mut calls: Vec<&CallOutcome> = run.outcome.calls.iter().collect();
    calls.sort_by_key(|call| (call.admitted_us, call.id));
    calls.iter().map(|call| call.id).collect()
}

/// Calls of (prompt tokens, delay in ms, the call waited for), each of 2 output tokens.
fn graph(id: &str, calls: &[(u32, u64, Option<u32>)]) -> Session {
    let flat: Vec<_> = calls.iter().map(|&(prompt, delay, _)| (vec![], prompt, 2, delay * 1_000)).collect();
    let mut session = session(id, Scope::Session, |_| 0, &flat);
    for (call, &(_, _, after)) in session.calls.iter_mut().zip(calls) {
        call.after = after.into_iter().collect();
    }
    session
}

/// Session a: a call of 200 tokens (0–201 ms), then two at once: of 10 tokens after a short one, and of 10 after the
/// long one. Session b: one call at 150 ms, another right after. All but the first come while something runs.
///
/// First come, first served: 0 (0–201), 3 (201–212, came at 150); then 1 and 2 came at 201, 4 at 212.
#[test]
fn programs_are_ordered_by_what_they_were_served() {
    let a = graph("a", &[(200, 0, None), (10, 0, Some(0)), (10, 0, Some(0))]);
    let b = graph("b", &[(10, 150, None), (10, 0, Some(0))]);
    let order = |scheduler: &str| admitted(&run(&[a.clone(), b.clone()], &one_at_a_time(scheduler)));
    assert_eq!(order("fcfs"), [0, 3, 1, 2, 4]);
    // When 4 comes, a was served 202 tokens and b 12.
    assert_eq!(order("plas"), [0, 3, 4, 1, 2]);
    // Both have left the queues below 8 tokens, neither that up to 4,104: the first to come goes.
    assert_eq!(order("mlfq:quantum=8,growth=512"), [0, 3, 1, 2, 4]);
    assert_eq!(order("mlfq:quantum=100"), [0, 3, 4, 1, 2]);
    // The first program's calls go before the second's, as soon as they are there.
    assert_eq!(order("program-fcfs"), [0, 1, 2, 3, 4]);
}

/// Session a: a long call (0–301 ms) and a short one (302 tokens and 12 are served along its two chains); one call
/// follows each. By what the program was served both are equal, by the chain the short one's goes first.
#[test]
fn threads_of_a_program_do_not_pay_for_each_other() {
    let a = graph("a", &[(300, 0, None), (10, 0, None), (20, 20, Some(0)), (20, 20, Some(1))]);
    // Something to run while both wait: 312–513 ms. They come at 321 and 332 ms.
    let b = graph("b", &[(200, 1, None)]);
    let order = |scheduler: &str| admitted(&run(&[a.clone(), b.clone()], &one_at_a_time(scheduler)));
    assert_eq!(order("fcfs"), [0, 1, 4, 2, 3]);
    // When 2 comes, 302 + 12 tokens were served, as when 3 comes.
    assert_eq!(order("plas"), [0, 1, 4, 2, 3]);
    assert_eq!(order("critical-path"), [0, 1, 4, 3, 2]);
}

/// Memory for 12 blocks of 16; two calls of 32 prompt and 150 output tokens grow until one must go.
#[test]
fn the_lowest_priority_is_thrown_out() {
    let one = |id: &str| session(id, Scope::Session, |_| 32, &[(vec![0], 0, 150, 0)]);
    let sessions = [one("a"), one("b"), one("c")];
    let options = BuildOptions { max_tokens: 256, share_system: false };
    let raw = context::by_name("raw").unwrap();
    let mut work = context::build(&sessions, &*raw, &options);
    let tree = PrefixTree::build(&work, 16);
    for (call, priority) in work.calls.iter_mut().zip([7, 1, 3]) {
        call.priority = priority;
    }
    let preemptions = |scheduler: &str, stepwise| {
        let config = ClusterConfig {
            parts: parts(["round-robin", "block-hash", "lru", scheduler]),
            capacity_blocks: 27,
            stepwise,
            ..plain_cluster()
        };
        let outcome = serve::simulate(&work, &tree, &config, &ArrivalPlan::Concurrency(3));
        assert!(outcome.calls.iter().all(|call| call.output_tokens == 150));
        outcome.calls.iter().map(|call| call.preemptions).collect::<Vec<_>>()
    };
    for stepwise in [false, true] {
        assert_eq!(preemptions("fcfs", stepwise), [0, 0, 1], "the last one in");
        assert_eq!(preemptions("priority", stepwise), [1, 0, 0], "the highest number");
    }
}

/// 480 tokens of memory. Contexts of 10, 140 and 180 tokens are active; one of 200 does not fit beside them until the
/// second program has ended, although its prompt would while the others are away. The first runs all the time.
#[test]
fn a_paused_program_waits_until_its_context_fits() {
    let a = graph("a", &[(140, 0, None), (145, 500, Some(0))]);
    let b = graph("b", &[(180, 0, None), (190, 3_000, Some(0))]);
    let c = graph("c", &[(200, 10, None), (200, 1, Some(0))]);
    let mut d = graph("d", &[(10, 0, None)]);
    d.calls[0].output_tokens = Some(350);
    let scenario = Scenario {
        kv_tokens: Some(480),
        max_batch: 8,
        profile: "h200-qwen3-4b".to_owned(),
        ..one_at_a_time("pause-resume")
    };
    let sessions = [a, b, c, d];
    let paused = run(&sessions, &scenario);
    let calls = &paused.outcome.calls;
    assert!(calls[6].finished_us > calls[5].finished_us, "the long call runs while the others come and go");
    assert_eq!(calls[4].admitted_us, calls[1].finished_us, "resumed when a program ends");
    let free = run(&sessions, &Scenario { scheduler: Some("fcfs".into()), ..scenario.clone() });
    assert!(free.outcome.calls[4].admitted_us.unwrap() < 20_000);
    let slow = run(&sessions, &Scenario { stepwise: true, ..scenario });
    assert_eq!(paused.outcome, slow.outcome);
}

/// Two users, one call a second together: each starts one every 2 s, the second user 1 s after the first. A call of
/// 3,000 tokens takes 3 s and puts its user's next one off.
#[test]
fn users_start_their_calls_a_gap_apart() {
    let a = graph("a", &[(10, 77, None), (3_000, 9_000, Some(0)), (10, 9_000, Some(1))]);
    let b = graph("b", &[(10, 0, None)]);
    let c = graph("c", &[(10, 5, None), (10, 5, Some(0))]);
    let scenario = Scenario {
        arrivals: Some(Arrivals::Users { users: 2, per_s: 1.0 }),
        replay: None,
        max_batch: 1,
        ..one_at_a_time("fcfs")
    };
    let run = run(&[a, b, c], &scenario);
    let starts: Vec<u64> = run.outcome.calls.iter().map(|call| call.scheduled_us / 1_000).collect();
    // The third waits for the second's end at 2,000 + 3,001 ms; c is the second user's next session.
    assert_eq!(starts, [0, 2_000, 5_001, 1_000, 3_000, 5_012]);
    let error =
        simulate(&[graph("a", &[(1, 0, None)])], &Scenario { replay: Some(Replay::Times), ..scenario });
    assert!(error.unwrap_err().to_string().starts_with("`replay` is `times`, expected `delays`: "));
}

/// Two threads behind a first call, joined by a last one; the second thread ends later, so its times count.
#[test]
fn a_job_is_split_along_the_calls_that_decided_its_end() {
    let call = |scheduled_us, sent_us, admitted, first, end| CallOutcome {
        scheduled_us,
        sent_us,
        admitted_us: Some(admitted),
        first_token_us: Some(first),
        finished_us: Some(end),
        ..CallOutcome::default()
    };
    let calls = vec![
        call(5_000, 5_000, 5_100, 6_000, 10_000),
        call(10_500, 10_500, 10_500, 10_600, 10_700),
        call(11_000, 11_040, 11_200, 15_000, 20_000),
        call(20_300, 20_300, 21_000, 22_000, 25_000),
    ];
    let after = |after: &[u32]| Start { after: after.to_vec(), ..Start::default() };
    let mut work = workload(&[after(&[]), after(&[0]), after(&[0]), after(&[1, 2])]);
    let outcome = Outcome { calls, ..Outcome::default() };
    let parts = JobParts::of(&work, &work.sessions[0], &outcome).unwrap();
    let expected = JobParts {
        routing: 40,
        queue: 100 + 160 + 700,
        prefill: 900 + 3_800 + 1_000,
        decode: 4_000 + 5_000 + 3_000,
        tool: 1_000 + 300,
    };
    assert_eq!(parts, expected);
    assert_eq!(parts.total(), 20_000);
    let mean = JobSplit::mean(&[parts, JobParts { tool: 700, ..JobParts::default() }]).unwrap();
    assert_eq!((mean.jobs, mean.tool, mean.decode), (2, 1.0, 6.0));
    // Had the last call not waited for the second thread, the first one and all up to its start would count.
    work.calls[3].start = after(&[1]);
    let parts = JobParts::of(&work, &work.sessions[0], &outcome).unwrap();
    assert_eq!((parts.tool, parts.queue, parts.total()), (500 + 9_600, 100 + 700, 20_000));
    // By times, it may be due before what it names has ended: then nothing was waited for.
    work.calls[3].start = after(&[2]);
    let mut early = outcome.clone();
    early.calls[3].scheduled_us = 19_000;
    early.calls[3].sent_us = 19_000;
    let parts = JobParts::of(&work, &work.sessions[0], &early).unwrap();
    assert_eq!((parts.tool, parts.queue, parts.total()), (14_000, 2_000, 20_000));
    // What did not end cannot be split, nor what does not say when it was begun.
    early.calls[1].finished_us = None;
    assert_eq!(JobParts::of(&work, &work.sessions[0], &early), None);
    let mut unknown = outcome;
    unknown.calls[3].admitted_us = None;
    assert_eq!(JobParts::of(&work, &work.sessions[0], &unknown), None);
}

fn workload(starts: &[Start]) -> Workload {
    let prompts: Vec<_> = starts.iter().map(|_| (1, 0, None)).collect();
    let options = BuildOptions { max_tokens: 256, share_system: false };
    let raw = context::by_name("raw").unwrap();
    let mut work = context::build(&[graph("s", &prompts)], &*raw, &options);
    for (call, start) in work.calls.iter_mut().zip(starts) {
        call.start = start.clone();
    }
    assert!(matches!(work.sessions[0], WorkSession { calls: Run { first: 0, .. }, .. }));
    work
}

/// Mean parts sum up to the mean job, and predictions are reported with their ranks.
#[test]
fn rows_hold_the_split_and_the_ranks() {
    let sessions: Vec<Session> = (0..6)
        .map(|n| graph(&format!("s{n}"), &[(50 + n, 0, None), (200, 7, Some(0)), (90, 3, Some(1))]))
        .collect();
    let scenario = Scenario {
        policies: vec!["max-token-prediction".into()],
        arrivals: Some(Arrivals::Concurrency { sessions: 6 }),
        predictor: Some("constant:tokens=2".into()),
        ..one_at_a_time("priority")
    };
    let row = &compare(&[run(&sessions, &scenario)])[0];
    let split = row.job_split_ms.unwrap();
    let sum = split.queue + split.prefill + split.decode + split.tool + split.routing;
    assert!((sum - row.job_ms.unwrap().mean).abs() < 1e-9, "{split:?}");
    assert_eq!((split.jobs, split.routing), (6, 0.0));
    let predictions = row.predictions.unwrap();
    assert_eq!((predictions.under, predictions.covered, predictions.coverage), (0, 18, Some(1.0)));
    assert_eq!((predictions.wasted_tokens, predictions.truncated_tokens), (0, Some(0)));
    assert_eq!(predictions.kendall_tau, None, "a constant has no ranks");
}
