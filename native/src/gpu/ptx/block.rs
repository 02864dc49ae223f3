//! A block of threads: its warps one after the other, from barrier to barrier.

use super::program::Kernel;
use super::shared::Shared;
use super::warp::Warp;
use super::{Counts, Memory, WARP};
use crate::gpu::cuda::Launch;
use anyhow::Context;

/// What all threads of a block know.
pub(super) struct Place<'a> {
    pub(super) kernel: &'a Kernel,
    pub(super) params: &'a [u64],
    pub(super) threads: u64,
    pub(super) blocks: [u64; 3],
    pub(super) block: [u64; 3],
}

/// What an instruction may change beside its threads' registers.
pub(super) struct World<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) memory: &'a mut Memory,
    pub(super) counts: &'a mut Counts,
}

pub(super) struct Block<'a> {
    place: Place<'a>,
    warps: Vec<Warp>,
    shared: Shared,
}

impl<'a> Block<'a> {
    pub(super) fn new(kernel: &'a Kernel, params: &'a [u64], launch: &Launch, block: [u64; 3]) -> Self {
        let threads = launch.threads as usize;
        let warp = |first| Warp::new(first, (threads - first).min(WARP), kernel.registers);
        Block {
            place: Place { kernel, params, threads: threads as u64, blocks: launch.grid, block },
            warps: (0..threads).step_by(WARP).map(warp).collect(),
            shared: Shared::new(kernel.shared_bytes),
        }
    }

    pub(super) fn run(&mut self, memory: &mut Memory, counts: &mut Counts) -> anyhow::Result<()> {
        let mut world = World { shared: &mut self.shared, memory, counts };
        while self.warps.iter().any(Warp::is_alive) {
            for warp in &mut self.warps {
                while let Some((at, lanes)) = warp.next() {
                    warp.step(at, lanes, &self.place, &mut world).with_context(|| {
                        let line = self.place.kernel.lines.get(at).map_or("the end", String::as_str);
                        format!("threads from {} on, `{line}`", warp.first())
                    })?;
                }
            }
            // Nobody can go on: whoever lives stands at the barrier.
            self.warps.iter_mut().for_each(Warp::pass);
        }
        Ok(())
    }
}
