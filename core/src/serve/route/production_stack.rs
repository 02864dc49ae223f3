//! Load-aware routing for vLLM's production stack: the share of the prompt that a replica holds, less its load above the
//! mean: `matched / prompt − β · (load − mean) / max(1, mean)`. Loads are calls; what is held is known exactly. Of equal scores
//! the first wins, as the source takes the first URL in order.
//!
//! Where nobody holds any of the prompt, the source falls back to who was sent the fewest requests in the last minute, before all
//! others who was never sent one; again the first of equal ones. Where requests name their session it hashes that
//! instead; here they do not.

use super::pick::first_highest;
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, Ps};
use std::collections::VecDeque;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "beta",
        about: "weight of the load above the mean",
        default: 1.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "window_s",
        about: "how long what was sent counts where nobody holds any of the prompt",
        default: 60.0,
        whole: true,
        range: (0.0, 1e9),
    },
];

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "loadaware",
    source: "the load-aware patch of production-stack's KV-aware router",
    values: &[],
}];

#[derive(Clone)]
pub(super) struct ProductionStack {
    beta: f64,
    window: Ps,
    /// Calls sent within the window, and where.
    sent: VecDeque<(Ps, u32)>,
    /// How many of them by replica; none where it was never sent any.
    counts: Vec<Option<u64>>,
}

impl ProductionStack {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'_>) -> Self {
        ProductionStack {
            beta: choice.get("beta"),
            window: choice.whole("window_s").saturating_mul(1_000_000).saturating_mul(PS_PER_US),
            sent: VecDeque::new(),
            counts: vec![None; cluster.replicas as usize],
        }
    }

    /// Leaves out what was sent before the window.
    fn forget(&mut self, now: Ps) {
        while let Some(&(_, replica)) =
            self.sent.front().filter(|(at, _)| at.saturating_add(self.window) < now)
        {
            self.sent.pop_front();
            let count = &mut self.counts[replica as usize];
            *count = count.map(|count| count - 1);
        }
    }

    /// Requests within the window; one less than none where there never was any.
    fn requests(&self) -> impl Iterator<Item = f64> {
        self.counts.iter().map(|count| count.map_or(-1.0, |count| count as f64))
    }
}

impl Router for ProductionStack {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        self.forget(ask.now);
        let calls: u64 = view.loads.iter().map(|load| load.calls).sum();
        let mean = calls as f64 / view.loads.len().max(1) as f64;
        let score = |replica| {
            let share = view.cached_anywhere(replica, ask) as f64 / f64::from(ask.prompt_tokens.max(1));
            share - self.beta * (view.load(replica).calls as f64 - mean) / mean.max(1.0)
        };
        let unknown = view.replicas().all(|replica| view.held.anywhere(replica, ask.prompt) == 0);
        first_highest(if unknown {
            scores.of(self.requests().map(|requests| -requests))
        } else {
            scores.of(view.replicas().map(score))
        })
    }

    fn sent(&mut self, ask: &Ask, _view: &View<'_>, replica: u32) {
        self.sent.push_back((ask.now, replica));
        let count = &mut self.counts[replica as usize];
        *count = Some(count.unwrap_or(0) + 1);
    }

    fn sees(&self) -> Sees {
        Sees::Caches
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use crate::serve::latency::PS_PER_US;

    const SECOND: u64 = 1_000_000 * PS_PER_US;

    /// 16 of 20 blocks are 0.8 of the prompt. Loads 6, 2, 1 have the mean 3: 0.8 − 1 = −0.2, 0 + 1/3, 0 + 2/3. At half
    /// the weight: 0.8 − 0.5 = 0.3, 1/6, 1/3; at a tenth 0.7.
    #[test]
    fn a_match_is_set_off_against_load() {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        stage.device[0] = 16;
        for (load, calls) in stage.loads.iter_mut().zip([6, 2, 1]) {
            load.calls = calls;
        }
        let decide = |name: &str| stage.decide(&mut *stage.router(name, 1), 0);
        let (picked, scores) = decide("production-stack");
        assert_eq!(picked, 2);
        for (score, expected) in scores.iter().zip([-0.2, 1.0 / 3.0, 2.0 / 3.0]) {
            assert!((score.unwrap() - expected).abs() < 1e-12, "{scores:?}");
        }
        assert_eq!(decide("production-stack:beta=0.1").0, 0);
    }

    /// Nobody holds anything: first those that never had a request, then those with the fewest in the last minute, however busy
    /// they are.
    #[test]
    fn what_nobody_holds_goes_where_the_fewest_went() {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        let mut router = stage.router("production-stack", 1);
        stage.loads[1].calls = 9;
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!((picked, scores), (0, vec![Some(1.0); 3]));
        stage.now = SECOND;
        assert_eq!([(); 3].map(|()| stage.decide(&mut *router, 0).0), [1, 2, 0]);
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!((picked, scores), (1, vec![Some(-2.0), Some(-1.0), Some(-1.0)]));
        // The first request is a minute and more ago: 1, 2, 1 are left.
        stage.now = 60 * SECOND + 1;
        assert_eq!(stage.decide(&mut *router, 0), (0, vec![Some(-1.0), Some(-2.0), Some(-1.0)]));
        // Somebody holds a block: the scores decide, and of equal ones the first.
        stage.device[1] = 1;
        assert_eq!(stage.decide(&mut *router, 0).0, 0);
        stage.loads[1].calls = 0;
        assert_eq!(stage.decide(&mut *router, 0).0, 1);
        let (_, scores) = stage.decide(&mut *router, 0);
        assert_eq!(scores, [Some(0.0), Some(0.05), Some(0.0)]);
    }

    /// Below a mean of one the load counts as it is: 1 − (1 − 1/3) against 0 + 1/3.
    #[test]
    fn small_loads_are_not_blown_up() {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        (stage.device[0], stage.loads[0].calls) = (20, 1);
        let (_, scores) = stage.decide(&mut *stage.router("production-stack", 1), 0);
        assert!((scores[0].unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert!((scores[1].unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }
}
