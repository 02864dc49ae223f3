//! Blocks under chained hashes, as vLLM shares them; with blocks of one token, a radix tree as SGLang's.

use super::blocks::BlockCache;
use super::{Admission, KvCache, Lease};
use crate::serve::evict::{Missed, Use};
use crate::serve::latency::Ps;
use crate::serve::prefix::{NodeId, ROOT};

impl BlockCache<'_> {
    /// The cached prefix of a call: its deepest node, and the blocks that count. The last token is
    /// always computed.
    fn usable(&self, ask: &Admission) -> (NodeId, u64) {
        if !self.reuse {
            return (ROOT, 0);
        }
        let (node, blocks) = self.longest(ask.node);
        (node, u64::from(blocks).min((ask.target - 1) / self.block()))
    }

    /// Pins a prefix and takes blocks beside it, leaving `headroom`.
    /// Returns false, with nothing changed, when there is no room.
    fn seize(&mut self, pin: NodeId, private: u64, ask: &Admission) -> bool {
        self.pin(pin);
        let fits = private + ask.headroom <= self.available() && self.take(private, ask.now);
        if !fits {
            self.unpin(pin, None);
        }
        fits
    }
}

impl KvCache for BlockCache<'_> {
    fn block_tokens(&self) -> u64 {
        self.block()
    }

    fn capacity(&self) -> u64 {
        self.capacity
    }

    fn available(&self) -> u64 {
        BlockCache::available(self)
    }

    fn used(&self) -> u64 {
        self.private + self.held
    }

    fn largest(&self) -> u64 {
        self.capacity * self.block()
    }

    fn held(&self, node: NodeId) -> u32 {
        self.longest(node).1
    }

    fn admit(&mut self, ask: &Admission) -> Option<Lease> {
        let blocks = ask.room.div_ceil(self.block());
        let (mut pin, mut cached) = self.usable(ask);
        if !self.seize(pin, blocks - cached, ask) {
            // The match may hold a block more than the call may use; alone on the replica, a call
            // gets in without it.
            (pin, cached) = (ROOT, 0);
            if !ask.alone || !self.seize(pin, blocks, ask) {
                return None;
            }
        }
        self.found(pin);
        self.evict.admitted(ask.call, ask.now);
        let device_tokens = cached * self.block();
        Some(Lease { pin, blocks, private: blocks - cached, device_tokens, ..Lease::default() })
    }

    fn extend(&mut self, lease: &mut Lease, blocks: u64, now: Ps) -> bool {
        let full = blocks > self.free();
        let taken = self.take(blocks, now);
        if taken {
            // One by one they would have filled it, also where a whole leaf makes more room than is needed.
            self.peak = if full { self.capacity } else { self.peak };
            lease.blocks += blocks;
            lease.private += blocks;
        }
        taken
    }

    fn publish(&mut self, lease: &mut Lease, node: NodeId, tokens: u64) -> u64 {
        if !self.reuse {
            return 0;
        }
        let (pin, moved) = self.insert(lease.pin, node, (tokens / self.block()) as u32);
        lease.pin = pin;
        lease.private -= moved;
        moved * self.block()
    }

    fn release(&mut self, lease: Lease, last: Use) {
        self.unpin(lease.pin, Some(last));
        self.give(lease.private);
    }

    fn evicted(&self) -> u64 {
        self.evicted
    }

    fn peak(&self) -> u64 {
        self.peak
    }

    fn awaits(&self) -> bool {
        self.evict.awaits()
    }

    fn miss(&mut self, call: u32, why: Missed) {
        if self.evict.missed(call, why) {
            // All leaves that the call would have used: there is one at most.
            let (node, _) = self.longest(self.tree.prompt(call));
            self.offer(node);
        }
    }

    fn expect_again(&mut self, call: u32) {
        self.evict.expected_again(call);
    }

    fn next_change(&mut self, now: Ps) -> Option<Ps> {
        self.evict.next_change(now)
    }

    fn watch(&mut self) {
        self.changed = Some(Vec::new());
    }

    fn changes(&mut self) -> Vec<(NodeId, u32)> {
        let changed = self.changed.as_mut().map(std::mem::take).unwrap_or_default();
        changed.into_iter().map(|node| (node, self.slots[node as usize].resident)).collect()
    }
}
