//! The figures that a condition may name, and which way each is better.

use super::ObjectiveError;
use crate::metrics::{PolicyMetrics, Spread};
use std::fmt;

/// A figure that a condition may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Name, its unit included: the key of the figure in results.
    pub name: &'static str,
    /// Whether it is a mean with percentiles.
    pub spread: bool,
    /// Whether it is a share of something, from 0 to 1.
    pub share: bool,
    /// Whether less of it is better, all else equal.
    pub less_is_better: bool,
    /// Whether levers and replicas move it: others follow from the trace, or from how much fits into one replica.
    pub moves: bool,
}

impl Metric {
    const fn new(name: &'static str) -> Self {
        Metric { name, spread: false, share: false, less_is_better: true, moves: true }
    }

    const fn spread(name: &'static str) -> Self {
        Metric { spread: true, ..Metric::new(name) }
    }

    const fn share(name: &'static str) -> Self {
        Metric { share: true, ..Metric::new(name) }
    }

    const fn more(self) -> Self {
        Metric { less_is_better: false, ..self }
    }

    const fn given(self) -> Self {
        Metric { moves: false, ..self }
    }
}

/// All figures that a condition may name.
pub const METRICS: &[Metric] = &[
    Metric::spread("ttft_ms"),
    Metric::spread("tpot_ms"),
    Metric::spread("e2e_ms"),
    Metric::spread("queue_ms"),
    Metric::spread("job_ms"),
    Metric::share("hit_rate").more(),
    Metric::share("ceiling_hit_rate").more().given(),
    Metric::new("calls").more().given(),
    Metric::new("failed").given(),
    Metric::new("rejected").given(),
    Metric::new("prompt_tokens").given(),
    Metric::new("prefill_tokens"),
    Metric::new("output_tokens").given(),
    Metric::new("makespan_ms"),
    // Less leaves room; who pays for replicas may see it otherwise.
    Metric::share("utilisation"),
    Metric::new("preemptions"),
];

/// A mean or a percentile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// Arithmetic mean.
    Mean,
    /// Median.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
}

impl Statistic {
    /// All, in the order of results.
    pub const ALL: [Statistic; 5] =
        [Statistic::Mean, Statistic::P50, Statistic::P90, Statistic::P95, Statistic::P99];

    /// The key in results.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::Mean => "mean",
            Statistic::P50 => "p50",
            Statistic::P90 => "p90",
            Statistic::P95 => "p95",
            Statistic::P99 => "p99",
        }
    }

    /// This number of a spread.
    pub fn of(self, spread: &Spread) -> f64 {
        match self {
            Statistic::Mean => spread.mean,
            Statistic::P50 => spread.p50,
            Statistic::P90 => spread.p90,
            Statistic::P95 => spread.p95,
            Statistic::P99 => spread.p99,
        }
    }
}

/// One number of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity {
    /// The figure.
    pub metric: &'static Metric,
    /// Which of its numbers, where it has several.
    pub statistic: Option<Statistic>,
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.statistic {
            Some(statistic) => write!(out, "{}.{}", self.metric.name, statistic.name()),
            None => out.write_str(self.metric.name),
        }
    }
}

impl Quantity {
    /// Reads `metric` or `metric.statistic`.
    ///
    /// # Errors
    /// When there is no such figure, or it lacks or has a statistic that it must or must not have.
    pub fn parse(text: &str) -> Result<Self, ObjectiveError> {
        let (name, tail) =
            text.split_once('.').map_or((text, None), |(name, tail)| (name, Some(tail.trim())));
        let name = name.trim();
        let metric = METRICS.iter().find(|metric| metric.name == name).ok_or_else(|| {
            let known = METRICS.iter().map(|metric| metric.name).collect::<Vec<_>>().join(", ");
            ObjectiveError::Metric { found: name.to_owned(), known }
        })?;
        let statistic = match (metric.spread, tail) {
            (false, None) => None,
            (false, Some(found)) => {
                return Err(ObjectiveError::NoStatistic { metric: metric.name, found: found.to_owned() });
            }
            (true, None | Some("")) => return Err(ObjectiveError::Which { metric: metric.name }),
            (true, Some(found)) => {
                let known = Statistic::ALL.into_iter().find(|statistic| statistic.name() == found);
                let error = || ObjectiveError::Statistic { metric: metric.name, found: found.to_owned() };
                Some(known.ok_or_else(error)?)
            }
        };
        Ok(Quantity { metric, statistic })
    }

    /// The number in a row; `None` where the row does not know it.
    pub fn of(&self, row: &PolicyMetrics) -> Option<f64> {
        let spread = match self.metric.name {
            "ttft_ms" => row.ttft_ms,
            "tpot_ms" => row.tpot_ms,
            "e2e_ms" => row.e2e_ms,
            "queue_ms" => row.queue_ms,
            "job_ms" => row.job_ms,
            "hit_rate" => return row.hit_rate,
            "ceiling_hit_rate" => return row.ceiling_hit_rate,
            "utilisation" => return row.utilisation,
            "calls" => return Some(row.calls as f64),
            "failed" => return Some(row.failed as f64),
            "rejected" => return Some(row.rejected as f64),
            "prompt_tokens" => return Some(row.prompt_tokens as f64),
            "prefill_tokens" => return Some(row.prefill_tokens as f64),
            "output_tokens" => return Some(row.output_tokens as f64),
            "makespan_ms" => return Some(row.makespan_ms),
            "preemptions" => return Some(row.preemptions as f64),
            _ => None,
        };
        Some(self.statistic?.of(&spread?))
    }
}
