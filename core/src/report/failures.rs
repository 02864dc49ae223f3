//! Known failures of routers: which routers fall, which stand, and by how much.

use super::{Body, Kind};
use crate::metrics::{PolicyMetrics, Spread};
use crate::policy::{Exhibit, Measure, PolicyRun, Resolved};
use serde::{Deserialize, Serialize};

/// A router fell when sessions take longer by more than this factor …
const LONGER: f64 = 1.25;
/// … or when it finds less than this share of what it found before …
const HITS_LEFT: f64 = 0.5;
/// … or when the slowest hundredth waits longer by more than this factor.
const SLOWER: f64 = 2.0;

/// All failures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// One entry a failure.
    pub exhibits: Vec<Failure>,
}

/// One failure under every router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable name.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// How it comes about.
    pub mechanism: String,
    /// The set-up that is stood, and what is changed.
    pub set_ups: [String; 2],
    /// What tells that a router fell: a key of [`Figures`].
    pub measure: String,
    /// When a router counts as fallen.
    pub rule: String,
    /// Both scenarios, defaults filled in; the router varies.
    pub scenarios: [Resolved; 2],
    /// One entry a router.
    pub routers: Vec<RouterRow>,
}

/// One router in both set-ups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterRow {
    /// The router.
    pub router: String,
    /// Where nothing is wrong.
    pub calm: Figures,
    /// Where something is.
    pub failing: Figures,
    /// Whether it fell.
    pub fell: bool,
}

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Calls that each replica answered.
    pub calls_by_replica: Vec<u64>,
    /// The largest share of them.
    pub busiest_share: f64,
    /// Cached over prompt tokens.
    pub hit_rate: Option<f64>,
    /// Time to first token, from schedule.
    pub ttft_ms: Option<Spread>,
    /// First schedule of a session to its last end.
    pub job_ms: Option<Spread>,
}

impl Body for Failures {
    const KIND: Kind = Kind::Failures;
}

impl Measure {
    /// The key of the figure.
    pub fn key(self) -> &'static str {
        match self {
            Measure::JobP50 => "job_ms.p50",
            Measure::HitRate => "hit_rate",
            Measure::TtftP99 => "ttft_ms.p99",
        }
    }

    /// From its key.
    pub fn by_key(key: &str) -> Option<Measure> {
        [Measure::JobP50, Measure::HitRate, Measure::TtftP99].into_iter().find(|one| one.key() == key)
    }

    fn rule(self) -> String {
        match self {
            Measure::JobP50 => format!("falls when the median job takes more than {LONGER} times as long"),
            Measure::HitRate => {
                format!("falls when it finds less than {:.0} % of what it found before", HITS_LEFT * 100.0)
            }
            Measure::TtftP99 => {
                format!(
                    "falls when the 99th percentile of time to first token grows more than {SLOWER:.0} times"
                )
            }
        }
    }

    /// The figure.
    pub fn of(self, figures: &Figures) -> Option<f64> {
        match self {
            Measure::JobP50 => figures.job_ms.map(|spread| spread.p50),
            Measure::HitRate => figures.hit_rate,
            Measure::TtftP99 => figures.ttft_ms.map(|spread| spread.p99),
        }
    }

    fn fell(self, calm: &Figures, failing: &Figures) -> bool {
        let (Some(before), Some(after)) = (self.of(calm), self.of(failing)) else { return false };
        match self {
            Measure::JobP50 => after > LONGER * before,
            Measure::HitRate => after < HITS_LEFT * before,
            Measure::TtftP99 => after > SLOWER * before,
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
            hit_rate: metrics.hit_rate,
            ttft_ms: metrics.ttft_ms,
            job_ms: metrics.job_ms,
        }
    }
}

impl RouterRow {
    /// From both runs of a router.
    pub fn new(router: &str, measure: Measure, calm: Figures, failing: Figures) -> Self {
        let fell = measure.fell(&calm, &failing);
        RouterRow { router: router.to_owned(), calm, failing, fell }
    }
}

impl Failure {
    /// From its exhibit and what came of it.
    pub fn new(exhibit: &Exhibit, scenarios: [Resolved; 2], routers: Vec<RouterRow>) -> Self {
        Failure {
            name: exhibit.name.to_owned(),
            title: exhibit.title.to_owned(),
            mechanism: exhibit.mechanism.to_owned(),
            set_ups: [exhibit.calm.to_owned(), exhibit.failing.to_owned()],
            measure: exhibit.measure.key().to_owned(),
            rule: exhibit.measure.rule(),
            scenarios,
            routers,
        }
    }
}
