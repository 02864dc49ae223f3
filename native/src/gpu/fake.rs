//! A device for tests: computes by the reference, or by the kernels as an interpreter runs them, and takes the time of a
//! made-up roofline.

use super::cuda::launches;
use super::device::{About, Device, Graph};
use super::half::{from_bytes, to_bytes};
use super::libraries::Library;
use super::op::{Decode, Op, PAGE, Prefill, Ptr, Rotary, SCALE_GROUP};
use super::reference::{self, Pages};
pub(crate) use super::roofline::{Overlap, Roofline};
use super::sizes::Build;
use super::source::SOURCES;
use atr_ptx::{Counts, Memory, Module};
use std::collections::BTreeMap;

/// A device that lies in the test's own memory.
pub(crate) struct Fake {
    about: About,
    build: Build,
    roofline: Roofline,
    /// Whether work is done; without, memory is not even there and only time passes.
    computes: bool,
    /// The kernels, where they do the work.
    kernels: Option<Kernels>,
    /// What every result of attention is multiplied by: a broken kernel where it is not 1.
    pub(crate) attention_factor: f64,
    /// Products of so many rows come out a thirtieth too large.
    pub(crate) wrong_rows: Option<u64>,
    memory: Memory,
    used: u64,
    sizes: BTreeMap<Ptr, u64>,
    graphs: Vec<Option<Vec<Op>>>,
    /// Prompts of so many new tokens fail.
    pub(crate) failing_prompt: Option<u64>,
    /// Microseconds that it ran, with what hides the launch of each graph.
    pub(crate) ran_us: f64,
    /// Replays fail, and so does what is asked behind them.
    pub(crate) dies: bool,
}

/// Kernels that are interpreted, and what they did.
struct Kernels {
    module: Module,
    counts: Counts,
}

const EPS: f64 = 1e-6;
/// What a GPU waits before each graph, so that its launch does not show.
const HIDING_US: f64 = 300.0;
/// Multiprocessors where kernels are interpreted: few, since some grids grow with them.
const FEW: u32 = 2;

impl Fake {
    pub(crate) fn new(build: Build, roofline: Roofline, computes: bool) -> Self {
        let about = About {
            name: "NVIDIA H200".to_owned(),
            capability: (9, 0),
            memory_bytes: 150_750_000_000,
            multiprocessors: 132,
            l2_bytes: 60 << 20,
            driver: (13, 0),
            bus_id: "00000000:3B:00.0".to_owned(),
        };
        Fake {
            about,
            build,
            roofline,
            computes,
            kernels: None,
            attention_factor: 1.0,
            wrong_rows: None,
            memory: Memory::default(),
            used: 0,
            sizes: BTreeMap::new(),
            graphs: Vec::new(),
            failing_prompt: None,
            ran_us: 0.0,
            dies: false,
        }
    }

    /// Another amount of memory.
    pub(crate) fn with_memory(mut self, bytes: u64) -> Self {
        self.about.memory_bytes = bytes;
        self
    }

    /// One that runs the kernels, as compiled for the oldest GPUs that a probe takes; matrix products, which are a library's,
    /// come from the reference. None, with a word, where NVRTC is not there.
    pub(crate) fn with_kernels(build: Build, roofline: Roofline) -> Option<Self> {
        if !Library::Nvrtc.is_there() {
            eprintln!("skipped: no libnvrtc here; `cargo xtask kernels` fetches one and runs this test");
            return None;
        }
        let modules = SOURCES
            .iter()
            .map(|source| Module::parse(&source.assembly(&build, "compute_80").unwrap()).unwrap());
        let module = modules.reduce(Module::with).unwrap();
        let mut fake = Fake::new(build, roofline, true);
        fake.about.multiprocessors = FEW;
        fake.kernels = Some(Kernels { module, counts: Counts::default() });
        Some(fake)
    }

    /// What the kernels did since this was last asked.
    pub(crate) fn counts(&mut self) -> Counts {
        self.kernels.as_mut().map(|kernels| std::mem::take(&mut kernels.counts)).unwrap_or_default()
    }

