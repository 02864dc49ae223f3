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
    /// Sessions that all steps together finish.
    pub with_all_steps: Option<u64>,
    /// The first two in a sentence; nothing where there are no jobs.
    pub says: Vec<Sentence>,
    /// What is said beside the steps.
    pub says_of_steps: Vec<Sentence>,
}

impl JobsAdvice {
    /// Adds what stands beside the steps.
    pub(super) fn with_all_steps(&mut self, last: Option<&PolicyRun>) {
        let Some(last) = last.filter(|_| self.sessions > 0) else { return };
        let (finished, sessions) = counted(std::slice::from_ref(last));
        let text = format!(
            "The column `job mean`: of each step over the sessions that both of its sides finish; all steps together finish \
             {} of {}.",
            grouped(finished),
            grouped(sessions),
        );
        let said = Sentence::new(text)
            .on(&last.name, "sessions behind job_ms", finished as f64)
            .counted("sessions", sessions as f64);
        (self.with_all_steps, self.says_of_steps) = (Some(finished), vec![said]);
    }
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
    let says = if sessions == 0 { Vec::new() } else { vec![said] };
    JobsAdvice { finished, sessions, says, ..JobsAdvice::default() }
}

/// Sessions that all runs finish, and how many there are.
fn counted(runs: &[PolicyRun]) -> (u64, u64) {
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
