//! Cache-aware routing as SGLang's router does it: it remembers which prompts it sent where, and
//! sends a call to the replica that saw the longest prefix of it, unless load is unbalanced.

use super::{Ask, Choice, Cluster, Load, Param, Preset, Router, Scores, Sees, View};
use crate::serve::prefix::{NodeId, PrefixTree, ROOT};

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "threshold",
        about: "share of a prompt that must be known for the prefix to decide",
        default: 0.5,
        range: (0.0, 1.0),
    },
    Param {
        key: "abs",
        about: "load is unbalanced when the largest exceeds the smallest by more than this many calls",
        default: 32.0,
        range: (0.0, 1e9),
    },
    Param { key: "rel", about: "and by more than this factor", default: 1.1, range: (1.0, 1e9) },
];

pub(super) const PRESETS: &[Preset] = &[
    Preset { name: "rust", source: "SGLang's model gateway (smg)", values: &[] },
    Preset {
        name: "python",
        source: "SGLang's router as called from Python",
        values: &[("threshold", 0.3), ("abs", 64.0), ("rel", 1.5)],
    },
];

/// The router's own tree: which replica was sent which prefix. It is an approximation of the caches
/// and never forgets; the original trims it by size.
#[derive(Clone)]
pub(super) struct CacheAware {
    /// A bit per node and replica; a prefix is seen when its last node is.
    seen: Vec<u64>,
    words: usize,
    threshold: f64,
    abs: u64,
    rel: f64,
}

impl CacheAware {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'_>) -> Self {
        let words = (cluster.replicas as usize).div_ceil(64);
        CacheAware {
            seen: vec![0; words * cluster.tree.len()],
            words,
            threshold: choice.get("threshold"),
            abs: choice.whole("abs"),
            rel: choice.get("rel"),
        }
    }

    fn row(&self, node: NodeId) -> &[u64] {
        &self.seen[node as usize * self.words..][..self.words]
    }

    /// The deepest node that some replica saw.
    fn deepest(&self, tree: &PrefixTree, mut node: NodeId) -> NodeId {
        while node != ROOT && self.row(node).iter().all(|&word| word == 0) {
            node = tree.parent(node);
        }
        node
    }

    fn insert(&mut self, tree: &PrefixTree, mut node: NodeId, replica: u32) {
        let (word, bit) = (replica as usize / 64, 1u64 << (replica % 64));
        while node != ROOT {
            let slot = &mut self.seen[node as usize * self.words + word];
            if *slot & bit != 0 {
                return;
            }
            *slot |= bit;
            node = tree.parent(node);
        }
    }

    fn holds(&self, node: NodeId, replica: u32) -> bool {
        self.row(node)[replica as usize / 64] & (1 << (replica % 64)) != 0
    }

    fn holder(&self, node: NodeId, loads: &[Load]) -> Option<u32> {
        let order =
            |replica: &u32| (loads[*replica as usize].calls, loads[*replica as usize].tokens, *replica);
        (0..loads.len() as u32).filter(|&replica| self.holds(node, replica)).min_by_key(order)
    }
}

impl Router for CacheAware {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let (loads, tree) = (view.loads, view.tree);
        let most = loads.iter().map(|load| load.calls).max().unwrap_or(0);
        let fewest = loads.iter().map(|load| load.calls).min().unwrap_or(0);
        let unbalanced = most - fewest > self.abs && most as f64 > self.rel * fewest as f64;
        let node = self.deepest(tree, ask.prompt);
        let matched = u64::from(tree.end_block(node)) * u64::from(tree.block_tokens());
        let known = matched as f64 > self.threshold * f64::from(ask.prompt_tokens);
        let by_prefix = known && !unbalanced;
        let holder = if by_prefix { self.holder(node, loads) } else { None };
        if scores.kept() {
            for replica in view.replicas().filter(|&replica| !by_prefix || self.holds(node, replica)) {
                scores.set(replica, -(view.load(replica).calls as f64));
            }
        }
        let picked = holder.unwrap_or_else(|| view.least());
        self.insert(tree, ask.prompt, picked);
        picked
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}
