//! What one shared cache finds of a set of calls, without time.

use crate::choice::Choice;
use crate::context::{BuildOptions, Raw, build};
use crate::serve::cache::{Memory, Order};
use crate::serve::evict::{self, Eviction, Use};
use crate::serve::{BlockCache, Ceiling, PrefixTree, latency};
use crate::trace::{Session, Workload};

/// The profile whose costs an eviction may weigh.
const PROFILE: &str = "h200-qwen3-4b";

/// What `inspect` is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InspectOptions {
    /// Tokens in a cache block; `None`: the source's, else 16.
    pub block_tokens: Option<u32>,
    /// Capacities for the LRU pass.
    pub kv_tokens: Vec<u64>,
    /// Merge sessions by time instead of one after the other.
    pub interleaved: bool,
}

/// Calls in an order, to be passed over a cache.
#[derive(Clone, Debug)]
pub struct Untimed {
    pub(super) work: Workload,
    pub(super) tree: PrefixTree,
    /// Calls in the order in which they reach the cache.
    pub(super) order: Vec<u32>,
    /// Whether replies enter the cache.
    pub(super) replies: bool,
}

impl Untimed {
    /// All calls, session after session or merged by time.
    pub fn new(sessions: &[Session], options: &InspectOptions) -> Self {
        let own_block = sessions.iter().filter_map(|session| session.block_tokens).max();
        let block = options.block_tokens.or(own_block).unwrap_or(16).max(1);
        let work = build(sessions, &Raw, &BuildOptions { max_tokens: 1, share_system: false });
        let tree = PrefixTree::build(&work, block);
        let order = order(sessions, &work, options.interleaved);
        // Replies of block sources are derived from later prompts; only prompts count there.
        Untimed { work, tree, order, replies: own_block.is_none() }
    }

    /// The same where nothing but prompts enters the cache: what is found is then all that an eviction decides, and
    /// none finds more than Belady's.
    pub fn prompts_only(self) -> Self {
        Untimed { replies: false, ..self }
    }

    /// The same with these calls alone, in this order: those that a run admitted, as it admitted them.
    pub fn ordered(self, order: Vec<u32>) -> Self {
        Untimed { order, ..self }
    }

    /// How many calls there are.
    pub fn calls(&self) -> usize {
        self.order.len()
    }

    /// Tokens in a block.
    pub fn block_tokens(&self) -> u32 {
        self.tree.block_tokens()
    }

    /// Prompt tokens that an infinite cache would find. A partial last block that its source hashes counts.
    pub fn ceiling(&self) -> u64 {
        let mut seen = Ceiling::new(&self.tree);
        let mut hit = 0;
        for &call in &self.order {
            let node = self.tree.prompt(call);
            hit += self.matched(call, seen.longest(node));
            seen.add(node, u32::MAX);
            if self.replies {
                seen.add(self.tree.reply(call), u32::MAX);
            }
        }
        hit
    }

    /// Prompt tokens that one shared cache of `kv_tokens` finds: after each call its blocks are the last used. What does not
    /// fit of a prompt is not kept.
    pub fn found(&self, kv_tokens: u64, evict: Box<dyn Eviction + '_>) -> u64 {
        let mut cache = BlockCache::new(&self.tree, kv_tokens / u64::from(self.tree.block_tokens()), evict);
        let mut hit = 0;
        for &call in &self.order {
            let prompt = self.tree.prompt(call);
            hit += self.matched(call, cache.longest(prompt).1);
            let node = if self.replies { self.tree.reply(call) } else { prompt };
            cache.hold(node, u32::MAX, Use { call, at: 0 });
        }
        hit
    }

    /// An eviction for a cache of `kv_tokens`. The order of the calls is known to those that look ahead.
    pub fn eviction(&self, choice: &Choice, kv_tokens: u64) -> Box<dyn Eviction + '_> {
        let costs = latency::by_name(PROFILE).map(|profile| profile.coefficients).unwrap_or_default();
        let memory = Memory {
            work: &self.work,
            tree: &self.tree,
            costs,
            capacity_blocks: kv_tokens / u64::from(self.tree.block_tokens()),
            host_blocks: 0,
            max_batch: 1,
            reuse: true,
            order: Order::Given(&self.order),
            speed: 1.0,
        };
        evict::make(choice, &memory)
    }

    fn matched(&self, call: u32, blocks: u32) -> u64 {
        let tokens = u64::from(blocks) * u64::from(self.tree.block_tokens());
        tokens.min(self.work.calls[call as usize].prompt_tokens.into())
    }
}

/// Calls session after session, or merged by time.
fn order(sessions: &[Session], work: &Workload, interleaved: bool) -> Vec<u32> {
    let mut order: Vec<u32> = (0..work.calls.len() as u32).collect();
    if interleaved {
        let offset = |call: u32| work.sessions[work.calls[call as usize].session as usize].start_us;
        order.sort_by_key(|&call| (offset(call) + work.calls[call as usize].start.at_us, call));
    }
    debug_assert_eq!(order.len(), sessions.iter().map(|session| session.calls.len()).sum::<usize>());
    order
}
