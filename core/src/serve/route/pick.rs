//! How routers choose among replicas that score alike.

use super::Scores;
use crate::synth::Chance;

/// A number below `count`, at random.
pub(super) fn below(chance: &mut Chance, count: usize) -> usize {
    let drawn = libm::floor(chance.uniform() * count as f64) as usize;
    drawn.min(count.saturating_sub(1))
}

/// The replica with the highest score; the first of equal ones.
pub(super) fn first_highest(values: &[f64]) -> u32 {
    let mut best = 0;
    for (place, value) in values.iter().enumerate() {
        if value.total_cmp(&values[best]).is_gt() {
            best = place;
        }
    }
    best as u32
}

/// The replica with the highest score; one of equal ones at random. Replicas that are not considered score
/// minus infinity.
pub(super) fn random_highest(values: &[f64], chance: &mut Chance) -> u32 {
    let highest = values[first_highest(values) as usize];
    let equal = |value: &f64| value.total_cmp(&highest).is_eq();
    let count = values.iter().filter(|value| equal(value)).count();
    let drawn = if count > 1 { below(chance, count) } else { 0 };
    let places = (0..).zip(values).filter(|(_, value)| equal(value));
    places.map(|(place, _)| place).nth(drawn).unwrap_or(0)
}

/// Keeps the scores of all replicas that were considered, where they are kept.
pub(super) fn keep(scores: &mut Scores, values: &[f64]) {
    if scores.kept() {
        for (replica, &value) in (0..).zip(values) {
            if value > f64::NEG_INFINITY {
                scores.set(replica, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_is_found_and_equal_ones_take_turns() {
        assert_eq!(first_highest(&[-1.0, 2.0, 2.0]), 1);
        let mut chance = Chance::new(5);
        let mut counts = [0; 4];
        for _ in 0..3_000 {
            counts[random_highest(&[3.0, f64::NEG_INFINITY, 3.0, 2.0], &mut chance) as usize] += 1;
        }
        assert_eq!((counts[1], counts[3]), (0, 0));
        assert!((1_300..1_700).contains(&counts[0]), "{counts:?}");
    }
}
