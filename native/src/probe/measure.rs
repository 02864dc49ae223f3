//! The measuring: what is timed, how often, and what the times come to.

use super::step::{Limits, Model};
use crate::gpu::device::Device;
use crate::gpu::op::{self, Amount, Op};
use crate::gpu::source::Build;
use atr_core::report::{Launches, Measured, Probed, Times};

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
                launches: 2_000,
            }
        };
        // The prompts of some prefixes and what follows them, computed as a whole.
        plan.prefills.extend(WHOLE.iter().filter(|_| !quick).map(|&tokens| (tokens, 0)));
        plan.prefills.retain(|(new, cached)| new + cached <= context);
        plan.decodes.retain(|&(_, tokens)| tokens <= context);
        plan
    }

    /// What a model must have room for.
    pub(crate) fn limits(&self) -> Limits {
        let prompts = self.prefills.iter().map(|(new, cached)| new + cached);
        let tokens = self.decodes.iter().map(|&(_, tokens)| tokens);
        let rows = self.prefills.iter().map(|&(new, _)| new).chain(self.rows.iter().copied());
        let decoded = self.decodes.iter().map(|(batch, tokens)| batch * tokens);
        Limits {
            rows: rows.max().unwrap_or(1),
            batch: self.decodes.iter().map(|&(batch, _)| batch).max().unwrap_or(1),
            context: prompts.clone().chain(tokens).max().unwrap_or(1),
            kv_tokens: prompts.chain(decoded).max().unwrap_or(1),
        }
    }
}

/// 1,024 tokens behind 8,192 and behind 24,576.
const WHOLE: [u64; 2] = [9_216, 25_600];

fn pairs(first: &[u64], second: &[u64]) -> Vec<(u64, u64)> {
    first.iter().flat_map(|&first| second.iter().map(move |&second| (first, second))).collect()
}

/// A device with a model on it, timed.
pub(crate) struct Bench<'a> {
    pub(crate) device: &'a mut dyn Device,
    pub(crate) model: &'a Model,
    pub(crate) build: Build,
    pub(crate) plan: &'a Plan,
}

/// Names of a layer's products.
const PRODUCTS: [&str; 4] = ["qkv", "attention output", "gate and up", "down"];

impl Bench<'_> {
    /// Measures everything of the plan that memory has room for.
    ///
    /// # Errors
    /// When the device fails.
    pub(crate) fn run(&mut self) -> anyhow::Result<Probed> {
        let copy = self.copy()?;
        let launches = self.launches()?;
        let products = self.products()?;
        let mut results = Probed {
            copy,
            launches,
            products,
            prefill_attention: Vec::new(),
            decode_attention: Vec::new(),
            prefills: Vec::new(),
            decodes: Vec::new(),
            decode_graphs: Vec::new(),
            left_out: Vec::new(),
        };
        for (new, cached) in self.plan.prefills.clone() {
            if !self.model.fits(1, new + cached) {
                results.left_out.push(format!("prefill of {new} behind {cached}"));
                continue;
            }
            let ops = self.model.prefill(self.device, new, cached)?;
            let attention: Vec<Op> =
                ops.iter().filter(|op| matches!(op, Op::Prefill { .. })).copied().collect();
            let sizes = [new, cached];
            results.prefill_attention.push(self.time("prefill attention", sizes, &attention)?);
            results.prefills.push(self.time("prefill", sizes, &ops)?);
        }
        for (batch, tokens) in self.plan.decodes.clone() {
            if !self.model.fits(batch, tokens) {
                results.left_out.push(format!("decoding {batch} sequences of {tokens}"));
                continue;
            }
            let sizes = [batch, tokens];
            let attention = self.model.decode_attention(self.device, batch, tokens)?;
            results.decode_attention.push(self.time("decode attention", sizes, &attention)?);
            let ops = self.model.decode(self.device, batch, tokens)?;
            results.decodes.push(self.time("decode", sizes, &ops)?);
            results.decode_graphs.push(self.time_graph("decode in a graph", sizes, &ops)?);
        }
        Ok(results)
    }

    fn copy(&mut self) -> anyhow::Result<Measured> {
        let free = self.device.free_bytes()?;
        let bytes = self.plan.copy_bytes.min(free / 4) / 16 * 16;
        anyhow::ensure!(bytes > 0, "no memory is free for a copy");
        let (from, to) = (self.device.alloc(bytes)?, self.device.alloc(bytes)?);
        self.device.run(&[Op::Fill { out: from, count: bytes / 2, seed: 1, centre: 0.0, scale: 1.0 }])?;
        let measured = self.time("copy", [bytes, 0], &[Op::Copy { from, to, bytes }]);
        self.device.free(from)?;
        self.device.free(to)?;
        measured
    }

    fn launches(&mut self) -> anyhow::Result<Launches> {
        let count = self.plan.launches;
        let ops = vec![Op::Nothing; count];
        let single = self.time("launches", [count as u64, 0], &ops)?.times.median_us;
        let graph = self.time_graph("launches in a graph", [count as u64, 0], &ops)?.times.median_us;
        Ok(Launches { single_us: single / count as f64, graph_us: graph / count as f64 })
    }

    fn products(&mut self) -> anyhow::Result<Vec<Measured>> {
        let mut found = Vec::new();
        for (which, name) in PRODUCTS.iter().enumerate() {
            for rows in self.plan.rows.clone() {
                let ops = self.model.products(which, rows);
                let columns = self.model.shape.products()[which].0;
                found.push(self.time(name, [rows, columns], &ops)?);
            }
        }
        Ok(found)
    }

    fn time(&mut self, what: &str, sizes: [u64; 2], ops: &[Op]) -> anyhow::Result<Measured> {
        for _ in 0..self.plan.warm_ups {
            self.device.run(ops)?;
        }
        let times = (0..self.plan.repeats).map(|_| self.device.run(ops)).collect::<anyhow::Result<_>>()?;
        Ok(self.measured(what, sizes, times, ops))
    }

    fn time_graph(&mut self, what: &str, sizes: [u64; 2], ops: &[Op]) -> anyhow::Result<Measured> {
        let graph = self.device.capture(ops)?;
        for _ in 0..self.plan.warm_ups {
            self.device.replay(graph)?;
        }
        let times = (0..self.plan.repeats).map(|_| self.device.replay(graph)).collect::<anyhow::Result<_>>();
        self.device.forget(graph)?;
        Ok(self.measured(what, sizes, times?, ops))
    }

    fn measured(&self, what: &str, sizes: [u64; 2], times: Vec<f64>, ops: &[Op]) -> Measured {
        let Amount { flops, bytes } = op::amount(ops, self.build.dim, self.build.group);
        Measured::new(what, sizes, Times::of(times), flops, bytes)
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
