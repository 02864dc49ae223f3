//! The probe's own logic, against a device that only pretends.

mod extent;
mod kernels;
mod packed;
mod timed;
mod unstated;

use super::measure::{self, Bench};
use super::plan::{Extent, Plan};
use super::report::{Found, readable, report};
use super::shape::Shape;
use super::step::{Batch, Limits, Model, Weights};
use super::{check, fit};
use crate::gpu::device::Device;
use crate::gpu::fake::{Fake, Overlap, Roofline};
use crate::gpu::half::to_bytes;
use crate::gpu::op::Op;
use crate::gpu::sizes::{Build, Half};
use atr_core::report::{AnyReport, Checked, Measured, Probe, Probed, Report, UnderLoad, load_any};
use atr_core::serve::latency::fit::Fit;
use atr_core::serve::latency::{Costs, FittedFrom, Profile};

const ROOFLINE: Roofline = Roofline {
    flops_per_s: 500e12,
    attention_flops_per_s: 500e12,
    bytes_per_s: 4e12,
    launch_us: 3.0,
    graph_launch_us: 1.0,
    overlap: Overlap::Attention,
};
/// Keys and values of a token of Qwen3-4B, read at 4 TB/s.
const KV_TOKEN_US: f64 = 147_456.0 / 4e12 * 1e6;

fn build(half: Half) -> Build {
    Build { half, dim: 128, group: 4 }
}

#[test]
fn every_kernel_is_checked_and_a_broken_one_is_found() {
    for half in [Half::Bf16, Half::Fp16] {
        let mut fake = Fake::new(build(half), ROOFLINE, true);
        let found = check::kernels(&mut fake, build(half)).unwrap();
        assert!(found.iter().all(|check| check.good), "{found:?}");
        assert!(found.len() >= 19, "{found:?}");
        let mut broken = Fake::new(build(half), ROOFLINE, true);
        broken.attention_factor = 1.03;
        let found = check::kernels(&mut broken, build(half)).unwrap();
        let wrong = found.iter().filter(|check| !check.good).map(|check| check.what.as_str());
        let wrong: Vec<&str> = wrong.collect();
        assert_eq!(wrong.len(), 11, "{wrong:?}");
        assert!(wrong.iter().all(|what| what.contains("attention")), "{wrong:?}");
        broken.attention_factor = f64::NAN;
        let found = check::kernels(&mut broken, build(half)).unwrap();
        assert!(found.iter().any(|check| check.error.is_none() && !check.good), "{found:?}");
    }
}

/// Query heads of a KV head of Qwen3-4B.
const GROUP: u64 = 4;

fn probed(weights: Weights, overlap: Overlap) -> (Fake, Shape, Probed) {
    // Where nothing hides graphs launch in no time, so that a sum of terms is exact and what is missing shows.
    let graph_launch_us = if overlap == Overlap::Nowhere { 0.0 } else { ROOFLINE.graph_launch_us };
    let fake = Fake::new(build(Half::Bf16), Roofline { overlap, graph_launch_us, ..ROOFLINE }, false);
    probed_on(fake, weights)
}

fn probed_on(mut fake: Fake, weights: Weights) -> (Fake, Shape, Probed) {
    let shape = Shape::by_name("qwen3-4b").unwrap();
    let build = build(Half::Bf16);
    let all = Plan::new(Extent::Thorough, shape.context);
    let mut plan = Plan { repeats: 3, least: 3, warm_ups: 1, launches: 10, ..all };
    let results = ran(&mut fake, &shape, weights, build, &mut plan).unwrap();
    (fake, shape, results)
}

/// All that is timed between the checks and the report.
fn ran(
    fake: &mut Fake,
    shape: &Shape,
    weights: Weights,
    build: Build,
    plan: &mut Plan,
) -> anyhow::Result<Probed> {
    let copy = measure::copy(fake, &build, plan)?;
    plan.cut(fake, shape, weights)?;
    let model = Model::new(fake, shape, weights, &plan.limits())?;
    Bench { device: fake, model: &model, build, plan }.run(copy)
}

