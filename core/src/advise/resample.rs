//! How sure a figure is where there is one order of arrivals only: its sessions are drawn again, with
//! replacement, and the figure is taken of each such draw.
//!
//! Calls keep the times that they had in the one run, so what other sessions would have done to their queues is left out.

use crate::metrics::objective::Condition;
use crate::metrics::{Spread, percentile};
use crate::policy::PolicyRun;
use crate::synth::Chance;
use crate::trace::{CallOutcome, CallStatus, WorkSession};
use serde::Serialize;

/// Draws of sessions.
const DRAWS: u32 = 200;

/// One objective over draws of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Resampled {
    /// The objective.
    pub objective: Condition,
    /// Value that 5 % of draws are below.
    pub p5: f64,
    /// Value that 5 % of draws are above.
    pub p95: f64,
    /// Draws that met it.
    pub met: u32,
    /// Draws made.
    pub draws: u32,
}

/// Objectives over times of calls or jobs; of other figures nothing is said.
pub(super) fn resample(run: &PolicyRun, objectives: &[Condition], seed: u64) -> Vec<Resampled> {
    objectives.iter().filter_map(|one| of_one(run, one, seed)).collect()
}

fn of_one(run: &PolicyRun, objective: &Condition, seed: u64) -> Option<Resampled> {
    let statistic = objective.quantity.statistic?;
    let name = objective.quantity.metric.name;
    let mut groups: Vec<Vec<f64>> =
        run.workload.sessions.iter().map(|session| of_session(run, session, name)).collect();
    groups.retain(|values| !values.is_empty());
    if groups.len() < 2 {
        return None;
    }
    let mut chance = Chance::part(seed, &[DRAWS.into(), groups.len() as u64]);
    let mut draws = Vec::new();
    for _ in 0..DRAWS {
        let place = |uniform: f64| ((uniform * groups.len() as f64) as usize).min(groups.len() - 1);
        let drawn = (0..groups.len()).map(|_| place(chance.uniform())).collect::<Vec<_>>();
        let values = drawn.into_iter().flat_map(|place| groups[place].iter().copied()).collect();
        draws.extend(Spread::of_ms(values).map(|spread| statistic.of(&spread)));
    }
    draws.sort_unstable_by(f64::total_cmp);
    Some(Resampled {
        objective: *objective,
        p5: percentile(&draws, 0.05)?,
        p95: percentile(&draws, 0.95)?,
        met: draws.iter().filter(|value| objective.holds(**value, None) == Some(true)).count() as u32,
        draws: DRAWS,
    })
}

/// The values of a session's answered calls, or of its job, in milliseconds.
fn of_session(run: &PolicyRun, session: &WorkSession, name: &str) -> Vec<f64> {
    let place = session.calls.first as usize..session.calls.indices().end as usize;
    let calls = run.outcome.calls.get(place).unwrap_or_default();
    if name == "job_ms" {
        return job(calls).filter(|_| !session.sessionless).into_iter().collect();
    }
    let answered = calls.iter().filter(|call| call.status == CallStatus::Ok);
    answered.filter_map(|call| of_call(call, name)).collect()
}

fn of_call(call: &CallOutcome, name: &str) -> Option<f64> {
    let since = |at: Option<u64>| Some((at? - call.scheduled_us) as f64 / 1e3);
    match name {
        "ttft_ms" => since(call.first_token_us),
        "e2e_ms" => since(call.finished_us),
        "queue_ms" => since(call.admitted_us),
        "tpot_ms" => {
            let further = call.output_tokens.checked_sub(1).filter(|&tokens| tokens > 0)?;
            Some((call.finished_us? - call.first_token_us?) as f64 / 1e3 / further as f64)
        }
        _ => None,
    }
}

fn job(calls: &[CallOutcome]) -> Option<f64> {
    if calls.iter().any(|call| call.status != CallStatus::Ok) {
        return None;
    }
    let start = calls.iter().map(|call| call.scheduled_us).min()?;
    let end = calls.iter().filter_map(|call| call.finished_us).max()?;
    Some((end - start) as f64 / 1e3)
}
