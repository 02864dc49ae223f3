//! What a trace holds, and what a cache could make of it: counts, the ceiling and an untimed pass
//! over one shared cache.

use super::percentile;
use crate::context::{BuildOptions, Raw, build};
use crate::serve::{BlockCache, Ceiling, Lru, PrefixTree, ROOT, Use};
use crate::trace::{Call, Mark, Session, Workload};
use serde::{Deserialize, Serialize};

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

/// Percentiles of turns.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turns {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// Most.
    pub max: u64,
}

/// One capacity of the LRU pass.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LruRow {
    /// Capacity.
    pub kv_tokens: u64,
    /// Cached over prompt tokens.
    pub hit_rate: Option<f64>,
    /// `sequential` or `interleaved`.
    pub order: String,
}

/// Sums over what the source recorded; null where no call has it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedSums {
    /// Prompt tokens the provider found in its cache.
    pub cached_tokens: Option<u64>,
    /// Output tokens as the source wrote them.
    pub output_tokens: Option<u64>,
    /// What the provider charged.
    pub cost_usd: Option<f64>,
}

/// What a trace holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// Sessions; for sources without sessions, requests.
    pub sessions: u64,
    /// Calls.
    pub calls: u64,
    /// All prompt tokens.
    pub prompt_tokens: u64,
    /// All output tokens.
    pub output_tokens: u64,
    /// The main agent's calls per session; null where the source has no sessions.
    pub turns: Option<Turns>,
    /// Hit rate of an infinite shared cache.
    pub ceiling_hit_rate: Option<f64>,
    /// Tokens in a block.
    pub block_tokens: u32,
    /// The untimed LRU pass, by capacity.
    pub lru: Vec<LruRow>,
    /// Sessions equal to an earlier one.
    pub duplicates: u64,
    /// Records that could not be read; the reader fills it in.
    pub skipped: u64,
    /// Sums over what the source recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<RecordedSums>,
}

/// A set laid out for an untimed pass.
pub(super) struct Laid {
    pub(super) work: Workload,
    pub(super) tree: PrefixTree,
    /// Calls in the order in which they reach the cache.
    pub(super) order: Vec<u32>,
    /// Whether replies enter the cache.
    pub(super) replies: bool,
}

/// Lays a set out as the options say.
pub(super) fn lay(sessions: &[Session], options: &InspectOptions) -> Laid {
    let own_block = sessions.iter().filter_map(|session| session.block_tokens).max();
    let block = options.block_tokens.or(own_block).unwrap_or(16).max(1);
    let work = build(sessions, &Raw, &BuildOptions { max_tokens: 1, share_system: false });
    let tree = PrefixTree::build(&work, block);
    let order = order(sessions, &work, options.interleaved);
    // Replies of block sources are derived from later prompts; only prompts count there.
    Laid { work, tree, order, replies: own_block.is_none() }
}

