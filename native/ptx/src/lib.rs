//! Runs kernels without a GPU: an interpreter of PTX, the assembly that NVIDIA's compilers make of CUDA, for tests.
//!
//! It is slow and strict. Threads of a warp go in lockstep and come together again behind a branch; a block's warps run one
//! after the other from barrier to barrier. What a GPU would leave to chance is an error here: two threads at the same bytes
//! of shared memory without a barrier in between, one of them writing; bytes read before their copy in the background has
//! arrived; memory that nobody allocated; shared memory that nobody wrote. Beside results it counts what hardware would have
//! to do ([`Counts`]), which says nothing of time, but of waste: conflicts between banks, sectors fetched for less than they
//! hold, bytes beyond those that the work must touch.
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
#[cfg(test)]
mod tests;
mod warp;
mod world;

pub use counts::Counts;
pub use memory::Memory;
pub use parse::Module;

use anyhow::Context;
use block::Block;

/// Threads of a warp.
const WARP: usize = 32;

/// One number of each thread of a warp.
type Lanes = [u64; WARP];

/// A launch of a kernel.
#[derive(Clone, Debug)]
pub struct Launch<'a> {
    /// The kernel's name.
    pub kernel: &'a str,
    /// Blocks along x, y and z.
    pub grid: [u64; 3],
    /// Threads of a block, along x.
    pub threads: u64,
    /// Bytes of shared memory beside those that the kernel declares.
    pub shared_bytes: u64,
    /// Arguments, each in the lower bytes.
    pub params: &'a [u64],
}

/// Numbers of two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Half {
    /// Eight bits of exponent.
    Bf16,
    /// Five bits of exponent.
    Fp16,
}

impl Half {
    /// What two bytes stand for.
    fn widen(self, bits: u16) -> f64 {
        match self {
            Half::Bf16 => half::bf16::from_bits(bits).to_f64(),
            Half::Fp16 => half::f16::from_bits(bits).to_f64(),
        }
    }

    /// The nearest number of two bytes; ties go to the even one.
    fn narrow(self, number: f64) -> u16 {
        match self {
            Half::Bf16 => half::bf16::from_f64(number).to_bits(),
            Half::Fp16 => half::f16::from_f64(number).to_bits(),
        }
    }
}

/// Runs a launch to its end, block by block, and adds to the counts.
///
/// # Errors
/// When a kernel is not there, an instruction is not known, or does what a GPU would leave to chance.
pub fn run(module: &Module, launch: &Launch, memory: &mut Memory, counts: &mut Counts) -> anyhow::Result<()> {
    let Launch { kernel: name, grid: [x, y, z], params, .. } = *launch;
    let kernel = module.kernel(name)?;
    let (found, expected) = (params.len(), kernel.params.len());
    anyhow::ensure!(found == expected, "`{name}` takes {expected} arguments, not {found}");
    for at in 0..x * y * z {
        let place = [at % x, at / x % y, at / (x * y)];
        let mut block = Block::new(kernel, launch, place);
        block.run(memory, counts).with_context(|| format!("`{name}`, block {place:?}"))?;
    }
    Ok(())
}
