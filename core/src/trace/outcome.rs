//! What happened to each call. The simulator and the replay client both produce it, so that a
//! simulated and a measured run are compared by subtraction.

use serde::{Deserialize, Serialize};

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// All its tokens came.
    #[default]
    Ok,
    /// Too large for a replica or for the model's context.
    Rejected,
    /// Not sent, because its session had ended.
    Skipped,
}

/// Prompt tokens found in a cache, by tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cached {
    /// In the accelerator's memory.
    pub device: u64,
    /// In the host's memory.
    pub host: u64,
}

/// One call's fate. Times are microseconds from the run's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallOutcome {
    /// Index within the workload.
    pub id: u32,
    /// How it ended.
    pub status: CallStatus,
    /// The replica that answered.
    pub replica: Option<u32>,
    /// When it was due.
    pub scheduled_us: u64,
    /// When it was sent.
    pub sent_us: u64,
    /// When a replica began to work on it.
    pub admitted_us: Option<u64>,
    /// When its first token came.
    pub first_token_us: Option<u64>,
    /// When its last token came.
    pub finished_us: Option<u64>,
    /// Prompt tokens found in a cache.
    pub cached_tokens: Cached,
    /// Prompt tokens computed, recomputation after a preemption included.
    pub computed_tokens: u64,
    /// Prompt tokens newly written to the cache.
    pub cache_write_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
    /// How often it was thrown out and started again.
    pub preemptions: u32,
    /// Prompt tokens that an infinite shared cache would have found at admission.
    pub ceiling_tokens: u64,
    /// Output tokens that a predictor expected, where one was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted_tokens: Option<u64>,
    /// Index into [`Outcome::decisions`], where the router's choice was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<u32>,
    /// Token count over time, as corner points `[us, tokens]`, where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Vec<[u64; 2]>>,
}

/// Sums over a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Engine steps taken, over all replicas.
    pub steps: u64,
    /// Cache blocks evicted.
    pub evicted_blocks: u64,
    /// Preemptions.
    pub preemptions: u64,
    /// Most blocks in use at once on one replica.
    pub peak_blocks: u64,
    /// Time that replicas spent in steps, summed over them.
    pub busy_us: u64,
    /// Replicas that took part.
    pub replicas: u32,
}

/// One choice of a router: what every candidate scored. A score's meaning is the router's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The call.
    pub call: u32,
    /// When it was made.
    pub at_us: u64,
    /// The replica that was picked.
    pub replica: u32,
    /// One score a replica; null where a replica was not considered.
    pub scores: Vec<Option<f64>>,
    /// What would have come of each replica, where that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hindsight: Option<Hindsight>,
}

/// What would have come of a call on each replica, all that came later included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hindsight {
    /// One entry a replica.
    pub replicas: Vec<Tried>,
    /// The replica that the oracle would have picked: where the first token would have come first if nothing had come later.
    pub oracle: u32,
}

/// What would have come of a call on one replica, from its schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// Time to the first token.
    pub ttft_us: u64,
    /// Time to the last token.
    pub e2e_us: u64,
}

/// How much later than on the replica that was best for it a call was, whatever that did to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Regret {
    /// Time to first token, over the least on any replica.
    pub ttft_us: u64,
    /// Time to the last token, over the least on any replica.
    pub e2e_us: u64,
    /// Time to first token on the replica of the oracle, over the least on any replica.
    pub oracle_ttft_us: u64,
}

impl Decision {
    /// What the choice cost, where every replica was tried.
    pub fn regret(&self) -> Option<Regret> {
        let hindsight = self.hindsight.as_ref()?;
        let own = hindsight.replicas.get(self.replica as usize)?;
        let oracle = hindsight.replicas.get(hindsight.oracle as usize)?;
        let first = hindsight.replicas.iter().map(|tried| tried.ttft_us).min()?;
        let last = hindsight.replicas.iter().map(|tried| tried.e2e_us).min()?;
        Some(Regret {
            ttft_us: own.ttft_us - first,
            e2e_us: own.e2e_us - last,
            oracle_ttft_us: oracle.ttft_us - first,
        })
    }
}

/// What happened to each call of a workload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// One entry a call, in workload order.
    pub calls: Vec<CallOutcome>,
    /// The router's choices, where recording them was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// Sums over the run.
    pub counters: Counters,
}
