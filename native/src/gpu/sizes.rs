//! Sizes on which the host and the kernels must agree: they stand here, and kernels get them when they are compiled.

use super::op::{PAGE, SCALE_GROUP, part_bytes};

/// Numbers of two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Eight bits of exponent.
    Bf16,
    /// Five bits of exponent.
    Fp16,
}

/// What kernels are compiled for, besides the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Build {
    /// Numbers.
    pub(crate) half: Half,
    /// Size of a head.
    pub(crate) dim: u32,
    /// Query heads that share a KV head.
    pub(crate) group: u32,
}

impl Build {
    /// Checks that the kernels can be compiled so.
    ///
    /// # Errors
    /// When a head or a group of heads has a size that they do not take.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let Build { dim, group, .. } = self;
        anyhow::ensure!([64, 128].contains(dim), "heads of {dim}, expected 64 or 128");
        anyhow::ensure!((1..=16).contains(group), "{group} query heads share a KV head, expected 1 to 16");
        Ok(())
    }
}

/// Warps of a block of decode attention, each of which has pages of its own.
pub(crate) const DECODE_WARPS: u64 = 4;
/// Threads of a block of attention.
pub(crate) const ATTENTION_THREADS: u64 = 32 * DECODE_WARPS;
/// New tokens' rows that a block of prefill attention takes: each query head of a KV head's group is a row.
pub(crate) const TILE_ROWS: u64 = 128;
/// Tokens whose keys, or values, such a block holds in one place, and how many places it has for them.
pub(crate) const TILE_TOKENS: u64 = 64;
pub(crate) const TILE_PLACES: u64 = 3;
/// Most pieces of 16 bytes of a row that a thread of a norm keeps: with 1,024 threads, of 16,384 numbers. More take registers, and so threads.
pub(crate) const NORM_PIECES: u64 = 2;

/// A kernel for products of packed weights.
pub(crate) struct Packed {
    pub(crate) kernel: &'static str,
    /// Most rows.
    pub(crate) rows: u64,
    /// Strips of 16 columns of a block: where rows are more it has more columns, since each block reads all rows.
    pub(crate) strips: u64,
    /// Warps of a block.
    pub(crate) warps: u64,
}

/// Kernels for products of packed weights.
pub(crate) const PACKED: [Packed; 3] = [
    Packed { kernel: "product4_8", rows: 8, strips: 1, warps: 8 },
    Packed { kernel: "product4_16", rows: 16, strips: 2, warps: 6 },
    Packed { kernel: "product4_32", rows: 32, strips: 2, warps: 4 },
];

/// What kernels are given as macros.
pub(crate) fn macros(build: &Build) -> Vec<(String, u64)> {
    let fixed = [
        ("BF16", u64::from(build.half == Half::Bf16)),
        ("DIM", build.dim.into()),
        ("GROUP", build.group.into()),
        ("PAGE", PAGE),
        ("SCALE_GROUP", SCALE_GROUP),
        ("PART_ROW", part_bytes(build.dim.into()) / 4),
        ("DECODE_WARPS", DECODE_WARPS),
        ("ATTENTION_THREADS", ATTENTION_THREADS),
        ("TILE_ROWS", TILE_ROWS),
        ("TILE_TOKENS", TILE_TOKENS),
        ("TILE_PLACES", TILE_PLACES),
        ("NORM_PIECES", NORM_PIECES),
    ];
    let packed = PACKED.iter().flat_map(|Packed { rows, strips, warps, .. }| {
        [(format!("STRIPS_{rows}"), *strips), (format!("WARPS_{rows}"), *warps)]
    });
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(packed).collect()
}