fn made(weights: Weights, overlap: Overlap) -> (Fake, Shape, Report<Probe>) {
    let (fake, shape, results) = probed(weights, overlap);
    let good = Checked { what: "norm".to_owned(), error: Some(1.7e-3), limit: 1e-2, good: true };
    let found = Found {
        about: fake.about().clone(),
        seen: [Some("clocks.sm 1980".to_owned()), None],
        under_load: Some(UnderLoad { samples: 3, sm_mhz: [1410.0, 1755.0, 1980.0], reasons: Vec::new() }),
        shape: shape.clone(),
        weights,
        dtype: if weights == Weights::Half { "bf16" } else { "w4" }.to_owned(),
        checks: vec![good],
        results,
    };
    (fake, shape, report(found, "atr-bench probe".to_owned(), "2026-01-01".to_owned()))
}

fn close(found: f64, expected: f64, within: f64) {
    assert!((found / expected - 1.0).abs() < within, "{found}, expected {expected}");
}

/// Where products and reading add up but for attention, a step's time is what a profile's form says, so every rate must
/// come back. By hand, for Qwen3-4B at 500 TFLOP/s and 4 TB/s: a step reads 2 · 4.02e9 bytes of weights; decoding has 362
/// launches of 1 µs, as its attention is two; a prompt has 326, and its last row meets 2,560 · 151,936 weights, so that
/// nothing above 0 is left for its end; a token meets the layers' 3.63e9 weights and moves 223,232 bytes a layer; a pair is
/// four operations a layer and query number.
#[test]
fn the_fit_finds_the_roofline_again() {
    let (fake, shape, report) = made(Weights::Half, Overlap::Attention);
    let body = report.body;
    close(body.results.launches.single_us, 3.0, 1e-9);
    close(body.results.launches.graph_us, 1.0, 1e-9);
    close(body.results.copy.bytes_per_s, 4e12, 0.01);
    let fit = body.fit.unwrap();
    close(fit.us_per.step, 2.0 * shape.weights() as f64 / 4e12 * 1e6 + 362.0, 0.01);
    close(fit.us_per.kv_token, KV_TOKEN_US, 0.005);
    close(fit.us_per.attention_pair, 4.0 * 36.0 * 4_096.0 / 500e12 * 1e6, 0.005);
    assert_eq!(fit.us_per.prompt, 0.0);
    let layers = shape.layer_weights() as f64;
    close(fit.us_per.prefill_token, 2.0 * layers / 500e12 * 1e6 + 36.0 * 223_232.0 / 4e12 * 1e6, 0.005);
    assert!(fit.held_out.unwrap().errors.mean < 0.005, "{:?}", fit.held_out);
    let few = body.fit_by_kind.iter().find(|of| of.kind.starts_with("few new tokens")).unwrap();
    let others = body.fit_by_kind.iter().filter(|of| of.kind != few.kind);
    assert!(others.clone().all(|kind| kind.errors.max < 0.01), "{:?}", body.fit_by_kind);
    // 16 tokens of four heads make 64 operations a byte, of 125 that hide the reading: 61/125 of it are missed.
    let of_few = body.results.prefill_graphs.iter().find(|prompt| prompt.sizes == [16, 24_576]).unwrap();
    let missed = 61.0 / 125.0 * 24_576.0 * KV_TOKEN_US;
    close(few.errors.max, missed / of_few.times.median_us, 0.02);
    for kind in ["two prompts, not fitted", "a prompt beside decoding, not fitted"] {
        assert!(
            body.fit_by_kind.iter().any(|of| of.kind == kind && of.points == 6),
            "{:?}",
            body.fit_by_kind
        );
    }
    for piece in ["norm", "rotary positions", "activation", "vocabulary"] {
        assert!(body.results.pieces.iter().any(|of| of.what == piece && of.sizes[0] == 32), "{piece}");
    }
    let about = fake.about().clone();
    let from = FittedFrom {
        command: "atr-bench probe".to_owned(),
        machine: Some("a test's".to_owned()),
        date: Some("2026-01-01".to_owned()),
    };
    let gpu = fit::stated(&about.name).unwrap();
    let profile = fit::profile("test-probed", gpu, &shape, (Weights::Half, "bf16"), &about, fit, from);
    // 141 GB as stated are 150.75 as the driver says; the first and the last matrix of this model are one.
    assert_eq!(profile.gpu.memory_gb, 150.75);
    assert_eq!((profile.model.params, profile.kv_tokens), (4_022_468_096.0, 865_546));
    let Costs::Fitted(fitted) = &profile.costs else { panic!("not fitted") };
    let expected = 2.0 * layers / 990e12 / (fitted.us_per.prefill_token * 1e-6);
    close(fitted.of_peak.prefill_compute.unwrap(), expected, 1e-6);
    let text = serde_json::to_string(&profile).unwrap();
    let read = Profile::from_json(&text).unwrap();
    assert_eq!((read.origin, read.compile()), (profile.origin, profile.compile()));
}

