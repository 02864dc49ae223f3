//! How a length predictor did: its ranks, what it covered and what it wasted.

use crate::trace::{CallStatus, Outcome, Workload};
use serde::{Deserialize, Serialize};

/// How a length predictor did, over the calls of known output that a policy finished. A call that came before anything was known
/// counts with what it asked for, since that is what the scheduler took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Calls longer than predicted: a hard cap at the prediction would have truncated them.
    pub under: u64,
    /// Calls not longer than predicted.
    pub covered: u64,
    /// Tokens reserved beyond what was generated.
    pub wasted_tokens: u64,
    /// Share of the calls that are covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
    /// Tokens generated beyond the prediction: a hard cap would have lost them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated_tokens: Option<u64>,
    /// Kendall's rank correlation of predicted and real lengths, corrected for ties (tau-b); null where all
    /// predictions or all lengths are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kendall_tau: Option<f64>,
}

impl Predictions {
    /// Of an outcome; `None` where nothing was predicted.
    pub fn of(workload: &Workload, outcome: &Outcome) -> Option<Predictions> {
        let asked = outcome.calls.iter().filter(|call| call.status == CallStatus::Ok);
        let asked = asked.filter(|call| workload.knows_output(call.id));
        let pairs: Vec<(u64, u64)> =
            asked.filter_map(|call| Some((call.predicted_tokens?, call.output_tokens))).collect();
        if pairs.is_empty() {
            return None;
        }
        let mut sums = Predictions { kendall_tau: kendall_tau(&pairs), ..Predictions::default() };
        let mut truncated_tokens = 0;
        for &(guess, real) in &pairs {
            if real > guess {
                sums.under += 1;
                truncated_tokens += real - guess;
            } else {
                sums.covered += 1;
                sums.wasted_tokens += guess - real;
            }
        }
        sums.coverage = Some(sums.covered as f64 / pairs.len() as f64);
        sums.truncated_tokens = Some(truncated_tokens);
        Some(sums)
    }
}

/// Kendall's tau-b: concordant less discordant pairs, over the geometric mean of the pairs that are not tied in one
/// and in the other. By Knight's method: sorted by the first, discordant pairs are the exchanges that sorting by the
/// second takes. `None` where one of them does not vary.
pub fn kendall_tau(pairs: &[(u64, u64)]) -> Option<f64> {
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable();
    let all = pairs_of(sorted.len());
    let tied_first = tied(&sorted, |pair| pair.0);
    let tied_both = tied(&sorted, |pair| *pair);
    let mut second: Vec<u64> = sorted.iter().map(|pair| pair.1).collect();
    let discordant = exchanges(&mut second);
    let tied_second = tied(&second, |value| *value);
    let differ = (all - tied_first) as f64 * (all - tied_second) as f64;
    // Pairs that are tied in neither, less those that are discordant twice over.
    let concordant_less_discordant =
        all as f64 - tied_first as f64 - tied_second as f64 + tied_both as f64 - 2.0 * discordant as f64;
    (differ > 0.0).then(|| concordant_less_discordant / differ.sqrt())
}

fn pairs_of(count: usize) -> u64 {
    let count = count as u64;
    count * count.saturating_sub(1) / 2
}

/// Pairs of neighbours, near or far, that agree, in a list where equals stand together.
fn tied<T, K: PartialEq>(sorted: &[T], key: impl Fn(&T) -> K) -> u64 {
    sorted.chunk_by(|a, b| key(a) == key(b)).map(|run| pairs_of(run.len())).sum()
}

