//! The documents of the format as they are read: leniently, field by field.
//!
//! Every `extra` may hold anything: known keys are taken from it, the others are no unknown keys.

use crate::import::flag::Flag;
use crate::import::held::Held;
use crate::import::json::{Num, Text, Verbatim};
use crate::import::list::List;
use crate::import::when::When;

record! {
    /// One agent's run.
    Trajectory<'a> {
        "schema_version" => schema: Text<'a>,
        "session_id" => session: Text<'a>,
        "trajectory_id" => id: Text<'a>,
        "agent" => agent: Agent<'a>,
        "steps" => steps: List<Step<'a>>,
        "final_metrics" => totals: FinalMetrics<'a>,
        "subagent_trajectories" => subagents: List<Trajectory<'a>>,
        "extra" => extra: RootExtra<'a>,
    } ignoring ["notes", "continued_trajectory_ref"]
}

record! {
    Agent<'a> {
        "name" => name: Text<'a>,
        "model_name" => model: Text<'a>,
        "tool_definitions" => tools: Verbatim<'a>,
        "extra" => extra: AgentExtra<'a>,
    } ignoring ["version"]
}

record! {
    AgentExtra<'a> {
        "parent_session_id" => parent: Text<'a>,
        "summarization_index" => summarization: Num,
    } ignoring []
}

record! {
    FinalMetrics<'a> {
        "total_prompt_tokens" => prompt: Num,
        "total_completion_tokens" => output: Num,
        "total_cost_usd" => cost: Num,
    } ignoring ["total_cached_tokens", "total_steps", "extra"]
}

record! {
    /// What documents that this project wrote say of the whole session.
    RootExtra<'a> {
        "source" => source: Text<'a>,
        "counts_from" => counts_from: Text<'a>,
        "agent" => agent: Num,
        "marks" => marks: List<Text<'a>>,
        "outcome" => outcome: Outcome<'a>,
    } ignoring []
}

record! {
    Outcome<'a> {
        "exit" => exit: Text<'a>,
        "submitted" => submitted: Flag,
        "resolved" => resolved: Flag,
    } ignoring []
}

record! {
    Step<'a> {
        "step_id" => number: Num,
        "timestamp" => stamp: When,
        "source" => source: Text<'a>,
        "message" => message: Content<'a>,
        "model_name" => model: Text<'a>,
        "tool_calls" => tool_calls: List<ToolCall<'a>>,
        "observation" => observation: Observation<'a>,
        "metrics" => metrics: Metrics<'a>,
        "is_copied_context" => copied: Flag,
        "llm_call_count" => calls: Num,
        "extra" => extra: StepExtra<'a>,
    } ignoring ["reasoning_effort", "reasoning_content"]
}

/// A text, or a list of parts.
pub(super) type Content<'a> = Held<'a, Part<'a>>;

record! {
    /// A text, or what names or holds an image or a sound.
    Part<'a> {
        "text" => text: Text<'a>,
        "source" => source: Medium<'a>,
    } ignoring ["type"]
}

record! {
    Medium<'a> { "path" => path: Text<'a>, "data" => data: Text<'a> } ignoring ["media_type", "type"]
}

record! {
    ToolCall<'a> {
        "tool_call_id" => id: Text<'a>,
        "function_name" => name: Text<'a>,
        "arguments" => arguments: Verbatim<'a>,
    } ignoring ["extra"]
}

record! {
    Observation<'a> { "results" => results: List<Answer<'a>> } ignoring []
}

record! {
    Answer<'a> {
        "source_call_id" => call: Text<'a>,
        "content" => content: Content<'a>,
        "subagent_trajectory_ref" => subagents: Held<'a, Reference<'a>>,
        "extra" => extra: AnswerExtra<'a>,
    } ignoring []
}

record! {
    Reference<'a> {
        "trajectory_id" => id: Text<'a>,
        "session_id" => session: Text<'a>,
    } ignoring ["trajectory_path", "extra"]
}

record! {
    /// How tools say that they failed.
    AnswerExtra<'a> {
        "is_error" => is_error: Flag,
        "exit_code" => exit_code: Num,
        "returncode" => returncode: Num,
    } ignoring []
}

