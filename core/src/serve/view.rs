//! What a router sees of the cluster: loads and caches, as fresh as the scenario says.

use super::cache::KvCache;
use super::latency::{Coefficients, PS_PER_US, Ps};
use super::prefix::{NodeId, PrefixTree, ROOT};

/// What a router may know of a call.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The call.
    pub call: u32,
    /// Index of the session.
    pub session: u32,
    /// Where the prompt ends in the prefix tree.
    pub prompt: NodeId,
    /// Length of the prompt.
    pub prompt_tokens: u32,
    /// Tokens that it is expected to make: as predicted, else as asked for.
    pub output_tokens: u64,
    /// The time.
    pub now: Ps,
}

/// What a router may know of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls waiting or running.
    pub calls: u64,
    /// Their prompt tokens.
    pub tokens: u64,
    /// Of the calls, those that wait.
    pub waiting: u64,
    /// Prompt tokens not computed yet, those of waiting calls in full.
    pub prefill_tokens: u64,
    /// Pairs of these and the tokens that they attend to.
    pub prefill_pairs: u64,
    /// Blocks that running calls hold.
    pub used_blocks: u64,
}

impl Load {
    /// Calls that run.
    pub fn running(&self) -> u64 {
        self.calls - self.waiting
    }
}

/// How much of the cluster a router looks at. What it does not look at is not kept up for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sees {
    /// Nothing but the number of replicas.
    Nothing,
    /// Calls and their prompt tokens.
    Calls,
    /// What engines report of themselves: waiting calls, tokens to compute, memory in use.
    Engines,
    /// Which blocks they hold, too.
    Caches,
    /// When each would make the call's first token, if nothing more came. Never late.
    Future,
}

impl Sees {
    /// Whether it looks at what engines report, for which decode steps are settled.
    pub(super) fn engines(self) -> bool {
        matches!(self, Sees::Engines | Sees::Caches)
    }
}

/// Which blocks replicas hold, as far as a router knows.
pub trait Held {
    /// Blocks of the way to `node` that the replica holds on its device.
    fn device(&self, replica: u32, node: NodeId) -> u32;
    /// The same with those on its host.
    fn anywhere(&self, replica: u32, node: NodeId) -> u32;
}

/// The cluster as a router sees it.
#[derive(Clone, Copy)]
pub struct View<'v> {
    /// One entry a replica.
    pub loads: &'v [Load],
    /// Their caches.
    pub held: &'v dyn Held,
    /// All prompts.
    pub tree: &'v PrefixTree,
    /// What computing costs.
    pub costs: &'v Coefficients,
    /// KV capacity of one replica, in blocks.
    pub capacity_blocks: u64,
    /// When each replica would make the call's first token if nothing more came, for a router that sees the
    /// future; none where it never would, or where another is certain to be earlier. Empty for all others.
    pub first_tokens: &'v [Option<Ps>],
}

impl View<'_> {
    /// Numbers of the replicas.
    pub fn replicas(&self) -> std::ops::Range<u32> {
        0..self.loads.len() as u32
    }

    /// What is known of one replica.
    pub fn load(&self, replica: u32) -> Load {
        self.loads[replica as usize]
    }

    /// Tokens of the call's prompt that the replica holds on its device.
    pub fn cached_tokens(&self, replica: u32, ask: &Ask) -> u64 {
        let tokens = u64::from(self.held.device(replica, ask.prompt)) * u64::from(self.tree.block_tokens());
        tokens.min(ask.prompt_tokens.into())
    }

    /// The same with those on its host.
    pub fn cached_anywhere(&self, replica: u32, ask: &Ask) -> u64 {
        let tokens = u64::from(self.held.anywhere(replica, ask.prompt)) * u64::from(self.tree.block_tokens());
        tokens.min(ask.prompt_tokens.into())
    }
}

/// A view that is taken anew when the last one is too old: what a router that asks engines for their state
/// from time to time knows. What it sends in between it does not see either.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    every: Ps,
    taken: Option<Ps>,
    pub(super) loads: Vec<Load>,
    pub(super) blocks: Blocks,
}

/// Blocks by replica and node, as they were when the view was taken.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    device: Vec<Vec<u32>>,
    /// Empty for a replica whose host was never seen to hold anything.
    host: Vec<Vec<u32>>,
    parents: Vec<(NodeId, u32)>,
}

