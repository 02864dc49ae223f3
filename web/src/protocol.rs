//! The messages between the page and its worker. Each is one JSON text inside an envelope with a
//! number; bytes (a trace file) travel beside it as they are, without a copy where the browser can
//! hand them over.

use atr_core::metrics::Inspection;
use atr_core::metrics::breaks::{Cause, Ledger};
use atr_core::policy::Scenario;
use atr_core::report::{Policies, Race, SetRef, StripRow};
use atr_core::trace::{CallRole, Mark, MessageKind, MessageRole, Tag};
use serde::{Deserialize, Serialize};

/// What the page asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// First message: are both sides of one build?
    Hello {
        /// The page's build.
        build: String,
    },
    /// Read trace files as one set and keep its sessions under the name `set`.
    Load {
        /// Name to keep it under, and what results call it.
        set: SetRef,
        /// Names of the files, in the order of the bytes that come beside this.
        files: Vec<String>,
        /// Whether the worker keeps texts too, for [`Request::Turn`].
        keep_text: bool,
    },
    /// One session, call by call.
    Session {
        /// The set.
        set: String,
        /// The session's id; the set's own choice where absent or unknown.
        session: Option<String>,
    },
    /// What one call sends: its messages, with their beginnings where the worker keeps texts.
    Turn {
        /// The set.
        set: String,
        /// The session's id.
        session: String,
        /// The call, from 0.
        call: u32,
        /// Every message, not only the first ones that are new.
        all: bool,
    },
    /// The whole text of one message.
    Text {
        /// The set.
        set: String,
        /// The session's id.
        session: String,
        /// Index of the message in the session.
        message: u32,
    },
    /// What a set holds, and what a cache could make of it.
    Inspect {
        /// The set.
        set: String,
    },
    /// One session under every policy, with the course of each call.
    Race {
        /// The set.
        set: String,
        /// The session's id.
        session: String,
        /// The set-up.
        scenario: Scenario,
    },
    /// Every policy over a set or a sample of it.
    Compare {
        /// The set.
        set: String,
        /// The set-up.
        scenario: Scenario,
        /// Take whole sessions in file order up to so many calls; the whole set where absent.
        max_calls: Option<u64>,
    },
    /// What to do about a set.
    Advise {
        /// The set.
        set: String,
        /// The set-up that there is.
        scenario: Scenario,
        /// What must hold, as the command line takes it; may be empty.
        objectives: String,
        /// Most calls that are simulated at a time.
        max_calls: u64,
    },
}

/// What the worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Hello`].
    Hello {
        /// The worker's build.
        build: String,
    },
    /// To [`Request::Load`].
    Set(SetView),
    /// To [`Request::Session`].
    Session(Box<SessionView>),
    /// To [`Request::Turn`].
    Turn(Box<TurnView>),
    /// To [`Request::Text`], and as HTML to [`Request::Advise`].
    Text(String),
    /// To [`Request::Inspect`].
    Inspect(Computed<Inspection>),
    /// To [`Request::Race`].
    Race(Computed<Race>),
    /// To [`Request::Compare`].
    Compare(Computed<Policies>),
    /// Not an answer yet, but a sign of life: how far a long request has come.
    Progress {
        /// What is being done.
        stage: String,
        /// Bytes done, or simulations.
        done: u64,
    },
    /// The request cannot be answered; the text is for the reader.
    Failed(String),
}

/// A message to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope<T> {
    /// Which request it is, or belongs to.
    pub id: u32,
    /// The content.
    pub body: T,
}

/// Most that the page reads at once, unpacked.
pub const MAX_BYTES: u64 = 200_000_000;

/// A result that the worker computed just now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Computed<T> {
    /// The result, in the form that a report would have.
    pub body: T,
    /// How long it took.
    pub took_ms: f64,
    /// Sessions that took part.
    pub sessions: u64,
    /// Calls that took part.
    pub calls: u64,
    /// Whether that is a sample of the set.
    pub sample: bool,
}

/// A set that the worker holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SetView {
    /// The name that it is kept under.
    pub set: String,
    /// The file, or what stands for several.
    pub file: String,
    /// The same as the command line would name it.
    pub path: String,
    /// The formats that its files were read as, each with the number of files.
    pub formats: Vec<(String, u64)>,
    /// Where its token counts come from, each way once.
    pub counts_from: Vec<String>,
    /// Size after unpacking.
    pub bytes: u64,
    /// How long reading it took.
    pub took_ms: f64,
    /// Its sessions, in file order.
    pub sessions: Vec<SessionRow>,
    /// How many records were left out, and why, for the first of them.
    pub skipped: (u64, Vec<String>),
    /// Keys that no importer knows, dropped.
    pub unknown_keys: u64,
    /// Whether the source says which parts of prompts are equal.
    pub has_identity: bool,
    /// Sessions whose texts the worker keeps.
    pub with_text: u64,
}

impl SetView {
    /// Calls of all sessions.
    pub fn calls(&self) -> u64 {
        self.sessions.iter().map(|row| row.calls).sum()
    }

