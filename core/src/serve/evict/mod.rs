//! Evictions: which leaf of a cache goes first when room is needed. One file each; the registry lists them.

mod lru;

pub use lru::Lru;

use super::cache::Memory;
use super::latency::Ps;
use super::prefix::NodeId;
use crate::choice::{About, Choice};
use dyn_clone::DynClone;

/// Who used something last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// The call.
    pub call: u32,
    /// When it let go.
    pub at: Ps,
}

/// A leaf that may be evicted. Only leaves are: what is cached stays closed towards the root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leaf {
    /// The node.
    pub node: NodeId,
    /// When it or one below it was last let go, in the cache's own count: no two leaves are offered with the same stamp
    /// unless the later offer is of what is left of the earlier.
    pub stamp: u64,
    /// When its first block came, in the same count.
    pub born: u64,
    /// Blocks held of it.
    pub blocks: u32,
    /// Admissions whose prompt went through it.
    pub hits: u64,
    /// The call that let it go last.
    pub last: Use,
}

/// An order in which leaves are evicted.
pub trait Eviction: DynClone {
    /// A leaf may go from now on. An earlier offer of the same node does not hold any more.
    fn offer(&mut self, leaf: &Leaf);
    /// Takes out the leaf to go next: node and stamp of its offer. May give what is no leaf any more; the cache knows.
    fn next(&mut self, now: Ps) -> Option<(NodeId, u64)>;
    /// A call was admitted: its session is back.
    fn admitted(&mut self, _call: u32, _now: Ps) {}
    /// When the order changes without an offer, where it does.
    fn next_change(&self) -> Option<Ps> {
        None
    }
}

dyn_clone::clone_trait_object!(Eviction);

/// All evictions.
pub const EVICTIONS: &[About] =
    &[About::plain("lru", "the least recently used block, the deepest of a call first")];

/// Makes an eviction.
pub fn make<'a>(_choice: &Choice, _memory: &Memory<'a>) -> Box<dyn Eviction + 'a> {
    Box::new(Lru::default())
}
