//! From sessions and a scenario to one outcome per policy.

use super::{Scenario, ScenarioError};
use crate::metrics::{PolicyMetrics, common_calls, summarise};
use crate::trace::{Outcome, Session, Workload};
use serde::{Deserialize, Serialize};

/// What the scenario's defaults came to for this trace. Part of every result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resolved {
    /// The scenario with every default filled in.
    #[serde(flatten)]
    pub scenario: Scenario,
    /// Where the profile's figures come from: `estimated`, `exact`, `probed` or `calibrated`.
    pub profile_origin: String,
    /// Longest prompt and output together that the model takes.
    pub context_tokens: u64,
    /// Sessions simulated.
    pub sessions: u64,
    /// Calls simulated.
    pub calls: u64,
}

/// One policy's run.
#[derive(Clone, Debug)]
pub struct PolicyRun {
    /// The policy.
    pub name: String,
    /// What was asked, after its context strategy.
    pub workload: Workload,
    /// What happened.
    pub outcome: Outcome,
    /// What is said about it, over the calls that all policies of the scenario admitted.
    pub metrics: PolicyMetrics,
}

/// Simulates every policy of the scenario over the sessions.
///
/// # Errors
/// When the scenario names something unknown or impossible.
pub fn simulate(
    sessions: &[Session],
    scenario: &Scenario,
) -> Result<(Resolved, Vec<PolicyRun>), ScenarioError> {
    let _ = (
        sessions,
        scenario,
        common_calls as fn(&[(&Workload, &Outcome)]) -> Vec<bool>,
        summarise as fn(&str, &Workload, &Outcome, &[bool]) -> PolicyMetrics,
    );
    Err(ScenarioError::NoSessions)
}
