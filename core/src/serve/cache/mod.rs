//! KV caches: what a replica keeps of the prompts it computed. One file each; the registry lists them.

mod block_hash;
mod blocks;
mod ceiling;
mod slots;
mod tiers;

pub use super::memory::{Memory, Order};
pub use blocks::BlockCache;
pub use ceiling::Ceiling;

use super::evict::{self, Missed, Use};
use super::latency::Ps;
use super::prefix::NodeId;
use crate::choice::{About, Choice};
use dyn_clone::DynClone;

/// What a call asks of a replica's memory when it is admitted.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    /// The call.
    pub call: u32,
    /// Where its prompt ends in the prefix tree.
    pub node: NodeId,
    /// Tokens that must be held before its next token can be made.
    pub target: u64,
    /// Tokens to take room for at once: the target and what is reserved.
    pub room: u64,
    /// Blocks that must be left for the calls that decode.
    pub headroom: u64,
    /// Whether nothing else runs on the replica.
    pub alone: bool,
    /// The time.
    pub now: Ps,
}

/// The memory that a running call holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lease {
    /// The deepest shared node that it keeps.
    pub pin: NodeId,
    /// The place it runs in, where the cache has such.
    pub slot: u32,
    /// Blocks that hold its tokens, shared ones included.
    pub blocks: u64,
    /// Of these, blocks that only it has.
    pub private: u64,
    /// Prompt tokens found in the accelerator's memory.
    pub device_tokens: u64,
    /// Prompt tokens found in the host's memory, to be brought over.
    pub host_tokens: u64,
}

/// The KV memory of one replica.
pub trait KvCache: DynClone {
    /// Tokens in a block.
    fn block_tokens(&self) -> u64;
    /// Blocks in all.
    fn capacity(&self) -> u64;
    /// Blocks that a new call could get, by eviction if need be.
    fn available(&self) -> u64;
    /// Blocks that running calls hold.
    fn used(&self) -> u64;
    /// Tokens of the largest call that can ever be admitted.
    fn largest(&self) -> u64;
    /// Blocks of the way to `node` that are held on the device.
    fn held(&self, node: NodeId) -> u32;
    /// Blocks of the way to `node` that are held on the device or on the host.
    fn held_anywhere(&self, node: NodeId) -> u32 {
        self.held(node)
    }
    /// Lets a call in. `None`, with nothing changed, when there is no room.
    fn admit(&mut self, ask: &Admission) -> Option<Lease>;
    /// Takes `blocks` more for a running call. Returns false, with nothing changed, when there are not so many.
    fn extend(&mut self, lease: &mut Lease, blocks: u64, now: Ps) -> bool;
    /// Makes what a call computed on the way to `node`, up to its first `tokens`, available to others.
    /// Returns the tokens newly written.
    fn publish(&mut self, lease: &mut Lease, node: NodeId, tokens: u64) -> u64;
    /// A call goes, by its end or because it was thrown out.
    fn release(&mut self, lease: Lease, last: Use);
    /// Blocks evicted from the device so far.
    fn evicted(&self) -> u64;
    /// Most blocks in use at once so far.
    fn peak(&self) -> u64;
    /// Whether it counts on calls that are to come, and must hear of those that will not.
    fn awaits(&self) -> bool {
        false
    }
    /// A call that was to come will not come here.
    fn miss(&mut self, _call: u32, _why: Missed) {}
    /// A call that runs is about to be thrown out: it will come again.
    fn expect_again(&mut self, _call: u32) {}
    /// The first time from `now` on at which the order of eviction changes by itself.
    fn next_change(&mut self, _now: Ps) -> Option<Ps> {
        None
    }
    /// Starts to note what comes and goes, for a router whose view is late.
    fn watch(&mut self);
    /// What came and went since the last time: nodes with the blocks that are held of them.
    fn changes(&mut self) -> Vec<(NodeId, u32)>;
    /// The same of the host.
    fn host_changes(&mut self) -> Vec<(NodeId, u32)> {
        Vec::new()
    }
}

dyn_clone::clone_trait_object!(KvCache);

/// All caches.
pub const CACHES: &[About] = &[
    About::plain("block-hash", "vLLM: whole blocks under chained hashes, shared by all calls of a replica"),
    About::plain("radix", "SGLang: a tree that is exact to the token; leaf-lru unless told otherwise"),
    About {
        name: "slots",
        about: "llama.cpp: so many places with equal shares of the memory, each with what it held last; evicts nothing else",
        params: slots::PARAMS,
        presets: &[],
    },
];

/// The block size of a cache that has its own, where neither the source nor the user sets one.
pub fn own_block_tokens(choice: &Choice) -> Option<u32> {
    matches!(choice.name(), "radix" | "slots").then_some(1)
}

/// The eviction that comes with a cache.
pub fn own_eviction(choice: &Choice) -> &'static str {
    if choice.name() == "radix" { "leaf-lru" } else { "lru" }
}

/// The places of a cache that divides its memory.
pub fn places(choice: &Choice) -> Option<u64> {
    (choice.name() == "slots").then(|| choice.whole("slots"))
}

/// Makes a cache, with a tier on the host behind it where there is one.
pub fn make<'a>(choice: &Choice, eviction: &Choice, memory: &Memory<'a>) -> Box<dyn KvCache + 'a> {
    let device: Box<dyn KvCache + 'a> = match choice.name() {
        "slots" => Box::new(slots::Slots::new(choice, memory)),
        _ => {
            let evict = evict::make(eviction, memory);
            Box::new(BlockCache::new(memory.tree, memory.capacity_blocks, evict).reusing(memory.reuse))
        }
    };
    if memory.host_blocks == 0 || !memory.reuse {
        return device;
    }
    Box::new(tiers::Tiers::new(device, memory))
}
