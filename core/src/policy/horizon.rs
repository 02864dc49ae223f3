//! How long a schedule may be: time is counted in picoseconds, and 64 bits of them last for 213 days.

use super::ScenarioError;
use crate::serve::latency::PS_PER_US;
use crate::serve::{ArrivalPlan, Replay};
use crate::trace::{WorkSession, Workload};

/// Longest schedule, computing not counted.
const MOST_DAYS: f64 = 150.0;
const US_PER_DAY: f64 = 86_400e6;

/// Refuses a schedule that the clock might not last for.
pub(super) fn check(
    work: &Workload,
    plan: &ArrivalPlan,
    replay: Replay,
    speed: f64,
) -> Result<(), ScenarioError> {
    let days = span_us(work, plan, replay, speed) / US_PER_DAY;
    if days <= MOST_DAYS {
        return Ok(());
    }
    let expected = format!(
        "at most {MOST_DAYS} days of recorded times and gaps; a larger `speed` or rate makes it shorter"
    );
    Err(ScenarioError::range("arrivals", format!("a schedule of {days:.0} days"), expected))
}

/// When the last call is due, if calls took no time; for sessions that wait for each other, at most.
fn span_us(work: &Workload, plan: &ArrivalPlan, replay: Replay, speed: f64) -> f64 {
    let own = |session: &WorkSession| {
        let starts = session.calls.indices().map(|call| &work.calls[call as usize].start);
        let us = match replay {
            Replay::Times => starts.map(|start| start.at_us).max().unwrap_or(0) as f64,
            Replay::Delays => starts.map(|start| start.delay_us as f64).sum(),
        };
        us / speed
    };
    let one_after_the_other = |places: u32, own: &dyn Fn(&WorkSession) -> f64| {
        let longest = work.sessions.iter().map(own).fold(0.0, f64::max);
        work.sessions.iter().map(own).sum::<f64>() / f64::from(places.max(1)) + longest
    };
    let in_us = |ps: u64| ps as f64 / PS_PER_US as f64;
    match plan {
        ArrivalPlan::At(starts) => {
            let ends = starts.iter().zip(&work.sessions).map(|(&ps, session)| in_us(ps) + own(session));
            ends.fold(0.0, f64::max)
        }
        ArrivalPlan::Concurrency(places) => one_after_the_other(*places, &own),
        ArrivalPlan::Users { users, gap } => {
            let gap_us = in_us(*gap);
            one_after_the_other(*users, &|session| own(session) + f64::from(session.calls.count) * gap_us)
        }
    }
}
