//! The paged KV cache of one replica: which blocks it holds, which calls pin them, and what goes
//! first when room is needed.
//!
//! Blocks are counted by node of the [`PrefixTree`]. What is cached is always closed towards the
//! root: a node has blocks only where its parent is complete. So the least recently used block is
//! always the last block of some leaf, and the LRU order over single blocks (the deepest of a call
//! first) is kept exactly while only leaves carry a time stamp.

use super::prefix::{NodeId, PrefixTree, ROOT};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What a cache knows of one node.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Blocks held, counted from the node's first.
    resident: u32,
    /// Children that hold blocks.
    kids: u32,
    /// Calls that pin this node or one below it.
    held: u32,
    /// When it was last let go, in the cache's own count.
    touch: u64,
}

/// The paged KV cache of one replica.
#[derive(Clone, Debug)]
pub struct BlockCache<'a> {
    tree: &'a PrefixTree,
    slots: Vec<Slot>,
    capacity: u64,
    /// Blocks in the tree.
    resident: u64,
    /// Of these, blocks that running calls pin.
    held: u64,
    /// Blocks that running calls have to themselves.
    private: u64,
    clock: u64,
    leaves: BinaryHeap<Reverse<(u64, NodeId)>>,
    evicted: u64,
    peak: u64,
    scratch: Vec<NodeId>,
}

impl<'a> BlockCache<'a> {
    /// An empty cache of `capacity` blocks for the prompts of `tree`.
    pub fn new(tree: &'a PrefixTree, capacity: u64) -> Self {
        BlockCache {
            tree,
            slots: vec![Slot::default(); tree.len()],
            capacity,
            resident: 0,
            held: 0,
            private: 0,
            clock: 0,
            leaves: BinaryHeap::new(),
            evicted: 0,
            peak: 0,
            scratch: Vec::new(),
        }
    }

    /// Tokens in a block.
    pub fn block_tokens(&self) -> u64 {
        u64::from(self.tree.block_tokens())
    }

    /// Blocks in all.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Blocks that a new call could get, by eviction if need be.
    pub fn available(&self) -> u64 {
        self.capacity - self.private - self.held
    }

    /// Blocks evicted so far.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Most blocks in use at once so far.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// The deepest cached node on the way to `node`, and the blocks cached up to there.
    pub fn longest(&self, node: NodeId) -> (NodeId, u32) {
        let mut at = node;
        while at != ROOT {
            let resident = self.slots[at as usize].resident;
            if resident > 0 {
                return (at, self.tree.start_block(at) + resident);
            }
            at = self.tree.parent(at);
        }
        (ROOT, 0)
    }

    /// Keeps `node` and everything above it from eviction.
    pub fn pin(&mut self, node: NodeId) {
        let mut at = node;
        while at != ROOT {
            let slot = &mut self.slots[at as usize];
            slot.held += 1;
            if slot.held > 1 {
                return;
            }
            self.held += u64::from(slot.resident);
            at = self.tree.parent(at);
        }
    }

    /// Lets `node` go. With `touch` it becomes the most recently used.
    pub fn unpin(&mut self, node: NodeId, touch: bool) {
        if node == ROOT {
            return;
        }
        if touch {
            self.clock += 1;
            self.slots[node as usize].touch = self.clock;
        }
        let mut at = node;
        while at != ROOT {
            let slot = &mut self.slots[at as usize];
            slot.held -= 1;
            if slot.held > 0 {
                return;
            }
            self.held -= u64::from(slot.resident);
            self.offer(at);
            at = self.tree.parent(at);
        }
    }

    /// Puts a node on the list of candidates if it is one.
    fn offer(&mut self, node: NodeId) {
        let slot = self.slots[node as usize];
        if slot.resident > 0 && slot.kids == 0 && slot.held == 0 {
            self.leaves.push(Reverse((slot.touch, node)));
        }
    }

    /// Takes `blocks` for one call alone. Evicts as needed.
    /// Returns false, and changes nothing, when there are not so many.
    pub fn take(&mut self, blocks: u64) -> bool {
        if blocks > self.available() {
            return false;
        }
        let free = self.capacity - self.private - self.resident;
        if blocks > free {
            self.evict(blocks - free);
        }
        self.private += blocks;
        self.peak = self.peak.max(self.private + self.resident);
        true
    }

