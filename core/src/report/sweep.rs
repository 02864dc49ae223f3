//! Load × policy × cache size: how time to first token, hit rate and job time move together.

use super::{Body, Kind, SetRef};
use crate::metrics::{PolicyMetrics, Spread};
use crate::policy::Resolved;
use crate::rank::rank;
use serde::{Deserialize, Serialize};

/// The grid of one sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The traces.
    pub set: SetRef,
    /// Which of its sessions.
    pub sample: String,
    /// The scenario of the first point, defaults filled in; arrivals and cache size vary.
    pub scenario: Resolved,
    /// Sessions at a time.
    pub concurrency: Vec<u32>,
    /// KV capacities of one replica.
    pub kv_tokens: Vec<u64>,
    /// Names of policies.
    pub policies: Vec<String>,
    /// One point for each policy, concurrency and capacity.
    pub points: Vec<SweepPoint>,
}

/// One policy under one load and cache size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// KV capacity of one replica.
    pub kv_tokens: u64,
    /// Sessions at a time.
    pub concurrency: u32,
    /// The policy.
    pub policy: String,
    /// Calls that all policies finished.
    pub calls: u64,
    /// Calls that this policy did not finish.
    pub failed: u64,
    /// Cached over prompt tokens.
    pub hit_rate: Option<f64>,
    /// The same with an infinite shared cache.
    pub ceiling_hit_rate: Option<f64>,
    /// Time to first token, from schedule.
    pub ttft_ms: Option<Spread>,
    /// From the first schedule of a session to its last end.
    pub job_ms: Option<Spread>,
    /// Share of the makespan that the replicas spent in steps.
    pub utilisation: Option<f64>,
}

impl Body for Sweep {
    const KIND: Kind = Kind::Sweep;
}

impl SweepPoint {
    /// From the metrics of one run.
    pub fn new(metrics: &PolicyMetrics, concurrency: u32, kv_tokens: u64) -> Self {
        SweepPoint {
            kv_tokens,
            concurrency,
            policy: metrics.name.clone(),
            calls: metrics.calls,
            failed: metrics.failed,
            hit_rate: metrics.hit_rate,
            ceiling_hit_rate: metrics.ceiling_hit_rate,
            ttft_ms: metrics.ttft_ms,
            job_ms: metrics.job_ms,
            utilisation: metrics.utilisation,
        }
    }
}

impl Sweep {
    /// The points of one policy at one capacity, by rising concurrency.
    pub fn line(&self, policy: &str, kv_tokens: u64) -> Vec<&SweepPoint> {
        let of = |point: &&SweepPoint| point.policy == policy && point.kv_tokens == kv_tokens;
        let line: Vec<&SweepPoint> = self.points.iter().filter(of).collect();
        let order = rank(line.iter().map(|point| point.concurrency.into()));
        order.into_iter().map(|place| line[place]).collect()
    }
}