/// Inspects a set.
pub fn inspect(sessions: &[Session], options: &InspectOptions) -> Inspection {
    let Laid { work, tree, order, replies } = lay(sessions, options);
    let block = tree.block_tokens();
    let prompt_tokens: u64 = sessions.iter().map(Session::prompt_tokens).sum();
    let rate = |hit: u64| (prompt_tokens > 0).then(|| hit as f64 / prompt_tokens as f64);
    let lru = options.kv_tokens.iter().map(|&kv_tokens| LruRow {
        kv_tokens,
        hit_rate: rate(lru_pass(&work, &tree, &order, kv_tokens, replies)),
        order: if options.interleaved { "interleaved" } else { "sequential" }.to_owned(),
    });
    Inspection {
        sessions: sessions.len() as u64,
        calls: work.calls.len() as u64,
        prompt_tokens,
        output_tokens: sessions.iter().map(Session::output_tokens).sum(),
        turns: turns(sessions),
        ceiling_hit_rate: rate(ceiling(&work, &tree, &order, replies)),
        block_tokens: block,
        lru: lru.collect(),
        duplicates: sessions.iter().filter(|session| session.has(Mark::Duplicate)).count() as u64,
        skipped: 0,
        recorded: recorded(sessions),
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

/// Tokens that an infinite cache would find. A partial last block that its source hashes counts.
fn ceiling(work: &Workload, tree: &PrefixTree, order: &[u32], replies: bool) -> u64 {
    let mut seen = Ceiling::new(tree);
    let mut hit = 0;
    for &call in order {
        let node = tree.prompt(call);
        hit += matched(work, tree, call, seen.longest(node));
        seen.add(node, u32::MAX);
        if replies {
            seen.add(tree.reply(call), u32::MAX);
        }
    }
    hit
}

fn matched(work: &Workload, tree: &PrefixTree, call: u32, blocks: u32) -> u64 {
    let tokens = u64::from(blocks) * u64::from(tree.block_tokens());
    tokens.min(work.calls[call as usize].prompt_tokens.into())
}

/// Tokens that one shared LRU cache finds, without time: after each call its blocks become the most
/// recent, the deepest first to go. What does not fit of a prompt is not kept.
fn lru_pass(work: &Workload, tree: &PrefixTree, order: &[u32], kv_tokens: u64, replies: bool) -> u64 {
    let blocks = kv_tokens / u64::from(tree.block_tokens());
    let mut cache = BlockCache::new(tree, blocks, Box::new(Lru::default()));
    let mut hit = 0;
    for &call in order {
        let (_, found) = cache.longest(tree.prompt(call));
        hit += matched(work, tree, call, found);
        // A reply may be there already, where the same was said before.
        let node = if replies { tree.reply(call) } else { tree.prompt(call) };
        let (pin, blocks) = cache.longest(node);
        cache.pin(pin);
        let wanted = u64::from(tree.end_block(node).saturating_sub(blocks));
        let room = wanted.min(cache.available());
        let taken = cache.take(room, 0);
        debug_assert!(taken, "no more is asked than there is");
        let (pin, moved) = cache.insert(pin, node, blocks + room as u32);
        cache.give(room - moved);
        cache.unpin(pin, Some(Use { call, at: 0 }));
        debug_assert!(pin != ROOT || moved == 0);
    }
    hit
}

fn turns(sessions: &[Session]) -> Option<Turns> {
    let mut turns: Vec<u64> = sessions.iter().filter_map(Session::turns).collect();
    turns.sort_unstable();
    let sorted: Vec<f64> = turns.iter().map(|&n| n as f64).collect();
    Some(Turns { p50: percentile(&sorted, 0.5)?, p90: percentile(&sorted, 0.9)?, max: *turns.last()? })
}

fn recorded(sessions: &[Session]) -> Option<RecordedSums> {
    let calls = || sessions.iter().flat_map(|session| &session.calls);
    let records = || calls().filter_map(|call| call.recorded.as_ref());
    let sum = |values: Vec<u64>| (!values.is_empty()).then(|| values.into_iter().sum::<u64>());
    let costs: Vec<f64> = records().filter_map(|recorded| recorded.cost_usd).collect();
    let sums = RecordedSums {
        cached_tokens: sum(records().filter_map(|recorded| recorded.cached_tokens).collect()),
        output_tokens: sum(calls().filter_map(recorded_output).collect()),
        cost_usd: (!costs.is_empty()).then(|| costs.iter().sum()),
    };
    (sums.cached_tokens.is_some() || sums.output_tokens.is_some() || sums.cost_usd.is_some()).then_some(sums)
}

/// Output tokens as the provider counted them: `recorded` keeps them only where they were replaced.
/// What has no cached tokens and no cost was not counted by a provider call by call.
fn recorded_output(call: &Call) -> Option<u64> {
    let recorded = call.recorded.as_ref()?;
    let counted = recorded.cached_tokens.is_some() || recorded.cost_usd.is_some();
    recorded.output_tokens.or_else(|| call.output_tokens.filter(|_| counted).map(u64::from))
}
