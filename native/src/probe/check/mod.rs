//! Every kernel against the reference in double precision, at sizes that leave no page and no tile full.

use crate::gpu::device::{Device, uploaded};
use crate::gpu::half::{from_bytes, to_bytes};
use crate::gpu::op::{Cache, Decode, Op, PAGE, Prefill, Ptr, Rotary, SCALE_GROUP, part_bytes};
use crate::gpu::reference::{self, Pages};
use crate::gpu::source::{Build, Half};
use atr_core::report::Checked;
use atr_core::synth::Chance;

/// Pages of the pool, of a sequence.
const POOL: u64 = 48;
const WIDTH: u64 = 16;
const KV_HEADS: u64 = 2;
const BASE: f64 = 1e6;
const EPS: f64 = 1e-6;
/// New tokens of a prompt behind cached ones.
const NEW: u64 = 70;
const CACHED: u64 = 37;
/// Rows, inner size and columns of products of packed weights: rows that fill a tile and one more, columns that fill no block,
/// and groups of 128 fewer than a block's warps, more, and more than all of them hold at once.
const PACKED: [[u64; 3]; 6] =
    [[1, 128, 24], [5, 4_352, 17], [8, 1_280, 40], [9, 2_560, 33], [16, 256, 72], [32, 2_304, 40]];

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

struct Check<'a> {
    device: &'a mut dyn Device,
    build: Build,
    chance: Chance,
    found: Vec<Checked>,
}

/// Checks every kernel.
///
/// # Errors
/// When the device fails; that a kernel is wrong is no error but said.
pub(crate) fn kernels(device: &mut dyn Device, build: Build) -> anyhow::Result<Vec<Checked>> {
    let mut check = Check { device, build, chance: Chance::new(7), found: Vec::new() };
    check.copy()?;
    check.fill()?;
    check.norm()?;
    check.silu()?;
    check.products()?;
    check.attention()?;
    Ok(check.found)
}

