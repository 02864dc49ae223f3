//! A program that was read: kernels, instructions and what they name.

use crate::Half;
use crate::arithmetic::Compute;

/// Shared memory begins behind address 0, which is nobody's.
pub(crate) const SHARED: u64 = 1_024;

/// A kernel.
#[derive(Debug, Default)]
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
#[derive(Debug)]
pub(crate) struct Instruction {
    pub(crate) guard: Option<(usize, bool)>,
    pub(crate) act: Act,
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

/// What an instruction does.
pub(crate) enum Act {
    Compute { to: usize, with: Compute, from: [Operand; 3] },
    Fixed { to: usize, with: Box<dyn Fn([u64; 3]) -> u64>, from: [Operand; 3] },
    Split { to: Vec<usize>, from: Operand, bits: u32 },
    Join { to: usize, from: Vec<Operand>, bits: u32 },
    Param { to: usize, place: usize },
    Load { space: Space, width: Width, to: Vec<usize>, at: Address },
    Store { space: Space, width: Width, from: Vec<Operand>, at: Address },
    Branch { to: usize },
    Return,
    Barrier,
    WarpBarrier { members: Operand },
    All { to: usize, of: Operand, members: Operand },
    Shuffle { to: usize, found: Option<usize>, kind: Turn, from: Operand, by: Operand, members: Operand },
    Matrices { to: Vec<usize>, at: Address, turned: bool },
    Multiply { half: Half, to: Vec<usize>, a: Vec<Operand>, b: Vec<Operand>, c: Vec<Operand> },
    Fetch { to: Address, from: Address, bytes: u64, there: Operand },
    Commit,
    Arrive { left: usize },
}

/// Whose number a shuffle gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Turn {
    Xor,
    Down,
    Up,
    Index,
}

impl std::fmt::Debug for Act {
    fn fmt(&self, to: &mut std::fmt::Formatter) -> std::fmt::Result {
        to.write_str("an act")
    }
}
