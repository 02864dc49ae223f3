//! A distribution as a table of quantiles.

use serde::{Deserialize, Serialize};

/// The shares, in millionths, at which a table keeps a value: close where tails decide sums.
pub const KNOTS_PPM: [u32; 49] = [
    0, 5_000, 10_000, 20_000, 35_000, 50_000, 75_000, 100_000, 125_000, 150_000, 175_000, 200_000, 225_000,
    250_000, 275_000, 300_000, 325_000, 350_000, 375_000, 400_000, 425_000, 450_000, 475_000, 500_000,
    525_000, 550_000, 575_000, 600_000, 625_000, 650_000, 675_000, 700_000, 725_000, 750_000, 775_000,
    800_000, 825_000, 850_000, 875_000, 900_000, 925_000, 950_000, 965_000, 980_000, 990_000, 995_000,
    998_000, 999_000, 1_000_000,
];

/// Values at [`KNOTS_PPM`], or one value where all are equal. Between knots the logarithm of
/// (value + 1) is linear, so that a heavy tail stays one and a repeated value keeps its weight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Table(pub Vec<u64>);

impl Table {
    /// The table of a sample; `None` of nothing.
    pub fn of(values: impl IntoIterator<Item = u64>) -> Option<Table> {
        Table::weighted(values.into_iter().map(|value| (value, 1.0)).collect())
    }

    /// The table of a sample whose members count differently; `None` of nothing. Each member stands at
    /// the middle of its weight; between two, values are interpolated.
    pub fn weighted(mut sample: Vec<(u64, f64)>) -> Option<Table> {
        sample.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let (least, most) = (sample.first()?.0, sample.last()?.0);
        if least == most {
            return Some(Table(vec![least]));
        }
        let total: f64 = sample.iter().map(|(_, weight)| weight).sum();
        let mut sum = 0.0;
        let middle = |&(value, weight): &(u64, f64)| {
            sum += weight;
            (value as f64, (sum - weight / 2.0) / total * 1e6)
        };
        let middles: Vec<(f64, f64)> = sample.iter().map(middle).collect();
        let point = |&ppm: &u32| {
            let above = middles.partition_point(|(_, place)| *place <= f64::from(ppm));
            match (above.checked_sub(1).map(|below| middles[below]), middles.get(above)) {
                (Some((low, from)), Some((high, to))) => {
                    libm::round(low + (high - low) * (f64::from(ppm) - from) / (to - from)) as u64
                }
                (None, _) => least,
                (_, None) => most,
            }
        };
        Some(Table(KNOTS_PPM.iter().map(point).collect()))
    }

    /// The value at a share in 0..=1.
    pub fn at(&self, share: f64) -> u64 {
        let ppm = (share * 1e6).clamp(0.0, 1e6);
        let [first, .., last] = self.0[..] else { return self.0.first().copied().unwrap_or(0) };
        let above = KNOTS_PPM.partition_point(|&knot| f64::from(knot) <= ppm).min(self.0.len());
        if above == self.0.len() {
            return last;
        }
        let (low, high) = (above.checked_sub(1).map_or(first, |below| self.0[below]), self.0[above]);
        let (left, right) = (f64::from(KNOTS_PPM[above.max(1) - 1]), f64::from(KNOTS_PPM[above]));
        let log = |value: u64| libm::log1p(value as f64);
        let between = log(low) + (log(high) - log(low)) * (ppm - left) / (right - left);
        (libm::round(libm::expm1(between)) as u64).clamp(low, high)
    }

    /// The largest value.
    pub fn most(&self) -> u64 {
        self.0.last().copied().unwrap_or(0)
    }

    /// Whether the table has the right number of values, in order.
    pub(super) fn is_whole(&self) -> bool {
        (self.0.len() == 1 || self.0.len() == KNOTS_PPM.len()) && self.0.is_sorted()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_keeps_order_statistics() {
        let table = Table::of(0..=1_000).unwrap();
        assert_eq!((table.at(0.0), table.at(1.0)), (0, 1_000));
        for (share, value) in [(0.5, 500), (0.95, 950), (0.01, 10), (0.999, 999)] {
            assert!(table.at(share).abs_diff(value) <= 1, "{share}: {}", table.at(share));
        }
    }

    #[test]
    fn repeated_values_keep_their_weight() {
        // Three of four are 7.
        let table = Table::of([7, 7, 7, 90]).unwrap();
        assert_eq!([0.0, 0.3, 0.6, 0.9, 1.0].map(|share| table.at(share)), [7, 7, 7, 90, 90]);
        assert_eq!(Table::of([5, 5]).unwrap(), Table(vec![5]));
        assert_eq!(Table::of([]), None);
    }

    #[test]
    fn weights_count() {
        // The one large value weighs as much as all others together.
        let sample = (0..100).map(|n| (n, 1.0)).chain([(1_000, 100.0)]).collect();
        let table = Table::weighted(sample).unwrap();
        assert_eq!(table.at(0.75), 1_000);
        assert!(table.at(0.25).abs_diff(49) <= 1, "{}", table.at(0.25));
    }

    /// By hand: a quarter of the way from 9 to 99 in log(1 + x) is 10^1.25 - 1.
    #[test]
    fn between_knots_the_logarithm_is_linear() {
        let points = KNOTS_PPM.iter().map(|&ppm| if ppm <= 500_000 { 9 } else { 99 }).collect();
        let table = Table(points);
        assert_eq!([0.5, 0.506_25, 0.525].map(|share| table.at(share)), [9, 17, 99]);
    }
}
