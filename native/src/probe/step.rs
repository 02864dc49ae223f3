//! One decoder step at a model's shape with random weights: what it computes, as a list of work.
//!
//! A step is every layer's norms, products, rotary positions, attention over paged keys and values and activation, then the
//! last norm and the product with the vocabulary for the one token of a sequence that is sampled. What is left out: looking
//! embeddings up, sampling, and everything that an engine does on the CPU.

use super::room::{Layer, Matrix, Room, filled, for_pages, matrix};
pub(crate) use super::room::{Limits, Weights};
use super::shape::Shape;
use crate::gpu::device::{Device, upload_ints, uploaded};
use crate::gpu::op::{Cache, Decode, Op, PAGE, Prefill, Ptr, Rotary};
use crate::gpu::parts::Places;
use crate::gpu::reference;
use std::fmt;

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
    places: Places,
}

/// The tokens of a step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    /// New and cached tokens of each prompt.
    pub(crate) prompts: Vec<(u64, u64)>,
    /// Sequences with one more token each.
    pub(crate) decoding: u64,
    /// Tokens that each of them then has.
    pub(crate) context: u64,
}

impl Batch {
    /// One prompt.
    pub(crate) fn prompt(new: u64, cached: u64) -> Batch {
        Batch { prompts: vec![(new, cached)], ..Batch::default() }
    }

    /// Decoding alone.
    pub(crate) fn decoding(decoding: u64, context: u64) -> Batch {
        Batch { prompts: Vec::new(), decoding, context }
    }

    pub(crate) fn rows(&self) -> u64 {
        self.prompts.iter().map(|(new, _)| new).sum::<u64>() + self.decoding
    }

    /// How many sequences there are; each gives a token.
    pub(crate) fn sequences(&self) -> u64 {
        self.prompts.len() as u64 + self.decoding
    }

    /// Tokens of the longest sequence.
    pub(crate) fn longest(&self) -> u64 {
        self.prompts.iter().map(|(new, cached)| new + cached).max().unwrap_or(0).max(self.context)
    }

    fn table_width(&self) -> u64 {
        self.longest().div_ceil(PAGE)
    }

    /// Pages of all tables, which are as wide as the longest sequence.
    pub(crate) fn pages(&self) -> u64 {
        self.sequences() * self.table_width()
    }
}

/// In words, as reports name a point.
impl fmt::Display for Batch {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (new, cached)) in self.prompts.iter().enumerate() {
            let begin = if place == 0 { "" } else { " and " };
            write!(to, "{begin}prefill of {new} behind {cached}")?;
        }
        let Batch { prompts, decoding, context } = self;
        match (prompts.is_empty(), decoding) {
            (_, 0) => Ok(()),
            (true, _) => write!(to, "decoding {decoding} sequences of {context}"),
            (false, _) => write!(to, " beside decoding {decoding} sequences of {context}"),
        }
    }
}

/// Rows that the kernel over packed weights takes.
pub(crate) const FEW_ROWS: u64 = 32;

