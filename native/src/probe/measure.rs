//! The measuring: what is timed, how often, and what the times come to.

use super::step::{Batch, Limits, Model};
use crate::gpu::device::Device;
use crate::gpu::op::{self, Amount, Op};
use crate::gpu::source::Build;
use atr_core::report::{Launches, Measured, MixedStep, Probed, Times};

/// How much is measured.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Times that each point is timed, after as many warm-ups as [`Plan::warm_ups`].
    pub(crate) repeats: usize,
    pub(crate) warm_ups: usize,
    pub(crate) copy_bytes: u64,
    /// Rows of the products.
    pub(crate) rows: Vec<u64>,
    /// New and cached tokens of a prompt.
    pub(crate) prefills: Vec<(u64, u64)>,
    /// Sequences, and tokens that each of them has.
    pub(crate) decodes: Vec<(u64, u64)>,
    /// Steps of several kinds of work, which no fit sees.
    pub(crate) mixed: Vec<Batch>,
    /// Empty kernels in a row.
    pub(crate) launches: usize,
}

impl Plan {
    /// The whole of it, or a part that takes seconds.
    pub(crate) fn new(quick: bool, context: u64) -> Plan {
        let mut plan = if quick {
            Plan {
                repeats: 5,
                warm_ups: 2,
                copy_bytes: 1 << 30,
                rows: vec![1, 64, 2_048],
                prefills: pairs(&[256, 1_024, 4_096], &[0, 4_096]),
                decodes: pairs(&[1, 8, 32], &[1_024, 8_192]),
                mixed: mixed(&[1_024], &[8]),
                launches: 1_000,
            }
        } else {
            Plan {
                repeats: 15,
                warm_ups: 3,
                copy_bytes: 4 << 30,
                rows: vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192],
                prefills: pairs(&[64, 256, 512, 1_024, 2_048, 4_096, 8_192], &[0, 2_048, 8_192, 24_576]),
                decodes: pairs(&[1, 2, 4, 8, 16, 32, 64, 128], &[512, 2_048, 8_192, 24_576]),
                mixed: mixed(&[1_024, 2_048, 4_096], &[8, 32]),
                launches: 2_000,
            }
        };
        // Few new tokens behind a prefix, as a short result of a tool is.
        plan.prefills.extend([2_048, 8_192, 24_576].iter().filter(|_| !quick).map(|&cached| (16, cached)));
        // The prompts of some prefixes and what follows them, computed as a whole.
        plan.prefills.extend(WHOLE.iter().filter(|_| !quick).map(|&tokens| (tokens, 0)));
        plan.prefills.retain(|(new, cached)| new + cached <= context);
        plan.decodes.retain(|&(_, tokens)| tokens <= context);
        plan.mixed.retain(|batch| batch.longest() <= context);
        plan
    }

    /// What a model must have room for.
    pub(crate) fn limits(&self) -> Limits {
        let prompts = self.prefills.iter().map(|&(new, cached)| Batch::prompt(new, cached));
        let decodes = self.decodes.iter().map(|&(sequences, tokens)| Batch::decoding(sequences, tokens));
        let all: Vec<Batch> = prompts.chain(decodes).chain(self.mixed.iter().cloned()).collect();
        let most = |of: fn(&Batch) -> u64| all.iter().map(of).max().unwrap_or(1);
        Limits {
            rows: self.rows.iter().copied().max().unwrap_or(1).max(most(Batch::rows)),
            batch: most(Batch::sequences),
            context: most(Batch::longest),
            pages: most(Batch::pages),
        }
    }
}

/// 1,024 tokens behind 8,192 and behind 24,576.
const WHOLE: [u64; 2] = [9_216, 25_600];

fn pairs(first: &[u64], second: &[u64]) -> Vec<(u64, u64)> {
    first.iter().flat_map(|&first| second.iter().map(move |&second| (first, second))).collect()
}

/// Two prompts of so many tokens, alone and behind a prefix; one of them beside so many sequences that decode.
fn mixed(prompts: &[u64], decoding: &[u64]) -> Vec<Batch> {
    let two = pairs(prompts, &[0, 8_192])
        .into_iter()
        .map(|prompt| Batch { prompts: vec![prompt; 2], ..Batch::default() });
    let beside = pairs(prompts, decoding).into_iter();
    let beside = beside.map(|(new, decoding)| Batch { prompts: vec![(new, 0)], decoding, context: 2_048 });
    two.chain(beside).collect()
}

