//! From measured steps to a latency profile, by the fitting that all profiles go through.

use super::peaks::Accelerator;
pub(crate) use super::peaks::stated;
use super::room::{held_bytes, weight_bytes};
use super::shape::Shape;
use super::step::{FEW_ROWS, Weights};
use crate::gpu::device::About;
use atr_core::report::{FitOfKind, Measured, MixedStep, Probed};
use atr_core::serve::latency::fit::{Fit, FitError, FitOptions, Point, fit};
use atr_core::serve::latency::{
    Costs, FittedFrom, Gpu, Model, Profile, ProfileOrigin, SCHEMA, Shares, StepWork, pairs,
};

/// Share of the memory that weights and KV may fill, as engines have it by default.
const MEMORY_SHARE: f64 = 0.9;

const BEHIND: &str = "prompts behind a cached prefix";
const FEW: &str = "few new tokens behind a cached prefix, whose reading does not hide, not fitted";
const UNSEEN: &str = "prompts behind a cached prefix, by a fit to the others";

/// Points of one kind of step.
pub(crate) struct Steps {
    kind: &'static str,
    points: Vec<Point>,
    /// Whether a fit may see them.
    fitted: bool,
}

/// The points of all steps that were timed as graphs, by what they say, for `group` query heads a KV head. Some are kept from
/// the fit and say how it does on what it has not seen: prompts of so few new tokens that reading their prefix takes longer
/// than multiplying it, for which a profile has no term, and steps of several kinds of work. Steps that unpack their weights
/// beside or for decoding are left out: no engine takes them.
pub(crate) fn kinds(results: &Probed, weights: Weights, group: u64) -> Vec<Steps> {
    // A byte of the prefix makes an operation for each query head that shares it, of each new token.
    let ridge = fastest_attention(results) / results.copy.bytes_per_s;
    let few = |prompt: &Measured| prompt.sizes[1] > 0 && ((prompt.sizes[0] * group) as f64) < ridge;
    let prompts = |is: &dyn Fn(&Measured) -> bool| {
        let prompts = results.prefill_graphs.iter().filter(|prompt| is(prompt));
        prompts.map(|prompt| point(&[prompt.sizes], [0, 0], prompt)).collect()
    };
    let as_engines_do = |step: &&Measured| weights == Weights::Half || step.sizes[0] <= FEW_ROWS;
    let decodes = results.decode_graphs.iter().filter(as_engines_do);
    let mixed = |is: &dyn Fn(&MixedStep) -> bool| {
        let steps = results.mixed.iter().filter(|step| weights == Weights::Half && is(step));
        steps.map(|step| point(&step.prompts, step.decoding, &step.measured)).collect()
    };
    let steps = |kind, fitted, points| Steps { kind, points, fitted };
    vec![
        steps("whole prompts", true, prompts(&|prompt| prompt.sizes[1] == 0)),
        steps(BEHIND, true, prompts(&|prompt| prompt.sizes[1] > 0 && !few(prompt))),
        steps("decoding", true, decodes.map(|step| point(&[], step.sizes, step)).collect()),
        steps(FEW, false, prompts(&few)),
        steps("two prompts, not fitted", false, mixed(&|step| step.decoding[0] == 0)),
        steps("a prompt beside decoding, not fitted", false, mixed(&|step| step.decoding[0] > 0)),
    ]
}

/// Rate of the fastest attention of a prompt: what hides the reading of a prefix, and less than products reach.
fn fastest_attention(results: &Probed) -> f64 {
    results.prefill_attention.iter().map(|attention| attention.flops_per_s).fold(0.0, f64::max)
}

/// A step's work and its time.
fn point(prompts: &[[u64; 2]], [decoding, tokens]: [u64; 2], measured: &Measured) -> Point {
    let work = StepWork {
        prefill_tokens: prompts.iter().map(|[new, _]| new).sum(),
        pairs: prompts.iter().map(|&[new, cached]| pairs(new, cached)).sum(),
        prompts: prompts.len() as u64,
        decoding,
        kv_tokens: decoding * tokens.saturating_sub(1),
        ..StepWork::default()
    };
    Point::step(&work, measured.times.median_us)
}

