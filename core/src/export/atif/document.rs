//! The documents of the format, field by field.

use crate::trace::{Mark, MessageKind, MessageRole};
use serde::Serialize;

/// The version whose rules the documents keep.
pub(super) const SCHEMA: &str = "ATIF-v1.4";

#[derive(Serialize)]
pub(super) struct Trajectory<'a> {
    pub(super) schema_version: &'static str,
    pub(super) session_id: String,
    pub(super) agent: Agent<'a>,
    pub(super) steps: Vec<Step<'a>>,
    pub(super) final_metrics: FinalMetrics,
    pub(super) extra: RootExtra<'a>,
}

#[derive(Serialize)]
pub(super) struct Agent<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model_name: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct FinalMetrics {
    pub(super) total_prompt_tokens: u64,
    pub(super) total_completion_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total_cost_usd: Option<f64>,
    pub(super) total_steps: usize,
}

/// What the session says beside its steps.
#[derive(Serialize)]
pub(super) struct RootExtra<'a> {
    pub(super) source: &'a str,
    pub(super) counts_from: &'a str,
    /// Which agent of the session it is; absent for the main agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent: Option<u32>,
    #[serde(skip_serializing_if = "<[Mark]>::is_empty")]
    pub(super) marks: &'a [Mark],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Ended<'a>>,
}

#[derive(Serialize)]
pub(super) struct Ended<'a> {
    pub(super) exit: &'a str,
    pub(super) submitted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolved: Option<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Speaker {
    System,
    User,
    Agent,
}

#[derive(Serialize)]
pub(super) struct Step<'a> {
    pub(super) step_id: usize,
    pub(super) source: Speaker,
    pub(super) message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) observation: Option<Observation<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metrics: Option<Metrics>,
    pub(super) extra: StepExtra,
}

#[derive(Serialize)]
pub(super) struct ToolCall<'a> {
    pub(super) tool_call_id: String,
    pub(super) function_name: &'a str,
    /// Always empty: arguments are content.
    pub(super) arguments: NoArguments,
}

#[derive(Serialize)]
pub(super) struct NoArguments {}

#[derive(Default, Serialize)]
pub(super) struct Observation<'a> {
    pub(super) results: Vec<Answer<'a>>,
}

#[derive(Default, Serialize)]
pub(super) struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source_call_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) subagent_trajectory_ref: Vec<Reference>,
}

#[derive(Serialize)]
pub(super) struct Reference {
    pub(super) session_id: String,
}

#[derive(Serialize)]
pub(super) struct Metrics {
    pub(super) prompt_tokens: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) completion_tokens: Option<u32>,
    /// Part of `prompt_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cached_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "MetricsExtra::is_empty")]
    pub(super) extra: MetricsExtra,
}

#[derive(Default, PartialEq, Serialize)]
pub(super) struct MetricsExtra {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_write_tokens: Option<u64>,
    /// As the source wrote it, where it differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recorded_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttft_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) e2e_us: Option<u64>,
}

impl MetricsExtra {
    fn is_empty(&self) -> bool {
        *self == MetricsExtra::default()
    }
}

/// Sizes and times of a step.
#[derive(Default, Serialize)]
pub(super) struct StepExtra {
    /// What a message is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<MessageKind>,
    /// Tokens of a message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tokens: Option<u32>,
    /// Since the session's start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at_us: Option<u64>,
    /// Since the end of the call before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delay_us: Option<u64>,
    /// Whether a time or the output's size is an estimate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) estimated: bool,
    /// Tokens of the observation's results.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) result_tokens: Vec<u32>,
    /// In whose role the results were sent, where any was not a tool's.
    #[serde(skip_serializing_if = "only_tools")]
    pub(super) result_roles: Vec<MessageRole>,
    /// How long each tool ran, where any is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_us: Vec<Option<u64>>,
    /// Whether each tool succeeded, where any is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_ok: Vec<Option<bool>>,
}

fn only_tools(roles: &[MessageRole]) -> bool {
    roles.iter().all(|role| *role == MessageRole::Tool)
}
