//! What no number of replicas can do: a job takes at least the time of its tools, a first token at least what its
//! prompt takes alone, and no cache finds more than its ceiling.

use super::Sentence;
use super::units::{bound, objective, value};
use crate::metrics::objective::{Comparison, Condition, Statistic};
use crate::metrics::{PolicyMetrics, Spread, answered, jobs};
use crate::policy::{Arrivals, PolicyRun, Replay, Scenario, profile as compiled};
use crate::serve::latency::{Coefficients, PS_PER_US, StepWork, pairs};
use crate::trace::{CallStatus, WorkSession, Workload};

/// What calls and jobs take at least, whatever the number of replicas.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Floors {
    /// Times of jobs if servers took none.
    pub(super) tools: Option<Spread>,
    /// Times to first token of calls that are alone.
    pub(super) alone: Option<Spread>,
}

impl Floors {
    pub(super) fn of(run: &PolicyRun, scenario: &Scenario) -> Self {
        Floors { tools: tools_alone(run, scenario), alone: calls_alone(run, scenario) }
    }
}

/// Times to first token if every call that was answered were alone on an idle replica that holds all that the call's ceiling
/// finds.
fn calls_alone(run: &PolicyRun, scenario: &Scenario) -> Option<Spread> {
    let costs = compiled(scenario).ok()?.coefficients;
    let calls = run.workload.calls.iter().zip(&run.outcome.calls);
    let answered = calls.filter(|(_, call)| call.status == CallStatus::Ok);
    let us = answered.map(|(asked, call)| {
        call_alone(&costs, asked.prompt_tokens.into(), call.ceiling_tokens, scenario.step_tokens.into())
    });
    Spread::of_us(us.collect())
}

/// In microseconds: steps over what is not cached, as many tokens in each as a step takes.
fn call_alone(costs: &Coefficients, prompt_tokens: u64, cached_tokens: u64, step_tokens: u64) -> u64 {
    let (mut kv, mut ps) = (cached_tokens, 0);
    while kv < prompt_tokens {
        let chunk = step_tokens.max(1).min(prompt_tokens - kv);
        let (pairs, prompts) = (pairs(chunk, kv), u64::from(kv + chunk == prompt_tokens));
        ps += costs.step(&StepWork { prefill_tokens: chunk, pairs, prompts, ..StepWork::default() });
        kv += chunk;
    }
    ps / PS_PER_US
}

/// Times of jobs if every server answered at once: tools, people and pauses alone. Over the sessions that the run finished;
/// nothing where users come at a pace of their own.
fn tools_alone(run: &PolicyRun, scenario: &Scenario) -> Option<Spread> {
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

/// Of objectives those that may be met, and for the others why not.
pub(super) fn in_reach(
    objectives: &[Condition],
    row: &PolicyMetrics,
    floors: Floors,
) -> (Vec<Condition>, Vec<Sentence>) {
    let (mut kept, mut says) = (Vec::new(), Vec::new());
    for one in objectives {
        match floor(one, floors).or_else(|| ceiling(one, row)) {
            Some(said) => says.push(said),
            None => kept.push(*one),
        }
    }
    (kept, says)
}

/// What lies below a floor.
fn floor(one: &Condition, floors: Floors) -> Option<Sentence> {
    let (spread, runs, why) = match one.quantity.metric.name {
        "job_ms" => (
            floors.tools?,
            "servers that take no time",
            "if every server answered at once, tools and pauses alone would take",
        ),
        "ttft_ms" => (
            floors.alone?,
            "each call alone on an idle replica that holds what its ceiling finds",
            "each call alone on an idle replica that holds all that a cache could find of its prompt would still take",
        ),
        _ => return None,
    };
    let statistic: Statistic = one.quantity.statistic?;
    let least = statistic.of(&spread);
    if !one.comparison.wants_less() || one.holds(least, None)? {
        return None;
    }
    let text = format!(
        "{} cannot be met by any number of replicas: {why} {} of that figure.",
        objective(one),
        value(one.quantity, least),
    );
    Some(bound(Sentence::new(text).on(runs, one.quantity, least), one))
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
