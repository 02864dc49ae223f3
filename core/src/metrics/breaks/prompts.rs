//! How a session's prompts are known: as they were sent, or put together from something else. What
//! is told of breaks is worth as much.

use crate::trace::{Mark, Session};
use serde::{Deserialize, Serialize};

/// Where prompts come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompts {
    /// The source has the messages of every prompt as it was sent.
    #[default]
    Recorded,
    /// The source has every prompt as one text, which was cut into messages.
    Text,
    /// The source has blocks of every prompt; messages, where there are any, were derived from how
    /// these grow.
    Blocks,
    /// The source has a history, from which prompts were put together: what the harness changed or
    /// left out as it sent them need not be in it.
    History,
    /// Every prompt is the history so far. Some versions of the source record prompts, others have
    /// only the history, and nothing tells which it was.
    Either,
}

impl Prompts {
    /// All but the first, in the order of footnotes.
    pub const OTHERS: [Prompts; 4] = [Prompts::Text, Prompts::Blocks, Prompts::History, Prompts::Either];

    /// Those of a session.
    pub fn of(session: &Session) -> Self {
        let bare = session.block_tokens.is_some() && session.messages.is_empty();
        if bare || session.has(Mark::DerivedMessages) {
            return Prompts::Blocks;
        }
        match session.source.as_str() {
            // A prompt that lacks a message that was there before cannot come from a history.
            SWE_AGENT if leaves_out(session) => Prompts::Recorded,
            SWE_AGENT => Prompts::Either,
            source if HISTORIES.contains(&source) => Prompts::History,
            source if TEXTS.contains(&source) => Prompts::Text,
            _ => Prompts::Recorded,
        }
    }
}

/// Formats whose files say what was said, and not what was sent. That of mini-swe-agent is none of
/// them: this harness sends all that was said, as its file has it.
const HISTORIES: [&str; 3] = ["atif", "claude-code", "openhands"];
/// Formats whose prompts are texts.
const TEXTS: [&str; 2] = ["lmcache", "vllm-log"];
const SWE_AGENT: &str = "swe-agent";

/// Whether a prompt lacks a message that an earlier prompt of its agent had.
fn leaves_out(session: &Session) -> bool {
    let mut latest: Vec<(u32, Vec<u32>)> = Vec::new();
    session.calls.iter().any(|call| {
        let view: Vec<u32> = call.view.iter().flat_map(|run| run.indices()).collect();
        match latest.iter_mut().find(|(agent, _)| *agent == call.agent) {
            Some((_, before)) => {
                let grown = view.starts_with(before);
                *before = view;
                !grown
            }
            None => {
                latest.push((call.agent, view));
                false
            }
        }
    })
}
