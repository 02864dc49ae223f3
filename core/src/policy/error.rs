//! Why a scenario, or one of its policies, cannot be run.

use crate::choice::{ChoiceError, did_you_mean};
use crate::context;
use crate::serve::latency::ProfileError;
use serde::{Deserialize, Serialize};

/// A policy left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotApplicable {
    /// The policy.
    pub name: String,
    /// Why.
    pub why: String,
}

/// Why a scenario cannot be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ScenarioError {
    /// A name that no registry knows.
    #[error("unknown {what} `{found}`{}, expected one of: {known}", did_you_mean(found, known))]
    Unknown {
        /// What kind of name.
        what: &'static str,
        /// The name.
        found: String,
        /// The accepted ones.
        known: String,
    },
    /// A member of a family, or a parameter of it, that the family does not know.
    #[error("{}{what} {error}", if matches!(error, ChoiceError::Name { .. }) { "unknown " } else { "" })]
    Part {
        /// Which family.
        what: &'static str,
        /// What is wrong.
        error: ChoiceError,
    },
    /// A number outside of its range.
    #[error("`{key}` is {found}, expected {expected}")]
    Range {
        /// The key.
        key: &'static str,
        /// The value.
        found: String,
        /// What is accepted.
        expected: String,
    },
    /// An option that nothing reads.
    #[error("`{key}` is {found} and does nothing here: {why}")]
    Idle {
        /// The key.
        key: &'static str,
        /// The value.
        found: String,
        /// Why, and what is expected.
        why: String,
    },
    /// The profile that a scenario brings is none.
    #[error("`own_profile`: {0}")]
    OwnProfile(#[from] ProfileError),
    /// A policy that exists by name only.
    #[error("policy `{name}` is not trained yet; leave it out or train it first")]
    NotTrained {
        /// The policy.
        name: String,
    },
    /// No policy that was asked for can say anything about this trace.
    #[error("policy `{}` does not apply to this trace: {}", .0.name, .0.why)]
    NotApplicable(NotApplicable),
    /// Nothing to simulate.
    #[error("the trace has no sessions")]
    NoSessions,
}

impl ScenarioError {
    /// A range error for `key`.
    pub fn range(key: &'static str, found: impl ToString, expected: impl Into<String>) -> Self {
        ScenarioError::Range { key, found: found.to_string(), expected: expected.into() }
    }

    /// No context strategy of that name, or with such numbers.
    pub fn unknown_context(found: &str) -> Self {
        let known = format!("{} (whole numbers of at least 1)", context::known());
        ScenarioError::Unknown { what: "context strategy", found: found.to_owned(), known }
    }
}