/// All that a fit may see.
pub(crate) fn points(kinds: &[Steps]) -> Vec<Point> {
    kinds.iter().filter(|steps| steps.fitted).flat_map(|steps| steps.points.iter().copied()).collect()
}

/// How a fit errs on each kind, and how one errs on prompts behind a prefix that has seen none. A profile has no term for
/// reading a cached prefix in prefill: where the reading does not hide behind the products, the second has a bias below 0.
pub(crate) fn by_kind(kinds: &[Steps], fit: &Fit) -> Vec<FitOfKind> {
    let each = kinds.iter().filter_map(|steps| FitOfKind::new(steps.kind, &steps.points, fit));
    let unseen = kinds.iter().find(|steps| steps.kind == BEHIND).and_then(|behind| {
        let others = kinds
            .iter()
            .filter(|steps| steps.fitted && steps.kind != BEHIND)
            .flat_map(|steps| steps.points.clone());
        FitOfKind::new(UNSEEN, &behind.points, &fitted(&others.collect::<Vec<Point>>()).ok()?)
    });
    each.chain(unseen).collect()
}

/// Fits all terms. That of a prompt's end holds what a step with a prompt takes beyond a decode step: each has one prompt, and
/// may unpack weights.
///
/// # Errors
/// When the points cannot tell the terms apart.
pub(crate) fn fitted(points: &[Point]) -> Result<Fit, FitError> {
    fit(points, &FitOptions::default())
}

/// The profile of a GPU and a model that was probed.
pub(crate) fn profile(
    name: &str,
    peaks: Accelerator,
    shape: &Shape,
    (weights, dtype): (Weights, &str),
    about: &About,
    fit: Fit,
    from: FittedFrom,
) -> Profile {
    let model = Model {
        name: shape.name.clone(),
        dtype: dtype.to_owned(),
        params: shape.parameters() as f64,
        layers: shape.layers as u32,
        q_dim: (shape.heads * shape.dim) as u32,
        weight_bytes: weight_bytes(shape, weights),
        kv_bytes_per_token: shape.kv_bytes_per_token() as f64,
        context_tokens: shape.context,
        context_note: "as the model's configuration says".to_owned(),
    };
    // Memory as the driver says it.
    let gpu = Gpu { memory_gb: about.memory_bytes as f64 / 1e9, ..peaks.gpu };
    let room = about.memory_bytes as f64 * MEMORY_SHARE - held_bytes(shape, weights);
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
    share_of_layers(&mut made, shape);
    let unpacked = match weights {
        Weights::Half => String::new(),
        Weights::Four => format!(
            "; prompts with their weights unpacked first, which takes longer than an engine's kernels, and no decode step of \
             more than {FEW_ROWS} sequences"
        ),
    };
    made.source = format!(
        "non-negative least squares on {} timed steps of a probe with random weights; all as graphs, prompts one \
         by one{unpacked}; {}; KV capacity: (memory × {MEMORY_SHARE} − weights) / KV bytes a token, memory as \
         the driver says it, weights with all that lies in it",
        points_of(&made),
        peaks.source
    );
    made
}

/// A profile's share of the matrix rate counts all parameters for every prompt token; only the layers' products are done for
/// each, the last matrix meets one row a prompt.
fn share_of_layers(profile: &mut Profile, shape: &Shape) {
    let Costs::Fitted(fitted) = &mut profile.costs else { return };
    let share = shape.layer_weights() as f64 / profile.model.params;
    fitted.of_peak.prefill_compute = fitted.of_peak.prefill_compute.map(|of| round(of * share));
}

/// Nine digits, as all fitted numbers have.
fn round(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}

fn points_of(profile: &Profile) -> u64 {
    match &profile.costs {
        Costs::Fitted(fitted) => fitted.points,
        Costs::Shares(_) => 0,
    }
}
