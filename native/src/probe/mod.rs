//! The probe: what a GPU takes over the steps of a decoder, measured without a server, weights or Python.
//!
//! [`check`] holds every kernel against a reference, [`step`] composes a step at a model's [`shape`], [`measure`] times it
//! and its pieces, and [`fit`] makes a latency profile of the times. It is a probe and not an engine: no tokenizer, no
//! scheduler, weights are random.

pub(crate) mod check;
pub(crate) mod clocks;
pub(crate) mod config;
pub(crate) mod fit;
pub(crate) mod measure;
pub(crate) mod peaks;
pub(crate) mod plan;
pub(crate) mod report;
pub(crate) mod room;
pub(crate) mod shape;
pub(crate) mod step;

#[cfg(test)]
mod tests;
