//! Where prompts stopped being continuations of the ones before, why, and what that made servers
//! compute again.
//!
//! Calls of one agent to one model form a chain. A call's prompt is split exactly: what an earlier
//! prompt or reply of the chain left in a cache, in whole blocks; what was lost to the rounding to
//! blocks; what the break made to be computed again; and what is new.

mod cause;
mod chain;
mod prompts;

pub use cause::Cause;
pub use prompts::Prompts;

use crate::trace::{Mark, Session};
use serde::{Deserialize, Serialize};

/// Prompt tokens by what became of them: the parts add up to the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// All prompt tokens.
    pub prompt_tokens: u64,
    /// In whole blocks that an earlier prompt or reply of the same agent and model left.
    pub shared_tokens: u64,
    /// Sent for the first time, as far as the source can tell.
    pub new_tokens: u64,
    /// Computed again because the prefix broke.
    pub again_tokens: u64,
    /// Sent before, and computed again because only whole blocks match.
    pub rounding_tokens: u64,
}

impl Ledger {
    /// Adds another one.
    pub fn add(&mut self, other: &Ledger) {
        self.prompt_tokens += other.prompt_tokens;
        self.shared_tokens += other.shared_tokens;
        self.new_tokens += other.new_tokens;
        self.again_tokens += other.again_tokens;
        self.rounding_tokens += other.rounding_tokens;
    }
}

/// One prompt that does not continue the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// The call.
    pub call: u32,
    /// Its agent; 0 is the main agent.
    pub agent: u32,
    /// The call whose prompt it does not continue.
    pub before: u32,
    /// Length of the prompt.
    pub prompt_tokens: u64,
    /// Tokens up to where the two prompts part.
    pub position_tokens: u64,
    /// Why.
    pub cause: Cause,
    /// Tokens of the earlier prompt and reply behind that place that were computed again, or what
    /// replaced them.
    pub again_tokens: u64,
}

/// The breaks of one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionBreaks {
    /// The session's id.
    pub id: String,
    /// Calls.
    pub calls: u64,
    /// How its prompts are known.
    #[serde(default)]
    pub prompts: Prompts,
    /// What became of its prompt tokens.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// In order of calls.
    pub breaks: Vec<Break>,
}

/// All breaks of one cause.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CauseRow {
    /// The cause.
    pub cause: Cause,
    /// How many.
    pub breaks: u64,
    /// Sessions with at least one.
    pub sessions: u64,
    /// Tokens computed again for it.
    pub again_tokens: u64,
    /// Of all prompt tokens.
    pub prompt_share: Option<f64>,
}

/// The breaks of a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breaks {
    /// Tokens in a block.
    pub block_tokens: u32,
    /// What became of all prompt tokens.
    #[serde(flatten)]
    pub ledger: Ledger,
    /// The causes that occur, the most expensive first.
    pub by_cause: Vec<CauseRow>,
    /// Single requests of sources without sessions: nothing precedes them, and they are not counted.
    pub sessionless: u64,
    /// Sessions none of whose prompts has an identity: nobody knows what these have in common, so that
    /// no break can be judged, and they are not counted.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unidentified: u64,
    /// Session by session, in the order of the set.
    pub sessions: Vec<SessionBreaks>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Breaks {
    /// How many in all.
    pub fn count(&self) -> u64 {
        self.by_cause.iter().map(|row| row.breaks).sum()
    }

    /// How many of them made nothing to be computed again.
    pub fn free(&self) -> u64 {
        let all = self.sessions.iter().flat_map(|session| &session.breaks);
        all.filter(|at| at.again_tokens == 0).count() as u64
    }
}

/// Finds the breaks of a set whose prompts are cached in blocks of `block_tokens`.
pub fn breaks(sessions: &[Session], block_tokens: u32) -> Breaks {
    let block_tokens = block_tokens.max(1);
    let (told, sessionless): (Vec<&Session>, Vec<&Session>) =
        sessions.iter().partition(|session| !session.has(Mark::Sessionless));
    let identified = |session: &&&Session| session.calls.iter().any(|call| !call.prompt.is_empty());
    let found: Vec<SessionBreaks> =
        told.iter().filter(identified).map(|session| session_breaks(session, block_tokens)).collect();
    let mut ledger = Ledger::default();
    found.iter().for_each(|session| ledger.add(&session.ledger));
    Breaks {
        block_tokens,
        ledger,
        by_cause: by_cause(&found, ledger.prompt_tokens),
        sessionless: sessionless.len() as u64,
        unidentified: (told.len() - found.len()) as u64,
        sessions: found,
    }
}

fn by_cause(found: &[SessionBreaks], prompt_tokens: u64) -> Vec<CauseRow> {
    let row = |cause: Cause| {
        let of = |session: &SessionBreaks| -> Vec<u64> {
            let chosen = session.breaks.iter().filter(|at| at.cause == cause);
            chosen.map(|at| at.again_tokens).collect()
        };
        let each: Vec<Vec<u64>> = found.iter().map(of).filter(|each| !each.is_empty()).collect();
        let again_tokens: u64 = each.iter().flatten().sum();
        CauseRow {
            cause,
            breaks: each.iter().map(|each| each.len() as u64).sum(),
            sessions: each.len() as u64,
            again_tokens,
            prompt_share: (prompt_tokens > 0).then(|| again_tokens as f64 / prompt_tokens as f64),
        }
    };
    let mut rows: Vec<CauseRow> = Cause::ALL.into_iter().map(row).filter(|row| row.breaks > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.again_tokens));
    rows
}

/// The breaks of one session.
pub fn session_breaks(session: &Session, block_tokens: u32) -> SessionBreaks {
    let mut ledger = Ledger::default();
    let mut breaks = Vec::new();
    for told in chain::tell(session, block_tokens.max(1)) {
        ledger.add(&told.ledger);
        breaks.extend(told.broke);
    }
    SessionBreaks {
        id: session.id.clone(),
        calls: session.calls.len() as u64,
        prompts: Prompts::of(session),
        ledger,
        breaks,
    }
}
