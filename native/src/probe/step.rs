//! One decoder step at a model's shape with random weights: what it computes, as a list of work.
//!
//! A step is every layer's norms, products, rotary positions, attention over paged keys and values and activation, then the
//! last norm and the product with the vocabulary for the one token of a sequence that is sampled. What is left out: looking
//! embeddings up, sampling, and everything that an engine does on the CPU.

use super::shape::Shape;
use crate::gpu::device::{Device, upload_ints, uploaded};
use crate::gpu::op::{Cache, Decode, Op, PAGE, Ptr, Rotary, SCALE_GROUP};
use crate::gpu::reference;
use crate::gpu::splits;

/// How weights lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// Two bytes each.
    Half,
    /// Four bits each, with a scale for every 128: up to [`FEW_ROWS`] in one kernel, else unpacked first.
    Four,
}

/// A matrix of the model.
#[derive(Clone, Copy, Debug)]
struct Matrix {
    at: Ptr,
    scales: Ptr,
    columns: u64,
    inner: u64,
}

struct Layer {
    /// In the order of [`Shape::products`].
    products: [Matrix; 4],
    norms: [Ptr; 2],
    head_norms: [Ptr; 2],
    cache: Cache,
}

/// Room for the numbers between the pieces of a step.
struct Room {
    x: Ptr,
    normed: Ptr,
    qkv: Ptr,
    q: Ptr,
    attended: Ptr,
    added: Ptr,
    both: Ptr,
    active: Ptr,
    logits: Ptr,
    unpacked: Ptr,
    parts: Ptr,
}

/// A model with random weights and a pool of pages, on a device.
pub(crate) struct Model {
    pub(crate) shape: Shape,
    weights: Weights,
    layers: Vec<Layer>,
    last_norm: Ptr,
    vocabulary: Matrix,
    room: Room,
    angles: Ptr,
    positions: Ptr,
    sequences: Ptr,
    lengths: Ptr,
    tables: Ptr,
    /// Pages of the pool.
    pages: u64,
    multiprocessors: u32,
}

/// What a model must have room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Most new tokens of a step.
    pub(crate) rows: u64,
    /// Most sequences of a step.
    pub(crate) batch: u64,
    /// Most tokens of a sequence.
    pub(crate) context: u64,
    /// Most KV tokens of a step.
    pub(crate) kv_tokens: u64,
}

/// Rows that the kernel over packed weights takes.
pub(crate) const FEW_ROWS: u64 = 8;
/// Largest number of parts that a context is cut into.
const MAX_SPLITS: u64 = 128;

impl Model {
    /// Makes one. Where memory does not hold pages for all KV tokens, the pool is smaller.
    ///
    /// # Errors
    /// When weights and room for a step do not fit, or the device fails.
    pub(crate) fn new(
        device: &mut dyn Device,
        shape: &Shape,
        weights: Weights,
        limits: &Limits,
    ) -> anyhow::Result<Self> {
        let mut seed = 1;
        let mut layers = (0..shape.layers)
            .map(|_| Layer::new(device, shape, weights, &mut seed))
            .collect::<anyhow::Result<Vec<Layer>>>()?;
        let last_norm = filled(device, shape.hidden, 1.0, 0.1, &mut seed)?;
        // As in AWQ's files, the last matrix is not packed.
        let vocabulary = matrix(device, Weights::Half, (shape.vocabulary, shape.hidden), &mut seed)?;
        let room = Room::new(device, shape, weights, limits, &mut seed)?;
        let mut angles = Vec::new();
        let half = (shape.dim / 2) as usize;
        for position in 0..limits.context {
            for pair in 0..half {
                let (sine, cosine) = reference::angle(position, pair, half, shape.rope_base).sin_cos();
                angles.extend([cosine as f32, sine as f32].map(f32::to_le_bytes).concat());
            }
        }
        let angles = uploaded(device, &angles)?;
        let ints = |device: &mut dyn Device, count: u64| device.alloc(count * 4);
        let positions = ints(device, limits.rows.max(limits.batch))?;
        let sequences = ints(device, limits.rows.max(limits.batch))?;
        let lengths = ints(device, limits.batch)?;
        let wanted = limits.kv_tokens / PAGE + limits.batch;
        let page_bytes = PAGE * shape.kv_bytes_per_token();
        // Some is left for the copy that is timed, and for what libraries take for themselves.
        let free = device.free_bytes()?;
        let pages = wanted.min((free - (9 << 30).min(free / 3)) / page_bytes);
        let tables = ints(device, pages.max(1))?;
        for layer in &mut layers {
            let numbers = pages * PAGE * shape.kv_heads * shape.dim;
            layer.cache.keys = filled(device, numbers, 0.0, 1.0, &mut seed)?;
            layer.cache.values = filled(device, numbers, 0.0, 1.0, &mut seed)?;
        }
        let multiprocessors = device.about().multiprocessors;
        Ok(Model {
            shape: shape.clone(),
            weights,
            layers,
            last_norm,
            vocabulary,
            room,
            angles,
            positions,
            sequences,
            lengths,
            tables,
            pages,
            multiprocessors,
        })
    }