    /// Prompt tokens of all sessions.
    pub fn prompt_tokens(&self) -> u64 {
        self.sessions.iter().map(|row| row.prompt_tokens).sum()
    }

    /// Output tokens of all sessions.
    pub fn output_tokens(&self) -> u64 {
        self.sessions.iter().map(|row| row.output_tokens).sum()
    }

    /// Whether it knows single requests only.
    pub fn is_sessionless(&self) -> bool {
        self.sessions.iter().all(|row| row.marks.contains(&Mark::Sessionless))
    }

    /// Sessions that equal an earlier one.
    pub fn duplicates(&self) -> usize {
        self.sessions.iter().filter(|row| row.marks.contains(&Mark::Duplicate)).count()
    }
}

/// One session in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionRow {
    /// Its name.
    pub id: String,
    /// Model calls.
    pub calls: u64,
    /// The main agent's calls; absent for sources without sessions.
    pub turns: Option<u64>,
    /// Prompt tokens of all calls.
    pub prompt_tokens: u64,
    /// Output tokens of all calls.
    pub output_tokens: u64,
    /// The longest prompt.
    pub longest: u64,
    /// What is unusual about it.
    pub marks: Vec<Mark>,
    /// Whether the task was solved, where known.
    pub resolved: Option<bool>,
}

/// One session, call by call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    /// The set.
    pub set: String,
    /// Its name.
    pub id: String,
    /// The agent software.
    pub harness: String,
    /// The models its calls name.
    pub models: Vec<String>,
    /// Where its token counts come from.
    pub counts_from: String,
    /// Tokens in a block, where the source has blocks.
    pub block_tokens: Option<u32>,
    /// What is unusual about it.
    pub marks: Vec<Mark>,
    /// How it ended, where known.
    pub exit: Option<String>,
    /// Whether the task was solved, where known.
    pub resolved: Option<bool>,
    /// The strips: what an infinite cache, empty before the session, would find of each call.
    pub strips: Vec<StripRow>,
    /// What became of its prompt tokens; absent for single requests.
    pub ledger: Option<Ledger>,
    /// Whether the source says which parts of prompts are equal.
    pub has_identity: bool,
    /// What else there is to say of each call.
    pub calls: Vec<CallView>,
    /// Whether the worker keeps its texts.
    pub has_text: bool,
}

impl SessionView {
    /// Whether it is a single request of a source without sessions.
    pub fn is_single(&self) -> bool {
        self.marks.contains(&Mark::Sessionless)
    }
}

/// One call of a session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallView {
    /// The model.
    pub model: u32,
    /// 0 is the main agent.
    pub agent: u32,
    /// Who asks.
    pub role: CallRole,
    /// Whether its times or its output are estimates.
    pub estimated: bool,
    /// Prompt tokens that the provider found in its cache, where the source says.
    pub recorded_cached: Option<u64>,
    /// Names of the tools that ran on the reply.
    pub tools: Vec<String>,
    /// Whether its prompt follows one of the same agent to the same model.
    pub follows: bool,
    /// Where its prompt left the one that it should continue; absent where it continues it.
    pub broke: Option<BreakView>,
}

/// Where a prompt left the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakView {
    /// The call that it should continue, from 0.
    pub before: u32,
    /// Tokens before the prompts part.
    pub at_tokens: u64,
    /// Tokens computed again because of it.
    pub again_tokens: u64,
    /// Why.
    pub cause: Cause,
    /// The message that differs, from 1, with who speaks, what it is for and its size.
    pub message: Option<(u32, MessageRole, MessageKind, u32)>,
}

/// What one call sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnView {
    /// The session's id.
    pub session: String,
    /// The call, from 0.
    pub call: u32,
    /// Messages in its prompt; 0 where the source has none.
    pub in_prompt: u32,
    /// The call of the same agent and model before it, from 0.
    pub before: Option<u32>,
    /// Messages that its prompt begins with as that one did, and their tokens.
    pub same: (u32, u64),
    /// The messages behind them, the first ones or all.
    pub messages: Vec<MessageView>,
    /// How many of them are not among these, and their tokens.
    pub more: (u32, u64),
    /// What the model answered, where the source has it as a message.
    pub reply: Option<MessageView>,
    /// Whether there are texts.
    pub has_text: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageView {
    /// Its index in the session.
    pub index: u32,
    /// Its place in the prompt, from 1; 0 for a reply.
    pub place: u32,
    /// Who speaks.
    pub role: MessageRole,
    /// What it is for.
    pub kind: MessageKind,
    /// Its size.
    pub tokens: u32,
    /// The tool that answered, if it is well known.
    pub tool: Option<String>,
    /// Facts about it.
    pub tags: Vec<Tag>,
    /// Whether the source counts it but does not show it.
    pub hidden: bool,
    /// Whether the call before sent it too, at another place or behind something that changed.
    pub again: bool,
    /// The beginning of its text and the length of the whole in characters.
    pub text: Option<(String, u64)>,
}
