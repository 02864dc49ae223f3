//! The serving simulator: an integer clock, a cluster of replicas with paged prefix caches,
//! continuous batching with chunked prefill, routing, and a latency model per step.

mod arrivals;
mod engine;
mod kv;
pub mod latency;
mod prefix;
mod replica;
pub mod route;
mod run;
pub mod schedule;
mod sessions;

pub use arrivals::{ArrivalPlan, Replay, poisson, recorded};
pub use engine::simulate;
pub use kv::{BlockCache, Ceiling};
pub use prefix::{NodeId, PrefixTree, ROOT};
pub use run::ClusterConfig;
