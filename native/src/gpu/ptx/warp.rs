//! A warp: 32 threads in lockstep.

use super::block::{Place, World};
use super::memory::{FIRST, aligned};
use super::parse::{Act, Address, Operand, Space, Special, Turn, Width};
use super::shared::{Stamp, rounds};
use super::{Lanes, WARP, fragments};
use anyhow::{Context, ensure};
use std::collections::VecDeque;

/// Bytes that are on their way to shared memory.
struct Copy {
    to: u64,
    bytes: Vec<u8>,
}

/// A thread's copies in the background: those not yet committed, and groups of committed ones.
#[derive(Default)]
struct Copies {
    open: Vec<Copy>,
    groups: VecDeque<Vec<Copy>>,
}

/// Lanes are bits of a `u32`.
pub(super) struct Warp {
    first: usize,
    next: [usize; WARP],
    alive: u32,
    waiting: u32,
    registers: Vec<Lanes>,
    copies: Vec<Copies>,
    barriers: u32,
    warp_barriers: u32,
}

/// The lanes of a mask.
fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    (0..WARP).filter(move |lane| mask >> lane & 1 == 1)
}

impl Warp {
    pub(super) fn new(first: usize, threads: usize, registers: usize) -> Warp {
        Warp {
            first,
            next: [0; WARP],
            alive: u32::MAX >> (WARP - threads),
            waiting: 0,
            registers: vec![[0; WARP]; registers],
            copies: (0..WARP).map(|_| Copies::default()).collect(),
            barriers: 0,
            warp_barriers: 0,
        }
    }

    pub(super) fn first(&self) -> usize {
        self.first
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive != 0
    }

    /// The instruction that is next: the earliest at which any lane stands, so that those that left a loop wait for the
    /// others; and the lanes that stand there.
    pub(super) fn next(&self) -> Option<(usize, u32)> {
        let able = self.alive & !self.waiting;
        let at = lanes(able).map(|lane| self.next[lane]).min()?;
        Some((at, lanes(able).filter(|&lane| self.next[lane] == at).fold(0, |mask, lane| mask | 1 << lane)))
    }

    /// The block's barrier opens.
    pub(super) fn pass(&mut self) {
        self.waiting = 0;
        self.barriers += 1;
    }

    fn stamp(&self, lane: usize) -> Stamp {
        Stamp { thread: self.first + lane, barriers: self.barriers, warp_barriers: self.warp_barriers }
    }

    fn value(&self, operand: Operand, lane: usize, place: &Place) -> u64 {
        let along = |axis: usize, first: u64, others: u64| if axis == 0 { first } else { others };
        match operand {
            Operand::Register(register) => self.registers[register][lane],
            Operand::Value(value) => value,
            Operand::Special(Special::Thread(axis)) => along(axis, (self.first + lane) as u64, 0),
            Operand::Special(Special::Threads(axis)) => along(axis, place.threads, 1),
            Operand::Special(Special::Block(axis)) => place.block[axis],
            Operand::Special(Special::Blocks(axis)) => place.blocks[axis],
            Operand::Special(Special::Lane) => lane as u64,
        }
    }

    fn address(&self, at: Address, lane: usize, place: &Place) -> u64 {
        self.value(at.base, lane, place).wrapping_add_signed(at.offset)
    }

    /// That all lanes are here, as instructions demand that take a warp as one.
    fn whole(&self, lanes: u32) -> anyhow::Result<()> {
        ensure!(lanes == u32::MAX, "only lanes {lanes:#010x} of the warp come here together");
        Ok(())
    }

