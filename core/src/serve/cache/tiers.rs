//! A second tier in the host's memory, behind any cache.
//!
//! Whatever is written on the device is written to the host too, at once and at no cost (it happens beside the computing), and
//! stays there by a least-recently-used order of its own, as long as the host has room. What a call finds on the host
//! beyond what the device holds is brought over when it is admitted: it takes blocks of the device as if it were computed, and
//! its transfer is added to the step in which the call starts, not hidden behind the computing.

use super::{Admission, BlockCache, KvCache, Lease, Memory};
use crate::serve::evict::{Lru, Missed, Use};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;

/// A cache on the device with one on the host behind it.
#[derive(Clone)]
pub(super) struct Tiers<'a> {
    device: Box<dyn KvCache + 'a>,
    host: BlockCache<'a>,
}

impl<'a> Tiers<'a> {
    pub(super) fn new(device: Box<dyn KvCache + 'a>, memory: &Memory<'a>) -> Self {
        Tiers { device, host: BlockCache::new(memory.tree, memory.host_blocks, Box::new(Lru::default())) }
    }
}

impl KvCache for Tiers<'_> {
    fn block_tokens(&self) -> u64 {
        self.device.block_tokens()
    }

    fn capacity(&self) -> u64 {
        self.device.capacity()
    }

    fn available(&self) -> u64 {
        self.device.available()
    }

    fn used(&self) -> u64 {
        self.device.used()
    }

    fn largest(&self) -> u64 {
        self.device.largest()
    }

    fn held(&self, node: NodeId) -> u32 {
        self.device.held(node)
    }

    fn held_anywhere(&self, node: NodeId) -> u32 {
        self.device.held(node).max(self.host.longest(node).1)
    }

    fn admit(&mut self, ask: &Admission) -> Option<Lease> {
        let mut lease = self.device.admit(ask)?;
        let block = self.block_tokens();
        let found = u64::from(self.host.longest(ask.node).1).min((ask.target - 1) / block) * block;
        lease.host_tokens = found.saturating_sub(lease.device_tokens);
        Some(lease)
    }

    fn extend(&mut self, lease: &mut Lease, blocks: u64, now: Ps) -> bool {
        self.device.extend(lease, blocks, now)
    }

    fn publish(&mut self, lease: &mut Lease, node: NodeId, tokens: u64) -> u64 {
        self.host.hold(node, (tokens / self.block_tokens()) as u32, Use::default());
        self.device.publish(lease, node, tokens)
    }

    fn release(&mut self, lease: Lease, last: Use) {
        self.device.release(lease, last);
    }

    fn evicted(&self) -> u64 {
        self.device.evicted()
    }

    fn peak(&self) -> u64 {
        self.device.peak()
    }

    fn awaits(&self) -> bool {
        self.device.awaits()
    }

    fn miss(&mut self, call: u32, why: Missed) {
        self.device.miss(call, why);
    }

    fn expect_again(&mut self, call: u32) {
        self.device.expect_again(call);
    }

    fn next_change(&mut self, now: Ps) -> Option<Ps> {
        self.device.next_change(now)
    }

    fn watch(&mut self) {
        self.device.watch();
        self.host.watch();
    }

    fn changes(&mut self) -> Vec<(NodeId, u32)> {
        self.device.changes()
    }

    fn host_changes(&mut self) -> Vec<(NodeId, u32)> {
        self.host.changes()
    }
}