impl Snapshot {
    pub(super) fn new(staleness_us: u64, replicas: u32, tree: &PrefixTree, sees: Sees) -> Self {
        let every_us = if sees == Sees::Future { 0 } else { staleness_us };
        let nodes = if sees == Sees::Caches && every_us > 0 { tree.len() } else { 0 };
        Snapshot {
            every: every_us.saturating_mul(PS_PER_US),
            taken: None,
            loads: vec![Load::default(); replicas as usize],
            blocks: Blocks {
                device: vec![vec![0; nodes]; replicas as usize],
                host: vec![Vec::new(); replicas as usize],
                parents: (0..nodes as NodeId)
                    .map(|node| (tree.parent(node), tree.start_block(node)))
                    .collect(),
            },
        }
    }

    /// Whether routers see caches later than they change.
    pub(super) fn watches(&self) -> bool {
        !self.blocks.parents.is_empty()
    }

    /// Whether the view must be taken anew.
    pub(super) fn is_due(&self, now: Ps) -> bool {
        self.taken.is_none_or(|taken| now >= taken.saturating_add(self.every))
    }

    pub(super) fn take(&mut self, now: Ps) {
        self.taken = Some(now);
    }

    pub(super) fn see(&mut self, replica: u32, load: Load, cache: &mut dyn KvCache) {
        self.loads[replica as usize] = load;
        if self.watches() {
            let blocks = &mut self.blocks;
            for (node, held) in cache.changes() {
                blocks.device[replica as usize][node as usize] = held;
            }
            for (node, held) in cache.host_changes() {
                let host = &mut blocks.host[replica as usize];
                host.resize(blocks.parents.len(), 0);
                host[node as usize] = held;
            }
        }
    }
}

impl Blocks {
    /// Blocks of the way to `node`, where what is held is closed towards the root.
    fn longest(&self, held: &[u32], node: NodeId) -> u32 {
        let mut at = node;
        while at != ROOT {
            let (parent, start) = self.parents[at as usize];
            match held.get(at as usize) {
                Some(0) => at = parent,
                Some(blocks) => return start + blocks,
                None => return 0,
            }
        }
        0
    }
}

impl Held for Blocks {
    fn device(&self, replica: u32, node: NodeId) -> u32 {
        self.longest(&self.device[replica as usize], node)
    }

    fn anywhere(&self, replica: u32, node: NodeId) -> u32 {
        self.device(replica, node).max(self.longest(&self.host[replica as usize], node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::cache::{Admission, BlockCache, Lease};
    use crate::serve::evict::{Lru, Use};
    use crate::serve::route::fixture::Stage;
    use crate::synth::Chance;

    /// A cache that calls come to and go from, with room for a third of what they ask for: a view that is taken
    /// now and then is what the cache was then, block for block.
    #[test]
    fn a_late_view_is_the_cache_as_it_was() {
        let prompts: Vec<Vec<(u64, u32)>> =
            (0..30).map(|n| (0..=n % 4).map(|depth| (depth * 8 + n % (2 + depth), 40)).collect()).collect();
        let borrowed: Vec<&[(u64, u32)]> = prompts.iter().map(Vec::as_slice).collect();
        let stage = Stage::new(1, &borrowed);
        let nodes = stage.tree.len() as NodeId;
        let mut cache = BlockCache::new(stage.tree, 14, Box::new(Lru::default()));
        cache.watch();
        let mut late = Snapshot::new(1, 1, stage.tree, Sees::Caches);
        let mut chance = Chance::new(4);
        let mut running: Vec<(u32, Lease)> = Vec::new();
        let mut differed = 0;
        for now in 0..3_000 {
            let call = (chance.bits() % 30) as u32;
            let (node, target) =
                (stage.tree.prompt(call), u64::from(stage.work.calls[call as usize].prompt_tokens));
            let ask = Admission { call, node, target, room: target, headroom: 0, alone: false, now };
            if let Some(mut lease) = cache.admit(&ask) {
                cache.publish(&mut lease, node, target);
                running.push((call, lease));
            }
            if chance.bits().is_multiple_of(2) && !running.is_empty() {
                let (call, lease) = running.remove(0);
                cache.release(lease, Use { call, at: now });
            }
            differed += u32::from((0..nodes).any(|node| late.blocks.device(0, node) != cache.held(node)));
            if chance.bits().is_multiple_of(3) {
                late.see(0, Load::default(), &mut cache);
                for node in 0..nodes {
                    assert_eq!(late.blocks.device(0, node), cache.held(node), "node {node} at {now}");
                }
            }
        }
        assert!(differed > 300 && cache.evicted() > 100, "{differed} {}", cache.evicted());
    }
}
