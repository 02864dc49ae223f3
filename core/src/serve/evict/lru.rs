//! Least recently used.

use super::keyed::Keyed;
use super::{Eviction, Leaf};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;

/// Least recently used.
#[derive(Clone, Debug, Default)]
pub struct Lru {
    leaves: Keyed<()>,
}

impl Eviction for Lru {
    fn offer(&mut self, leaf: &Leaf) {
        self.leaves.offer((), leaf);
    }

    fn reads_facts(&self) -> bool {
        false
    }

    fn goes_upwards(&self) -> bool {
        true
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        self.leaves.next().map(|leaf| leaf.place())
    }
}
