//! What to turn on first, and what each adds to what is on already.

use super::order_words::{sentences, step};
use super::risk::warning;
use super::{Lever, Risk, Sentence, Setup, risk};
use crate::metrics::objective::Quantity;
use crate::metrics::{PolicyMetrics, summarise};
use crate::policy::{PolicyRun, ScenarioError};
use crate::trace::CallStatus;
use serde::Serialize;
use std::cmp::Ordering;

/// A smaller share of a figure is no gain.
pub(super) const LEAST_GAIN: f64 = 0.01;

/// Which figure decides what goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// The figure.
    pub quantity: Quantity,
    /// Whether less of it is better.
    pub less: bool,
}

impl Ranking {
    /// The share of the figure that a change from `before` to `after` gains; below 0 a loss.
    pub fn gain(&self, before: &PolicyMetrics, after: &PolicyMetrics) -> f64 {
        let (Some(was), Some(is)) = (self.quantity.of(before), self.quantity.of(after)) else { return 0.0 };
        let better = if self.less { was - is } else { is - was };
        share(better, was)
    }

    /// Whether it is the figure that decides where another one hardly moves.
    pub fn is_mean_ttft(&self) -> bool {
        self.quantity.to_string() == MEAN_TTFT
    }
}

pub(super) const MEAN_TTFT: &str = "ttft_ms.mean";

/// A change as a share of what was; all of it where there was nothing.
fn share(change: f64, was: f64) -> f64 {
    match (change.total_cmp(&0.0), was.abs().total_cmp(&0.0)) {
        (Ordering::Equal, _) => 0.0,
        (_, Ordering::Equal) => change.signum(),
        _ => change / was.abs(),
    }
}

/// The figures that a step is looked at by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Glance {
    /// The figure that decides.
    pub ranked: Option<f64>,
    /// Mean time to first token.
    pub ttft_mean_ms: Option<f64>,
    /// Its 95th percentile.
    pub ttft_p95_ms: Option<f64>,
    /// Mean time of a session, tools included.
    pub job_mean_ms: Option<f64>,
    /// Cached over prompt tokens.
    pub hit_rate: Option<f64>,
    /// Prompt tokens computed.
    pub prefill_tokens: u64,
    /// Calls that both sides of the step finished.
    pub calls: u64,
    /// Calls that this side did not finish.
    pub failed: u64,
}

impl Glance {
    fn at(row: &PolicyMetrics, ranking: Ranking) -> Self {
        Glance {
            ranked: ranking.quantity.of(row),
            ttft_mean_ms: row.ttft_ms.map(|spread| spread.mean),
            ttft_p95_ms: row.ttft_ms.map(|spread| spread.p95),
            job_mean_ms: row.job_ms.map(|spread| spread.mean),
            hit_rate: row.hit_rate,
            prefill_tokens: row.prefill_tokens,
            calls: row.calls,
            failed: row.failed,
        }
    }
}

/// What one lever adds to a set-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// What was turned on.
    pub lever: String,
    /// What it is: `cache`, `router`, `eviction`, `memory`, `scheduler` or `context`.
    pub kind: String,
    /// What it was added to.
    pub to: String,
    /// What that gives.
    pub gives: String,
    /// Whether the model is told less.
    pub lossy: bool,
    /// Share of the ranking figure that it gains; below 0 a loss.
    pub gain: f64,
    /// The same of the mean time to first token, which decides where the ranking figure hardly moves.
    pub ttft_gain: f64,
    /// Without it.
    pub before: Glance,
    /// With it.
    pub after: Glance,
    /// What is published of its quality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The same in a sentence.
    pub says: Sentence,
}

impl Gain {
    /// What decides between levers: the ranking figure, and where it hardly moves the mean time to first
    /// token. A percentile of few calls may not see what most of them gain.
    fn worth(&self) -> (f64, f64) {
        (if self.gain.abs() < LEAST_GAIN { 0.0 } else { self.gain }, self.ttft_gain)
    }

    pub(super) fn is_worth_it(&self) -> bool {
        let (ranked, ttft) = self.worth();
        ranked > 0.0 || (ranked >= 0.0 && ttft >= LEAST_GAIN)
    }
}

/// What to turn on, in which order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrderAdvice {
    /// The figure that decides.
    pub ranked_by: String,
    /// What everything begins with: what was given as the present set-up, else `naive`.
    pub base: String,
    /// Lossless levers, each the best one on top of those before it.
    pub steps: Vec<Gain>,
    /// All steps together, against the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Gain>,
    /// What else was tried in the place of one of the steps, on top of what that was added to.
    pub instead: Vec<Gain>,
    /// Lossless levers that add nothing worth it on top of all steps.
    pub left: Vec<Gain>,
    /// Levers that no released engine has, each alone on top of all steps, the best first.
    pub research: Vec<Gain>,
    /// Lossy levers, each alone on top of all steps, the best first.
    pub lossy: Vec<Gain>,
    /// All steps together.
    pub setup: Setup,
    /// Cache blocks that were evicted with all steps; where none were, what makes room otherwise was not tried.
    pub evicted_blocks: Option<u64>,
    /// What is said of it.
    pub says: Vec<Sentence>,
    /// What lossy levers put at risk.
    pub warnings: Vec<Sentence>,
}

/// Everything that may be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levers {
    /// What changes nothing of what the model is told.
    pub lossless: Vec<Lever>,
    /// What no released engine has.
    pub research: Vec<Lever>,
    /// What changes what the model is told.
    pub lossy: Vec<Lever>,
}

