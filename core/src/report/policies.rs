//! All policies on one set under one scenario.

use super::{Body, Kind, SetRef};
use crate::metrics::{PolicyMetrics, compare};
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
    pub policies: Vec<PolicyMetrics>,
}

impl Body for Policies {
    const KIND: Kind = Kind::Policies;
}

impl Policies {
    /// From what the simulator gave.
    pub fn new(set: SetRef, scenario: Resolved, runs: &[PolicyRun]) -> Self {
        Policies { set, scenario, policies: compare(runs) }
    }
}