/// A profile has no term for reading a cached prefix in prefill. Where the reading hides behind the products none is
/// needed; where it does not, whole prompts and decoding predict a prompt behind a prefix too short by just that reading.
#[test]
fn reading_a_prefix_that_does_not_hide_shows_as_a_bias() {
    let (_, _, results) = probed(Weights::Half, Overlap::Nowhere);
    let only = |is: fn(&Measured) -> bool| {
        let prompts = results.prefill_graphs.iter().filter(|prompt| is(prompt)).cloned();
        Probed { prefill_graphs: prompts.collect(), ..results.clone() }
    };
    let without = only(|prompt| prompt.sizes[1] == 0);
    let fitted: Fit = fit::fitted(&fit::points(&fit::kinds(&without, Weights::Half, GROUP))).unwrap();
    // 500 TFLOP/s over 4 TB/s are 125 operations a byte; four query heads a KV head make 4 for each new token.
    let behind = only(|prompt| prompt.sizes[1] > 0 && prompt.sizes[0] >= 32);
    let behind = Probed { decode_graphs: Vec::new(), ..behind };
    let points = fit::points(&fit::kinds(&behind, Weights::Half, GROUP));
    assert_eq!(points.len(), behind.prefill_graphs.len());
    for (point, prompt) in points.iter().zip(&behind.prefill_graphs) {
        let missing = point.us - point.predicted_us(&fitted.us_per);
        close(missing, prompt.sizes[1] as f64 * KV_TOKEN_US, 0.01);
    }
    let (_, _, report) = made(Weights::Half, Overlap::Nowhere);
    let ratios = behind
        .prefill_graphs
        .iter()
        .map(|prompt| prompt.sizes[1] as f64 * KV_TOKEN_US / prompt.times.median_us);
    let unseen = report.body.fit_by_kind.last().unwrap();
    assert!(unseen.kind.ends_with("by a fit to the others"), "{unseen:?}");
    close(-unseen.bias, ratios.sum::<f64>() / points.len() as f64, 0.01);
    let few = report.body.fit_by_kind.iter().find(|of| of.kind.starts_with("few new tokens")).unwrap();
    assert_eq!(few.points, 3, "16 tokens behind three prefixes");
}

/// A profile adds the reading of weights to the products, a GPU hides the lesser behind the greater. The form's own error
/// on such a device is what a probe of a real one should be expected to show.
#[test]
fn the_strict_roofline_is_beyond_the_profiles_form() {
    let (_, _, report) = made(Weights::Half, Overlap::Everywhere);
    let fit = report.body.fit.unwrap();
    assert!((0.05..0.07).contains(&fit.residuals.mean), "{:?}", fit.residuals);
    assert!((0.2..0.3).contains(&fit.residuals.max), "{:?}", fit.residuals);
    assert_eq!(fit.us_per.prompt, 0.0, "what is added twice leaves nothing for a prompt's end");
}

#[test]
fn packed_weights_are_read_packed_by_few_rows_and_unpacked_for_many() {
    let shape = Shape { layers: 1, ..Shape::by_name("qwen3-4b").unwrap() };
    let build = build(Half::Bf16);
    let mut fake = Fake::new(build, ROOFLINE, false);
    let limits = Limits { rows: 64, batch: 64, context: 64, pages: 256 };
    let model = Model::new(&mut fake, &shape, Weights::Four, &limits).unwrap();
    let count = |ops: &[Op], is: fn(&Op) -> bool| ops.iter().filter(|op| is(op)).count();
    let few = model.ops(&mut fake, &Batch::decoding(32, 64)).unwrap();
    assert_eq!(count(&few, |op| matches!(op, Op::Product4 { .. })), 4);
    let many = model.ops(&mut fake, &Batch::decoding(33, 64)).unwrap();
    assert_eq!(count(&many, |op| matches!(op, Op::Unpack4 { .. })), 4);
    assert_eq!(count(&many, |op| matches!(op, Op::Product4 { .. })), 0);
}

