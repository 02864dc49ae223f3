//! Prompts as lists of single blocks, and a cache as a plain list of them.

use super::replica::Running;
use atr_core::trace::{Run, Workload};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A block, known by all tokens up to its end: equal numbers, equal tokens.
pub(crate) type Block = usize;

/// The blocks of one call's prompt, and of its prompt with its reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Way {
    pub(crate) prompt: Vec<Block>,
    pub(crate) reply: Vec<Block>,
    /// After how many blocks a segment ends.
    ends: Vec<usize>,
}

impl Way {
    /// Who keeps one block of a segment keeps what is there of the segment: so many blocks of the way.
    pub(crate) fn kept(&self, blocks: usize) -> usize {
        if blocks == 0 {
            return 0;
        }
        self.ends.iter().copied().find(|&end| end >= blocks).unwrap_or(blocks)
    }
}

/// A token: the segment it belongs to and its place there.
type Token = (u64, u32);

/// The ways of all calls. A block's number stands for the block before it and its own tokens.
pub(crate) fn ways(work: &Workload, block: usize) -> Vec<Way> {
    let mut numbers: HashMap<(u32, Option<Block>, Vec<Token>), Block> = HashMap::new();
    let mut way = |model: u32, tokens: &[Token]| {
        let mut before = None;
        let mut blocks = Vec::new();
        for own in tokens.chunks_exact(block) {
            let next = numbers.len();
            let number = *numbers.entry((model, before, own.to_vec())).or_insert(next);
            before = Some(number);
            blocks.push(number);
        }
        blocks
    };
    let one = |call: &atr_core::trace::WorkCall| {
        let mut spelled = tokens(work, &call.prompt);
        let prompt = way(call.model, &spelled);
        spelled.extend(tokens(work, &call.reply));
        let reply = way(call.model, &spelled);
        let mut ends: Vec<usize> = Vec::new();
        let mut sum = 0;
        for segment in call.prompt.iter().chain(&call.reply).flat_map(|run| run.indices()) {
            sum += work.segments[segment as usize].tokens as usize;
            ends.push(sum / block);
        }
        Way { prompt, reply, ends }
    };
    work.calls.iter().map(one).collect()
}

fn tokens(work: &Workload, runs: &[Run]) -> Vec<Token> {
    let segments = runs.iter().flat_map(|run| run.indices()).map(|index| work.segments[index as usize]);
    segments.flat_map(|segment| (0..segment.tokens).map(move |place| (segment.id, place))).collect()
}

/// What is known of a block in the cache.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Its place in a prompt.
    depth: usize,
    /// When a call that had it went, counted in calls.
    used: u64,
}

/// One replica's memory: blocks in the cache, and blocks that running calls have to themselves.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    capacity: u64,
    reuse: bool,
    held: BTreeMap<Block, Held>,
    gone: u64,
    pub(crate) evicted: u64,
    pub(crate) peak: u64,
}

impl Memory {
    pub(crate) fn new(capacity: u64, reuse: bool) -> Self {
        Memory { capacity, reuse, held: BTreeMap::new(), gone: 0, evicted: 0, peak: 0 }
    }

    /// How many blocks of a way are there, from its begin.
    pub(crate) fn found(&self, way: &[Block]) -> usize {
        if self.reuse { way.iter().take_while(|block| self.held.contains_key(block)).count() } else { 0 }
    }

    fn kept<'r>(&self, running: &'r [Running]) -> BTreeSet<&'r Block> {
        running.iter().flat_map(Running::kept).filter(|block| self.held.contains_key(block)).collect()
    }

    /// Blocks that calls could still get, if everything went that no running call keeps.
    pub(crate) fn available(&self, running: &[Running]) -> u64 {
        self.capacity - self.kept(running).len() as u64 - own(running)
    }

    /// Makes room for so many blocks: the least recently used goes first, of one call's the deepest.
    pub(crate) fn make_room(&mut self, blocks: u64, running: &[Running]) {
        let wanted = own(running) + blocks;
        let kept = self.kept(running);
        while self.held.len() as u64 + wanted > self.capacity {
            let free = self.held.iter().filter(|(block, _)| !kept.contains(block));
            let oldest = *free.min_by_key(|(_, held)| (held.used, Reverse(held.depth))).unwrap().0;
            self.held.remove(&oldest);
            self.evicted += 1;
        }
        self.peak = self.peak.max(self.held.len() as u64 + wanted);
    }

    /// Puts a call's blocks into the cache, as far as they are not there. Returns how many moved.
    pub(crate) fn put(&mut self, way: &[Block]) -> u64 {
        let mut moved = 0;
        for (depth, &block) in way.iter().enumerate() {
            if self.reuse && !self.held.contains_key(&block) {
                self.held.insert(block, Held { depth, used: 0 });
                moved += 1;
            }
        }
        moved
    }

    /// A call goes: what it kept was used last.
    pub(crate) fn let_go(&mut self, kept: &[Block]) {
        self.gone += 1;
        for block in kept {
            if let Some(held) = self.held.get_mut(block) {
                held.used = self.gone;
            }
        }
    }
}

fn own(running: &[Running]) -> u64 {
    running.iter().map(|call| call.own).sum()
}
