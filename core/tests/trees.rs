//! Sub-agents and joins against calculations by hand: when calls of a tree start, and where the time of its job goes.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod common;

use atr_core::metrics::JobParts;
use atr_core::policy::{Arrivals, PolicyRun, Scenario, simulate};
use atr_core::synth::{generate, profiles};
use atr_core::trace::{CallRole, CallStatus, Scope, Session};
use common::session;

/// A main agent, call 0 of 100 prompt and 4 output tokens, that starts two sub-agents: one of calls 1 (40, 2; after
/// 3 ms) and 3 (70, 3; a tool of 20 ms between them), the other of call 2 (60, 1; after 5 ms). When both are done it goes on
/// after 1 ms: call 4 of 150 tokens, the first 100 those of call 0, and 1 output token.
fn tree() -> Session {
    let tokens = |id| [100, 50, 40, 30, 60][id as usize];
    let calls = [
        (vec![0], 0, 4, 0),
        (vec![2], 0, 2, 3_000),
        (vec![4], 0, 1, 5_000),
        (vec![2, 3], 0, 3, 20_000),
        (vec![0, 1], 0, 1, 1_000),
    ];
    let mut session = session("tree", Scope::Session, tokens, &calls);
    let after = [vec![], vec![0], vec![0], vec![1], vec![0, 2, 3]];
    for ((call, after), agent) in session.calls.iter_mut().zip(after).zip([0, 1, 2, 1, 0]) {
        (call.after, call.agent) = (after, agent);
        call.role = if agent == 0 { CallRole::Agent } else { CallRole::Subagent };
    }
    session
}

fn run(policy: &str, replicas: u32, session: Session) -> PolicyRun {
    let scenario = Scenario {
        policies: vec![policy.to_owned()],
        profile: "linear:10,0.5,2".to_owned(),
        max_batch: 1,
        replicas,
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        ..Scenario::default()
    };
    simulate(&[session], &scenario).unwrap().1.remove(0)
}

/// When calls were due, admitted, made their first token and ended, in half milliseconds.
fn times(run: &PolicyRun) -> Vec<[u64; 4]> {
    let calls = run.outcome.calls.iter();
    let at = calls
        .map(|c| [c.scheduled_us, c.admitted_us.unwrap(), c.first_token_us.unwrap(), c.finished_us.unwrap()]);
    at.map(|times| times.map(|us| us / 500)).collect()
}

fn parts(run: &PolicyRun) -> JobParts {
    let job = &run.workload.sessions[0];
    let parts = JobParts::of(&run.workload, job, &run.outcome).unwrap();
    let end = run.outcome.calls.iter().filter_map(|call| call.finished_us).max().unwrap();
    assert_eq!(parts.total(), end, "the parts add up to the wall time");
    parts
}

fn split(queue: u64, prefill: u64, decode: u64, tool: u64) -> JobParts {
    let ms = 1_000;
    JobParts { routing: 0, queue: queue * ms, prefill: prefill * ms, decode: decode * ms, tool: tool * ms }
}

/// One replica, one call at a time, 10 ms + 0.5 ms a computed token, 2 ms a further token. The first sub-agent runs from 69 to
/// 101, the other waits for it from 71 and runs to 141; call 3 is due at 121 and waits until 141, to 190. The join is due 1 ms
/// after the later of 141 and 190.
///
/// Its end was decided by calls 4, 3, 1 and 0: queued 0 + 20 + 0 + 0, prefill 85 + 45 + 30 + 60, decode 0 + 4 + 2 + 6, between
/// them 1 + 20 + 3.
#[test]
fn sub_agents_on_one_replica_wait_for_each_other() {
    let run = run("naive", 1, tree());
    let ms: [[u64; 4]; 5] =
        [[0, 0, 60, 66], [69, 69, 99, 101], [71, 101, 141, 141], [121, 141, 186, 190], [191, 191, 276, 276]];
    assert_eq!(times(&run), ms.map(|times| times.map(|ms| 2 * ms)));
    assert_eq!(parts(&run), split(20, 220, 12, 24));
}

