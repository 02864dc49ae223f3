//! A probe that nobody measured: rates at the round peaks of a GPU that does not exist, for tests alone.

use atr_core::report::{
    Checked, Launches, Measured, Origin, Peaks, Probe, Probed, ProbedGpu, ProbedModel, Provenance, Report,
    Times,
};

/// Peaks: 100 TFLOP/s and 1 TB/s, so that the ridge is at 100 operations a byte.
const PEAKS: Peaks = Peaks {
    stated_flops_per_s: Some(2e14),
    stated_bytes_per_s: Some(2e12),
    measured_flops_per_s: 1e14,
    measured_bytes_per_s: 1e12,
};

/// Work of so many operations a byte, right on the measured roof.
fn on_the_roof(what: &str, intensity: f64) -> Measured {
    let (flops, bytes) = (intensity * 1e9, 1e9);
    let us = 1e6 * (flops / PEAKS.measured_flops_per_s).max(bytes / PEAKS.measured_bytes_per_s);
    Measured::new(what, [1, 0], Times::of(vec![us]), flops, bytes)
}

fn gpu() -> ProbedGpu {
    ProbedGpu {
        name: "Made Up".to_owned(),
        compute_capability: "9.0".to_owned(),
        memory_bytes: 1 << 30,
        multiprocessors: 1,
        l2_bytes: 1,
        driver_cuda: "13.0".to_owned(),
        before: None,
        after: None,
        under_load: None,
    }
}

fn model() -> ProbedModel {
    ProbedModel {
        name: "Tiny".to_owned(),
        layers: 1,
        hidden: 128,
        heads: 2,
        kv_heads: 1,
        dim: 64,
        inter: 128,
        vocabulary: 10,
        head_norms: false,
        tied: false,
        rope_base: 1e4,
        context: 64,
    }
}

pub(crate) fn probe() -> Report<Probe> {
    let one = |what: &str, intensity: f64| vec![on_the_roof(what, intensity)];
    let results = Probed {
        copy: on_the_roof("copy", 0.0),
        launches: Launches { single_us: 3.0, graph_us: 1.0 },
        products: [1.0, 10.0, 100.0, 1e3].map(|intensity| on_the_roof("qkv", intensity)).to_vec(),
        pieces: Vec::new(),
        prefill_attention: one("prefill attention", 400.0),
        decode_attention: one("decode attention", 4.0),
        prefills: one("prefill", 200.0),
        prefill_graphs: one("prefill in a graph", 200.0),
        decodes: one("decode", 2.0),
        decode_graphs: one("decode in a graph", 2.0),
        mixed: Vec::new(),
        left_out: Vec::new(),
        no_room: Vec::new(),
    };
    let good = Checked { what: "norm".to_owned(), error: Some(1e-3), limit: 1e-2, good: true };
    let body = Probe {
        label: "probe, random weights".to_owned(),
        gpu: gpu(),
        model: model(),
        dtype: "bf16".to_owned(),
        checks: vec![good],
        peaks: PEAKS,
        results,
        fit: None,
        no_fit: Some("made up".to_owned()),
        fit_by_kind: Vec::new(),
        notes: vec!["made up".to_owned()],
    };
    let provenance = Provenance {
        command: "atr-bench probe".to_owned(),
        version: "0".to_owned(),
        inputs: Vec::new(),
        machine: Some("made up".to_owned()),
        created: Some("2026-01-01".to_owned()),
    };
    Report::new(Origin::Measured, "made up".to_owned(), provenance, body)
}
