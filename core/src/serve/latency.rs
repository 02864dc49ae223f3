//! How long one step of an engine takes: a roofline basis with coefficients, in whole picoseconds.
//!
//! A step's cost is linear in what it does, so that a stretch of decode steps sums in closed form
//! and exactly.

use serde::{Deserialize, Serialize};

/// Picoseconds: the simulator's clock.
pub type Ps = u64;

/// Picoseconds in a microsecond.
pub const PS_PER_US: u64 = 1_000_000;

/// An accelerator's published peaks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gpu {
    /// Name.
    pub name: String,
    /// Dense matrix rate in the model's number format.
    pub flops_per_s: f64,
    /// Memory bandwidth.
    pub bytes_per_s: f64,
    /// Memory.
    pub memory_gb: f64,
    /// Rate of a copy from the host's memory: one direction of the link.
    #[serde(default = "pcie_5")]
    pub host_gb_per_s: f64,
}

/// One direction of PCIe 5.0 with 16 lanes, as published.
fn pcie_5() -> f64 {
    64.0
}

/// What of a model's shape decides its latency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Name.
    pub name: String,
    /// Number format.
    pub dtype: String,
    /// Parameters.
    pub params: f64,
    /// Layers.
    pub layers: u32,
    /// Query heads times head size.
    pub q_dim: u32,
    /// Bytes read for the weights in each step.
    pub weight_bytes: f64,
    /// Bytes of keys and values a token.
    pub kv_bytes_per_token: f64,
    /// Longest prompt and output together.
    pub context_tokens: u64,
    /// What the context length rests on.
    #[serde(default)]
    pub context_note: String,
}

/// The numbers of one engine, model and GPU, and where they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Name on the command line.
    pub name: String,
    /// Name for readers.
    pub title: String,
    /// `estimated`, `exact`, `probed` or `calibrated`.
    pub origin: String,
    /// Where the coefficients come from, in a sentence.
    pub source: String,
    /// The accelerator.
    pub gpu: Gpu,
    /// The model.
    pub model: Model,
    /// Share of the peak matrix rate that is reached.
    pub compute_share: f64,
    /// Share of the peak bandwidth that is reached.
    pub bandwidth_share: f64,
    /// Constant part of a step.
    pub step_overhead_us: f64,
    /// Part of a step that each decoding call adds.
    pub sequence_overhead_us: f64,
    /// KV capacity of one replica.
    pub kv_tokens: u64,
}

/// Whole picoseconds per unit of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coefficients {
    /// Once a step: weights, launches.
    pub step: Ps,
    /// Per decoding call.
    pub sequence: Ps,
    /// Per token of KV read for decoding.
    pub kv_token: Ps,
    /// Per prompt token computed.
    pub prefill_token: Ps,
    /// Per pair of a prompt token and a token that it attends to.
    pub attention_pair: Ps,
    /// Per prompt that completes.
    pub prompt: Ps,
    /// Per token brought over from the host.
    pub host_token: Ps,
}

/// What a replica needs of a profile.
#[derive(Clone, Debug, PartialEq)]
pub struct Compiled {
    /// Cost of work.
    pub coefficients: Coefficients,
    /// KV capacity of one replica, in tokens.
    pub kv_tokens: u64,
    /// Longest prompt and output together.
    pub context_tokens: u64,
    /// Where the numbers come from.
    pub origin: String,
    /// Whether only one call at a time makes sense.
    pub single: bool,
    /// Bytes of keys and values a token.
    pub kv_bytes_per_token: f64,
    /// Rate of a copy from the host's memory.
    pub host_gb_per_s: f64,
}

/// What a token takes in Qwen3-4B: taken for a profile that knows no model.
const LINEAR_KV_BYTES: f64 = 147_456.0;

const BUNDLED: &[&str] =
    &[include_str!("profiles/h200-qwen3-4b.json"), include_str!("profiles/rtx3090-qwen3-4b-awq.json")];

/// All bundled profiles.
pub fn profiles() -> Vec<Profile> {
    BUNDLED.iter().filter_map(|text| serde_json::from_str(text).ok()).collect()
}

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    let mut names: Vec<String> = profiles().into_iter().map(|profile| profile.name).collect();
    names.push("linear:A_MS,B_MS,C_MS".to_owned());
    names.join(", ")
}

/// Looks a profile up by name, or reads `linear:a_ms,b_ms,c_ms`.
pub fn by_name(name: &str) -> Option<Compiled> {
    if let Some(numbers) = name.strip_prefix("linear:") {
        return linear(numbers);
    }
    profiles().iter().find(|profile| profile.name == name).map(Profile::compile)
}

/// First token after a + b · computed tokens, every further one c later; to be used with one call
/// at a time.
fn linear(numbers: &str) -> Option<Compiled> {
    let ms: Vec<f64> = numbers.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
    let [a, b, c] = ms[..] else { return None };
    if [a, b, c].iter().any(|ms| !ms.is_finite() || *ms < 0.0) {
        return None;
    }
    let ps = |ms: f64| whole(ms * 1e9);
    Some(Compiled {
        coefficients: Coefficients {
            prompt: ps(a),
            prefill_token: ps(b),
            sequence: ps(c),
            ..Coefficients::default()
        },
        kv_tokens: 1_000_000_000,
        context_tokens: 1_000_000_000,
        origin: "exact".to_owned(),
        single: true,
        kv_bytes_per_token: LINEAR_KV_BYTES,
        host_gb_per_s: pcie_5(),
    })
}

