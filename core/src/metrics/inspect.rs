//! What a trace holds, and what a cache could make of it: counts, the ceiling and an untimed pass
//! over one shared cache.

use super::{InspectOptions, Untimed, percentile};
use crate::serve::Lru;
use crate::trace::{Call, Mark, Session};
use serde::{Deserialize, Serialize};

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

/// Inspects a set.
pub fn inspect(sessions: &[Session], options: &InspectOptions) -> Inspection {
    let untimed = Untimed::new(sessions, options);
    let prompt_tokens: u64 = sessions.iter().map(Session::prompt_tokens).sum();
    let rate = |hit: u64| (prompt_tokens > 0).then(|| hit as f64 / prompt_tokens as f64);
    let lru = options.kv_tokens.iter().map(|&kv_tokens| LruRow {
        kv_tokens,
        hit_rate: rate(untimed.found(kv_tokens, Box::new(Lru::default()))),
        order: if options.interleaved { "interleaved" } else { "sequential" }.to_owned(),
    });
    Inspection {
        sessions: sessions.len() as u64,
        calls: untimed.calls() as u64,
        prompt_tokens,
        output_tokens: sessions.iter().map(Session::output_tokens).sum(),
        turns: turns(sessions),
        ceiling_hit_rate: rate(untimed.ceiling()),
        block_tokens: untimed.block_tokens(),
        lru: lru.collect(),
        duplicates: sessions.iter().filter(|session| session.has(Mark::Duplicate)).count() as u64,
        skipped: 0,
        recorded: recorded(sessions),
    }
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
