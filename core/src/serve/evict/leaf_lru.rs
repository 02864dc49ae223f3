//! The least recently used leaf as a whole, as SGLang's radix cache evicts: more may go than is needed. A leaf here is what
//! one segment of the workload adds; SGLang's is what one prompt or reply added, split where others branch off.

use super::keyed::Keyed;
use super::{Eviction, Leaf};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;

/// The least recently used leaf, as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct LeafLru {
    leaves: Keyed<()>,
}

impl Eviction for LeafLru {
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

    fn whole_leaves(&self) -> bool {
        true
    }
}