fn whole(ps: f64) -> Ps {
    libm::round(ps) as Ps
}

impl Profile {
    /// Picoseconds per unit of work, from peaks and shares.
    pub fn compile(&self) -> Compiled {
        let flops = self.gpu.flops_per_s * self.compute_share;
        let bytes = self.gpu.bytes_per_s * self.bandwidth_share;
        let model = &self.model;
        let pair_flops = 4.0 * f64::from(model.layers) * f64::from(model.q_dim);
        Compiled {
            coefficients: Coefficients {
                step: whole(model.weight_bytes / bytes * 1e12 + self.step_overhead_us * 1e6),
                sequence: whole(self.sequence_overhead_us * 1e6),
                kv_token: whole(model.kv_bytes_per_token / bytes * 1e12),
                prefill_token: whole(2.0 * model.params / flops * 1e12),
                attention_pair: whole(pair_flops / flops * 1e12),
                ..Coefficients::default()
            },
            kv_tokens: self.kv_tokens,
            context_tokens: model.context_tokens,
            origin: self.origin.clone(),
            single: false,
            kv_bytes_per_token: model.kv_bytes_per_token,
            host_gb_per_s: self.gpu.host_gb_per_s,
        }
    }
}

impl Compiled {
    /// Cost of work where a token comes from the host at so many gigabytes a second.
    pub fn with_host(&self, gb_per_s: f64) -> Coefficients {
        Coefficients { host_token: whole(self.kv_bytes_per_token / gb_per_s * 1e3), ..self.coefficients }
    }
}

/// What one step does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepWork {
    /// Calls that decode one token each.
    pub decoding: u64,
    /// KV tokens that they hold before the step.
    pub kv_tokens: u64,
    /// Prompt tokens computed.
    pub prefill_tokens: u64,
    /// Pairs of computed tokens and tokens that they attend to.
    pub pairs: u64,
    /// Prompts completed.
    pub prompts: u64,
    /// Tokens brought over from the host.
    pub host_tokens: u64,
}

/// Pairs that computing `new` tokens behind `cached` ones makes: each attends to all before it.
pub fn pairs(new: u64, cached: u64) -> u64 {
    new * cached + new * new / 2
}

impl Coefficients {
    /// Duration of one step.
    pub fn step(&self, work: &StepWork) -> Ps {
        let terms = [
            (self.step, 1),
            (self.sequence, work.decoding),
            (self.kv_token, work.kv_tokens + work.decoding),
            (self.prefill_token, work.prefill_tokens),
            (self.attention_pair, work.pairs),
            (self.prompt, work.prompts),
            (self.host_token, work.host_tokens),
        ];
        let sum: u128 = terms.iter().map(|&(cost, count)| u128::from(cost) * u128::from(count)).sum();
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    /// Duration of `steps` decode steps of the same calls, each of which adds a token to every
    /// call's KV: the sum of [`Coefficients::step`] over them.
    pub fn stretch(&self, decoding: u64, kv_tokens: u64, steps: u64) -> Ps {
        let (n, m) = (u128::from(steps), u128::from(decoding));
        let flat = u128::from(self.step) + u128::from(self.sequence) * m;
        let read = n * (u128::from(kv_tokens) + m) + m * (n * n.saturating_sub(1) / 2);
        u64::try_from(n * flat + u128::from(self.kv_token) * read).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_profile_reads() {
        assert_eq!(profiles().len(), BUNDLED.len());
    }

    /// By hand: 8.04 GB at three quarters of 4.8 TB/s is 2.2333 ms; with half a millisecond of
    /// overhead 2.7333 ms.
    #[test]
    fn h200_step_is_what_the_roofline_gives() {
        let compiled = by_name("h200-qwen3-4b").unwrap();
        assert_eq!(compiled.coefficients.step / PS_PER_US, 2_733);
        // 2 · 4.02e9 FLOPs at half of 990 TFLOP/s.
        assert_eq!(compiled.coefficients.prefill_token, 16_242_424);
    }

    #[test]
    fn a_stretch_is_the_sum_of_its_steps() {
        let c = by_name("rtx3090-qwen3-4b-awq").unwrap().coefficients;
        let (m, kv) = (7, 12_345);
        let one_by_one: u64 = (0..100)
            .map(|i| c.step(&StepWork { decoding: m, kv_tokens: kv + i * m, ..StepWork::default() }))
            .sum();
        assert_eq!(c.stretch(m, kv, 100), one_by_one);
    }

    #[test]
    fn linear_refuses_what_is_no_number() {
        for bad in
            ["linear:1,2", "linear:1,2,x", "linear:1,2,-3", "linear:1,2,3,4", "linear:1,nan,2", "linear:"]
        {
            assert!(by_name(bad).is_none(), "{bad}");
        }
    }
}
