//! Places with equal shares of the memory, as llama.cpp's server has them: a call runs in one place, finds there what the
//! place held last as far as it begins in the same way, and leaves there what it computed. Nothing is shared between places.
//!
//! A call goes to the idle place that holds the most of its prompt, if that is more than a share of it (a tenth by default;
//! with 0 none is), else to the one that was idle the longest. Of equal places the former rule takes the first, the latter the
//! last. What the place holds beyond the common beginning is lost. The server's own further steps, keeping lost prompts in the
//! host's memory and one memory for all places, are not taken.

use super::{Admission, KvCache, Lease, Memory};
use crate::choice::{Choice, Param};
use crate::serve::evict::Use;
use crate::serve::latency::Ps;
use crate::serve::prefix::{NodeId, PrefixTree, ROOT};
use std::collections::BTreeMap;

pub(super) const PARAMS: &[Param] = &[
    Param { key: "slots", about: "places", default: 4.0, whole: true, range: (1.0, 4_096.0) },
    Param {
        key: "similarity",
        about: "a place must hold more than this share of a prompt to be taken for it",
        default: 0.1,
        whole: false,
        range: (0.0, 1.0),
    },
];

/// One place.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    busy: bool,
    /// The end of what can be found here, and its blocks.
    node: NodeId,
    known: u32,
    /// Blocks taken, by a running call or by what it left.
    taken: u64,
    /// When it was last let go, in the cache's own count.
    touch: u64,
}

/// The places of one replica.
#[derive(Clone)]
pub(super) struct Slots<'a> {
    tree: &'a PrefixTree,
    places: Vec<Place>,
    /// Blocks of one place.
    share: u64,
    similarity: f64,
    reuse: bool,
    clock: u64,
    evicted: u64,
    /// Blocks taken in all places.
    taken: u64,
    peak: u64,
    /// What was said to be held, where somebody watches.
    shown: Option<Vec<NodeId>>,
}

impl<'a> Slots<'a> {
    pub(super) fn new(choice: &Choice, memory: &Memory<'a>) -> Self {
        let places = choice.whole("slots").clamp(1, memory.capacity_blocks.max(1));
        Slots {
            tree: memory.tree,
            places: vec![Place::default(); places as usize],
            share: memory.capacity_blocks / places,
            similarity: choice.get("similarity"),
            reuse: memory.reuse,
            clock: 0,
            evicted: 0,
            taken: 0,
            peak: 0,
            shown: None,
        }
    }

    fn block(&self) -> u64 {
        u64::from(self.tree.block_tokens())
    }

    /// Blocks that a place holds of the way to `node`.
    fn common(&self, place: &Place, node: NodeId) -> u32 {
        place.known.min(self.tree.end_block(self.tree.fork(place.node, node)))
    }

    /// The idle place for a call and the blocks of its prompt there.
    fn choose(&self, ask: &Admission) -> Option<(usize, u64)> {
        let idle = || self.places.iter().enumerate().filter(|(_, place)| !place.busy);
        idle().next()?;
        let common = |place: &Place| if self.reuse { u64::from(self.common(place, ask.node)) } else { 0 };
        let mut best: Option<(usize, u64)> = None;
        for (number, place) in idle().filter(|_| self.similarity > 0.0) {
            let blocks = common(place);
            let enough = (blocks * self.block()) as f64 > self.similarity * ask.target as f64;
            if enough && best.is_none_or(|(_, most)| blocks > most) {
                best = Some((number, blocks));
            }
        }
        let longest_idle = || idle().rev().min_by_key(|(_, place)| place.touch);
        best.or_else(|| longest_idle().map(|(number, place)| (number, common(place))))
    }

    fn take(&mut self, number: usize, blocks: u64) {
        let place = &mut self.places[number];
        self.taken = self.taken + blocks - place.taken;
        place.taken = blocks;
        self.peak = self.peak.max(self.taken);
    }

    /// Blocks held of single nodes on the way to what a place holds.
    fn nodes(&self, place: &Place) -> impl Iterator<Item = (NodeId, u32)> + '_ {
        let known = place.known;
        self.tree.way(place.node).filter_map(move |at| {
            let start = self.tree.start_block(at);
            (known > start).then(|| (at, known.min(self.tree.end_block(at)) - start))
        })
    }
}

impl KvCache for Slots<'_> {
    fn block_tokens(&self) -> u64 {
        self.block()
    }

    fn capacity(&self) -> u64 {
        self.share * self.places.len() as u64
    }

    fn available(&self) -> u64 {
        self.capacity() - self.used()
    }

    fn used(&self) -> u64 {
        self.places.iter().filter(|place| place.busy).map(|place| place.taken).sum()
    }

    fn largest(&self) -> u64 {
        self.share * self.block()
    }

    fn held(&self, node: NodeId) -> u32 {
        self.places.iter().map(|place| self.common(place, node)).max().unwrap_or(0)
    }

    fn admit(&mut self, ask: &Admission) -> Option<Lease> {
        let (number, found) = self.choose(ask)?;
        let blocks = ask.room.div_ceil(self.block()).min(self.share);
        let found = found.min((ask.target - 1) / self.block());
        let place = &mut self.places[number];
        self.evicted += u64::from(place.known) - found;
        place.busy = true;
        // What is kept is the beginning of the prompt.
        (place.node, place.known) = (ask.node, found as u32);
        self.take(number, blocks);
        Some(Lease {
            pin: ROOT,
            slot: number as u32,
            blocks,
            private: blocks,
            device_tokens: found * self.block(),
            host_tokens: 0,
        })
    }

    fn extend(&mut self, lease: &mut Lease, blocks: u64, _now: Ps) -> bool {
        let fits = lease.blocks + blocks <= self.share;
        if fits {
            lease.blocks += blocks;
            lease.private += blocks;
            self.take(lease.slot as usize, lease.blocks);
        }
        fits
    }

    fn publish(&mut self, lease: &mut Lease, node: NodeId, tokens: u64) -> u64 {
        if !self.reuse {
            return 0;
        }
        let known = self.tree.end_block(node).min((tokens / self.block()) as u32);
        let place = &mut self.places[lease.slot as usize];
        let before = std::mem::replace(&mut place.known, known);
        place.node = node;
        u64::from(known.saturating_sub(before)) * self.block()
    }

    fn release(&mut self, lease: Lease, _last: Use) {
        self.clock += 1;
        let place = &mut self.places[lease.slot as usize];
        (place.busy, place.touch) = (false, self.clock);
        let left = u64::from(place.known);
        self.take(lease.slot as usize, left);
    }

    fn evicted(&self) -> u64 {
        self.evicted
    }

    fn peak(&self) -> u64 {
        self.peak
    }

    fn watch(&mut self) {
        self.shown = Some(Vec::new());
    }

    fn changes(&mut self) -> Vec<(NodeId, u32)> {
        let Some(shown) = self.shown.take() else { return Vec::new() };
        let mut held: BTreeMap<NodeId, u32> = shown.into_iter().map(|node| (node, 0)).collect();
        for place in &self.places {
            for (node, blocks) in self.nodes(place) {
                let most = held.entry(node).or_default();
                *most = blocks.max(*most);
            }
        }
        self.shown = Some(held.iter().filter(|&(_, &blocks)| blocks > 0).map(|(&node, _)| node).collect());
        held.into_iter().collect()
    }
}
