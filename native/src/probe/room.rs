//! What a model takes of a device's memory: layers with random weights, and room for the numbers between the pieces of a step.

use super::shape::Shape;
use crate::gpu::device::Device;
use crate::gpu::op::{Cache, Op, Ptr, SCALE_GROUP, part_bytes};
use crate::gpu::parts::Places;

/// How weights lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weights {
    /// Two bytes each.
    Half,
    /// Four bits each, with a scale for every 128: up to [`FEW_ROWS`](super::step::FEW_ROWS) in one kernel, else unpacked first.
    Four,
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
    /// Most pages of a step.
    pub(crate) pages: u64,
}

/// A matrix of the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix {
    pub(super) at: Ptr,
    pub(super) scales: Ptr,
    pub(super) columns: u64,
    pub(super) inner: u64,
}

pub(super) struct Layer {
    /// In the order of [`Shape::products`].
    pub(super) products: [Matrix; 4],
    pub(super) norms: [Ptr; 2],
    pub(super) head_norms: [Ptr; 2],
    pub(super) cache: Cache,
}

/// Room for the numbers between the pieces of a step.
pub(super) struct Room {
    pub(super) x: Ptr,
    pub(super) normed: Ptr,
    pub(super) qkv: Ptr,
    pub(super) q: Ptr,
    pub(super) attended: Ptr,
    pub(super) added: Ptr,
    pub(super) both: Ptr,
    pub(super) active: Ptr,
    pub(super) logits: Ptr,
    pub(super) unpacked: Ptr,
    pub(super) parts: Ptr,
}

impl Layer {
    /// Random weights; the pages come later, when it is known how many have room.
    pub(super) fn new(
        device: &mut dyn Device,
        shape: &Shape,
        weights: Weights,
        seed: &mut u32,
    ) -> anyhow::Result<Self> {
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
    pub(super) fn new(
        device: &mut dyn Device,
        shape: &Shape,
        weights: Weights,
        limits: &Limits,
        places: Places,
        seed: &mut u32,
    ) -> anyhow::Result<Self> {
        let mut at = numbers(shape, weights, limits).into_iter().map(|count| match count {
            0 => Ok(0),
            _ => filled(device, count, 0.0, 1.0, seed),
        });
        let mut next = || at.next().unwrap_or(Ok(0));
        let (x, normed, qkv, q, attended) = (next()?, next()?, next()?, next()?, next()?);
        let (added, both, active, logits, unpacked) = (next()?, next()?, next()?, next()?, next()?);
        let parts = device.alloc(of_parts(shape, limits, places))?;
        Ok(Room { x, normed, qkv, q, attended, added, both, active, logits, unpacked, parts })
    }
}

/// Numbers that each place of a [`Room`] holds, in the order in which they stand there; sums of parts are no numbers.
fn numbers(shape: &Shape, weights: Weights, limits: &Limits) -> [u64; 10] {
    let rows = limits.rows.max(limits.batch);
    let q = shape.heads * shape.dim;
    let qkv = q + 2 * shape.kv_heads * shape.dim;
    let largest = shape.products().iter().map(|(columns, inner)| columns * inner).max().unwrap_or(0);
    let both = rows * (2 * shape.inter).max(qkv).max(shape.hidden);
    let active = rows * q.max(shape.inter).max(shape.hidden);
    let (x, logits) = (rows * shape.hidden, limits.batch * shape.vocabulary);
    let unpacked = if weights == Weights::Four { largest } else { 0 };
    [x, x, rows * qkv, rows * q, rows * q, x, both, active, logits, unpacked]
}

fn of_parts(shape: &Shape, limits: &Limits, places: Places) -> u64 {
    places.rows(limits.batch, shape.kv_heads, shape.heads / shape.kv_heads) * part_bytes(shape.dim)
}

/// Bytes that a model takes beside its pages.
pub(super) fn bytes(shape: &Shape, weights: Weights, limits: &Limits, places: Places) -> u64 {
    let between: u64 = numbers(shape, weights, limits).iter().map(|count| count * 2).sum();
    let angles = limits.context * shape.dim * 4;
    weight_bytes(shape, weights) as u64 + between + of_parts(shape, limits, places) + angles
}

/// What is left for libraries, for graphs, and for what rounding takes of each piece of memory.
const SPARE_BYTES: u64 = 2 << 30;

/// What a model may take of memory that is free.
pub(super) fn for_pages(free: u64) -> u64 {
    free - SPARE_BYTES.min(free / 3)
}

/// Bytes that a step reads of the weights.
pub(crate) fn weight_bytes(shape: &Shape, weights: Weights) -> f64 {
    let last = (shape.vocabulary * shape.hidden) as f64;
    let layers = shape.layer_weights() as f64;
    match weights {
        Weights::Half => 2.0 * (layers + last),
        Weights::Four => layers * (0.5 + 2.0 / SCALE_GROUP as f64) + 2.0 * last,
    }
}

/// Bytes that a model takes of the memory: what a step reads, the norms, and a first matrix of its own.
pub(crate) fn held_bytes(shape: &Shape, weights: Weights) -> f64 {
    weight_bytes(shape, weights) + 2.0 * (shape.parameters() - shape.weights()) as f64
}

/// A random matrix; what it is multiplied with keeps its length.
pub(super) fn matrix(
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
pub(super) fn filled(
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
