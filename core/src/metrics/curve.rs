//! The hit rate of one shared LRU cache at every capacity, in one pass over the calls.
//!
//! LRU has no anomalies: what a small cache holds, a larger one holds too. So for every block that is asked
//! for there is a least capacity at which it is found, one more than the blocks used since it was used last
//! (its stack distance). Prompts go through whole nodes of the [`PrefixTree`], so all blocks of a node were
//! used last by the same call, and on the way from the root down these calls only get older. A prompt is
//! thus cut into few runs of nodes that one call left behind. Of a run, everything above it on the call's own
//! way has been used since, so its blocks lie side by side in the order of the cache: a run takes one
//! question to a Fenwick tree over calls, and adds one line to the curve.

use super::{InspectOptions, Untimed};
use crate::serve::{NodeId, PrefixTree};
use crate::trace::{Session, Workload};
use serde::{Deserialize, Serialize};

/// The hit tokens of one capacity. Between two knots they grow by equal steps from block to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knot {
    /// Capacity.
    pub kv_tokens: u64,
    /// Prompt tokens found.
    pub hit_tokens: u64,
}

/// Hit tokens by capacity of one shared LRU cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Curve {
    /// Tokens in a block.
    pub block_tokens: u32,
    /// All prompt tokens.
    pub prompt_tokens: u64,
    /// Where the curve bends, by capacity; from 0 to the least capacity that finds all that can be found.
    pub knots: Vec<Knot>,
}

impl Curve {
    /// Tokens that a cache of `kv_tokens` finds; what is no whole block is of no use.
    pub fn hit_tokens(&self, kv_tokens: u64) -> u64 {
        let block = u64::from(self.block_tokens);
        let at = kv_tokens / block * block;
        let next = self.knots.partition_point(|knot| knot.kv_tokens <= at);
        let Some(before) = next.checked_sub(1).map(|place| self.knots[place]) else { return 0 };
        let Some(after) = self.knots.get(next) else { return before.hit_tokens };
        before.hit_tokens + (at - before.kv_tokens) / block * step(before, *after, block)
    }

    /// Cached over prompt tokens; `None` where no prompt token was sent.
    pub fn hit_rate(&self, kv_tokens: u64) -> Option<f64> {
        (self.prompt_tokens > 0).then(|| self.hit_tokens(kv_tokens) as f64 / self.prompt_tokens as f64)
    }

    /// Tokens that an infinite cache finds.
    pub fn ceiling_tokens(&self) -> u64 {
        self.knots.last().map_or(0, |knot| knot.hit_tokens)
    }

    /// The least capacity, in tokens of whole blocks, that finds `share` of what an infinite cache finds.
    pub fn kv_tokens_for(&self, share: f64) -> u64 {
        let block = u64::from(self.block_tokens);
        let wanted = libm::ceil(share * self.ceiling_tokens() as f64) as u64;
        let wanted = wanted.min(self.ceiling_tokens());
        let next = self.knots.partition_point(|knot| knot.hit_tokens < wanted);
        let Some(after) = self.knots.get(next).copied() else { return 0 };
        let Some(before) = next.checked_sub(1).map(|place| self.knots[place]) else { return after.kv_tokens };
        let more = (wanted - before.hit_tokens).div_ceil(step(before, after, block).max(1));
        before.kv_tokens + more * block
    }
}

/// Hit tokens that each further block adds between two knots.
fn step(before: Knot, after: Knot, block: u64) -> u64 {
    (after.hit_tokens - before.hit_tokens) / ((after.kv_tokens - before.kv_tokens) / block).max(1)
}

/// The curve of a set, under the conventions of [`inspect`](super::inspect): a partial last block that its
/// source hashes counts, replies enter the cache where messages are known, one session after the other or
/// merged by time. Exact: at any capacity it gives what `inspect`'s LRU pass finds.
pub fn miss_ratio_curve(sessions: &[Session], options: &InspectOptions) -> Curve {
    let Untimed { work, tree, order, replies } = Untimed::new(sessions, options);
    curve_over(&work, &tree, &order, replies)
}

/// The curve of calls that reach the cache in `order`, with their `replies` or without.
pub fn curve_over(work: &Workload, tree: &PrefixTree, order: &[u32], replies: bool) -> Curve {
    let mut pass = Pass {
        tree,
        used: vec![0; tree.len()],
        blocks: Fenwick::new(order.len() + 1),
        bends: Vec::new(),
        way: Vec::new(),
    };
    for (now, &call) in (1u32..).zip(order) {
        let prompt = tree.prompt(call);
        let last = if replies { tree.reply(call) } else { prompt };
        pass.ask(prompt, last, work.calls[call as usize].prompt_tokens.into(), now);
    }
    let prompt_tokens = order.iter().map(|&call| u64::from(work.calls[call as usize].prompt_tokens)).sum();
    Curve { block_tokens: tree.block_tokens(), prompt_tokens, knots: pass.knots() }
}

