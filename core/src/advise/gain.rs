//! What one lever adds to a set-up, draw by draw.

use super::risk::{Risk, risk};
use super::sample::drawn_order;
use super::{Draws, Lever, Sentence};
use crate::metrics::objective::Quantity;
use crate::metrics::{PolicyMetrics, answered, percentile, summarise};
use crate::policy::PolicyRun;
use crate::synth::Chance;
use serde::Serialize;
use std::cmp::Ordering;

/// A smaller share of a figure is no gain.
pub(super) const LEAST_GAIN: f64 = 0.01;

/// Which figure decides what goes first: it is to become better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ranking {
    /// The figure.
    pub quantity: Quantity,
}

impl Ranking {
    /// The share of the figure that a change from `before` to `after` gains; below 0 a loss.
    pub fn gain(&self, before: &PolicyMetrics, after: &PolicyMetrics) -> f64 {
        let (Some(was), Some(is)) = (self.quantity.of(before), self.quantity.of(after)) else { return 0.0 };
        let better = if self.quantity.metric.less_is_better { was - is } else { is - was };
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
    /// Cached over prompt tokens; null where nothing could be found.
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
        let something = row.ceiling_hit_rate.is_some_and(|ceiling| ceiling > 0.0);
        Glance {
            ranked: ranking.quantity.of(row),
            ttft_mean_ms: row.ttft_ms.map(|spread| spread.mean),
            ttft_p95_ms: row.ttft_ms.map(|spread| spread.p95),
            job_mean_ms: row.job_ms.map(|spread| spread.mean),
            hit_rate: row.hit_rate.filter(|_| something),
            prefill_tokens: row.prefill_tokens,
            calls: row.calls,
            failed: row.failed,
        }
    }
}

/// What a lever gains in one draw, as shares; below 0 a loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Drawn {
    /// Of the ranking figure.
    pub gain: f64,
    /// Of the mean time to first token.
    pub ttft_gain: f64,
}

impl Drawn {
    /// What decides between levers: the ranking figure, and where it hardly moves the mean time to first
    /// token. A percentile of few calls may not see what most of them gain.
    fn worth(self) -> (f64, f64) {
        (if self.gain.abs() < LEAST_GAIN { 0.0 } else { self.gain }, self.ttft_gain)
    }

    fn is_worth_it(self) -> bool {
        let (ranked, ttft) = self.worth();
        ranked > 0.0 || (ranked >= 0.0 && ttft >= LEAST_GAIN)
    }
}

/// What one lever adds to a set-up.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Gain {
    /// What was turned on.
    pub lever: String,
    /// What it is: `cache`, `router`, `eviction`, `memory`, `scheduler`, `context`, or `together` for several.
    pub kind: String,
    /// What it was added to.
    pub to: String,
    /// What that gives.
    pub gives: String,
    /// Whether the model is told less.
    pub lossy: bool,
    /// Share of the ranking figure that it gains; below 0 a loss. The median of the draws.
    pub gain: f64,
    /// The same of the mean time to first token, which decides where the ranking figure hardly moves.
    pub ttft_gain: f64,
    /// Draw by draw. What is no gain in the first draw is not drawn again.
    pub draws: Vec<Drawn>,
    /// Whether it was tried in the place of a step, and draws do not tell it from that.
    pub equal: bool,
    /// Without it, in the first draw.
    pub before: Glance,
    /// With it, in the first draw.
    pub after: Glance,
    /// What is published of its quality.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// The same in a sentence.
    pub says: Sentence,
}

impl Gain {
    /// In the first draw; nothing is said of it yet.
    pub(super) fn first(
        (lever, to, gives): (&Lever, String, String),
        ranking: Ranking,
        without: &PolicyRun,
        with: &PolicyRun,
    ) -> Self {
        let (before, after, drawn) = drawn(ranking, without, with, None);
        let context = if let Lever::Context(name) = lever { Some(name.as_str()) } else { None };
        Gain {
            lever: lever.name(),
            kind: lever.kind().to_owned(),
            to,
            gives,
            lossy: context.is_some(),
            gain: drawn.gain,
            ttft_gain: drawn.ttft_gain,
            draws: vec![drawn],
            equal: false,
            before: Glance::at(&before, ranking),
            after: Glance::at(&after, ranking),
            risk: context.and_then(risk),
            says: Sentence::new(""),
        }
    }

    /// In one draw more. Where draws are parts of one run, that run comes each time.
    pub(super) fn again(&mut self, draws: Draws, ranking: Ranking, without: &PolicyRun, with: &PolicyRun) {
        let part = match draws {
            Draws::Halves(_, seed) => Some(half(without, seed, self.draws.len() as u32)),
            Draws::Arrivals(_) => None,
        };
        let (.., drawn) = drawn(ranking, without, with, part.as_deref());
        self.draws.push(drawn);
        (self.gain, self.ttft_gain) = (median(&self.gains()), median(&self.ttft_gains()));
    }

    /// The median of the draws made so far.
    fn median(&self) -> Drawn {
        Drawn { gain: self.gain, ttft_gain: self.ttft_gain }
    }

    /// Whether it gains in every draw made so far.
    pub(super) fn holds(&self) -> bool {
        self.draws.iter().all(|drawn| drawn.is_worth_it())
    }

    /// Whether it gains in some draws and not in others.
    pub(super) fn wavers(&self) -> bool {
        self.draws.len() > 1 && !self.holds()
    }

