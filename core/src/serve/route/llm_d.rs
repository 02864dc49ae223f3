//! llm-d and the gateway API's inference extension: the highest weighted sum of three scores, each of 0 to 1: the share
//! of the prompt that was sent there before, how short the queue is among all, and how empty the KV memory.
//!
//! The index is the router's own: 64-character blocks, at most 256 of a prompt, the last 31,250 of each replica. Here
//! 64 characters are 16 tokens, joined to the simulation's blocks; of a prompt the deepest block is forgotten first,
//! in the source the first. Queues are scored between the shortest and the longest, all alike 1; memory as it is.

use super::index::Index;
use super::pick::random_highest;
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
use crate::synth::Chance;

/// Tokens in a block of 64 characters.
const BLOCK_TOKENS: u64 = 16;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "prefix",
        about: "weight of the share known",
        default: 2.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param { key: "queue", about: "weight of a short queue", default: 1.0, whole: false, range: (0.0, 1e6) },
    Param { key: "kv", about: "weight of empty KV memory", default: 1.0, whole: false, range: (0.0, 1e6) },
    Param {
        key: "blocks",
        about: "blocks of 16 tokens remembered of a replica",
        default: 31_250.0,
        whole: true,
        range: (1.0, 1e12),
    },
    Param {
        key: "deepest",
        about: "blocks of a prompt that are looked at",
        default: 256.0,
        whole: true,
        range: (1.0, 1e9),
    },
];

pub(super) const PRESETS: &[Preset] = &[
    Preset { name: "llm-d", source: "llm-d's default weights", values: &[] },
    Preset {
        name: "extension",
        source: "the gateway API's inference extension, default profile",
        values: &[("prefix", 3.0), ("queue", 2.0), ("kv", 2.0)],
    },
];

#[derive(Clone)]
pub(super) struct LlmD {
    index: Index,
    weights: [f64; 3],
    chance: Chance,
}

impl LlmD {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'_>) -> Self {
        let tokens = |key| choice.whole(key).saturating_mul(BLOCK_TOKENS);
        LlmD {
            index: Index::new(cluster.tree, cluster.replicas, tokens("blocks"), tokens("deepest")),
            weights: ["prefix", "queue", "kv"].map(|key| choice.get(key)),
            chance: Chance::part(cluster.seed, &[3]),
        }
    }
}

impl Router for LlmD {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let whole = (ask.prompt_tokens / view.tree.block_tokens()).min(self.index.deepest());
        let waiting = |replica| view.load(replica).waiting;
        let longest = view.replicas().map(waiting).max().unwrap_or(0);
        let shortest = view.replicas().map(waiting).min().unwrap_or(0);
        let score = |replica| {
            let matched = self.index.matched(view.tree, replica, ask.prompt);
            let prefix = if whole > 0 { f64::from(matched) / f64::from(whole) } else { 0.0 };
            let queue = if longest > shortest {
                (longest - waiting(replica)) as f64 / (longest - shortest) as f64
            } else {
                1.0
            };
            let kv = 1.0 - view.load(replica).used_blocks as f64 / view.capacity_blocks.max(1) as f64;
            self.weights[0] * prefix + self.weights[1] * queue + self.weights[2] * kv
        };
        let values = scores.of(view.replicas().map(score));
        random_highest(values, &mut self.chance)
    }

    fn sent(&mut self, ask: &Ask, view: &View<'_>, replica: u32) {
        self.index.insert(view.tree, replica, ask.prompt);
    }

    fn sees(&self) -> Sees {
        Sees::Engines
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    /// Queues of 0, 2 and 4, memory 0, 25 and 50 % full, and replica 2 knows 4 of 8 blocks:
    /// 0 + 1 + 1 = 2, 0 + 0.5 + 0.75 = 1.25, 2 · 0.5 + 0 + 0.5 = 1.5.
    #[test]
    fn three_scores_are_weighted() {
        let mut stage = Stage::new(3, &[&[(1, 64)], &[(1, 64), (2, 64)]]);
        let mut router = stage.router("llm-d", 1);
        for (place, load) in stage.loads.iter_mut().enumerate() {
            load.used_blocks = 900 * u64::from(place < 2);
        }
        assert_eq!(stage.decide(&mut *router, 0).0, 2);
        for (place, load) in (0..).zip(&mut stage.loads) {
            (load.calls, load.waiting, load.used_blocks) = (2 * place, 2 * place, 250 * place);
        }
        let (picked, scores) = stage.decide(&mut *router.clone(), 1);
        assert_eq!((picked, scores), (0, vec![Some(2.0), Some(1.25), Some(1.5)]));
        // With equal queues: 0 + 1 + 1 against 2 · 0.5 + 1 + 0.5.
        for load in &mut stage.loads {
            (load.calls, load.waiting) = (3, 3);
        }
        assert_eq!(stage.decide(&mut *router, 1).0, 2);
    }

    #[test]
    fn equal_ones_are_drawn() {
        let stage = Stage::new(3, &[&[(1, 8)]]);
        let mut router = stage.router("llm-d", 1);
        let mut counts = [0; 3];
        for _ in 0..300 {
            counts[stage.decide(&mut *router, 0).0 as usize] += 1;
        }
        assert!(counts.iter().all(|&count| count > 60), "{counts:?}");
    }
}
