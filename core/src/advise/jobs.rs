//! How many sessions job times are over: those whose every call is answered on each side that is compared.

use super::Sentence;
use crate::figure::units::{grouped, plural};
use crate::metrics::{answered, jobs};
use crate::policy::PolicyRun;
use serde::Serialize;

/// How many sessions job times are over.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct JobsAdvice {
    /// Sessions whose every call each policy answered.
    pub finished: u64,
    /// Of so many; none where the source knows single requests only.
    pub sessions: u64,
    /// The same in a sentence; nothing where there are no jobs.
    pub says: Vec<Sentence>,
}

/// Counts them over all policies that were given.
pub(super) fn jobs_of(runs: &[PolicyRun]) -> JobsAdvice {
    let (finished, sessions) = counted(runs);
    let text = if finished == sessions {
        format!("Job times are over all {}: every policy finishes each.", plural(sessions, "session"))
    } else {
        format!(
            "Job times are over {} of {} sessions, those that every policy finishes: the others have a call that some \
             policy does not answer.",
            grouped(finished),
            grouped(sessions),
        )
    };
    let said = Sentence::new(text)
        .on("all policies", "sessions behind job_ms", finished as f64)
        .counted("sessions", sessions as f64);
    JobsAdvice { finished, sessions, says: if sessions == 0 { Vec::new() } else { vec![said] } }
}

/// Sessions that all runs finish, and how many there are.
pub(super) fn counted(runs: &[PolicyRun]) -> (u64, u64) {
    let Some(first) = runs.first() else { return (0, 0) };
    let mut common = answered(&first.outcome);
    for run in &runs[1..] {
        let other = answered(&run.outcome);
        common.iter_mut().zip(other).for_each(|(both, other)| *both &= other);
    }
    let finished = jobs(&first.workload, &common).count() as u64;
    let sessions = first.workload.sessions.iter().filter(|session| !session.sessionless).count();
    (finished, sessions as u64)
}
