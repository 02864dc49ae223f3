//! The same length for every call.

use super::{Kind, Predictor};
use crate::choice::{About, Choice, Param};

pub(super) const ABOUT: About = About {
    name: "constant",
    about: "the same length for every call",
    params: &[Param { key: "tokens", about: "the length", default: 512.0, whole: true, range: (1.0, 1e9) }],
    presets: &[],
};

/// The same length for every call: what the others are to be better than.
#[derive(Clone, Copy, Debug)]
pub(super) struct Constant(u64);

impl Constant {
    pub(super) fn new(choice: &Choice) -> Self {
        Constant(choice.whole("tokens"))
    }
}

impl Predictor for Constant {
    fn predict(&self, _kind: &Kind) -> Option<u64> {
        Some(self.0)
    }

    fn observe(&mut self, _kind: &Kind, _output_tokens: u64) {}
}
