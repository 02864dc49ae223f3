//! How much KV memory the ceiling needs: by simulation, since cached blocks share a replica's memory with running calls,
//! and beside it by the hit rate at every capacity of one cache in which nothing runs.

use super::units::{gib, replicas_of};
use super::{LeastMemory, Sentence, Tried};
use crate::figure::units::{grouped, listed, percent};
use crate::metrics::Curve;
use serde::Serialize;

/// Shares of the ceiling that memory is searched for.
pub(super) const SHARES: [f64; 3] = [0.90, 0.95, 0.99];
/// What the curve is of.
pub(super) const ONE_CACHE: &str = "one shared LRU cache, untimed, calls as admitted";
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
    /// The least KV capacity of a replica, by simulation; null where no memory finds so much.
    pub kv_tokens: Option<u64>,
    /// In bytes, where the profile knows what a token takes.
    pub kv_bytes: Option<f64>,
    /// Whether less memory held too, and more did not in between.
    pub not_monotone: bool,
    /// The least capacity of one LRU cache for all calls, in which nothing runs.
    pub curve_kv_tokens: u64,
    /// The same if sessions came one after the other.
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
    /// The memory that there is, of the replicas that are recommended.
    pub memory: Memory,
    /// The set-up that was simulated.
    pub setup: String,
    /// What an infinite cache finds, in the order of the curve.
    pub ceiling_hit_rate: Option<f64>,
    /// By share of the ceiling.
    pub rows: Vec<CapacityRow>,
    /// All memories that were simulated.
    pub tried: Vec<Tried>,
    /// Some of the curve, for a figure: capacities that double.
    pub curve: Vec<Point>,
    /// What is said of it.
    pub says: Vec<Sentence>,
}

impl CapacityAdvice {
    /// Nothing was searched.
    pub(super) fn none(memory: Memory, setup: String) -> Self {
        CapacityAdvice {
            memory,
            setup,
            ceiling_hit_rate: None,
            rows: Vec::new(),
            tried: Vec::new(),
            curve: Vec::new(),
            says: Vec::new(),
        }
    }

    /// The same of a trace that has counts alone: no memory can be told.
    pub(super) fn untold(self) -> Self {
        let text =
            "The trace does not say what prompts share: how much memory would find it again cannot be told.";
        let says = vec![Sentence::new(text).counted("prompts whose content is identified", 0.0)];
        CapacityAdvice { says, ..Self::none(self.memory, self.setup) }
    }
}

/// What it is made from.
#[derive(Clone, Copy, Debug)]
pub struct CapacityFigures<'a> {
    /// The hit rate at every capacity, in the order in which calls were admitted.
    pub admitted: &'a Curve,
    /// The same of sessions one after the other.
    pub one_by_one: &'a Curve,
    /// The memory that there is.
    pub memory: Memory,
    /// The set-up that was simulated.
    pub setup: &'a str,
    /// Whether a tier on the host that is recommended was left out of it.
    pub without_host: bool,
    /// What the search found; nothing where there was none.
    pub found: &'a [LeastMemory],
    /// All that it tried.
    pub tried: &'a [Tried],
}

