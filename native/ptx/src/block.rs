//! A block of threads: its warps one after the other, from barrier to barrier.

use crate::program::Kernel;
use crate::shared::Shared;
use crate::warp::Warp;
use crate::world::{Place, World};
use crate::{Counts, Launch, Memory, WARP};
use anyhow::Context;

pub(crate) struct Block<'a> {
    place: Place<'a>,
    warps: Vec<Warp>,
    shared: Shared,
}

impl<'a> Block<'a> {
    pub(crate) fn new(kernel: &'a Kernel, launch: &Launch<'a>, block: [u64; 3]) -> Self {
        let Launch { threads, params, .. } = *launch;
        let last = threads as usize;
        let warp = |first| Warp::new(first, (last - first).min(WARP), kernel.registers);
        Block {
            place: Place { kernel, params, threads, blocks: launch.grid, block },
            warps: (0..last).step_by(WARP).map(warp).collect(),
            shared: Shared::new(kernel.shared_bytes + launch.shared_bytes),
        }
    }

    pub(crate) fn run(&mut self, memory: &mut Memory, counts: &mut Counts) -> anyhow::Result<()> {
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
