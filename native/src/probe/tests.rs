//! The probe's own logic, against a device that only pretends.

use super::measure::{Bench, Plan, Results};
use super::report::{GpuSeen, LABEL, Peaks, Provenance, Report, SCHEMA};
use super::shape::Shape;
use super::step::{Limits, Model, Weights};
use super::{check, fit};
use crate::gpu::device::Device;
use crate::gpu::fake::{Fake, Roofline};
use crate::gpu::op::Op;
use crate::gpu::source::{Build, Half};
use atr_core::report::Origin;
use atr_core::serve::latency::{FittedFrom, Profile};

const ROOFLINE: Roofline =
    Roofline { flops_per_s: 500e12, bytes_per_s: 4e12, launch_us: 3.0, graph_launch_us: 1.0 };

fn build(half: Half) -> Build {
    Build { half, dim: 128, group: 4 }
}

#[test]
fn every_kernel_is_checked_and_a_broken_one_is_found() {
    for half in [Half::Bf16, Half::Fp16] {
        let mut fake = Fake::new(build(half), ROOFLINE, true);
        let found = check::kernels(&mut fake, build(half)).unwrap();
        assert!(found.iter().all(|check| check.good), "{found:?}");
        assert!(found.len() >= 13, "{found:?}");
        let mut broken = Fake::new(build(half), ROOFLINE, true);
        broken.attention_factor = 1.03;
        let found = check::kernels(&mut broken, build(half)).unwrap();
        let wrong: Vec<&str> = found.iter().filter(|check| !check.good).map(|check| check.what).collect();
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        assert!(wrong.iter().all(|what| what.contains("attention")), "{wrong:?}");
        broken.attention_factor = f64::NAN;
        let found = check::kernels(&mut broken, build(half)).unwrap();
        assert!(found.iter().any(|check| check.error.is_none() && !check.good), "{found:?}");
    }
}

fn probed(weights: Weights) -> (Fake, Shape, Results) {
    let shape = Shape::by_name("qwen3-4b").unwrap();
    let build = build(Half::Bf16);
    let mut fake = Fake::new(build, ROOFLINE, false);
    let plan = Plan { repeats: 3, warm_ups: 1, launches: 10, ..Plan::new(false, shape.context) };
    let limits = Limits { rows: 8_192, batch: 128, context: 32_768, kv_tokens: 128 * 24_576 };
    let model = Model::new(&mut fake, &shape, weights, &limits).unwrap();
    let results = Bench { device: &mut fake, model: &model, build, plan: &plan }.run().unwrap();
    (fake, shape, results)
}

/// The fake's time is linear in operations and bytes, so its rates must come back: 147,456 bytes a KV token at 4 TB/s,
/// and four operations a pair, layer and query number at 500 TFLOP/s.
#[test]
fn the_fit_finds_the_roofline_again() {
    let (fake, shape, results) = probed(Weights::Half);
    assert!(
        (results.launches.single_us - 3.0).abs() < 1e-9 && (results.launches.graph_us - 1.0).abs() < 1e-9
    );
    assert!((results.copy.bytes_per_s / 4e12 - 1.0).abs() < 0.01, "{:?}", results.copy);
    let fit = fit::fitted(&fit::points(&results)).unwrap();
    let close =
        |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 0.05, "{found} {expected}");
    let pair = 4.0 * 36.0 * 4_096.0 / 500e12 * 1e6;
    close(fit.us_per.kv_token, 147_456.0 / 4e12 * 1e6 + pair);
    close(fit.us_per.attention_pair, pair);
    assert!(fit.held_out.unwrap().errors.mean < 0.02, "{:?}", fit.held_out);

    let about = fake.about().clone();
    let from = FittedFrom {
        command: "atr-bench probe".to_owned(),
        machine: Some("a test's".to_owned()),
        date: Some("2026-01-01".to_owned()),
    };
    let gpu = fit::stated(&about.name).unwrap();
    let profile = fit::profile("test-probed", gpu, &shape, (Weights::Half, "bf16"), &about, fit, from);
    let text = serde_json::to_string(&profile).unwrap();
    assert_eq!(Profile::from_json(&text).unwrap(), profile);
}

#[test]
fn what_has_no_room_is_left_out_and_said() {
    let (_, _, results) = probed(Weights::Half);
    // 128 sequences of 24,576 tokens are 464 GB of keys and values.
    assert!(
        results.left_out.iter().any(|point| point == "decoding 128 sequences of 24576"),
        "{:?}",
        results.left_out
    );
    assert!(!results.decodes.is_empty() && results.decodes.len() == results.decode_graphs.len());
}

#[test]
fn packed_weights_are_read_packed_by_few_rows_and_unpacked_for_many() {
    let shape = Shape { layers: 1, ..Shape::by_name("qwen3-4b").unwrap() };
    let build = build(Half::Bf16);
    let mut fake = Fake::new(build, ROOFLINE, false);
    let limits = Limits { rows: 64, batch: 64, context: 64, kv_tokens: 4_096 };
    let model = Model::new(&mut fake, &shape, Weights::Four, &limits).unwrap();
    let count = |ops: &[Op], is: fn(&Op) -> bool| ops.iter().filter(|op| is(op)).count();
    let few = model.decode(&mut fake, 8, 64).unwrap();
    assert_eq!(count(&few, |op| matches!(op, Op::Product4 { .. })), 4);
    let many = model.decode(&mut fake, 9, 64).unwrap();
    assert_eq!(count(&many, |op| matches!(op, Op::Unpack4 { .. })), 4);
    assert_eq!(count(&many, |op| matches!(op, Op::Product4 { .. })), 0);
}

/// The report holds what its published schema says, and says which origin and which weights its figures have.
#[test]
fn the_report_follows_its_schema() {
    let (fake, model, results) = probed(Weights::Half);
    let mut checked = Fake::new(build(Half::Bf16), ROOFLINE, true);
    let about = fake.about();
    let report = Report {
        schema: SCHEMA,
        origin: Origin::Measured,
        label: LABEL,
        provenance: Provenance {
            command: "atr-bench probe".to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            date: "2026-01-01".to_owned(),
        },
        gpu: GpuSeen::new(about, Some("clocks.sm 1980 MHz".to_owned()), None),
        peaks: Peaks::new(&about.name, &results),
        fit: fit::fitted(&fit::points(&results)).ok(),
        no_fit: None,
        model,
        dtype: "bf16".to_owned(),
        checks: check::kernels(&mut checked, build(Half::Bf16)).unwrap(),
        results,
    };
    let schema = include_str!("../../../reports/schema/probe.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let mut value = serde_json::to_value(&report).unwrap();
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path)).collect();
    assert!(errors.is_empty(), "{errors:?}");
    value["origin"] = "simulated".into();
    assert!(!validator.is_valid(&value));
    let text = report.readable();
    assert!(text.starts_with("measured (probe, random weights): Qwen3-4B in bf16 on NVIDIA H200"), "{text}");
    assert!(text.contains("no room for: decoding 128 sequences of 24576") && report.is_good(), "{text}");
}
