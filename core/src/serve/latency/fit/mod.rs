//! From times to coefficients: non-negative least squares over what steps did and how long they took.
//!
//! A [`Point`] is the work of one step, or the sum of several, with its time. [`fit`] finds the coefficients with
//! the least sum of squared *relative* errors, since times span orders of magnitude and err by shares: each
//! equation is divided by its time, in later rounds by what the round before predicts for it. What the data cannot
//! tell is refused, by name, rather than guessed. [`observe`] makes points of an outcome.

mod errors;
mod observe;
mod solve;

pub use errors::{Errors, FitError};
pub use observe::{LeftOut, Observed, observe};

use super::coefficients::{StepWork, Term, UsPer};
use crate::synth::Chance;
use serde::{Deserialize, Serialize};
use solve::{Triangle, nnls, norm, triangle};

/// Terms.
const TERMS: usize = Term::ALL.len();
/// Rounds of weighting.
const ROUNDS: u32 = 4;
/// A column of which less than this share is its own follows from others.
const OWN_SHARE: f64 = 1e-4;
/// What follows from others with less than this weight is not named among them.
const NAMED_WEIGHT: f64 = 1e-2;
/// Fewest points a fitted term.
const POINTS_PER_TERM: usize = 2;

/// The work of one step, or the sum over several, and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// Steps.
    pub steps: f64,
    /// Calls that decoded, summed over the steps.
    pub sequences: f64,
    /// KV tokens read for decoding, the new ones included, summed over the steps.
    pub kv_tokens: f64,
    /// Prompt tokens computed.
    pub prefill_tokens: f64,
    /// Pairs of computed tokens and tokens that they attend to.
    pub attention_pairs: f64,
    /// Prompts completed.
    pub prompts: f64,
    /// Time.
    pub us: f64,
}

impl Point {
    /// One step.
    pub fn step(work: &StepWork, us: f64) -> Self {
        Point {
            steps: 1.0,
            sequences: work.decoding as f64,
            kv_tokens: (work.kv_tokens + work.decoding) as f64,
            prefill_tokens: work.prefill_tokens as f64,
            attention_pairs: work.pairs as f64,
            prompts: work.prompts as f64,
            us,
        }
    }

    /// Decode steps of the same calls, which hold `kv_tokens` before the first.
    pub fn stretch(decoding: u64, kv_tokens: u64, steps: u64, us: f64) -> Self {
        let (n, m) = (steps as f64, decoding as f64);
        Point {
            steps: n,
            sequences: n * m,
            kv_tokens: n * (kv_tokens as f64 + m) + m * n * (n - 1.0) / 2.0,
            us,
            ..Point::default()
        }
    }

    /// Amounts of work, in the order of [`Term::ALL`].
    fn work(&self) -> [f64; TERMS] {
        [self.steps, self.sequences, self.kv_tokens, self.prefill_tokens, self.attention_pairs, self.prompts]
    }

    /// The time that coefficients give for the work.
    pub fn predicted_us(&self, us_per: &UsPer) -> f64 {
        self.work().iter().zip(us_per.values()).map(|(amount, us)| amount * us).sum()
    }
}

/// How to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct FitOptions {
    /// Terms that keep a value, in microseconds per unit.
    pub held: Vec<(Term, f64)>,
    /// Share of the points that is kept from a fit to the rest, to say how well that predicts.
    pub held_out_share: f64,
    /// Decides which.
    pub seed: u64,
}

impl Default for FitOptions {
    fn default() -> Self {
        FitOptions { held: Vec::new(), held_out_share: 0.2, seed: 1 }
    }
}

/// A term and what is known of it besides its value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedTerm {
    /// The term.
    pub term: Term,
    /// Standard error of its coefficient; absent where it was held, or where the fit put it at 0.
    pub standard_error_us: Option<f64>,
    /// Whether it kept a value that was given.
    pub held: bool,
}

/// How well points are predicted that a fit did not see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldOut {
    /// Points.
    pub points: u64,
    /// Their relative errors.
    pub errors: Errors,
}

/// What a fit came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// The coefficients.
    pub us_per: UsPer,
    /// Each with its uncertainty, in the order of [`Term::ALL`].
    pub terms: Vec<FittedTerm>,
    /// Points that it was fitted to.
    pub points: u64,
    /// Share of the times' variance that it explains; absent where all times are equal.
    pub r2: Option<f64>,
    /// Relative errors on these points.
    pub residuals: Errors,
    /// Relative errors on points that were kept from a fit to the rest; absent where there are too few.
    pub held_out: Option<HeldOut>,
}

/// Fits coefficients to points.
///
/// # Errors
/// When a point is no time of any work, or when there are too few or they cannot tell the terms apart.
pub fn fit(points: &[Point], options: &FitOptions) -> Result<Fit, FitError> {
    errors::check(points, options)?;
    let free: Vec<Term> =
        Term::ALL.into_iter().filter(|term| options.held.iter().all(|(held, _)| held != term)).collect();
    let (us_per, spreads) = solve(points, &free, options)?;
    let terms = Term::ALL
        .into_iter()
        .zip(spreads)
        .map(|(term, standard_error_us)| FittedTerm { term, standard_error_us, held: !free.contains(&term) })
        .collect();
    Ok(Fit {
        us_per,
        terms,
        points: points.len() as u64,
        r2: errors::r2(points, &us_per),
        residuals: Errors::of(points.iter(), &us_per),
        held_out: held_out(points, &free, options),
    })
}

