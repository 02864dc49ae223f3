//! A warp: 32 threads in lockstep.

use crate::program::{Address, Operand, Operation, ShuffleMode, Special};
use crate::shared::Stamp;
use crate::world::{Place, World};
use crate::{Lanes, WARP, fragments};
use anyhow::ensure;
use std::collections::VecDeque;

/// Bytes that are on their way to shared memory.
pub(crate) struct Copy {
    pub(crate) to: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A thread's copies in the background: those not yet committed, and groups of committed ones.
#[derive(Default)]
pub(crate) struct Copies {
    pub(crate) open: Vec<Copy>,
    pub(crate) groups: VecDeque<Vec<Copy>>,
}

/// Lanes are bits of a `u32`.
pub(crate) struct Warp {
    first: usize,
    next: [usize; WARP],
    alive: u32,
    waiting: u32,
    pub(crate) registers: Vec<Lanes>,
    pub(crate) copies: Vec<Copies>,
    barriers: u32,
    warp_barriers: u32,
    /// Instructions that it has run, which stand for clocks.
    clock: u64,
}

/// The lanes of a mask.
pub(crate) fn lanes(mut mask: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lane = mask.trailing_zeros() as usize;
        mask &= mask.wrapping_sub(1);
        (lane < WARP).then_some(lane)
    })
}

impl Warp {
    pub(crate) fn new(first: usize, threads: usize, registers: usize) -> Warp {
        Warp {
            first,
            next: [0; WARP],
            alive: u32::MAX >> (WARP - threads),
            waiting: 0,
            registers: vec![[0; WARP]; registers],
            copies: (0..WARP).map(|_| Copies::default()).collect(),
            barriers: 0,
            warp_barriers: 0,
            clock: 0,
        }
    }

    pub(crate) fn first(&self) -> usize {
        self.first
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive != 0
    }

    /// The instruction that is next: the earliest at which any lane stands, so that those that left a loop wait for the
    /// others; and the lanes that stand there.
    pub(crate) fn next(&self) -> Option<(usize, u32)> {
        let able = self.alive & !self.waiting;
        let (mut first, mut there) = (usize::MAX, 0);
        for lane in lanes(able) {
            let at = self.next[lane];
            if at < first {
                (first, there) = (at, 0);
            }
            if at == first {
                there |= 1 << lane;
            }
        }
        (there != 0).then_some((first, there))
    }

    /// The block's barrier opens.
    pub(crate) fn pass(&mut self) {
        self.waiting = 0;
        self.barriers += 1;
    }

    pub(crate) fn stamp(&self, lane: usize) -> Stamp {
        Stamp { thread: self.first + lane, barriers: self.barriers, warp_barriers: self.warp_barriers }
    }

    pub(crate) fn value(&self, operand: Operand, lane: usize, place: &Place) -> u64 {
        let along = |axis: usize, first: u64, others: u64| if axis == 0 { first } else { others };
        match operand {
            Operand::Register(register) => self.registers[register][lane],
            Operand::Value(value) => value,
            Operand::Special(Special::Thread(axis)) => along(axis, (self.first + lane) as u64, 0),
            Operand::Special(Special::Threads(axis)) => along(axis, place.threads, 1),
            Operand::Special(Special::Block(axis)) => place.block[axis],
            Operand::Special(Special::Blocks(axis)) => place.blocks[axis],
            Operand::Special(Special::Lane) => lane as u64,
            Operand::Special(Special::Clock) => self.clock,
        }
    }

    fn three(&self, [a, b, c]: &[Operand; 3], lane: usize, place: &Place) -> [u64; 3] {
        [self.value(*a, lane, place), self.value(*b, lane, place), self.value(*c, lane, place)]
    }

    pub(crate) fn address(&self, at: Address, lane: usize, place: &Place) -> u64 {
        self.value(at.base, lane, place).wrapping_add_signed(at.offset)
    }

    /// That all lanes are here, as instructions demand that take a warp as one.
    fn whole(&self, lanes: u32) -> anyhow::Result<()> {
        ensure!(lanes == u32::MAX, "only lanes {lanes:#010x} of the warp come here together");
        Ok(())
    }

    /// Runs one instruction for the lanes that stand at it.
    pub(crate) fn step(
        &mut self,
        at: usize,
        here: u32,
        place: &Place,
        world: &mut World,
    ) -> anyhow::Result<()> {
        world.counts.instructions += 1;
        self.clock += 1;
        // Behind the last instruction a kernel ends, too.
        let Some(instruction) = place.kernel.code.get(at) else {
            self.alive &= !here;
            return Ok(());
        };
        let taken = instruction.guard.map_or(here, |(register, wanted)| {
            let set = lanes(here).filter(|&lane| (self.registers[register][lane] != 0) == wanted);
            set.fold(0, |mask, lane| mask | 1 << lane)
        });
        lanes(here).for_each(|lane| self.next[lane] = at + 1);
        if taken == 0 {
            return Ok(());
        }
        self.alone(&instruction.operation, taken, place);
        self.together(&instruction.operation, taken, place, world)
    }

