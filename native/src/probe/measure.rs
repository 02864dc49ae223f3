//! The measuring: each point of a plan, timed, and what the times come to.

use super::plan::Plan;
use super::step::{Batch, Model};
use crate::gpu::device::Device;
use crate::gpu::op::{self, Amount, Op};
use crate::gpu::sizes::Build;
use crate::progress::Progress;
use atr_core::report::{Launches, Measured, MixedStep, Probed, Times};

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
    /// Measures everything of the plan that memory has room for, beside a copy that was timed before. A point that fails is
    /// left out, with why.
    ///
    /// # Errors
    /// When not even launches can be timed.
    pub(crate) fn run(&mut self, copy: Measured) -> anyhow::Result<Probed> {
        let plan = self.plan;
        let mut results = Probed {
            copy,
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
            no_room: plan.no_room.clone(),
        };
        let mut progress = Progress::new(plan.points(PRODUCTS.len()));
        for (which, name) in PRODUCTS.iter().enumerate() {
            for &rows in &plan.rows {
                let what = format!("{name} of {rows} rows");
                progress.next(&what);
                let made = self.product(which, rows).map(|made| results.products.push(made));
                note(&mut results, what, made);
            }
        }
        for &(new, cached) in &plan.prefills {
            let batch = Batch::prompt(new, cached);
            progress.next(&batch.to_string());
            self.point(&mut results, &batch, |bench, results| bench.prompt(results, new, cached));
        }
        for &(sequences, tokens) in &plan.decodes {
            let batch = Batch::decoding(sequences, tokens);
            progress.next(&batch.to_string());
            self.point(&mut results, &batch, |bench, results| bench.decoding(results, sequences, tokens));
        }
        for batch in &plan.mixed {
            progress.next(&batch.to_string());
            self.point(&mut results, batch, |bench, results| {
                bench.mixed(batch).map(|made| results.mixed.push(made))
            });
        }
        Ok(results)
    }

    /// A step's point, where the pool has pages for it.
    fn point(
        &mut self,
        results: &mut Probed,
        batch: &Batch,
        time: impl FnOnce(&mut Self, &mut Probed) -> anyhow::Result<()>,
    ) {
        if self.model.fits(batch) {
            let made = time(self, results);
            note(results, batch.to_string(), made);
        } else {
            results.no_room.push(batch.to_string());
        }
    }

    fn prompt(&mut self, results: &mut Probed, new: u64, cached: u64) -> anyhow::Result<()> {
        let ops = self.model.ops(self.device, &Batch::prompt(new, cached))?;
        let sizes = [new, cached];
        let attention = only(&ops, |op| matches!(op, Op::Prefill { .. }));
        results.prefill_attention.push(self.time_graph("prefill attention", sizes, &attention)?);
        if cached == 0 {
            self.between(results, new, &ops)?;
        }
        let graph = self.time_graph("prefill in a graph", sizes, &ops)?;
        let launched = self.time_launched("prefill", sizes, &ops, &graph)?;
        results.prefill_graphs.push(graph);
        results.prefills.extend(launched);
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
        let graph = self.time_graph("decode in a graph", sizes, &ops)?;
        let launched = self.time_launched("decode", sizes, &ops, &graph)?;
        results.decode_graphs.push(graph);
        results.decodes.extend(launched);
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

    /// A step again, kernel by kernel, where launches may show beside its time as a graph.
    fn time_launched(
        &mut self,
        what: &str,
        sizes: [u64; 2],
        ops: &[Op],
        graph: &Measured,
    ) -> anyhow::Result<Option<Measured>> {
        (graph.times.median_us < SHORT_US).then(|| self.time(what, sizes, ops)).transpose()
    }

    fn time(&mut self, what: &str, sizes: [u64; 2], ops: &[Op]) -> anyhow::Result<Measured> {
        let times = repeated(self.device, self.plan, |device| device.run(ops))?;
        Ok(measured(&self.build, what, sizes, times, ops))
    }

    fn time_graph(&mut self, what: &str, sizes: [u64; 2], ops: &[Op]) -> anyhow::Result<Measured> {
        let graph = self.device.capture(ops)?;
        let times = repeated(self.device, self.plan, |device| device.replay(graph));
        let forgotten = self.device.forget(graph);
        Ok(measured(&self.build, what, sizes, first(times, forgotten)?, ops))
    }
}

/// Beyond it the kernels of a step, each some microseconds in launching, are launched while those before them run.
const SHORT_US: f64 = 1e4;

/// Times a copy within the device's memory, while there is still room for one that no cache holds.
///
/// # Errors
/// When it cannot be timed, without which nothing has a peak to be held against.
pub(crate) fn copy(device: &mut dyn Device, build: &Build, plan: &Plan) -> anyhow::Result<Measured> {
    let free = device.free_bytes()?;
    let bytes = plan.copy_bytes.min(free / 4) / 16 * 16;
    anyhow::ensure!(bytes > 0, "no memory is free for a copy");
    let (from, to) = (device.alloc(bytes)?, device.alloc(bytes)?);
    device.run(&[Op::Fill { out: from, count: bytes / 2, seed: 1, centre: 0.0, scale: 1.0 }])?;
    let ops = [Op::Copy { from, to, bytes }];
    let times = repeated(device, plan, |device| device.run(&ops));
    let freed = device.free(from).and_then(|()| device.free(to));
    Ok(measured(build, "copy", [bytes, 0], first(times, freed)?, &ops))
}

/// Times of some work, which is done a few times before. A warm-up that takes all the time there is counts: what is that long
/// is as warm when it ends as later.
fn repeated(
    device: &mut dyn Device,
    plan: &Plan,
    once: impl Fn(&mut dyn Device) -> anyhow::Result<f64>,
) -> anyhow::Result<Vec<f64>> {
    let (mut times, mut warm_us) = (Vec::new(), 0.0);
    let goes_on = |times: &[f64]| {
        times.len() < plan.least || (times.len() < plan.repeats && times.iter().sum::<f64>() < plan.budget_us)
    };
    for _ in 0..plan.warm_ups {
        let us = once(device)?;
        warm_us += us;
        if plan.least < plan.repeats && warm_us > plan.budget_us / 3.0 {
            times.extend((us > plan.budget_us).then_some(us));
            break;
        }
    }
    while goes_on(&times) {
        times.push(once(device)?);
    }
    Ok(times)
}

fn measured(build: &Build, what: &str, sizes: [u64; 2], times: Vec<f64>, ops: &[Op]) -> Measured {
    let Amount { flops, bytes } = op::amount(ops, build.dim, build.group);
    Measured::new(what, sizes, Times::of(times), flops, bytes)
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
