//! From work to kernels: grids, threads and arguments.

use super::Cuda;
use crate::gpu::op::{Decode, Op, PAGE, Rotary, SCALE_GROUP};
use anyhow::Context;
use cudarc::driver::result;

/// What the models of the probe add under the root of a norm.
const EPS: f32 = 1e-6;
/// New tokens that a block of prefill takes.
const PREFILL_ROWS: u64 = 64;
/// Warps of a block where each warp works for itself.
const WARPS: u64 = 4;

/// An argument of a kernel.
#[derive(Clone, Copy)]
enum Arg {
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

impl Cuda {
    /// Puts one piece of work on the stream.
    pub(super) fn launch(&mut self, op: &Op) -> anyhow::Result<()> {
        let all = u64::from(self.about.multiprocessors) * 8;
        match *op {
            Op::Nothing => self.kernel("nothing", [1, 1, 1], 32, &[]),
            Op::Fill { out, count, seed, centre, scale } => {
                let args = [Long(out), Long(count), Int(seed.into()), Float(centre), Float(scale)];
                self.kernel("fill", [all, 1, 1], 256, &args)
            }
            Op::Scatter { out, words, seed } => {
                self.kernel("scatter", [all, 1, 1], 256, &[Long(out), Long(words), Int(seed.into())])
            }
            Op::Copy { from, to, bytes } => {
                self.kernel("copy", [all, 1, 1], 256, &[Long(from), Long(to), Long(bytes / 16)])
            }
            Op::AddNorm { x, y, weight, out, rows, width } => {
                let args = [Long(x), Long(y), Long(weight), Long(out), Int(width), Float(EPS)];
                self.kernel("add_norm", [rows, 1, 1], 256, &args)
            }
            Op::Rotary(ref rotary) => self.rotary(rotary),
            Op::Silu { both, out, rows, width } => {
                let words = rows * width / 2;
                let blocks = words.div_ceil(256).clamp(1, all);
                let args = [Long(both), Long(out), Int(width), Long(words)];
                self.kernel("silu", [blocks, 1, 1], 256, &args)
            }
            Op::Gemm { x, weight, out, rows, inner, columns } => {
                self.blas.product(x, weight, out, [rows, inner, columns])
            }
            Op::Unpack4 { packed, scales, out, weights } => {
                let args = [Long(packed), Long(scales), Long(out), Long(weights / 8), Int(SCALE_GROUP)];
                self.kernel("unpack4", [all, 1, 1], 256, &args)
            }
            Op::Product4 { x, packed, scales, out, rows, inner, columns } => {
                let sizes = [Int(rows), Int(inner), Int(columns), Int(SCALE_GROUP)];
                let args = [&[Long(x), Long(packed), Long(scales), Long(out)][..], &sizes].concat();
                self.kernel("product4", [columns.div_ceil(WARPS), 1, 1], 128, &args)
            }
            Op::Prefill { q, cache, table, out, count, cached } => {
                let memory = [q, cache.keys, cache.values, table, out].map(Long);
                let sizes = [Int(count), Int(cached), Int(cache.kv_heads), Float(self.scale())];
                let heads = cache.kv_heads * u64::from(self.build.group);
                let grid = [count.div_ceil(PREFILL_ROWS), heads, 1];
                self.kernel("prefill", grid, 128, &[&memory[..], &sizes].concat())
            }
            Op::Decode(ref decode) => self.decode(decode),
        }
    }

    fn rotary(&mut self, rotary: &Rotary) -> anyhow::Result<()> {
        let Rotary { qkv, q, cache, q_weight, k_weight, angles, positions, sequences, tables, .. } = *rotary;
        let places = [qkv, q, cache.keys, cache.values, q_weight, k_weight, angles, positions, sequences];
        let args = places.into_iter().chain([tables]).map(Long);
        let sizes = [Int(rotary.table_width), Int(cache.kv_heads), Float(EPS)];
        let args: Vec<Arg> = args.chain(sizes).collect();
        let heads = cache.kv_heads * (u64::from(self.build.group) + 2);
        self.kernel("rotary", [rotary.tokens, heads.div_ceil(WARPS), 1], 128, &args)
    }

    fn decode(&mut self, decode: &Decode) -> anyhow::Result<()> {
        let Decode { q, cache, tables, table_width, lengths, parts, out, batch, splits, .. } = *decode;
        let memory = [q, cache.keys, cache.values, tables, lengths, parts].map(Long);
        let sizes = [Int(table_width), Int(cache.kv_heads), Float(self.scale())];
        let args = [&memory[..], &sizes].concat();
        self.kernel("decode", [splits, cache.kv_heads, batch], 128, &args)?;
        let heads = cache.kv_heads * u64::from(self.build.group);
        let args = [Long(parts), Long(out), Int(splits), Int(cache.kv_heads)];
        self.kernel("join", [heads, batch, 1], self.build.dim, &args)
    }

    /// One over the root of the head's size, for powers of two instead of e.
    fn scale(&self) -> f32 {
        std::f32::consts::LOG2_E / (self.build.dim as f32).sqrt()
    }

    fn kernel(&self, name: &str, grid: [u64; 3], threads: u32, args: &[Arg]) -> anyhow::Result<()> {
        let function = *self.kernels.get(name).with_context(|| format!("no kernel `{name}`"))?;
        let mut slots = args.iter().map(|arg| arg.slot()).collect::<anyhow::Result<Vec<u64>>>()?;
        let mut places: Vec<_> = slots.iter_mut().map(|slot| std::ptr::from_mut(slot).cast()).collect();
        let [x, y, z] = grid;
        let grid = (u32::try_from(x)?, u32::try_from(y)?, u32::try_from(z)?);
        // SAFETY: the kernel is loaded, and takes as many arguments of these sizes; the driver copies them at once.
        unsafe { result::launch_kernel(function, grid, (threads, 1, 1), 0, self.stream, &mut places) }
            .with_context(|| format!("kernel `{name}` does not start"))
    }
}

/// Parts that a context is cut into, so that all multiprocessors have work and no part is shorter than a few pages.
pub(crate) fn splits(multiprocessors: u32, batch: u64, kv_heads: u64, longest: u64) -> u64 {
    let wanted = (u64::from(multiprocessors) * 3).div_ceil((batch * kv_heads).max(1));
    wanted.clamp(1, (longest / (PAGE * WARPS)).max(1)).min(128)
}