/// Fits to some of the points and predicts the others.
fn held_out(points: &[Point], free: &[Term], options: &FitOptions) -> Option<HeldOut> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    let mut chance = Chance::new(options.seed);
    for place in (1..order.len()).rev() {
        order.swap(place, (chance.bits() % (place as u64 + 1)) as usize);
    }
    let kept = libm::floor(points.len() as f64 * options.held_out_share) as usize;
    let (unseen, seen) = order.split_at(kept);
    let seen: Vec<Point> = seen.iter().map(|&place| points[place]).collect();
    let (us_per, _) = solve(&seen, free, options).ok()?;
    let errors = Errors::of(unseen.iter().map(|&place| &points[place]), &us_per);
    (kept > 0).then_some(HeldOut { points: kept as u64, errors })
}

/// Coefficients, and standard errors of those that are not held and not 0.
fn solve(
    points: &[Point],
    free: &[Term],
    options: &FitOptions,
) -> Result<(UsPer, [Option<f64>; TERMS]), FitError> {
    let needed = POINTS_PER_TERM * free.len();
    if points.len() < needed {
        return Err(FitError::TooFew { found: points.len(), needed });
    }
    let mut values = [0.0; TERMS];
    for &(term, us) in &options.held {
        values[term as usize] = us;
    }
    let held = UsPer::from_values(values);
    let mut spreads = [None; TERMS];
    let mut us_per = None;
    for _ in 0..ROUNDS {
        // A prediction far below the time would let one point rule all others.
        let scale =
            |point: &Point| us_per.map_or(point.us, |us| point.predicted_us(&us).max(point.us / 10.0));
        let system = System::new(points, free, &held, scale);
        system.check(free)?;
        let (found, errors) = system.solve(points.len());
        for (&term, (value, error)) in free.iter().zip(found.into_iter().zip(errors)) {
            (values[term as usize], spreads[term as usize]) = (value, error);
        }
        us_per = Some(UsPer::from_values(values));
    }
    Ok((UsPer::from_values(values), spreads))
}

/// Weighted equations, turned into a triangle of columns of length 1.
struct System {
    triangle: Triangle,
    /// What each column was divided by.
    lengths: Vec<f64>,
}

impl System {
    fn new(points: &[Point], free: &[Term], held: &UsPer, scale: impl Fn(&Point) -> f64) -> Self {
        let mut columns: Vec<Vec<f64>> = free
            .iter()
            .map(|&term| points.iter().map(|point| point.work()[term as usize] / scale(point)).collect())
            .collect();
        let rhs = points.iter().map(|point| (point.us - point.predicted_us(held)) / scale(point)).collect();
        let lengths: Vec<f64> = columns.iter().map(|column| norm(column)).collect();
        for (column, &length) in columns.iter_mut().zip(&lengths) {
            if length > 0.0 {
                column.iter_mut().for_each(|value| *value /= length);
            }
        }
        System { triangle: triangle(columns, rhs), lengths }
    }

    /// Refuses columns that are empty or follow from others.
    fn check(&self, free: &[Term]) -> Result<(), FitError> {
        if let Some(place) = self.lengths.iter().position(|&length| length == 0.0) {
            return Err(FitError::Absent { term: free[place] });
        }
        for (place, &term) in free.iter().enumerate() {
            let column = &self.triangle.columns[place];
            if column[place].abs() >= OWN_SHARE {
                continue;
            }
            let before = Triangle {
                columns: self.triangle.columns[..place]
                    .iter()
                    .map(|column| column[..place].to_vec())
                    .collect(),
                rhs: column[..place].to_vec(),
                rest: 0.0,
            };
            let weights = before.solve();
            let with = free.iter().zip(weights).filter(|(_, weight)| weight.abs() > NAMED_WEIGHT);
            return Err(FitError::Together { term, with: with.map(|(&term, _)| term).collect() });
        }
        Ok(())
    }

    fn solve(&self, points: usize) -> (Vec<f64>, Vec<Option<f64>>) {
        let Triangle { columns, rhs, rest } = &self.triangle;
        let scaled = nnls(columns, rhs);
        let freed: Vec<usize> = (0..scaled.len()).filter(|&place| scaled[place] > 0.0).collect();
        let of_freed = triangle(freed.iter().map(|&place| columns[place].clone()).collect(), rhs.clone());
        let variance = (points > freed.len()).then(|| (rest + of_freed.rest) / (points - freed.len()) as f64);
        let mut errors = vec![None; scaled.len()];
        for (&place, spread) in freed.iter().zip(of_freed.spreads()) {
            errors[place] = variance.map(|variance| libm::sqrt(variance * spread) / self.lengths[place]);
        }
        let values = scaled.iter().zip(&self.lengths).map(|(value, length)| value / length).collect();
        (values, errors)
    }
}
