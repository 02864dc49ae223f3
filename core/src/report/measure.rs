//! What a run in an exhibit came to, and the figure of it that a failure is about.

use crate::metrics::{PolicyMetrics, Spread};
use crate::policy::{Measure, PolicyRun};
use crate::trace::Outcome;
use serde::{Deserialize, Serialize};

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Calls that each replica answered.
    pub calls_by_replica: Vec<u64>,
    /// The largest share of them.
    pub busiest_share: f64,
    /// The largest share of the run in which one replica had a call to work on.
    pub busy_share: f64,
    /// Cached over prompt tokens.
    pub hit_rate: Option<f64>,
    /// Time to first token, from schedule.
    pub ttft_ms: Option<Spread>,
    /// First schedule of a session to its last end.
    pub job_ms: Option<Spread>,
}

impl Measure {
    const ALL: [Measure; 3] = [Measure::HitRate, Measure::TtftMean, Measure::TtftP99];

    /// The key of the figure.
    pub fn key(self) -> &'static str {
        match self {
            Measure::HitRate => "hit_rate",
            Measure::TtftMean => "ttft_ms.mean",
            Measure::TtftP99 => "ttft_ms.p99",
        }
    }

    /// From its key.
    pub fn by_key(key: &str) -> Option<Measure> {
        Measure::ALL.into_iter().find(|one| one.key() == key)
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Measure::HitRate => "hit rate",
            Measure::TtftMean => "mean time to first token",
            Measure::TtftP99 => "the 99th percentile of time to first token",
        }
    }

    /// The figure.
    pub fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Measure::HitRate => figures.hit_rate,
            Measure::TtftMean => figures.ttft_ms.map(|spread| spread.mean),
            Measure::TtftP99 => figures.ttft_ms.map(|spread| spread.p99),
        }
    }
}

impl Figures {
    /// From one run.
    pub fn new(run: &PolicyRun, metrics: &PolicyMetrics) -> Self {
        let mut calls_by_replica = vec![0u64; run.outcome.counters.replicas as usize];
        for replica in run.outcome.calls.iter().filter_map(|call| call.replica) {
            calls_by_replica[replica as usize] += 1;
        }
        let sum: u64 = calls_by_replica.iter().sum();
        let most = calls_by_replica.iter().max().copied().unwrap_or(0);
        Figures {
            busiest_share: most as f64 / sum.max(1) as f64,
            calls_by_replica,
            busy_share: busiest(&run.outcome),
            hit_rate: metrics.hit_rate,
            ttft_ms: metrics.ttft_ms,
            job_ms: metrics.job_ms,
        }
    }
}

/// The largest share of the run in which one replica had a call to work on.
fn busiest(outcome: &Outcome) -> f64 {
    let mut spans: Vec<(u32, u64, u64)> = outcome
        .calls
        .iter()
        .filter_map(|call| Some((call.replica?, call.admitted_us?, call.finished_us?)))
        .collect();
    spans.sort_unstable();
    let start = outcome.calls.iter().map(|call| call.scheduled_us).min().unwrap_or(0);
    let end = spans.iter().map(|&(_, _, end)| end).max().unwrap_or(start);
    let busy = spans.chunk_by(|a, b| a.0 == b.0).map(|spans| {
        // What lies behind the end of all before.
        spans
            .iter()
            .fold((0, 0), |(busy, until), &(_, from, to)| {
                (busy + to.saturating_sub(from.max(until)), to.max(until))
            })
            .0
    });
    busy.max().unwrap_or(0) as f64 / (end - start).max(1) as f64
}
