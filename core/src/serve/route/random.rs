//! Random: any replica, whatever the prompt.

use super::pick::below;
use super::{Ask, Cluster, Router, Scores, Sees, View};
use crate::synth::Chance;

#[derive(Clone)]
pub(super) struct Random {
    chance: Chance,
}

impl Random {
    pub(super) fn new(cluster: &Cluster<'_>) -> Self {
        Random { chance: Chance::part(cluster.seed, &[1]) }
    }
}

impl Router for Random {
    fn pick(&mut self, _ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let picked = below(&mut self.chance, view.loads.len()) as u32;
        if scores.kept() {
            for replica in view.replicas() {
                scores.set(replica, f64::from(u8::from(replica == picked)));
            }
        }
        picked
    }

    fn sees(&self) -> Sees {
        Sees::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    #[test]
    fn all_are_drawn_alike_and_the_seed_decides() {
        let stage = Stage::new(4, &[&[(1, 32)]]);
        let draws = |seed: u64| -> Vec<u32> {
            let mut router = stage.router("random", seed);
            (0..4_000).map(|_| stage.decide(&mut *router, 0).0).collect()
        };
        let drawn = draws(1);
        for replica in 0..4 {
            let count = drawn.iter().filter(|&&picked| picked == replica).count();
            assert!((880..1_120).contains(&count), "{count}");
        }
        assert_eq!(drawn, draws(1));
        assert_ne!(drawn, draws(2));
    }
}
