//! The numbers of one engine, model and GPU, and where they come from.

use super::coefficients::{Coefficients, Term, UsPer, whole};
use super::fit::{Errors, FittedTerm, HeldOut};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The schema name that every profile file carries.
pub const SCHEMA: &str = "atr-latency/1";

/// An accelerator's peaks: published, unless the profile's source says that they were measured.
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

/// More of a peak than this is no matter of rounding.
const BEYOND_PEAK: f64 = 1.05;

/// One direction of PCIe 5.0 with 16 lanes, as published.
pub(super) fn pcie_5() -> f64 {
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

/// Where a profile's coefficients come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileOrigin {
    /// Published peaks and stated shares of them.
    Estimated,
    /// By definition.
    Exact,
    /// Fitted to single steps, timed on the hardware.
    Probed,
    /// Fitted to calls that a real server answered.
    Calibrated,
    /// Fitted to calls of a simulation: says nothing of any hardware.
    Simulated,
}

impl ProfileOrigin {
    /// Name in files and on badges.
    pub fn name(self) -> &'static str {
        match self {
            ProfileOrigin::Estimated => "estimated",
            ProfileOrigin::Exact => "exact",
            ProfileOrigin::Probed => "probed",
            ProfileOrigin::Calibrated => "calibrated",
            ProfileOrigin::Simulated => "simulated",
        }
    }

    /// Whether it rests on times of real hardware.
    pub fn is_measured(self) -> bool {
        matches!(self, ProfileOrigin::Probed | ProfileOrigin::Calibrated)
    }
}

impl fmt::Display for ProfileOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Costs by shares of the accelerator's peaks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Share of the peak matrix rate that is reached.
    pub compute: f64,
    /// Share of the peak bandwidth that is reached.
    pub bandwidth: f64,
    /// Constant part of a step.
    pub step_overhead_us: f64,
    /// Part of a step that each decoding call adds.
    pub sequence_overhead_us: f64,
}

/// What fitted coefficients come to as shares of the accelerator's peaks; absent where a coefficient is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OfPeak {
    /// Of the matrix rate, in the products of prefill.
    pub prefill_compute: Option<f64>,
    /// Of the matrix rate, in the attention of prefill.
    pub attention_compute: Option<f64>,
    /// Of the bandwidth, in reading KV.
    pub kv_bandwidth: Option<f64>,
    /// Of the bandwidth, if the whole constant of a step were reading the weights: no less is reached.
    pub weights_bandwidth: Option<f64>,
}

/// What a fit was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FittedFrom {
    /// The command.
    pub command: String,
    /// The machine that was timed; absent for simulated times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// When it was timed; absent for simulated times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
}

/// Costs that were fitted to times, and how well they fit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fitted {
    /// The coefficients.
    pub us_per: UsPer,
    /// What they come to as shares of peak.
    pub of_peak: OfPeak,
    /// Each term with its uncertainty.
    pub terms: Vec<FittedTerm>,
    /// Times that it was fitted to.
    pub points: u64,
    /// Share of the times' variance that it explains.
    pub r2: Option<f64>,
    /// Relative errors on the times that it was fitted to.
    pub residuals: Errors,
    /// Relative errors on times that were kept from a fit to the rest.
    pub held_out: Option<HeldOut>,
    /// What it was made from.
    pub from: FittedFrom,
}

/// What work costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Costs {
    /// By shares of peak.
    Shares(Shares),
    /// As fitted.
    Fitted(Box<Fitted>),
}

/// The numbers of one engine, model and GPU, and where they come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Name on the command line.
    pub name: String,
    /// Name for readers.
    pub title: String,
    /// Where the coefficients come from.
    pub origin: ProfileOrigin,
    /// The same in a sentence.
    pub source: String,
    /// The accelerator.
    pub gpu: Gpu,
    /// The model.
    pub model: Model,
    /// What work costs.
    pub costs: Costs,
    /// Share of the memory that weights and KV may fill, where the KV capacity follows from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_share: Option<f64>,
    /// KV capacity of one replica.
    pub kv_tokens: u64,
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
    pub origin: ProfileOrigin,
    /// Whether only one call at a time makes sense.
    pub single: bool,
    /// Bytes of keys and values a token.
    pub kv_bytes_per_token: f64,
    /// Rate of a copy from the host's memory.
    pub host_gb_per_s: f64,
}

