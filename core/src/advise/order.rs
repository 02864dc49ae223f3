//! What to turn on first, and what each adds to what is on already.

use super::risk::warning;
use super::{Lever, Risk, Sentence, Setup, risk};
use crate::figure::units::{grouped, percent, time};
use crate::metrics::objective::Quantity;
use crate::metrics::{PolicyMetrics, summarise};
use crate::policy::{PolicyRun, ScenarioError};
use crate::trace::CallStatus;
use serde::Serialize;
use std::cmp::Ordering;

/// A smaller share of a figure is no gain.
const LEAST_GAIN: f64 = 0.01;

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
}

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
}

impl Glance {
    fn at(row: &PolicyMetrics) -> Self {
        Glance {
            ttft_mean_ms: row.ttft_ms.map(|spread| spread.mean),
            ttft_p95_ms: row.ttft_ms.map(|spread| spread.p95),
            job_mean_ms: row.job_ms.map(|spread| spread.mean),
            hit_rate: row.hit_rate,
            prefill_tokens: row.prefill_tokens,
            calls: row.calls,
        }
    }
}

/// What one lever adds to a set-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// What was turned on.
    pub lever: String,
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
}

impl Gain {
    /// What decides between levers: the ranking figure, and where it hardly moves the mean time to first
    /// token. A percentile of few calls may not see what most of them gain.
    fn worth(&self) -> (f64, f64) {
        (if self.gain.abs() < LEAST_GAIN { 0.0 } else { self.gain }, self.ttft_gain)
    }

    fn is_worth_it(&self) -> bool {
        let (ranked, ttft) = self.worth();
        ranked > 0.0 || (ranked >= 0.0 && ttft >= LEAST_GAIN)
    }
}

/// What to turn on, in which order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrderAdvice {
    /// The figure that decides.
    pub ranked_by: String,
    /// Lossless levers, each the best one on top of those before it.
    pub steps: Vec<Gain>,
    /// What else was tried in the place of one of the steps, on top of what that was added to.
    pub instead: Vec<Gain>,
    /// Lossless levers that add nothing worth it on top of all steps.
    pub left: Vec<Gain>,
    /// Lossy levers, each alone on top of all steps, the best first.
    pub lossy: Vec<Gain>,
    /// All steps together.
    pub setup: Setup,
    /// What is said of it.
    pub says: Vec<Sentence>,
    /// What lossy levers put at risk.
    pub warnings: Vec<Sentence>,
}

/// Runs a set-up; nothing where it cannot be applied to the trace.
pub type Runner<'a> = dyn FnMut(&Setup) -> Result<Option<PolicyRun>, ScenarioError> + 'a;

/// Turns lossless levers on, always the one that gains most, until none gains anything worth it; then
/// tries each lossy one on top. Steps compare the calls and sessions that both sides finished.
///
/// # Errors
/// Those of the runs.
pub fn greedy(
    lossless: &[Lever],
    lossy: &[Lever],
    ranking: Ranking,
    run: &mut Runner<'_>,
) -> Result<OrderAdvice, ScenarioError> {
    let mut setup = Setup::default();
    let (mut steps, mut instead, mut left) = (Vec::new(), Vec::new(), Vec::new());
    let mut lossy_gains = Vec::new();
    if let Some(mut current) = run(&setup)? {
        loop {
            let mut tried = try_all(lossless, &setup, &current, ranking, run)?;
            if !tried.first().is_some_and(|(_, gain, _)| gain.is_worth_it()) {
                left = tried.into_iter().map(|(_, gain, _)| gain).collect();
                break;
            }
            let (lever, gain, with) = tried.remove(0);
            setup = lever.on(&setup);
            current = with;
            steps.push(gain);
            let others = tried.into_iter().filter(|(other, ..)| !other.fits(&setup));
            instead.extend(others.map(|(_, gain, _)| gain));
        }
        let tried = try_all(lossy, &setup, &current, ranking, run)?;
        lossy_gains = tried.into_iter().map(|(_, gain, _)| gain).collect();
    }
    let ranked_by = ranking.quantity.to_string();
    let warnings = warnings(&lossy_gains);
    let says = Vec::new();
    let mut advice =
        OrderAdvice { ranked_by, steps, instead, left, lossy: lossy_gains, setup, says, warnings };
    advice.says = sentences(&advice);
    Ok(advice)
}

