//! A complete simulated set-up: what is asked of which cluster, and how it arrives.

use super::{Arrivals, ScenarioError};
pub use crate::serve::Replay;
use crate::serve::latency::OwnProfile;
use serde::{Deserialize, Serialize};

/// A complete simulated set-up. `None` means: the default of the trace or of the profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scenario {
    /// Names of policies, in the order of the result.
    pub policies: Vec<String>,
    /// Replaces each policy's own router, in all but naive.
    pub router: Option<String>,
    /// Replaces the cache of every policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    /// Replaces what goes first from a cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eviction: Option<String>,
    /// Replaces the order in which a replica admits calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
    /// Replaces the predictor of the policies that predict lengths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predictor: Option<String>,
    /// How old the router's view of the cluster may be, in microseconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub staleness_us: u64,
    /// Keep what the router thought of every replica, for every call.
    #[serde(skip_serializing_if = "is_false")]
    pub decisions: bool,
    /// Decisions a policy of which every replica is tried in hindsight.
    #[serde(skip_serializing_if = "is_none_tried")]
    pub regret: u32,
    /// Replaces the context strategy of prompt-compaction.
    pub context: Option<String>,
    /// Engines.
    pub replicas: u32,
    /// KV capacity of one replica, in tokens.
    pub kv_tokens: Option<u64>,
    /// What a replica keeps in its host's memory, in tokens; `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_kv_tokens: Option<u64>,
    /// Rate at which it is brought over; `None`: that of the profile's link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_gb_per_s: Option<f64>,
    /// Tokens in a cache block.
    pub block_tokens: Option<u32>,
    /// A profile's name, or `linear:a_ms,b_ms,c_ms`.
    pub profile: String,
    /// The profile itself, where it is not one of those that come along.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_profile: Option<OwnProfile>,
    /// Most calls in a step.
    pub max_batch: u32,
    /// Most prompt tokens computed in a step.
    pub step_tokens: u32,
    /// The output cap that clients ask for.
    pub max_tokens: u32,
    /// How sessions arrive; `None`: 16 at a time, or as recorded where there are no sessions.
    pub arrivals: Option<Arrivals>,
    /// What starts the next call; `None`: delays, or times where there are no sessions.
    pub replay: Option<Replay>,
    /// Recorded times and delays are divided by it.
    pub speed: f64,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether an admitted call reserves room for its predicted or requested output at once.
    pub reserve: bool,
    /// Assume that tool and system prefixes of equal sizes are equal across sessions whose ids are local.
    pub share_system: bool,
    /// Keep the token curve of every call (for the race).
    pub curves: bool,
    /// Advance step by step instead of in closed form: slow, for checking.
    pub stepwise: bool,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_none_tried(number: &u32) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Default for Scenario {
    fn default() -> Self {
        Scenario {
            policies: super::NAMES.iter().map(|name| (*name).to_owned()).collect(),
            router: None,
            cache: None,
            eviction: None,
            scheduler: None,
            predictor: None,
            staleness_us: 0,
            decisions: false,
            regret: 0,
            context: None,
            replicas: 1,
            kv_tokens: None,
            host_kv_tokens: None,
            host_gb_per_s: None,
            block_tokens: None,
            profile: "h200-qwen3-4b".to_owned(),
            own_profile: None,
            max_batch: 256,
            step_tokens: 8_192,
            max_tokens: 16_384,
            arrivals: None,
            replay: None,
            speed: 1.0,
            seed: 1,
            reserve: false,
            share_system: false,
            curves: false,
            stepwise: false,
        }
    }
}

impl Scenario {
    /// Checks every number on its own; [`Scenario::validate`] checks the rest, too.
    ///
    /// # Errors
    /// The first key that is out of range.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let positive = |key, value: u64| {
            if value == 0 { Err(ScenarioError::range(key, value, "at least 1")) } else { Ok(()) }
        };
        positive("replicas", self.replicas.into())?;
        if self.replicas > MAX_REPLICAS {
            return Err(ScenarioError::range("replicas", self.replicas, format!("at most {MAX_REPLICAS}")));
        }
        if self.regret > 0 && self.replicas < 2 {
            return Err(ScenarioError::range(
                "regret",
                self.regret,
                "0 with one replica: there is no choice",
            ));
        }
        positive("kv_tokens", self.kv_tokens.unwrap_or(1))?;
        positive("host_kv_tokens", self.host_kv_tokens.unwrap_or(1))?;
        if let Some(rate) = self.host_gb_per_s.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Err(ScenarioError::range("host_gb_per_s", rate, "a finite rate above 0"));
        }
        positive("block_tokens", self.block_tokens.unwrap_or(1).into())?;
        positive("max_batch", self.max_batch.into())?;
        positive("step_tokens", self.step_tokens.into())?;
        positive("max_tokens", self.max_tokens.into())?;
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(ScenarioError::range("speed", self.speed, "a finite number above 0"));
        }
        let Some(arrivals) = self.arrivals else { return Ok(()) };
        if matches!(arrivals, Arrivals::Users { .. }) && self.replay == Some(Replay::Times) {
            let expected = "`delays`: users wait for their calls, so `users` arrivals know no recorded times";
            return Err(ScenarioError::range("replay", "`times`", expected));
        }
        arrivals.check()
    }
}

/// Most replicas one scenario may have.
const MAX_REPLICAS: u32 = 1_024;