impl Compiled {
    /// Cost of work where a token comes from the host at so many gigabytes a second.
    pub fn with_host(&self, gb_per_s: f64) -> Coefficients {
        Coefficients { host_token: whole(self.kv_bytes_per_token / gb_per_s * 1e3), ..self.coefficients }
    }
}

impl Model {
    /// Operations for a prompt token, attention left out.
    fn token_flops(&self) -> f64 {
        2.0 * self.params
    }

    /// Operations for a pair of attention.
    fn pair_flops(&self) -> f64 {
        4.0 * f64::from(self.layers) * f64::from(self.q_dim)
    }
}

impl Profile {
    /// What a replica needs, in whole picoseconds.
    pub fn compile(&self) -> Compiled {
        let coefficients = match &self.costs {
            Costs::Shares(shares) => self.roofline(shares),
            Costs::Fitted(fitted) => fitted.us_per.coefficients(),
        };
        Compiled {
            coefficients,
            kv_tokens: self.kv_tokens,
            context_tokens: self.model.context_tokens,
            origin: self.origin,
            single: false,
            kv_bytes_per_token: self.model.kv_bytes_per_token,
            host_gb_per_s: self.gpu.host_gb_per_s,
        }
    }

    fn roofline(&self, shares: &Shares) -> Coefficients {
        let flops = self.gpu.flops_per_s * shares.compute;
        let bytes = self.gpu.bytes_per_s * shares.bandwidth;
        let model = &self.model;
        Coefficients {
            step: whole(model.weight_bytes / bytes * 1e12 + shares.step_overhead_us * 1e6),
            sequence: whole(shares.sequence_overhead_us * 1e6),
            kv_token: whole(model.kv_bytes_per_token / bytes * 1e12),
            prefill_token: whole(model.token_flops() / flops * 1e12),
            attention_pair: whole(model.pair_flops() / flops * 1e12),
            ..Coefficients::default()
        }
    }

    /// What coefficients come to as shares of this profile's peaks.
    pub fn of_peak(&self, us: &UsPer) -> OfPeak {
        let share = |work: f64, peak_per_s: f64, us: f64| (us > 0.0).then(|| work / peak_per_s / (us * 1e-6));
        let (flops, bytes) = (self.gpu.flops_per_s, self.gpu.bytes_per_s);
        OfPeak {
            prefill_compute: share(self.model.token_flops(), flops, us.prefill_token),
            attention_compute: share(self.model.pair_flops(), flops, us.attention_pair),
            kv_bandwidth: share(self.model.kv_bytes_per_token, bytes, us.kv_token),
            weights_bandwidth: share(self.model.weight_bytes, bytes, us.step),
        }
    }

    /// Terms that no accelerator of this kind can reach: those whose work takes more than a twentieth above the peak, even
    /// if the fit is two standard errors off. With their shares of it.
    pub fn beyond_peak(&self, fitted: &Fitted) -> Vec<(Term, f64)> {
        let OfPeak { prefill_compute, attention_compute, kv_bandwidth, weights_bandwidth } = fitted.of_peak;
        let shares = [weights_bandwidth, None, kv_bandwidth, prefill_compute, attention_compute, None];
        let us_per = fitted.us_per.values();
        let each = fitted.terms.iter().filter_map(|term| {
            let (share, us) = (shares[term.term as usize]?, us_per[term.term as usize]);
            let slower = us + 2.0 * term.standard_error_us.unwrap_or(0.0);
            (share * us / slower > BEYOND_PEAK).then_some((term.term, share))
        });
        each.collect()
    }

    /// KV capacity that follows from the share of memory, where one is stated:
    /// (memory × share − weights) / KV bytes a token, rounded down.
    pub fn kv_tokens_of_memory(&self) -> Option<u64> {
        let left = self.gpu.memory_gb * 1e9 * self.memory_share? - self.model.weight_bytes;
        Some((left / self.model.kv_bytes_per_token).max(0.0) as u64)
    }
}
