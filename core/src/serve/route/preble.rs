//! Preble's E2, exploitation and exploration: where a replica holds more of the prompt than it would have to compute,
//! the least loaded of those that hold most; else the least sum of load, eviction and computing. Where the one that
//! holds most is far more loaded than another, that one gets the call, and so a copy of the prefix.
//!
//! A replica's load is the time to compute what it was sent in the last three minutes, and for each call it has, the mean
//! output of calls that ended times the time of a step. Simplified: what replicas hold is known exactly, where the source
//! follows a tree of its own; eviction costs computing again what the new blocks drive out, assuming memory is
//! full as the source does, times the share of its prompts that the replica found cached, where the source
//! looks the victims up; copies are made when a call comes, where the source rebalances its tree from time to time. Of equal costs
//! the first wins, as in the source; since what was sent counts, an idle cluster does not pile up on it.

use super::pick::first_highest;
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, Ps, StepWork, pairs};
use crate::trace::Workload;
use std::collections::VecDeque;
use std::mem;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "window_s",
        about: "how long what was sent counts as load",
        default: 180.0,
        whole: true,
        range: (0.0, 1e9),
    },
    Param {
        key: "balance",
        about: "load of a holder, as a multiple of the least, above which another gets a copy",
        default: 15.0,
        whole: false,
        range: (1.0, 1e9),
    },
];

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "preble",
    source: "Preble's E2: a window of 3 minutes, a load threshold of 15",
    values: &[],
}];

/// Calls before copies are made, as in the source.
const CALLS_BEFORE_COPIES: u64 = 50;
/// Output that is expected before any call ended, as in the source.
const FIRST_OUTPUT: f64 = 45.0;

/// A call that was sent.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Ps,
    replica: u32,
    computing: f64,
    prompt_tokens: u64,
    cached_tokens: u64,
}

/// What a replica was sent within the window.
#[derive(Clone, Copy, Debug, Default)]
struct Recent {
    computing: f64,
    calls: u64,
    prompt_tokens: u64,
    cached_tokens: u64,
}

#[derive(Clone)]
pub(super) struct PrebleE2<'a> {
    work: &'a Workload,
    window: Ps,
    balance: f64,
    sent: VecDeque<Sent>,
    recent: Vec<Recent>,
    calls: u64,
    ended: u64,
    outputs: u64,
    /// By replica, of the call that is being routed: tokens of it that are cached there, and the time expected.
    cached: Vec<u64>,
    loads: Vec<f64>,
}

impl<'a> PrebleE2<'a> {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'a>) -> Self {
        PrebleE2 {
            work: cluster.work,
            window: choice.whole("window_s").saturating_mul(1_000_000).saturating_mul(PS_PER_US),
            balance: choice.get("balance"),
            sent: VecDeque::new(),
            recent: vec![Recent::default(); cluster.replicas as usize],
            calls: 0,
            ended: 0,
            outputs: 0,
            cached: Vec::new(),
            loads: Vec::new(),
        }
    }

    fn forget(&mut self, now: Ps) {
        while let Some(&old) = self.sent.front().filter(|sent| sent.at.saturating_add(self.window) < now) {
            self.sent.pop_front();
            let recent = &mut self.recent[old.replica as usize];
            recent.computing -= old.computing;
            recent.calls -= 1;
            recent.prompt_tokens -= old.prompt_tokens;
            recent.cached_tokens -= old.cached_tokens;
            if recent.calls == 0 {
                // No rest of rounding is kept.
                recent.computing = 0.0;
            }
        }
    }

    /// Time that the replica is expected to need, in milliseconds.
    fn load(&self, view: &View<'_>, replica: u32) -> f64 {
        let load = view.load(replica);
        let output = if self.ended > 0 { self.outputs as f64 / self.ended as f64 } else { FIRST_OUTPUT };
        let decoding = load.running();
        let kv_tokens = load.used_blocks * u64::from(view.tree.block_tokens());
        let step = view.costs.step(&StepWork { decoding, kv_tokens, ..StepWork::default() });
        self.recent[replica as usize].computing + load.calls as f64 * output * ms(step)
    }

    /// What the new blocks would cost those that they drive out.
    fn eviction(&self, view: &View<'_>, replica: u32, new: u64) -> f64 {
        let recent = self.recent[replica as usize];
        let share = recent.cached_tokens as f64 / recent.prompt_tokens.max(1) as f64;
        share * computing(view, new, 0)
    }
}

fn ms(time: Ps) -> f64 {
    time as f64 / PS_PER_US as f64 / 1e3
}

/// Time to compute `new` tokens behind `cached` ones, in milliseconds.
fn computing(view: &View<'_>, new: u64, cached: u64) -> f64 {
    let pairs = pairs(new, cached);
    ms(view.costs.step(&StepWork { prefill_tokens: new, pairs, prompts: 1, ..StepWork::default() }))
}

