//! A warp at memory.

use crate::memory::{FIRST, aligned};
use crate::program::{Address, Operand, Space, Width};
use crate::warp::{Copy, Warp, lanes};
use crate::world::{Place, World};
use crate::{WARP, fragments};
use anyhow::{Context, ensure};

impl Warp {
    /// Copies are over of which all but so many groups were begun.
    pub(crate) fn arrive(&mut self, left: usize, taken: u32, world: &mut World) -> anyhow::Result<()> {
        for lane in lanes(taken) {
            let now = self.stamp(lane);
            let groups = &mut self.copies[lane].groups;
            while groups.len() > left {
                for Copy { to, bytes } in groups.pop_front().unwrap_or_default() {
                    world.shared.arrive(to, &bytes, now)?;
                }
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

    pub(crate) fn load(
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
                let wide = ((number << above).cast_signed() >> above) as u64;
                self.registers[*to][lane] = if width.signed { wide } else { number };
            }
        }
        Ok(())
    }

    pub(crate) fn store(
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

    pub(crate) fn matrices(
        &mut self,
        to: &[usize],
        at: Address,
        transposed: bool,
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
        let made = fragments::load(&rows, transposed);
        to.iter().zip(made).for_each(|(to, made)| self.registers[*to] = made);
        Ok(())
    }

    pub(crate) fn fetch(
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
