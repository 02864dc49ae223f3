//! What instructions see beside registers.

use crate::program::Kernel;
use crate::shared::{Shared, rounds};
use crate::{Counts, Memory};

/// What all threads of a block know.
pub(crate) struct Place<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) params: &'a [u64],
    pub(crate) threads: u64,
    pub(crate) blocks: [u64; 3],
    pub(crate) block: [u64; 3],
}

/// What an instruction may change beside its threads' registers.
pub(crate) struct World<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) memory: &'a mut Memory,
    pub(crate) counts: &'a mut Counts,
}

impl World<'_> {
    /// Counts an access of a warp.
    pub(crate) fn access(&mut self, addresses: &[u64], bytes: u64, shared: bool, writes: bool) {
        if shared {
            let (rounds, least) = rounds(addresses, bytes);
            self.counts.shared_rounds += rounds;
            self.counts.least_shared_rounds += least;
        } else {
            let traffic = if writes { &mut self.counts.writes } else { &mut self.counts.reads };
            traffic.add(addresses, bytes);
        }
    }
}