/// A device with a model on it, timed.
pub(crate) struct Bench<'a> {
    pub(crate) device: &'a mut dyn Device,
    pub(crate) model: &'a Model,
    pub(crate) build: Build,
    pub(crate) plan: &'a Plan,
}

/// A kind of work.
type Is = fn(&Op) -> bool;

/// Names of a layer's products.
const PRODUCTS: [&str; 4] = ["qkv", "attention output", "gate and up", "down"];

impl Bench<'_> {
    /// Measures everything of the plan that memory has room for. A point that fails is left out, with why.
    ///
    /// # Errors
    /// When not even a copy and launches can be timed, without which nothing has a peak to be held against.
    pub(crate) fn run(&mut self) -> anyhow::Result<Probed> {
        let mut results = Probed {
            copy: self.copy()?,
            launches: self.launches()?,
            products: Vec::new(),
            pieces: Vec::new(),
            prefill_attention: Vec::new(),
            decode_attention: Vec::new(),
            prefills: Vec::new(),
            prefill_graphs: Vec::new(),
            decodes: Vec::new(),
            decode_graphs: Vec::new(),
            mixed: Vec::new(),
            left_out: Vec::new(),
        };
        let plan = self.plan;
        for (which, name) in PRODUCTS.iter().enumerate() {
            for &rows in &plan.rows {
                let made = self.product(which, rows).map(|made| results.products.push(made));
                note(&mut results, format!("{name} of {rows} rows"), made);
            }
        }
        for &(new, cached) in &plan.prefills {
            let made = self.prompt(&mut results, new, cached);
            note(&mut results, format!("prefill of {new} behind {cached}"), made);
        }
        for &(batch, tokens) in &plan.decodes {
            let made = self.decoding(&mut results, batch, tokens);
            note(&mut results, format!("decoding {batch} sequences of {tokens}"), made);
        }
        for batch in &plan.mixed {
            let made = self.mixed(batch).map(|made| results.mixed.push(made));
            note(&mut results, format!("{batch:?}"), made);
        }
        Ok(results)
    }

    fn prompt(&mut self, results: &mut Probed, new: u64, cached: u64) -> anyhow::Result<()> {
        let ops = self.model.ops(self.device, &Batch::prompt(new, cached))?;
        let sizes = [new, cached];
        let attention = only(&ops, |op| matches!(op, Op::Prefill { .. }));
        results.prefill_attention.push(self.time_graph("prefill attention", sizes, &attention)?);
        if cached == 0 {
            self.between(results, new, &ops)?;
        }
        results.prefills.push(self.time("prefill", sizes, &ops)?);
        results.prefill_graphs.push(self.time_graph("prefill in a graph", sizes, &ops)?);
        Ok(())
    }

    fn decoding(&mut self, results: &mut Probed, batch: u64, tokens: u64) -> anyhow::Result<()> {
        let ops = self.model.ops(self.device, &Batch::decoding(batch, tokens))?;
        let sizes = [batch, tokens];
        let attention = only(&ops, |op| matches!(op, Op::Decode(_)));
        results.decode_attention.push(self.time_graph("decode attention", sizes, &attention)?);
        // The rest is the same for every length.
        if self.plan.decodes.iter().find(|decode| decode.0 == batch) == Some(&(batch, tokens)) {
            self.between(results, batch, &ops)?;
            let last = ops.last().copied();
            let vocabulary = self.model.shape.vocabulary;
            let last = self.time_graph("vocabulary", [batch, vocabulary], last.as_slice())?;
            results.pieces.push(last);
        }
        results.decodes.push(self.time("decode", sizes, &ops)?);
        results.decode_graphs.push(self.time_graph("decode in a graph", sizes, &ops)?);
        Ok(())
    }

    /// What stands between products and attention, in every layer.
    fn between(&mut self, results: &mut Probed, rows: u64, ops: &[Op]) -> anyhow::Result<()> {
        let kinds: [(&str, Is); 3] = [
            ("norm", |op| matches!(op, Op::AddNorm { .. })),
            ("rotary positions", |op| matches!(op, Op::Rotary(_))),
            ("activation", |op| matches!(op, Op::Silu { .. })),
        ];
        for (name, is) in kinds {
            results.pieces.push(self.time_graph(name, [rows, 0], &only(ops, is))?);
        }
        Ok(())
    }

    fn mixed(&mut self, batch: &Batch) -> anyhow::Result<MixedStep> {
        let ops = self.model.ops(self.device, batch)?;
        let kv_tokens =
            batch.prompts.iter().map(|(_, cached)| cached).sum::<u64>() + batch.decoding * batch.context;
        let what = if batch.decoding > 0 { "a prompt beside decoding" } else { "two prompts" };
        let measured = self.time_graph(what, [batch.rows(), kv_tokens], &ops)?;
        let prompts = batch.prompts.iter().map(|&(new, cached)| [new, cached]).collect();
        Ok(MixedStep { prompts, decoding: [batch.decoding, batch.context], measured })
    }

    /// Runs a prompt's step again and again, for the time being.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn work(&mut self, mut goes_on: impl FnMut() -> bool) -> anyhow::Result<()> {
        // Long enough that no multiprocessor is without work, short enough to end soon when it is time.
        let whole = self.plan.prefills.iter().filter(|&&(new, cached)| cached == 0 && new <= 8_192);
        let new = whole.map(|&(new, _)| new).max().unwrap_or(1);
        let ops = self.model.ops(self.device, &Batch::prompt(new, 0))?;
        while goes_on() {
            self.device.run(&ops)?;
        }
        Ok(())
    }

    fn copy(&mut self) -> anyhow::Result<Measured> {
        let free = self.device.free_bytes()?;
        let bytes = self.plan.copy_bytes.min(free / 4) / 16 * 16;
        anyhow::ensure!(bytes > 0, "no memory is free for a copy");
        let (from, to) = (self.device.alloc(bytes)?, self.device.alloc(bytes)?);
        self.device.run(&[Op::Fill { out: from, count: bytes / 2, seed: 1, centre: 0.0, scale: 1.0 }])?;
        let measured = self.time("copy", [bytes, 0], &[Op::Copy { from, to, bytes }]);
        let freed = self.device.free(from).and_then(|()| self.device.free(to));
        first(measured, freed)
    }

    fn launches(&mut self) -> anyhow::Result<Launches> {
        let count = self.plan.launches;
        let ops = vec![Op::Nothing; count];
        let single = self.time("launches", [count as u64, 0], &ops)?.times.median_us;
        let graph = self.time_graph("launches in a graph", [count as u64, 0], &ops)?.times.median_us;
        Ok(Launches { single_us: single / count as f64, graph_us: graph / count as f64 })
    }

    fn product(&mut self, which: usize, rows: u64) -> anyhow::Result<Measured> {
        let ops = self.model.products(which, rows);
        let columns = self.model.shape.products()[which].0;
        self.time_graph(PRODUCTS[which], [rows, columns], &ops)
    }

    fn time(&mut self, what: &str, sizes: [u64; 2], ops: &[Op]) -> anyhow::Result<Measured> {
        let times = self.repeated(|device| device.run(ops))?;
        Ok(self.measured(what, sizes, times, ops))
    }

    fn time_graph(&mut self, what: &str, sizes: [u64; 2], ops: &[Op]) -> anyhow::Result<Measured> {
        let graph = self.device.capture(ops)?;
        let times = self.repeated(|device| device.replay(graph));
        let forgotten = self.device.forget(graph);
        Ok(self.measured(what, sizes, first(times, forgotten)?, ops))
    }

    /// Times of some work, which is done a few times before.
    fn repeated(
        &mut self,
        once: impl Fn(&mut dyn Device) -> anyhow::Result<f64>,
    ) -> anyhow::Result<Vec<f64>> {
        for _ in 0..self.plan.warm_ups {
            once(self.device)?;
        }
        (0..self.plan.repeats).map(|_| once(self.device)).collect()
    }

    fn measured(&self, what: &str, sizes: [u64; 2], times: Vec<f64>, ops: &[Op]) -> Measured {
        let Amount { flops, bytes } = op::amount(ops, self.build.dim, self.build.group);
        Measured::new(what, sizes, Times::of(times), flops, bytes)
    }
}

/// What was made, or the first of two errors: once work has failed, clearing up behind it fails too and says less.
fn first<T>(made: anyhow::Result<T>, cleared: anyhow::Result<()>) -> anyhow::Result<T> {
    let made = made?;
    cleared.map(|()| made)
}

/// Those of a kind.
fn only(ops: &[Op], is: Is) -> Vec<Op> {
    ops.iter().filter(|op| is(op)).copied().collect()
}

/// A point that could not be timed is left out, with why.
fn note(results: &mut Probed, what: String, made: anyhow::Result<()>) {
    if let Err(error) = made {
        results.left_out.push(format!("{what}: {error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_longer_than_the_models_context() {
        let plan = Plan::new(false, 8_192);
        assert!(plan.prefills.iter().all(|(new, cached)| new + cached <= 8_192));
        assert!(plan.decodes.contains(&(128, 8_192)) && !plan.decodes.contains(&(1, 24_576)));
    }
}