    /// What each thread does for itself.
    fn alone(&mut self, operation: &Operation, taken: u32, place: &Place) {
        match operation {
            Operation::Compute { to, with, from } => {
                for lane in lanes(taken) {
                    self.registers[*to][lane] = with(self.three(from, lane, place));
                }
            }
            Operation::ComputeWith { to, with, from } => {
                for lane in lanes(taken) {
                    self.registers[*to][lane] = with(self.three(from, lane, place));
                }
            }
            Operation::Unpack { to, from, bits } => {
                for lane in lanes(taken) {
                    let whole = self.value(*from, lane, place);
                    for (part, to) in (0..).zip(to) {
                        self.registers[*to][lane] = whole >> (part * bits) & ((1 << bits) - 1);
                    }
                }
            }
            Operation::Pack { to, from, bits } => {
                for lane in lanes(taken) {
                    let shifted = |(part, &from)| self.value(from, lane, place) << (part * bits);
                    self.registers[*to][lane] =
                        (0..).zip(from).map(shifted).fold(0, |whole, part| whole | part);
                }
            }
            Operation::LoadParam { to, place: param } => {
                lanes(taken).for_each(|lane| self.registers[*to][lane] = place.params[*param]);
            }
            Operation::Branch { to } => lanes(taken).for_each(|lane| self.next[lane] = *to),
            Operation::Return => self.alive &= !taken,
            Operation::CommitGroup => {
                for lane in lanes(taken) {
                    let Copies { open, groups } = &mut self.copies[lane];
                    groups.push_back(std::mem::take(open));
                }
            }
            _ => {}
        }
    }

    /// What touches memory or other threads.
    fn together(
        &mut self,
        operation: &Operation,
        taken: u32,
        place: &Place,
        world: &mut World,
    ) -> anyhow::Result<()> {
        match operation {
            Operation::Barrier => {
                ensure!(taken == self.alive, "lanes {taken:#010x} of {:#010x} come to a barrier", self.alive);
                self.waiting = taken;
            }
            Operation::WarpBarrier { members } => {
                self.members(*members, taken, place)?;
                self.warp_barriers += 1;
            }
            Operation::All { to, of, members } => {
                self.members(*members, taken, place)?;
                let all = lanes(taken).all(|lane| self.value(*of, lane, place) != 0);
                lanes(taken).for_each(|lane| self.registers[*to][lane] = u64::from(all));
            }
            Operation::Shuffle { to, found, mode, from, by, members } => {
                self.members(*members, taken, place)?;
                self.shuffle(*to, *found, (*mode, *from, *by), taken, place)?;
            }
            Operation::Load { space, width, to, at } => {
                self.load((*space, *width), to, *at, taken, place, world)?;
            }
            Operation::Store { space, width, from, at } => {
                self.store((*space, width.bytes), from, *at, taken, place, world)?;
            }
            Operation::LoadMatrix { to, at, transposed } => {
                self.whole(taken)?;
                self.matrices(to, *at, *transposed, place, world)?;
            }
            Operation::Mma { half, to, a, b, c } => {
                self.whole(taken)?;
                world.counts.mma_flops += fragments::FLOPS;
                let read = |from: &[Operand]| -> Vec<Lanes> {
                    let one = |&from: &Operand| std::array::from_fn(|lane| self.value(from, lane, place));
                    from.iter().map(one).collect()
                };
                let made = fragments::multiply(*half, &read(a), &read(b), &read(c));
                to.iter().zip(made).for_each(|(to, made)| self.registers[*to] = made);
            }
            Operation::CopyAsync { to, from, bytes, there } => {
                self.fetch((*to, *from), (*bytes, *there), taken, place, world)?;
            }
            Operation::WaitGroup { left } => self.arrive(*left, taken, world)?,
            _ => {}
        }
        Ok(())
    }

    /// That those who are to meet have met.
    fn members(&self, members: Operand, here: u32, place: &Place) -> anyhow::Result<()> {
        let members = lanes(here).next().map_or(0, |lane| self.value(members, lane, place) as u32);
        ensure!(here == members & self.alive, "lanes {here:#010x} come here, {members:#010x} were to meet");
        Ok(())
    }

    fn shuffle(
        &mut self,
        to: usize,
        found: Option<usize>,
        (mode, from, by): (ShuffleMode, Operand, Operand),
        here: u32,
        place: &Place,
    ) -> anyhow::Result<()> {
        let numbers: Lanes = std::array::from_fn(|lane| self.value(from, lane, place));
        for lane in lanes(here) {
            let by = self.value(by, lane, place) as usize;
            let other = match mode {
                ShuffleMode::Xor => Some(lane ^ by),
                ShuffleMode::Down => Some(lane + by),
                ShuffleMode::Up => lane.checked_sub(by),
                ShuffleMode::Index => Some(by),
            };
            let other = other.filter(|&other| other < WARP);
            let source = other.unwrap_or(lane);
            ensure!(here >> source & 1 == 1, "lane {lane} takes the number of {source}, which is not here");
            self.registers[to][lane] = numbers[source];
            if let Some(found) = found {
                self.registers[found][lane] = u64::from(other.is_some());
            }
        }
        Ok(())
    }
}
