//! Routers: which replica answers a call. One file each; the registry lists them. Among equals each does what its source does, and
//! says it at the head of its file; where there is none to follow, load decides, then chance.

mod aibrix;
mod books;
mod cache_aware;
mod dynamo_kv;
mod index;
mod least_load;
mod llm_d;
mod mooncake;
mod oracle;
mod pick;
mod power_of_two;
mod preble;
mod prefix_hash;
mod production_stack;
mod random;
mod ring;
mod round_robin;
mod scores;
mod session_affinity;
mod smg_least_load;
mod vllm_dp;

pub(super) use oracle::earliest;
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
    /// The call went to a replica: the one that was picked, unless somebody asks what would have been.
    fn sent(&mut self, _ask: &Ask, _view: &View<'_>, _replica: u32) {}
    /// How much of the cluster it looks at.
    fn sees(&self) -> Sees;
    /// Whether it must be told of first tokens.
    fn watches_starts(&self) -> bool {
        false
    }
    /// A call that it had sent made its first token; again, where the call was thrown out and is computed again.
    fn started(&mut self, _call: u32, _replica: u32) {}
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

/// A router with numbers.
const fn with(
    name: &'static str,
    about: &'static str,
    params: &'static [Param],
    presets: &'static [Preset],
) -> About {
    About { name, about, params, presets }
}

/// All routers.
pub const ROUTERS: &[About] = &[
    About::plain("round-robin", "one replica after the other"),
    About::plain("random", "any replica"),
    About::plain("session-affinity", "all calls of a session to one replica, by rendezvous hashing"),
    About::plain("least-load", "the replica with the fewest calls waiting or running"),
    About::plain("power-of-two", "of two replicas drawn at random, the one with fewer calls"),
    with(
        "cache-aware",
        "SGLang: the replica that saw the longest prefix, unless load is unbalanced",
        cache_aware::PARAMS,
        cache_aware::PRESETS,
    ),
    with(
        "prefix-hash",
        "smg: the first tokens hashed to a ring, unless the replica there has too many calls",
        prefix_hash::PARAMS,
        prefix_hash::PRESETS,
    ),
    with(
        "smg-least-load",
        "smg: the least time of queued tokens and pressure on memory, by late reports",
        smg_least_load::PARAMS,
        smg_least_load::PRESETS,
    ),
    with(
        "dynamo-kv",
        "Dynamo: the fewest blocks to compute and held by running calls",
        dynamo_kv::PARAMS,
        dynamo_kv::PRESETS,
    ),
    with("llm-d", "llm-d: prefix, queue and memory, scored and weighted", llm_d::PARAMS, llm_d::PRESETS),
    with(
        "aibrix",
        "AIBrix: the best match among replicas without too many calls",
        aibrix::PARAMS,
        aibrix::PRESETS,
    ),
    with(
        "production-stack",
        "vLLM production stack, load-aware: the share held less the load above the mean",
        production_stack::PARAMS,
        production_stack::PRESETS,
    ),
    with(
        "vllm-dp",
        "vLLM: waiting calls count four times, by late reports",
        vllm_dp::PARAMS,
        vllm_dp::PRESETS,
    ),
    with(
        "preble-e2",
        "Preble: who holds most of the prompt, else the least load, eviction and computing",
        preble::PARAMS,
        preble::PRESETS,
    ),
    About::plain("mooncake-conductor", "Mooncake's conductor: the least estimated time to first token"),
    About::plain(
        "oracle",
        "the least true time to first token of each call alone, which no router can know: greedy, no bound on a run; slow",
    ),
];

/// Their names alone.
pub const NAMES: [&str; ROUTERS.len()] = choice::names(ROUTERS);

/// Makes a router.
pub fn make<'a>(choice: &Choice, cluster: &Cluster<'a>) -> Box<dyn Router + 'a> {
    match choice.name() {
        "random" => Box::new(random::Random::new(cluster)),
        "session-affinity" => Box::new(session_affinity::SessionAffinity),
        "least-load" => Box::new(least_load::LeastLoad::default()),
        "power-of-two" => Box::new(power_of_two::PowerOfTwo::new(cluster)),
        "cache-aware" => Box::new(cache_aware::CacheAware::new(choice, cluster)),
        "prefix-hash" => Box::new(prefix_hash::PrefixHash::new(choice, cluster)),
        "smg-least-load" => Box::new(smg_least_load::SmgLeastLoad::new(choice)),
        "dynamo-kv" => Box::new(dynamo_kv::DynamoKv::new(choice, cluster)),
        "llm-d" => Box::new(llm_d::LlmD::new(choice, cluster)),
        "aibrix" => Box::new(aibrix::Aibrix::new(choice, cluster)),
        "production-stack" => Box::new(production_stack::ProductionStack::new(choice, cluster)),
        "vllm-dp" => Box::new(vllm_dp::VllmDp::new(choice)),
        "preble-e2" => Box::new(preble::PrebleE2::new(choice, cluster)),
        "mooncake-conductor" => Box::new(mooncake::Mooncake::new(cluster)),
        "oracle" => Box::new(oracle::Oracle::new(cluster)),
        _ => Box::new(round_robin::RoundRobin::default()),
    }
}

/// How much of the cluster a router looks at.
pub fn sees(choice: &Choice) -> Sees {
    let work = Workload::default();
    let tree = PrefixTree::build(&work, 1);
    make(choice, &Cluster { replicas: 1, work: &work, tree: &tree, capacity_blocks: 1, seed: 1 }).sees()
}

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    choice::known(ROUTERS)
}

#[cfg(test)]
pub(super) mod fixture;
