//! Mooncake's conductor: the least estimated time to first token: what waits to be computed there, the transfer of what
//! the host holds, and computing what is held nowhere.
//!
//! Simplified: computing and transfer follow the simulation's own costs; of what waits all counts as still to be computed, what
//! the replica holds of it too, with the attention of long prompts but without the steps of decoding in between. The source
//! may also move a prefix between replicas when another holds far more of it; there is no such transfer here, so that branch
//! and its threshold are left out, and hot blocks spread by being computed where the wait is shorter. Nothing is rejected.
//! The paper's loop keeps the first of equal estimates in an order that it does not give: here it is the replica with the
//! fewest prompt tokens, and of these any.

use super::pick::lightest_highest;
use super::{Ask, Cluster, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, StepWork, pairs};
use crate::synth::Chance;

#[derive(Clone)]
pub(super) struct Mooncake {
    chance: Chance,
}

impl Mooncake {
    pub(super) fn new(cluster: &Cluster<'_>) -> Self {
        Mooncake { chance: Chance::part(cluster.seed, &[8]) }
    }

    /// Milliseconds.
    fn estimate(&self, ask: &Ask, view: &View<'_>, replica: u32) -> f64 {
        let prompt = u64::from(ask.prompt_tokens);
        let held = view.cached_anywhere(replica, ask).min(prompt.saturating_sub(1));
        let host = held.saturating_sub(view.cached_tokens(replica, ask));
        let new = prompt - held;
        let load = view.load(replica);
        let work = StepWork {
            prefill_tokens: load.prefill_tokens + new,
            pairs: load.prefill_pairs + pairs(new, held),
            prompts: 1,
            host_tokens: host,
            ..StepWork::default()
        };
        view.costs.step(&work) as f64 / PS_PER_US as f64 / 1e3
    }
}

impl Router for Mooncake {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let values = scores.of(view.replicas().map(|replica| -self.estimate(ask, view, replica)));
        lightest_highest(values, view.loads, &mut self.chance)
    }

    fn sees(&self) -> Sees {
        Sees::Caches
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use crate::serve::latency::{Coefficients, PS_PER_US, pairs};

    /// A token costs 10 µs, a step 1 ms, a token from the host 1.5 µs; the prompt has 320 tokens. Replica 0 computes all:
    /// 1 + 3.2 = 4.2 ms. Replica 1 holds 160, but 200 wait: 1 + 2 + 1.6 = 4.6. Replica 2 has 160 on its host:
    /// 1 + 1.6 + 0.24 = 2.84.
    #[test]
    fn the_least_estimate_wins() {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        stage.costs = Coefficients {
            step: 1_000 * PS_PER_US,
            prefill_token: 10 * PS_PER_US,
            host_token: 3 * PS_PER_US / 2,
            ..Coefficients::default()
        };
        stage.loads[1].prefill_tokens = 200;
        stage.device[1] = 10;
        stage.anywhere[2] = 10;
        let mut router = stage.router("mooncake-conductor", 1);
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!(picked, 2);
        for (score, expected) in scores.iter().zip([-4.2, -4.6, -2.84]) {
            assert!((score.unwrap() - expected).abs() < 1e-9, "{scores:?}");
        }
        // Where the queue is short, what is held decides; all held leaves one token: 1.01 ms.
        stage.loads[1].prefill_tokens = 0;
        stage.device[1] = 20;
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!(picked, 1);
        assert!((scores[1].unwrap() + 1.01).abs() < 1e-9, "{scores:?}");
    }

    /// As many tokens wait on either, but in one prompt of 2,000 on the first, in ten of 200 on the second. A pair costs 1 ns, a
    /// token 1 µs, and the call's own 320 tokens have 51,200 pairs: 2.32 + 2.0512 ms against 2.32 + 0.2512.
    #[test]
    fn long_prompts_that_wait_cost_their_attention() {
        let mut stage = Stage::new(2, &[&[(1, 320)]]);
        stage.costs = Coefficients {
            prefill_token: PS_PER_US,
            attention_pair: PS_PER_US / 1_000,
            ..Coefficients::default()
        };
        for (load, prompts) in stage.loads.iter_mut().zip([1, 10]) {
            load.prefill_tokens = 2_000;
            load.prefill_pairs = prompts * pairs(2_000 / prompts, 0);
        }
        let (picked, scores) = stage.decide(&mut *stage.router("mooncake-conductor", 1), 0);
        assert_eq!(picked, 1);
        for (score, expected) in scores.iter().zip([-4.3712, -2.5712]) {
            assert!((score.unwrap() - expected).abs() < 1e-9, "{scores:?}");
        }
    }

    /// All idle and empty: any replica. With tokens that are computed already two estimates are alike still, and the others win.
    #[test]
    fn an_empty_cluster_does_not_pile_up() {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        let mut router = stage.router("mooncake-conductor", 1);
        let mut counts = [0; 3];
        (0..300).for_each(|_| counts[stage.decide(&mut *router, 0).0 as usize] += 1);
        assert!(counts.iter().all(|count| (75..125).contains(count)), "{counts:?}");
        (stage.loads[0].tokens, stage.loads[1].tokens) = (320, 320);
        assert!((0..20).all(|_| stage.decide(&mut *router, 0).0 == 2));
    }
}