    fn work(&mut self, op: &Op) -> anyhow::Result<()> {
        match &mut self.kernels {
            Some(Kernels { module, counts }) if !matches!(op, Op::Gemm { .. }) => {
                let launches = launches(op, &self.build, self.about.multiprocessors);
                launches.iter().try_for_each(|launch| {
                    let params = launch.slots()?;
                    let launch = atr_ptx::Launch {
                        kernel: launch.kernel,
                        grid: launch.grid,
                        threads: launch.threads.into(),
                        shared_bytes: launch.shared_bytes.into(),
                        params: &params,
                    };
                    atr_ptx::run(module, &launch, &mut self.memory, counts)
                })
            }
            _ => {
                self.compute(op);
                Ok(())
            }
        }
    }

    fn bytes(&self, at: Ptr, count: u64) -> Vec<u8> {
        self.memory.read(at, count).unwrap().to_vec()
    }

    fn numbers(&self, at: Ptr, count: u64) -> Vec<f64> {
        from_bytes(&self.bytes(at, count * 2), self.build.half)
    }

    fn ints(&self, at: Ptr, count: u64) -> Vec<u32> {
        self.bytes(at, count * 4)
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes(four.try_into().unwrap()))
            .collect()
    }

    fn write(&mut self, at: Ptr, bytes: &[u8]) {
        self.memory.write(at, bytes).unwrap();
    }

    fn put(&mut self, at: Ptr, numbers: &[f64]) {
        self.write(at, &to_bytes(numbers, self.build.half));
    }

    fn pool(&self, at: Ptr) -> Vec<f64> {
        self.numbers(at, self.memory.size(at) / 2)
    }

    fn compute(&mut self, op: &Op) {
        match *op {
            Op::Nothing | Op::Spin { .. } => {}
            Op::Fill { out, count, seed, centre, scale } => {
                let unit = |i| (mixed(i, seed) >> 40) as f64 / 16_777_216.0;
                let one = |i| f64::from(centre) + (2.0 * unit(i) - 1.0) * f64::from(scale);
                self.put(out, &(0..count).map(one).collect::<Vec<f64>>());
            }
            Op::Scatter { out, words, seed } => {
                let bytes: Vec<u8> = (0..words).flat_map(|i| (mixed(i, seed) as u32).to_le_bytes()).collect();
                self.write(out, &bytes);
            }
            Op::Copy { from, to, bytes } => {
                let held = self.bytes(from, bytes);
                self.write(to, &held);
            }
            Op::AddNorm { x, y, weight, out, rows, width } => {
                let mut sums = self.numbers(x, rows * width);
                if y != 0 {
                    let more = self.numbers(y, rows * width);
                    sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
                }
                let weights = self.numbers(weight, width);
                self.put(x, &sums);
                let rows = sums.chunks_exact(width as usize);
                let made: Vec<f64> = rows.flat_map(|row| reference::norm(row, &weights, EPS)).collect();
                self.put(out, &made);
            }
            Op::Rotary(rotary) => self.rotary(&rotary),
            Op::Silu { both, out, rows, width } => {
                let numbers = self.numbers(both, rows * width * 2);
                let halves = numbers.chunks_exact(2 * width as usize).map(|row| row.split_at(width as usize));
                let made: Vec<f64> = halves.flat_map(|(gate, up)| reference::silu(gate, up)).collect();
                self.put(out, &made);
            }
            Op::Gemm { x, weight, out, rows, inner, columns } => {
                let weights = self.numbers(weight, columns * inner);
                let mut made = reference::product(&self.numbers(x, rows * inner), &weights, inner as usize);
                let factor = if Some(rows) == self.wrong_rows { 31.0 / 30.0 } else { 1.0 };
                made.iter_mut().for_each(|number| *number *= factor);
                self.put(out, &made);
            }
            Op::Unpack4 { packed, scales, out, weights } => {
                let made = self.unpacked(packed, scales, weights);
                self.put(out, &made);
            }
            Op::Product4 { x, packed, scales, out, rows, inner, columns } => {
                let weights = self.unpacked(packed, scales, columns * inner);
                let made = reference::product(&self.numbers(x, rows * inner), &weights, inner as usize);
                self.put(out, &made);
            }
            Op::Prefill(Prefill { q, cache, table, out, count, cached, .. }) => {
                let table = self.ints(table, (count + cached).div_ceil(PAGE));
                let seen = (0..count).map(|token| (table.as_slice(), cached + token + 1)).collect::<Vec<_>>();
                self.attend(q, cache.keys, cache.values, cache.kv_heads, out, &seen);
            }
            Op::Decode(Decode { q, cache, tables, table_width, lengths, out, batch, .. }) => {
                let tables = self.ints(tables, table_width * batch);
                let lengths = self.ints(lengths, batch);
                let seen = tables.chunks_exact(table_width as usize).zip(lengths);
                let seen = seen.map(|(table, length)| (table, u64::from(length))).collect::<Vec<_>>();
                self.attend(q, cache.keys, cache.values, cache.kv_heads, out, &seen);
            }
        }
    }

    fn unpacked(&self, packed: Ptr, scales: Ptr, weights: u64) -> Vec<f64> {
        let (words, factors) = (self.ints(packed, weights / 8), self.numbers(scales, weights / SCALE_GROUP));
        let one = |place| reference::unpacked(&words, &factors, SCALE_GROUP as usize, place);
        (0..weights as usize).map(one).collect()
    }

    /// Rows of queries, each with its table and the tokens that it sees.
    fn attend(&mut self, q: Ptr, keys: Ptr, values: Ptr, kv_heads: u64, out: Ptr, seen: &[(&[u32], u64)]) {
        let (dim, group) = (u64::from(self.build.dim), u64::from(self.build.group));
        let heads = kv_heads * group;
        let (keys, values) = (self.pool(keys), self.pool(values));
        let queries = self.numbers(q, seen.len() as u64 * heads * dim);
        let mut made = Vec::new();
        for (place, query) in queries.chunks_exact(dim as usize).enumerate() {
            let (table, tokens) = seen[place / heads as usize];
            let kv_head = place % heads as usize / group as usize;
            let pages =
                |numbers| Pages { numbers, table, kv_heads: kv_heads as usize, kv_head, dim: dim as usize };
            made.extend(reference::attention(query, pages(&keys), pages(&values), tokens as usize));
        }
        made.iter_mut().for_each(|number| *number *= self.attention_factor);
        self.put(out, &made);
    }

    fn rotary(&mut self, rotary: &Rotary) {
        let (dim, group) = (u64::from(self.build.dim), u64::from(self.build.group));
        let kv_heads = rotary.cache.kv_heads;
        let heads = kv_heads * group;
        let positions = self.ints(rotary.positions, rotary.tokens);
        let sequences = self.ints(rotary.sequences, rotary.tokens);
        let weights = [rotary.q_weight, rotary.k_weight].map(|at| (at != 0).then(|| self.numbers(at, dim)));
        let half = dim as usize / 2;
        for (token, (&position, sequence)) in positions.iter().zip(sequences).enumerate() {
            let entry = u64::from(sequence) * rotary.table_width + u64::from(position) / PAGE;
            let page = u64::from(self.ints(rotary.tables + entry * 4, 1)[0]);
            let angles = rotary.angles + u64::from(position) * dim * 4;
            let angles: Vec<f64> =
                self.ints(angles, dim).into_iter().map(|bits| f64::from(f32::from_bits(bits))).collect();
            for head in 0..heads + 2 * kv_heads {
                let at = (token as u64 * (heads + 2 * kv_heads) + head) * dim * 2;
                let numbers = self.numbers(rotary.qkv + at, dim);
                let slot = ((page * kv_heads + (head + kv_heads - heads % kv_heads) % kv_heads) * PAGE
                    + u64::from(position) % PAGE)
                    * dim
                    * 2;
                let turn = |weights: &Option<Vec<f64>>| {
                    let normed = weights.as_ref().map(|weights| reference::norm(&numbers, weights, EPS));
                    let head = normed.unwrap_or(numbers.clone());
                    let turned = |i: usize| {
                        let (cosine, sine) = (angles[i % half * 2], angles[i % half * 2 + 1]);
                        let other = if i < half { -head[i + half] } else { head[i - half] };
                        head[i] * cosine + other * sine
                    };
                    (0..dim as usize).map(turned).collect::<Vec<f64>>()
                };
                if head < heads {
                    let made = turn(&weights[0]);
                    self.put(rotary.q + (token as u64 * heads + head) * dim * 2, &made);
                } else if head < heads + kv_heads {
                    let made = turn(&weights[1]);
                    self.put(rotary.cache.keys + slot, &made);
                } else {
                    self.put(rotary.cache.values + slot, &numbers);
                }
            }
        }
    }
}