/// With a cache of blocks of 16, call 3 finds two blocks of call 1 (32 tokens) and computes 38: 29 ms to its first token; the
/// join finds six of call 0 (96) and computes 54: 37 ms.
#[test]
fn a_join_finds_what_the_main_agent_left() {
    let run = run("exact-prefix-cache", 1, tree());
    let cached: Vec<u64> = run.outcome.calls.iter().map(|call| call.cached_tokens.device).collect();
    assert_eq!(cached, [0, 0, 0, 32, 96]);
    assert_eq!(
        times(&run)[3..],
        [[121, 141, 170, 174], [175, 175, 212, 212]].map(|times| times.map(|ms| 2 * ms))
    );
    assert_eq!(parts(&run), split(20, 156, 12, 24));
}

/// Two replicas by turns: calls 0, 2 and 4 on the first, 1 and 3 on the other. Nobody waits; the sub-agents overlap, and
/// only the longer of them counts.
#[test]
fn sub_agents_on_two_replicas_overlap() {
    let run = run("naive", 2, tree());
    let ms: [[u64; 4]; 5] =
        [[0, 0, 60, 66], [69, 69, 99, 101], [71, 71, 111, 111], [121, 121, 166, 170], [171, 171, 256, 256]];
    assert_eq!(times(&run), ms.map(|times| times.map(|ms| 2 * ms)));
    assert_eq!(parts(&run), split(0, 220, 12, 24));
}

/// A call that is too large for the replica, in a sub-agent, ends the job: what was not sent by then (the other sub-agent is due
/// 2 ms later) is not sent at all.
#[test]
fn a_sub_agent_that_is_refused_ends_the_job() {
    let mut session = tree();
    session.calls[1].prompt_tokens = 2_000_000_000;
    let run = run("naive", 1, session);
    let status: Vec<CallStatus> = run.outcome.calls.iter().map(|call| call.status).collect();
    use CallStatus::{Ok, Rejected, Skipped};
    assert_eq!(status, [Ok, Rejected, Skipped, Skipped, Skipped]);
    assert_eq!(JobParts::of(&run.workload, &run.workload.sessions[0], &run.outcome), None);
}

/// Synthetic Claude Code sessions with sub-agents: every call starts its delay after the last of those it waits for, under every
/// policy, and the parts of every job add up to its time.
#[test]
fn calls_of_synthetic_trees_wait_for_all_that_they_join() {
    let profile = profiles().into_iter().find(|profile| profile.name == "claude-code").unwrap();
    let joins = |session: &Session| session.calls.iter().filter(|call| call.after.len() > 1).count();
    let made = generate(&profile, 250, 11);
    let trees: Vec<Session> = made.into_iter().filter(|session| joins(session) > 0).collect();
    assert!(trees.iter().map(joins).sum::<usize>() >= 3, "{} trees", trees.len());
    let scenario = Scenario { replicas: 2, kv_tokens: Some(2_000_000), ..Scenario::default() };
    let (_, runs) = simulate(&trees, &scenario).unwrap();
    let mut waited = 0;
    for run in &runs {
        let out = &run.outcome.calls;
        for (asked, call) in
            run.workload.calls.iter().zip(out).filter(|(_, call)| call.status == CallStatus::Ok)
        {
            let ended =
                asked.start.after.iter().filter_map(|&earlier| out[earlier as usize].finished_us).max();
            let Some(ended) = ended else { continue };
            // Each is rounded to the nearest microsecond by itself.
            assert!(call.scheduled_us.abs_diff(ended + asked.start.delay_us) <= 1, "{call:?}");
            waited += usize::from(asked.start.after.len() > 1);
        }
        for job in &run.workload.sessions {
            let Some(parts) = JobParts::of(&run.workload, job, &run.outcome) else { continue };
            let calls = job.calls.indices().map(|call| &out[call as usize]);
            let start = calls.clone().map(|call| call.scheduled_us).min().unwrap();
            let end = calls.filter_map(|call| call.finished_us).max().unwrap();
            assert_eq!((parts.total(), parts.routing), (end - start, 0));
        }
    }
    assert!(waited > 0, "no join was reached");
}
