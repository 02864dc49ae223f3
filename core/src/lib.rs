//! Agent Trace Runtime, the science: traces of LLM agents, the serving policies that answer them,
//! and the simulator that compares those policies.
//!
//! The crate is pure. It does no IO, reads no clock, starts no thread and uses no global
//! randomness: time and seed are inputs. It builds for wasm32 and for native targets, and the same
//! inputs give bit-equal results on both.
//!
//! Modules are listed from the top down; each may use those below it, never one above.

pub mod advise;
pub mod choice;
pub mod context;
pub mod export;
pub mod figure;
pub mod import;
pub mod metrics;
pub mod policy;
pub mod predict;
pub mod rank;
pub mod report;
pub mod serve;
pub mod synth;
pub mod trace;