    /// Gives back blocks that a call had to itself.
    pub fn give(&mut self, blocks: u64) {
        self.private -= blocks;
    }

    fn evict(&mut self, mut blocks: u64) {
        while blocks > 0 {
            let Some(Reverse((touch, node))) = self.leaves.pop() else { return };
            let slot = &mut self.slots[node as usize];
            if slot.resident == 0 || slot.kids > 0 || slot.held > 0 || slot.touch != touch {
                continue;
            }
            let gone = u64::from(slot.resident).min(blocks);
            slot.resident -= gone as u32;
            let empty = slot.resident == 0;
            blocks -= gone;
            self.resident -= gone;
            self.evicted += gone;
            if !empty {
                self.leaves.push(Reverse((touch, node)));
                continue;
            }
            let parent = self.tree.parent(node);
            if parent != ROOT {
                let above = &mut self.slots[parent as usize];
                above.kids -= 1;
                above.touch = above.touch.max(touch);
                self.offer(parent);
            }
        }
    }

    /// Moves a call's own blocks into the tree: everything on the way to `node`, up to block
    /// `until`. `pinned` is what the call pins now. Returns what it pins then, and how many of its own blocks
    /// moved; blocks that another call put there before stay its own.
    pub fn publish(&mut self, pinned: NodeId, node: NodeId, until: u32) -> (NodeId, u64) {
        let mut path = std::mem::take(&mut self.scratch);
        path.clear();
        let mut at = node;
        while at != ROOT && at != pinned {
            if self.tree.start_block(at) < until {
                path.push(at);
            }
            at = self.tree.parent(at);
        }
        if pinned != ROOT {
            path.push(pinned);
        }
        let (mut deepest, mut moved) = (pinned, 0);
        for &at in path.iter().rev() {
            let start = self.tree.start_block(at);
            let want = self.tree.end_block(at).min(until).saturating_sub(start);
            let slot = &mut self.slots[at as usize];
            if want > slot.resident {
                let fresh = want - slot.resident;
                let first = slot.resident == 0;
                slot.resident = want;
                moved += u64::from(fresh);
                if slot.held > 0 {
                    self.held += u64::from(fresh);
                }
                let parent = self.tree.parent(at);
                if first && parent != ROOT {
                    self.slots[parent as usize].kids += 1;
                }
            }
            deepest = at;
        }
        self.scratch = path;
        self.resident += moved;
        self.private -= moved;
        if deepest != pinned {
            self.pin(deepest);
            self.unpin(pinned, false);
        }
        (deepest, moved)
    }
}

/// A cache without end that all replicas share: what could have been found at best.
#[derive(Clone, Debug)]
pub struct Ceiling<'a> {
    tree: &'a PrefixTree,
    /// Blocks seen of each node; a node has some only where its parent is complete.
    seen: Vec<u32>,
    path: Vec<NodeId>,
}

impl<'a> Ceiling<'a> {
    /// Nothing seen yet.
    pub fn new(tree: &'a PrefixTree) -> Self {
        Ceiling { tree, seen: vec![0; tree.len()], path: Vec::new() }
    }

    /// Blocks seen on the way to `node`.
    pub fn longest(&self, node: NodeId) -> u32 {
        let mut at = node;
        while at != ROOT {
            if self.seen[at as usize] > 0 {
                return self.tree.start_block(at) + self.seen[at as usize];
            }
            at = self.tree.parent(at);
        }
        0
    }

    /// Sees the way to `node`, up to block `until`.
    pub fn add(&mut self, node: NodeId, until: u32) {
        self.path.clear();
        let mut at = node;
        while at != ROOT {
            let whole = self.tree.end_block(at) - self.tree.start_block(at);
            if self.seen[at as usize] == whole {
                break;
            }
            self.path.push(at);
            at = self.tree.parent(at);
        }
        for &at in self.path.iter().rev() {
            let start = self.tree.start_block(at);
            if start >= until {
                break;
            }
            let want = self.tree.end_block(at).min(until) - start;
            self.seen[at as usize] = self.seen[at as usize].max(want);
        }
    }
}
