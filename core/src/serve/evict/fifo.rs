//! First in, first out: the leaf whose first block came first, however often it was used since.

use super::keyed::Keyed;
use super::{Eviction, Leaf};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;

/// First in, first out.
#[derive(Clone, Debug, Default)]
pub(super) struct Fifo {
    leaves: Keyed<u64>,
}

impl Eviction for Fifo {
    fn offer(&mut self, leaf: &Leaf) {
        self.leaves.offer(leaf.born, leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        self.leaves.next().map(|leaf| leaf.place())
    }
}
