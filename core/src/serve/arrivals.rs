//! When sessions start.

use super::latency::{PS_PER_US, Ps};
use crate::synth::Chance;
use crate::trace::Workload;
use serde::{Deserialize, Serialize};

/// What decides when the next call of a session starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// The recorded delay after the calls it waits for (closed loop).
    Delays,
    /// The recorded time since the session's start (open loop).
    Times,
}

/// How sessions arrive, with everything random drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArrivalPlan {
    /// Each session at its time.
    At(Vec<Ps>),
    /// So many at a time, in order.
    Concurrency(u32),
    /// So many users, each with one session at a time, in order. A user's calls start a gap apart at least, whatever
    /// was recorded; the users' first calls are spread over one gap.
    Users {
        /// How many.
        users: u32,
        /// Least time between the starts of two calls of a user.
        gap: Ps,
    },
}

/// Picoseconds in a second.
const PS_PER_S: f64 = 1e12;

/// Recorded session starts, divided by `speed`.
pub fn recorded(work: &Workload, speed: f64) -> ArrivalPlan {
    let first = work.sessions.iter().map(|session| session.start_us).min().unwrap_or(0);
    let starts = work.sessions.iter().map(|session| scale_us(session.start_us - first, speed));
    ArrivalPlan::At(starts.collect())
}

/// A Poisson process of `per_s` sessions a second.
pub fn poisson(sessions: usize, per_s: f64, seed: u64) -> ArrivalPlan {
    renewal(sessions, seed, |chance| -libm::log(1.0 - chance.uniform()) / per_s)
}

/// Independent gaps of a gamma distribution: `per_s` sessions a second, burstier than a Poisson process where
/// `shape` is below 1, more even above; the gaps' standard deviation over their mean is one over its square root.
pub fn gamma(sessions: usize, per_s: f64, shape: f64, seed: u64) -> ArrivalPlan {
    renewal(sessions, seed, |chance| gamma_draw(shape, chance) / (shape * per_s))
}

/// One session every `1 / per_s` seconds.
pub fn constant(sessions: usize, per_s: f64) -> ArrivalPlan {
    let start = |number: usize| libm::round(number as f64 / per_s * PS_PER_S) as Ps;
    ArrivalPlan::At((0..sessions).map(start).collect())
}

/// `users` users that start `per_s` calls a second together, as far as their calls end in time.
pub fn users(users: u32, per_s: f64) -> ArrivalPlan {
    ArrivalPlan::Users { users, gap: libm::round(f64::from(users) / per_s * PS_PER_S) as Ps }
}

/// The first session at 0, each further one a drawn gap, in seconds, after the one before it.
fn renewal(sessions: usize, seed: u64, mut gap_s: impl FnMut(&mut Chance) -> f64) -> ArrivalPlan {
    let mut chance = Chance::new(seed);
    let mut now = 0.0;
    let starts = (0..sessions).map(|_| {
        let start = now;
        now += gap_s(&mut chance);
        libm::round(start * PS_PER_S) as Ps
    });
    ArrivalPlan::At(starts.collect())
}

/// A draw from the gamma distribution of scale 1, by Marsaglia and Tsang's squeeze; below shape 1, one of a shape
/// larger by 1 times a power of a uniform number.
fn gamma_draw(shape: f64, chance: &mut Chance) -> f64 {
    if shape < 1.0 {
        let larger = gamma_draw(shape + 1.0, chance);
        return larger * libm::pow(1.0 - chance.uniform(), 1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = chance.normal();
        let root = 1.0 + c * x;
        let v = root * root * root;
        let u = 1.0 - chance.uniform();
        if v > 0.0 && libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
            return d * v;
        }
    }
}

/// A time in microseconds of the source, in picoseconds of the simulation.
pub(super) fn scale_us(us: u64, speed: f64) -> Ps {
    if speed.total_cmp(&1.0).is_eq() {
        return us.saturating_mul(PS_PER_US);
    }
    libm::round(us as f64 / speed * PS_PER_US as f64) as Ps
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: usize = 40_001;

    fn gaps_s(plan: ArrivalPlan) -> Vec<f64> {
        let ArrivalPlan::At(starts) = plan else { panic!("times") };
        assert_eq!(starts[0], 0);
        assert!(starts.is_sorted());
        starts.windows(2).map(|pair| (pair[1] - pair[0]) as f64 / PS_PER_S).collect()
    }

    /// Mean and variance of a sample.
    fn moments(sample: &[f64]) -> (f64, f64) {
        let mean = sample.iter().sum::<f64>() / sample.len() as f64;
        let variance = sample.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / sample.len() as f64;
        (mean, variance)
    }

    /// Gaps of shape k and mean m have variance m²/k and fourth central moment (3 + 6/k)·m⁴/k². Both estimates must
    /// lie within four of their standard errors.
    fn check_gamma(gaps: &[f64], per_s: f64, shape: f64) {
        let n = gaps.len() as f64;
        let (mean, variance) = moments(gaps);
        let expected = 1.0 / (per_s * per_s * shape);
        let mean_error = (expected / n).sqrt();
        let variance_error = expected * ((2.0 + 6.0 / shape) / n).sqrt();
        assert!((mean - 1.0 / per_s).abs() < 4.0 * mean_error, "shape {shape}: mean {mean}");
        assert!((variance - expected).abs() < 4.0 * variance_error, "shape {shape}: variance {variance}");
    }

    #[test]
    fn gamma_gaps_have_their_mean_and_variance() {
        for (shape, per_s) in [(0.25, 4.0), (0.9, 1.0), (1.0, 7.0), (2.5, 0.5), (40.0, 100.0)] {
            check_gamma(&gaps_s(gamma(COUNT, per_s, shape, 11)), per_s, shape);
        }
    }

    /// A Poisson process has exponential gaps: shape 1. Below its mean lies 1 − 1/e of them.
    #[test]
    fn poisson_gaps_are_exponential() {
        let gaps = gaps_s(poisson(COUNT, 4.0, 7));
        check_gamma(&gaps, 4.0, 1.0);
        let share = |gaps: &[f64]| gaps.iter().filter(|gap| **gap < 0.25).count() as f64 / gaps.len() as f64;
        let below = 1.0 - (-1.0f64).exp();
        let error = (below * (1.0 - below) / gaps.len() as f64).sqrt();
        assert!((share(&gaps) - below).abs() < 4.0 * error);
        assert!((share(&gaps_s(gamma(COUNT, 4.0, 1.0, 3))) - below).abs() < 4.0 * error);
    }

    #[test]
    fn constant_starts_do_not_drift() {
        let ArrivalPlan::At(starts) = constant(3_000_001, 3.0) else { panic!("times") };
        assert_eq!(starts[..3], [0, 333_333_333_333, 666_666_666_667]);
        assert_eq!(starts[3_000_000], 1_000_000 * 1_000_000_000_000);
    }

    #[test]
    fn users_share_the_rate() {
        assert_eq!(users(8, 2.0), ArrivalPlan::Users { users: 8, gap: 4_000_000_000_000 });
    }

    #[test]
    fn a_seed_decides() {
        assert_eq!(gamma(50, 1.0, 0.5, 9), gamma(50, 1.0, 0.5, 9));
        assert_ne!(gamma(50, 1.0, 0.5, 9), gamma(50, 1.0, 0.5, 10));
    }
}
