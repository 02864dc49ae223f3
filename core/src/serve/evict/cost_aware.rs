//! Recency and what a leaf saves, as Marconi scores them: `recency + alpha · FLOPs saved per byte`, the lowest score first.
//!
//! Both terms are normalised so that an order never changes by itself. *FLOPs per byte* of a node are what computing its
//! tokens behind those above it costs, per token, between the least (0) and the most (1) of the tree: deep nodes save more,
//! since each of their tokens attends to more. *Recency* counts uses of the cache: who was let go `window` uses later is
//! one unit more recent. Marconi takes the inverse of the age and normalises both terms over the candidates of each
//! eviction, counts the bytes of the whole way, searches alpha by replaying its own history, and also evicts nodes with one
//! child, whose recurrent state stands alone; keys and values do not.

use super::keyed::Keyed;
use super::{Choice, Eviction, Leaf, Memory, Param};
use crate::serve::latency::{Ps, pairs};
use crate::serve::prefix::NodeId;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "alpha",
        about: "weight of FLOPs saved per byte against recency",
        default: 1.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "window",
        about: "uses of the cache that make one unit of recency",
        default: 256.0,
        whole: true,
        range: (1.0, 1e9),
    },
];

/// Parts of one unit of the score: scores are whole numbers.
const UNIT: f64 = 1_048_576.0;

/// By recency and savings.
#[derive(Clone)]
pub(super) struct CostAware<'a> {
    memory: Memory<'a>,
    alpha: f64,
    window: u64,
    /// Least and most that a token of the tree costs.
    range: (u64, u64),
    leaves: Keyed<u64>,
}

impl<'a> CostAware<'a> {
    pub(super) fn new(choice: &Choice, memory: &Memory<'a>) -> Self {
        let mut made = CostAware {
            memory: *memory,
            alpha: choice.get("alpha"),
            window: choice.whole("window").max(1),
            range: (u64::MAX, 0),
            leaves: Keyed::default(),
        };
        for node in 1..memory.tree.len() as NodeId {
            let cost = made.cost(node);
            made.range = (made.range.0.min(cost), made.range.1.max(cost));
        }
        made
    }

    /// What computing a node's tokens behind those above costs, per token.
    fn cost(&self, node: NodeId) -> u64 {
        let tree = self.memory.tree;
        let block = u64::from(tree.block_tokens());
        let (start, end) = (u64::from(tree.start_block(node)), u64::from(tree.end_block(node)));
        let (above, own) = (start * block, (end - start) * block);
        let costs = &self.memory.costs;
        let sum = u128::from(costs.prefill_token) * u128::from(own)
            + u128::from(costs.attention_pair) * u128::from(pairs(own, above));
        u64::try_from(sum / u128::from(own.max(1))).unwrap_or(u64::MAX)
    }

    fn score(&self, leaf: &Leaf) -> u64 {
        let (least, most) = self.range;
        let saved = (self.cost(leaf.node) - least) as f64 / (most - least).max(1) as f64;
        let recency = u128::from(leaf.stamp) * UNIT as u128 / u128::from(self.window);
        u64::try_from(recency)
            .unwrap_or(u64::MAX)
            .saturating_add(libm::round(self.alpha * saved * UNIT) as u64)
    }
}

impl Eviction for CostAware<'_> {
    fn offer(&mut self, leaf: &Leaf) {
        self.leaves.offer(self.score(leaf), leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        self.leaves.next().map(|leaf| leaf.place())
    }
}
