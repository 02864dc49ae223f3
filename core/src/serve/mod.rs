//! The serving simulator: an integer clock, a cluster of replicas with prefix caches, continuous batching with
//! chunked prefill, routing, and a latency model per step.

mod agenda;
mod arrivals;
pub mod cache;
mod engine;
pub mod evict;
mod foresight;
pub mod latency;
mod memory;
mod prefix;
mod regret;
mod replica;
pub mod route;
mod run;
mod running;
pub mod schedule;
mod sessions;
mod view;

pub use arrivals::{ArrivalPlan, Replay, constant, gamma, poisson, recorded, users};
pub use cache::{BlockCache, Ceiling};
pub use engine::{Engine, simulate};
pub use evict::{Lru, Use};
pub use prefix::{NodeId, PrefixTree, ROOT};
pub use regret::simulate_with_hindsight;
pub use run::{ClusterConfig, Parts};
