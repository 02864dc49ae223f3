//! Routers: which replica answers a call. One file each; the registry lists them.

mod cache_aware;
mod least_load;
mod round_robin;
mod session_affinity;

use super::prefix::{NodeId, PrefixTree};

/// What a router may know of a call.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// Index of the session.
    pub session: u32,
    /// Where the prompt ends in the prefix tree.
    pub prompt: NodeId,
    /// Length of the prompt.
    pub prompt_tokens: u32,
}

/// What a router may know of a replica.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Calls waiting or running.
    pub calls: u64,
    /// Their prompt tokens.
    pub tokens: u64,
}

/// One router with its state.
pub trait Router {
    /// Picks a replica for a call. `loads` has one entry a replica.
    fn pick(&mut self, ask: &Ask, loads: &[Load], tree: &PrefixTree) -> u32;
}

/// An entry of the registry.
pub struct Entry {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    /// Makes a router for so many replicas and this tree.
    pub make: fn(u32, &PrefixTree) -> Box<dyn Router>,
}

/// All routers.
pub const ROUTERS: &[Entry] = &[
    Entry {
        name: "round-robin",
        about: "one replica after the other",
        make: |_, _| Box::new(round_robin::RoundRobin::default()),
    },
    Entry {
        name: "session-affinity",
        about: "all calls of a session to one replica, by rendezvous hashing",
        make: |_, _| Box::new(session_affinity::SessionAffinity),
    },
    Entry {
        name: "least-load",
        about: "the replica with the fewest calls waiting or running",
        make: |_, _| Box::new(least_load::LeastLoad),
    },
    Entry {
        name: "cache-aware",
        about: "SGLang: the replica that saw the longest prefix, unless load is unbalanced",
        make: |replicas, tree| Box::new(cache_aware::CacheAware::new(replicas, tree)),
    },
];

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    ROUTERS.iter().map(|router| router.name).collect::<Vec<_>>().join(", ")
}

/// Looks a router up.
pub fn by_name(name: &str) -> Option<&'static Entry> {
    ROUTERS.iter().find(|router| router.name == name)
}

/// The replica with the fewest calls, then the fewest tokens, then the lowest number.
fn least(loads: &[Load]) -> u32 {
    let order = |&(number, load): &(u32, &Load)| (load.calls, load.tokens, number);
    (0..).zip(loads).min_by_key(order).map_or(0, |(number, _)| number)
}
