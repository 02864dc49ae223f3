//! Evictions: which leaf of a cache goes first when room is needed. One file each, `leaf-lru` beside `lru`; the registry lists
//! them.
//!
//! What two offers of one leaf say may differ only by what happened between them, never by how much of it is left: whether
//! decode steps are advanced one by one or at once, the same blocks must go.

mod belady;
mod cost_aware;
mod fifo;
mod keyed;
mod lfu;
mod line;
mod lru;
mod shortest_program;
mod steps_to_next_use;
mod ttl;
mod uses;

pub use lru::Lru;

use super::latency::Ps;
use super::memory::Memory;
use super::prefix::NodeId;
use crate::choice::{About, Choice, Param, Preset};
use dyn_clone::DynClone;

/// Who used something last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Use {
    /// The call.
    pub call: u32,
    /// When it let go.
    pub at: Ps,
}

/// Why a call that was to come to a cache will not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// It went to another replica.
    Elsewhere,
    /// It was refused, or its session had ended.
    Dropped,
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
    /// Whether it looks at more of a leaf than node, stamp and blocks. The rest is kept up only where it does.
    fn reads_facts(&self) -> bool {
        true
    }
    /// Whether a leaf goes as a whole, though fewer blocks would do.
    fn whole_leaves(&self) -> bool {
        false
    }
    /// Whether what a leaf hung from goes after it before all others, where it was used no later: so it is where
    /// stamps alone decide. The cache need not offer it then.
    fn goes_upwards(&self) -> bool {
        false
    }
    /// A call was admitted: its session is back.
    fn admitted(&mut self, _call: u32, _now: Ps) {}
    /// A call let go of the first `blocks` of what it held; offers that name it as the last come later.
    fn released(&mut self, _last: Use, _blocks: u64) {}
    /// Whether it counts on calls that are to come, and must hear of those that will not.
    fn awaits(&self) -> bool {
        false
    }
    /// A call will not come. Told where `awaits` says so. Returns whether the leaf that it would have used is to be offered anew.
    fn missed(&mut self, _call: u32, _why: Missed) -> bool {
        false
    }
    /// A call that was admitted is thrown out, and will be admitted again.
    fn expected_again(&mut self, _call: u32) {}
    /// The first time from `now` on at which the order changes without an offer, where it does.
    fn next_change(&mut self, _now: Ps) -> Option<Ps> {
        None
    }
}

dyn_clone::clone_trait_object!(Eviction);

/// All evictions.
pub const EVICTIONS: &[About] = &[
    About::plain("lru", "the least recently used block, the deepest of a call first"),
    About::plain("leaf-lru", "SGLang: the least recently used leaf as a whole"),
    About::plain("lfu", "what the fewest calls found since it came"),
    About::plain("fifo", "what came first, however often it was used"),
    About {
        name: "cost-aware",
        about: "Marconi: recency + alpha · FLOPs saved per byte",
        params: cost_aware::PARAMS,
        presets: &[],
    },
    About {
        name: "ttl",
        about: "Continuum: kept while the session's tool is expected to run, as long as that pays",
        params: ttl::PARAMS,
        presets: ttl::PRESETS,
    },
    About::plain(
        "steps-to-next-use",
        "KVFlow: what the most calls of its session stand before; knows which calls will use what",
    ),
    About::plain("shortest-program", "ThunderAgent: what belongs to the session with the shortest prompt"),
    About::plain(
        "belady",
        "the farthest next use in the recorded order: a bound without time, but not on a timed run",
    ),
];

/// Makes an eviction.
pub fn make<'a>(choice: &Choice, memory: &Memory<'a>) -> Box<dyn Eviction + 'a> {
    match choice.name() {
        "leaf-lru" => Box::new(Lru::of_leaves()),
        "lfu" => Box::new(lfu::Lfu::default()),
        "fifo" => Box::new(fifo::Fifo::default()),
        "cost-aware" => Box::new(cost_aware::CostAware::new(choice, memory)),
        "ttl" => Box::new(ttl::Ttl::new(choice, memory)),
        "steps-to-next-use" => Box::new(steps_to_next_use::StepsToNextUse::new(memory)),
        "shortest-program" => Box::new(shortest_program::ShortestProgram::new(memory)),
        "belady" => Box::new(belady::Belady::new(memory)),
        _ => Box::new(Lru::default()),
    }
}

#[cfg(test)]
pub(super) mod fixture;
#[cfg(test)]
mod tests;
