//! Steps to the next use, as KVFlow counts them: the leaf that the fewest calls of its session stand before goes last, and
//! what no call of a session that has begun will use goes first.
//!
//! KVFlow is given an agent's graph of steps; here the dependencies and prompts of the workload are that graph, so it knows
//! which of a session's calls will use a node, and not when. Steps are counted along the calls of a session in their order:
//! calls that a later one of their session overtook are taken for past. A node that several sessions use counts the least.
//! Sessions that have not begun are not known. KVFlow also loads from the host ahead of time; that is not done here.

use super::keyed::Keyed;
use super::uses::Uses;
use super::{Eviction, Leaf, Memory};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;
use crate::trace::Workload;

/// By steps to the next use.
#[derive(Clone)]
pub(super) struct StepsToNextUse<'a> {
    work: &'a Workload,
    uses: Uses,
    /// By session, the call after the last one that came; 0 before any did.
    reached: Vec<u32>,
    leaves: Keyed<u32>,
}

impl<'a> StepsToNextUse<'a> {
    pub(super) fn new(memory: &Memory<'a>) -> Self {
        let order: Vec<u32> = (0..memory.work.calls.len() as u32).collect();
        StepsToNextUse {
            work: memory.work,
            uses: Uses::new(memory.tree, &order),
            reached: vec![0; memory.work.sessions.len()],
            leaves: Keyed::default(),
        }
    }
}

/// Steps until a call through `node`, the most as the smallest number. It grows until a call comes that uses the node.
fn key(work: &Workload, uses: &Uses, reached: &[u32], node: NodeId) -> u32 {
    let ahead = uses.of(node).iter().filter_map(|&call| {
        let reached = reached[work.calls[call as usize].session as usize];
        (reached > 0 && call >= reached).then(|| u32::MAX - (call - reached))
    });
    ahead.max().unwrap_or(0)
}

impl Eviction for StepsToNextUse<'_> {
    fn offer(&mut self, leaf: &Leaf) {
        self.leaves.offer(key(self.work, &self.uses, &self.reached, leaf.node), leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        let (work, uses, reached) = (self.work, &self.uses, &self.reached);
        let present = |leaf: &super::keyed::Offered<u32>| key(work, uses, reached, leaf.node);
        self.leaves.next_grown(present).map(|leaf| leaf.place())
    }

    fn admitted(&mut self, call: u32, _now: Ps) {
        let reached = &mut self.reached[self.work.calls[call as usize].session as usize];
        *reached = (*reached).max(call + 1);
    }
}
