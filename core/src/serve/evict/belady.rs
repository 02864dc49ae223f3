//! Belady's rule: the leaf whose next use lies farthest ahead goes first. It looks at what is still to come, so it is a bound
//! and no policy.
//!
//! In a pass without time the order of calls is exact, and no eviction finds more (a block's next use is never later than
//! that of a block behind it, so the rule keeps to leaves by itself). In the timed simulator it is an approximation: the
//! order is that of the recorded times of calls on the schedule of sessions, without what servers add, and a call that went
//! to another replica counts as past only when a later one of its session comes here.

use super::keyed::Keyed;
use super::uses::Uses;
use super::{Eviction, Leaf, Memory};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;
use crate::trace::Workload;

/// By next use.
#[derive(Clone)]
pub(super) struct Belady<'a> {
    work: &'a Workload,
    /// Calls by place, and places by call.
    order: Vec<u32>,
    places: Vec<u32>,
    uses: Uses,
    /// First use of each node that may be still to come.
    cursors: Vec<u32>,
    /// By session, the place behind its last call that came.
    reached: Vec<u32>,
    leaves: Keyed<u32>,
}

impl<'a> Belady<'a> {
    pub(super) fn new(memory: &Memory<'a>) -> Self {
        let order = memory.order();
        let mut places = vec![0; memory.work.calls.len()];
        for (place, &call) in (0..).zip(&order) {
            places[call as usize] = place;
        }
        Belady {
            work: memory.work,
            uses: Uses::new(memory.tree, &order),
            cursors: vec![0; memory.tree.len()],
            reached: vec![0; memory.work.sessions.len()],
            order,
            places,
            leaves: Keyed::default(),
        }
    }

    /// How far ahead the next use is, the farthest as the smallest number.
    fn key(&mut self, node: NodeId) -> u32 {
        let uses = self.uses.of(node);
        let cursor = &mut self.cursors[node as usize];
        while let Some(&place) = uses.get(*cursor as usize) {
            let session = self.work.calls[self.order[place as usize] as usize].session;
            if place >= self.reached[session as usize] {
                return u32::MAX - place;
            }
            *cursor += 1;
        }
        0
    }
}

impl Eviction for Belady<'_> {
    fn offer(&mut self, leaf: &Leaf) {
        let key = self.key(leaf.node);
        self.leaves.offer(key, leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        self.leaves.next().map(|leaf| leaf.place())
    }

    fn admitted(&mut self, call: u32, _now: Ps) {
        let reached = &mut self.reached[self.work.calls[call as usize].session as usize];
        *reached = (*reached).max(self.places[call as usize] + 1);
    }
}
