//! Rotary positions and attention against the reference.

use super::{Check, EPS};
use crate::gpu::device::uploaded;
use crate::gpu::op::{Cache, Decode, Op, PAGE, Prefill, Ptr, Rotary, part_bytes};
use crate::gpu::reference::{self, Pages};

/// Pages of the pool, of a sequence.
const POOL: u64 = 48;
const WIDTH: u64 = 16;
const KV_HEADS: u64 = 2;
const BASE: f64 = 1e6;
/// New tokens of a prompt behind cached ones.
const NEW: u64 = 70;
const CACHED: u64 = 37;

/// Pages on the device, and what they hold.
struct Pool {
    dim: u64,
    heads: u64,
    cache: Cache,
    keys: Vec<f64>,
    values: Vec<f64>,
    /// Pages of three sequences, one after the other.
    tables: Vec<u32>,
    table: Ptr,
    q: Ptr,
    queries: Vec<f64>,
}

impl Pool {
    /// What one query should find in the first `seen` tokens of a sequence.
    fn attention(&self, query: &[f64], head: u64, table: &[u32], seen: u64) -> Vec<f64> {
        let pages = |numbers| Pages {
            numbers,
            table,
            kv_heads: KV_HEADS as usize,
            kv_head: (head / (self.heads / KV_HEADS)) as usize,
            dim: self.dim as usize,
        };
        reference::attention(query, pages(&self.keys), pages(&self.values), seen as usize)
    }

    /// What the first `count` queries should find as new tokens behind `cached` ones, if the pool is one sequence.
    fn prompt(&self, count: u64, cached: u64) -> Vec<f64> {
        let queries = self.queries.chunks_exact(self.dim as usize).take((count * self.heads) as usize);
        let one = |(place, query): (u64, &[f64])| {
            self.attention(query, place % self.heads, &self.tables, cached + place / self.heads + 1)
        };
        (0..).zip(queries).flat_map(one).collect()
    }
}

