//! Cache-aware routing as SGLang's router does it: it remembers which prompts it sent where, and
//! sends a call to the replica that saw the longest prefix of it, unless load is unbalanced.

use super::{Ask, Load, Router, least};
use crate::serve::prefix::{NodeId, PrefixTree, ROOT};

/// Share of a prompt that must be known for the prefix to decide.
const MATCH_THRESHOLD: f64 = 0.5;
/// Load is unbalanced when the largest exceeds the smallest by more than this many calls …
const BALANCE_ABS: u64 = 32;
/// … and by more than this factor.
const BALANCE_REL: f64 = 1.1;

/// The router's own tree: which replica was sent which prefix. It is an approximation of the caches
/// and never forgets; the original trims it by size.
pub(super) struct CacheAware {
    /// A bit per node and replica; a prefix is seen when its last node is.
    seen: Vec<u64>,
    words: usize,
}

impl CacheAware {
    pub(super) fn new(replicas: u32, tree: &PrefixTree) -> Self {
        let words = (replicas as usize).div_ceil(64);
        CacheAware { seen: vec![0; words * tree.len()], words }
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

    fn holder(&self, node: NodeId, loads: &[Load]) -> Option<u32> {
        let row = self.row(node);
        let holds = |replica: &u32| row[*replica as usize / 64] & (1 << (replica % 64)) != 0;
        let order =
            |replica: &u32| (loads[*replica as usize].calls, loads[*replica as usize].tokens, *replica);
        (0..loads.len() as u32).filter(holds).min_by_key(order)
    }
}

impl Router for CacheAware {
    fn pick(&mut self, ask: &Ask, loads: &[Load], tree: &PrefixTree) -> u32 {
        let most = loads.iter().map(|load| load.calls).max().unwrap_or(0);
        let fewest = loads.iter().map(|load| load.calls).min().unwrap_or(0);
        let unbalanced = most - fewest > BALANCE_ABS && most as f64 > BALANCE_REL * fewest as f64;
        let node = self.deepest(tree, ask.prompt);
        let matched = u64::from(tree.end_block(node)) * u64::from(tree.block_tokens());
        let known = matched as f64 > MATCH_THRESHOLD * f64::from(ask.prompt_tokens);
        let holder = if unbalanced || !known { None } else { self.holder(node, loads) };
        let picked = holder.unwrap_or_else(|| least(loads));
        self.insert(tree, ask.prompt, picked);
        picked
    }
}
