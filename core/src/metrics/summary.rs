//! The row of figures that `simulate` and `replay` print for one policy.

use super::{JobParts, JobSplit, Predictions};
use crate::policy::PolicyRun;
use crate::trace::{CallOutcome, CallStatus, Decision, Outcome, Regret, WorkSession, Workload};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Mean and percentiles of one quantity, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 99th percentile.
    pub p99: f64,
}

/// What one policy did with a workload. Figures cover the calls that every compared policy
/// admitted, unless a field says otherwise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyMetrics {
    /// The policy.
    pub name: String,
    /// Calls that all compared policies finished.
    pub calls: u64,
    /// Calls that this policy did not finish: rejected or skipped.
    pub failed: u64,
    /// Of these, calls larger than a replica or the model's context.
    pub rejected: u64,
    /// Of these, calls whose session had ended.
    pub skipped: u64,
    /// Cached over prompt tokens; null when no prompt token was sent.
    pub hit_rate: Option<f64>,
    /// The hit rate of an infinite shared cache under the simulator's rules.
    pub ceiling_hit_rate: Option<f64>,
    /// Time to first token, from schedule.
    pub ttft_ms: Option<Spread>,
    /// Time per further token; over calls with at least two tokens.
    pub tpot_ms: Option<Spread>,
    /// From schedule to the last token; over calls of known output.
    pub e2e_ms: Option<Spread>,
    /// Waiting before a replica began.
    pub queue_ms: Option<Spread>,
    /// First schedule to last end of a session, tool time included, over the sessions whose calls are
    /// all counted; null without sessions.
    pub job_ms: Option<Spread>,
    /// Where the mean of that time goes, along the calls that decided each session's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_split_ms: Option<JobSplit>,
    /// Prompt tokens sent.
    pub prompt_tokens: u64,
    /// Prompt tokens computed.
    pub prefill_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
    /// First schedule to last end, over everything that was sent.
    pub makespan_ms: f64,
    /// Share of the makespan that replicas spent in steps; null where it is not known.
    pub utilisation: Option<f64>,
    /// Preemptions, over everything that was sent.
    pub preemptions: u64,
    /// Length predictions that were too short and too long, where lengths were predicted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<Predictions>,
    /// What the router's choices cost in hindsight, where that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regret: Option<Regrets>,
}

/// How much later calls were than they would have been on the best replica, over the decisions that were tried. Each is of one
/// call alone: what a choice does to other calls is not weighed, so they do not add up to what a better router would save.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Regrets {
    /// Decisions tried.
    pub decisions: u64,
    /// Time to first token, over the least on any replica.
    pub ttft_ms: Spread,
    /// Time to the last token, over the least on any replica.
    pub e2e_ms: Spread,
    /// Share of decisions that no other replica would have bettered, by time to first token.
    pub none_share: f64,
    /// Time to first token on the replica that the oracle would have picked, over the least on any: what looking ahead as far as
    /// the calls that are there leaves to regret, since later ones come.
    pub oracle_ttft_ms: Spread,
}

/// Linear interpolation between order statistics of a sorted sample; `q` in 0..=1.
pub fn percentile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let rank = q * last as f64;
    let low = libm::floor(rank) as usize;
    let high = (low + 1).min(last);
    Some(sorted[low] + (sorted[high] - sorted[low]) * (rank - low as f64))
}

impl Spread {
    /// Of microsecond values; `None` of nothing.
    pub fn of_us(mut values: Vec<u64>) -> Option<Spread> {
        if values.is_empty() {
            return None;
        }
        values.sort_unstable();
        let sum: u128 = values.iter().map(|&us| u128::from(us)).sum();
        let ms: Vec<f64> = values.iter().map(|&us| us as f64 / 1_000.0).collect();
        Spread::with_mean(sum as f64 / values.len() as f64 / 1_000.0, &ms)
    }