record! {
    Metrics<'a> {
        "prompt_tokens" => prompt: Num,
        "completion_tokens" => output: Num,
        "cached_tokens" => cached: Num,
        "cost_usd" => cost: Num,
        "extra" => extra: MetricsExtra<'a>,
    } ignoring ["prompt_token_ids", "completion_token_ids", "logprobs"]
}

record! {
    /// The names that converters of several agents use, and those of documents that this project wrote.
    MetricsExtra<'a> {
        "reasoning_tokens" => reasoning: Num,
        "reasoning_output_tokens" => reasoning_output: Num,
        "thoughts_tokens" => thoughts: Num,
        "completion_tokens_details" => details: Details<'a>,
        "cache_write_tokens" => cache_write: Num,
        "cache_creation_input_tokens" => cache_creation: Num,
        "recorded_output_tokens" => written_output: Num,
        "ttft_us" => ttft_us: Num,
        "e2e_us" => e2e_us: Num,
    } ignoring []
}

record! {
    Details<'a> { "reasoning_tokens" => reasoning: Num } ignoring []
}

record! {
    /// What documents that this project wrote say of a step, and what others say of the context.
    StepExtra<'a> {
        "kind" => kind: Text<'a>,
        "tokens" => tokens: Num,
        "at_us" => at_us: Num,
        "delay_us" => delay_us: Num,
        "estimated" => estimated: Flag,
        "result_tokens" => result_tokens: List<Num>,
        "result_roles" => result_roles: List<Text<'a>>,
        "tool_us" => tool_us: List<Num>,
        "tool_ok" => tool_ok: List<Flag>,
        "context_management" => context: Context<'a>,
    } ignoring []
}

record! {
    Context<'a> { "type" => kind: Text<'a>, "boundary" => boundary: Text<'a> } ignoring []
}

record! {
    /// What says to which session a document belongs.
    Ids<'a> {
        "session_id" => session: Text<'a>,
        "trajectory_id" => id: Text<'a>,
        "steps" => steps: List<Named<'a>>,
    } ignoring []
}

record! {
    Named<'a> { "observation" => observation: Observation<'a> } ignoring []
}

impl Trajectory<'_> {
    /// Whether this project wrote it, so that it states sizes and times in its `extra`.
    pub(super) fn is_ours(&self) -> bool {
        !self.extra.source.as_str().is_empty() && !self.extra.counts_from.as_str().is_empty()
    }

    /// Whether any of its steps was measured.
    pub(super) fn is_measured(&self) -> bool {
        self.steps.items.iter().any(|step| step.metrics.counts())
    }

    /// Keys that the format does not have.
    pub(super) fn unknown_keys(&self) -> u64 {
        let below: u64 = self.subagents.items.iter().map(Trajectory::unknown_keys).sum();
        let steps: u64 = self.steps.items.iter().map(Step::unknown_keys).sum();
        self.unknown + self.agent.unknown + self.totals.unknown + steps + below
    }
}

impl Step<'_> {
    fn unknown_keys(&self) -> u64 {
        let calls: u64 = self.tool_calls.items.iter().map(|call| call.unknown).sum();
        let answers: u64 = self.observation.results.items.iter().map(|answer| answer.unknown).sum();
        self.unknown + self.metrics.unknown + self.observation.unknown + calls + answers
    }

    pub(super) fn is_copied(&self) -> bool {
        self.copied.is_set()
    }

    /// Whether it says that no model was asked.
    pub(super) fn is_no_call(&self) -> bool {
        self.calls.whole("llm_call_count", 0) == Ok(Some(0))
    }

    /// Whether no tool ran on it.
    pub(super) fn is_idle(&self) -> bool {
        self.tool_calls.items.is_empty() && self.observation.results.items.is_empty()
    }
}

impl Metrics<'_> {
    /// Whether it counts anything.
    pub(super) fn counts(&self) -> bool {
        self.prompt != Num::Absent || self.output != Num::Absent
    }
}
