//! How much KV memory the ceiling needs, read from the hit rate at every capacity.

use super::Sentence;
use super::units::gib;
use crate::figure::units::{grouped, percent};
use crate::metrics::Curve;
use serde::Serialize;

/// Shares of the ceiling that memory is counted for.
const SHARES: [f64; 3] = [0.90, 0.95, 0.99];
/// Most points of the curve that are given.
const MOST_POINTS: u32 = 40;

/// The memory that there is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Memory {
    /// Replicas.
    pub replicas: u32,
    /// KV capacity of each.
    pub kv_tokens: u64,
    /// What a token takes, where the profile knows it.
    pub kv_bytes_per_token: Option<f64>,
}

/// What one share of the ceiling needs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CapacityRow {
    /// Share of what an infinite cache finds.
    pub share_of_ceiling: f64,
    /// The least capacity of one shared LRU cache.
    pub kv_tokens: u64,
    /// In bytes, where the profile knows what a token takes.
    pub kv_bytes: Option<f64>,
    /// In replicas of the set-up: what they hold together, were it one cache.
    pub replicas_worth: f64,
    /// The least capacity if sessions came one after the other.
    pub one_by_one_kv_tokens: u64,
}

/// One point of the curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Capacity.
    pub kv_tokens: u64,
    /// Hit rate of one shared LRU cache.
    pub hit_rate: Option<f64>,
}

/// How much memory the ceiling needs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CapacityAdvice {
    /// The memory that there is.
    pub memory: Memory,
    /// What an infinite cache finds, in the same order of calls.
    pub ceiling_hit_rate: Option<f64>,
    /// By share of the ceiling.
    pub rows: Vec<CapacityRow>,
    /// Some of the curve, for a figure: capacities that double.
    pub curve: Vec<Point>,
    /// What is said of it.
    pub says: Vec<Sentence>,
}

/// Says how much, of calls in the order in which they were admitted and of sessions `one_by_one`.
pub fn capacity(admitted: &Curve, one_by_one: &Curve, memory: Memory) -> CapacityAdvice {
    let row = |share| {
        let kv_tokens = admitted.kv_tokens_for(share);
        CapacityRow {
            share_of_ceiling: share,
            kv_tokens,
            kv_bytes: memory.kv_bytes_per_token.map(|bytes| bytes * kv_tokens as f64),
            replicas_worth: kv_tokens as f64 / memory.kv_tokens.max(1) as f64,
            one_by_one_kv_tokens: one_by_one.kv_tokens_for(share),
        }
    };
    let rows: Vec<CapacityRow> = SHARES.into_iter().map(row).collect();
    let says = says(admitted, &rows, memory);
    CapacityAdvice {
        memory,
        ceiling_hit_rate: admitted.hit_rate(u64::MAX),
        rows,
        curve: points(admitted),
        says,
    }
}

fn points(curve: &Curve) -> Vec<Point> {
    let most = curve.kv_tokens_for(1.0);
    let block = u64::from(curve.block_tokens);
    let doubled = (0..MOST_POINTS).map(|power| block << power);
    let mut all: Vec<u64> = doubled.take_while(|kv_tokens| *kv_tokens < most).collect();
    all.push(most.max(block));
    all.into_iter().map(|kv_tokens| Point { kv_tokens, hit_rate: curve.hit_rate(kv_tokens) }).collect()
}

fn says(curve: &Curve, rows: &[CapacityRow], memory: Memory) -> Vec<Sentence> {
    if curve.prompt_tokens == 0 {
        return vec![Sentence::new("No call was admitted: there is no order of calls to read memory from.")];
    }
    if curve.ceiling_tokens() == 0 {
        let text = "No prompt shares a whole block with an earlier one: more KV memory adds no hits.";
        return vec![Sentence::new(text).on(ORDER, "ceiling_hit_rate", curve.hit_rate(u64::MAX))];
    }
    let needs: Vec<String> = rows
        .iter()
        .map(|row| {
            let bytes = row.kv_bytes.map_or_else(String::new, |bytes| format!(" ({})", gib(bytes)));
            format!("{} needs {} tokens{bytes}", whole_percent(row.share_of_ceiling), grouped(row.kv_tokens))
        })
        .collect();
    let text = format!(
        "Of what an infinite cache finds, {} of KV in one LRU cache, beside what running calls hold for themselves.",
        needs.join(", "),
    );
    let needed = rows.iter().fold(Sentence::new(text), |sentence, row| {
        let metric = format!("kv_tokens for {} of the ceiling", whole_percent(row.share_of_ceiling));
        sentence.on(ORDER, metric, row.kv_tokens as f64)
    });
    let all = memory.kv_tokens.saturating_mul(memory.replicas.into());
    let found = curve.hit_tokens(all) as f64 / curve.ceiling_tokens() as f64;
    let replicas = if memory.replicas == 1 { "The replica holds" } else { "All replicas together hold" };
    let bytes =
        memory.kv_bytes_per_token.map_or_else(String::new, |one| format!(" ({})", gib(one * all as f64)));
    let here = format!(
        "{replicas} {} tokens{bytes}: as one such cache {} of what an infinite cache finds.",
        grouped(all),
        percent(Some(found))
    );
    let here = Sentence::new(here).on(ORDER, format!("hit_rate at {all} kv_tokens"), curve.hit_rate(all)).on(
        ORDER,
        "ceiling_hit_rate",
        curve.hit_rate(u64::MAX),
    );
    vec![needed, here]
}

/// What the curve is of.
const ORDER: &str = "one shared LRU cache, untimed, calls as admitted";

fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