    /// Of millisecond values; `None` of nothing.
    pub fn of_ms(mut values: Vec<f64>) -> Option<Spread> {
        if values.is_empty() {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        Spread::with_mean(values.iter().sum::<f64>() / values.len() as f64, &values)
    }

    fn with_mean(mean: f64, sorted: &[f64]) -> Option<Spread> {
        let at = |q| percentile(sorted, q);
        Some(Spread { mean, p50: at(0.5)?, p90: at(0.9)?, p95: at(0.95)?, p99: at(0.99)? })
    }
}

/// Sums runs of the same calls up, over the calls that all of them finished.
pub fn compare(runs: &[PolicyRun]) -> Vec<PolicyMetrics> {
    let common = common(runs);
    runs.iter().map(|run| summarise(&run.name, &run.workload, &run.outcome, &common)).collect()
}

/// Of the calls that all runs finished, those of known output.
pub fn known_outputs(runs: &[PolicyRun]) -> u64 {
    let Some(first) = runs.first() else { return 0 };
    let ids = (0..).zip(common(runs)).filter(|(_, common)| *common);
    ids.filter(|(id, _)| first.workload.knows_output(*id)).count() as u64
}

/// Which calls all runs finished.
fn common(runs: &[PolicyRun]) -> Vec<bool> {
    let mut common = vec![true; runs.first().map_or(0, |run| run.outcome.calls.len())];
    for run in runs {
        for (slot, ok) in common.iter_mut().zip(answered(&run.outcome)) {
            *slot &= ok;
        }
    }
    common
}

/// Sums one outcome up over the calls that `common` allows.
pub fn summarise(name: &str, workload: &Workload, outcome: &Outcome, common: &[bool]) -> PolicyMetrics {
    let chosen = || {
        workload.calls.iter().zip(&outcome.calls).zip(common).filter(|(_, take)| **take).map(|(pair, _)| pair)
    };
    let spread = |f: &dyn Fn(&CallOutcome) -> Option<u64>| {
        Spread::of_us(chosen().filter_map(|(_, call)| f(call)).collect())
    };
    let sum = |f: &dyn Fn(&CallOutcome) -> u64| chosen().map(|(_, call)| f(call)).sum::<u64>();
    let count = |status| outcome.calls.iter().filter(|call| call.status == status).count() as u64;
    let prompt_tokens: u64 = chosen().map(|(asked, _)| u64::from(asked.prompt_tokens)).sum();
    let rate = |tokens: u64| (prompt_tokens > 0).then(|| tokens as f64 / prompt_tokens as f64);
    let (rejected, skipped) = (count(CallStatus::Rejected), count(CallStatus::Skipped));
    let tpot = chosen().filter_map(|(_, call)| tpot_ms(call)).collect();
    PolicyMetrics {
        name: name.to_owned(),
        calls: chosen().count() as u64,
        failed: rejected + skipped,
        rejected,
        skipped,
        hit_rate: rate(sum(&|call| call.cached_tokens.device + call.cached_tokens.host)),
        ceiling_hit_rate: rate(sum(&|call| call.ceiling_tokens)),
        ttft_ms: spread(&ttft_us),
        tpot_ms: Spread::of_ms(tpot),
        e2e_ms: spread(&|call| e2e_us(call).filter(|_| workload.knows_output(call.id))),
        queue_ms: spread(&queue_us),
        job_ms: Spread::of_us(jobs(workload, common).filter_map(|job| job_us(job, outcome)).collect()),
        job_split_ms: job_split(workload, outcome, common),
        prompt_tokens,
        prefill_tokens: sum(&|call| call.computed_tokens),
        output_tokens: sum(&|call| call.output_tokens),
        makespan_ms: makespan_us(outcome) as f64 / 1_000.0,
        utilisation: utilisation(outcome),
        preemptions: outcome.counters.preemptions,
        predictions: Predictions::of(workload, outcome),
        regret: regrets(outcome),
    }
}

/// From when a call was due to its first token.
pub(crate) fn ttft_us(call: &CallOutcome) -> Option<u64> {
    Some(call.first_token_us? - call.scheduled_us)
}

/// To its last token.
pub(crate) fn e2e_us(call: &CallOutcome) -> Option<u64> {
    Some(call.finished_us? - call.scheduled_us)
}

/// Until a replica began with it.
pub(crate) fn queue_us(call: &CallOutcome) -> Option<u64> {
    Some(call.admitted_us? - call.scheduled_us)
}

/// Between two tokens; `None` where there are fewer.
pub(crate) fn tpot_ms(call: &CallOutcome) -> Option<f64> {
    let further = call.output_tokens.checked_sub(1).filter(|&n| n > 0)?;
    Some((call.finished_us? - call.first_token_us?) as f64 / 1_000.0 / further as f64)
}

/// The sessions whose calls are all common: the same sessions for every policy, because a policy that takes longer
/// sessions in would seem slower for it.
pub(crate) fn jobs<'a>(workload: &'a Workload, common: &'a [bool]) -> impl Iterator<Item = &'a WorkSession> {
    workload.sessions.iter().filter(|session| {
        !session.sessionless
            && common.get(place(session)).is_some_and(|calls| calls.iter().all(|common| *common))
    })
}

/// Where a session's calls stand.
fn place(session: &WorkSession) -> Range<usize> {
    session.calls.first as usize..session.calls.indices().end as usize
}

/// The outcomes of a session's calls; none where some are missing.
pub(crate) fn calls_of<'a>(session: &WorkSession, outcome: &'a Outcome) -> &'a [CallOutcome] {
    outcome.calls.get(place(session)).unwrap_or_default()
}

