//! Samples of what is timed, at the sizes at which it is timed: cuBLASLt chooses an algorithm for each size, and attention its
//! splits. Each sample is made again in double precision from what the device holds.

use super::Check;
use crate::gpu::device::Device;
use crate::gpu::op::{Cache, Decode, Op, PAGE, Prefill, Ptr, SCALE_GROUP};
use crate::gpu::reference::{self, Pages};
use crate::gpu::sizes::Build;
use crate::probe::plan::Plan;
use crate::probe::step::{Batch, Model};
use atr_core::report::Checked;
use atr_core::synth::Chance;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Rows and columns of a product, and rows of attention, that are looked at.
const ROWS: usize = 4;
const COLUMNS: usize = 16;

/// Keys and values of one KV head of a sequence, page after page.
struct Held {
    keys: Vec<f64>,
    values: Vec<f64>,
}

/// A query's row: its place among all, and how many tokens it sees of which of the sequences that are held.
struct Row {
    place: u64,
    sequence: usize,
    seen: u64,
}

/// Checks samples of the products of all sizes, and of attention over the longest contexts. What a step begins with must not
/// have been overwritten by steps.
///
/// # Errors
/// When the device fails; that something is wrong is no error but said.
pub(crate) fn timed(
    device: &mut dyn Device,
    model: &Model,
    build: Build,
    plan: &Plan,
) -> anyhow::Result<Vec<Checked>> {
    let mut check = Check { device, build, chance: Chance::new(11), found: Vec::new() };
    let prompts = plan.prefills.iter().map(|&(new, cached)| Batch::prompt(new, cached));
    let decodes = plan.decodes.iter().map(|&(sequences, tokens)| Batch::decoding(sequences, tokens));
    let steps: Vec<Batch> =
        prompts.chain(decodes).chain(plan.mixed.iter().cloned()).filter(|step| model.fits(step)).collect();
    let mut rows: Vec<u64> = plan.rows.iter().copied().chain(steps.iter().map(Batch::rows)).collect();
    rows.sort_unstable();
    rows.dedup();
    for which in 0..model.shape.products().len() {
        // The first layer's.
        let of_layer = |rows| {
            let ops = model.products(which, rows);
            ops[..ops.len() / model.shape.layers as usize].to_vec()
        };
        check.products_at(&rows.iter().map(|&rows| of_layer(rows)).collect::<Vec<_>>())?;
    }
    // The vocabulary's, for each number of sequences.
    let sampled: BTreeMap<u64, &Batch> = steps.iter().map(|step| (step.sequences(), step)).collect();
    let mut last = Vec::new();
    for step in sampled.into_values() {
        last.push(model.ops(check.device, step)?.last().copied().into_iter().collect());
    }
    check.products_at(&last)?;
    for step in longest(&steps) {
        let ops = model.ops(check.device, step)?;
        if let Some(op) = ops.into_iter().find(|op| matches!(op, Op::Prefill(_) | Op::Decode(_))) {
            check.attention_of(op)?;
        }
    }
    Ok(check.found)
}

/// Of prompts behind a prefix and of sequences that decode those of the longest contexts: with the fewest rows, which are cut
/// into the most splits, and with the most.
fn longest(steps: &[Batch]) -> Vec<&Batch> {
    let alone = |step: &&Batch| step.sequences() == 1 || step.prompts.is_empty();
    let mut found: Vec<&Batch> = Vec::new();
    for is_prompt in [true, false] {
        let kind = || steps.iter().filter(alone).filter(|step| step.prompts.is_empty() != is_prompt);
        let few = kind().max_by_key(|step| (step.longest() - step.new_of_prompt(), Reverse(step.rows())));
        let many = kind().max_by_key(|step| (step.longest(), step.rows()));
        found.extend(few.into_iter().chain(many.filter(|many| Some(*many) != few)));
    }
    found
}

impl Batch {
    /// New tokens of the first prompt; none where there is none.
    fn new_of_prompt(&self) -> u64 {
        self.prompts.first().map_or(0, |(new, _)| *new)
    }
}

