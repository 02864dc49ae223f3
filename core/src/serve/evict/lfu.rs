//! Least frequently used: the leaf whose blocks were found by the fewest calls since they came; of these the least
//! recently used. What is evicted is forgotten, counts do not age.

use super::keyed::Keyed;
use super::{Eviction, Leaf};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;

/// Least frequently used.
#[derive(Clone, Debug, Default)]
pub(super) struct Lfu {
    leaves: Keyed<u64>,
}

impl Eviction for Lfu {
    fn offer(&mut self, leaf: &Leaf) {
        self.leaves.offer(leaf.hits, leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        self.leaves.next().map(|leaf| leaf.place())
    }
}
