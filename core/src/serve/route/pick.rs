//! How routers choose among replicas that score alike.

use super::Load;
use crate::synth::Chance;
use std::cmp::Ordering;

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

/// Of so many replicas the least by `order`; one of equal ones at random. Draws only where there are several.
pub(super) fn random_least(replicas: u32, chance: &mut Chance, order: &dyn Fn(u32, u32) -> Ordering) -> u32 {
    let least = (0..replicas).min_by(|&one, &other| order(one, other)).unwrap_or(0);
    let equal = || (0..replicas).filter(|&one| order(one, least).is_eq());
    let count = equal().count();
    let drawn = if count > 1 { below(chance, count) } else { 0 };
    equal().nth(drawn).unwrap_or(0)
}

/// The replica with the highest score; one of equal ones at random. Replicas that are not considered score
/// minus infinity.
pub(super) fn random_highest(values: &[f64], chance: &mut Chance) -> u32 {
    let value = |replica: u32| values[replica as usize];
    random_least(values.len() as u32, chance, &|one, other| value(other).total_cmp(&value(one)))
}

/// The replica with the highest score; of equal ones that with the fewest prompt tokens, and of these one at random.
pub(super) fn lightest_highest(values: &[f64], loads: &[Load], chance: &mut Chance) -> u32 {
    let (value, tokens) =
        (|replica: u32| values[replica as usize], |replica: u32| loads[replica as usize].tokens);
    random_least(values.len() as u32, chance, &|one, other| {
        value(other).total_cmp(&value(one)).then(tokens(one).cmp(&tokens(other)))
    })
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
    }

    #[test]
    fn the_least_is_found_and_equal_ones_take_turns() {
        let calls = [2, 5, 2, 1];
        let order = |one: u32, other: u32| calls[one as usize].cmp(&calls[other as usize]);
        let found = counts(|chance| random_least(3, chance, &order));
        assert_eq!((found[1], found[3]), (0, 0), "more calls, and not asked");
        assert!((1_300..1_700).contains(&found[0]), "{found:?}");
        // One that is the least alone draws nothing.
        let mut chance = Chance::new(1);
        assert_eq!(random_least(4, &mut chance, &order), 3);
        assert_eq!(chance.bits(), Chance::new(1).bits());
        assert_eq!(random_least(0, &mut chance, &order), 0);
    }
}
