//! Whole blocks that all calls of a replica share: which it holds, and which calls pin them.
//!
//! Blocks are counted by node of the [`PrefixTree`]. What is cached is always closed towards the
//! root: a node has blocks only where its parent is complete. So the least recently used block is
//! always the last block of some leaf, and the LRU order over single blocks (the deepest of a call
//! first) is kept exactly while only leaves carry a time stamp.

use crate::serve::evict::{Eviction, Leaf, Use};
use crate::serve::latency::Ps;
use crate::serve::prefix::{Node, NodeId, PrefixTree, ROOT};

/// What a cache knows of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// Blocks held, counted from the node's first.
    pub(super) resident: u32,
    /// Children that hold blocks.
    kids: u32,
    /// Calls that pin this node or one below it.
    held: u32,
    /// When it was last let go, in the cache's own count.
    touch: u32,
}

impl Slot {
    /// Whether it may be evicted.
    fn is_leaf(&self) -> bool {
        self.resident > 0 && self.kids == 0 && self.held == 0
    }
}

/// What an eviction may want to know of a node, beside its stamp.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    /// When its first block came, in the cache's own count.
    born: u64,
    /// Admissions that went through it and ended at it, or below it where nothing is held any more.
    hits: u64,
    /// The call that let it go last.
    last: Use,
}

/// The paged KV cache of one replica.
#[derive(Clone)]
pub struct BlockCache<'a> {
    pub(super) tree: &'a PrefixTree,
    pub(super) slots: Vec<Slot>,
    /// Which nodes hold blocks: a walk over many touches little memory.
    present: Bits,
    /// One a node, where the eviction reads them; else none.
    facts: Vec<Facts>,
    /// Whether calls look for what is held; if not, nothing is.
    pub(super) reuse: bool,
    pub(super) capacity: u64,
    /// Blocks in the tree.
    resident: u64,
    /// Of these, blocks that running calls pin.
    pub(super) held: u64,
    /// Blocks that running calls have to themselves.
    pub(super) private: u64,
    clock: u32,
    pub(super) evict: Box<dyn Eviction + 'a>,
    pub(super) evicted: u64,
    pub(super) peak: u64,
    /// The way of the call whose prompt was computed last.
    trail: Trail,
    /// Nodes whose blocks changed, where somebody watches.
    pub(super) changed: Option<Vec<NodeId>>,
}

/// The nodes below one down to another, which a prompt takes step by step.
#[derive(Clone, Debug, Default)]
struct Trail {
    from: NodeId,
    to: NodeId,
    /// The next one last.
    nodes: Vec<NodeId>,
}

impl Trail {
    /// The way from `from` to `to`, which lies below it.
    fn lead(&mut self, tree: &PrefixTree, from: NodeId, to: NodeId) {
        if (self.from, self.to) == (from, to) {
            return;
        }
        (self.from, self.to) = (from, to);
        self.nodes.clear();
        self.nodes.extend(tree.way(to).take_while(|&at| at != from));
    }

    /// The next node, if it begins before block `until`.
    fn next(&mut self, tree: &PrefixTree, until: u32) -> Option<NodeId> {
        let &next = self.nodes.last()?;
        if tree.start_block(next) >= until {
            return None;
        }
        self.nodes.pop();
        self.from = next;
        Some(next)
    }
}

/// A bit a node.
#[derive(Clone, Debug)]
struct Bits(Vec<u64>);

impl Bits {
    fn new(count: usize) -> Self {
        Bits(vec![0; count.div_ceil(64)])
    }

    fn has(&self, node: NodeId) -> bool {
        self.0[node as usize / 64] >> (node % 64) & 1 != 0
    }

    fn set(&mut self, node: NodeId) {
        self.0[node as usize / 64] |= 1 << (node % 64);
    }

    fn clear(&mut self, node: NodeId) {
        self.0[node as usize / 64] &= !(1 << (node % 64));
    }
}

impl<'a> BlockCache<'a> {
    /// An empty cache of `capacity` blocks for the prompts of `tree`.
    pub fn new(tree: &'a PrefixTree, capacity: u64, evict: Box<dyn Eviction + 'a>) -> Self {
        BlockCache {
            tree,
            slots: vec![Slot::default(); tree.len()],
            present: Bits::new(tree.len()),
            facts: if evict.reads_facts() { vec![Facts::default(); tree.len()] } else { Vec::new() },
            reuse: true,
            capacity,
            resident: 0,
            held: 0,
            private: 0,
            clock: 0,
            evict,
            evicted: 0,
            peak: 0,
            trail: Trail::default(),
            changed: None,
        }
    }