    /// Whether the pool has pages for so many sequences of so many tokens.
    pub(crate) fn fits(&self, batch: u64, context: u64) -> bool {
        batch * context.div_ceil(PAGE) <= self.pages
    }

    /// KV tokens that the pool holds.
    pub(crate) fn kv_tokens(&self) -> u64 {
        self.pages * PAGE
    }

    /// The work of computing `new` tokens behind `cached` ones that lie in pages.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn prefill(&self, device: &mut dyn Device, new: u64, cached: u64) -> anyhow::Result<Vec<Op>> {
        let width = (new + cached).div_ceil(PAGE);
        self.begin(device, new)?;
        self.tables(device, 1, width)?;
        upload_ints(device, self.positions, cached..cached + new)?;
        upload_ints(device, self.sequences, (0..new).map(|_| 0))?;
        let attention = |cache| {
            let (q, out) = (self.room.q, self.room.attended);
            Op::Prefill { q, cache, table: self.tables, out, count: new, cached }
        };
        Ok(self.step(new, 1, width, attention))
    }

    /// The work of one more token for each of `batch` sequences that then have `context` tokens.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn decode(
        &self,
        device: &mut dyn Device,
        batch: u64,
        context: u64,
    ) -> anyhow::Result<Vec<Op>> {
        let width = context.div_ceil(PAGE);
        self.begin(device, batch)?;
        self.tables(device, batch, width)?;
        upload_ints(device, self.positions, (0..batch).map(|_| context - 1))?;
        upload_ints(device, self.sequences, 0..batch)?;
        upload_ints(device, self.lengths, (0..batch).map(|_| context))?;
        Ok(self.step(batch, batch, width, |cache| self.attend(cache, batch, context)))
    }

    /// Decode attention alone, in every layer.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn decode_attention(
        &self,
        device: &mut dyn Device,
        batch: u64,
        context: u64,
    ) -> anyhow::Result<Vec<Op>> {
        self.decode(device, batch, context)?;
        Ok(self.layers.iter().map(|layer| self.attend(layer.cache, batch, context)).collect())
    }

    /// One product of a layer alone, in every layer, so that no weights are found in a cache.
    pub(crate) fn products(&self, which: usize, rows: u64) -> Vec<Op> {
        let mut ops = Vec::new();
        for layer in &self.layers {
            self.product(&mut ops, self.room.active, &layer.products[which], self.room.both, rows);
        }
        ops
    }

    fn attend(&self, cache: Cache, batch: u64, context: u64) -> Op {
        let splits = splits(self.multiprocessors, batch, self.shape.kv_heads, context).min(MAX_SPLITS);
        Op::Decode(Decode {
            q: self.room.q,
            cache,
            tables: self.tables,
            table_width: context.div_ceil(PAGE),
            lengths: self.lengths,
            parts: self.room.parts,
            out: self.room.attended,
            batch,
            splits,
            kv_tokens: batch * context,
        })
    }

    fn step(&self, rows: u64, sampled: u64, table_width: u64, attention: impl Fn(Cache) -> Op) -> Vec<Op> {
        let Room { x, normed, qkv, q, attended, added, both, active, logits, .. } = self.room;
        let width = self.shape.hidden;
        let mut ops = Vec::new();
        for (place, layer) in self.layers.iter().enumerate() {
            let [first, second] = layer.norms;
            // What the layer before came to is added where the next norm reads it.
            let y = if place == 0 { 0 } else { added };
            ops.push(Op::AddNorm { x, y, weight: first, out: normed, rows, width });
            self.product(&mut ops, normed, &layer.products[0], qkv, rows);
            let [q_weight, k_weight] = layer.head_norms;
            ops.push(Op::Rotary(Rotary {
                qkv,
                q,
                cache: layer.cache,
                q_weight,
                k_weight,
                angles: self.angles,
                positions: self.positions,
                sequences: self.sequences,
                tables: self.tables,
                table_width,
                tokens: rows,
            }));
            ops.push(attention(layer.cache));
            self.product(&mut ops, attended, &layer.products[1], added, rows);
            ops.push(Op::AddNorm { x, y: added, weight: second, out: normed, rows, width });
            self.product(&mut ops, normed, &layer.products[2], both, rows);
            ops.push(Op::Silu { both, out: active, rows, width: self.shape.inter });
            self.product(&mut ops, active, &layer.products[3], added, rows);
        }
        ops.push(Op::AddNorm { x, y: added, weight: self.last_norm, out: normed, rows, width });
        let last = normed + (rows - sampled) * width * 2;
        let Matrix { at, columns, inner, .. } = self.vocabulary;
        ops.push(Op::Gemm { x: last, weight: at, out: logits, rows: sampled, inner, columns });
        ops
    }

    fn product(&self, ops: &mut Vec<Op>, x: Ptr, matrix: &Matrix, out: Ptr, rows: u64) {
        let Matrix { at, scales, columns, inner } = *matrix;
        match self.weights {
            Weights::Half => ops.push(Op::Gemm { x, weight: at, out, rows, inner, columns }),
            Weights::Four if rows <= FEW_ROWS => {
                ops.push(Op::Product4 { x, packed: at, scales, out, rows, inner, columns });
            }
            Weights::Four => {
                let unpacked = self.room.unpacked;
                ops.push(Op::Unpack4 { packed: at, scales, out: unpacked, weights: columns * inner });
                ops.push(Op::Gemm { x, weight: unpacked, out, rows, inner, columns });
            }
        }
    }

    /// What a step begins with, made anew: each run adds to it, and what only grows would leave the range of fp16.
    fn begin(&self, device: &mut dyn Device, rows: u64) -> anyhow::Result<()> {
        let count = rows * self.shape.hidden;
        device.run(&[Op::Fill { out: self.room.x, count, seed: 1, centre: 0.0, scale: 1.0 }])?;
        Ok(())
    }

    /// Pages of every sequence, in an order that is drawn, as an engine's are after a while.
    fn tables(&self, device: &mut dyn Device, batch: u64, width: u64) -> anyhow::Result<()> {
        anyhow::ensure!(batch * width <= self.pages, "{batch} × {width} pages, the pool has {}", self.pages);
        let mut pages: Vec<u64> = (0..self.pages).collect();
        let mut chance = atr_core::synth::Chance::new(1);
        for place in (1..pages.len()).rev() {
            pages.swap(place, (chance.bits() % (place as u64 + 1)) as usize);
        }
        upload_ints(device, self.tables, pages.into_iter().take((batch * width) as usize))
    }
}

