//! What caches and evictions are made from.

use crate::serve::arrivals::{ArrivalPlan, scale_us};
use crate::serve::latency::{Coefficients, Ps};
use crate::serve::prefix::PrefixTree;
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
    /// Exactly so.
    Given(&'a [u32]),
    /// As sessions arrive, and by recorded times within a session: servers take other times than the recorded ones.
    Arrivals(&'a ArrivalPlan),
}

impl Memory<'_> {
    /// All calls in their order.
    pub fn order(&self) -> Vec<u32> {
        let arrivals = match self.order {
            Order::Given(order) => return order.to_vec(),
            Order::Arrivals(arrivals) => arrivals,
        };
        let starts = self.starts(arrivals);
        let due = |call: u32| {
            let asked = &self.work.calls[call as usize];
            starts[asked.session as usize].saturating_add(scale_us(asked.start.at_us, self.speed))
        };
        let mut order: Vec<u32> = (0..self.work.calls.len() as u32).collect();
        order.sort_by_cached_key(|&call| (due(call), call));
        order
    }

    /// When sessions would start if every call took its recorded time: where so many run at a time, the next one takes the
    /// place that is free first.
    fn starts(&self, arrivals: &ArrivalPlan) -> Vec<Ps> {
        let places = match arrivals {
            ArrivalPlan::At(starts) => return starts.clone(),
            ArrivalPlan::Concurrency(places) => *places,
            ArrivalPlan::Users { users, .. } => *users,
        };
        let mut free: BinaryHeap<Reverse<Ps>> = (0..places.max(1)).map(|_| Reverse(0)).collect();
        let sessions = self.work.sessions.iter().map(|session| {
            let Reverse(start) = free.pop().unwrap_or_default();
            let ats = session.calls.indices().map(|call| self.work.calls[call as usize].start.at_us);
            let length = scale_us(ats.max().unwrap_or(0), self.speed);
            free.push(Reverse(start.saturating_add(length)));
            start
        });
        sessions.collect()
    }
}
