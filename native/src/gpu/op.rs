//! The work that a probe asks of a GPU, as plain data: a device runs it, a test's device pretends to, and both can be asked
//! what it comes to.

use std::fmt;

/// An address in the GPU's memory; 0 is none.
pub(crate) type Ptr = u64;

/// Tokens in a page of keys or values.
pub(crate) const PAGE: u64 = 16;

/// Weights of four bits that share a scale.
pub(crate) const SCALE_GROUP: u64 = 128;

/// One piece of work. Numbers have two bytes; matrices lie row by row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    /// An empty kernel.
    Nothing,
    /// A kernel that waits so many clocks: what is launched meanwhile does not wait for its launch.
    Spin { clocks: u64 },
    /// Made-up numbers up to `scale` away from `centre`.
    Fill { out: Ptr, count: u64, seed: u32, centre: f32, scale: f32 },
    /// Random bits, for packed weights.
    Scatter { out: Ptr, words: u64, seed: u32 },
    /// A copy by a kernel.
    Copy { from: Ptr, to: Ptr, bytes: u64 },
    /// `x += y` where there is a `y`; `out` = `x` over its root mean square, times `weight`.
    AddNorm { x: Ptr, y: Ptr, weight: Ptr, out: Ptr, rows: u64, width: u64 },
    /// Norms of heads, rotary positions, and keys and values to their pages.
    Rotary(Rotary),
    /// `silu(gate) · up`; rows of `both` hold gate and up, each `width` wide.
    Silu { both: Ptr, out: Ptr, rows: u64, width: u64 },
    /// `out` = `x` · `weight`ᵀ.
    Gemm { x: Ptr, weight: Ptr, out: Ptr, rows: u64, inner: u64, columns: u64 },
    /// Packed weights to numbers.
    Unpack4 { packed: Ptr, scales: Ptr, out: Ptr, weights: u64 },
    /// The same product for at most 32 rows, of packed weights that are read once; `inner` is a multiple of [`SCALE_GROUP`].
    Product4 { x: Ptr, packed: Ptr, scales: Ptr, out: Ptr, rows: u64, inner: u64, columns: u64 },
    /// Attention of one prompt's new tokens to all before them.
    Prefill(Prefill),
    /// Attention of one new token of each sequence.
    Decode(Decode),
}

/// Pages of keys and of values: `[page][KV head][token][head size]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cache {
    pub(crate) keys: Ptr,
    pub(crate) values: Ptr,
    pub(crate) kv_heads: u64,
}

/// See [`Op::Rotary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rotary {
    /// Queries, keys and values of each token.
    pub(crate) qkv: Ptr,
    /// Where queries go.
    pub(crate) q: Ptr,
    pub(crate) cache: Cache,
    /// Weights of the norms; none where the model has no such norm.
    pub(crate) q_weight: Ptr,
    pub(crate) k_weight: Ptr,
    /// Cosine and sine by position and half of a head, as floats.
    pub(crate) angles: Ptr,
    /// Position and sequence of each token.
    pub(crate) positions: Ptr,
    pub(crate) sequences: Ptr,
    /// Pages of each sequence.
    pub(crate) tables: Ptr,
    pub(crate) table_width: u64,
    pub(crate) tokens: u64,
}

/// See [`Op::Prefill`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefill {
    pub(crate) q: Ptr,
    pub(crate) cache: Cache,
    /// The prompt's pages.
    pub(crate) table: Ptr,
    /// Room for what each split of the context comes to; none where there is one.
    pub(crate) parts: Ptr,
    pub(crate) out: Ptr,
    /// New tokens, whose keys and values already lie in pages.
    pub(crate) count: u64,
    /// Tokens before them.
    pub(crate) cached: u64,
    /// Splits that the context is cut into.
    pub(crate) splits: u64,
}

