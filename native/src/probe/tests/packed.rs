//! What products of packed weights ask of memory and of banks, by the interpreter's counts.

use super::ROOFLINE;
use crate::gpu::device::Device;
use crate::gpu::fake::Fake;
use crate::gpu::op::{Op, SCALE_GROUP};
use crate::gpu::sizes::{Build, Half};
use atr_ptx::Counts;

/// A device that runs kernels and counts.
struct Bed {
    fake: Fake,
    build: Build,
}

impl Bed {
    /// None where there is no compiler.
    fn new() -> Option<Bed> {
        let build = Build { half: Half::Bf16, dim: 128, group: 4 };
        Some(Bed { fake: Fake::with_kernels(build, ROOFLINE)?, build })
    }

    /// The counts, and the bytes that the work needs at the least.
    fn counted(&mut self, op: Op) -> (Counts, u64) {
        self.fake.counts();
        self.fake.run(&[op]).unwrap();
        (self.fake.counts(), op.amount(self.build.dim, self.build.group).bytes as u64)
    }
}

/// Weights and scales are read once, rows once for each block of columns. Weights come by whole sectors, rows by halves of them,
/// whose other halves the next instruction asks for, a scale with the sector that it shares with the next fifteen chunks':
/// caches have to serve both. Results are written once by whole sectors, and no two threads meet in a bank.
#[test]
fn products_read_weights_once_and_rows_for_each_block() {
    let Some(mut bed) = Bed::new() else { return };
    let inner = 16 * SCALE_GROUP;
    for (rows, columns, blocks) in [(8, 32, 2), (16, 64, 2), (32, 32, 1)] {
        let mut room = |bytes| bed.fake.alloc(bytes).unwrap();
        let (x, packed) = (room(rows * inner * 2), room(columns * inner / 2));
        let (scales, out) = (room(columns * inner / SCALE_GROUP * 2), room(rows * columns * 2));
        let product = Op::Product4 { x, packed, scales, out, rows, inner, columns };
        let (counts, least) = bed.counted(product);
        let Counts { reads, writes, .. } = &counts;
        assert_eq!(reads.touched() + writes.touched(), least, "{rows} rows");
        let (of_rows, of_weights, of_scales) =
            (rows * inner * 2 * blocks, columns * inner / 2, columns * inner / SCALE_GROUP);
        assert_eq!(reads.asked, of_rows + of_weights + 2 * of_scales, "{rows} rows");
        assert_eq!(reads.sectors * 32, 2 * of_rows + of_weights + 32 * of_scales, "{rows} rows");
        assert_eq!((writes.touched(), writes.waste()), (rows * columns * 2, 1.0), "{rows} rows");
        assert_eq!(counts.conflicts(), 1.0, "{rows} rows");
        assert_eq!(counts.mma_flops, 2 * rows * inner * columns, "{rows} rows");
    }
}

/// By hand: a warp loads 128 bytes of weights, two scales, which are one sector, and stores 512 bytes.
#[test]
fn unpacking_wastes_no_sector_but_that_of_scales() {
    let Some(mut bed) = Bed::new() else { return };
    let weights = 300 * SCALE_GROUP;
    let mut room = |bytes| bed.fake.alloc(bytes).unwrap();
    let (packed, scales, out) = (room(weights / 2), room(weights / SCALE_GROUP * 2), room(weights * 2));
    let (counts, least) = bed.counted(Op::Unpack4 { packed, scales, out, weights });
    let Counts { reads, writes, .. } = &counts;
    assert_eq!(reads.touched() + writes.touched(), least);
    assert_eq!((writes.touched(), writes.waste()), (weights * 2, 1.0));
    assert_eq!(reads.sectors, weights / 256 * 5);
}
