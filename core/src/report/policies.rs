//! All policies on one set under one scenario.

use super::{Body, Kind, SetRef, busy_share};
use crate::metrics::PolicyMetrics;
use crate::policy::{PolicyRun, Resolved};
use serde::{Deserialize, Serialize};

/// The comparison of policies on one set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policies {
    /// The traces.
    pub set: SetRef,
    /// The scenario, defaults filled in.
    pub scenario: Resolved,
    /// One row a policy, in the scenario's order.
    pub policies: Vec<PolicyRow>,
}

/// What one policy did, and how busy the cluster was under it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyRow {
    /// The metrics.
    #[serde(flatten)]
    pub metrics: PolicyMetrics,
    /// Share of the makespan during which a replica had work, mean over replicas.
    pub busy_share: Option<f64>,
}

impl Body for Policies {
    const KIND: Kind = Kind::Policies;
}

impl Policies {
    /// From what the simulator gave.
    pub fn new(set: SetRef, scenario: Resolved, runs: &[PolicyRun]) -> Self {
        let replicas = scenario.scenario.replicas;
        let policies = runs
            .iter()
            .map(|run| PolicyRow {
                metrics: run.metrics.clone(),
                busy_share: busy_share(&run.outcome, replicas),
            })
            .collect();
        Policies { set, scenario, policies }
    }
}
