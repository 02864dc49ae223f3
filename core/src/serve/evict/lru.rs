//! Least recently used.

use super::{Eviction, Leaf};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Least recently used.
#[derive(Clone, Debug, Default)]
pub struct Lru {
    leaves: BinaryHeap<Reverse<(u64, NodeId)>>,
}

impl Eviction for Lru {
    fn offer(&mut self, leaf: &Leaf) {
        self.leaves.push(Reverse((leaf.stamp, leaf.node)));
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        self.leaves.pop().map(|Reverse((stamp, node))| (node, stamp))
    }
}