    /// The same, where calls find what is held or, without `reuse`, leave nothing behind.
    pub fn reusing(self, reuse: bool) -> Self {
        BlockCache { reuse, ..self }
    }

    /// Blocks that a new call could get, by eviction if need be.
    pub fn available(&self) -> u64 {
        self.capacity - self.private - self.held
    }

    pub(super) fn block(&self) -> u64 {
        u64::from(self.tree.block_tokens())
    }

    /// The deepest cached node on the way to `node`, and the blocks cached up to there.
    pub fn longest(&self, node: NodeId) -> (NodeId, u32) {
        let at = self.tree.deepest(node, |at| self.present.has(at));
        let before = if at == ROOT { 0 } else { self.tree.start_block(at) };
        (at, before + self.slots[at as usize].resident)
    }

    /// Keeps `node` and everything above it from eviction.
    pub fn pin(&mut self, node: NodeId) {
        let tree = self.tree;
        for at in tree.way(node) {
            let slot = &mut self.slots[at as usize];
            slot.held += 1;
            if slot.held > 1 {
                return;
            }
            self.held += u64::from(slot.resident);
        }
    }

    /// Lets `node` go. With `last` it becomes the most recently used.
    pub fn unpin(&mut self, node: NodeId, last: Option<Use>) {
        if node == ROOT {
            return;
        }
        if let Some(last) = last {
            self.clock += 1;
            let slot = &mut self.slots[node as usize];
            slot.touch = self.clock;
            if let Some(facts) = self.facts.get_mut(node as usize) {
                facts.last = last;
            }
            self.evict.released(last, u64::from(self.tree.start_block(node)) + u64::from(slot.resident));
        }
        let tree = self.tree;
        for at in tree.way(node) {
            let slot = &mut self.slots[at as usize];
            slot.held -= 1;
            if slot.held > 0 {
                return;
            }
            self.held -= u64::from(slot.resident);
            self.offer(at);
        }
    }

    /// Puts a node on the list of candidates if it is one.
    pub(super) fn offer(&mut self, node: NodeId) {
        let slot = self.slots[node as usize];
        if slot.is_leaf() {
            let Facts { born, hits, last } = self.facts.get(node as usize).copied().unwrap_or_default();
            self.evict.offer(&Leaf {
                node,
                stamp: slot.touch.into(),
                born,
                blocks: slot.resident,
                hits,
                last,
            });
        }
    }

    /// Blocks that nothing is held in.
    pub(super) fn free(&self) -> u64 {
        self.capacity - self.private - self.resident
    }

    /// Takes `blocks` for one call alone. Evicts as needed.
    /// Returns false, and changes nothing, when there are not so many.
    pub fn take(&mut self, blocks: u64, now: Ps) -> bool {
        if blocks > self.available() {
            return false;
        }
        let free = self.free();
        if blocks > free {
            self.make_room(blocks - free, now);
        }
        self.private += blocks;
        self.peak = self.peak.max(self.private + self.resident);
        true
    }

    /// Gives back blocks that a call had to itself.
    pub fn give(&mut self, blocks: u64) {
        self.private -= blocks;
    }

    fn make_room(&mut self, mut blocks: u64, now: Ps) {
        let whole = self.evict.whole_leaves();
        let mut above = None;
        while blocks > 0 {
            let Some(node) = above.take().or_else(|| self.first_leaf(now)) else { return };
            let slot = &mut self.slots[node as usize];
            let all = u64::from(slot.resident);
            let gone = if whole { all } else { all.min(blocks) };
            slot.resident -= gone as u32;
            let empty = slot.resident == 0;
            blocks = blocks.saturating_sub(gone);
            self.resident -= gone;
            self.evicted += gone;
            self.note(node);
            if empty {
                self.present.clear(node);
                above = self.inherit(node);
            } else {
                self.offer(node);
            }
        }
        if let Some(node) = above {
            self.offer(node);
        }
    }

