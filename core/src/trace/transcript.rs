//! What a file with content holds: messages as text. Lives in memory only; nothing here can be
//! serialised, so that content cannot reach a file of ours by accident.

use super::{MessageKind, MessageRole, Tag};

/// One message with its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptMessage {
    /// 0 is the main agent.
    pub agent: u32,
    /// Who speaks.
    pub role: MessageRole,
    /// What it is for.
    pub kind: MessageKind,
    /// The text, tool calls rendered as the source stores them.
    pub text: String,
    /// The tool that answered, if known.
    pub tool: Option<String>,
    /// Facts for history processors.
    pub tags: Vec<Tag>,
}

/// One agent's run with its text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// Name within the set.
    pub id: String,
    /// Its messages, in order.
    pub messages: Vec<TranscriptMessage>,
}