    /// Runs one instruction for the lanes that stand at it.
    pub(super) fn step(
        &mut self,
        at: usize,
        here: u32,
        place: &Place,
        world: &mut World,
    ) -> anyhow::Result<()> {
        world.counts.instructions += 1;
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
        match &instruction.act {
            Act::Compute { to, with, from } => {
                for lane in lanes(taken) {
                    self.registers[*to][lane] = with(from.map(|from| self.value(from, lane, place)));
                }
            }
            Act::Fixed { to, with, from } => {
                for lane in lanes(taken) {
                    self.registers[*to][lane] = with(from.map(|from| self.value(from, lane, place)));
                }
            }
            Act::Split { to, from, bits } => {
                for lane in lanes(taken) {
                    let whole = self.value(*from, lane, place);
                    for (part, to) in (0..).zip(to) {
                        self.registers[*to][lane] = whole >> (part * bits) & ((1 << bits) - 1);
                    }
                }
            }
            Act::Join { to, from, bits } => {
                for lane in lanes(taken) {
                    let parts =
                        (0..).zip(from).map(|(part, &from)| self.value(from, lane, place) << (part * bits));
                    self.registers[*to][lane] = parts.fold(0, |whole, part| whole | part);
                }
            }
            Act::Param { to, place: param } => {
                lanes(taken).for_each(|lane| self.registers[*to][lane] = place.params[*param]);
            }
            Act::Branch { to } => lanes(taken).for_each(|lane| self.next[lane] = *to),
            Act::Return => self.alive &= !taken,
            Act::Barrier => {
                ensure!(taken == self.alive, "lanes {taken:#010x} of {:#010x} come to a barrier", self.alive);
                self.waiting = taken;
            }
            Act::WarpBarrier { members } => {
                self.members(*members, taken, place)?;
                self.warp_barriers += 1;
            }
            Act::Shuffle { to, found, kind, from, by, members } => {
                self.members(*members, taken, place)?;
                self.shuffle(*to, *found, (*kind, *from, *by), taken, place)?;
            }
            Act::Load { space, width, to, at } => {
                self.load((*space, *width), to, *at, taken, place, world)?
            }
            Act::Store { space, width, from, at } => {
                self.store((*space, width.bytes), from, *at, taken, place, world)?;
            }
            Act::Matrices { to, at, turned } => {
                self.whole(taken)?;
                self.matrices(to, *at, *turned, place, world)?;
            }
            Act::Multiply { half, to, a, b, c } => {
                self.whole(taken)?;
                world.counts.mma_flops += fragments::FLOPS;
                let read = |from: &[Operand]| -> Vec<Lanes> {
                    let one = |&from: &Operand| std::array::from_fn(|lane| self.value(from, lane, place));
                    from.iter().map(one).collect()
                };
                let made = fragments::multiply(*half, &read(a), &read(b), &read(c));
                to.iter().zip(made).for_each(|(to, made)| self.registers[*to] = made);
            }
            Act::Fetch { to, from, bytes, there } => {
                self.fetch((*to, *from), (*bytes, *there), taken, place, world)?;
            }
            Act::Commit => {
                for lane in lanes(taken) {
                    let Copies { open, groups } = &mut self.copies[lane];
                    groups.push_back(std::mem::take(open));
                }
            }
            Act::Arrive { left } => {
                for lane in lanes(taken) {
                    let now = self.stamp(lane);
                    let groups = &mut self.copies[lane].groups;
                    while groups.len() > *left {
                        for Copy { to, bytes } in groups.pop_front().unwrap_or_default() {
                            world.shared.arrive(to, &bytes, now)?;
                        }
                    }
                }
            }
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
        (kind, from, by): (Turn, Operand, Operand),
        here: u32,
        place: &Place,
    ) -> anyhow::Result<()> {
        let numbers: Lanes = std::array::from_fn(|lane| self.value(from, lane, place));
        for lane in lanes(here) {
            let by = self.value(by, lane, place) as usize;
            let other = match kind {
                Turn::Xor => Some(lane ^ by),
                Turn::Down => Some(lane + by),
                Turn::Up => lane.checked_sub(by),
                Turn::Index => Some(by),
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

    /// Addresses of the lanes, and whether they are in shared memory.
    fn addresses(
        &self,
        space: Space,
        at: Address,
        here: u32,
        place: &Place,
    ) -> anyhow::Result<(Vec<u64>, bool)> {
        let all: Vec<u64> = lanes(here).map(|lane| self.address(at, lane, place)).collect();
        let shared = space == Space::Shared || space == Space::Any && all.iter().all(|&at| at < FIRST);
        let fits = all.iter().all(|&at| (at < FIRST) == shared);
        ensure!(fits, "an address of the other memory: {:#x}", all.first().copied().unwrap_or(0));
        Ok((all, shared))
    }

    fn load(
        &mut self,
        (space, width): (Space, Width),
        to: &[usize],
        at: Address,
        here: u32,
        place: &Place,
        world: &mut World,
    ) -> anyhow::Result<()> {
        let bytes = width.bytes * to.len() as u64;
        let (addresses, shared) = self.addresses(space, at, here, place)?;
        world.access(&addresses, bytes, shared, false);
        for (lane, at) in lanes(here).zip(addresses) {
            let held = if shared {
                world.shared.read(at, bytes, self.stamp(lane))?
            } else {
                aligned(at, bytes)?;
                world.memory.read(at, bytes)?
            };
            for (to, number) in to.iter().zip(held.chunks_exact(width.bytes as usize)) {
                let number = number.iter().rev().fold(0, |all, &byte| all << 8 | u64::from(byte));
                let above = 64 - 8 * width.bytes;
                let wide = ((number << above) as i64 >> above) as u64;
                self.registers[*to][lane] = if width.signed { wide } else { number };
            }
        }
        Ok(())
    }

    fn store(
        &mut self,
        (space, width): (Space, u64),
        from: &[Operand],
        at: Address,
        here: u32,
        place: &Place,
        world: &mut World,
    ) -> anyhow::Result<()> {
        let bytes = width * from.len() as u64;
        let (addresses, shared) = self.addresses(space, at, here, place)?;
        world.access(&addresses, bytes, shared, true);
        for (lane, at) in lanes(here).zip(addresses) {
            let numbers = from.iter().map(|&from| self.value(from, lane, place).to_le_bytes());
            let held: Vec<u8> = numbers.flat_map(|number| number.into_iter().take(width as usize)).collect();
            if shared {
                world.shared.write(at, &held, self.stamp(lane))?;
            } else {
                aligned(at, bytes)?;
                world.memory.write(at, &held)?;
            }
        }
        Ok(())
    }

    fn matrices(
        &mut self,
        to: &[usize],
        at: Address,
        turned: bool,
        place: &Place,
        world: &mut World,
    ) -> anyhow::Result<()> {
        let addresses: Vec<u64> = (0..WARP).map(|lane| self.address(at, lane, place)).collect();
        world.access(&addresses, fragments::ROW_BYTES, true, false);
        let mut rows = Vec::new();
        for (lane, &at) in addresses.iter().enumerate() {
            let row = world.shared.read(at, fragments::ROW_BYTES, self.stamp(lane))?;
            rows.push(row.chunks_exact(2).map(|two| u64::from(two[0]) | u64::from(two[1]) << 8).collect());
        }
        let made = fragments::load(&rows, turned);
        to.iter().zip(made).for_each(|(to, made)| self.registers[*to] = made);
        Ok(())
    }

    fn fetch(
        &mut self,
        (to, from): (Address, Address),
        (bytes, there): (u64, Operand),
        here: u32,
        place: &Place,
        world: &mut World,
    ) -> anyhow::Result<()> {
        let wanted = |warp: &Warp, lane| warp.value(there, lane, place).min(bytes);
        let read: Vec<usize> = lanes(here).filter(|&lane| wanted(self, lane) > 0).collect();
        let sources: Vec<u64> = read.iter().map(|&lane| self.address(from, lane, place)).collect();
        world.access(&sources, bytes, false, false);
        let targets: Vec<u64> = lanes(here).map(|lane| self.address(to, lane, place)).collect();
        world.access(&targets, bytes, true, true);
        for (lane, target) in lanes(here).zip(targets) {
            let count = wanted(self, lane);
            let source = self.address(from, lane, place);
            let mut held = vec![0; bytes as usize];
            if count > 0 {
                aligned(source, bytes)?;
                let found = world.memory.read(source, count).context("a copy in the background")?;
                held[..count as usize].copy_from_slice(found);
            }
            world.shared.await_copy(target, bytes, self.stamp(lane))?;
            self.copies[lane].open.push(Copy { to: target, bytes: held });
        }
        Ok(())
    }
}

impl World<'_> {
    /// Counts an access of a warp.
    fn access(&mut self, addresses: &[u64], bytes: u64, shared: bool, writes: bool) {
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