/// Which calls of one run were answered.
pub(crate) fn answered(outcome: &Outcome) -> Vec<bool> {
    outcome.calls.iter().map(|call| call.status == CallStatus::Ok).collect()
}

/// From the first schedule of a session's calls to their last end; `None` where one did not end.
pub(crate) fn job_us(session: &WorkSession, outcome: &Outcome) -> Option<u64> {
    let calls = calls_of(session, outcome);
    let start = calls.iter().map(|call| call.scheduled_us).min()?;
    let ends: Option<Vec<u64>> = calls.iter().map(|call| call.finished_us).collect();
    Some(ends?.into_iter().max()? - start)
}

/// Where their times go; `None` where that is not known of all.
fn job_split(workload: &Workload, outcome: &Outcome, common: &[bool]) -> Option<JobSplit> {
    let parts = jobs(workload, common).map(|session| JobParts::of(workload, session, outcome));
    JobSplit::mean(&parts.collect::<Option<Vec<JobParts>>>()?)
}

fn makespan_us(outcome: &Outcome) -> u64 {
    let sent = outcome.calls.iter().filter(|call| call.status == CallStatus::Ok);
    let start = sent.clone().map(|call| call.scheduled_us).min().unwrap_or(0);
    sent.filter_map(|call| call.finished_us).max().map_or(0, |end| end - start)
}

fn utilisation(outcome: &Outcome) -> Option<f64> {
    let whole = makespan_us(outcome) as f64 * f64::from(outcome.counters.replicas);
    (whole > 0.0).then(|| outcome.counters.busy_us as f64 / whole)
}

fn regrets(outcome: &Outcome) -> Option<Regrets> {
    let tried: Vec<_> = outcome.decisions.iter().filter_map(Decision::regret).collect();
    let spread = |f: &dyn Fn(&Regret) -> u64| Spread::of_us(tried.iter().map(f).collect());
    let none = tried.iter().filter(|regret| regret.ttft_us == 0).count();
    Some(Regrets {
        decisions: tried.len() as u64,
        ttft_ms: spread(&|regret| regret.ttft_us)?,
        e2e_ms: spread(&|regret| regret.e2e_us)?,
        none_share: none as f64 / tried.len() as f64,
        oracle_ttft_ms: spread(&|regret| regret.oracle_ttft_us)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{CallRole, Run, Start, WorkCall};

    fn workload() -> Workload {
        let call = |id, session| WorkCall {
            id,
            session,
            source_call: Some(id),
            model: 0,
            role: CallRole::Agent,
            prompt: Vec::new(),
            reply: Vec::new(),
            prompt_tokens: 10,
            output_tokens: 1,
            max_tokens: 1,
            start: Start::default(),
            priority: 0,
            predict_key: 0,
            new_tokens: 0,
        };
        let session = |first| WorkSession {
            id: format!("s{first}"),
            calls: Run { first, count: 2 },
            sessionless: false,
            start_us: 0,
        };
        Workload {
            calls: vec![call(0, 0), call(1, 0), call(2, 1), call(3, 1)],
            sessions: vec![session(0), session(2)],
            ..Workload::default()
        }
    }

    fn run(name: &str, ends: [Option<u64>; 4]) -> PolicyRun {
        let call = |finished_us: Option<u64>| CallOutcome {
            status: if finished_us.is_some() { CallStatus::Ok } else { CallStatus::Rejected },
            finished_us,
            ..CallOutcome::default()
        };
        let calls = ends.into_iter().map(call).collect();
        PolicyRun {
            name: name.to_owned(),
            workload: workload().into(),
            outcome: Outcome { calls, ..Outcome::default() },
        }
    }

    #[test]
    fn job_times_compare_the_same_sessions() {
        let all = run("all", [Some(1_000), Some(2_000), Some(8_000), Some(9_000)]);
        let some = run("some", [Some(1_000), Some(3_000), Some(8_000), None]);
        let rows = compare(&[all.clone(), some]);
        // The second session is too long for one of them, so only the first is compared.
        assert_eq!(rows[0].job_ms.map(|job| job.mean), Some(2.0));
        assert_eq!(rows[1].job_ms.map(|job| job.mean), Some(3.0));
        assert_eq!(compare(&[all])[0].job_ms.map(|job| job.mean), Some(5.5));
    }
}