impl Model {
    /// Makes one. Where memory does not hold all pages, the pool is smaller.
    ///
    /// # Errors
    /// When weights and room for a step do not fit, weights cannot be packed so, or the device fails.
    pub(crate) fn new(
        device: &mut dyn Device,
        shape: &Shape,
        weights: Weights,
        limits: &Limits,
    ) -> anyhow::Result<Self> {
        if weights == Weights::Four {
            shape.check_packed()?;
        }
        let mut seed = 1;
        let mut layers = (0..shape.layers)
            .map(|_| Layer::new(device, shape, weights, &mut seed))
            .collect::<anyhow::Result<Vec<Layer>>>()?;
        let last_norm = filled(device, shape.hidden, 1.0, 0.1, &mut seed)?;
        // As in AWQ's files, the last matrix is not packed.
        let vocabulary = matrix(device, Weights::Half, (shape.vocabulary, shape.hidden), &mut seed)?;
        let places = Places::of(device)?;
        let room = Room::new(device, shape, weights, limits, places, &mut seed)?;
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
        let page_bytes = PAGE * shape.kv_bytes_per_token();
        let free = device.free_bytes()?;
        let pages = limits.pages.min(for_pages(free) / page_bytes);
        anyhow::ensure!(pages > 0, "no room for a page of keys and values, {free} bytes are free");
        let tables = ints(device, pages)?;
        for layer in &mut layers {
            let numbers = pages * PAGE * shape.kv_heads * shape.dim;
            layer.cache.keys = filled(device, numbers, 0.0, 1.0, &mut seed)?;
            layer.cache.values = filled(device, numbers, 0.0, 1.0, &mut seed)?;
        }
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
            places,
        })
    }

    /// Whether the pool has pages for a step.
    pub(crate) fn fits(&self, batch: &Batch) -> bool {
        batch.pages() <= self.pages
    }

    /// KV tokens that the pool holds.
    pub(crate) fn kv_tokens(&self) -> u64 {
        self.pages * PAGE
    }

    /// The work of a step. A cached prefix lies in its pages.
    ///
    /// # Errors
    /// When there is no room, or the device fails.
    pub(crate) fn ops(&self, device: &mut dyn Device, batch: &Batch) -> anyhow::Result<Vec<Op>> {
        anyhow::ensure!(self.fits(batch), "no room for {} pages, the pool has {}", batch.pages(), self.pages);
        let Batch { prompts, decoding, context } = batch;
        self.begin(device, batch.rows())?;
        self.tables(device, batch.pages())?;
        let of_prompts = prompts.iter().flat_map(|&(new, cached)| cached..cached + new);
        upload_ints(device, self.positions, of_prompts.chain((0..*decoding).map(|_| context - 1)))?;
        let first = prompts.len() as u64;
        let of_prompts =
            (0..first).zip(prompts).flat_map(|(prompt, &(new, _))| (0..new).map(move |_| prompt));
        upload_ints(device, self.sequences, of_prompts.chain(first..first + decoding))?;
        upload_ints(device, self.lengths, (0..*decoding).map(|_| *context))?;
        Ok(self.step(batch))
    }

    /// One product of a layer alone, in every layer, so that no weights are found in a cache.
    pub(crate) fn products(&self, which: usize, rows: u64) -> Vec<Op> {
        let mut ops = Vec::new();
        for layer in &self.layers {
            self.product(&mut ops, self.room.active, &layer.products[which], self.room.both, rows);
        }
        ops
    }

    /// Attention of a step in one layer: that of each prompt, then that of all that decode.
    fn attend(&self, cache: Cache, batch: &Batch) -> Vec<Op> {
        let (width, number) = (batch.table_width(), self.shape.heads * self.shape.dim * 2);
        let mut row = 0;
        let mut ops = Vec::new();
        for (place, &(count, cached)) in (0..).zip(&batch.prompts) {
            let (q, out) = (self.room.q + row * number, self.room.attended + row * number);
            let (table, parts) = (self.tables + place * width * 4, self.room.parts);
            let splits =
                self.places.of_prompt((count, cached), cache.kv_heads, self.shape.heads / cache.kv_heads);
            ops.push(Op::Prefill(Prefill { q, cache, table, parts, out, count, cached, splits }));
            row += count;
        }
        let (decoding, context) = (batch.decoding, batch.context);
        if decoding > 0 {
            let splits = self.places.of_decoding(decoding, cache.kv_heads, context);
            ops.push(Op::Decode(Decode {
                q: self.room.q + row * number,
                cache,
                tables: self.tables + batch.prompts.len() as u64 * width * 4,
                table_width: width,
                lengths: self.lengths,
                parts: self.room.parts,
                out: self.room.attended + row * number,
                batch: decoding,
                splits,
                kv_tokens: decoding * context,
            }));
        }
        ops
    }

    fn step(&self, batch: &Batch) -> Vec<Op> {
        let (rows, sampled, table_width) = (batch.rows(), batch.sequences(), batch.table_width());
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
            ops.extend(self.attend(layer.cache, batch));
            self.product(&mut ops, attended, &layer.products[1], added, rows);
            ops.push(Op::AddNorm { x, y: added, weight: second, out: normed, rows, width });
            self.product(&mut ops, normed, &layer.products[2], both, rows);
            ops.push(Op::Silu { both, out: active, rows, width: self.shape.inter });
            self.product(&mut ops, active, &layer.products[3], added, rows);
        }
        ops.push(Op::AddNorm { x, y: added, weight: self.last_norm, out: normed, rows, width });
        // The last rows, as many as are sampled: of several prompts all but the last one's are other rows than an engine's.
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
    fn tables(&self, device: &mut dyn Device, count: u64) -> anyhow::Result<()> {
        let mut pages: Vec<u64> = (0..self.pages).collect();
        let mut chance = atr_core::synth::Chance::new(1);
        for place in (1..pages.len()).rev() {
            pages.swap(place, (chance.bits() % (place as u64 + 1)) as usize);
        }
        upload_ints(device, self.tables, pages.into_iter().take(count as usize))
    }

    /// Where a step's input lies and where its logits.
    #[cfg(test)]
    pub(super) fn ends(&self) -> (Ptr, Ptr) {
        (self.room.x, self.room.logits)
    }
}
