//! Power of two choices: of two replicas drawn at random, the one with fewer calls.

use super::pick::below;
use super::{Ask, Cluster, Router, Scores, Sees, View};
use crate::synth::Chance;

#[derive(Clone)]
pub(super) struct PowerOfTwo {
    chance: Chance,
}

impl PowerOfTwo {
    pub(super) fn new(cluster: &Cluster<'_>) -> Self {
        PowerOfTwo { chance: Chance::part(cluster.seed, &[2]) }
    }
}

impl Router for PowerOfTwo {
    fn pick(&mut self, _ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let count = view.loads.len();
        if count < 2 {
            scores.set(0, 0.0);
            return 0;
        }
        let first = below(&mut self.chance, count);
        let other = below(&mut self.chance, count - 1);
        let second = if other < first { other } else { other + 1 };
        let calls = |place: usize| view.loads[place].calls;
        for place in [first, second] {
            scores.set(place as u32, -(calls(place) as f64));
        }
        if calls(second) < calls(first) { second as u32 } else { first as u32 }
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    #[test]
    fn of_two_that_differ_the_one_with_fewer_calls_is_taken() {
        let mut stage = Stage::new(3, &[&[(1, 32)]]);
        for (load, calls) in stage.loads.iter_mut().zip([9, 4, 6]) {
            load.calls = calls;
        }
        let mut router = stage.router("power-of-two", 1);
        let mut counts = [0; 3];
        for _ in 0..3_000 {
            let (picked, scores) = stage.decide(&mut *router, 0);
            let seen: Vec<usize> = (0..3).filter(|&place| scores[place].is_some()).collect();
            assert_eq!(seen.len(), 2);
            let fewest = seen.into_iter().min_by_key(|&place| stage.loads[place].calls);
            assert_eq!(Some(picked as usize), fewest);
            counts[picked as usize] += 1;
        }
        // 4 calls win both pairs they are in, 6 only the one with 9.
        assert_eq!(counts[0], 0);
        assert!((1_900..2_100).contains(&counts[1]), "{counts:?}");
        let alone = Stage::new(1, &[&[(1, 32)]]);
        assert_eq!(alone.decide(&mut *alone.router("power-of-two", 1), 0).0, 0);
    }
}
