//! Predicted-shortest-first, with a guard: a call that was overtaken too often goes next.

use super::{Queue, Waiting};
use std::collections::BTreeSet;

/// How many later calls may be admitted before a waiting one.
const MAX_OVERTAKEN: u64 = 32;

/// Predicted-shortest-first. The guard counts admissions, not time, so that the order changes only
/// when a call enters or leaves.
#[derive(Clone, Debug, Default)]
pub struct Shortest {
    /// Thrown out, to be admitted first.
    front: Vec<u32>,
    /// (predicted, arrival, call, admissions at arrival)
    by_length: BTreeSet<(u64, u64, u32, u64)>,
    /// (arrival, predicted, call, admissions at arrival)
    by_age: BTreeSet<(u64, u64, u32, u64)>,
    arrivals: u64,
    admissions: u64,
}

impl Shortest {
    fn next(&self) -> Option<(u64, u64, u32, u64)> {
        let &(arrival, predicted, call, admissions) = self.by_age.first()?;
        if self.admissions - admissions >= MAX_OVERTAKEN {
            return Some((predicted, arrival, call, admissions));
        }
        self.by_length.first().copied()
    }
}

impl Queue for Shortest {
    fn push(&mut self, waiting: Waiting) {
        let Waiting { call, predicted, .. } = waiting;
        let arrival = self.arrivals;
        self.arrivals += 1;
        self.by_length.insert((predicted, arrival, call, self.admissions));
        self.by_age.insert((arrival, predicted, call, self.admissions));
    }

    fn push_front(&mut self, call: u32) {
        self.front.push(call);
    }

    fn head(&self) -> Option<u32> {
        self.front.last().copied().or_else(|| self.next().map(|(_, _, call, _)| call))
    }

    fn pop(&mut self) -> Option<u32> {
        if let Some(call) = self.front.pop() {
            return Some(call);
        }
        let (predicted, arrival, call, admissions) = self.next()?;
        self.by_length.remove(&(predicted, arrival, call, admissions));
        self.by_age.remove(&(arrival, predicted, call, admissions));
        self.admissions += 1;
        Some(call)
    }

    fn keeps_head(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_not_starved() {
        let mut queue = Shortest::default();
        let push = |queue: &mut Shortest, call, predicted| {
            queue.push(Waiting { call, predicted, ..Waiting::default() });
        };
        push(&mut queue, 0, 1_000);
        let mut order = Vec::new();
        for call in 1..100 {
            push(&mut queue, call, 1);
            order.push(queue.pop().unwrap());
        }
        let place = order.iter().position(|&call| call == 0).expect("the long call is admitted");
        assert_eq!(place as u64, MAX_OVERTAKEN);
    }

    #[test]
    fn shorter_goes_first_and_ties_keep_their_order() {
        let mut queue = Shortest::default();
        for (call, predicted) in [(0, 5), (1, 3), (2, 3), (3, 9)] {
            queue.push(Waiting { call, predicted, ..Waiting::default() });
        }
        queue.push_front(7);
        let order: Vec<u32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(order, [7, 1, 2, 0, 3]);
    }
}