/// The report holds what its published schema says, and says which origin and which weights its figures have.
#[test]
fn the_report_follows_its_schema() {
    let schema = include_str!("../../../../reports/schema/probe.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    for weights in [Weights::Half, Weights::Four] {
        let (_, _, report) = made(weights, Overlap::Attention);
        let text = report.to_json().unwrap();
        let mut value = serde_json::from_str(&text).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let AnyReport::Probe(again) = load_any("probe.json", &text).unwrap() else { panic!("another kind") };
        assert_eq!(
            (again.body.checks.len(), &again.body.notes),
            (report.body.checks.len(), &report.body.notes)
        );
        assert_eq!(again.body.results.left_out, report.body.results.left_out);
        value["checks"][0]["good"] = false.into();
        let error = load_any("probe.json", &value.to_string()).unwrap_err().to_string();
        assert!(error.starts_with("probe.json: a kernel computed something else"), "{error}");
        value["origin"] = "simulated".into();
        assert!(!validator.is_valid(&value));
    }
}

#[test]
fn words_say_origin_weights_and_what_was_left_out() {
    let (_, _, report) = made(Weights::Half, Overlap::Attention);
    let text = readable(&report);
    assert!(
        text.starts_with("measured: Qwen3-4B in bf16 on NVIDIA H200 (probe, random weights)\n"),
        "{text}"
    );
    assert!(text.contains("no room in memory: decoding 64 sequences of 24576; "), "{text}");
    assert!(text.contains("under load: clocks.sm 1410–1980 MHz, median 1755"), "{text}");
    assert!(text.contains("prefix of 24,576 tokens before 1,024: computed again "), "{text}");
    assert!(text.contains("fit, decoding, points ") && report.body.is_good(), "{text}");
}

/// Unpacking, which no engine does, is said where it happens, and decode steps with it are no part of the fit. By hand, what
/// a prompt of 3.63e9 weights takes beyond a decode step: 2 bytes each written and read again, 144 launches of 1 µs more, 36
/// fewer of attention.
#[test]
fn unpacked_weights_are_called_what_they_are() {
    let (_, _, report) = made(Weights::Four, Overlap::Attention);
    let Probe { fit, fit_by_kind, notes, results, .. } = report.body;
    assert!(notes.iter().any(|note| note.contains("more than 32 rows are unpacked")), "{notes:?}");
    let decoding = fit_by_kind.iter().find(|of| of.kind == "decoding").unwrap();
    let few = results.decode_graphs.iter().filter(|step| step.sizes[0] <= 32).count();
    assert!(few < results.decode_graphs.len());
    assert_eq!(decoding.points, few as u64);
    close(fit.unwrap().us_per.prompt, 144.0 - 36.0 + 1.6 + 3.633e9 * 4.0 / 4e12 * 1e6, 0.01);
}

#[test]
fn a_point_that_fails_is_left_out_and_the_rest_is_measured() {
    let mut fake = Fake::new(build(Half::Bf16), ROOFLINE, false);
    fake.failing_prompt = Some(512);
    let (_, _, results) = probed_on(fake, Weights::Half);
    let failed: Vec<&String> = results.left_out.iter().filter(|point| point.contains("failed")).collect();
    assert_eq!(failed.len(), 4, "{failed:?}");
    assert_eq!(failed[0], "prefill of 512 behind 0: the work on the GPU failed");
    assert!(results.prefill_graphs.iter().all(|prompt| prompt.sizes[0] != 512));
    assert!(results.prefill_graphs.iter().any(|prompt| prompt.sizes[0] == 8_192));
    assert!(!results.decode_graphs.is_empty() && !results.mixed.is_empty());
}

/// By what a GPU that died says, not by what clearing up behind it says.
#[test]
fn what_failed_first_is_what_is_said() {
    let mut fake = Fake::new(build(Half::Bf16), ROOFLINE, false);
    let (shape, mut plan) = (Shape::by_name("qwen3-4b").unwrap(), Plan::new(Extent::Quick, 40_960));
    fake.dies = true;
    let failed = ran(&mut fake, &shape, Weights::Half, build(Half::Bf16), &mut plan);
    assert_eq!(failed.unwrap_err().to_string(), "the work on the GPU failed");
}

/// A model that is small enough to be computed here.
fn tiny(head_norms: bool) -> Shape {
    let sizes =
        Shape { layers: 2, hidden: 128, heads: 2, kv_heads: 1, ..Shape::by_name("qwen3-4b").unwrap() };
    Shape { dim: 64, inter: 256, vocabulary: 32, context: 64, head_norms, ..sizes }
}

const TINY: Limits = Limits { rows: 32, batch: 2, context: 64, pages: 8 };

