//! The clock of a device for tests.

use super::op::{Amount, Op};
use super::sizes::Build;

/// Costs that are linear in the work, so that a fit can find them again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Roofline {
    pub(crate) flops_per_s: f64,
    /// Of attention's products.
    pub(crate) attention_flops_per_s: f64,
    pub(crate) bytes_per_s: f64,
    pub(crate) launch_us: f64,
    pub(crate) graph_launch_us: f64,
    pub(crate) overlap: Overlap,
}

/// Where reading hides behind products, or products behind reading; elsewhere the times of both add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// Nowhere.
    Nowhere,
    /// In attention, whose kernels read keys and values while they multiply.
    Attention,
    /// In every kernel: the roofline in the strict sense.
    Everywhere,
}

impl Roofline {
    /// What work takes, each kernel launched within so many microseconds.
    pub(crate) fn us(&self, ops: &[Op], build: &Build, launch_us: f64) -> f64 {
        let Roofline { flops_per_s, attention_flops_per_s, bytes_per_s, overlap, .. } = *self;
        let each = ops.iter().map(|op| {
            let Amount { flops, bytes } = op.amount(build.dim, build.group);
            let attention = matches!(op, Op::Prefill { .. } | Op::Decode(_));
            let products = flops / if attention { attention_flops_per_s } else { flops_per_s };
            let reading = bytes / bytes_per_s;
            let hides = overlap == Overlap::Everywhere || overlap == Overlap::Attention && attention;
            // Attention in splits is two kernels: the splits, and what combines them.
            let combined =
                matches!(op, Op::Decode(_)) || matches!(op, Op::Prefill(prefill) if prefill.splits > 1);
            let launches = if combined { 2.0 } else { 1.0 };
            launches * launch_us + 1e6 * if hides { products.max(reading) } else { products + reading }
        });
        each.sum()
    }
}
