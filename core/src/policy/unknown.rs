//! What a source does not say of its calls and a simulation takes for nothing: how long replies and pauses are.

use super::{Arrivals, Replay};
use crate::trace::{Call, Session};
use serde::{Deserialize, Serialize};

/// Calls of a trace that are simulated with less than they took, because the source does not say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Calls of unknown output, which make no token.
    pub output_tokens: u64,
    /// Calls that wait for others and of which neither the pause nor, where times are replayed, the time is known: they
    /// follow at once.
    pub delays: u64,
    /// Sessions with such calls: their job times lack it.
    pub sessions: u64,
}

impl Unknown {
    /// Of sessions that are replayed in this way.
    pub(super) fn of(sessions: &[Session], arrivals: Arrivals, replay: Replay) -> Self {
        // Users pause for nothing that was recorded.
        let pauses = !matches!(arrivals, Arrivals::Users { .. });
        let stamped = |call: &Call| call.at_us.is_some() && replay == Replay::Times;
        let mut found = Unknown::default();
        for session in sessions {
            let of = |missing: &dyn Fn(&Call) -> bool| {
                session.calls.iter().filter(|call| missing(call)).count() as u64
            };
            let lengths = of(&|call| call.output_tokens.is_none());
            let delays =
                of(&|call| pauses && !call.after.is_empty() && call.delay_us.is_none() && !stamped(call));
            found.output_tokens += lengths;
            found.delays += delays;
            found.sessions += u64::from(lengths + delays > 0 && session.turns().is_some());
        }
        found
    }

    /// Whether everything is known.
    pub fn is_nothing(&self) -> bool {
        *self == Unknown::default()
    }
}
