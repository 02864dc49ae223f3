//! Dispatch by recorded times against dispatch by recorded delays: the same sessions, starting at the same times, on the
//! same servers, and how far the tails move.

use super::{Body, Kind, SetRef};
use crate::metrics::{PolicyMetrics, Spread, compare};
use crate::policy::{PolicyRun, Resolved};
use crate::trace::{CallStatus, Outcome};
use serde::{Deserialize, Serialize};

/// The comparison, for several sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Dispatch {
    /// One entry a set.
    pub sets: Vec<DispatchSet>,
}

/// One set under several loads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchSet {
    /// The traces.
    pub set: SetRef,
    /// The scenario of the first load by times, defaults filled in; arrivals and replay vary.
    pub scenario: Resolved,
    /// By rising rate.
    pub loads: Vec<DispatchLoad>,
}

/// The same sessions, dispatched in both ways.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchLoad {
    /// Sessions that start in a second.
    pub per_s: f64,
    /// Calls that ended in both ways: figures are over them.
    pub calls: u64,
    /// Each call at its recorded time since its session's start, whether the one before it has ended or not.
    pub times: DispatchRun,
    /// Each call after its recorded delay since what it waits for has ended.
    pub delays: DispatchRun,
    /// By times over by delays.
    pub ratio: DispatchTails,
}

/// One way of dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchRun {
    /// Time that the servers worked, at however few calls at once, over what they could have worked while calls came
    /// in: the time in which the middle nine tenths of calls were due, and a ninth more. Well above 1, they did not
    /// keep up.
    pub load: Option<f64>,
    /// Share of the makespan that the servers worked, the last sessions' long ends included.
    pub utilisation: Option<f64>,
    /// Time to first token and time of a job, in milliseconds.
    #[serde(flatten)]
    pub tails: DispatchTails,
}

/// Tails of both quantities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DispatchTails {
    /// Time to first token, from schedule.
    pub ttft: Option<Tails>,
    /// First schedule to last end of a session.
    pub job: Option<Tails>,
}

/// Percentiles of one quantity.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tails {
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

impl Body for Dispatch {
    const KIND: Kind = Kind::Dispatch;
}

impl DispatchLoad {
    /// From one run of a policy by times and one by delays, over the same sessions.
    pub fn new(per_s: f64, times: PolicyRun, delays: PolicyRun) -> Option<Self> {
        let runs = [times, delays];
        let [times, delays] = <[PolicyMetrics; 2]>::try_from(compare(&runs)).ok()?;
        let [by_times, by_delays] = runs;
        let times = DispatchRun::new(&times, &by_times.outcome);
        let run = DispatchRun::new(&delays, &by_delays.outcome);
        let ratio = DispatchTails {
            ttft: Tails::ratio(times.tails.ttft, run.tails.ttft),
            job: Tails::ratio(times.tails.job, run.tails.job),
        };
        Some(DispatchLoad { per_s, calls: delays.calls, times, delays: run, ratio })
    }
}

impl DispatchRun {
    fn new(row: &PolicyMetrics, outcome: &Outcome) -> Self {
        DispatchRun {
            load: load(outcome),
            utilisation: row.utilisation,
            tails: DispatchTails { ttft: row.ttft_ms.map(Tails::of), job: row.job_ms.map(Tails::of) },
        }
    }
}

impl Tails {
    fn of(spread: Spread) -> Self {
        Tails { p50: spread.p50, p95: spread.p95, p99: spread.p99 }
    }

    fn ratio(over: Option<Tails>, under: Option<Tails>) -> Option<Tails> {
        let (over, under) = (over?, under?);
        let positive = under.p50 > 0.0 && under.p95 > 0.0 && under.p99 > 0.0;
        positive.then(|| Tails {
            p50: over.p50 / under.p50,
            p95: over.p95 / under.p95,
            p99: over.p99 / under.p99,
        })
    }
}

/// See [`DispatchRun::load`].
fn load(outcome: &Outcome) -> Option<f64> {
    let sent = outcome.calls.iter().filter(|call| call.status == CallStatus::Ok);
    let mut due: Vec<u64> = sent.map(|call| call.scheduled_us).collect();
    due.sort_unstable();
    let at = |twentieths: usize| due.get(due.len().saturating_sub(1) * twentieths / 20).copied();
    let span = (at(19)? - at(1)?) as f64 / 0.9;
    let could = span * f64::from(outcome.counters.replicas);
    (could > 0.0).then(|| outcome.counters.busy_us as f64 / could)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{CallOutcome, Counters, WorkSession, Workload};

    /// 21 calls due every second: the middle nine tenths take 18 s, so calls come for 20 s. Two replicas worked for 30 s
    /// of the 40 s that they could have.
    #[test]
    fn load_is_work_over_what_could_be_worked() {
        let call = |second: u64| CallOutcome { scheduled_us: second * 1_000_000, ..CallOutcome::default() };
        let counters = Counters { replicas: 2, busy_us: 30_000_000, ..Counters::default() };
        let outcome = Outcome { calls: (0..21).map(call).collect(), counters, ..Outcome::default() };
        assert_eq!(load(&outcome), Some(0.75));
        assert_eq!(load(&Outcome::default()), None);
    }

    #[test]
    fn ratios_are_times_over_delays() {
        let run = |first: u64, end: u64| {
            let call = CallOutcome {
                first_token_us: Some(first),
                admitted_us: Some(0),
                finished_us: Some(end),
                ..CallOutcome::default()
            };
            let session = WorkSession {
                id: "s".to_owned(),
                calls: crate::trace::Run { first: 0, count: 1 },
                sessionless: false,
                start_us: 0,
            };
            let work: Workload = serde_json::from_str(
                r#"{"calls":[{"id":0,"session":0,"source_call":null,"model":0,"role":"agent","prompt":[],"reply":[],
                "prompt_tokens":1,"output_tokens":1,"max_tokens":1,"priority":0,"predict_key":0,
                "start":{"after":[],"delay_us":0,"at_us":0}}],"segments":[],"sessions":[],"models":[],
                "predict_keys":[],"scope":"set","block_tokens":null}"#,
            )
            .unwrap();
            PolicyRun {
                name: "p".to_owned(),
                workload: Workload { sessions: vec![session], ..work }.into(),
                outcome: Outcome { calls: vec![call], ..Outcome::default() },
            }
        };
        let load = DispatchLoad::new(0.5, run(3_000, 9_000), run(2_000, 4_000)).unwrap();
        assert_eq!((load.calls, load.times.tails.ttft.unwrap().p99), (1, 3.0));
        assert_eq!((load.ratio.ttft.unwrap().p50, load.ratio.job.unwrap().p95), (1.5, 2.25));
        // Nothing over nothing is no ratio.
        let load = DispatchLoad::new(0.5, run(0, 9_000), run(0, 4_000)).unwrap();
        assert_eq!((load.ratio.ttft, load.times.load), (None, None));
    }
}