/// See [`Op::Decode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decode {
    pub(crate) q: Ptr,
    pub(crate) cache: Cache,
    pub(crate) tables: Ptr,
    pub(crate) table_width: u64,
    /// Tokens of each sequence, the new one included.
    pub(crate) lengths: Ptr,
    /// Room for what each split of a context comes to.
    pub(crate) parts: Ptr,
    pub(crate) out: Ptr,
    pub(crate) batch: u64,
    /// Splits that each context is cut into.
    pub(crate) splits: u64,
    /// Sum of the lengths, for the account.
    pub(crate) kv_tokens: u64,
}

/// Bytes of what a query head's row comes to in a split of a context: floats, the maximum and the sum of the weights, and six more
/// that fill up a sector.
pub(crate) fn part_bytes(dim: u64) -> u64 {
    4 * (dim + 8)
}

/// What work must do at the least: each operand read once, each result written once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Amount {
    /// Floating-point operations of products.
    pub(crate) flops: f64,
    /// Bytes to and from memory.
    pub(crate) bytes: f64,
}

impl Op {
    /// Operations and bytes, for heads of this size of which `group` share a KV head.
    pub(crate) fn amount(&self, dim: u32, group: u32) -> Amount {
        let (dim, group) = (f64::from(dim), f64::from(group));
        let of = |flops: f64, bytes: f64| Amount { flops, bytes };
        let n = |count: u64| count as f64;
        match *self {
            Op::Nothing | Op::Spin { .. } => Amount::default(),
            Op::Fill { count, .. } => of(0.0, 2.0 * n(count)),
            Op::Scatter { words, .. } => of(0.0, 4.0 * n(words)),
            Op::Copy { bytes, .. } => of(0.0, 2.0 * n(bytes)),
            Op::AddNorm { y, rows, width, .. } => {
                of(0.0, n(rows) * n(width) * 2.0 * if y == 0 { 2.0 } else { 4.0 })
            }
            Op::Rotary(Rotary { cache, tokens, .. }) => {
                of(0.0, n(tokens) * n(cache.kv_heads) * (group + 2.0) * dim * 4.0)
            }
            Op::Silu { rows, width, .. } => of(0.0, 6.0 * n(rows) * n(width)),
            Op::Gemm { rows, inner, columns, .. } => {
                let (rows, inner, columns) = (n(rows), n(inner), n(columns));
                of(2.0 * rows * inner * columns, 2.0 * (rows * inner + inner * columns + rows * columns))
            }
            Op::Unpack4 { weights, .. } => of(0.0, n(weights) * (2.5 + 2.0 / SCALE_GROUP as f64)),
            Op::Product4 { rows, inner, columns, .. } => {
                let (rows, inner, columns) = (n(rows), n(inner), n(columns));
                let packed = inner * columns * (0.5 + 2.0 / SCALE_GROUP as f64);
                of(2.0 * rows * inner * columns, packed + 2.0 * rows * (inner + columns))
            }
            Op::Prefill(Prefill { cache, count, cached, .. }) => {
                let (count, cached, kv_heads) = (n(count), n(cached), n(cache.kv_heads));
                // Each token sees itself and all before it; a pair costs a product with its key and one with its value.
                let pairs = count * cached + count * (count + 1.0) / 2.0;
                let kv = (count + cached) * kv_heads * dim * 4.0;
                of(4.0 * pairs * kv_heads * group * dim, kv + 4.0 * count * kv_heads * group * dim)
            }
            Op::Decode(Decode { cache, batch, kv_tokens, .. }) => {
                let (kv_heads, kv_tokens) = (n(cache.kv_heads), n(kv_tokens));
                let queries = 4.0 * n(batch) * kv_heads * group * dim;
                of(4.0 * kv_tokens * kv_heads * group * dim, kv_tokens * kv_heads * dim * 4.0 + queries)
            }
        }
    }
}

