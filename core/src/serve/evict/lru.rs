//! Least recently used: block by block, or the leaf as a whole, as SGLang's radix cache evicts: more may go than is needed. A
//! leaf here is what one segment of the workload adds; SGLang's is what one prompt or reply added, split where others branch off.

use super::keyed::Keyed;
use super::{Eviction, Leaf};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;

/// Least recently used.
#[derive(Clone, Debug, Default)]
pub struct Lru {
    leaves: Keyed<()>,
    whole_leaves: bool,
}

impl Lru {
    /// The same by whole leaves.
    pub(super) fn of_leaves() -> Self {
        Lru { whole_leaves: true, ..Lru::default() }
    }
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

    fn whole_leaves(&self) -> bool {
        self.whole_leaves
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        self.leaves.next().map(|leaf| leaf.place())
    }
}