impl Check<'_> {
    /// Samples of one product at many numbers of rows; the worst of them is what is said.
    fn products_at(&mut self, sizes: &[Vec<Op>]) -> anyhow::Result<()> {
        let mut worst: Option<(f64, String)> = None;
        for ops in sizes {
            let Some((_, _, [rows, inner, columns])) = ops.last().and_then(product) else { continue };
            let error = self.product_error(ops)?;
            if worst.as_ref().is_none_or(|(most, _)| error > *most || error.is_nan()) {
                let of = format!("product of {inner} by {columns}");
                worst =
                    Some((error, format!("{of}, samples at {} sizes, worst at {rows} rows", sizes.len())));
                if error.is_nan() {
                    break;
                }
            }
        }
        let limit = self.limit();
        worst.into_iter().for_each(|(error, what)| self.judge(&what, error, limit));
        Ok(())
    }

    fn product_error(&mut self, ops: &[Op]) -> anyhow::Result<f64> {
        let Some((x, out, [count, inner, columns])) = ops.last().and_then(product) else { return Ok(0.0) };
        let (rows, picked) = (self.some(count, ROWS), self.some(columns, COLUMNS));
        let row_bytes = columns * 2;
        for row in &rows {
            self.device.upload(out + row * row_bytes, &vec![0xff; row_bytes as usize])?;
        }
        self.device.run(ops)?;
        let (mut xs, mut weights, mut found) = (Vec::new(), Vec::new(), Vec::new());
        for &column in &picked {
            weights.extend(self.weights(&ops[0], column, inner)?);
        }
        for row in &rows {
            xs.extend(self.read(x + row * inner * 2, inner as usize)?);
            let all = self.read(out + row * row_bytes, columns as usize)?;
            found.extend(picked.iter().map(|&column| all[column as usize]));
        }
        Ok(reference::error(&found, &reference::product(&xs, &weights, inner as usize)))
    }

    /// The weights of a column, by the first piece of a product's work.
    fn weights(&mut self, op: &Op, column: u64, inner: u64) -> anyhow::Result<Vec<f64>> {
        match *op {
            Op::Gemm { weight, .. } => self.read(weight + column * inner * 2, inner as usize),
            Op::Unpack4 { packed, scales, .. } | Op::Product4 { packed, scales, .. } => {
                let words = self.read_ints(packed + column * inner / 2, inner / 8)?;
                let groups = inner / SCALE_GROUP;
                let factors = self.read(scales + column * groups * 2, groups as usize)?;
                let one = |place| reference::unpacked(&words, &factors, SCALE_GROUP as usize, place);
                Ok((0..inner as usize).map(one).collect())
            }
            _ => anyhow::bail!("no product"),
        }
    }

    fn attention_of(&mut self, op: Op) -> anyhow::Result<()> {
        let group = u64::from(self.build.group);
        let (what, error) = match op {
            Op::Prefill(Prefill { q, cache, table, out, count, cached, splits, .. }) => {
                let kv_head = self.chance.bits() % cache.kv_heads;
                let held = [self.held(cache, kv_head, table, count + cached)?];
                let mut rows = Vec::new();
                for token in self.some(count, ROWS) {
                    let head = kv_head * group + self.chance.bits() % group;
                    let place = token * cache.kv_heads * group + head;
                    rows.push(Row { place, sequence: 0, seen: cached + token + 1 });
                }
                let what =
                    format!("prefill attention of {count} behind {cached} in {splits} splits, samples");
                (what, self.attention_error(op, (q, out), &held, &rows)?)
            }
            Op::Decode(Decode { q, cache, tables, table_width, lengths, out, batch, splits, .. }) => {
                let kv_head = self.chance.bits() % cache.kv_heads;
                let lengths = self.read_ints(lengths, batch)?;
                let (mut held, mut rows) = (Vec::new(), Vec::new());
                for sequence in self.some(batch, ROWS) {
                    let seen = u64::from(lengths[sequence as usize]);
                    let head = kv_head * group + self.chance.bits() % group;
                    let place = sequence * cache.kv_heads * group + head;
                    rows.push(Row { place, sequence: held.len(), seen });
                    held.push(self.held(cache, kv_head, tables + sequence * table_width * 4, seen)?);
                }
                let longest = lengths.iter().max().copied().unwrap_or(0);
                let what =
                    format!("decode attention of {batch} sequences of {longest} in {splits} splits, samples");
                (what, self.attention_error(op, (q, out), &held, &rows)?)
            }
            _ => return Ok(()),
        };
        let limit = self.limit();
        self.judge(&what, error, limit);
        Ok(())
    }

    fn attention_error(
        &mut self,
        op: Op,
        (q, out): (Ptr, Ptr),
        held: &[Held],
        rows: &[Row],
    ) -> anyhow::Result<f64> {
        let dim = self.build.dim as usize;
        let row_bytes = dim as u64 * 2;
        for row in rows {
            self.device.upload(out + row.place * row_bytes, &vec![0xff; dim * 2])?;
        }
        self.device.run(&[op])?;
        let (mut found, mut expected) = (Vec::new(), Vec::new());
        for &Row { place, sequence, seen } in rows {
            let query = self.read(q + place * row_bytes, dim)?;
            let table: Vec<u32> = (0..seen.div_ceil(PAGE) as u32).collect();
            let pages = |numbers| Pages { numbers, table: &table, kv_heads: 1, kv_head: 0, dim };
            let Held { keys, values } = &held[sequence];
            expected.extend(reference::attention(&query, pages(keys), pages(values), seen as usize));
            found.extend(self.read(out + place * row_bytes, dim)?);
        }
        Ok(reference::error(&found, &expected))
    }

    fn held(&mut self, cache: Cache, kv_head: u64, table: Ptr, tokens: u64) -> anyhow::Result<Held> {
        let numbers = PAGE * u64::from(self.build.dim);
        let (mut keys, mut values) = (Vec::new(), Vec::new());
        for page in self.read_ints(table, tokens.div_ceil(PAGE))? {
            let at = (u64::from(page) * cache.kv_heads + kv_head) * numbers * 2;
            keys.extend(self.read(cache.keys + at, numbers as usize)?);
            values.extend(self.read(cache.values + at, numbers as usize)?);
        }
        Ok(Held { keys, values })
    }

    fn read_ints(&mut self, from: Ptr, count: u64) -> anyhow::Result<Vec<u32>> {
        let mut bytes = vec![0; count as usize * 4];
        self.device.download(from, &mut bytes)?;
        Ok(bytes
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect())
    }

    /// The first, the last, and drawn ones between them.
    fn some(&mut self, count: u64, most: usize) -> Vec<u64> {
        let mut picked = vec![0, count - 1];
        picked.extend((2..most).map(|_| self.chance.bits() % count));
        picked.sort_unstable();
        picked.dedup();
        picked
    }
}

/// Where a product's rows and results lie; rows, inner size and columns.
fn product(op: &Op) -> Option<(Ptr, Ptr, [u64; 3])> {
    match *op {
        Op::Gemm { x, out, rows, inner, columns, .. } | Op::Product4 { x, out, rows, inner, columns, .. } => {
            Some((x, out, [rows, inner, columns]))
        }
        _ => None,
    }
}