    /// Whether the mean time to first token is all that moves.
    pub(super) fn moves_ttft_alone(&self) -> bool {
        self.gain.abs() < LEAST_GAIN && self.ttft_gain.abs() >= LEAST_GAIN
    }

    /// Least and most of the draws, of what decides; nothing where they do not differ.
    fn spread(&self) -> Option<(f64, f64)> {
        if self.moves_ttft_alone() { self.ttft_over_draws() } else { self.over_draws() }
    }

    /// Least and most of the draws, of the ranking figure.
    pub(super) fn over_draws(&self) -> Option<(f64, f64)> {
        spread(&self.gains())
    }

    /// The same of the mean time to first token.
    pub(super) fn ttft_over_draws(&self) -> Option<(f64, f64)> {
        spread(&self.ttft_gains())
    }

    /// Whether draws do not tell it from another gain in its place: one's median lies within the other's spread.
    pub(super) fn is_like(&self, other: &Gain) -> bool {
        self.draws.len() > 1 && other.holds() && (self.covers(other) || other.covers(self))
    }

    fn covers(&self, other: &Gain) -> bool {
        let ttft = self.moves_ttft_alone();
        let (own, of) = if ttft { (self.ttft_gain, other.ttft_gain) } else { (self.gain, other.gain) };
        let (least, most) = self.spread().unwrap_or((own, own));
        ttft == other.moves_ttft_alone() && (least..=most).contains(&of)
    }

    /// What gains in every draw before what does not, and of such what gains most.
    pub(super) fn order(&self, other: &Gain) -> Ordering {
        let ((a, a_ttft), (b, b_ttft)) = (self.median().worth(), other.median().worth());
        other.holds().cmp(&self.holds()).then(b.total_cmp(&a)).then(b_ttft.total_cmp(&a_ttft))
    }

    /// Of the ranking figure draw by draw, sorted.
    fn gains(&self) -> Vec<f64> {
        sorted(self.draws.iter().map(|drawn| drawn.gain).collect())
    }

    /// The same of the mean time to first token.
    fn ttft_gains(&self) -> Vec<f64> {
        sorted(self.draws.iter().map(|drawn| drawn.ttft_gain).collect())
    }
}

fn sorted(mut all: Vec<f64>) -> Vec<f64> {
    all.sort_unstable_by(f64::total_cmp);
    all
}

fn spread(sorted: &[f64]) -> Option<(f64, f64)> {
    let (least, most) = (sorted.first()?, sorted.last()?);
    least.total_cmp(most).is_ne().then_some((*least, *most))
}

fn median(sorted: &[f64]) -> f64 {
    percentile(sorted, 0.5).unwrap_or(0.0)
}

/// Both sides over the calls that both finished, of a part of them where one is given.
fn drawn(
    ranking: Ranking,
    without: &PolicyRun,
    with: &PolicyRun,
    part: Option<&[bool]>,
) -> (PolicyMetrics, PolicyMetrics, Drawn) {
    let both = answered(&without.outcome).into_iter().zip(answered(&with.outcome)).map(|(a, b)| a && b);
    let within = |call: usize| part.is_none_or(|part| part.get(call).copied().unwrap_or(false));
    let common: Vec<bool> = both.enumerate().map(|(call, both)| both && within(call)).collect();
    let row = |run: &PolicyRun| summarise(&run.name, &run.workload, &run.outcome, &common);
    let (before, after) = (row(without), row(with));
    let ttft_gain = match (before.ttft_ms, after.ttft_ms) {
        (Some(was), Some(is)) => share(was.mean - is.mean, was.mean),
        _ => 0.0,
    };
    let drawn = Drawn { gain: ranking.gain(&before, &after), ttft_gain };
    (before, after, drawn)
}

/// The calls of one half of the sessions, drawn at random. An odd draw and the one after it make up the whole.
fn half(run: &PolicyRun, seed: u64, draw: u32) -> Vec<bool> {
    let sessions = &run.workload.sessions;
    let mut chance = Chance::part(seed, &[u64::from(draw.saturating_sub(1) / 2), sessions.len() as u64]);
    let order = drawn_order(sessions.len(), &mut chance);
    let (one, other) = order.split_at(order.len() / 2);
    let mut taken = vec![false; run.outcome.calls.len()];
    for &session in if draw % 2 == 1 { one } else { other } {
        for call in sessions[session].calls.indices() {
            if let Some(slot) = taken.get_mut(call as usize) {
                *slot = true;
            }
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Run, WorkSession, Workload};

    /// Two halves that follow each other make up the whole, whatever the seed; another pair is another split.
    #[test]
    fn halves_are_halves() {
        let session = |number: u32| WorkSession {
            id: number.to_string(),
            calls: Run { first: 2 * number, count: 2 },
            sessionless: false,
            start_us: 0,
        };
        let workload = Workload { sessions: (0..9).map(session).collect(), ..Workload::default() };
        let outcome = crate::trace::Outcome { calls: vec![Default::default(); 18], ..Default::default() };
        let run = PolicyRun { name: String::new(), workload: workload.into(), outcome };
        for seed in 0..20 {
            let (one, other) = (half(&run, seed, 1), half(&run, seed, 2));
            assert!(one.iter().zip(&other).all(|(one, other)| one != other));
            assert_eq!(one.iter().filter(|taken| **taken).count(), 8, "four of nine sessions of two calls");
            assert!(one.chunks(2).all(|calls| calls[0] == calls[1]), "sessions stay whole");
        }
        assert!((0..20).any(|seed| half(&run, seed, 1) != half(&run, seed, 3)));
    }
}