impl Check<'_> {
    /// A pool of random pages, and what the tables say.
    fn pool(&mut self) -> anyhow::Result<Pool> {
        let dim = u64::from(self.build.dim);
        let count = POOL * KV_HEADS * PAGE * dim;
        let ((keys, of_keys), (values, of_values)) = (self.random(count)?, self.random(count)?);
        // A step that is coprime to the pool's size visits every page once.
        let tables: Vec<u32> = (0..POOL as u32).map(|page| (page * 29 + 5) % POOL as u32).collect();
        let table = self.ints(&tables)?;
        let cache = Cache { keys, values, kv_heads: KV_HEADS };
        let heads = KV_HEADS * u64::from(self.build.group);
        Ok(Pool {
            dim,
            heads,
            cache,
            keys: of_keys,
            values: of_values,
            tables,
            table,
            q: 0,
            queries: Vec::new(),
        })
    }

    /// Rotary positions into pages, a prompt behind a prefix, and decoding of sequences of all lengths.
    pub(super) fn attention(&mut self) -> anyhow::Result<()> {
        let mut pool = self.pool()?;
        // Models without norms of heads, then those with them.
        self.rotary(&mut pool, false)?;
        self.rotary(&mut pool, true)?;
        // From here on with what the device holds, so that each kernel is judged alone.
        pool.queries = self.read(pool.q, pool.queries.len())?;
        pool.keys = self.read(pool.cache.keys, pool.keys.len())?;
        pool.values = self.read(pool.cache.values, pool.values.len())?;
        self.prefills(&pool)?;
        self.decode(&pool, 1, "decode attention")?;
        self.decode(&pool, 3, "decode attention in splits")
    }

    fn rotary(&mut self, pool: &mut Pool, head_norms: bool) -> anyhow::Result<()> {
        let (dim, heads) = (pool.dim, pool.heads);
        let width = (heads + 2 * KV_HEADS) * dim;
        let (qkv, numbers) = self.random(NEW * width)?;
        let ((q_weight, q_weights), (k_weight, k_weights)) = (self.random(dim)?, self.random(dim)?);
        let positions: Vec<u32> = (CACHED as u32..(CACHED + NEW) as u32).collect();
        let (positions, sequences) = (self.ints(&positions)?, self.ints(&vec![0; NEW as usize])?);
        let norms = [(q_weight, q_weights), (k_weight, k_weights)];
        let [q_weight, k_weight] = norms.each_ref().map(|(at, _)| if head_norms { *at } else { 0 });
        let [q_norm, k_norm] = norms.map(|(_, weights)| head_norms.then_some(weights));
        let angles = self.angles(dim)?;
        pool.q = self.poisoned(NEW * heads * dim)?;
        self.device.run(&[Op::Rotary(Rotary {
            qkv,
            q: pool.q,
            cache: pool.cache,
            q_weight,
            k_weight,
            angles,
            positions,
            sequences,
            tables: pool.table,
            table_width: WIDTH,
            tokens: NEW,
        })])?;
        pool.queries.clear();
        for (token, row) in numbers.chunks_exact(width as usize).enumerate() {
            let position = CACHED + token as u64;
            let page = u64::from(pool.tables[(position / PAGE) as usize]);
            for (head, numbers) in row.chunks_exact(dim as usize).enumerate() {
                let rotated = |norm: &Option<Vec<f64>>| match norm {
                    Some(weights) => {
                        reference::rotary(&reference::norm(numbers, weights, EPS), position, BASE)
                    }
                    None => reference::rotary(numbers, position, BASE),
                };
                let head = head as u64;
                if head < heads {
                    pool.queries.extend(rotated(&q_norm));
                    continue;
                }
                let kv_head = (head - heads) % KV_HEADS;
                let slot = (((page * KV_HEADS + kv_head) * PAGE + position % PAGE) * dim) as usize;
                let is_key = head < heads + KV_HEADS;
                let made = if is_key { rotated(&k_norm) } else { numbers.to_vec() };
                let to = if is_key { &mut pool.keys } else { &mut pool.values };
                to[slot..slot + dim as usize].copy_from_slice(&made);
            }
        }
        let norms = if head_norms { "" } else { ", no norms" };
        self.compare(&format!("rotary positions of queries{norms}"), pool.q, &pool.queries)?;
        self.compare(&format!("keys in their pages{norms}"), pool.cache.keys, &pool.keys)?;
        self.compare(&format!("values in their pages{norms}"), pool.cache.values, &pool.values)
    }

    /// Cosine and sine by position and half of a head.
    fn angles(&mut self, dim: u64) -> anyhow::Result<Ptr> {
        let half = dim as usize / 2;
        let angle =
            |place: usize| reference::angle((place / half) as u64, place % half, half, BASE).sin_cos();
        let angles = (0..(NEW + CACHED) as usize * half).map(angle);
        let angles: Vec<u8> = angles
            .flat_map(|(sine, cosine)| [cosine as f32, sine as f32].map(f32::to_le_bytes).concat())
            .collect();
        uploaded(self.device, &angles)
    }

    /// Prompts whose context is and is not cut, into splits of which the first may see nothing; few tokens, which leave most
    /// of a tile empty; contexts over all the pool's pages.
    fn prefills(&mut self, pool: &Pool) -> anyhow::Result<()> {
        let long = POOL * PAGE;
        let cases: [(u64, u64, &[u64]); 5] = [
            (40, 200, &[1, 2]),
            (1, long - 1, &[1, 5]),
            (5, 0, &[1]),
            (5, long - 5, &[4]),
            (NEW, CACHED, &[1, 3]),
        ];
        let mut expected = Vec::new();
        for (count, cached, splits) in cases {
            expected = pool.prompt(count, cached);
            for &splits in splits {
                let out = self.poisoned(expected.len() as u64)?;
                let prefill = self.prompt(pool, (0, count), cached, splits, out)?;
                self.device.run(&[prefill])?;
                let what = format!("prefill attention of {count} behind {cached}, splits {splits}");
                self.compare(&what, out, &expected)?;
            }
        }
        // A prefix that lies in pages and the same tokens computed in two pieces come to the same.
        let (cut, out) = (33, self.poisoned(expected.len() as u64)?);
        let pieces = [
            self.prompt(pool, (0, cut), CACHED, 1, out)?,
            self.prompt(pool, (cut, NEW - cut), CACHED + cut, 2, out)?,
        ];
        self.device.run(&pieces)?;
        self.compare("prefill attention in two pieces", out, &expected)
    }

    /// The work of `count` of the pool's queries from `first` on; `out` has room for all.
    fn prompt(
        &mut self,
        pool: &Pool,
        (first, count): (u64, u64),
        cached: u64,
        splits: u64,
        out: Ptr,
    ) -> anyhow::Result<Op> {
        let Pool { dim, heads, cache, table, q, .. } = *pool;
        let skipped = first * heads * dim * 2;
        let parts = self.device.alloc(count * heads * splits * part_bytes(dim))?;
        let (q, out) = (q + skipped, out + skipped);
        Ok(Op::Prefill(Prefill { q, cache, table, parts, out, count, cached, splits }))
    }

    fn decode(&mut self, pool: &Pool, splits: u64, what: &str) -> anyhow::Result<()> {
        let Pool { dim, heads, cache, table, q, .. } = *pool;
        let lengths: [u32; 3] = [1, 107, 250];
        let batch = lengths.len() as u64;
        let at = self.ints(&lengths)?;
        let parts = self.device.alloc(batch * heads * splits * part_bytes(dim))?;
        let out = self.poisoned(batch * heads * dim)?;
        self.device.run(&[Op::Decode(Decode {
            q,
            cache,
            tables: table,
            table_width: WIDTH,
            lengths: at,
            parts,
            out,
            batch,
            splits,
            kv_tokens: lengths.iter().map(|&length| u64::from(length)).sum(),
        })])?;
        let mut expected = Vec::new();
        for (sequence, &length) in lengths.iter().enumerate() {
            let table = &pool.tables[sequence * WIDTH as usize..][..WIDTH as usize];
            for head in 0..heads {
                let place = (sequence as u64 * heads + head) * dim;
                let query = &pool.queries[place as usize..][..dim as usize];
                expected.extend(pool.attention(query, head, table, u64::from(length)));
            }
        }
        self.compare(what, out, &expected)
    }
}
