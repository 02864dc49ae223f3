//! What can be turned on, one lever at a time: what a released engine, gateway or agent can be told to do, and apart from
//! that what only papers have.

use crate::policy::{Policy, Scenario, ScenarioError};
use serde::Serialize;

/// The router where none is named.
pub(super) const ROUND_ROBIN: &str = "round-robin";
/// The router that is assumed for a cache on several replicas.
pub(super) const CACHE_AWARE: &str = "cache-aware";
/// The context strategy that changes nothing.
const RAW: &str = "raw";
/// What predicted lengths are for, as a part of names.
const SHORTEST: &str = "shortest-predicted-first";

/// Which levers are pulled. Everything else is as the scenario says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Setup {
    /// Whether prefixes are reused.
    pub cache: bool,
    /// The router; round robin where there is none.
    pub router: Option<String>,
    /// What goes first from a cache; the cache's own where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eviction: Option<String>,
    /// What a replica keeps in its host's memory, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_kv_tokens: Option<u64>,
    /// The order in which a replica admits calls; first come, first served where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler: Option<String>,
    /// The context strategy; raw where there is none.
    pub context: Option<String>,
    /// Whether predicted lengths decide reservation and the queue's order.
    pub predict: bool,
}

impl Setup {
    /// What a named policy comes to in a scenario.
    pub fn of(policy: &Policy, scenario: &Scenario) -> Self {
        let router = scenario.router.as_deref().unwrap_or(policy.router);
        let context = scenario.context.as_deref().unwrap_or(policy.context);
        Setup {
            cache: policy.cache,
            router: Some(router).filter(|name| policy.cache && *name != ROUND_ROBIN).map(str::to_owned),
            eviction: scenario.eviction.clone().filter(|_| policy.cache),
            host_kv_tokens: scenario.host_kv_tokens.filter(|_| policy.cache),
            scheduler: scenario.scheduler.clone(),
            context: Some(context).filter(|_| policy.context != RAW).map(str::to_owned),
            predict: policy.predict,
        }
    }

    /// Name in results: what is turned on, or `naive`.
    pub fn name(&self) -> String {
        let mut parts = Vec::new();
        if self.cache {
            parts.push("prefix-cache".to_owned());
        }
        parts.extend(self.router.clone());
        parts.extend(self.eviction.clone());
        parts.extend(self.host_kv_tokens.map(host));
        if self.predict {
            parts.push(SHORTEST.to_owned());
        }
        parts.extend(self.scheduler.clone());
        parts.extend(self.context.clone());
        if parts.is_empty() { "naive".to_owned() } else { parts.join("+") }
    }

    /// As one replica runs it: there is nothing to route.
    #[must_use]
    pub fn alone(self) -> Self {
        Setup { router: None, ..self }
    }

    /// As a policy that the simulator runs in [`Setup::scenario`].
    pub fn policy(&self) -> Policy {
        Policy {
            name: "setup",
            about: "made of levers",
            cache: self.cache,
            router: ROUND_ROBIN,
            // Any strategy but raw lets the scenario's own take its place.
            context: if self.context.is_some() { "masking" } else { RAW },
            predict: self.predict,
            ready: true,
        }
    }

    /// The scenario with the levers' names; what only this set-up could not use is left out.
    pub fn scenario(&self, given: &Scenario) -> Scenario {
        Scenario {
            policies: Vec::new(),
            router: self.router.clone(),
            cache: given.cache.clone().filter(|_| self.cache),
            eviction: self.eviction.clone(),
            host_kv_tokens: self.host_kv_tokens,
            host_gb_per_s: given.host_gb_per_s.filter(|_| self.host_kv_tokens.is_some()),
            scheduler: self.scheduler.clone(),
            context: self.context.clone(),
            predictor: given.predictor.clone().filter(|_| self.predict),
            staleness_us: if self.router.is_some() { given.staleness_us } else { 0 },
            ..given.clone()
        }
    }
}

