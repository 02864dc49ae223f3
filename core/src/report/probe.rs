//! The report of kind `probe`: what a GPU took over the steps of a decoder with random weights, and over their pieces.

use super::{Body, Kind};
use crate::serve::latency::fit::{Errors, Fit, Point};
use serde::{Deserialize, Serialize};

/// Measured on one GPU at one model's shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Said wherever figures of a probe show.
    pub label: String,
    /// The GPU, as it was found.
    pub gpu: ProbedGpu,
    /// The model's shape.
    pub model: ProbedModel,
    /// Numbers of the weights: `bf16`, `fp16`, or `w4`.
    pub dtype: String,
    /// Every kernel against a reference.
    pub checks: Vec<Checked>,
    /// Rates to hold the others against.
    pub peaks: Peaks,
    /// Times.
    pub results: Probed,
    /// Absent where the points cannot tell the terms apart.
    pub fit: Option<Fit>,
    /// Why there is no fit.
    pub no_fit: Option<String>,
    /// How the fit errs on each kind of step.
    pub fit_by_kind: Vec<FitOfKind>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

/// A GPU and the state that it was in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbedGpu {
    /// Its name.
    pub name: String,
    /// Such as `9.0`.
    pub compute_capability: String,
    /// Memory.
    pub memory_bytes: u64,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Second-level cache.
    pub l2_bytes: u64,
    /// The newest CUDA that the driver serves, such as `13.0`.
    pub driver_cuda: String,
    /// What `nvidia-smi` says before: driver, clocks of multiprocessors and memory in MHz, watts, degrees.
    pub before: Option<String>,
    /// What it says after.
    pub after: Option<String>,
    /// What it says while prompts run.
    pub under_load: Option<UnderLoad>,
}

/// Clocks while the GPU works.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnderLoad {
    /// How often they were looked at.
    pub samples: u64,
    /// Clock of the multiprocessors in MHz: least, median, most.
    pub sm_mhz: [f64; 3],
    /// Why it was not higher, as the driver says.
    pub reasons: Vec<String>,
}

/// What of a model decides what its steps compute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbedModel {
    /// Its name.
    pub name: String,
    /// Layers.
    pub layers: u64,
    /// Width between layers.
    pub hidden: u64,
    /// Query heads.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Size of a head.
    pub dim: u64,
    /// Width between the products of a layer's second half.
    pub inter: u64,
    /// Tokens that there are.
    pub vocabulary: u64,
    /// Whether queries and keys pass a norm of their own.
    pub head_norms: bool,
    /// Whether the first and the last matrix are one.
    pub tied: bool,
    /// Base of the rotary positions.
    pub rope_base: f64,
    /// Longest prompt and output together.
    pub context: u64,
}

/// A kernel held against the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checked {
    /// The kernel.
    pub what: String,
    /// ‖found − expected‖ over ‖expected‖; absent where it is no number.
    pub error: Option<f64>,
    /// What it may be: a few roundings to two bytes.
    pub limit: f64,
    /// Whether it is within.
    pub good: bool,
}

/// Peak rates of a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peaks {
    /// As the maker states them, where they are known.
    pub stated_flops_per_s: Option<f64>,
    /// As the maker states them, where they are known.
    pub stated_bytes_per_s: Option<f64>,
    /// The fastest product that was timed.
    pub measured_flops_per_s: f64,
    /// The copy, bytes read and bytes written.
    pub measured_bytes_per_s: f64,
}

/// Times of the same work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// Median.
    pub median_us: f64,
    /// Tenth percentile.
    pub p10_us: f64,
    /// Ninetieth percentile.
    pub p90_us: f64,
    /// How many there are.
    pub repeats: u64,
}

/// What was timed, and what it did at the least.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// What it was.
    pub what: String,
    /// Its two sizes: rows and columns, new and cached tokens, sequences and their tokens.
    pub sizes: [u64; 2],
    /// How long it took.
    #[serde(flatten)]
    pub times: Times,
    /// Floating-point operations of products.
    pub flops: f64,
    /// Bytes to and from memory.
    pub bytes: f64,
    /// Rate at the median.
    pub flops_per_s: f64,
    /// Rate at the median.
    pub bytes_per_s: f64,
}

