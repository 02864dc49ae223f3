//! Least token work, as smg's `least_load` has it: the time that queued tokens take at the engine's throughput, and
//! a barrier that grows without bound as its KV memory fills: `(queued + sent) / throughput + w · k / (1 − k)`.
//! Loads are polled every 10 s; in between what was sent is added.
//!
//! Simplified: queued tokens are those not computed yet, what is cached of waiting prompts included; engines report
//! no throughput, so the source's fallback of 2,000 tokens/s always holds; the first poll is at the first call. Of equal scores
//! the first wins, as in the source; since what was sent is added, an idle cluster does not pile up on it.

use super::pick::first_highest;
use super::{Ask, Choice, Load, Param, Preset, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, Ps};

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "kv_weight_s",
        about: "seconds that half-full KV memory costs",
        default: 0.15,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "tokens_per_s",
        about: "throughput that is assumed of a replica",
        default: 2_000.0,
        whole: false,
        range: (1e-3, 1e12),
    },
    Param {
        key: "poll_ms",
        about: "time between two reports",
        default: 10_000.0,
        whole: true,
        range: (0.0, 1e9),
    },
];

pub(super) const PRESETS: &[Preset] = &[
    Preset { name: "smg", source: "smg, `least_load`", values: &[] },
    Preset { name: "fresh", source: "the same, polled at every call", values: &[("poll_ms", 0.0)] },
];

#[derive(Clone)]
pub(super) struct SmgLeastLoad {
    kv_weight_s: f64,
    tokens_per_s: f64,
    every: Ps,
    taken: Option<Ps>,
    loads: Vec<Load>,
    /// Tokens sent to each replica since then.
    sent: Vec<u64>,
}

impl SmgLeastLoad {
    pub(super) fn new(choice: &Choice) -> Self {
        SmgLeastLoad {
            kv_weight_s: choice.get("kv_weight_s"),
            tokens_per_s: choice.get("tokens_per_s"),
            every: choice.whole("poll_ms").saturating_mul(1_000).saturating_mul(PS_PER_US),
            taken: None,
            loads: Vec::new(),
            sent: Vec::new(),
        }
    }
}

impl Router for SmgLeastLoad {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        if self.taken.is_none_or(|taken| ask.now >= taken.saturating_add(self.every)) {
            self.taken = Some(ask.now);
            self.loads.clear();
            self.loads.extend_from_slice(view.loads);
            self.sent.clear();
            self.sent.resize(view.loads.len(), 0);
        }
        let score = |(load, sent): (&Load, &u64)| {
            let used = (load.used_blocks as f64 / view.capacity_blocks.max(1) as f64).min(0.999);
            let work = (load.prefill_tokens + sent) as f64 / self.tokens_per_s;
            -(work + self.kv_weight_s * used / (1.0 - used))
        };
        first_highest(scores.of(self.loads.iter().zip(&self.sent).map(score)))
    }

    fn sent(&mut self, ask: &Ask, _view: &View<'_>, replica: u32) {
        self.sent[replica as usize] += u64::from(ask.prompt_tokens);
    }

    fn sees(&self) -> Sees {
        Sees::Engines
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use crate::serve::latency::PS_PER_US;

    /// 1,000 tokens at 2,000 a second are 0.5 s; half the memory is 0.15 · 0.5 / 0.5 = 0.15 s, nine tenths
    /// 0.15 · 9 = 1.35 s.
    #[test]
    fn queued_time_and_the_memory_barrier_add_up() {
        let mut stage = Stage::new(3, &[&[(1, 400)]]);
        stage.loads[0].prefill_tokens = 1_000;
        stage.loads[1].used_blocks = 500;
        stage.loads[2].used_blocks = 900;
        let mut router = stage.router("smg-least-load", 1);
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!(picked, 1);
        for (score, expected) in scores.iter().zip([-0.5, -0.15, -1.35]) {
            assert!((score.unwrap() - expected).abs() < 1e-12, "{scores:?}");
        }
        // 400 tokens were sent: 0.2 s more, still the least. Twice more and the first is.
        assert_eq!(stage.decide(&mut *router, 0).0, 1);
        assert_eq!(stage.decide(&mut *router, 0).0, 0);
        // After ten seconds engines say again what they have.
        stage.now = 10_000_000 * PS_PER_US;
        assert_eq!(stage.decide(&mut *router, 0).0, 1);
    }
}
