//! What a probe says: everything it measured, and under which circumstances.

use super::check::Checked;
use super::fit::stated;
use super::measure::{Measured, Results};
use super::shape::Shape;
use crate::gpu::device::About;
use crate::table::Table;
use atr_core::figure::units;
use atr_core::report::Origin;
use atr_core::serve::latency::fit::Fit;
use serde::Serialize;

/// The schema name that every report of a probe carries.
pub(crate) const SCHEMA: &str = "atr-probe/1";
/// Said wherever figures of a probe show.
pub(crate) const LABEL: &str = "probe, random weights";

/// A whole probe.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: &'static str,
    pub(crate) origin: Origin,
    pub(crate) label: &'static str,
    pub(crate) provenance: Provenance,
    pub(crate) gpu: GpuSeen,
    pub(crate) model: Shape,
    pub(crate) dtype: String,
    pub(crate) checks: Vec<Checked>,
    pub(crate) peaks: Peaks,
    pub(crate) results: Results,
    /// Absent where the points cannot tell the terms apart.
    pub(crate) fit: Option<Fit>,
    /// Why there is no fit.
    pub(crate) no_fit: Option<String>,
}

/// How it was made.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Provenance {
    pub(crate) command: String,
    pub(crate) version: &'static str,
    pub(crate) date: String,
}

/// The GPU, as it was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct GpuSeen {
    pub(crate) name: String,
    pub(crate) compute_capability: String,
    pub(crate) memory_bytes: u64,
    pub(crate) multiprocessors: u32,
    pub(crate) l2_bytes: u64,
    pub(crate) driver_cuda: String,
    /// What `nvidia-smi` says before and after: driver, clocks of multiprocessors and memory in MHz, watts, degrees.
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

/// Rates to hold the others against.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Peaks {
    /// As the maker states them, where they are known.
    pub(crate) stated_flops_per_s: Option<f64>,
    pub(crate) stated_bytes_per_s: Option<f64>,
    /// The fastest product that was timed.
    pub(crate) measured_flops_per_s: f64,
    /// The copy, bytes read and bytes written.
    pub(crate) measured_bytes_per_s: f64,
}

impl GpuSeen {
    pub(crate) fn new(about: &About, before: Option<String>, after: Option<String>) -> Self {
        let About { name, capability: (major, minor), memory_bytes, multiprocessors, l2_bytes, driver_cuda } =
            about.clone();
        let compute_capability = format!("{major}.{minor}");
        GpuSeen {
            name,
            compute_capability,
            memory_bytes,
            multiprocessors,
            l2_bytes,
            driver_cuda,
            before,
            after,
        }
    }
}

impl Peaks {
    pub(crate) fn new(gpu: &str, results: &Results) -> Peaks {
        let stated = stated(gpu);
        let fastest = results.products.iter().map(|product| product.flops_per_s).fold(0.0, f64::max);
        Peaks {
            stated_flops_per_s: stated.as_ref().map(|gpu| gpu.flops_per_s),
            stated_bytes_per_s: stated.as_ref().map(|gpu| gpu.bytes_per_s),
            measured_flops_per_s: fastest,
            measured_bytes_per_s: results.copy.bytes_per_s,
        }
    }
}

impl Report {
    /// Whether every kernel computed what it should.
    pub(crate) fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.good)
    }

    /// The same in words.
    pub(crate) fn readable(&self) -> String {
        let GpuSeen { name, before, after, .. } = &self.gpu;
        let seen = |said: &Option<String>| said.clone().unwrap_or_else(|| "not known".to_owned());
        let mut text = format!(
            "measured ({LABEL}): {} in {} on {name}\nbefore: {}\nafter: {}\n\n",
            self.model.name,
            self.dtype,
            seen(before),
            seen(after)
        );
        for check in &self.checks {
            let error = check.error.map_or("no number".to_owned(), |error| format!("{error:.1e}"));
            let verdict = if check.good { "good" } else { "WRONG" };
            text.push_str(&format!("{verdict}: {}, error {error}, limit {:.0e}\n", check.what, check.limit));
        }
        let Results { launches, left_out, .. } = &self.results;
        text.push_str(&format!(
            "\na launch: {:.2} µs alone, {:.2} µs in a graph\n\n{}",
            launches.single_us,
            launches.graph_us,
            self.table()
        ));
        if !left_out.is_empty() {
            text.push_str(&format!("\nno room for: {}\n", left_out.join(", ")));
        }
        if let Some(why) = &self.no_fit {
            text.push_str(&format!("\nno fit: {why}\n"));
        }
        text
    }

    fn table(&self) -> String {
        let mut table = Table::new(&[
            "what",
            "size",
            "by",
            "median µs",
            "p10–p90 µs",
            "TFLOP/s",
            "GB/s",
            "of measured peak",
            "of stated peak",
        ]);
        let Results {
            copy,
            products,
            prefill_attention,
            decode_attention,
            prefills,
            decodes,
            decode_graphs,
            ..
        } = &self.results;
        let lists = [products, prefill_attention, decode_attention, prefills, decodes, decode_graphs];
        for measured in std::iter::once(copy).chain(lists.into_iter().flatten()) {
            let Measured { what, sizes, times, flops_per_s, bytes_per_s, .. } = measured;
            let Peaks { stated_flops_per_s, stated_bytes_per_s, .. } = self.peaks;
            let of = |flops: Option<f64>, bytes: Option<f64>| {
                let shares = [flops.map(|peak| flops_per_s / peak), bytes.map(|peak| bytes_per_s / peak)];
                // What is nearer to its peak is what holds the work up.
                shares
                    .into_iter()
                    .flatten()
                    .fold(None, |most: Option<f64>, share| Some(most.map_or(share, |most| most.max(share))))
            };
            let measured_peak =
                of(Some(self.peaks.measured_flops_per_s), Some(self.peaks.measured_bytes_per_s));
            let stated_peak = of(stated_flops_per_s, stated_bytes_per_s);
            table.row(vec![
                what.clone(),
                units::grouped(sizes[0]),
                units::grouped(sizes[1]),
                format!("{:.1}", times.median_us),
                format!("{:.1}–{:.1}", times.p10_us, times.p90_us),
                format!("{:.1}", flops_per_s / 1e12),
                format!("{:.0}", bytes_per_s / 1e9),
                units::percent(measured_peak),
                units::percent(stated_peak),
            ]);
        }
        table.render()
    }
}
