//! Waiting calls in the order of a key, with a guard against starvation: what most schedulers share.

use super::{Queue, Waiting};
use crate::choice::Param;
use dyn_clone::DynClone;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, BTreeSet};

/// Lower goes first; ties by arrival.
pub(super) type Key = (u64, u64);

/// What a keyed queue is ordered by.
pub(super) trait Order: DynClone {
    /// The key of a call as it comes. It stays: an order changes only when calls come and go.
    fn key(&self, waiting: &Waiting) -> Key;
    /// Whether the running call with the highest key is thrown out when decoding runs out of room, and goes back
    /// to its place; else the one admitted last, to the head.
    fn decides_victims(&self) -> bool {
        true
    }
}

dyn_clone::clone_trait_object!(Order);

/// The guard's parameter, with the default of schedulers of programs.
pub(super) const OVERTAKEN: Param = overtaken(256.0);

/// The guard's parameter.
pub(super) const fn overtaken(default: f64) -> Param {
    Param {
        key: "overtaken",
        about: "later calls that may be admitted before a waiting one",
        default,
        whole: true,
        range: (1.0, 1e15),
    }
}

/// No guard: for orders in which nobody can starve.
pub(super) const UNGUARDED: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
struct Entry {
    key: Key,
    arrival: u64,
    /// Admitted because it was overtaken too often: thrown out after all others.
    spared: bool,
}

/// Waiting calls in the order of a key. The guard counts admissions, not time, so that the order changes only when
/// a call comes or goes: whoever was overtaken by as many later calls as it allows goes next.
#[derive(Clone)]
pub(super) struct Keyed {
    order: Box<dyn Order>,
    most_overtaken: u64,
    /// Thrown out, to be admitted first.
    front: Vec<u32>,
    by_key: BTreeSet<(Key, u64, u32)>,
    by_arrival: BTreeMap<u64, u32>,
    /// Calls that wait or run.
    entries: FxHashMap<u32, Entry>,
    arrivals: u64,
    /// Calls that came and do not wait.
    gone: u64,
}

impl Keyed {
    pub(super) fn new(order: impl Order + 'static, most_overtaken: u64) -> Self {
        Keyed {
            order: Box::new(order),
            most_overtaken,
            front: Vec::new(),
            by_key: BTreeSet::new(),
            by_arrival: BTreeMap::new(),
            entries: FxHashMap::default(),
            arrivals: 0,
            gone: 0,
        }
    }

    /// The call to go next of those in order, and whether the guard says so. Nobody waits who came before the one
    /// that has waited longest, so that of all that are gone only later ones can be more than came before it.
    fn next(&self) -> Option<(u32, bool)> {
        let (&arrival, &oldest) = self.by_arrival.first_key_value()?;
        if self.gone - arrival >= self.most_overtaken {
            return Some((oldest, true));
        }
        self.by_key.first().map(|&(_, _, call)| (call, false))
    }

    /// Takes a waiting call out, wherever it stands.
    pub(super) fn remove(&mut self, call: u32) {
        let Some(entry) = self.entries.get(&call) else { return };
        if self.by_arrival.remove(&entry.arrival).is_some() {
            self.by_key.remove(&(entry.key, entry.arrival, call));
            self.gone += 1;
        }
    }

    fn rank(&self, call: u32) -> (bool, Key, u64) {
        self.entries
            .get(&call)
            .map_or_else(Default::default, |entry| (!entry.spared, entry.key, entry.arrival))
    }
}

impl Queue for Keyed {
    fn push(&mut self, waiting: Waiting) {
        let entry = Entry { key: self.order.key(&waiting), arrival: self.arrivals, spared: false };
        self.arrivals += 1;
        self.by_key.insert((entry.key, entry.arrival, waiting.call));
        self.by_arrival.insert(entry.arrival, waiting.call);
        self.entries.insert(waiting.call, entry);
    }

    fn take_back(&mut self, call: u32) {
        match self.entries.get(&call) {
            Some(entry) if self.order.decides_victims() => {
                self.by_key.insert((entry.key, entry.arrival, call));
                self.by_arrival.insert(entry.arrival, call);
                self.gone -= 1;
            }
            _ => self.front.push(call),
        }
    }

    fn head(&self) -> Option<u32> {
        self.front.last().copied().or_else(|| self.next().map(|(call, _)| call))
    }

    fn pop(&mut self) -> Option<u32> {
        if let Some(call) = self.front.pop() {
            return Some(call);
        }
        let (call, spared) = self.next()?;
        self.remove(call);
        if let Some(entry) = self.entries.get_mut(&call) {
            entry.spared |= spared;
        }
        Some(call)
    }

    fn keeps_head(&self) -> bool {
        false
    }

