//! One agent's run, without its content.

use serde::{Deserialize, Serialize};

/// Whether equal segment ids in two sessions mean equal content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Ids are local: sessions share nothing that the trace can prove.
    #[default]
    Session,
    /// Ids hold across the whole set.
    Set,
}

/// What is unusual about a session, so that no later step has to guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// The recording begins in mid-session: the first prompt is already long.
    MidSession,
    /// Equal to an earlier session of the set in prompts, sizes and outputs.
    Duplicate,
    /// Some times or counts are estimates; see the calls.
    Estimated,
    /// Messages were derived from the growth of block lists, not read.
    DerivedMessages,
    /// The source listed calls out of time order; they were sorted.
    OutOfOrder,
    /// At least one prompt is less than half of the one before: compaction or reset.
    ContextDrop,
    /// The source knows single requests only: no turns, no job time.
    Sessionless,
    /// A sub-agent on its own: the session that started it is not in the file.
    SubagentOnly,
}

/// `count` neighbours from `first` on: of segments in a prompt, of messages in a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "[u32; 2]", into = "[u32; 2]")]
pub struct Run {
    /// Index of the first element.
    pub first: u32,
    /// How many follow, the first included.
    pub count: u32,
}

impl From<[u32; 2]> for Run {
    fn from([first, count]: [u32; 2]) -> Self {
        Run { first, count }
    }
}

impl From<Run> for [u32; 2] {
    fn from(run: Run) -> Self {
        [run.first, run.count]
    }
}

impl Run {
    /// The indices of the run. A run that would pass the last index ends there.
    pub fn indices(self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.count)
    }

    /// Appends `index` to `runs`, growing the last run where it continues it.
    pub fn push(runs: &mut Vec<Run>, index: u32) {
        match runs.last_mut() {
            Some(last) if last.first + last.count == index => last.count += 1,
            _ => runs.push(Run { first: index, count: 1 }),
        }
    }

    /// Appends all of `run` to `runs`, growing the last run where it continues it.
    pub fn append(runs: &mut Vec<Run>, run: Run) {
        match runs.last_mut() {
            _ if run.count == 0 => {}
            Some(last) if last.first + last.count == run.first => last.count += run.count,
            _ => runs.push(run),
        }
    }
}

/// A stretch of a prompt with an identity. Two prompts share tokens up to the first segment in
/// which they differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u64, u32)", into = "(u64, u32)")]
pub struct Segment {
    /// Dense id or keyed hash; equal ids mean equal content within the session's [`Scope`].
    pub id: u64,
    /// Nominal length. A prompt that ends in a partial block is shorter than its segments.
    pub tokens: u32,
}

impl From<(u64, u32)> for Segment {
    fn from((id, tokens): (u64, u32)) -> Self {
        Segment { id, tokens }
    }
}

impl From<Segment> for (u64, u32) {
    fn from(segment: Segment) -> Self {
        (segment.id, segment.tokens)
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageRole {
    /// Instructions of the harness.
    System,
    /// The person, or a harness that answers in the person's role.
    User,
    /// The model.
    Assistant,
    /// A tool result in a role of its own.
    Tool,
}

/// What a message is for, which is what context strategies ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// The system prompt.
    SystemPrompt,
    /// Tool schemas, ahead of everything else.
    Tools,
    /// What the agent was asked to do.
    Task,
    /// What the model replied.
    Action,
    /// What the environment answered.
    Observation,
    /// A summary that replaces earlier messages.
    Summary,
    /// Anything else.
    Other,
}

/// Facts about one message that history processors look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tag {
    /// Part of a demonstration.
    Demo,
    /// Its output is always kept.
    Keep,
    /// Its output is always removed.
    Remove,
    /// The tool failed.
    Error,
    /// Its size was not read from the source but is what the totals leave over.
    Residual,
}

/// The part of a file that an observation shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Id of the path within the session.
    pub path: u32,
    /// First line shown, from 1.
    pub first_line: u32,
    /// How many lines are shown.
    pub lines: u32,
}

/// One message of a session: its size, its identity and what strategies need to know of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// 0 is the main agent, others are sub-agents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub agent: u32,
    /// Who speaks.
    pub role: MessageRole,
    /// What it is for.
    pub kind: MessageKind,
    /// Length as the source or a tokenizer gives it.
    pub tokens: u32,
    /// Indices of its segments, in order.
    pub parts: Vec<u32>,
    /// Name of the tool that answered, if it is on the list of well-known tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// Lines of text; 0 where the text was not seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lines: u32,
    /// Words of text; 0 where the text was not seen.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub words: u32,
    /// Id of the file it is about, within the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<u32>,
    /// The part of a file it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Facts for history processors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallRole {
    /// The main agent; its calls are the turns.
    #[default]
    Agent,
    /// An agent started by another.
    Subagent,
    /// A context strategy's extra call.
    Summariser,
    /// A reviewer in a retry loop.
    Reviewer,
}

