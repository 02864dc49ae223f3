//! A sample of one quantity: how many values, their mean, quantiles and histogram, and how far it is
//! from another sample.

use super::percentile;
use serde::{Deserialize, Serialize};

/// What a report keeps of a sample. Values are rounded to six digits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Values in it.
    pub n: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Pairs of a share and the value that so many do not exceed, by rising share; 0 is the least
    /// value and 1 the largest.
    pub quantiles: Vec<(f64, f64)>,
    /// Pairs of a bin's lower edge and the values in it; a bin ends before the next edge. Edges are
    /// 0 and 1, 1.5, 2, 3, 5, 7 times powers of ten; the last one ends the histogram.
    pub histogram: Vec<(f64, u64)>,
}

/// Shares that a distribution gives quantiles for.
const SHARES: [f64; 11] = [0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];
/// Edges of bins within one power of ten.
const EDGES: [f64; 6] = [1.0, 1.5, 2.0, 3.0, 5.0, 7.0];

impl Distribution {
    /// Of values that are finite and not negative; others are left out. `None` of nothing.
    pub fn of(values: &[f64]) -> Option<Distribution> {
        let mut sorted: Vec<f64> =
            values.iter().copied().filter(|value| value.is_finite() && *value >= 0.0).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let quantiles = quantiles(&sorted, &SHARES)?;
        Some(Distribution {
            n: sorted.len() as u64,
            mean: rounded(sorted.iter().sum::<f64>() / sorted.len() as f64),
            quantiles,
            histogram: histogram(&sorted),
        })
    }

    /// The value at a share that the distribution keeps.
    pub fn at(&self, share: f64) -> Option<f64> {
        self.quantiles.iter().find(|(kept, _)| *kept == share).map(|(_, value)| *value)
    }
}

/// Quantiles of a sorted sample; `None` of nothing.
pub(super) fn quantiles(sorted: &[f64], shares: &[f64]) -> Option<Vec<(f64, f64)>> {
    shares.iter().map(|&share| Some((share, rounded(percentile(sorted, share)?)))).collect()
}

/// To six significant digits: more would only say how it was added up.
pub(crate) fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 5.0 - libm::floor(libm::log10(libm::fabs(value)));
    // A whole scale on either side keeps decimal fractions as near as a float can be.
    if digits >= 0.0 {
        let scale = libm::pow(10.0, digits);
        libm::round(value * scale) / scale
    } else {
        let scale = libm::pow(10.0, -digits);
        libm::round(value / scale) * scale
    }
}

/// Bins from the one of the least value to the one of the largest.
fn histogram(sorted: &[f64]) -> Vec<(f64, u64)> {
    let (Some(&least), Some(&most)) = (sorted.first(), sorted.last()) else { return Vec::new() };
    let powers = (-6..=15).map(|power: i32| libm::pow(10.0, power.into()));
    let edges = powers.flat_map(|power| EDGES.map(|edge| rounded(edge * power)));
    let edges: Vec<f64> = std::iter::once(0.0).chain(edges).collect();
    let place = |value: f64| edges.partition_point(|edge| *edge <= value);
    let (first, last) = (place(least).saturating_sub(1), place(most).min(edges.len() - 1));
    let below = |edge: f64| sorted.partition_point(|value| *value < edge) as u64;
    let mut bins = Vec::with_capacity(last - first + 1);
    for pair in edges[first..=last].windows(2) {
        bins.push((pair[0], below(pair[1]) - below(pair[0])));
    }
    bins.push((edges[last], below(f64::INFINITY) - below(edges[last])));
    bins
}

/// The Kolmogorov-Smirnov distance: the largest difference between the two samples' shares of values
/// up to any point. `None` when one of them is empty.
pub fn ks_distance(a: &[f64], b: &[f64]) -> Option<f64> {
    let sorted = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_unstable_by(f64::total_cmp);
        values
    };
    let (a, b) = (sorted(a), sorted(b));
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let (mut i, mut j, mut widest) = (0, 0, 0.0_f64);
    while i < a.len() && j < b.len() {
        let at = if a[i].total_cmp(&b[j]).is_le() { a[i] } else { b[j] };
        while i < a.len() && a[i].total_cmp(&at).is_le() {
            i += 1;
        }
        while j < b.len() && b[j].total_cmp(&at).is_le() {
            j += 1;
        }
        let (up_to_a, up_to_b) = (i as f64 / a.len() as f64, j as f64 / b.len() as f64);
        widest = widest.max(libm::fabs(up_to_a - up_to_b));
    }
    Some(rounded(widest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_counted_by_hand() {
        let given = Distribution::of(&[4.0, 1.0, 0.0, 12.0, 3.0, f64::NAN, -1.0]).unwrap();
        assert_eq!((given.n, given.mean), (5, 4.0));
        assert_eq!(
            (given.at(0.0), given.at(0.5), given.at(0.75), given.at(1.0)),
            (Some(0.0), Some(3.0), Some(4.0), Some(12.0))
        );
        // The 90th percentile lies at rank 3.6: six tenths of the way from 4 to 12.
        assert_eq!(given.at(0.9), Some(8.8));
        assert_eq!(given.at(0.33), None);
        let full: Vec<(f64, u64)> = given.histogram.iter().copied().filter(|bin| bin.1 > 0).collect();
        assert_eq!(full, [(0.0, 1), (1.0, 1), (3.0, 2), (10.0, 1)]);
        assert_eq!(given.histogram.last(), Some(&(15.0, 0)));
        assert_eq!(Distribution::of(&[f64::INFINITY]), None);
    }

    #[test]
    fn six_digits_are_kept() {
        assert_eq!(rounded(1_234_567.0), 1_234_570.0);
        assert_eq!(rounded(0.123_456_78), 0.123_457);
        assert_eq!(rounded(2.0 / 3.0), 0.666_667);
        assert_eq!((rounded(0.0), rounded(-20.0)), (0.0, -20.0));
    }

    #[test]
    fn the_distance_is_the_widest_gap_between_the_steps() {
        // Up to 2, all of one and a third of the other.
        assert_eq!(ks_distance(&[1.0, 2.0], &[2.0, 3.0, 4.0]), Some(0.666_667));
        assert_eq!(ks_distance(&[1.0, 1.0, 5.0], &[5.0, 1.0, 1.0]), Some(0.0));
        assert_eq!(ks_distance(&[1.0], &[9.0, 9.0]), Some(1.0));
        assert_eq!(ks_distance(&[], &[1.0]), None);
    }
}
