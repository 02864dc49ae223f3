//! Peaks of GPUs: as NVIDIA states them for the names that drivers say, or as a probe measured them.

use crate::gpu::device::About;
use atr_core::report::Probed;
use atr_core::serve::latency::{Gpu, profiles};

/// An accelerator's peaks, and where they come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Accelerator {
    pub(crate) gpu: Gpu,
    /// In words, for a profile's source.
    pub(crate) source: String,
}

/// A GPU by the name that its driver says: TFLOP/s of dense products in bf16 or fp16 with sums in fp32, GB/s of its memory,
/// GB/s of one direction of its link to the host, and what states the two former.
struct Stated(&'static str, f64, f64, f64, &'static str);

/// One direction of PCIe 4.0 and 5.0 with 16 lanes.
const PCIE_4: f64 = 32.0;
const PCIE_5: f64 = 64.0;

const H100: &str = "the data sheet of the H100";
const A100: &str = "the data sheet of the A100";

/// Where a data sheet has only the rate with sparsity (H100, L4, B200), this is half of it. GeForce cards sum in fp32 at half
/// the rate of sums in fp16, which their white papers list apart. Clocks above those that such rates count with make shares above 1. The GPUs of profiles that come along are not repeated.
const STATED: &[Stated] = &[
    Stated("NVIDIA H100 80GB HBM3", 989.4, 3_350.0, PCIE_5, H100),
    Stated("NVIDIA H100 PCIe", 756.0, 2_000.0, PCIE_5, H100),
    Stated("NVIDIA H100 NVL", 835.0, 3_900.0, PCIE_5, H100),
    Stated("NVIDIA B200", 2_250.0, 8_000.0, PCIE_5, "the data sheet of the DGX B200"),
    Stated("NVIDIA A100-SXM4-40GB", 312.0, 1_555.0, PCIE_4, A100),
    Stated("NVIDIA A100-SXM4-80GB", 312.0, 2_039.0, PCIE_4, A100),
    Stated("NVIDIA A100-PCIE-40GB", 312.0, 1_555.0, PCIE_4, A100),
    Stated("NVIDIA A100 80GB PCIe", 312.0, 1_935.0, PCIE_4, A100),
    Stated("NVIDIA A40", 149.7, 696.0, PCIE_4, "the data sheet of the A40"),
    Stated("NVIDIA A10", 125.0, 600.0, PCIE_4, "the data sheet of the A10"),
    Stated("NVIDIA L40S", 362.05, 864.0, PCIE_4, "the data sheet of the L40S"),
    Stated("NVIDIA L40", 181.05, 864.0, PCIE_4, "the data sheet of the L40"),
    Stated("NVIDIA L4", 121.0, 300.0, PCIE_4, "the data sheet of the L4"),
    Stated("NVIDIA GeForce RTX 4090", 165.2, 1_008.0, PCIE_4, "the white paper on the Ada architecture"),
    Stated(
        "NVIDIA GeForce RTX 5090",
        209.5,
        1_792.0,
        PCIE_5,
        "the white paper on the RTX Blackwell architecture",
    ),
];

/// A name as drivers of any age say it, without what only some of them say.
fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace("nvidia", "").replace("geforce", "").replace(' ', "")
}

/// The peaks that are stated for a GPU of exactly this name; memory is that of a profile, or 0 where none has it. Parts of a
/// GPU and cards for laptops have names of their own, so nothing is taken for stated that is not.
pub(crate) fn stated(name: &str) -> Option<Accelerator> {
    let along = profiles().into_iter().map(|profile| profile.gpu).find(|gpu| plain(&gpu.name) == plain(name));
    let along = along.map(|gpu| Accelerator {
        gpu,
        source: "peaks as stated by NVIDIA, as in the profiles that come along".to_owned(),
    });
    along.or_else(|| {
        let &Stated(name, tflops, gb_per_s, host_gb_per_s, by) =
            STATED.iter().find(|stated| plain(stated.0) == plain(name))?;
        Some(Accelerator {
            gpu: Gpu {
                name: name.to_owned(),
                flops_per_s: tflops * 1e12,
                bytes_per_s: gb_per_s * 1e9,
                memory_gb: 0.0,
                host_gb_per_s,
            },
            source: format!("peaks as stated by NVIDIA in {by}"),
        })
    })
}