/// Says how much.
pub fn capacity(figures: &CapacityFigures<'_>) -> CapacityAdvice {
    let row = |share: f64| {
        let found = figures.found.iter().find(|one| one.share_of_ceiling.total_cmp(&share).is_eq());
        let kv_tokens = found.and_then(|one| one.kv_tokens);
        let bytes = figures.memory.kv_bytes_per_token;
        CapacityRow {
            share_of_ceiling: share,
            kv_tokens,
            kv_bytes: bytes.zip(kv_tokens).map(|(bytes, kv_tokens)| bytes * kv_tokens as f64),
            not_monotone: found.is_some_and(|one| one.not_monotone),
            curve_kv_tokens: figures.admitted.kv_tokens_for(share),
            one_by_one_kv_tokens: figures.one_by_one.kv_tokens_for(share),
        }
    };
    let rows: Vec<CapacityRow> = SHARES.into_iter().map(row).collect();
    CapacityAdvice {
        memory: figures.memory,
        setup: figures.setup.to_owned(),
        ceiling_hit_rate: figures.admitted.hit_rate(u64::MAX),
        says: says(figures, &rows),
        rows,
        tried: figures.tried.to_vec(),
        curve: points(figures.admitted),
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

fn says(figures: &CapacityFigures<'_>, rows: &[CapacityRow]) -> Vec<Sentence> {
    let curve = figures.admitted;
    if curve.prompt_tokens == 0 {
        let text = "No call was admitted: there is no order of calls to read memory from.";
        return vec![Sentence::new(text).on(ONE_CACHE, "prompt_tokens admitted", 0.0)];
    }
    if curve.ceiling_tokens() == 0 {
        let text = "No prompt shares a whole block with an earlier one: more KV memory adds no hits.";
        return vec![Sentence::new(text).on(ONE_CACHE, "ceiling_hit_rate", curve.hit_rate(u64::MAX))];
    }
    let mut all = Vec::new();
    if !figures.tried.is_empty() {
        all.push(needed(figures, rows));
        all.extend(here(figures));
        all.extend(not_monotone(figures, rows));
    }
    all.push(alone(rows));
    all
}

/// What was simulated, in words.
fn scenario(figures: &CapacityFigures<'_>) -> String {
    format!("{}, {}", figures.setup, replicas_of(figures.memory.replicas))
}

/// The answer.
fn needed(figures: &CapacityFigures<'_>, rows: &[CapacityRow]) -> Sentence {
    let run = scenario(figures);
    let (reached, out): (Vec<&CapacityRow>, Vec<&CapacityRow>) =
        rows.iter().partition(|row| row.kv_tokens.is_some());
    let needs = reached.iter().filter_map(|row| {
        let bytes = row.kv_bytes.map_or_else(String::new, |bytes| format!(" ({})", gib(bytes)));
        Some(format!(
            "{} needs {} tokens{bytes}",
            whole_percent(row.share_of_ceiling),
            grouped(row.kv_tokens?)
        ))
    });
    let needs: Vec<String> = needs.collect();
    let tier = if figures.without_host { ", without a tier in the host's memory" } else { "" };
    let mut text =
        format!("Simulated with `{}` on {}{tier}: ", figures.setup, replicas_of(figures.memory.replicas));
    if !needs.is_empty() {
        text.push_str(&format!(
            "of what an infinite cache finds, {} of KV memory a replica, running calls included. Each is the least, to a \
             twentieth, from which on everything that was tried holds.",
            listed(&needs)
        ));
    }
    let most = figures.tried.iter().map(|tried| tried.share_of_ceiling).max_by(f64::total_cmp);
    if let Some(most) = most.filter(|_| !out.is_empty()) {
        let shares: Vec<String> = out.iter().map(|row| whole_percent(row.share_of_ceiling)).collect();
        text.push_str(&format!(
            "{}no memory that was tried finds {} of what an infinite cache does; the most is {}. What is missing is lost to \
             being split over replicas, and to calls that come before what they share is computed.",
            if needs.is_empty() { "" } else { " But " },
            listed(&shares),
            percent(Some(most)),
        ));
    }
    let sentence = rows.iter().fold(Sentence::new(text), |sentence, row| {
        let share = whole_percent(row.share_of_ceiling);
        sentence
            .given("share of the ceiling that is asked for", row.share_of_ceiling)
            .on(
                &run,
                format!("kv_tokens of a replica for {share} of the ceiling"),
                row.kv_tokens.map(|of| of as f64),
            )
            .on(&run, format!("kv_bytes of a replica for {share} of the ceiling"), row.kv_bytes)
    });
    sentence
        .on(&run, "share of the ceiling, the most of all memories tried", most)
        .given("replicas", f64::from(figures.memory.replicas))
}

/// What the present memory finds.
fn here(figures: &CapacityFigures<'_>) -> Option<Sentence> {
    let memory = figures.memory;
    let tried = figures.tried.iter().find(|tried| tried.kv_tokens == memory.kv_tokens)?;
    let bytes = memory.kv_bytes_per_token.map(|one| one * memory.kv_tokens as f64);
    let each = if memory.replicas == 1 { "The replica holds" } else { "Each replica holds" };
    let text = format!(
        "{each} {} tokens{}: with that the simulation finds {} of it.",
        grouped(memory.kv_tokens),
        bytes.map_or_else(String::new, |bytes| format!(" ({})", gib(bytes))),
        percent(Some(tried.share_of_ceiling)),
    );
    let run = scenario(figures);
    Some(
        Sentence::new(text)
            .given("kv_tokens of a replica", memory.kv_tokens as f64)
            .given("kv_bytes of a replica", bytes)
            .on(
                &run,
                format!("share of the ceiling at {} kv_tokens", memory.kv_tokens),
                tried.share_of_ceiling,
            ),
    )
}

fn not_monotone(figures: &CapacityFigures<'_>, rows: &[CapacityRow]) -> Option<Sentence> {
    let all: Vec<String> =
        rows.iter().filter(|row| row.not_monotone).map(|row| whole_percent(row.share_of_ceiling)).collect();
    if all.is_empty() {
        return None;
    }
    let text = format!(
        "More memory is not always better here: for {} less than that was enough in some runs, and more was not in others.",
        listed(&all)
    );
    let run = scenario(figures);
    let sentence = rows.iter().filter(|row| row.not_monotone).fold(Sentence::new(text), |sentence, row| {
        sentence.given("share of the ceiling that is asked for", row.share_of_ceiling)
    });
    Some(figures.tried.iter().fold(sentence, |sentence, tried| {
        sentence.on(
            &run,
            format!("share of the ceiling at {} kv_tokens", tried.kv_tokens),
            tried.share_of_ceiling,
        )
    }))
}

/// The curve beside it.
fn alone(rows: &[CapacityRow]) -> Sentence {
    let all: Vec<String> = rows.iter().map(|row| grouped(row.curve_kv_tokens)).collect();
    let text = format!(
        "One LRU cache for all calls, in which nothing runs, would need {} tokens. Replicas need more where calls run beside \
         what is cached or the same prefix lies on several, and less each where they split what is cached.",
        listed(&all)
    );
    rows.iter().fold(Sentence::new(text), |sentence, row| {
        let metric = format!("kv_tokens for {} of the ceiling", whole_percent(row.share_of_ceiling));
        sentence.on(ONE_CACHE, metric, row.curve_kv_tokens as f64)
    })
}

fn whole_percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}
