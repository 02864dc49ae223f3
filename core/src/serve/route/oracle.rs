//! The oracle: the replica that would make the call's first token first, if nothing more came. It knows what no router
//! can: every queue, cache and length as they are. Found by letting a copy of each replica go on, so it is slow.
//!
//! It is greedy: the best for each call alone, as long as nothing comes behind it. What a choice does to later calls, what it
//! leaves cached where or whom it delays, it does not weigh; so it is no bound on a run, and a router that looks at less may
//! have the better mean. Of equal times it takes the replica with the fewest prompt tokens, of these one by a chance that hangs
//! on the seed and the call alone, so that asking it what it would have picked changes nothing.

use super::pick::random_least;
use super::{Ask, Cluster, Load, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, Ps};
use crate::synth::Chance;

#[derive(Clone)]
pub(super) struct Oracle {
    seed: u64,
}

impl Oracle {
    pub(super) fn new(cluster: &Cluster<'_>) -> Self {
        Oracle { seed: cluster.seed }
    }
}

/// What the oracle picks for a call.
pub(in crate::serve) fn earliest(call: u32, first_tokens: &[Option<Ps>], loads: &[Load], seed: u64) -> u32 {
    let key =
        |replica: u32| (first_tokens[replica as usize].unwrap_or(Ps::MAX), loads[replica as usize].tokens);
    let mut chance = Chance::part(seed, &[7, u64::from(call)]);
    random_least(first_tokens.len() as u32, &mut chance, &|one, other| key(one).cmp(&key(other)))
}

impl Router for Oracle {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        if scores.kept() {
            let ms = |time: &Option<Ps>| {
                time.map_or(f64::NEG_INFINITY, |time| -((time - ask.now) as f64 / PS_PER_US as f64 / 1e3))
            };
            scores.of(view.first_tokens.iter().map(ms));
        }
        earliest(ask.call, view.first_tokens, view.loads, self.seed)
    }

    fn sees(&self) -> Sees {
        Sees::Future
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use crate::serve::latency::PS_PER_US;

    #[test]
    fn the_first_first_token_wins() {
        let mut stage = Stage::new(3, &[&[(1, 32)]]);
        stage.now = 1_000 * PS_PER_US;
        stage.first_tokens = vec![Some(5_000 * PS_PER_US), None, Some(3_000 * PS_PER_US)];
        let (picked, scores) = stage.decide(&mut *stage.router("oracle", 1), 0);
        assert_eq!((picked, scores), (2, vec![Some(-4.0), None, Some(-2.0)]));
        // One replica is not looked ahead on.
        stage.first_tokens = Vec::new();
        assert_eq!(stage.decide(&mut *stage.router("oracle", 1), 0).0, 0);
    }

    /// Of equal times the fewest tokens; of these by chance, and for one call always the same.
    #[test]
    fn equal_times_go_by_load_then_by_chance() {
        let prompt: &[(u64, u32)] = &[(1, 32)];
        let mut stage = Stage::new(3, &[prompt; 60]);
        stage.first_tokens = vec![Some(5); 3];
        (stage.loads[0].tokens, stage.loads[1].tokens, stage.loads[2].tokens) = (8, 9, 8);
        let picked = |seed| -> Vec<u32> {
            (0..60).map(|call| stage.decide(&mut *stage.router("oracle", seed), call).0).collect()
        };
        let found = picked(1);
        assert!(found.iter().all(|&replica| replica != 1));
        assert!((15..45).contains(&found.iter().filter(|&&replica| replica == 0).count()), "{found:?}");
        assert_eq!(found, picked(1));
        assert_ne!(found, picked(2));
        stage.first_tokens = vec![None; 3];
        stage.loads[1].tokens = 0;
        assert_eq!(stage.decide(&mut *stage.router("oracle", 1), 0).0, 1);
    }
}
