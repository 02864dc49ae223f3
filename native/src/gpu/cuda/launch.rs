//! From work to kernels: grids, threads and arguments.

use super::Cuda;
use crate::gpu::op::{Decode, Op, Prefill, Rotary};
use crate::gpu::sizes::Build;
use crate::gpu::sizes::{
    ATTENTION_THREADS, NORM_PIECES, PACKED, Packed, TILE_PLACES, TILE_ROWS, TILE_TOKENS,
};
use anyhow::{Context, ensure};
use cudarc::driver::result;

/// What the models of the probe add under the root of a norm.
const EPS: f32 = 1e-6;
/// Warps of a block where each warp works for itself.
const WARPS: u64 = 4;
/// Most threads of a block.
const MOST_THREADS: u64 = 1_024;
/// Numbers in a piece of 16 bytes.
const PIECE: u64 = 8;

/// An argument of a kernel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Arg {
    /// An address, or a number of eight bytes.
    Long(u64),
    Int(u64),
    Float(f32),
}

use Arg::{Float, Int, Long};

impl Arg {
    /// Its bytes, in the lower end of eight: kernels read as many as the argument's type has.
    fn slot(self) -> anyhow::Result<u64> {
        Ok(match self {
            Long(value) => value,
            Int(value) => u64::from(u32::try_from(value).context("a size is beyond 32 bits")?),
            Float(value) => u64::from(value.to_bits()),
        })
    }
}

/// A kernel's launch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Launch {
    pub(crate) kernel: &'static str,
    pub(crate) grid: [u64; 3],
    pub(crate) threads: u32,
    /// Shared memory beside what the source declares.
    pub(crate) shared_bytes: u32,
    pub(super) args: Vec<Arg>,
}

impl Launch {
    /// The arguments, eight bytes each.
    ///
    /// # Errors
    /// When a size is too large for its argument.
    pub(crate) fn slots(&self) -> anyhow::Result<Vec<u64>> {
        self.args.iter().map(|arg| arg.slot()).collect()
    }
}

fn launch(kernel: &'static str, grid: [u64; 3], threads: u64, args: &[Arg]) -> Launch {
    Launch { kernel, grid, threads: threads as u32, shared_bytes: 0, args: args.to_vec() }
}

/// Shared memory that a kernel's launches ask for.
pub(super) fn shared_bytes(kernel: &str, build: &Build) -> u32 {
    let rows = if kernel == "prefill" { TILE_ROWS + TILE_PLACES * TILE_TOKENS } else { 0 };
    rows as u32 * build.dim * 2
}

/// The launches that a piece of work comes to; none for a matrix product, which cuBLASLt launches.
pub(crate) fn launches(op: &Op, build: &Build, multiprocessors: u32) -> Vec<Launch> {
    let all = u64::from(multiprocessors) * 8;
    let one = match *op {
        Op::Nothing => launch("nothing", [1, 1, 1], 32, &[]),
        Op::Spin { clocks } => launch("spin", [1, 1, 1], 32, &[Long(clocks)]),
        Op::Fill { out, count, seed, centre, scale } => {
            let args = [Long(out), Long(count), Int(seed.into()), Float(centre), Float(scale)];
            launch("fill", [all, 1, 1], 256, &args)
        }
        Op::Scatter { out, words, seed } => {
            launch("scatter", [all, 1, 1], 256, &[Long(out), Long(words), Int(seed.into())])
        }
        Op::Copy { from, to, bytes } => {
            launch("copy", [all, 1, 1], 256, &[Long(from), Long(to), Long(bytes / 16)])
        }
        Op::AddNorm { x, y, weight, out, rows, width } => {
            let args = [Long(x), Long(y), Long(weight), Long(out), Int(width), Float(EPS)];
            launch("add_norm", [rows, 1, 1], norm_threads(width), &args)
        }
        Op::Rotary(ref rotary) => of_rotary(rotary, build),
        Op::Silu { both, out, rows, width } => {
            let grid = [rows, (width / PIECE).div_ceil(256), 1];
            launch("silu", grid, 256, &[Long(both), Long(out), Int(width)])
        }
        Op::Gemm { .. } => return Vec::new(),
        Op::Unpack4 { packed, scales, out, weights } => {
            let args = [Long(packed), Long(scales), Long(out), Long(weights / 8)];
            launch("unpack4", [all, 1, 1], 256, &args)
        }
        Op::Product4 { x, packed, scales, out, rows, inner, columns } => {
            let memory = [x, packed, scales, out].map(Long);
            let args = [&memory[..], &[Int(rows), Int(inner), Int(columns)]].concat();
            let [.., last] = &PACKED;
            let &Packed { kernel, strips, warps, .. } =
                PACKED.iter().find(|packed| rows <= packed.rows).unwrap_or(last);
            launch(kernel, [columns.div_ceil(16 * strips), 1, 1], 32 * warps, &args)
        }
        Op::Prefill(ref prefill) => return of_prefill(prefill, build),
        Op::Decode(ref decode) => return of_decode(decode, build),
    };
    vec![one]
}

