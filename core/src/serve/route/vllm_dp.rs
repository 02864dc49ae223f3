//! vLLM's data-parallel engines: a waiting call weighs as much as four running ones. The counts that engines report
//! come every 100 ms; in between a call that was sent counts as waiting, so that a burst does not all go one way.
//!
//! The source publishes counts only when they changed, which is the same for who reads them. Of equal counts the first wins, as
//! with its one front end; several begin to look at different engines.

use super::{Ask, Choice, Param, Preset, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, Ps};

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "waiting",
        about: "running calls that a waiting one weighs",
        default: 4.0,
        whole: true,
        range: (0.0, 1e6),
    },
    Param {
        key: "stale_ms",
        about: "time between two reports",
        default: 100.0,
        whole: true,
        range: (0.0, 1e9),
    },
];

pub(super) const PRESETS: &[Preset] =
    &[Preset { name: "vllm", source: "vLLM v1, `DPLBAsyncMPClient` and `DPCoordinator`", values: &[] }];

#[derive(Clone)]
pub(super) struct VllmDp {
    waiting: u64,
    every: Ps,
    taken: Option<Ps>,
    /// 4 × waiting + running, as far as it knows.
    counts: Vec<u64>,
}

impl VllmDp {
    pub(super) fn new(choice: &Choice) -> Self {
        let every = choice.whole("stale_ms").saturating_mul(1_000).saturating_mul(PS_PER_US);
        VllmDp { waiting: choice.whole("waiting"), every, taken: None, counts: Vec::new() }
    }
}

impl Router for VllmDp {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        if self.taken.is_none_or(|taken| ask.now >= taken.saturating_add(self.every)) {
            self.taken = Some(ask.now);
            let weigh = |load: &super::Load| self.waiting * load.waiting + load.running();
            self.counts.clear();
            self.counts.extend(view.loads.iter().map(weigh));
        }
        for (replica, &count) in (0..).zip(&self.counts) {
            scores.set(replica, -(count as f64));
        }
        let order = |&(replica, count): &(u32, &u64)| (*count, replica);
        (0..).zip(&self.counts).min_by_key(order).map_or(0, |(replica, _)| replica)
    }

    fn sent(&mut self, _ask: &Ask, _view: &View<'_>, replica: u32) {
        self.counts[replica as usize] += self.waiting;
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use crate::serve::latency::PS_PER_US;

    /// 4·1+0 = 4 against 0+5 = 5: one that waits is less than five that run. What was sent counts 4 at once;
    /// what engines did meanwhile shows only with the next report.
    #[test]
    fn waiting_weighs_four_and_reports_are_late() {
        let mut stage = Stage::new(2, &[&[(1, 32)]]);
        (stage.loads[0].calls, stage.loads[0].waiting) = (1, 1);
        stage.loads[1].calls = 5;
        let mut router = stage.router("vllm-dp", 1);
        assert_eq!(stage.decide(&mut *router, 0), (0, vec![Some(-4.0), Some(-5.0)]));
        (stage.loads[0].calls, stage.loads[0].waiting) = (0, 0);
        stage.now = 99_999 * PS_PER_US;
        assert_eq!(stage.decide(&mut *router, 0), (1, vec![Some(-8.0), Some(-5.0)]));
        stage.now = 100_000 * PS_PER_US;
        assert_eq!(stage.decide(&mut *router, 0), (0, vec![Some(0.0), Some(-5.0)]));
    }
}