/// One tool that ran after a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// Name from the list of well-known tools, or an id.
    pub name: String,
    /// How long it ran; null where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub us: Option<u64>,
    /// Whether it succeeded; null where unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
}

/// What the source says it measured. Unknown is absent, never 0.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recorded {
    /// Time to first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_us: Option<u64>,
    /// From send to the last token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e2e_us: Option<u64>,
    /// Prompt tokens the provider found in its cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u64>,
    /// Prompt tokens the provider wrote to its cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_tokens: Option<u64>,
    /// Output tokens as the source wrote them, where [`Call::output_tokens`] differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// What the provider charged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// One model request of a session.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Index within the session.
    pub id: u32,
    /// Which agent asks; 0 is the main agent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub agent: u32,
    /// Index into [`Session::models`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub model: u32,
    /// Who asks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: CallRole,
    /// The calls that must be done first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<u32>,
    /// Time between the last of `after` and this call: tools, thinking, the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_us: Option<u64>,
    /// Time since the session's start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_us: Option<u64>,
    /// The prompt, as runs of segment indices.
    pub prompt: Vec<Run>,
    /// Its exact length. Where it exceeds the segments' sum, the rest has no identity and shares
    /// with nothing; where it falls short, the last block is partial.
    pub prompt_tokens: u32,
    /// The messages in the prompt, as runs of message indices; empty where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub view: Vec<Run>,
    /// The message that the reply became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<u32>,
    /// Tokens generated, reasoning included; absent where the source neither counts nor shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u32>,
    /// Of these, reasoning that is not sent again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u32,
    /// Tools that ran on the reply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolUse>,
    /// Whether `delay_us`, `at_us`, `prompt_tokens` or `output_tokens` is an estimate, or the last unknown.
    #[serde(default, skip_serializing_if = "is_default")]
    pub estimated: bool,
    /// What the source measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Recorded>,
}

impl Call {
    /// Tokens generated as far as they are known: what sums and simulations count.
    pub fn output(&self) -> u32 {
        self.output_tokens.unwrap_or(0)
    }
}

/// How a session ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Exit category: `submitted`, `exit_cost`, …, `other`, `unknown`.
    pub exit: String,
    /// Whether something was submitted, apart from the category.
    pub submitted: bool,
    /// Whether the task was solved, where a result is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<bool>,
    /// What the harness says the run cost; may exceed the sum over calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// What one agent did, without its content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Name within the set.
    pub id: String,
    /// The format it was read from.
    pub source: String,
    /// The agent software, where known.
    pub harness: String,
    /// The models its calls name.
    pub models: Vec<String>,
    /// How far its segment ids reach.
    pub scope: Scope,
    /// The source's block size; absent where segments are exact to the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_tokens: Option<u32>,
    /// Where token counts come from: `source`, `tokenizer:NAME`, `source+tokenizer:NAME`
    /// (totals from the source, proportions from the tokenizer) or `bytes/N`.
    pub counts_from: String,
    /// What is unusual about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<Mark>,
    /// Its messages, in order of first appearance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// Its segments.
    pub segments: Vec<Segment>,
    /// Its calls, in time order.
    pub calls: Vec<Call>,
    /// How it ended, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Ending>,
}

impl Session {
    /// Whether the session carries `mark`.
    pub fn has(&self, mark: Mark) -> bool {
        self.marks.contains(&mark)
    }

    /// Adds `mark` once, keeping marks sorted.
    pub fn mark(&mut self, mark: Mark) {
        if let Err(at) = self.marks.binary_search(&mark) {
            self.marks.insert(at, mark);
        }
    }

    /// The main agent's calls; `None` for sources without sessions.
    pub fn turns(&self) -> Option<u64> {
        if self.has(Mark::Sessionless) {
            return None;
        }
        Some(self.calls.iter().filter(|call| call.role == CallRole::Agent).count() as u64)
    }

    /// All prompt tokens that its calls sent.
    pub fn prompt_tokens(&self) -> u64 {
        self.calls.iter().map(|call| u64::from(call.prompt_tokens)).sum()
    }

    /// All tokens that its calls generated, as far as they are known.
    pub fn output_tokens(&self) -> u64 {
        self.calls.iter().map(|call| u64::from(call.output())).sum()
    }
}

fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
