//! From measured steps to a latency profile, by the fitting that all profiles go through.

use super::shape::Shape;
use super::step::{FEW_ROWS, Weights};
use crate::gpu::device::About;
use crate::gpu::op::SCALE_GROUP;
use atr_core::report::{FitOfKind, Measured, Probed};
use atr_core::serve::latency::fit::{Fit, FitError, FitOptions, Point, fit};
use atr_core::serve::latency::{
    Costs, FittedFrom, Gpu, Model, Profile, ProfileOrigin, SCHEMA, Shares, StepWork, pairs, profiles,
};

/// Share of the memory that weights and KV may fill, as engines have it by default.
const MEMORY_SHARE: f64 = 0.9;

const BEHIND: &str = "prompts behind a cached prefix";
const UNSEEN: &str = "prompts behind a cached prefix, by a fit to the others";

/// Points of one kind of step.
pub(crate) struct Steps {
    kind: &'static str,
    points: Vec<Point>,
}

/// The points of all steps that were timed, by what they say: prompts as they are launched, decoding as a graph. Decode
/// steps that unpack their weights first are left out: no engine takes such steps.
pub(crate) fn kinds(results: &Probed, weights: Weights) -> Vec<Steps> {
    let prefill = |measured: &Measured| {
        let [new, cached] = measured.sizes;
        let work =
            StepWork { prefill_tokens: new, pairs: pairs(new, cached), prompts: 1, ..StepWork::default() };
        Point::step(&work, measured.times.median_us)
    };
    let decode = |measured: &Measured| {
        let [batch, tokens] = measured.sizes;
        let work = StepWork { decoding: batch, kv_tokens: batch * (tokens - 1), ..StepWork::default() };
        Point::step(&work, measured.times.median_us)
    };
    let (behind, whole): (Vec<_>, Vec<_>) = results.prefills.iter().partition(|prompt| prompt.sizes[1] > 0);
    let as_engines_do = |step: &&Measured| weights == Weights::Half || step.sizes[0] <= FEW_ROWS;
    let decodes = results.decode_graphs.iter().filter(as_engines_do);
    vec![
        Steps { kind: "whole prompts", points: whole.into_iter().map(prefill).collect() },
        Steps { kind: BEHIND, points: behind.into_iter().map(prefill).collect() },
        Steps { kind: "decoding", points: decodes.map(decode).collect() },
    ]
}

/// All of them.
pub(crate) fn points(kinds: &[Steps]) -> Vec<Point> {
    kinds.iter().flat_map(|steps| steps.points.iter().copied()).collect()
}

/// How a fit errs on each kind, and how one errs on prompts behind a prefix that has seen none. A profile has no term for
/// reading a cached prefix in prefill: where the reading does not hide behind the products, the second has a bias below 0.
pub(crate) fn by_kind(kinds: &[Steps], fit: &Fit) -> Vec<FitOfKind> {
    let each = kinds.iter().filter_map(|steps| FitOfKind::new(steps.kind, &steps.points, fit));
    let unseen = kinds.iter().find(|steps| steps.kind == BEHIND).and_then(|behind| {
        let others = kinds.iter().filter(|steps| steps.kind != BEHIND).flat_map(|steps| steps.points.clone());
        FitOfKind::new(UNSEEN, &behind.points, &fitted(&others.collect::<Vec<Point>>()).ok()?)
    });
    each.chain(unseen).collect()
}

/// Fits all terms. That of a prompt's end holds what a step with a prompt takes beyond a decode step: each has one prompt,
/// is launched kernel by kernel and not as a graph, and may unpack weights.
///
/// # Errors
/// When the points cannot tell the terms apart.
pub(crate) fn fitted(points: &[Point]) -> Result<Fit, FitError> {
    fit(points, &FitOptions::default())
}

/// The peaks that are stated for a GPU of this name, where a profile that comes along knows it.
pub(crate) fn stated(name: &str) -> Option<Gpu> {
    let plain =
        |name: &str| name.to_ascii_lowercase().replace("nvidia", "").replace("geforce", "").replace(' ', "");
    profiles().into_iter().map(|profile| profile.gpu).find(|gpu| plain(&gpu.name) == plain(name))
}

/// Bytes that a step reads of the weights.
pub(crate) fn weight_bytes(shape: &Shape, weights: Weights) -> f64 {
    let last = (shape.vocabulary * shape.hidden) as f64;
    let layers = shape.weights() as f64 - last;
    match weights {
        Weights::Half => 2.0 * (layers + last),
        Weights::Four => layers * (0.5 + 2.0 / SCALE_GROUP as f64) + 2.0 * last,
    }
}

/// The profile of a GPU and a model that was probed.
pub(crate) fn profile(
    name: &str,
    gpu: Gpu,
    shape: &Shape,
    (weights, dtype): (Weights, &str),
    about: &About,
    fit: Fit,
    from: FittedFrom,
) -> Profile {
    let model = Model {
        name: shape.name.clone(),
        dtype: dtype.to_owned(),
        params: shape.weights() as f64,
        layers: shape.layers as u32,
        q_dim: (shape.heads * shape.dim) as u32,
        weight_bytes: weight_bytes(shape, weights),
        kv_bytes_per_token: shape.kv_bytes_per_token() as f64,
        context_tokens: shape.context,
        context_note: "as the model's configuration says".to_owned(),
    };
    let room = about.memory_bytes as f64 * MEMORY_SHARE - model.weight_bytes;
    let kv_tokens = (room / model.kv_bytes_per_token).max(1.0) as u64;
    // The costs are replaced at once: only the names of a base are kept.
    let shares = Shares { compute: 1.0, bandwidth: 1.0, step_overhead_us: 0.0, sequence_overhead_us: 0.0 };
    let base = Profile {
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        title: format!("{}, {} in {dtype}", gpu.name, shape.name),
        origin: ProfileOrigin::Estimated,
        source: String::new(),
        gpu,
        model,
        costs: Costs::Shares(shares),
        memory_share: Some(MEMORY_SHARE),
        kv_tokens,
    };
    let mut made = base.fitted(name, fit, ProfileOrigin::Probed, from);
    let unpacked = match weights {
        Weights::Half => String::new(),
        Weights::Four => format!(
            "; prompts with their weights unpacked first, which takes longer than an engine's kernels, and no decode step of \
             more than {FEW_ROWS} sequences"
        ),
    };
    made.source = format!(
        "non-negative least squares on {} timed steps of a probe with random weights; prompts one by one, decoding as a \
         graph{unpacked}; peaks as stated, KV capacity: (memory × {MEMORY_SHARE} − weights) / KV bytes a token",
        points_of(&made)
    );
    made
}

fn points_of(profile: &Profile) -> u64 {
    match &profile.costs {
        Costs::Fitted(fitted) => fitted.points,
        Costs::Shares(_) => 0,
    }
}