impl Check<'_> {
    /// Random numbers, as the device has them and as the reference reads them.
    fn random(&mut self, count: u64) -> anyhow::Result<(Ptr, Vec<f64>)> {
        let numbers: Vec<f64> = (0..count).map(|_| self.chance.uniform() * 2.0 - 1.0).collect();
        let bytes = to_bytes(&numbers, self.build.half);
        Ok((uploaded(self.device, &bytes)?, from_bytes(&bytes, self.build.half)))
    }

    /// Room for results, poisoned: what is not written is no number.
    fn poisoned(&mut self, count: u64) -> anyhow::Result<Ptr> {
        uploaded(self.device, &vec![0xff; count as usize * 2])
    }

    fn read(&mut self, from: Ptr, count: usize) -> anyhow::Result<Vec<f64>> {
        let mut bytes = vec![0; count * 2];
        self.device.download(from, &mut bytes)?;
        Ok(from_bytes(&bytes, self.build.half))
    }

    fn ints(&mut self, numbers: &[u32]) -> anyhow::Result<Ptr> {
        uploaded(self.device, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
    }

    /// Holds what lies at `out` against what is expected.
    fn compare(&mut self, what: &str, out: Ptr, expected: &[f64]) -> anyhow::Result<()> {
        let found = self.read(out, expected.len())?;
        let error = reference::error(&found, expected);
        // Operands are exact; results are rounded once or twice, and attention's weights once more.
        let limit = if self.build.half == Half::Bf16 { 1e-2 } else { 2e-3 };
        self.judge(what, error, limit);
        Ok(())
    }

    /// Holds a number against 0.
    fn judge(&mut self, what: &str, error: f64, limit: f64) {
        let error = error.is_finite().then_some(error);
        let good = error.is_some_and(|error| error <= limit);
        self.found.push(Checked { what: what.to_owned(), error, limit, good });
    }

    /// A copy that leaves no round of the kernel full, and one of fewer pieces than it has threads: every byte, and none behind.
    fn copy(&mut self) -> anyhow::Result<()> {
        let threads = u64::from(self.device.about().multiprocessors) * 8 * 256;
        for (what, pieces) in [("copy", 4 * threads + 1_003), ("short copy", 7)] {
            let bytes = pieces * 16;
            let place = |at: u64| (at as u32).wrapping_mul(2_654_435_761).to_le_bytes();
            let mut held: Vec<u8> = (0..bytes / 4).flat_map(place).collect();
            let from = uploaded(self.device, &held)?;
            held.extend([0xff; 16]);
            let to = uploaded(self.device, &vec![0xff; held.len()])?;
            self.device.run(&[Op::Copy { from, to, bytes }])?;
            let mut found = vec![0; held.len()];
            self.device.download(to, &mut found)?;
            let wrong = found.iter().zip(&held).filter(|(found, held)| found != held).count();
            self.judge(what, wrong as f64 / held.len() as f64, 1e-12);
            self.device.free(from)?;
            self.device.free(to)?;
        }
        Ok(())
    }

    /// Made-up numbers by their mean, their variance and the zeros among them: even ones up to `scale` away from `centre`
    /// have a variance of scale² / 3. Limits are five standard errors.
    fn fill(&mut self) -> anyhow::Result<()> {
        let (count, centre, scale) = (100_003_u64, 0.25_f64, 0.5_f64);
        let out = self.poisoned(count + 1)?;
        let fill = Op::Fill { out, count, seed: 3, centre: centre as f32, scale: scale as f32 };
        self.device.run(&[fill])?;
        let mut found = self.read(out, count as usize + 1)?;
        let behind = found.pop().unwrap_or_default();
        let n = count as f64;
        let mean = found.iter().sum::<f64>() / n;
        let variance = found.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / n;
        let zeros = found.iter().filter(|&&x| x == 0.0).count() as f64;
        self.judge("mean of a fill", (mean - centre).abs() / scale, 5.0 / (3.0 * n).sqrt());
        // The square of an even number has a variance of 4/45.
        let expected = scale * scale / 3.0;
        self.judge("variance of a fill", (variance / expected - 1.0).abs(), 5.0 * (0.8 / n).sqrt());
        self.judge("zeros of a fill", zeros / n, 1e-3);
        self.judge("end of a fill", if behind.is_nan() { 0.0 } else { 1.0 }, 0.5);
        Ok(())
    }

    fn norm(&mut self) -> anyhow::Result<()> {
        let (rows, width) = (3_u64, 256_u64);
        let ((x, xs), (y, ys)) = (self.random(rows * width)?, self.random(rows * width)?);
        let (weight, weights) = self.random(width)?;
        let out = self.poisoned(rows * width)?;
        self.device.run(&[Op::AddNorm { x, y, weight, out, rows, width }])?;
        let sums: Vec<f64> = xs.iter().zip(&ys).map(|(x, y)| x + y).collect();
        let rows = sums.chunks_exact(width as usize);
        let expected: Vec<f64> = rows.flat_map(|row| reference::norm(row, &weights, EPS)).collect();
        self.compare("sum", x, &sums)?;
        self.compare("norm", out, &expected)
    }

    fn silu(&mut self) -> anyhow::Result<()> {
        let (rows, width) = (5_u64, 128_u64);
        let (both, numbers) = self.random(rows * 2 * width)?;
        let out = self.poisoned(rows * width)?;
        self.device.run(&[Op::Silu { both, out, rows, width }])?;
        let rows = numbers.chunks_exact(2 * width as usize).map(|row| row.split_at(width as usize));
        let expected: Vec<f64> = rows.flat_map(|(gate, up)| reference::silu(gate, up)).collect();
        self.compare("activation", out, &expected)
    }

    fn products(&mut self) -> anyhow::Result<()> {
        let (rows, inner, columns) = (5_u64, 256_u64, 72_u64);
        let (x, xs) = self.random(rows * inner)?;
        let (weight, weights) = self.random(columns * inner)?;
        let out = self.poisoned(rows * columns)?;
        self.device.run(&[Op::Gemm { x, weight, out, rows, inner, columns }])?;
        self.compare("matrix product", out, &reference::product(&xs, &weights, inner as usize))?;
        let (packed, scales, weights) = self.packed(columns * inner)?;
        let out = self.poisoned(columns * inner)?;
        self.device.run(&[Op::Unpack4 { packed, scales, out, weights: columns * inner }])?;
        self.compare("unpacked weights", out, &weights)?;
        PACKED.into_iter().try_for_each(|sizes| self.packed_product(sizes))
    }

    fn packed_product(&mut self, [rows, inner, columns]: [u64; 3]) -> anyhow::Result<()> {
        let (x, xs) = self.random(rows * inner)?;
        let (packed, scales, weights) = self.packed(columns * inner)?;
        let out = self.poisoned(rows * columns)?;
        self.device.run(&[Op::Product4 { x, packed, scales, out, rows, inner, columns }])?;
        let what = format!("product of packed weights, rows {rows}, {inner} by {columns}");
        self.compare(&what, out, &reference::product(&xs, &weights, inner as usize))
    }

    /// Random packed weights, their scales, and what both come to.
    fn packed(&mut self, count: u64) -> anyhow::Result<(Ptr, Ptr, Vec<f64>)> {
        let words: Vec<u32> = (0..count / 8).map(|_| self.chance.bits() as u32).collect();
        let packed = self.ints(&words)?;
        let (scales, factors) = self.random(count / SCALE_GROUP)?;
        let one = |place| reference::unpacked(&words, &factors, SCALE_GROUP as usize, place);
        Ok((packed, scales, (0..count as usize).map(one).collect()))
    }

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
    fn attention(&mut self) -> anyhow::Result<()> {
        let mut pool = self.pool()?;
        self.rotary(&mut pool)?;
        // From here on with what the device holds, so that each kernel is judged alone.
        pool.queries = self.read(pool.q, pool.queries.len())?;
        pool.keys = self.read(pool.cache.keys, pool.keys.len())?;
        pool.values = self.read(pool.cache.values, pool.values.len())?;
        self.prefills(&pool)?;
        self.decode(&pool, 1, "decode attention")?;
        self.decode(&pool, 3, "decode attention in parts")
    }

    fn rotary(&mut self, pool: &mut Pool) -> anyhow::Result<()> {
        let (dim, heads) = (pool.dim, pool.heads);
        let width = (heads + 2 * KV_HEADS) * dim;
        let (qkv, numbers) = self.random(NEW * width)?;
        let ((q_weight, q_weights), (k_weight, k_weights)) = (self.random(dim)?, self.random(dim)?);
        let positions: Vec<u32> = (CACHED as u32..(CACHED + NEW) as u32).collect();
        let (positions, sequences) = (self.ints(&positions)?, self.ints(&vec![0; NEW as usize])?);
        let half = dim as usize / 2;
        let angle =
            |place: usize| reference::angle((place / half) as u64, place % half, half, BASE).sin_cos();
        let angles = (0..(NEW + CACHED) as usize * half).map(angle);
        let angles: Vec<u8> = angles
            .flat_map(|(sine, cosine)| [cosine as f32, sine as f32].map(f32::to_le_bytes).concat())
            .collect();
        let angles = uploaded(self.device, &angles)?;
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
        for (token, row) in numbers.chunks_exact(width as usize).enumerate() {
            let position = CACHED + token as u64;
            let page = u64::from(pool.tables[(position / PAGE) as usize]);
            for (head, numbers) in row.chunks_exact(dim as usize).enumerate() {
                let turned = |weights: &[f64]| {
                    reference::rotary(&reference::norm(numbers, weights, EPS), position, BASE)
                };
                let head = head as u64;
                if head < heads {
                    pool.queries.extend(turned(&q_weights));
                    continue;
                }
                let kv_head = (head - heads) % KV_HEADS;
                let slot = (((page * KV_HEADS + kv_head) * PAGE + position % PAGE) * dim) as usize;
                let is_key = head < heads + KV_HEADS;
                let made = if is_key { turned(&k_weights) } else { numbers.to_vec() };
                let to = if is_key { &mut pool.keys } else { &mut pool.values };
                to[slot..slot + dim as usize].copy_from_slice(&made);
            }
        }
        self.compare("rotary positions of queries", pool.q, &pool.queries)?;
        self.compare("keys in their pages", pool.cache.keys, &pool.keys)?;
        self.compare("values in their pages", pool.cache.values, &pool.values)
    }

    /// Prompts whose context is and is not cut into parts, of which the first may see nothing; few tokens, which leave most
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
                let what = format!("prefill attention of {count} behind {cached}, parts {splits}");
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