    /// Takes the leaf to go next off the list.
    fn first_leaf(&mut self, now: Ps) -> Option<NodeId> {
        loop {
            let (node, touch) = self.evict.next(now)?;
            let slot = &self.slots[node as usize];
            if slot.is_leaf() && u64::from(slot.touch) == touch {
                return Some(node);
            }
        }
    }

    /// A node is gone: its parent may be a leaf now, and was used when the node was. Returns the parent where it is to
    /// go next.
    fn inherit(&mut self, node: NodeId) -> Option<NodeId> {
        let touch = self.slots[node as usize].touch;
        let parent = self.tree.parent(node);
        let gone = self.facts.get_mut(node as usize).map(std::mem::take);
        if parent == ROOT {
            return None;
        }
        let above = &mut self.slots[parent as usize];
        above.kids -= 1;
        let later = touch > above.touch;
        above.touch = above.touch.max(touch);
        let next = above.touch == touch && above.is_leaf() && self.evict.goes_upwards();
        if let (Some(gone), Some(facts)) = (gone, self.facts.get_mut(parent as usize)) {
            facts.hits += gone.hits;
            if later {
                facts.last = gone.last;
            }
        }
        if next {
            return Some(parent);
        }
        self.offer(parent);
        None
    }

    /// A prompt was found up to here.
    pub(super) fn found(&mut self, node: NodeId) {
        if let Some(facts) = self.facts.get_mut(node as usize).filter(|_| node != ROOT) {
            facts.hits += 1;
        }
    }

    fn note(&mut self, node: NodeId) {
        if let Some(changed) = &mut self.changed {
            changed.push(node);
        }
    }

    /// Moves a call's own blocks into the tree: everything on the way to `node`, up to block
    /// `until`. `pinned` is what the call pins now. Returns what it pins then, and how many of its own blocks
    /// moved; blocks that another call put there before stay its own.
    pub fn insert(&mut self, pinned: NodeId, node: NodeId, until: u32) -> (NodeId, u64) {
        let mut moved = if pinned == ROOT { 0 } else { self.fill(pinned, until) };
        self.trail.lead(self.tree, pinned, node);
        while let Some(next) = self.trail.next(self.tree, until) {
            moved += self.fill(next, until);
        }
        let deepest = self.trail.from;
        self.resident += moved;
        self.private -= moved;
        if deepest != pinned {
            self.slots[deepest as usize].held += 1;
            self.unpin(pinned, None);
        }
        (deepest, moved)
    }

    /// Moves a call's own blocks into a node, up to block `until`, and keeps it for those below, which must follow.
    /// Returns how many moved.
    fn fill(&mut self, node: NodeId, until: u32) -> u64 {
        let Node { parent, start_block, end_block, .. } = self.tree.node(node);
        let slot = &mut self.slots[node as usize];
        let (before, idle) = (slot.resident, slot.held == 0);
        let after = end_block.min(until).saturating_sub(start_block).max(before);
        slot.resident = after;
        let moved = u64::from(after - before);
        self.held += if idle { u64::from(after) } else { moved };
        let first = before == 0 && after > 0;
        if first {
            self.present.set(node);
            if let Some(facts) = self.facts.get_mut(node as usize) {
                facts.born = self.clock.into();
            }
        }
        if parent != ROOT && (first || idle) {
            let above = &mut self.slots[parent as usize];
            above.kids += u32::from(first);
            above.held += u32::from(idle);
        }
        if moved > 0 {
            self.note(node);
        }
        moved
    }

    /// One call without time: finds what there is on the way to `node`, then holds that way up to block `until` as
    /// the latest use, as far as there is room. Returns the blocks that it found.
    pub fn hold(&mut self, node: NodeId, until: u32, last: Use) -> u32 {
        self.evict.admitted(last.call, last.at);
        let (found, blocks) = self.longest(node);
        self.pin(found);
        self.found(found);
        let wanted = self.tree.end_block(node).min(until).saturating_sub(blocks);
        let room = u64::from(wanted).min(self.available());
        let taken = self.take(room, last.at);
        debug_assert!(taken, "no more is asked than there is");
        let (pin, moved) = self.insert(found, node, blocks + room as u32);
        debug_assert!(moved == room, "nothing beyond what was found is held");
        self.give(room - moved);
        self.unpin(pin, Some(last));
        blocks
    }
}