    fn victim(&self, running: &[u32]) -> usize {
        let last = running.len().saturating_sub(1);
        if !self.order.decides_victims() {
            return last;
        }
        let places = 0..running.len();
        places.max_by_key(|&place| self.rank(running[place])).unwrap_or(last)
    }

    fn ended(&mut self, call: u32) {
        self.entries.remove(&call);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::synth::Chance;

    /// A call with a key of its own.
    pub(crate) fn pops(queue: &mut dyn Queue) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    /// Where call 0 comes in, when `first` waits and one `later` call comes for every one that is admitted.
    pub(crate) fn place_of_the_last(queue: &mut dyn Queue, first: Waiting, later: Waiting) -> Option<usize> {
        queue.push(Waiting { call: 0, ..first });
        let admitted = (1..2_000).map(|call| {
            queue.push(Waiting { call, ..later });
            let next = queue.pop().unwrap();
            queue.ended(next);
            next
        });
        admitted.take(1_000).position(|call| call == 0)
    }

    #[derive(Clone)]
    struct ByLength(bool);

    impl Order for ByLength {
        fn key(&self, waiting: &Waiting) -> Key {
            (waiting.predicted, 0)
        }

        fn decides_victims(&self) -> bool {
            self.0
        }
    }

    fn waiting(call: u32, predicted: u64) -> Waiting {
        Waiting { call, predicted, ..Waiting::default() }
    }

    /// The same order with every overtaking counted by itself: slow and plain.
    #[derive(Default)]
    struct Naive {
        /// (key, call, overtaken)
        calls: Vec<(u64, u32, u64)>,
        most: u64,
    }

    impl Naive {
        fn pop(&mut self) -> Option<u32> {
            let tired = self.calls.iter().position(|&(_, _, overtaken)| overtaken >= self.most);
            let best = (0..self.calls.len()).min_by_key(|&place| (self.calls[place].0, place));
            let place = tired.or(best)?;
            self.calls[..place].iter_mut().for_each(|call| call.2 += 1);
            Some(self.calls.remove(place).1)
        }
    }

    #[test]
    fn the_guard_counts_each_overtaking() {
        let mut chance = Chance::new(5);
        for most in [1, 2, 3, 7] {
            let mut queue = Keyed::new(ByLength(false), most);
            let mut naive = Naive { most, ..Naive::default() };
            for call in 0..3_000 {
                let predicted = chance.bits() % 50;
                queue.push(waiting(call, predicted));
                naive.calls.push((predicted, call, 0));
                while chance.uniform() < 0.48 {
                    assert_eq!(queue.head(), queue.clone().pop());
                    let popped = queue.pop();
                    assert_eq!(popped, naive.pop());
                    popped.into_iter().for_each(|call| queue.ended(call));
                }
            }
            assert_eq!(queue.entries.len(), naive.calls.len(), "what is gone is forgotten");
        }
    }

    #[test]
    fn the_highest_key_is_thrown_out_and_goes_back_to_its_place() {
        let mut queue = Keyed::new(ByLength(true), 100);
        [(0, 5), (1, 9), (2, 9), (3, 1)].into_iter().for_each(|(call, key)| queue.push(waiting(call, key)));
        assert_eq!(pops(&mut queue), [3, 0, 1, 2]);
        // Of the two with the highest key, the one that came later.
        assert_eq!(queue.victim(&[3, 0, 1, 2]), 3);
        assert_eq!(queue.victim(&[1, 3, 0]), 0);
        queue.take_back(1);
        queue.push(waiting(4, 7));
        assert_eq!(queue.head(), Some(4), "it does not stand at the head");
        queue.push(waiting(5, 9));
        assert_eq!(pops(&mut queue), [4, 1, 5], "before later ones of its key");
    }

    #[test]
    fn whom_the_guard_let_in_is_thrown_out_last() {
        let mut queue = Keyed::new(ByLength(true), 2);
        [(0, 9), (1, 1), (2, 1), (3, 1)].into_iter().for_each(|(call, key)| queue.push(waiting(call, key)));
        assert_eq!(pops(&mut queue), [1, 2, 0, 3]);
        assert_eq!(queue.victim(&[1, 2, 0, 3]), 3);
        assert_eq!(queue.victim(&[0]), 0);
    }

    #[test]
    fn without_its_own_victims_the_last_goes_and_stands_at_the_head() {
        let mut queue = Keyed::new(ByLength(false), 100);
        [(0, 5), (1, 9)].into_iter().for_each(|(call, key)| queue.push(waiting(call, key)));
        assert_eq!(pops(&mut queue), [0, 1]);
        assert_eq!(queue.victim(&[1, 0]), 1);
        queue.push(waiting(2, 1));
        queue.take_back(1);
        assert_eq!(pops(&mut queue), [1, 2]);
    }
}
