//! A call that a replica works on.

use super::cache::Lease;

/// A call that a replica works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) call: u32,
    /// The memory that it holds.
    pub(super) lease: Lease,
    /// Tokens in the cache.
    pub(super) kv: u64,
    /// Tokens that must be there before the next token can be made.
    pub(super) target: u64,
    /// Tokens made.
    pub(super) generated: u64,
    /// Tokens to make.
    pub(super) output: u64,
    /// Prompt tokens computed in the present step.
    pub(super) chunk: u64,
}

impl Running {
    pub(super) fn decoding(&self) -> bool {
        self.kv >= self.target
    }

    /// Blocks that it needs besides those it has, to hold so many tokens more.
    pub(super) fn growth(&self, tokens: u64, block: u64) -> u64 {
        (self.kv + tokens).div_ceil(block).saturating_sub(self.lease.blocks)
    }
}