impl Device for Fake {
    fn about(&self) -> &About {
        &self.about
    }

    /// What an H200 holds by the registers of the kernels as compiled for it.
    fn blocks_at_once(&mut self, kernel: &'static str) -> anyhow::Result<u64> {
        Ok(if kernel == "prefill" { 2 } else { 3 })
    }

    fn free_bytes(&mut self) -> anyhow::Result<u64> {
        Ok(self.about.memory_bytes - self.used)
    }

    fn alloc(&mut self, bytes: u64) -> anyhow::Result<Ptr> {
        anyhow::ensure!(self.used + bytes <= self.about.memory_bytes, "no room for {bytes} bytes");
        self.used += bytes;
        let at = self.memory.alloc(bytes, self.computes);
        self.sizes.insert(at, bytes);
        Ok(at)
    }

    fn free(&mut self, memory: Ptr) -> anyhow::Result<()> {
        self.used -= self.sizes.remove(&memory).unwrap();
        self.memory.free(memory)
    }

    fn upload(&mut self, to: Ptr, bytes: &[u8]) -> anyhow::Result<()> {
        if self.computes {
            self.write(to, bytes);
        }
        Ok(())
    }

    fn download(&mut self, from: Ptr, bytes: &mut [u8]) -> anyhow::Result<()> {
        bytes.copy_from_slice(&self.bytes(from, bytes.len() as u64));
        Ok(())
    }