/// Every lever that fits, on top of a set-up, the best first.
fn try_all(
    levers: &[Lever],
    setup: &Setup,
    current: &PolicyRun,
    ranking: Ranking,
    run: &mut Runner<'_>,
) -> Result<Vec<(Lever, Gain, PolicyRun)>, ScenarioError> {
    let mut tried = Vec::new();
    for lever in levers.iter().filter(|lever| lever.fits(setup)) {
        let Some(with) = run(&lever.on(setup))? else { continue };
        let gain = gain(lever, setup, ranking, current, &with);
        tried.push((lever.clone(), gain, with));
    }
    // Of equals the first one stays first.
    tried.sort_by(|(_, a, _), (_, b, _)| {
        let ((a, a_ttft), (b, b_ttft)) = (a.worth(), b.worth());
        b.total_cmp(&a).then(b_ttft.total_cmp(&a_ttft))
    });
    Ok(tried)
}

fn gain(lever: &Lever, setup: &Setup, ranking: Ranking, without: &PolicyRun, with: &PolicyRun) -> Gain {
    let finished = |call: &crate::trace::CallOutcome| call.status == CallStatus::Ok;
    let calls = without.outcome.calls.iter().zip(&with.outcome.calls);
    let common: Vec<bool> = calls.map(|(a, b)| finished(a) && finished(b)).collect();
    let row = |run: &PolicyRun| summarise(&run.name, &run.workload, &run.outcome, &common);
    let (before, after) = (row(without), row(with));
    let context = if let Lever::Context(name) = lever { Some(name.as_str()) } else { None };
    Gain {
        lever: lever.name().to_owned(),
        to: setup.name(),
        gives: lever.on(setup).name(),
        lossy: context.is_some(),
        gain: ranking.gain(&before, &after),
        ttft_gain: match (before.ttft_ms, after.ttft_ms) {
            (Some(was), Some(is)) => share(was.mean - is.mean, was.mean),
            _ => 0.0,
        },
        before: Glance::at(&before),
        after: Glance::at(&after),
        risk: context.and_then(risk),
    }
}

/// What is said of an order.
fn sentences(advice: &OrderAdvice) -> Vec<Sentence> {
    let mut says = Vec::new();
    let by = &advice.ranked_by;
    if advice.steps.is_empty() {
        let text = format!(
            "Nothing lossless gains as much as {} in `{by}` or mean TTFT.",
            percent(Some(LEAST_GAIN))
        );
        says.push(advice.left.iter().fold(Sentence::new(text), rests));
    }
    for (place, step) in (1..).zip(&advice.steps) {
        says.push(rests(
            Sentence::new(format!("{place}. Turn on {}: {}.", titled(step), change(step))),
            step,
        ));
    }
    for other in &advice.instead {
        let text = format!("Instead, {} on top of `{}` gives: {}.", titled(other), other.to, change(other));
        says.push(rests(Sentence::new(text), other));
    }
    for left in &advice.left {
        let text = format!("On top of that, {} adds nothing worth it: {}.", titled(left), change(left));
        says.push(rests(Sentence::new(text), left));
    }
    for lossy in &advice.lossy {
        let text = format!("Lossy, on top of `{}`: {}: {}.", lossy.to, titled(lossy), change(lossy));
        says.push(rests(Sentence::new(text), lossy));
    }
    says
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

fn titled(gain: &Gain) -> String {
    match gain.lever.as_str() {
        "prefix-cache" => "the prefix cache".to_owned(),
        name => format!("`{name}`"),
    }
}

fn change(gain: &Gain) -> String {
    let (was, is) = (&gain.before, &gain.after);
    let mut parts = Vec::new();
    let mut times = |name: &str, was: Option<f64>, is: Option<f64>| {
        if let (Some(was), Some(is)) = (was, is) {
            let more =
                if was > 0.0 { format!(" ({:+.1} %)", (is / was - 1.0) * 100.0) } else { String::new() };
            parts.push(format!("{name} {} → {}{more}", time(was), time(is)));
        }
    };
    times("mean TTFT", was.ttft_mean_ms, is.ttft_mean_ms);
    times("p95", was.ttft_p95_ms, is.ttft_p95_ms);
    times("mean job time", was.job_mean_ms, is.job_mean_ms);
    parts.push(format!("hit rate {} → {}", percent(was.hit_rate), percent(is.hit_rate)));
    parts.push(format!("prefill tokens {} → {}", grouped(was.prefill_tokens), grouped(is.prefill_tokens)));
    parts.join(", ")
}

fn rests(sentence: Sentence, gain: &Gain) -> Sentence {
    [(&gain.to, &gain.before), (&gain.gives, &gain.after)].into_iter().fold(
        sentence,
        |sentence, (name, at)| {
            sentence
                .on(name, "ttft_ms.mean", at.ttft_mean_ms)
                .on(name, "ttft_ms.p95", at.ttft_p95_ms)
                .on(name, "job_ms.mean", at.job_mean_ms)
                .on(name, "hit_rate", at.hit_rate)
                .on(name, "prefill_tokens", at.prefill_tokens as f64)
        },
    )
}
