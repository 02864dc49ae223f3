//! Output-length predictors: from metadata only, never from text.

mod per_key;

pub use per_key::PerKeyQuantile;

/// Learns lengths as calls end, and predicts them as calls arrive.
pub trait Predictor {
    /// Expected output of a call of this kind; `None` before anything is known.
    fn predict(&self, key: u32) -> Option<u64>;
    /// A call of this kind ended with so many tokens.
    fn observe(&mut self, key: u32, output_tokens: u64);
}
