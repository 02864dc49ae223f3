//! smg's prefix hash: the first 256 tokens of a prompt belong to a place on a consistent-hash ring; where the replica
//! there has more than 1.25 times the mean load, the one with the fewest calls of those that have not, and of equal ones the
//! first, as in the source.
//!
//! A prefix is known by the block that its 256th token lies in (by its last whole block where it is shorter), and
//! prompts without a whole block hash by call.

use super::pick::first_highest;
use super::ring::Ring;
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
use crate::serve::prefix::PrefixTree;

pub(super) const PARAMS: &[Param] = &[
    Param { key: "tokens", about: "tokens that are hashed", default: 256.0, whole: true, range: (1.0, 1e9) },
    Param {
        key: "factor",
        about: "most load of a replica, as a multiple of the mean",
        default: 1.25,
        whole: false,
        range: (0.0, 1e9),
    },
    Param {
        key: "points",
        about: "points of a replica on the ring",
        default: 150.0,
        whole: true,
        range: (1.0, 1e4),
    },
];

pub(super) const PRESETS: &[Preset] = &[Preset { name: "smg", source: "smg, `prefix_hash`", values: &[] }];

#[derive(Clone)]
pub(super) struct PrefixHash {
    ring: Ring,
    tokens: u64,
    factor: f64,
}

impl PrefixHash {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'_>) -> Self {
        let ring = Ring::new(cluster.replicas, choice.whole("points"));
        PrefixHash { ring, tokens: choice.whole("tokens"), factor: choice.get("factor") }
    }

    fn key(&self, ask: &Ask, tree: &PrefixTree) -> u64 {
        let start = |node| u64::from(tree.start_block(node)) * u64::from(tree.block_tokens());
        let node = tree.way(ask.prompt).find(|&at| start(at) < self.tokens);
        node.map_or((1 << 32) | u64::from(ask.call), u64::from)
    }
}

impl Router for PrefixHash {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let total: u64 = view.loads.iter().map(|load| load.calls).sum();
        // The call that comes counts, too.
        let most = (total + 1) as f64 / view.loads.len().max(1) as f64 * self.factor;
        let fits = |replica: u32| total == 0 || view.load(replica).calls as f64 <= most;
        let first = self.ring.find(self.key(ask, view.tree));
        if fits(first) {
            scores.set(first, 1.0);
            return first;
        }
        let score =
            |replica| if fits(replica) { -(view.load(replica).calls as f64) } else { f64::NEG_INFINITY };
        let values = scores.of(view.replicas().map(score));
        let picked = first_highest(values);
        if values[picked as usize] > f64::NEG_INFINITY { picked } else { first }
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    /// Two prompts of equal first 256 tokens, a third of others.
    #[test]
    fn equal_beginnings_go_together_until_there_is_too_much() {
        let mut stage = Stage::new(4, &[&[(1, 256), (2, 99)], &[(1, 256), (3, 640)], &[(4, 256)]]);
        let mut router = stage.router("prefix-hash", 1);
        let (first, scores) = stage.decide(&mut *router, 0);
        assert_eq!(scores.iter().flatten().count(), 1);
        assert_eq!(stage.decide(&mut *router, 1).0, first);
        // 4 calls and the new one over 4 replicas: 1.25 · 5/4 = 1.5625. Two are too many.
        stage.loads[first as usize].calls = 2;
        let others: Vec<usize> = (0..4).filter(|&place| place != first as usize).collect();
        stage.loads[others[0]].calls = 1;
        stage.loads[others[1]].calls = 1;
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!(picked as usize, others[2]);
        assert_eq!(scores[first as usize], None);
        // With one call less it fits.
        stage.loads[first as usize].calls = 1;
        assert_eq!(stage.decide(&mut *router, 0).0, first);
    }

    #[test]
    fn other_beginnings_and_prompts_without_a_block_spread() {
        let prompts: Vec<Vec<(u64, u32)>> = (0..64).map(|id| vec![(id, 300)]).collect();
        let short: Vec<Vec<(u64, u32)>> = (0..64).map(|_| vec![(1, 9)]).collect();
        for prompts in [prompts, short] {
            let borrowed: Vec<&[(u64, u32)]> = prompts.iter().map(Vec::as_slice).collect();
            let stage = Stage::new(4, &borrowed);
            let mut router = stage.router("prefix-hash", 1);
            let mut counts = [0; 4];
            for call in 0..64 {
                counts[stage.decide(&mut *router, call).0 as usize] += 1;
            }
            assert!(counts.iter().all(|&count| count > 5), "{counts:?}");
        }
    }

    /// Everybody is at the mean: nobody is above it. With a factor below one everybody is, and the ring's
    /// replica has it.
    #[test]
    fn where_all_have_too_much_the_ring_decides() {
        let mut stage = Stage::new(3, &[&[(1, 256)]]);
        let (home, _) = stage.decide(&mut *stage.router("prefix-hash", 1), 0);
        for load in &mut stage.loads {
            load.calls = 10;
        }
        assert_eq!(stage.decide(&mut *stage.router("prefix-hash:factor=0.5", 1), 0).0, home);
    }
}
