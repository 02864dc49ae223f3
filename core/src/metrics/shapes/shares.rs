//! Shares of sessions that shapes are compared by: what happens in some sessions and not in others.

use super::Shapes;
use serde::{Deserialize, Serialize};

/// Something that a session has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionShare {
    /// At least one compaction or reset.
    CompactionOrReset,
    /// At least one sub-agent.
    Subagents,
}

impl SessionShare {
    /// All, in the order of reports.
    pub const ALL: [SessionShare; 2] = [SessionShare::CompactionOrReset, SessionShare::Subagents];

    /// What a reader calls it.
    pub fn title(self) -> &'static str {
        match self {
            SessionShare::CompactionOrReset => "sessions with a compaction or reset",
            SessionShare::Subagents => "sessions with sub-agents",
        }
    }

    /// The share in a group; `None` of no session.
    pub fn of(self, shapes: &Shapes) -> Option<f64> {
        match self {
            SessionShare::CompactionOrReset => shapes.compactions.sessions_share,
            SessionShare::Subagents => shapes.subagents.sessions_share,
        }
    }
}