/// Whole warps in which each thread keeps as few pieces of a row as there can be.
fn norm_threads(width: u64) -> u64 {
    let pieces = width / PIECE;
    pieces.div_ceil(pieces.div_ceil(MOST_THREADS).max(1)).max(1).next_multiple_of(32)
}

fn of_rotary(rotary: &Rotary, build: &Build) -> Launch {
    let Rotary { qkv, q, cache, q_weight, k_weight, angles, positions, sequences, tables, .. } = *rotary;
    let places = [qkv, q, cache.keys, cache.values, q_weight, k_weight, angles, positions, sequences];
    let args = places.into_iter().chain([tables]).map(Long);
    let sizes = [Int(rotary.table_width), Int(cache.kv_heads), Float(EPS)];
    let args: Vec<Arg> = args.chain(sizes).collect();
    let heads = cache.kv_heads * (u64::from(build.group) + 2);
    launch("rotary", [rotary.tokens, heads.div_ceil(WARPS), 1], 128, &args)
}

fn of_prefill(prefill: &Prefill, build: &Build) -> Vec<Launch> {
    let Prefill { q, cache, table, parts, out, count, cached, splits } = *prefill;
    let memory = [q, cache.keys, cache.values, table, parts, out].map(Long);
    let sizes = [Int(count), Int(cached), Int(cache.kv_heads), Float(scale(build))];
    let tiles = (count * u64::from(build.group)).div_ceil(TILE_ROWS);
    let grid = [cache.kv_heads, tiles, splits];
    let attend = launch("prefill", grid, ATTENTION_THREADS, &[&memory[..], &sizes].concat());
    let mut launches = vec![Launch { shared_bytes: shared_bytes("prefill", build), ..attend }];
    if splits > 1 {
        launches.push(combine(parts, out, (count, splits), cache.kv_heads, build));
    }
    launches
}

fn of_decode(decode: &Decode, build: &Build) -> Vec<Launch> {
    let Decode { q, cache, tables, table_width, lengths, parts, out, batch, splits, .. } = *decode;
    let memory = [q, cache.keys, cache.values, tables, lengths, parts].map(Long);
    let sizes = [Int(table_width), Int(cache.kv_heads), Float(scale(build))];
    let grid = [splits, cache.kv_heads, batch];
    vec![
        launch("decode", grid, ATTENTION_THREADS, &[&memory[..], &sizes].concat()),
        combine(parts, out, (batch, splits), cache.kv_heads, build),
    ]
}

/// Puts the splits of so many tokens' contexts together.
fn combine(parts: u64, out: u64, (tokens, splits): (u64, u64), kv_heads: u64, build: &Build) -> Launch {
    let heads = kv_heads * u64::from(build.group);
    launch(
        "combine",
        [tokens, heads, 1],
        build.dim.into(),
        &[Long(parts), Long(out), Int(splits), Int(kv_heads)],
    )
}

/// One over the root of the head's size, for powers of two instead of e.
fn scale(build: &Build) -> f32 {
    std::f32::consts::LOG2_E / (build.dim as f32).sqrt()
}

