//! One real session replayed under each policy, call by call: enough to draw the token race at
//! any moment.

use super::{Body, Kind, SetRef, StripRow};
use crate::policy::{PolicyRun, Resolved};
use crate::trace::{CallRole, CallStatus};
use serde::{Deserialize, Serialize};

/// The race over one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Race {
    /// The traces.
    pub set: SetRef,
    /// The session within the set.
    pub session: String,
    /// The agent software that it was recorded from.
    pub harness: String,
    /// The scenario, defaults filled in.
    pub scenario: Resolved,
    /// One lane a policy, in the scenario's order.
    pub lanes: Vec<Lane>,
}

/// One policy's run of the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The policy.
    pub policy: String,
    /// The calls, in the session's order.
    pub calls: Vec<RaceCall>,
}

/// One call in a lane. Times are microseconds from the run's start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaceCall {
    /// The session's call that it stands for; absent for a strategy's own calls.
    pub source_call: Option<u32>,
    /// Who asked.
    pub role: CallRole,
    /// How it ended.
    pub status: CallStatus,
    /// The replica that answered.
    pub replica: Option<u32>,
    /// Time between the last of the calls it waited for and this one, as recorded.
    pub pause_us: u64,
    /// When it was due.
    pub scheduled_us: u64,
    /// When a replica began to work on it.
    pub admitted_us: Option<u64>,
    /// When its first token came.
    pub first_token_us: Option<u64>,
    /// When its last token came.
    pub finished_us: Option<u64>,
    /// Length of its prompt.
    pub prompt_tokens: u64,
    /// Of these, found in a cache.
    pub cached_tokens: u64,
    /// Prompt tokens computed, recomputation after a preemption included.
    pub computed_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
}

impl Body for Race {
    const KIND: Kind = Kind::Race;
}

impl Lane {
    /// From one run of the simulator.
    pub fn new(run: &PolicyRun) -> Self {
        let pairs = run.workload.calls.iter().zip(&run.outcome.calls);
        let calls = pairs.map(|(asked, call)| RaceCall {
            source_call: asked.source_call,
            role: asked.role,
            status: call.status,
            replica: call.replica,
            pause_us: asked.start.delay_us,
            scheduled_us: call.scheduled_us,
            admitted_us: call.admitted_us,
            first_token_us: call.first_token_us,
            finished_us: call.finished_us,
            prompt_tokens: asked.prompt_tokens.into(),
            cached_tokens: call.cached_tokens.device + call.cached_tokens.host,
            computed_tokens: call.computed_tokens,
            output_tokens: call.output_tokens,
        });
        Lane { policy: run.name.clone(), calls: calls.collect() }
    }

    /// When its last call ended.
    pub fn end_us(&self) -> u64 {
        self.calls.iter().filter_map(|call| call.finished_us).max().unwrap_or(0)
    }

    /// Calls finished at `t_us`.
    pub fn finished_at(&self, t_us: u64) -> usize {
        self.calls.iter().filter(|call| call.finished_us.is_some_and(|end| end <= t_us)).count()
    }

    /// Prompt tokens of all calls that were answered.
    pub fn prompt_tokens(&self) -> u64 {
        self.answered().map(|call| call.prompt_tokens).sum()
    }

    /// Of these, found in a cache.
    pub fn cached_tokens(&self) -> u64 {
        self.answered().map(|call| call.cached_tokens).sum()
    }

    fn answered(&self) -> impl Iterator<Item = &RaceCall> {
        self.calls.iter().filter(|call| call.status == CallStatus::Ok)
    }

    /// The lane as strips: one row a call that was answered.
    pub fn strips(&self) -> Vec<StripRow> {
        let mut rows: Vec<StripRow> = self
            .answered()
            .map(|call| StripRow {
                agent: u32::from(call.role != CallRole::Agent),
                pause_us: Some(call.pause_us),
                prompt_tokens: call.prompt_tokens,
                cached_tokens: call.cached_tokens.min(call.prompt_tokens),
                output_tokens: call.output_tokens,
                again_tokens: 0,
            })
            .collect();
        super::strips::mark_again(&mut rows);
        rows
    }
}

impl Race {
    /// When the last lane ended.
    pub fn end_us(&self) -> u64 {
        self.lanes.iter().map(Lane::end_us).max().unwrap_or(0)
    }

    /// The lane of a policy.
    pub fn lane(&self, policy: &str) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.policy == policy)
    }
}