/// Runs a set-up; nothing where it cannot be applied to the trace.
pub type Runner<'a> = dyn FnMut(&Setup) -> Result<Option<PolicyRun>, ScenarioError> + 'a;

/// Turns lossless levers on, always the one that gains most, until none gains anything worth it; then
/// tries each other one on top. Steps compare the calls and sessions that both sides finished. The run of all steps comes
/// with it.
///
/// # Errors
/// Those of the runs.
pub fn greedy(
    base: &Setup,
    levers: &Levers,
    ranking: Ranking,
    run: &mut Runner<'_>,
) -> Result<(OrderAdvice, Option<PolicyRun>), ScenarioError> {
    let mut advice = OrderAdvice {
        ranked_by: ranking.quantity.to_string(),
        base: base.name(),
        steps: Vec::new(),
        total: None,
        instead: Vec::new(),
        left: Vec::new(),
        research: Vec::new(),
        lossy: Vec::new(),
        setup: base.clone(),
        evicted_blocks: None,
        says: Vec::new(),
        warnings: Vec::new(),
    };
    let Some(first) = run(base)? else { return Ok((advice, None)) };
    let mut latest: Option<PolicyRun> = None;
    loop {
        let current = latest.as_ref().unwrap_or(&first);
        let mut tried = try_all(&levers.lossless, &advice.setup, current, ranking, run)?;
        if !tried.first().is_some_and(|(_, gain, _)| gain.is_worth_it()) {
            advice.left = gains(tried);
            break;
        }
        let (lever, gain, with) = tried.remove(0);
        advice.setup = lever.on(&advice.setup);
        advice.steps.push(gain);
        latest = Some(with);
        let others = tried.into_iter().filter(|(other, ..)| !other.fits(&advice.setup));
        advice.instead.extend(others.map(|(_, gain, _)| gain));
    }
    let current = latest.as_ref().unwrap_or(&first);
    advice.research = gains(try_all(&levers.research, &advice.setup, current, ranking, run)?);
    advice.lossy = gains(try_all(&levers.lossy, &advice.setup, current, ranking, run)?);
    advice.total = latest.as_ref().map(|last| {
        let names = ("all steps".to_owned(), "", base.name(), advice.setup.name());
        gain(names, None, ranking, &first, last)
    });
    advice.evicted_blocks = advice.setup.cache.then_some(current.outcome.counters.evicted_blocks);
    advice.warnings = warnings(&advice.lossy);
    advice.says = sentences(&advice, ranking);
    Ok((advice, Some(latest.unwrap_or(first))))
}

type Tried = Vec<(Lever, Gain, PolicyRun)>;

fn gains(tried: Tried) -> Vec<Gain> {
    tried.into_iter().map(|(_, gain, _)| gain).collect()
}

/// Every lever that fits and can do anything, on top of a set-up, the best first.
fn try_all(
    levers: &[Lever],
    setup: &Setup,
    current: &PolicyRun,
    ranking: Ranking,
    run: &mut Runner<'_>,
) -> Result<Tried, ScenarioError> {
    let pressed = current.outcome.counters.evicted_blocks > 0;
    let fits = |lever: &&Lever| lever.fits(setup) && (pressed || !lever.needs_pressure());
    let mut tried = Vec::new();
    for lever in levers.iter().filter(fits) {
        let on = lever.on(setup);
        let Some(with) = run(&on)? else { continue };
        let context = if let Lever::Context(name) = lever { Some(name.as_str()) } else { None };
        let names = (lever.name(), lever.kind(), setup.name(), on.name());
        tried.push((lever.clone(), gain(names, context, ranking, current, &with), with));
    }
    // Of equals the first one stays first.
    tried.sort_by(|(_, a, _), (_, b, _)| {
        let ((a, a_ttft), (b, b_ttft)) = (a.worth(), b.worth());
        b.total_cmp(&a).then(b_ttft.total_cmp(&a_ttft))
    });
    Ok(tried)
}

fn gain(
    (lever, kind, to, gives): (String, &str, String, String),
    context: Option<&str>,
    ranking: Ranking,
    without: &PolicyRun,
    with: &PolicyRun,
) -> Gain {
    let finished = |call: &crate::trace::CallOutcome| call.status == CallStatus::Ok;
    let calls = without.outcome.calls.iter().zip(&with.outcome.calls);
    let common: Vec<bool> = calls.map(|(a, b)| finished(a) && finished(b)).collect();
    let row = |run: &PolicyRun| summarise(&run.name, &run.workload, &run.outcome, &common);
    let (before, after) = (row(without), row(with));
    let mut gain = Gain {
        lever,
        kind: kind.to_owned(),
        to,
        gives,
        lossy: context.is_some(),
        gain: ranking.gain(&before, &after),
        ttft_gain: match (before.ttft_ms, after.ttft_ms) {
            (Some(was), Some(is)) => share(was.mean - is.mean, was.mean),
            _ => 0.0,
        },
        before: Glance::at(&before, ranking),
        after: Glance::at(&after, ranking),
        risk: context.and_then(risk),
        says: Sentence::new(""),
    };
    gain.says = step(&gain, ranking);
    gain
}

/// One warning for each kind of lossy lever.
fn warnings(lossy: &[Gain]) -> Vec<Sentence> {
    let kind = |gain: &Gain| gain.lever.split(':').next().unwrap_or_default().to_owned();
    let mut warned: Vec<String> = Vec::new();
    let mut says = Vec::new();
    for gain in lossy {
        if !warned.contains(&kind(gain)) {
            warned.push(kind(gain));
            says.push(warning(&gain.lever));
        }
    }
    says
}
