//! A program that was read: kernels, instructions and what they name.

use crate::Half;
use crate::arithmetic::Compute;

/// Shared memory begins behind address 0, which is nobody's.
pub(crate) const SHARED: u64 = 1_024;

/// A kernel.
#[derive(Default)]
pub(crate) struct Kernel {
    pub(crate) params: Vec<String>,
    pub(crate) registers: usize,
    /// Bytes of shared memory that the source declares; those that a launch asks for lie behind them.
    pub(crate) shared_bytes: u64,
    pub(crate) code: Vec<Instruction>,
    /// Each instruction as the text has it.
    pub(crate) lines: Vec<String>,
}

/// An instruction, and the register that must be set, or clear, for a thread to take part.
pub(crate) struct Instruction {
    pub(crate) guard: Option<(usize, bool)>,
    pub(crate) operation: Operation,
}

/// Something that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operand {
    Register(usize),
    Value(u64),
    Special(Special),
}

/// What a thread knows of its place.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Special {
    Thread(usize),
    Threads(usize),
    Block(usize),
    Blocks(usize),
    Lane,
    /// A clock that goes on with each instruction of its warp.
    Clock,
}

/// An address in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Address {
    pub(crate) base: Operand,
    pub(crate) offset: i64,
}

/// Which memory; `Any` goes by the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Global,
    Shared,
    Any,
}

/// Numbers next to each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Width {
    pub(crate) bytes: u64,
    pub(crate) signed: bool,
}

/// What an instruction does. Registers are named by their numbers.
pub(crate) enum Operation {
    /// One number of up to three others.
    Compute { to: usize, with: Compute, from: [Operand; 3] },
    /// The same where constants of the text choose what is computed.
    ComputeWith { to: usize, with: Box<dyn Fn([u64; 3]) -> u64>, from: [Operand; 3] },
    /// `mov` from one register to several narrower ones.
    Unpack { to: Vec<usize>, from: Operand, bits: u32 },
    /// `mov` from several registers to a wider one.
    Pack { to: usize, from: Vec<Operand>, bits: u32 },
    /// `ld.param`.
    LoadParam { to: usize, place: usize },
    /// `ld`, of numbers next to each other.
    Load { space: Space, width: Width, to: Vec<usize>, at: Address },
    /// `st`.
    Store { space: Space, width: Width, from: Vec<Operand>, at: Address },
    /// `bra`.
    Branch { to: usize },
    /// `ret`.
    Return,
    /// `bar.sync`.
    Barrier,
    /// `bar.warp.sync`.
    WarpBarrier { members: Operand },
    /// `vote.sync.all`.
    All { to: usize, of: Operand, members: Operand },
    /// `shfl.sync`.
    Shuffle {
        to: usize,
        found: Option<usize>,
        mode: ShuffleMode,
        from: Operand,
        by: Operand,
        members: Operand,
    },
    /// `ldmatrix`, of four matrices.
    LoadMatrix { to: Vec<usize>, at: Address, transposed: bool },
    /// `mma`.
    Mma { half: Half, to: Vec<usize>, a: Vec<Operand>, b: Vec<Operand>, c: Vec<Operand> },
    /// `cp.async`: of so many bytes the first `there` are read, the others are zeros.
    CopyAsync { to: Address, from: Address, bytes: u64, there: Operand },
    /// `cp.async.commit_group`.
    CommitGroup,
    /// `cp.async.wait_group`: all but the last so many groups have arrived.
    WaitGroup { left: usize },
}

/// Whose number a shuffle gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ShuffleMode {
    Xor,
    Down,
    Up,
    Index,
}
