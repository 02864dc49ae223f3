//! What hardware would have to do.

use crate::memory::FIRST;

/// Bytes of a sector, the least that memory gives or takes.
const SECTOR: u64 = 32;
/// Bytes that are told apart where it is counted which ones were touched: no kernel has smaller numbers.
const GRAIN: u64 = 2;

/// Counts over any number of launches.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Instructions, once for each warp.
    pub instructions: u64,
    /// Floating-point operations of `mma`.
    pub mma_flops: u64,
    /// Reads of the GPU's memory.
    pub reads: Traffic,
    /// Writes to it.
    pub writes: Traffic,
    /// Rounds that accesses to shared memory take.
    pub shared_rounds: u64,
    /// Rounds that they would take if no two threads met in a bank.
    pub least_shared_rounds: u64,
}

/// One way to or from memory.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    /// Sectors, counted anew for each instruction of a warp.
    pub sectors: u64,
    /// Bytes that an instruction of a warp asks for, each once.
    pub asked: u64,
    /// A bit for each grain behind the first address.
    touched: Vec<u64>,
}

impl Traffic {
    /// One instruction of a warp: so many bytes for each of these addresses.
    pub(crate) fn add(&mut self, addresses: &[u64], bytes: u64) {
        let mut sectors: Vec<u64> =
            addresses.iter().flat_map(|at| at / SECTOR..(at + bytes).div_ceil(SECTOR)).collect();
        sectors.sort_unstable();
        sectors.dedup();
        self.sectors += sectors.len() as u64;
        let mut places = addresses.to_vec();
        places.sort_unstable();
        places.dedup();
        // Accesses of one width begin at multiples of it, so that different ones share nothing.
        self.asked += places.len() as u64 * bytes;
        for grain in places.iter().flat_map(|at| at / GRAIN..(at + bytes).div_ceil(GRAIN)) {
            let (word, bit) = ((grain - FIRST / GRAIN) as usize / 64, grain % 64);
            if word >= self.touched.len() {
                self.touched.resize(word + 1, 0);
            }
            self.touched[word] |= 1 << bit;
        }
    }

    /// Different bytes over all instructions.
    pub fn touched(&self) -> u64 {
        self.touched.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() * GRAIN
    }

    /// Bytes that move over those that are asked for: 1 where no sector is fetched for less than it holds.
    pub fn waste(&self) -> f64 {
        (self.sectors * SECTOR) as f64 / self.asked as f64
    }
}

impl Counts {
    /// Rounds over the least that there can be.
    pub fn conflicts(&self) -> f64 {
        self.shared_rounds as f64 / self.least_shared_rounds as f64
    }
}
