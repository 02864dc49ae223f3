//! Routers: which replica answers a call. One file each; the registry lists them.

mod cache_aware;
mod least_load;
mod round_robin;
mod scores;
mod session_affinity;

pub use scores::Scores;

use super::prefix::PrefixTree;
pub use super::view::{Ask, Held, Load, Sees, View};
use crate::choice::{self, About, Choice, Param, Preset};
use crate::trace::Workload;
use dyn_clone::DynClone;

/// One router with its state.
pub trait Router: DynClone {
    /// Picks a replica for a call, and says what it thinks of each where that is asked for.
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32;
    /// How much of the cluster it looks at.
    fn sees(&self) -> Sees;
    /// A call that it had sent ended, or was thrown out for good.
    fn ended(&mut self, _call: u32, _replica: u32) {}
}

dyn_clone::clone_trait_object!(Router);

/// What routers are made from.
#[derive(Clone, Copy)]
pub struct Cluster<'a> {
    /// Engines.
    pub replicas: u32,
    /// What is asked. A router may know of it what a gateway knows; only the oracle looks at lengths.
    pub work: &'a Workload,
    /// Its prompts.
    pub tree: &'a PrefixTree,
    /// KV capacity of one replica, in blocks.
    pub capacity_blocks: u64,
    /// Seed of everything random.
    pub seed: u64,
}

/// All routers.
pub const ROUTERS: &[About] = &[
    About::plain("round-robin", "one replica after the other"),
    About::plain("session-affinity", "all calls of a session to one replica, by rendezvous hashing"),
    About::plain("least-load", "the replica with the fewest calls waiting or running"),
    About {
        name: "cache-aware",
        about: "SGLang: the replica that saw the longest prefix, unless load is unbalanced",
        params: cache_aware::PARAMS,
        presets: cache_aware::PRESETS,
    },
];

/// Makes a router.
pub fn make<'a>(choice: &Choice, cluster: &Cluster<'a>) -> Box<dyn Router + 'a> {
    match choice.name() {
        "session-affinity" => Box::new(session_affinity::SessionAffinity),
        "least-load" => Box::new(least_load::LeastLoad),
        "cache-aware" => Box::new(cache_aware::CacheAware::new(choice, cluster)),
        _ => Box::new(round_robin::RoundRobin::default()),
    }
}

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    choice::known(ROUTERS)
}
