//! Runs kernels without a GPU: an interpreter of PTX, the assembly that NVRTC makes of the sources, for tests.
//!
//! It is slow and strict. Threads of a warp go in lockstep and come together again behind a branch; a block's warps run one
//! after the other from barrier to barrier. What a GPU would leave to chance is an error here: two threads at the same bytes
//! of shared memory without a barrier in between, one of them writing; bytes read before their copy in the background has
//! arrived; memory that nobody allocated; shared memory that nobody wrote. Beside results it counts what hardware would have
//! to do ([`Counts`]), which says nothing of time, but of waste: conflicts between banks, sectors fetched for less than they
//! hold, bytes beyond the least that [`super::op::Op::amount`] claims.
//!
//! Sources: NVIDIA's *PTX ISA* (fragments of `mma` and `ldmatrix`, `cp.async`, `shfl`), and the *CUDA C++ Programming Guide*
//! (banks, sectors).

mod access;
mod arithmetic;
mod block;
mod counts;
mod fragments;
mod memory;
mod parse;
mod program;
mod shared;
mod tests;
mod warp;

pub(crate) use counts::Counts;
pub(crate) use memory::Memory;
pub(crate) use parse::Module;

use super::cuda::Launch;
use anyhow::Context;
use block::Block;

/// Threads of a warp.
const WARP: usize = 32;

/// One number of each thread of a warp.
type Lanes = [u64; WARP];

/// Runs a launch to its end, block by block, and adds to the counts.
///
/// # Errors
/// When a kernel is not there, an instruction is not known, or does what a GPU would leave to chance.
pub(crate) fn run(
    module: &Module,
    launch: &Launch,
    memory: &mut Memory,
    counts: &mut Counts,
) -> anyhow::Result<()> {
    let kernel = module.kernel(launch.kernel)?;
    let params = launch.slots()?;
    anyhow::ensure!(
        params.len() == kernel.params.len(),
        "`{}` takes {} arguments, not {}",
        launch.kernel,
        kernel.params.len(),
        params.len()
    );
    let [x, y, z] = launch.grid;
    for at in 0..x * y * z {
        let place = [at % x, at / x % y, at / (x * y)];
        let mut block = Block::new(kernel, &params, launch, place);
        block.run(memory, counts).with_context(|| format!("`{}`, block {place:?}", launch.kernel))?;
    }
    Ok(())
}