/// In words, for errors: where things lie says nothing to who reads them.
impl fmt::Display for Op {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Op::Nothing => write!(to, "an empty kernel"),
            Op::Spin { clocks } => write!(to, "a wait of {clocks} clocks"),
            Op::Fill { count, .. } => write!(to, "{count} made-up numbers"),
            Op::Scatter { words, .. } => write!(to, "{words} words of random bits"),
            Op::Copy { bytes, .. } => write!(to, "a copy of {bytes} bytes"),
            Op::AddNorm { rows, width, .. } => write!(to, "a norm of {rows} rows of {width}"),
            Op::Rotary(Rotary { tokens, .. }) => write!(to, "rotary positions of {tokens} tokens"),
            Op::Silu { rows, width, .. } => write!(to, "an activation of {rows} rows of {width}"),
            Op::Gemm { rows, inner, columns, .. } => {
                write!(to, "a product of {rows} rows of {inner} with {columns} columns")
            }
            Op::Unpack4 { weights, .. } => write!(to, "unpacking {weights} weights"),
            Op::Product4 { rows, inner, columns, .. } => {
                write!(to, "a product of {rows} rows of {inner} with {columns} packed columns")
            }
            Op::Prefill(Prefill { count, cached, .. }) => {
                write!(to, "prefill attention of {count} tokens behind {cached}")
            }
            Op::Decode(Decode { batch, kv_tokens, .. }) => {
                write!(to, "decode attention of {batch} sequences, {kv_tokens} tokens together")
            }
        }
    }
}

/// The sum over several.
pub(crate) fn amount(ops: &[Op], dim: u32, group: u32) -> Amount {
    let each = ops.iter().map(|op| op.amount(dim, group));
    each.fold(Amount::default(), |sum, one| Amount {
        flops: sum.flops + one.flops,
        bytes: sum.bytes + one.bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, for the first product of a layer of Qwen3-4B over one token: 2,560 by 6,144.
    #[test]
    fn a_product_moves_its_weights() {
        let gemm = Op::Gemm { x: 1, weight: 2, out: 3, rows: 1, inner: 2_560, columns: 6_144 };
        let Amount { flops, bytes } = gemm.amount(128, 4);
        assert_eq!((flops, bytes), (31_457_280.0, 31_457_280.0 + 2.0 * 8_704.0));
    }

    /// By hand: 36 layers read 147,456 bytes a token, so one of them reads 4,096.
    #[test]
    fn decoding_reads_the_keys_and_values() {
        let cache = Cache { keys: 1, values: 2, kv_heads: 8 };
        let (batch, splits, kv_tokens) = (2, 4, 1_000);
        let (q, tables, lengths, parts, out) = (3, 4, 5, 6, 7);
        let decode =
            Decode { q, cache, tables, table_width: 64, lengths, parts, out, batch, splits, kv_tokens };
        let bytes = Op::Decode(decode).amount(128, 4).bytes;
        assert_eq!(bytes, 4_096.0 * 1_000.0 + 2.0 * 2.0 * 2.0 * 4_096.0);
    }

    /// Addresses say nothing to who reads an error.
    #[test]
    fn words_name_sizes_and_no_addresses() {
        let gemm = Op::Gemm { x: 777, weight: 777, out: 777, rows: 8, inner: 2_560, columns: 6_144 };
        assert_eq!(gemm.to_string(), "a product of 8 rows of 2560 with 6144 columns");
        let norm = Op::AddNorm { x: 777, y: 777, weight: 777, out: 777, rows: 3, width: 256 };
        assert_eq!(norm.to_string(), "a norm of 3 rows of 256");
    }

    #[test]
    fn a_prompt_behind_a_prefix_makes_the_pairs_of_both() {
        let cache = Cache { keys: 1, values: 2, kv_heads: 8 };
        let flops = |count, cached| {
            let prefill = Prefill { q: 3, cache, table: 4, parts: 6, out: 5, count, cached, splits: 2 };
            Op::Prefill(prefill).amount(128, 4).flops
        };
        let whole = flops(100, 0);
        assert_eq!(whole, flops(60, 0) + flops(40, 60), "a cut changes nothing");
        assert_eq!(whole, 4.0 * 5_050.0 * 4_096.0);
    }
}
