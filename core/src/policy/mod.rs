//! The runtime policies: each a named choice of cache, router, scheduler, context strategy and
//! length predictor. One table lists them; the command line, the page and the docs read it.

mod arrivals;
mod error;
mod gallery;
mod horizon;
mod options;
mod prompts;
mod scenario;
mod simulate;
mod unknown;

pub use arrivals::{ARRIVALS, Arrivals};
pub use error::{NotApplicable, ScenarioError};
pub use gallery::{EXHIBITS, Exhibit, Measure};
pub use options::Idle;
pub use prompts::{KeepAll, Prompts, PromptsKey, Shelf};
pub use scenario::{Replay, Scenario};
pub(crate) use simulate::profile;
pub use simulate::{
    DEFAULT_PREDICTOR, PolicyRun, Resolved, block_tokens, simulate, simulate_from, simulate_policies,
};
pub use unknown::Unknown;

/// A named choice at every layer of the serving side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Name on the command line and in results.
    pub name: &'static str,
    /// One line for help texts and the page.
    pub about: &'static str,
    /// Whether prefixes are reused.
    pub cache: bool,
    /// The router's name.
    pub router: &'static str,
    /// The context strategy's name.
    pub context: &'static str,
    /// Whether predicted lengths decide reservation and queue order.
    pub predict: bool,
    /// Whether it can run; the learned policy cannot before it is trained.
    pub ready: bool,
}

impl Policy {
    /// The name of its router in a scenario.
    fn router_in<'s>(&self, scenario: &'s Scenario) -> &'s str {
        // Naive is the yardstick: it keeps its router whatever else is tried.
        scenario.router.as_deref().filter(|_| self.cache).unwrap_or(self.router)
    }
}

/// All policies, in the order in which the project speaks of them.
pub const POLICIES: &[Policy] = &[
    Policy {
        name: "naive",
        about: "every prompt is computed in full; round robin",
        cache: false,
        router: "round-robin",
        context: "raw",
        predict: false,
        ready: true,
    },
    Policy {
        name: "exact-prefix-cache",
        about: "block-hash prefix cache per replica, LRU; round robin",
        cache: true,
        router: "round-robin",
        context: "raw",
        predict: false,
        ready: true,
    },
    Policy {
        name: "prefix-aware-routing",
        about: "prefix cache; calls go where their prefix is, unless load is unbalanced",
        cache: true,
        router: "cache-aware",
        context: "raw",
        predict: false,
        ready: true,
    },
    Policy {
        name: "prompt-compaction",
        about: "as prefix-aware-routing, with old observations masked in batches",
        cache: true,
        router: "cache-aware",
        context: "masking:10:10",
        predict: false,
        ready: true,
    },
    Policy {
        name: "max-token-prediction",
        about: "as prefix-aware-routing; predicted lengths decide reservation and queue order",
        cache: true,
        router: "cache-aware",
        context: "raw",
        predict: true,
        ready: true,
    },
    Policy {
        name: "learned",
        about: "chosen per session and call by a small model from metadata only; not trained yet",
        cache: true,
        router: "cache-aware",
        context: "raw",
        predict: false,
        ready: false,
    },
];

/// The policies that run by default.
pub const NAMES: &[&str] =
    &["naive", "exact-prefix-cache", "prefix-aware-routing", "prompt-compaction", "max-token-prediction"];

/// Looks a policy up.
///
/// # Errors
/// When there is none of that name, or it cannot run yet.
pub fn by_name(name: &str) -> Result<&'static Policy, ScenarioError> {
    let found = POLICIES.iter().find(|policy| policy.name == name).ok_or_else(|| ScenarioError::Unknown {
        what: "policy",
        found: name.to_owned(),
        known: POLICIES.iter().map(|policy| policy.name).collect::<Vec<_>>().join(", "),
    })?;
    if found.ready { Ok(found) } else { Err(ScenarioError::NotTrained { name: name.to_owned() }) }
}