/// Refuses parts that look into the future: they bound what is possible, and nobody can turn them on.
///
/// # Errors
/// When a part that is given does.
pub(super) fn refuse_foresight(given: &Scenario) -> Result<(), ScenarioError> {
    let refuse = |key: &'static str, found: &Option<String>, all: &[&str]| match found {
        Some(text) if text.split(':').next().is_some_and(|name| all.contains(&name)) => {
            let expected =
                "one that can be turned on: it knows the calls to come, which no engine or gateway does";
            Err(ScenarioError::range(key, format!("`{text}`"), expected))
        }
        _ => Ok(()),
    };
    refuse("router", &given.router, &["oracle"])?;
    refuse("eviction", &given.eviction, &["belady", "steps-to-next-use"])
}

/// A tier of so many tokens in the host's memory of a replica.
fn host(kv_tokens: u64) -> String {
    format!("host-memory:{kv_tokens}")
}

/// One thing that can be turned on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lever {
    /// The prefix cache.
    Cache,
    /// A router.
    Router(String),
    /// Another eviction.
    Eviction(String),
    /// A tier in the host's memory, in tokens of a replica.
    Host(u64),
    /// Another order of the queue.
    Scheduler(String),
    /// Predicted lengths decide reservation and the queue's order.
    Predict,
    /// A context strategy: the agent sees less than it asked for.
    Context(String),
    /// Several at once.
    Together(Vec<Lever>),
    /// A whole set-up in the place of what there is.
    Whole(Setup),
}

