//! What an agent did and what a serving stack was asked, as data without content.
//!
//! A [`Transcript`] holds text and lives in memory only. A [`Session`] is what one agent did, as
//! counts, identities and times. A [`Workload`] is what servers will be asked. An [`Outcome`] is
//! what happened to each call, simulated or measured.

pub mod fold;
pub mod lines;
pub mod ndjson;
mod outcome;
mod session;
mod transcript;
mod validate;
mod workload;

pub use outcome::{Cached, CallOutcome, CallStatus, Counters, Decision, Hindsight, Outcome, Regret, Tried};
pub use session::{
    Call, CallRole, Ending, Mark, Message, MessageKind, MessageRole, Recorded, Run, Scope, Segment, Session,
    Tag, ToolUse, Window,
};
pub use transcript::{Transcript, TranscriptMessage};
pub use validate::{Invalid, MAX_TOKENS, MAX_US, validate};
pub use workload::{Start, WorkCall, WorkSession, Workload};

/// The schema name that the header line of a trace file carries.
pub const SCHEMA: &str = "atr-trace/1";