/// What kernels for such a model are compiled for.
const TINY_BUILD: Build = Build { half: Half::Bf16, dim: 64, group: 2 };

/// A tiny model on a device that computes.
struct Computed {
    fake: Fake,
    model: Model,
}

impl Computed {
    fn new(shape: &Shape) -> Computed {
        Computed::on(Fake::new(TINY_BUILD, ROOFLINE, true), shape, Weights::Half)
    }

    fn on(mut fake: Fake, shape: &Shape, weights: Weights) -> Computed {
        let model = Model::new(&mut fake, shape, weights, &TINY).unwrap();
        Computed { fake, model }
    }

    /// The bytes of the logits of a step over these rows of input.
    fn logits(&mut self, batch: &Batch, input: &[u8]) -> Vec<u8> {
        let ops = self.model.ops(&mut self.fake, batch).unwrap();
        let (x, logits) = self.model.ends();
        self.fake.upload(x, input).unwrap();
        self.fake.run(&ops).unwrap();
        let mut out = vec![0; (batch.sequences() * 32 * 2) as usize];
        self.fake.download(logits, &mut out).unwrap();
        out
    }
}

/// A prompt at once, in two pieces, and one token fewer with a decode step behind it come to the same; so do a prompt and a
/// sequence side by side and each alone. Pages are 16 tokens, so that 21 end within the second.
#[test]
fn steps_come_to_the_same_however_they_are_cut() {
    for head_norms in [true, false] {
        let shape = tiny(head_norms);
        let one = |tokens: u64| (tokens * 128 * 2) as usize;
        let input: Vec<u8> =
            to_bytes(&(0..21 * 128).map(|i| (f64::from(i) * 0.7).sin()).collect::<Vec<f64>>(), Half::Bf16);
        let whole = Computed::new(&shape).logits(&Batch::prompt(21, 0), &input);
        assert!(whole.iter().any(|&byte| byte != 0), "logits are written");
        for (first, rest) in [(20, Batch::decoding(1, 21)), (12, Batch::prompt(9, 12))] {
            let mut cut = Computed::new(&shape);
            cut.logits(&Batch::prompt(first, 0), &input[..one(first)]);
            assert_eq!(cut.logits(&rest, &input[one(first)..]), whole, "{rest:?}, head norms: {head_norms}");
        }
        let beside = Batch { prompts: vec![(7, 0)], decoding: 1, context: 1 };
        let together = Computed::new(&shape).logits(&beside, &input[..one(8)]);
        let prompt = Computed::new(&shape).logits(&Batch::prompt(7, 0), &input[..one(7)]);
        let token = Computed::new(&shape).logits(&Batch::decoding(1, 1), &input[one(7)..one(8)]);
        assert_eq!(together, [prompt, token].concat());
        let two = Batch { prompts: vec![(7, 0), (3, 0)], ..Batch::default() };
        let together = Computed::new(&shape).logits(&two, &input[..one(10)]);
        let second = Computed::new(&shape).logits(&Batch::prompt(3, 0), &input[one(7)..one(10)]);
        assert_eq!(together[64..], second);
    }
}

/// Products are timed into room that a step uses for others: it holds the widest.
#[test]
fn every_product_has_room_for_its_results() {
    let shape = Shape { hidden: 640, inter: 128, ..tiny(true) };
    let mut computed = Computed::new(&shape);
    for which in 0..4 {
        let ops = computed.model.products(which, TINY.rows);
        computed.fake.run(&ops).unwrap();
    }
}

/// A first matrix of its own takes memory and is read by no step.
#[test]
fn capacity_is_what_all_parameters_leave_of_the_memory() {
    let (fake, _, report) = made(Weights::Half, Overlap::Attention);
    let shape = Shape::by_name("qwen3-8b").unwrap();
    let (about, from) = (fake.about().clone(), FittedFrom::default());
    let gpu = fit::stated(&about.name).unwrap();
    let fit = report.body.fit.unwrap();
    let profile = fit::profile("test-probed", gpu, &shape, (Weights::Half, "bf16"), &about, fit, from);
    // (150.75e9 · 0.9 − 2 · 8,190,735,360) / 147,456; a step reads 2 · (8,190,735,360 − 622,329,856 − 308,224) bytes.
    assert_eq!(profile.kv_tokens, 809_011);
    assert_eq!(profile.model.weight_bytes, 15_136_194_560.0);
}
