//! What the committed reports are about: the sets, and the scenario of each. Loads are chosen below
//! saturation; every report says how busy the cluster was.

use atr_core::policy::{Arrivals, Replay, Scenario};

/// A bundled set and its scenario.
pub(super) struct SetPlan {
    /// Its name: that of its file, without endings.
    pub(super) name: &'static str,
    /// What a reader calls it.
    pub(super) title: &'static str,
    /// Engines.
    replicas: u32,
    /// Sessions at a time; sets without sessions arrive as recorded.
    concurrency: Option<u32>,
}

/// The bundled sets.
pub(super) const SETS: &[SetPlan] = &[
    SetPlan { name: CLAUDE_CODE, title: "Claude Code", replicas: 4, concurrency: Some(16) },
    SetPlan {
        name: "mini-swe-agent-gemini3",
        title: "mini-swe-agent with Gemini 3",
        replicas: 4,
        concurrency: Some(16),
    },
    SetPlan { name: "mooncake-conversation", title: "Mooncake conversation", replicas: 8, concurrency: None },
];

/// The set of the race and of the sweep.
pub(super) const CLAUDE_CODE: &str = "claude-code";
/// The session of the race.
pub(super) const RACE_SESSION: &str = "trace_0002";

/// Sessions at a time in the sweep.
pub(super) const SWEEP_CONCURRENCY: [u32; 6] = [1, 4, 8, 16, 32, 64];
/// KV capacities of one replica in the sweep.
pub(super) const SWEEP_KV_TOKENS: [u64; 3] = [131_072, 393_216, 786_432];
impl SetPlan {
    /// The scenario of the policy comparison.
    pub(super) fn scenario(&self) -> Scenario {
        Scenario {
            replicas: self.replicas,
            arrivals: self.concurrency.map(|sessions| Arrivals::Concurrency { sessions }),
            ..Scenario::default()
        }
    }
}

/// The sets of the comparison of dispatch, each with sessions that start in a second: two rates that its servers keep up
/// with and two that they do not.
pub(super) const DISPATCH: [(&str, [f64; 4]); 2] =
    [(CLAUDE_CODE, [0.005, 0.01, 0.1, 0.2]), ("mini-swe-agent-gemini3", [0.05, 0.1, 1.0, 2.0])];

/// The scenario of one dispatch.
pub(super) fn dispatch(per_s: f64, replay: Replay) -> Scenario {
    Scenario {
        policies: vec!["prefix-aware-routing".to_owned()],
        replicas: 4,
        arrivals: Some(Arrivals::Poisson { per_s }),
        replay: Some(replay),
        ..Scenario::default()
    }
}

/// The set of a name.
pub(super) fn set(name: &str) -> Option<&'static SetPlan> {
    SETS.iter().find(|set| set.name == name)
}

/// The sweep's scenario at one point.
pub(super) fn sweep(concurrency: u32, kv_tokens: u64) -> Scenario {
    Scenario {
        replicas: 4,
        kv_tokens: Some(kv_tokens),
        arrivals: Some(Arrivals::Concurrency { sessions: concurrency }),
        ..Scenario::default()
    }
}

/// The race's scenario. Recorded delays are divided by so much that tool time vanishes: the race
/// shows what the server does. Several replicas, because one alone gives a router nothing to do.
pub(super) fn race() -> Scenario {
    Scenario {
        replicas: 4,
        arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
        speed: 1e9,
        ..Scenario::default()
    }
}
