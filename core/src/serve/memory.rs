//! What caches and evictions are made from.

use super::arrivals::{ArrivalPlan, Replay, scale_us};
use super::latency::{Coefficients, Ps};
use super::prefix::PrefixTree;
use crate::trace::Workload;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What caches and evictions are made from.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    /// What is asked.
    pub work: &'a Workload,
    /// Its prompts.
    pub tree: &'a PrefixTree,
    /// What computing costs.
    pub costs: Coefficients,
    /// Blocks on the device.
    pub capacity_blocks: u64,
    /// Blocks on the host; 0 where nothing is kept there.
    pub host_blocks: u64,
    /// Most calls at once.
    pub max_batch: u32,
    /// Whether prefixes are reused.
    pub reuse: bool,
    /// What is known of the order of calls, for those that look ahead.
    pub order: Order<'a>,
    /// Recorded times and delays are divided by it.
    pub speed: f64,
}

/// In which order calls come.
#[derive(Clone, Copy, Debug)]
pub enum Order<'a> {
    /// Exactly so; calls that are not in it do not come.
    Given(&'a [u32]),
    /// As sessions arrive, and by recorded times within a session: servers take other times than the recorded ones.
    Arrivals {
        /// When sessions start.
        plan: &'a ArrivalPlan,
        /// What starts the next call of a session.
        replay: Replay,
        /// Tokens of the largest call that is not refused. A session ends with a refused call.
        largest_tokens: u64,
    },
}

/// What becomes of a call, as far as that is certain from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// It comes, unless its session ends before.
    Comes,
    /// It is sent and refused.
    Refused,
    /// It is never sent, since its session has ended.
    Never,
}

impl Memory<'_> {
    /// The calls that may come, in their order.
    pub fn order(&self) -> Vec<u32> {
        let (plan, replay, largest) = match self.order {
            Order::Given(order) => return order.to_vec(),
            Order::Arrivals { plan, replay, largest_tokens } => (plan, replay, largest_tokens),
        };
        let fates = self.fates(replay, largest);
        let starts = self.starts(plan, &fates);
        let due = |call: u32| {
            let session = self.work.calls[call as usize].session as usize;
            starts[session].saturating_add(self.at(call))
        };
        let calls = 0..self.work.calls.len() as u32;
        let mut order: Vec<u32> = calls.filter(|&call| fates[call as usize] == Fate::Comes).collect();
        order.sort_by_cached_key(|&call| (due(call), call));
        order
    }

    /// When a call was recorded to come, from its session's start.
    fn at(&self, call: u32) -> Ps {
        scale_us(self.work.calls[call as usize].start.at_us, self.speed)
    }

    /// What becomes of each call. Where calls wait for each other, others of the session may come before one that is refused
    /// or not: only those that wait for it certainly do not come.
    fn fates(&self, replay: Replay, largest_tokens: u64) -> Vec<Fate> {
        let refused = |call: u32| {
            let asked = &self.work.calls[call as usize];
            u64::from(asked.prompt_tokens) + u64::from(asked.output_tokens) > largest_tokens
        };
        let mut fates = vec![Fate::Comes; self.work.calls.len()];
        for session in &self.work.sessions {
            let calls = || session.calls.indices();
            let ends = calls().filter(|&call| refused(call)).map(|call| (self.at(call), call));
            let Some(end) = ends.min() else { continue };
            // Calls may wait for such of a higher number.
            let mut changed = true;
            while std::mem::take(&mut changed) {
                for call in calls() {
                    let before = &self.work.calls[call as usize].start.after;
                    let never = match replay {
                        Replay::Times => (self.at(call), call) > end,
                        Replay::Delays => before.iter().any(|&before| fates[before as usize] != Fate::Comes),
                    };
                    let fate = match (never, refused(call)) {
                        (true, _) => Fate::Never,
                        (false, true) => Fate::Refused,
                        (false, false) => Fate::Comes,
                    };
                    changed |= std::mem::replace(&mut fates[call as usize], fate) != fate;
                }
            }
        }
        fates
    }

    /// When sessions would start if every call took its recorded time: where so many run at a time, the next one takes the
    /// place that is free first.
    fn starts(&self, plan: &ArrivalPlan, fates: &[Fate]) -> Vec<Ps> {
        let places = match plan {
            ArrivalPlan::At(starts) => return starts.clone(),
            ArrivalPlan::Concurrency(places) => *places,
            ArrivalPlan::Users { users, .. } => *users,
        };
        let mut free: BinaryHeap<Reverse<Ps>> = (0..places.max(1)).map(|_| Reverse(0)).collect();
        let sessions = self.work.sessions.iter().map(|session| {
            let Reverse(start) = free.pop().unwrap_or_default();
            let sent = session.calls.indices().filter(|&call| fates[call as usize] != Fate::Never);
            let length = sent.map(|call| self.at(call)).max().unwrap_or(0);
            free.push(Reverse(start.saturating_add(length)));
            start
        });
        sessions.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::evict::fixture::{memory, workload};
    use crate::serve::latency::PS_PER_US;

    /// Two sessions, one at a time; the first's second call has five segments of four tokens and one token out. A call comes at
    /// the microsecond of its number.
    fn order(replay: Replay, largest_tokens: u64, waits: bool) -> Vec<u32> {
        let mut work =
            workload(&[(0, &[0]), (0, &[0, 1, 2, 3, 4]), (0, &[0, 1]), (0, &[0]), (1, &[5]), (1, &[5, 6])]);
        if !waits {
            work.calls[3].start.after = vec![0];
        }
        (4..6).for_each(|call| work.calls[call].start.at_us = call as u64 - 4);
        let tree = PrefixTree::build(&work, 4);
        let plan = ArrivalPlan::Concurrency(1);
        let order = Order::Arrivals { plan: &plan, replay, largest_tokens };
        Memory { order, ..memory(&work, &tree, &[]) }.order()
    }

    /// In order of time the first session takes 3 µs, or 1 µs where it ends with its second call.
    #[test]
    fn a_session_ends_with_what_is_refused() {
        for replay in [Replay::Delays, Replay::Times] {
            assert_eq!(order(replay, 21, true), [0, 1, 2, 3, 4, 5]);
            assert_eq!(order(replay, 20, true), [0, 4, 5]);
        }
        // The fourth waits for the first alone: it may come before the second is refused, and is recorded with the second
        // session's first.
        assert_eq!(order(Replay::Delays, 20, false), [0, 3, 4, 5]);
        assert_eq!(order(Replay::Times, 20, false), [0, 4, 5]);
        assert_eq!(order(Replay::Times, 3, true), [0u32; 0]);
    }

    #[test]
    fn the_next_session_starts_where_the_one_before_ends() {
        let work = workload(&[(0, &[0]), (0, &[0, 1, 2]), (0, &[0]), (1, &[5]), (1, &[5, 6])]);
        let tree = PrefixTree::build(&work, 4);
        let memory = memory(&work, &tree, &[]);
        let plan = ArrivalPlan::Concurrency(1);
        let starts = |largest| memory.starts(&plan, &memory.fates(Replay::Delays, largest));
        assert_eq!(starts(100), [0, 2 * PS_PER_US]);
        assert_eq!(starts(12), [0, PS_PER_US]);
        assert_eq!(starts(4), [0, 0]);
    }
}