impl Lever {
    /// Routers that are tried where none is given: those of public gateways.
    pub const ROUTERS: [&'static str; 9] = [
        CACHE_AWARE,
        "session-affinity",
        "power-of-two",
        "least-load",
        "prefix-hash",
        "dynamo-kv",
        "llm-d",
        "aibrix",
        "vllm-dp",
    ];
    /// Evictions that a released engine has, besides the one that comes with the cache.
    pub const EVICTIONS: [&'static str; 1] = ["lfu"];
    /// Orders that an engine follows where clients or a gateway send them as priorities.
    pub const SCHEDULERS: [&'static str; 2] = ["program-fcfs", "plas"];
    /// Evictions that no released engine has: what they would add is said, they are no step.
    pub const RESEARCH: [&'static str; 3] = ["ttl", "cost-aware", "shortest-program"];
    /// Context strategies that are tried where none is given.
    pub const CONTEXTS: [&'static str; 2] = ["masking:10:10", "masking:10:1"];
    /// Memory of the host over that of the accelerator, where nothing is said: as SGLang's hierarchical cache has it.
    pub const HOST_RATIO: u64 = 2;

    /// Levers that change nothing of what the model is told; `jobs` where it is about them.
    pub fn lossless(given: &Scenario, jobs: bool) -> Vec<Lever> {
        let named = |given: &Option<String>, all: &[&str]| match given {
            Some(name) => vec![name.clone()],
            None => all.iter().map(|name| (*name).to_owned()).collect(),
        };
        let routers = named(&given.router, &Self::ROUTERS);
        let routers = routers.into_iter().filter(|name| given.replicas > 1 && name != ROUND_ROBIN);
        let evictions = match given.cache.as_deref() {
            Some(name) if name.starts_with("slots") => Vec::new(),
            _ => named(&given.eviction, &Self::EVICTIONS),
        };
        let schedulers: &[&str] = if jobs { &Self::SCHEDULERS } else { &[] };
        let mut levers = vec![Lever::Cache];
        levers.extend(routers.map(Lever::Router));
        levers.extend(evictions.into_iter().map(Lever::Eviction));
        let host = given.kv_tokens.map(|kv_tokens| kv_tokens.saturating_mul(Self::HOST_RATIO));
        levers.extend(given.host_kv_tokens.or(host).map(Lever::Host));
        levers.extend(named(&given.scheduler, schedulers).into_iter().map(Lever::Scheduler));
        if given.scheduler.is_none() {
            levers.push(Lever::Predict);
        }
        levers
    }

    /// The cache with each router: what a router keeps together, a cache alone may not have.
    pub fn pairs(levers: &[Lever]) -> Vec<Lever> {
        let routers = levers.iter().filter(|lever| matches!(lever, Lever::Router(_)));
        let pair = |router: &Lever| Lever::Together(vec![Lever::Cache, router.clone()]);
        if levers.contains(&Lever::Cache) { routers.map(pair).collect() } else { Vec::new() }
    }

    /// Levers that no released engine has.
    pub fn research(given: &Scenario) -> Vec<Lever> {
        if given.eviction.is_some() || given.cache.as_deref().is_some_and(|name| name.starts_with("slots")) {
            return Vec::new();
        }
        Self::RESEARCH.map(|name| Lever::Eviction(name.to_owned())).to_vec()
    }

    /// Levers that change what the model is told.
    pub fn lossy(given: &Scenario) -> Vec<Lever> {
        match given.context.as_deref() {
            Some(RAW) => Vec::new(),
            Some(context) => vec![Lever::Context(context.to_owned())],
            None => Self::CONTEXTS.map(|name| Lever::Context(name.to_owned())).to_vec(),
        }
    }

    /// Name in results.
    pub fn name(&self) -> String {
        match self {
            Lever::Cache => "prefix-cache".to_owned(),
            Lever::Predict => SHORTEST.to_owned(),
            Lever::Host(kv_tokens) => host(*kv_tokens),
            Lever::Router(name) | Lever::Eviction(name) | Lever::Scheduler(name) | Lever::Context(name) => {
                name.clone()
            }
            Lever::Together(levers) => levers.iter().map(Lever::name).collect::<Vec<_>>().join("+"),
            Lever::Whole(setup) => setup.name(),
        }
    }

    /// What it is, for who does not know the name.
    pub fn kind(&self) -> &'static str {
        match self {
            Lever::Cache => "cache",
            Lever::Router(_) => "router",
            Lever::Eviction(_) => "eviction",
            Lever::Host(_) => "memory",
            Lever::Scheduler(_) | Lever::Predict => "scheduler",
            Lever::Context(_) => "context",
            Lever::Together(_) | Lever::Whole(_) => "together",
        }
    }

    /// Whether it does nothing where a cache never has to make room.
    pub fn needs_pressure(&self) -> bool {
        matches!(self, Lever::Eviction(_) | Lever::Host(_))
    }

    /// Whether it would do anything on top of a set-up: without a cache there is nothing to look for or to keep.
    pub fn fits(&self, setup: &Setup) -> bool {
        match self {
            Lever::Cache => !setup.cache,
            Lever::Router(_) => setup.cache && setup.router.is_none(),
            Lever::Eviction(_) => setup.cache && setup.eviction.is_none(),
            Lever::Host(_) => setup.cache && setup.host_kv_tokens.is_none(),
            Lever::Scheduler(_) | Lever::Predict => !setup.predict && setup.scheduler.is_none(),
            Lever::Context(_) => setup.context.is_none(),
            Lever::Together(levers) => levers.first().is_some_and(|first| first.fits(setup)),
            Lever::Whole(whole) => whole != setup,
        }
    }

    /// The set-up with it turned on.
    pub fn on(&self, setup: &Setup) -> Setup {
        let mut setup = setup.clone();
        match self {
            Lever::Cache => setup.cache = true,
            Lever::Router(name) => setup.router = Some(name.clone()),
            Lever::Eviction(name) => setup.eviction = Some(name.clone()),
            Lever::Host(tokens) => setup.host_kv_tokens = Some(*tokens),
            Lever::Scheduler(name) => setup.scheduler = Some(name.clone()),
            Lever::Predict => setup.predict = true,
            Lever::Context(name) => setup.context = Some(name.clone()),
            Lever::Together(levers) => setup = levers.iter().fold(setup, |setup, lever| lever.on(&setup)),
            Lever::Whole(whole) => setup = whole.clone(),
        }
        setup
    }
}
