//! What no number of replicas can do: a job takes at least the time of its tools, and no cache finds more than
//! its ceiling.

use super::Sentence;
use super::units::{bound, objective, value};
use crate::metrics::objective::{Comparison, Condition, Statistic};
use crate::metrics::{PolicyMetrics, Spread, answered, jobs};
use crate::policy::{Arrivals, PolicyRun, Replay, Scenario};
use crate::trace::{WorkSession, Workload};

/// Times of jobs if every server answered at once: tools, people and pauses alone. Over the sessions that the run finished;
/// nothing where users come at a pace of their own.
pub(super) fn tools_alone(run: &PolicyRun, scenario: &Scenario) -> Option<Spread> {
    if matches!(scenario.arrivals, Some(Arrivals::Users { .. })) {
        return None;
    }
    let replay = scenario.replay.unwrap_or(Replay::Delays);
    let answered = answered(&run.outcome);
    let finished = jobs(&run.workload, &answered);
    let times = finished.map(|session| of_session(&run.workload, session, replay, scenario.speed));
    Spread::of_ms(times.collect())
}

/// In milliseconds.
fn of_session(work: &Workload, session: &WorkSession, replay: Replay, speed: f64) -> f64 {
    let first = session.calls.first;
    let mut due: Vec<f64> = Vec::with_capacity(session.calls.count as usize);
    for call in session.calls.indices() {
        let start = &work.calls[call as usize].start;
        let waits = |after: &u32| due.get(after.wrapping_sub(first) as usize).copied().unwrap_or(0.0);
        due.push(match replay {
            Replay::Times => start.at_us as f64 / speed,
            Replay::Delays => {
                start.after.iter().map(waits).fold(0.0, f64::max) + start.delay_us as f64 / speed
            }
        });
    }
    let least = due.iter().copied().fold(f64::INFINITY, f64::min);
    let most = due.iter().copied().fold(0.0, f64::max);
    (most - least).max(0.0) / 1e3
}

/// Of objectives those that may be met, and for the others why not. `tools_alone` are the times of jobs if servers
/// took none.
pub(super) fn in_reach(
    objectives: &[Condition],
    row: &PolicyMetrics,
    tools_alone: Option<Spread>,
) -> (Vec<Condition>, Vec<Sentence>) {
    let (mut kept, mut says) = (Vec::new(), Vec::new());
    for one in objectives {
        match tools(one, tools_alone).or_else(|| ceiling(one, row)) {
            Some(said) => says.push(said),
            None => kept.push(*one),
        }
    }
    (kept, says)
}

fn tools(one: &Condition, tools_alone: Option<Spread>) -> Option<Sentence> {
    let statistic: Statistic = one.quantity.statistic?;
    let alone = statistic.of(&tools_alone.filter(|_| one.quantity.metric.name == "job_ms")?);
    if !one.comparison.wants_less() || one.holds(alone, None)? {
        return None;
    }
    let text = format!(
        "{} cannot be met by any number of replicas: if every server answered at once, tools and pauses alone would take \
         {} of that figure.",
        objective(one),
        value(one.quantity, alone),
    );
    Some(bound(Sentence::new(text).on("servers that take no time", one.quantity, alone), one))
}

fn ceiling(one: &Condition, row: &PolicyMetrics) -> Option<Sentence> {
    let most = row.ceiling_hit_rate.filter(|_| one.quantity.metric.name == "hit_rate")?;
    let more = matches!(one.comparison, Comparison::AtLeast | Comparison::Above);
    if !more || one.holds(most, None)? {
        return None;
    }
    let text = format!(
        "{} cannot be met by any number of replicas: an infinite cache finds {}.",
        objective(one),
        value(one.quantity, most)
    );
    Some(bound(Sentence::new(text).on(&row.name, "ceiling_hit_rate", most), one))
}