/// Sorts by merging and counts the pairs that stood in the wrong order.
fn exchanges(values: &mut [u64]) -> u64 {
    let mut merged = values.to_vec();
    let mut count = 0;
    let mut width = 1;
    while width < values.len() {
        for (from, to) in values.chunks(2 * width).zip(merged.chunks_mut(2 * width)) {
            let (left, right) = from.split_at(width.min(from.len()));
            let (mut i, mut j) = (0, 0);
            for place in to {
                if j == right.len() || (i < left.len() && left[i] <= right[j]) {
                    *place = left[i];
                    i += 1;
                } else {
                    *place = right[j];
                    j += 1;
                    count += (left.len() - i) as u64;
                }
            }
        }
        values.copy_from_slice(&merged);
        width *= 2;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synth::Chance;
    use crate::trace::CallOutcome;

    /// All pairs, one by one.
    fn plain(pairs: &[(u64, u64)]) -> Option<f64> {
        let (mut sum, mut first, mut second) = (0i64, 0i64, 0i64);
        for (place, a) in pairs.iter().enumerate() {
            for b in &pairs[..place] {
                let (x, y) = (a.0.cmp(&b.0) as i64, a.1.cmp(&b.1) as i64);
                sum += x * y;
                first += x * x;
                second += y * y;
            }
        }
        (first * second > 0).then(|| sum as f64 / (first as f64 * second as f64).sqrt())
    }

    #[test]
    fn tau_is_that_of_all_pairs() {
        let mut chance = Chance::new(17);
        for count in [2, 3, 5, 8, 33, 100, 257] {
            for range in [2, 5, 1_000_000] {
                let pairs: Vec<(u64, u64)> =
                    (0..count).map(|_| (chance.bits() % range, chance.bits() % range)).collect();
                let (fast, slow) = (kendall_tau(&pairs), plain(&pairs));
                assert_eq!(fast.is_some(), slow.is_some());
                assert!((fast.unwrap_or(0.0) - slow.unwrap_or(0.0)).abs() < 1e-12, "{fast:?} {slow:?}");
            }
        }
    }

    /// Ranks 1 2 3 4 against 1 3 2 4: of six pairs one is discordant, (5 − 1) / 6. With a tie in the first of three:
    /// (1, 1), (1, 2), (2, 3): two concordant of three pairs, of which two and three are not tied: 2 / √6.
    #[test]
    fn tau_is_that_of_the_hand() {
        assert_eq!(kendall_tau(&[(1, 1), (2, 3), (3, 2), (4, 4)]), Some(4.0 / 6.0));
        assert_eq!(kendall_tau(&[(1, 1), (1, 2), (2, 3)]), Some(2.0 / 6.0f64.sqrt()));
        assert_eq!(kendall_tau(&[(1, 9), (2, 5), (3, 1)]), Some(-1.0));
        assert_eq!(kendall_tau(&[(7, 1), (7, 2)]), None);
        assert_eq!(kendall_tau(&[(1, 1)]), None);
        assert_eq!(kendall_tau(&[]), None);
    }

    /// Predicted 100, 50, 10 and 80 of 60, 70, 10 and 200: two covered with 40 left over, two too short by 20 and 120.
    #[test]
    fn sums_are_those_of_the_hand() {
        let call = |predicted: Option<u64>, output_tokens, status| CallOutcome {
            predicted_tokens: predicted,
            output_tokens,
            status,
            ..CallOutcome::default()
        };
        let work = Workload { unknown_outputs: vec![7], ..Workload::default() };
        let mut calls: Vec<CallOutcome> = [(100, 60), (50, 70), (10, 10), (80, 200)]
            .into_iter()
            .map(|(guess, real)| call(Some(guess), real, CallStatus::Ok))
            .collect();
        calls.push(call(Some(5), 0, CallStatus::Rejected));
        calls.push(call(None, 5, CallStatus::Ok));
        // Whose length nobody knows tells nothing of a prediction.
        calls.push(CallOutcome { id: 7, ..call(Some(9), 0, CallStatus::Ok) });
        let found = Predictions::of(&work, &Outcome { calls, ..Outcome::default() }).unwrap();
        assert_eq!((found.under, found.covered, found.wasted_tokens), (2, 2, 40));
        assert_eq!((found.coverage, found.truncated_tokens), (Some(0.5), Some(140)));
        // By real length 10, 60, 70, 200 the predictions are 10, 100, 50, 80: two of six pairs are discordant.
        assert_eq!(found.kendall_tau, Some(2.0 / 6.0));
        assert_eq!(Predictions::of(&work, &Outcome::default()), None);
    }
}