impl Layer {
    /// Random weights; the pages come later, when it is known how many have room.
    fn new(device: &mut dyn Device, shape: &Shape, weights: Weights, seed: &mut u32) -> anyhow::Result<Self> {
        let mut products = Vec::new();
        for sizes in shape.products() {
            products.push(matrix(device, weights, sizes, seed)?);
        }
        let products = products.try_into().map_err(|_| anyhow::anyhow!("a layer has four products"))?;
        let mut norm = |width| filled(device, width, 1.0, 0.1, seed);
        let norms = [norm(shape.hidden)?, norm(shape.hidden)?];
        let head_norms = if shape.head_norms { [norm(shape.dim)?, norm(shape.dim)?] } else { [0, 0] };
        let cache = Cache { keys: 0, values: 0, kv_heads: shape.kv_heads };
        Ok(Layer { products, norms, head_norms, cache })
    }
}

impl Room {
    fn new(
        device: &mut dyn Device,
        shape: &Shape,
        weights: Weights,
        limits: &Limits,
        seed: &mut u32,
    ) -> anyhow::Result<Self> {
        let rows = limits.rows.max(limits.batch);
        let q = shape.heads * shape.dim;
        let qkv = q + 2 * shape.kv_heads * shape.dim;
        let mut room = |numbers: u64| filled(device, numbers, 0.0, 1.0, seed);
        let largest = shape.products().iter().map(|(columns, inner)| columns * inner).max().unwrap_or(0);
        let widest = q.max(shape.inter).max(shape.hidden);
        Ok(Room {
            x: room(rows * shape.hidden)?,
            normed: room(rows * shape.hidden)?,
            qkv: room(rows * qkv)?,
            q: room(rows * q)?,
            attended: room(rows * q)?,
            added: room(rows * shape.hidden)?,
            both: room(rows * (2 * shape.inter).max(qkv))?,
            active: room(rows * widest)?,
            logits: room(limits.batch * shape.vocabulary)?,
            unpacked: if weights == Weights::Four { room(largest)? } else { 0 },
            parts: device.alloc(limits.batch * shape.heads * MAX_SPLITS * (shape.dim + 2) * 4)?,
        })
    }
}

/// A random matrix; what it is multiplied with keeps its length.
fn matrix(
    device: &mut dyn Device,
    weights: Weights,
    (columns, inner): (u64, u64),
    seed: &mut u32,
) -> anyhow::Result<Matrix> {
    let scale = (3.0 / inner as f32).sqrt();
    if weights == Weights::Half {
        let at = filled(device, columns * inner, 0.0, scale, seed)?;
        return Ok(Matrix { at, scales: 0, columns, inner });
    }
    let at = device.alloc(columns * inner / 2)?;
    *seed += 1;
    device.run(&[Op::Scatter { out: at, words: columns * inner / 8, seed: *seed }])?;
    let scales = filled(device, columns * inner / SCALE_GROUP, scale / 8.0, scale / 80.0, seed)?;
    Ok(Matrix { at, scales, columns, inner })
}

/// Memory with made-up numbers.
fn filled(
    device: &mut dyn Device,
    count: u64,
    centre: f32,
    scale: f32,
    seed: &mut u32,
) -> anyhow::Result<Ptr> {
    *seed += 1;
    let out = device.alloc(count * 2)?;
    device.run(&[Op::Fill { out, count, seed: *seed, centre, scale }])?;
    Ok(out)
}