    fn run(&mut self, ops: &[Op]) -> anyhow::Result<f64> {
        let fails =
            |op: &Op| matches!(op, Op::Prefill(prefill) if Some(prefill.count) == self.failing_prompt);
        anyhow::ensure!(!ops.iter().any(fails), "the work on the GPU failed");
        if self.computes {
            ops.iter().try_for_each(|op| self.work(op))?;
        }
        let us = self.roofline.us(ops, &self.build, self.roofline.launch_us);
        self.ran_us += us;
        Ok(us)
    }

    fn capture(&mut self, ops: &[Op]) -> anyhow::Result<Graph> {
        self.run(ops)?;
        self.graphs.push(Some(ops.to_vec()));
        Ok(Graph(self.graphs.len() - 1))
    }

    fn replay(&mut self, graph: Graph) -> anyhow::Result<f64> {
        anyhow::ensure!(!self.dies, "the work on the GPU failed");
        let ops = self.graphs[graph.0].clone().unwrap();
        let before = self.ran_us;
        self.run(&ops)?;
        let us = self.roofline.us(&ops, &self.build, self.roofline.graph_launch_us);
        self.ran_us = before + HIDING_US + us;
        Ok(us)
    }

    fn forget(&mut self, graph: Graph) -> anyhow::Result<()> {
        anyhow::ensure!(!self.dies, "the context is spoilt");
        self.graphs[graph.0] = None;
        Ok(())
    }
}

/// SplitMix64 of a place under a seed.
fn mixed(place: u64, seed: u32) -> u64 {
    let x = place.wrapping_add(u64::from(seed) << 40).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
