//! Profiles of GPUs whose peaks nobody states.

use super::*;
use crate::gpu::device::About;
use crate::probe::peaks;
use atr_core::serve::latency::{OfPeak, ProfileOrigin};

/// Coefficients are times and need no peak: only shares change, by as much as the peaks do.
#[test]
fn a_gpu_without_stated_peaks_gets_a_profile_with_measured_ones() {
    let (fake, shape, report) = made(Weights::Half, Overlap::Attention);
    let named = |name: &str| About { name: name.to_owned(), capability: (8, 6), ..fake.about().clone() };
    let (about, body) = (named("NVIDIA Unheard Of"), report.body);
    assert_eq!(fit::stated(&about.name), None);
    let measured = peaks::measured(&about, &body.results);
    assert_eq!(measured.gpu.flops_per_s, body.peaks.measured_flops_per_s);
    close(measured.gpu.bytes_per_s, 4e12, 0.01);
    assert_eq!(measured.gpu.host_gb_per_s, 32.0);
    let flops = measured.gpu.flops_per_s;
    let fit = body.fit.unwrap();
    let profile = |peaks| {
        let from = FittedFrom {
            machine: Some("m".to_owned()),
            date: Some("2026-01-01".to_owned()),
            ..FittedFrom::default()
        };
        let from = FittedFrom { command: "atr-bench probe".to_owned(), ..from };
        fit::profile("test-probed", peaks, &shape, (Weights::Half, "bf16"), &about, fit.clone(), from)
    };
    let (known, unknown) = (profile(fit::stated("NVIDIA H200").unwrap()), profile(measured));
    assert_eq!(known.compile().coefficients, unknown.compile().coefficients);
    assert_eq!(known.kv_tokens, unknown.kv_tokens);
    let shares = |profile: &Profile| match &profile.costs {
        Costs::Fitted(fitted) => fitted.of_peak,
        Costs::Shares(_) => OfPeak::default(),
    };
    let ratio = shares(&unknown).prefill_compute.unwrap() / shares(&known).prefill_compute.unwrap();
    close(ratio, 990e12 / flops, 1e-6);
    assert!(known.source.contains("peaks as stated by NVIDIA"), "{}", known.source);
    assert!(unknown.source.contains("peaks not stated but measured by this probe"), "{}", unknown.source);
    let read = Profile::from_json(&serde_json::to_string(&unknown).unwrap()).unwrap();
    assert_eq!((read.origin, read.gpu.name.as_str()), (ProfileOrigin::Probed, "NVIDIA Unheard Of"));
}