impl Cuda {
    /// Puts one piece of work on the stream.
    pub(super) fn launch(&mut self, op: &Op) -> anyhow::Result<()> {
        if let Op::Gemm { x, weight, out, rows, inner, columns } = *op {
            return self.blas.product(x, weight, out, [rows, inner, columns]);
        }
        if let Op::AddNorm { width, .. } = *op {
            let most = MOST_THREADS * NORM_PIECES * PIECE;
            ensure!(width <= most, "a norm of {width} numbers, expected {most} at most");
        }
        let launches = launches(op, &self.build, self.about.multiprocessors);
        launches.iter().try_for_each(|launch| self.kernel(launch))
    }

    fn kernel(&self, launch: &Launch) -> anyhow::Result<()> {
        let Launch { kernel, grid: [x, y, z], threads, shared_bytes, .. } = launch;
        let function = self.function(kernel)?;
        let mut slots = launch.slots()?;
        let mut places: Vec<_> = slots.iter_mut().map(|slot| std::ptr::from_mut(slot).cast()).collect();
        let grid = (u32::try_from(*x)?, u32::try_from(*y)?, u32::try_from(*z)?);
        // SAFETY: the kernel is loaded; a test holds the arguments' number and types against its source; the driver copies
        // them at once. Addresses are the op's own: that they have the room which the kernel writes is for its maker to see to.
        unsafe {
            result::launch_kernel(function, grid, (*threads, 1, 1), *shared_bytes, self.stream, &mut places)
        }
        .with_context(|| format!("kernel `{kernel}` does not start"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::op::Cache;
    use crate::gpu::sizes::Half;
    use crate::gpu::source::SOURCES;
    use std::collections::BTreeSet;

    /// The arguments of a kernel as its source declares them: `p` for what has eight bytes, `i`, `f`.
    fn declared(kernel: &str) -> String {
        let start = format!("{kernel}(");
        let signatures =
            SOURCES.iter().flat_map(|source| source.text.split("extern \"C\" __global__ void").skip(1));
        let signature =
            signatures.map(|text| text.split('{').next().unwrap()).find(|head| head.contains(&start));
        let list = signature.unwrap().split_once(&start).unwrap().1.split(')').next().unwrap();
        let kind = |arg: &str| match arg.trim() {
            arg if arg.contains('*') || arg.starts_with("u64 ") => 'p',
            arg if arg.starts_with("int ") || arg.starts_with("u32 ") => 'i',
            arg if arg.starts_with("float ") => 'f',
            arg => panic!("{kernel}: `{arg}`"),
        };
        list.split(',').filter(|arg| !arg.trim().is_empty()).map(kind).collect()
    }

    fn every_op() -> Vec<Op> {
        let cache = Cache { keys: 1, values: 2, kv_heads: 8 };
        let (x, out, rows, q, tables, table_width) = (1, 2, 3, 4, 5, 6);
        let rotary = Rotary {
            qkv: x,
            q,
            cache,
            q_weight: 1,
            k_weight: 1,
            angles: 1,
            positions: 1,
            sequences: 1,
            tables,
            table_width,
            tokens: rows,
        };
        let (lengths, parts, batch, splits, kv_tokens) = (1, 1, 2, 3, 100);
        let decode = Decode { q, cache, tables, table_width, lengths, parts, out, batch, splits, kv_tokens };
        let prefill = Prefill { q, cache, table: tables, parts, out, count: 70, cached: 30, splits };
        let (packed, scales, inner, columns) = (1, 1, 256, 128);
        vec![
            Op::Nothing,
            Op::Spin { clocks: 1 },
            Op::Fill { out, count: 1, seed: 1, centre: 0.0, scale: 1.0 },
            Op::Scatter { out, words: 1, seed: 1 },
            Op::Copy { from: x, to: out, bytes: 16 },
            Op::AddNorm { x, y: 0, weight: 1, out, rows, width: 256 },
            Op::Rotary(rotary),
            Op::Silu { both: x, out, rows, width: 128 },
            Op::Unpack4 { packed, scales, out, weights: inner * columns },
            Op::Product4 { x, packed, scales, out, rows, inner, columns },
            Op::Product4 { x, packed, scales, out, rows: 9, inner, columns },
            Op::Product4 { x, packed, scales, out, rows: 17, inner, columns },
            Op::Prefill(prefill),
            Op::Decode(decode),
        ]
    }

    /// A kernel reads its arguments by their places and sizes; nothing else would notice one too few.
    #[test]
    fn arguments_are_those_that_the_sources_declare() {
        let build = Build { half: Half::Bf16, dim: 128, group: 4 };
        let mut seen = BTreeSet::new();
        for launch in every_op().iter().flat_map(|op| launches(op, &build, 132)) {
            let kinds = launch.args.iter().map(|arg| match arg {
                Long(_) => 'p',
                Int(_) => 'i',
                Float(_) => 'f',
            });
            assert_eq!(kinds.collect::<String>(), declared(launch.kernel), "{}", launch.kernel);
            seen.insert(launch.kernel);
        }
        let all: BTreeSet<&str> = SOURCES.iter().flat_map(|source| source.kernels).copied().collect();
        assert_eq!(seen, all, "every kernel is launched");
    }

    /// By hand: 2,560 columns in blocks of 16, and of 32 from 9 rows on; one more column is one more block.
    #[test]
    fn products_of_more_rows_take_more_columns_a_block() {
        let build = Build { half: Half::Bf16, dim: 128, group: 4 };
        let of = |rows, columns| {
            let product = Op::Product4 { x: 1, packed: 1, scales: 1, out: 1, rows, inner: 128, columns };
            let launch = launches(&product, &build, 132).remove(0);
            (launch.kernel, launch.grid[0])
        };
        assert_eq!([of(1, 2_560), of(8, 2_561)], [("product4_8", 160), ("product4_8", 161)]);
        assert_eq!([of(9, 2_560), of(16, 2_561)], [("product4_16", 80), ("product4_16", 81)]);
        assert_eq!([of(17, 2_560), of(32, 2_561)], [("product4_32", 80), ("product4_32", 81)]);
    }

    /// By hand: 2,560 numbers are 320 pieces of 16 bytes, ten warps; 8,192 are 1,024, and beyond that a thread keeps two: 10,240
    /// are 1,280, twice 640.
    #[test]
    fn norms_keep_a_row_in_as_few_pieces_a_thread_as_there_can_be() {
        let widths = [128, 2_560, 4_096, 8_192, 10_240, 16_384];
        assert_eq!(widths.map(norm_threads), [32, 320, 512, 1_024, 640, 1_024]);
        let build = Build { half: Half::Bf16, dim: 128, group: 4 };
        // 9,728 numbers are 1,216 pieces, for 256 threads each.
        let silu = launches(&Op::Silu { both: 1, out: 1, rows: 3, width: 9_728 }, &build, 132);
        assert_eq!((silu[0].grid, silu[0].threads), ([3, 5, 1], 256));
    }

    /// By hand: 70 tokens of four heads each are 280 rows, three tiles of 128; 128 rows of queries and three times 64 tokens
    /// of 256 bytes each are 80 KiB, of which an RTX 3090 has 99 for a block and an A100 163 for two.
    #[test]
    fn grids_are_those_of_a_hand() {
        let build = Build { half: Half::Bf16, dim: 128, group: 4 };
        let prefill = every_op().into_iter().find(|op| matches!(op, Op::Prefill { .. })).unwrap();
        let [attend, combine] = &launches(&prefill, &build, 132)[..] else { panic!("two launches") };
        assert_eq!((attend.grid, attend.shared_bytes), ([8, 3, 3], 80 * 1_024));
        assert_eq!((combine.grid, combine.threads, combine.shared_bytes), ([70, 32, 1], 128, 0));
        let Op::Prefill(prefill) = prefill else { panic!("another op") };
        let whole = launches(&Op::Prefill(Prefill { splits: 1, ..prefill }), &build, 132);
        assert_eq!((whole.len(), whole[0].grid), (1, [8, 3, 1]));
    }
}
