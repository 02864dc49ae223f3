//! How sure a figure is where there is one order of arrivals only: its sessions are drawn again, with
//! replacement, and the figure is taken of each such draw.
//!
//! Calls keep the times that they had in the one run, so what other sessions would have done to their queues is left out.

use crate::metrics::objective::Condition;
use crate::metrics::{
    Spread, answered, calls_of, e2e_us, job_us, jobs, percentile, queue_us, tpot_ms, ttft_us,
};
use crate::policy::PolicyRun;
use crate::synth::Chance;
use crate::trace::{CallOutcome, CallStatus};
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
    let groups = groups(run, objective.quantity.metric.name);
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

/// The values of sessions' answered calls, or of their jobs, in milliseconds.
fn groups(run: &PolicyRun, name: &str) -> Vec<Vec<f64>> {
    let in_ms = |us: u64| us as f64 / 1e3;
    let sessions = &run.workload.sessions;
    if name == "job_ms" {
        let answered = answered(&run.outcome);
        let jobs = jobs(&run.workload, &answered).filter_map(|job| job_us(job, &run.outcome));
        return jobs.map(|us| vec![in_ms(us)]).collect();
    }
    let value = |call: &CallOutcome| match name {
        "ttft_ms" => ttft_us(call).map(in_ms),
        "e2e_ms" => e2e_us(call).map(in_ms),
        "queue_ms" => queue_us(call).map(in_ms),
        "tpot_ms" => tpot_ms(call),
        _ => None,
    };
    let of_session = |session| {
        let calls = calls_of(session, &run.outcome).iter();
        calls.filter(|call| call.status == CallStatus::Ok).filter_map(value).collect::<Vec<f64>>()
    };
    sessions.iter().map(of_session).filter(|values| !values.is_empty()).collect()
}
