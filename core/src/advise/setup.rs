//! What can be turned on, one lever at a time.

use crate::policy::{Policy, Scenario};
use serde::Serialize;

/// Which levers are pulled. Everything else is as the scenario says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Setup {
    /// Whether prefixes are reused.
    pub cache: bool,
    /// The router; round robin where there is none.
    pub router: Option<String>,
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
        if self.predict {
            parts.push(SHORTEST.to_owned());
        }
        parts.extend(self.context.clone());
        if parts.is_empty() { "naive".to_owned() } else { parts.join("+") }
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

    /// The scenario with the levers' names.
    pub fn scenario(&self, given: &Scenario) -> Scenario {
        Scenario { router: self.router.clone(), context: self.context.clone(), ..given.clone() }
    }
}

const ROUND_ROBIN: &str = "round-robin";
const RAW: &str = "raw";
const SHORTEST: &str = "shortest-predicted-first";

/// One thing that can be turned on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lever {
    /// The prefix cache.
    Cache,
    /// A router.
    Router(String),
    /// Predicted lengths decide reservation and the queue's order.
    Predict,
    /// A context strategy: the agent sees less than it asked for.
    Context(String),
}

impl Lever {
    /// Routers that are tried where none is given: by prefix, session and load, as public gateways have them.
    pub const ROUTERS: [&'static str; 4] = ["cache-aware", "session-affinity", "power-of-two", "dynamo-kv"];
    /// Context strategies that are tried where none is given.
    pub const CONTEXTS: [&'static str; 2] = ["masking:10:10", "masking:10:1"];

    /// Levers that change nothing of what the model is told.
    pub fn lossless(given: &Scenario) -> Vec<Lever> {
        let routers = match &given.router {
            Some(router) => vec![router.clone()],
            None => Self::ROUTERS.map(str::to_owned).to_vec(),
        };
        let routers = routers.into_iter().filter(|name| given.replicas > 1 && name != ROUND_ROBIN);
        let mut levers = vec![Lever::Cache];
        levers.extend(routers.map(Lever::Router));
        levers.push(Lever::Predict);
        levers
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
    pub fn name(&self) -> &str {
        match self {
            Lever::Cache => "prefix-cache",
            Lever::Predict => SHORTEST,
            Lever::Router(name) | Lever::Context(name) => name,
        }
    }

    /// Whether it would do anything on top of a set-up: a router has nothing to look for without a cache.
    pub fn fits(&self, setup: &Setup) -> bool {
        match self {
            Lever::Cache => !setup.cache,
            Lever::Router(_) => setup.cache && setup.router.is_none(),
            Lever::Predict => !setup.predict,
            Lever::Context(_) => setup.context.is_none(),
        }
    }

    /// The set-up with it turned on.
    pub fn on(&self, setup: &Setup) -> Setup {
        let mut setup = setup.clone();
        match self {
            Lever::Cache => setup.cache = true,
            Lever::Router(name) => setup.router = Some(name.clone()),
            Lever::Predict => setup.predict = true,
            Lever::Context(name) => setup.context = Some(name.clone()),
        }
        setup
    }
}