/// A step of several prompts, or of a prompt and decoding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MixedStep {
    /// New and cached tokens of each prompt.
    pub prompts: Vec<[u64; 2]>,
    /// Sequences that decode, and the tokens of each.
    pub decoding: [u64; 2],
    /// Its time; sizes are rows and KV tokens.
    #[serde(flatten)]
    pub measured: Measured,
}

/// Launches of an empty kernel.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Launches {
    /// Each by itself.
    pub single_us: f64,
    /// In a graph.
    pub graph_us: f64,
}

/// All that was timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// A copy within the GPU's memory.
    pub copy: Measured,
    /// Launches.
    pub launches: Launches,
    /// The products of a layer.
    pub products: Vec<Measured>,
    /// What stands between products and attention, and the product with the vocabulary.
    pub pieces: Vec<Measured>,
    /// Attention of a prompt's new tokens.
    pub prefill_attention: Vec<Measured>,
    /// Attention of one new token of each sequence.
    pub decode_attention: Vec<Measured>,
    /// Whole steps of a prompt, launched one by one.
    pub prefills: Vec<Measured>,
    /// The same as a graph.
    pub prefill_graphs: Vec<Measured>,
    /// Whole decode steps, launched one by one.
    pub decodes: Vec<Measured>,
    /// The same as a graph.
    pub decode_graphs: Vec<Measured>,
    /// Steps of several kinds of work as graphs, which no fit has seen.
    pub mixed: Vec<MixedStep>,
    /// Points that failed, with why.
    pub left_out: Vec<String>,
    /// Points that the GPU's memory has no room for.
    pub no_room: Vec<String>,
}

/// How a fit errs on the points of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitOfKind {
    /// The kind.
    pub kind: String,
    /// Points.
    pub points: u64,
    /// Relative errors.
    pub errors: Errors,
    /// Mean of prediction over time, less 1: below 0 where the fit promises too short times.
    pub bias: f64,
}

impl Body for Probe {
    const KIND: Kind = Kind::Probe;

    fn flaw(&self) -> Option<&'static str> {
        (!self.is_good()).then_some("a kernel computed something else than it should: its times mean nothing")
    }
}

impl Times {
    /// Of times in any order; none gives zeros.
    pub fn of(mut times: Vec<f64>) -> Times {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (times.len().max(1) - 1) as f64;
            let below = libm::floor(place);
            let get = |place: f64| times.get(place as usize).copied().unwrap_or(0.0);
            get(below) + (get(libm::ceil(place)) - get(below)) * (place - below)
        };
        Times { median_us: at(0.5), p10_us: at(0.1), p90_us: at(0.9), repeats: times.len() as u64 }
    }
}

impl Measured {
    /// Times with what the work came to.
    pub fn new(what: &str, sizes: [u64; 2], times: Times, flops: f64, bytes: f64) -> Measured {
        let per_s = |amount: f64| amount / times.median_us * 1e6;
        let (flops_per_s, bytes_per_s) = (per_s(flops), per_s(bytes));
        Measured { what: what.to_owned(), sizes, times, flops, bytes, flops_per_s, bytes_per_s }
    }
}

impl FitOfKind {
    /// Of the points of one kind; none where there is no point.
    pub fn new(kind: &str, points: &[Point], fit: &Fit) -> Option<FitOfKind> {
        let ratio = |point: &Point| point.predicted_us(&fit.us_per) / point.us - 1.0;
        let bias = points.iter().map(ratio).sum::<f64>() / points.len() as f64;
        let errors = Errors::of(points.iter(), &fit.us_per);
        let points = points.len() as u64;
        (points > 0).then(|| FitOfKind { kind: kind.to_owned(), points, errors, bias })
    }
}

impl Probe {
    /// Whether every kernel computed what it should.
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.good)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_medians_with_their_spread() {
        let times = Times::of(vec![30.0, 10.0, 20.0, 50.0, 40.0]);
        assert_eq!((times.median_us, times.p10_us, times.p90_us, times.repeats), (30.0, 14.0, 46.0, 5));
        assert_eq!(Times::of(vec![7.0]).p90_us, 7.0);
    }

    #[test]
    fn rates_are_those_at_the_median() {
        let measured = Measured::new("copy", [1, 0], Times::of(vec![2.0, 4.0, 9.0]), 8.0, 12.0);
        assert_eq!((measured.flops_per_s, measured.bytes_per_s), (2e6, 3e6));
    }
}