impl Router for PrebleE2<'_> {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        self.forget(ask.now);
        let prompt = u64::from(ask.prompt_tokens);
        let (mut cached, mut loads) = (mem::take(&mut self.cached), mem::take(&mut self.loads));
        cached.clear();
        cached.extend(view.replicas().map(|replica| view.cached_tokens(replica, ask)));
        loads.clear();
        loads.extend(view.replicas().map(|replica| self.load(view, replica)));
        let most = cached.iter().copied().max().unwrap_or(0);
        let exploit = most > prompt - most;
        let value = |replica: u32| {
            let (cached, load) = (cached[replica as usize], loads[replica as usize]);
            if !exploit {
                let new = prompt - cached;
                -(load + self.eviction(view, replica, new) + computing(view, new, cached))
            } else if cached == most {
                -load
            } else {
                f64::NEG_INFINITY
            }
        };
        let mut picked = first_highest(scores.of(view.replicas().map(value)));
        if exploit && self.calls >= CALLS_BEFORE_COPIES {
            let lightest = (0..loads.len()).min_by(|&one, &other| loads[one].total_cmp(&loads[other]));
            let (holder, lightest) = (picked as usize, lightest.unwrap_or(0));
            let copy = computing(view, prompt - cached[lightest], cached[lightest]);
            let far = loads[holder] > self.balance * loads[lightest];
            if far && loads[holder] >= loads[lightest] + copy {
                scores.set(lightest as u32, -loads[lightest]);
                picked = lightest as u32;
            }
        }
        (self.cached, self.loads) = (cached, loads);
        picked
    }

    fn sent(&mut self, ask: &Ask, view: &View<'_>, replica: u32) {
        let prompt_tokens = u64::from(ask.prompt_tokens);
        let cached_tokens = view.cached_tokens(replica, ask);
        let computing = computing(view, prompt_tokens - cached_tokens, cached_tokens);
        let recent = &mut self.recent[replica as usize];
        recent.computing += computing;
        recent.calls += 1;
        recent.prompt_tokens += prompt_tokens;
        recent.cached_tokens += cached_tokens;
        self.sent.push_back(Sent { at: ask.now, replica, computing, prompt_tokens, cached_tokens });
        self.calls += 1;
    }

    fn ended(&mut self, call: u32, _replica: u32) {
        self.ended += 1;
        self.outputs += u64::from(self.work.calls[call as usize].output_tokens);
    }

    fn sees(&self) -> Sees {
        Sees::Caches
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use crate::serve::latency::{Coefficients, PS_PER_US};

    /// A token costs 10 µs to compute and a step nothing but that; a decoding call 20 µs a step.
    fn stage() -> Stage {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        stage.costs = Coefficients {
            prefill_token: 10 * PS_PER_US,
            sequence: 20 * PS_PER_US,
            ..Coefficients::default()
        };
        stage
    }

    fn close(found: &[Option<f64>], expected: &[Option<f64>]) -> bool {
        let near = |(a, b): (&Option<f64>, &Option<f64>)| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a == b,
        };
        found.len() == expected.len() && found.iter().zip(expected).all(near)
    }

    /// Of 320 tokens, 160 are no more than the rest: explored. Replica 0 holds them and has 5 calls that run:
    /// 5 · 45 · 5 · 20 µs = 22.5 ms and 1.6 ms to compute. The others compute 3.2 ms.
    #[test]
    fn half_a_match_is_explored() {
        let mut stage = stage();
        stage.device[0] = 10;
        stage.loads[0].calls = 5;
        let mut router = stage.router("preble-e2", 1);
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!(picked, 1);
        assert!(close(&scores, &[Some(-24.1), Some(-3.2), Some(-3.2)]), "{scores:?}");
        // That was 3.2 ms for replica 1: now it is the third's turn.
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!(picked, 2);
        assert!(close(&scores, &[Some(-24.1), Some(-6.4), Some(-3.2)]), "{scores:?}");
        // Half of what replica 0 was sent it had: what it computes drives out as much again, half of it in vain.
        stage.loads[0].calls = 0;
        assert_eq!(stage.decide(&mut *router, 0).0, 0);
        let (_, scores) = stage.decide(&mut *router, 0);
        assert!(close(&scores[..1], &[Some(-(1.6 + 1.6 + 0.5 * 1.6))]), "{scores:?}");
        // After three minutes nothing of it counts.
        stage.now = 180_000_001 * PS_PER_US;
        let (_, scores) = stage.decide(&mut *router, 0);
        assert!(close(&scores, &[Some(-1.6), Some(-3.2), Some(-3.2)]), "{scores:?}");
    }

    #[test]
    fn more_than_half_is_exploited_by_the_least_loaded_holder() {
        let mut stage = stage();
        stage.device = vec![11, 11, 10];
        stage.loads[0].calls = 2;
        stage.loads[1].calls = 1;
        let (picked, scores) = stage.decide(&mut *stage.router("preble-e2", 1), 0);
        assert_eq!(picked, 1);
        assert!(close(&scores, &[Some(-3.6), Some(-0.9), None]), "{scores:?}");
    }

    /// After 50 calls an idle replica gets a copy of what a busy one holds; not where the copy costs more
    /// than the difference.
    #[test]
    fn a_hot_prefix_is_copied() {
        let mut stage = stage();
        stage.device = vec![20, 0, 0];
        let mut router = stage.router("preble-e2", 1);
        for _ in 0..50 {
            assert_eq!(stage.decide(&mut *router, 0).0, 0);
        }
        // 3.6 ms of load against none and 3.2 ms to compute.
        stage.loads[0].calls = 2;
        assert_eq!(stage.decide(&mut *router.clone(), 0).0, 1);
        stage.loads[0].calls = 1;
        assert_eq!(stage.decide(&mut *router, 0).0, 0);
    }

    /// One call of 10 tokens ended: 10 instead of 45.
    #[test]
    fn outputs_are_learned() {
        let mut stage = stage();
        stage.device = vec![20, 0, 0];
        stage.loads[0].calls = 1;
        let mut router = stage.router("preble-e2", 1);
        router.ended(0, 0);
        let (_, scores) = stage.decide(&mut *router, 0);
        assert!(close(&scores, &[Some(-0.2), None, None]), "{scores:?}");
    }
}