struct Pass<'a> {
    tree: &'a PrefixTree,
    /// By node, the last call that used it, counted from 1; 0: none.
    used: Vec<u32>,
    /// By call, the blocks that no later call used.
    blocks: Fenwick,
    /// Capacities, in blocks, from which on each further block adds more or fewer tokens than before.
    bends: Vec<(u64, i64)>,
    way: Vec<NodeId>,
}

impl Pass<'_> {
    /// A call asks for the blocks of `prompt` and leaves those of `last` behind.
    fn ask(&mut self, prompt: NodeId, last: NodeId, prompt_tokens: u64, now: u32) {
        let mut way = std::mem::take(&mut self.way);
        way.clear();
        way.extend(self.tree.way(last));
        way.reverse();
        let mut rest = &way[..];
        while let Some(by) = rest.first().map(|first| self.used[*first as usize]).filter(|by| *by > 0) {
            let together = rest.iter().take_while(|node| self.used[**node as usize] == by).count();
            let (run, below) = rest.split_at(together);
            rest = below;
            let (start, end) = (self.tree.start_block(run[0]), self.tree.end_block(run[together - 1]));
            let asked = end.min(self.tree.end_block(prompt));
            if start < asked {
                self.find(self.blocks.after(by), start.into(), asked.into(), prompt_tokens);
            }
        }
        // What was used before is now used by this call: taken from the calls that had it last.
        for &node in &way {
            let blocks = u64::from(self.tree.end_block(node) - self.tree.start_block(node));
            let by = std::mem::replace(&mut self.used[node as usize], now);
            if by > 0 {
                self.blocks.take(by, blocks);
            }
        }
        self.blocks.add(now, self.tree.end_block(last).into());
        self.way = way;
    }

    /// Blocks `start..end` of a prompt are found by every cache that holds the `newer` blocks and those
    /// of the run up to them.
    fn find(&mut self, newer: u64, start: u64, end: u64, prompt_tokens: u64) {
        let block = u64::from(self.tree.block_tokens());
        let whole = end.min(prompt_tokens / block).max(start);
        self.line(newer, whole - start, block);
        // A last block that is not full counts with what it has.
        let rest = prompt_tokens.saturating_sub(whole * block).min(block);
        if whole < end {
            self.line(newer + (whole - start), 1, rest);
        }
    }

    /// The `blocks` capacities from `from` on each add so many tokens.
    fn line(&mut self, from: u64, blocks: u64, tokens: u64) {
        if blocks > 0 && tokens > 0 {
            self.bends.push((from, tokens.cast_signed()));
            self.bends.push((from + blocks, -tokens.cast_signed()));
        }
    }

    fn knots(mut self) -> Vec<Knot> {
        self.bends.sort_unstable();
        let block = u64::from(self.tree.block_tokens());
        let (mut at, mut slope, mut hit_tokens) = (0, 0i64, 0);
        let mut knots = vec![Knot { kv_tokens: 0, hit_tokens: 0 }];
        for bends in self.bends.chunk_by(|a, b| a.0 == b.0) {
            let bend: i64 = bends.iter().map(|(_, change)| change).sum();
            if bend == 0 {
                continue;
            }
            hit_tokens += (bends[0].0 - at) * slope.unsigned_abs();
            (at, slope) = (bends[0].0, slope + bend);
            if at > 0 {
                knots.push(Knot { kv_tokens: at * block, hit_tokens });
            }
        }
        knots
    }
}

/// Sums over a list that changes, each in a logarithm of its length.
struct Fenwick {
    sums: Vec<u64>,
    total: u64,
}

impl Fenwick {
    fn new(len: usize) -> Self {
        Fenwick { sums: vec![0; len + 1], total: 0 }
    }

    fn add(&mut self, place: u32, blocks: u64) {
        self.total += blocks;
        let mut at = place as usize;
        while at < self.sums.len() {
            self.sums[at] += blocks;
            at += at & at.wrapping_neg();
        }
    }

    fn take(&mut self, place: u32, blocks: u64) {
        self.total -= blocks;
        let mut at = place as usize;
        while at < self.sums.len() {
            self.sums[at] -= blocks;
            at += at & at.wrapping_neg();
        }
    }

    /// The sum behind a place.
    fn after(&self, place: u32) -> u64 {
        let mut sum = self.total;
        let mut at = place as usize;
        while at > 0 {
            sum -= self.sums[at];
            at &= at - 1;
        }
        sum
    }
}
