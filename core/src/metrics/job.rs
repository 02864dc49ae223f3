//! Where the time of a job goes: along the calls that decided its end, what was waiting, what was computing, and
//! what was the agent's own.

use crate::trace::{CallOutcome, Outcome, WorkSession, Workload};
use serde::{Deserialize, Serialize};

/// Times along the calls that decided a session's end, in microseconds. They sum up to the time of the job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobParts {
    /// From when calls were due until they were sent: the client and the router. The simulator models neither, so
    /// that it is 0 there.
    pub routing: u64,
    /// From when they were sent until a replica began with them.
    pub queue: u64,
    /// From there to the first token. A call that is thrown out before waits again in it.
    pub prefill: u64,
    /// From there to the last token. A call that is thrown out meanwhile waits again in it.
    pub decode: u64,
    /// Between calls: tools, people and the agent's own work, or whatever else kept a call from being due.
    pub tool: u64,
}

impl JobParts {
    /// The time of the job.
    pub fn total(&self) -> u64 {
        self.routing + self.queue + self.prefill + self.decode + self.tool
    }

    /// Of one session. `None` where a call did not end or it is not known when a replica began with it.
    ///
    /// Walks back from the call that ended last: to the call that was waited for and ended last, where it had ended
    /// when the present one was due. Where none had (replay by times does not wait), the rest up to the session's start
    /// is nobody's time but the agent's.
    pub fn of(workload: &Workload, session: &WorkSession, outcome: &Outcome) -> Option<JobParts> {
        let ended = |call: u32| outcome.calls.get(call as usize).and_then(|call| call.finished_us);
        let calls = || session.calls.indices();
        if !calls().all(|call| ended(call).is_some()) {
            return None;
        }
        let start = calls().map(|call| outcome.calls[call as usize].scheduled_us).min()?;
        let mut parts = JobParts::default();
        let mut at = calls().max_by_key(|&call| (ended(call), call))?;
        loop {
            let call = &outcome.calls[at as usize];
            parts.add(call)?;
            let waited = workload.calls[at as usize].start.after.iter().copied();
            let before = waited.max_by_key(|&earlier| (ended(earlier), earlier));
            match before.filter(|&earlier| ended(earlier).is_some_and(|end| end <= call.scheduled_us)) {
                Some(earlier) => {
                    parts.tool += call.scheduled_us - ended(earlier)?;
                    at = earlier;
                }
                None => {
                    parts.tool += call.scheduled_us - start;
                    return Some(parts);
                }
            }
        }
    }

    fn add(&mut self, call: &CallOutcome) -> Option<()> {
        let (admitted, first, end) = (call.admitted_us?, call.first_token_us?, call.finished_us?);
        self.routing += call.sent_us.checked_sub(call.scheduled_us)?;
        self.queue += admitted.checked_sub(call.sent_us)?;
        self.prefill += first.checked_sub(admitted)?;
        self.decode += end.checked_sub(first)?;
        Some(())
    }
}

/// Mean times of a job's parts, in milliseconds, along the calls that decided its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobSplit {
    /// Sessions that the means are over.
    pub jobs: u64,
    /// Waiting for a replica.
    pub queue: f64,
    /// Until the first token.
    pub prefill: f64,
    /// Until the last token.
    pub decode: f64,
    /// Between calls.
    pub tool: f64,
    /// Before calls were sent; 0 where it is simulated, since that is not modelled.
    pub routing: f64,
}

impl JobSplit {
    /// The means over some sessions; `None` of nothing.
    pub fn mean(all: &[JobParts]) -> Option<JobSplit> {
        let mean = |part: fn(&JobParts) -> u64| {
            let sum: u128 = all.iter().map(|parts| u128::from(part(parts))).sum();
            sum as f64 / all.len() as f64 / 1_000.0
        };
        (!all.is_empty()).then(|| JobSplit {
            jobs: all.len() as u64,
            queue: mean(|parts| parts.queue),
            prefill: mean(|parts| parts.prefill),
            decode: mean(|parts| parts.decode),
            tool: mean(|parts| parts.tool),
            routing: mean(|parts| parts.routing),
        })
    }
}
