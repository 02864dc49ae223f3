//! Belady's rule: the leaf whose next use lies farthest ahead goes first. It looks at what is still to come, so it is a bound
//! and no policy.
//!
//! In a pass without time the order of calls is exact, and no eviction finds more (a block's next use is never later than
//! that of a block behind it, so the rule keeps to leaves by itself). On a timed run it is no bound. Which uses come is known
//! as it is: calls that are refused, left out or sent to another replica do not count, and one that is thrown out comes again.
//! Their order is that of the recorded times of calls on the schedule of sessions, without what servers add; and were it exact,
//! what is found would change when the next call comes, and with it the order. `tests/belady.rs` measures how often others find more.

use super::keyed::{Keyed, Offered};
use super::uses::Uses;
use super::{Eviction, Leaf, Memory, Missed};
use crate::serve::latency::Ps;
use crate::serve::prefix::{NodeId, PrefixTree};

/// By next use.
#[derive(Clone)]
pub(super) struct Belady<'a> {
    tree: &'a PrefixTree,
    to_come: ToCome,
    /// By call, its place in the order; behind all places where it is not in it.
    places: Vec<u32>,
    leaves: Keyed<u32>,
}

/// Uses that are still to come.
#[derive(Clone)]
struct ToCome {
    uses: Uses,
    /// First use of each node that may be still to come.
    cursors: Vec<u32>,
    /// By place, whether the call was admitted or will not come; and one for calls that have no place.
    past: Vec<bool>,
}

impl ToCome {
    /// How far ahead the next use is, the farthest as the smallest number.
    fn key(&mut self, node: NodeId) -> u32 {
        let uses = self.uses.of(node);
        let cursor = &mut self.cursors[node as usize];
        while let Some(&place) = uses.get(*cursor as usize) {
            if !self.past[place as usize] {
                return u32::MAX - place;
            }
            *cursor += 1;
        }
        0
    }
}

impl<'a> Belady<'a> {
    pub(super) fn new(memory: &Memory<'a>) -> Self {
        let order = memory.order();
        let mut places = vec![order.len() as u32; memory.work.calls.len()];
        for (place, &call) in (0..).zip(&order) {
            places[call as usize] = place;
        }
        let to_come = ToCome {
            uses: Uses::new(memory.tree, &order),
            cursors: vec![0; memory.tree.len()],
            past: vec![false; order.len() + 1],
        };
        Belady { tree: memory.tree, to_come, places, leaves: Keyed::default() }
    }

    /// A call came, or will not come. Returns whether it was to come until now.
    fn pass(&mut self, call: u32) -> bool {
        !std::mem::replace(&mut self.to_come.past[self.places[call as usize] as usize], true)
    }
}

impl Eviction for Belady<'_> {
    fn offer(&mut self, leaf: &Leaf) {
        let key = self.to_come.key(leaf.node);
        self.leaves.offer(key, leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        let Belady { to_come, leaves, .. } = self;
        leaves.next_grown(|leaf: &Offered<u32>| to_come.key(leaf.node)).map(|leaf| leaf.place())
    }

    fn admitted(&mut self, call: u32, _now: Ps) {
        self.pass(call);
    }

    fn awaits(&self) -> bool {
        true
    }

    fn missed(&mut self, call: u32, _why: Missed) -> bool {
        self.pass(call)
    }

    fn expected_again(&mut self, call: u32) {
        let place = self.places[call as usize];
        self.to_come.past[place as usize] = false;
        for node in self.tree.way(self.tree.prompt(call)) {
            let first = self.to_come.uses.of(node).partition_point(|&used| used < place) as u32;
            let cursor = &mut self.to_come.cursors[node as usize];
            *cursor = first.min(*cursor);
        }
    }
}
