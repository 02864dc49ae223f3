//! How routers choose among replicas that score alike.

use super::{Load, Scores};
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

/// The replica with the highest score; of equal ones that with the fewest prompt tokens, and of these one at random.
pub(super) fn lightest_highest(values: &[f64], loads: &[Load], chance: &mut Chance) -> u32 {
    let highest = values[first_highest(values) as usize];
    let tokens = |(value, load): (&f64, &Load)| {
        if value.total_cmp(&highest).is_eq() { -(load.tokens as f64) } else { f64::NEG_INFINITY }
    };
    random_highest(&values.iter().zip(loads).map(tokens).collect::<Vec<_>>(), chance)
}

/// Of some replicas the one with the fewest calls; one of equal ones at random.
pub(super) fn random_fewest(loads: &[Load], chance: &mut Chance, some: impl Fn(u32) -> bool) -> Option<u32> {
    let some = &some;
    let among = move || (0..).zip(loads).filter(move |&(replica, _)| some(replica));
    let fewest = among().map(|(_, load)| load.calls).min()?;
    let equal = move || among().filter(move |(_, load)| load.calls == fewest);
    let count = equal().count();
    let drawn = if count > 1 { below(chance, count) } else { 0 };
    equal().nth(drawn).map(|(replica, _)| replica)
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

    fn loads(calls: [u64; 4], tokens: [u64; 4]) -> Vec<Load> {
        calls
            .into_iter()
            .zip(tokens)
            .map(|(calls, tokens)| Load { calls, tokens, ..Load::default() })
            .collect()
    }

    fn counts(mut pick: impl FnMut(&mut Chance) -> u32) -> [u32; 4] {
        let (mut chance, mut counts) = (Chance::new(5), [0; 4]);
        (0..3_000).for_each(|_| counts[pick(&mut chance) as usize] += 1);
        counts
    }

    #[test]
    fn load_decides_among_equals_then_chance() {
        let light = loads([0; 4], [7, 9, 7, 0]);
        let found = counts(|chance| lightest_highest(&[3.0, 3.0, 3.0, 2.0], &light, chance));
        assert_eq!((found[1], found[3]), (0, 0), "heavier, and lower");
        assert!((1_300..1_700).contains(&found[0]), "{found:?}");
        assert_eq!(
            counts(|chance| lightest_highest(&[3.0, 3.0, 4.0, 2.0], &light, chance)),
            [0, 0, 3_000, 0]
        );
        let some = loads([2, 5, 2, 1], [0, 1, 9, 0]);
        let found = counts(|chance| random_fewest(&some, chance, |replica| replica < 3).unwrap());
        assert_eq!((found[1], found[3]), (0, 0), "more calls, and not asked");
        assert!((1_300..1_700).contains(&found[0]), "{found:?}");
        assert_eq!(random_fewest(&some, &mut Chance::new(1), |_| false), None);
    }
}
