//! Shared memory of a block, and who may touch it when.

use crate::WARP;
use crate::memory::aligned;
use crate::program::SHARED;
use anyhow::{bail, ensure};

/// Bytes that are told apart: no kernel has smaller numbers in shared memory.
const GRAIN: u64 = 2;
/// Banks, and bytes of each.
const BANKS: u64 = 32;
const BANK_BYTES: u64 = 4;

/// Where a thread stands: what happened before a barrier of its block, or of its warp, is over for all whom it joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) thread: usize,
    /// Barriers of the block, and of the warp, that it has passed.
    pub(crate) barriers: u32,
    pub(crate) warp_barriers: u32,
}

impl Stamp {
    fn warp(&self) -> usize {
        self.thread / WARP
    }

    /// Whether nothing that was done then can still be under way.
    fn is_over(&self, now: &Stamp) -> bool {
        self.thread == now.thread
            || self.barriers < now.barriers
            || self.warp() == now.warp() && self.warp_barriers < now.warp_barriers
    }
}

/// The last reads of a warp at some bytes.
#[derive(Clone, Copy, Debug)]
struct Reads {
    latest: Stamp,
    /// Whether more than one thread read since the warp's last barrier.
    several: bool,
}

#[derive(Clone, Debug, Default)]
struct Grain {
    written: Option<Stamp>,
    /// The thread whose copy in the background is under way.
    awaited: Option<usize>,
    reads: Vec<Reads>,
}

/// The bytes, and what happened to them.
pub(crate) struct Shared {
    bytes: Vec<u8>,
    grains: Vec<Grain>,
}

impl Shared {
    pub(crate) fn new(bytes: u64) -> Shared {
        let grains = vec![Grain::default(); bytes.div_ceil(GRAIN) as usize];
        Shared { bytes: vec![0xff; bytes as usize], grains }
    }

    fn place(&self, at: u64, bytes: u64) -> anyhow::Result<std::ops::Range<usize>> {
        aligned(at, bytes)?;
        let end = SHARED + self.bytes.len() as u64;
        ensure!(at >= SHARED && at + bytes <= end, "{bytes} bytes at {at:#x} are not in shared memory");
        Ok((at - SHARED) as usize..(at + bytes - SHARED) as usize)
    }

    fn grains(&mut self, place: &std::ops::Range<usize>) -> &mut [Grain] {
        &mut self.grains[place.start / GRAIN as usize..place.end.div_ceil(GRAIN as usize)]
    }

    pub(crate) fn read(&mut self, at: u64, bytes: u64, now: Stamp) -> anyhow::Result<&[u8]> {
        let place = self.place(at, bytes)?;
        for grain in self.grains(&place) {
            grain.read(now).map_err(|error| error.context(format!("shared memory at {at:#x}")))?;
        }
        Ok(&self.bytes[place])
    }

    pub(crate) fn write(&mut self, at: u64, bytes: &[u8], now: Stamp) -> anyhow::Result<()> {
        let place = self.place(at, bytes.len() as u64)?;
        for grain in self.grains(&place) {
            grain.write(now).map_err(|error| error.context(format!("shared memory at {at:#x}")))?;
        }
        self.bytes[place].copy_from_slice(bytes);
        Ok(())
    }

    /// A copy in the background begins: from here on nobody may touch what it goes to.
    pub(crate) fn await_copy(&mut self, at: u64, bytes: u64, now: Stamp) -> anyhow::Result<()> {
        let place = self.place(at, bytes)?;
        for grain in self.grains(&place) {
            grain.write(now).map_err(|error| error.context(format!("shared memory at {at:#x}")))?;
            grain.awaited = Some(now.thread);
        }
        Ok(())
    }

    /// It has arrived, and is seen by the thread that waited for it.
    pub(crate) fn arrive(&mut self, at: u64, bytes: &[u8], now: Stamp) -> anyhow::Result<()> {
        let place = self.place(at, bytes.len() as u64)?;
        for grain in self.grains(&place) {
            grain.awaited = None;
        }
        self.write(at, bytes, now)
    }
}

impl Grain {
    fn read(&mut self, now: Stamp) -> anyhow::Result<()> {
        if let Some(thread) = self.awaited {
            bail!("thread {} reads what a copy of thread {thread} still brings", now.thread);
        }
        match self.written {
            None => bail!("thread {} reads what nobody wrote", now.thread),
            Some(written) if !written.is_over(&now) => bail!(
                "thread {} reads what thread {} wrote, without a barrier in between",
                now.thread,
                written.thread
            ),
            Some(_) => {}
        }
        match self.reads.iter_mut().find(|reads| reads.latest.warp() == now.warp()) {
            Some(reads) => {
                let before = reads.latest;
                let same = before.barriers == now.barriers && before.warp_barriers == now.warp_barriers;
                reads.several = same && (reads.several || before.thread != now.thread);
                reads.latest = now;
            }
            None => self.reads.push(Reads { latest: now, several: false }),
        }
        Ok(())
    }

    fn write(&mut self, now: Stamp) -> anyhow::Result<()> {
        if let Some(thread) = self.awaited {
            bail!("thread {} writes where a copy of thread {thread} goes", now.thread);
        }
        if let Some(written) = self.written.filter(|written| !written.is_over(&now)) {
            bail!("threads {} and {} write, without a barrier in between", written.thread, now.thread);
        }
        let open = |reads: &&Reads| {
            let Reads { latest, several } = **reads;
            // Of several readers of one's own warp one is another, unless a barrier of the warp came in between.
            let other =
                several && latest.barriers == now.barriers && latest.warp_barriers == now.warp_barriers;
            !latest.is_over(&now) || latest.warp() == now.warp() && other
        };
        if let Some(reads) = self.reads.iter().find(open) {
            bail!(
                "thread {} writes what thread {} read, without a barrier in between",
                now.thread,
                reads.latest.thread
            );
        }
        self.reads.clear();
        self.written = Some(now);
        Ok(())
    }
}

/// Rounds that a warp's access takes, and the fewest that it could: up to 128 bytes at a time, each bank giving one word.
pub(crate) fn rounds(addresses: &[u64], bytes: u64) -> (u64, u64) {
    let together = (BANKS * BANK_BYTES / bytes.max(BANK_BYTES)) as usize;
    let mut rounds = (0, 0);
    for phase in addresses.chunks(together) {
        let mut words: Vec<u64> =
            phase.iter().flat_map(|at| at / BANK_BYTES..(at + bytes).div_ceil(BANK_BYTES)).collect();
        words.sort_unstable();
        words.dedup();
        let mut of_bank = [0_u64; BANKS as usize];
        for word in &words {
            of_bank[(word % BANKS) as usize] += 1;
        }
        rounds.0 += of_bank.iter().max().copied().unwrap_or(0);
        rounds.1 += (words.len() as u64).div_ceil(BANKS);
    }
    rounds
}
