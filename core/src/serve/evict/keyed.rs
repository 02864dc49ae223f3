//! Leaves in the order of a key, the smallest first. Entries are never taken out of the middle: what is no leaf any
//! more is passed over by the cache when it comes up.

use super::Leaf;
use super::line::Line;
use crate::serve::prefix::NodeId;

/// A leaf that was offered. Equal keys go by stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Offered<K> {
    pub(super) key: K,
    pub(super) stamp: u64,
    pub(super) node: NodeId,
    /// The call that let it go last.
    pub(super) call: u32,
}

impl<K> Offered<K> {
    /// What the cache asks for.
    pub(super) fn place(&self) -> (NodeId, u64) {
        (self.node, self.stamp)
    }

    /// The same leaf under another key.
    pub(super) fn under<L>(&self, key: L) -> Offered<L> {
        Offered { key, stamp: self.stamp, node: self.node, call: self.call }
    }
}

/// Leaves by key.
#[derive(Clone, Debug)]
pub(super) struct Keyed<K> {
    leaves: Line<Offered<K>>,
}

impl<K: Ord> Default for Keyed<K> {
    fn default() -> Self {
        Keyed { leaves: Line::default() }
    }
}

impl<K: Ord + Copy> Keyed<K> {
    pub(super) fn offer(&mut self, key: K, leaf: &Leaf) {
        self.push(Offered { key, stamp: leaf.stamp, node: leaf.node, call: leaf.last.call });
    }

    pub(super) fn push(&mut self, offered: Offered<K>) {
        self.leaves.push(offered);
    }

    /// The leaf that goes next, left where it is.
    pub(super) fn first(&self) -> Option<&Offered<K>> {
        self.leaves.peek()
    }

    /// Takes out the leaf that goes next.
    pub(super) fn next(&mut self) -> Option<Offered<K>> {
        self.leaves.pop()
    }

    /// The same where keys may have grown since the offer: such a leaf is put back under its present key.
    pub(super) fn next_grown(&mut self, mut present: impl FnMut(&Offered<K>) -> K) -> Option<Offered<K>> {
        loop {
            let offered = self.next()?;
            let key = present(&offered);
            if key <= offered.key {
                return Some(offered);
            }
            self.push(Offered { key, ..offered });
        }
    }
}
