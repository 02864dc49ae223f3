//! What servers will be asked: calls with prompts, dependencies, delays and lengths.

use super::{CallRole, Run, Scope, Segment};
use serde::{Deserialize, Serialize};

/// When a call may start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Calls of the workload that must be done first; empty for a session's first calls.
    pub after: Vec<u32>,
    /// Time from the last of `after` (or the session's start) to this call.
    pub delay_us: u64,
    /// Time from the session's start, for replay by times.
    pub at_us: u64,
}

/// One request to a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkCall {
    /// Index within the workload.
    pub id: u32,
    /// Index into [`Workload::sessions`].
    pub session: u32,
    /// The session's call it stands for; absent for a strategy's own calls.
    pub source_call: Option<u32>,
    /// Index into [`Workload::models`].
    pub model: u32,
    /// Who asks.
    pub role: CallRole,
    /// The prompt, as runs of workload segments.
    pub prompt: Vec<Run>,
    /// What the reply adds to the prompt in the cache; empty where its identity is unknown.
    pub reply: Vec<Run>,
    /// Exact length of the prompt.
    pub prompt_tokens: u32,
    /// Tokens to generate.
    pub output_tokens: u32,
    /// The cap that the client asks for.
    pub max_tokens: u32,
    /// When it may start.
    pub start: Start,
    /// Lower goes first, where a scheduler asks.
    pub priority: i32,
    /// What a length predictor may group by: the tool answered last, else the kind of message.
    pub predict_key: u32,
    /// Tokens of the prompt behind the model's own last message: what it is told anew. The whole prompt where
    /// it has said nothing yet, or where the source has no messages.
    #[serde(default)]
    pub new_tokens: u32,
}

/// One session of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkSession {
    /// Name within the set.
    pub id: String,
    /// Its calls: they lie side by side in [`Workload::calls`].
    pub calls: Run,
    /// Whether it is one request of a source without sessions.
    pub sessionless: bool,
    /// When it started by the source's clock.
    pub start_us: u64,
}

/// What servers will be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// All calls, session after session.
    pub calls: Vec<WorkCall>,
    /// All segments that prompts and replies name by index.
    pub segments: Vec<Segment>,
    /// All sessions.
    pub sessions: Vec<WorkSession>,
    /// Names that [`WorkCall::model`] points to.
    pub models: Vec<String>,
    /// Names that [`WorkCall::predict_key`] points to.
    pub predict_keys: Vec<String>,
    /// Whether equal segment ids in two sessions mean equal content.
    pub scope: Scope,
    /// The source's block size, where it has one: it can be joined, never split.
    pub block_tokens: Option<u32>,
    /// Calls whose [`WorkCall::output_tokens`] is 0 because the source does not say it, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_outputs: Vec<u32>,
}

impl Workload {
    /// Whether the source says how long the call's output is.
    pub fn knows_output(&self, call: u32) -> bool {
        self.unknown_outputs.binary_search(&call).is_err()
    }

    /// The prompt's segment indices, in order.
    pub fn prompt_segments(&self, call: u32) -> impl Iterator<Item = u32> + '_ {
        self.calls[call as usize].prompt.iter().flat_map(|run| run.indices())
    }
}