/// The peaks that a probe measured, for a GPU of which none are stated.
pub(crate) fn measured(about: &About, results: &Probed) -> Accelerator {
    let (version, host_gb_per_s) = if about.capability >= (9, 0) { (5, PCIE_5) } else { (4, PCIE_4) };
    Accelerator {
        gpu: Gpu {
            name: about.name.clone(),
            flops_per_s: fastest(results),
            bytes_per_s: results.copy.bytes_per_s,
            memory_gb: 0.0,
            host_gb_per_s,
        },
        source: format!(
            "peaks not stated but measured by this probe, its fastest product and its copy, since none are known here for a \
             GPU of this name: shares are shares of those; the link to the host is assumed to be PCIe {version}.0 with 16 lanes"
        ),
    }
}

/// Rate of the fastest product of a layer.
pub(super) fn fastest(results: &Probed) -> f64 {
    results.products.iter().map(|product| product.flops_per_s).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiprocessors, dense operations a clock of each (bf16, sums in fp32), GHz that the stated rate counts with; bits of
    /// the memory's bus and Gbit/s a pin: published apart from the rates, whose products they must come to.
    #[test]
    fn stated_peaks_are_what_the_hardware_comes_to() {
        let hardware = [
            ("NVIDIA H100 80GB HBM3", [132.0, 4_096.0, 1.83], [5_120.0, 5.23]),
            ("NVIDIA A100-SXM4-40GB", [108.0, 2_048.0, 1.41], [5_120.0, 2.43]),
            ("NVIDIA A100-SXM4-80GB", [108.0, 2_048.0, 1.41], [5_120.0, 3.186]),
            ("NVIDIA A40", [84.0, 1_024.0, 1.74], [384.0, 14.5]),
            ("NVIDIA A10", [72.0, 1_024.0, 1.695], [384.0, 12.5]),
            ("NVIDIA L40S", [142.0, 1_024.0, 2.49], [384.0, 18.0]),
            ("NVIDIA L40", [142.0, 512.0, 2.49], [384.0, 18.0]),
            ("NVIDIA L4", [58.0, 1_024.0, 2.04], [192.0, 12.5]),
            ("NVIDIA GeForce RTX 3090", [82.0, 512.0, 1.695], [384.0, 19.5]),
            ("NVIDIA GeForce RTX 4090", [128.0, 512.0, 2.52], [384.0, 21.0]),
            ("NVIDIA GeForce RTX 5090", [170.0, 512.0, 2.407], [512.0, 28.0]),
        ];
        for (name, [multiprocessors, operations, ghz], [bits, gbit_per_s]) in hardware {
            let gpu = stated(name).unwrap().gpu;
            let rate = gpu.flops_per_s / (multiprocessors * operations * ghz * 1e9);
            let bandwidth = gpu.bytes_per_s / (bits * gbit_per_s / 8.0 * 1e9);
            assert!((rate - 1.0).abs() < 0.005, "{name}: {rate}");
            assert!((bandwidth - 1.0).abs() < 0.005, "{name}: {bandwidth}");
        }
        // Rates with 2:4 sparsity are twice the dense ones.
        let sparse =
            [("H100 80GB HBM3", 1_979.0), ("H100 PCIe", 1_513.0), ("H100 NVL", 1_671.0), ("B200", 4_500.0)];
        for (name, tflops) in sparse {
            let rate = stated(name).unwrap().gpu.flops_per_s / (tflops / 2.0 * 1e12);
            assert!((rate - 1.0).abs() < 0.001, "{name}: {rate}");
        }
    }

    #[test]
    fn only_whole_names_are_known_and_each_once() {
        let peaks = |name: &str| stated(name).map(|stated| (stated.gpu.flops_per_s, stated.gpu.bytes_per_s));
        assert_eq!(peaks("NVIDIA H200"), Some((990e12, 4.8e12)));
        // As drivers before 2021 said it.
        assert_eq!(peaks("A100-SXM4-40GB"), Some((312e12, 1.555e12)));
        let others =
            ["NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA H100 80GB HBM3 MIG 1g.10gb", "NVIDIA L4S", ""];
        assert!(others.iter().all(|name| peaks(name).is_none()));
        let names: std::collections::BTreeSet<String> = STATED.iter().map(|stated| plain(stated.0)).collect();
        assert_eq!(names.len(), STATED.len());
        for Stated(name, ..) in STATED {
            assert!(profiles().iter().all(|profile| plain(&profile.gpu.name) != plain(name)), "{name}");
            assert_eq!(&stated(name).unwrap().gpu.name, name);
        }
    }
}
