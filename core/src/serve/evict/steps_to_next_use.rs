//! Steps to the next use, as KVFlow counts them: the leaf that the fewest calls of its session stand before goes last, and
//! what no call of a session that has begun will use goes first.
//!
//! KVFlow is given an agent's graph of steps; here the dependencies and prompts of the workload are that graph, so it knows
//! which of a session's calls will use a node, and not when. Steps are counted along the calls of a session in their order:
//! calls that a later one of their session overtook are taken for past, and so are those that went to another replica; what a
//! session that has ended did not send does not count. A node that several sessions use counts the least.
//! Sessions that have not begun here are not known. KVFlow also loads from the host ahead of time; that is not done here.

use super::keyed::{Keyed, Offered};
use super::uses::Uses;
use super::{Eviction, Leaf, Memory, Missed};
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
    /// Calls that will not come.
    dropped: Vec<bool>,
    leaves: Keyed<u32>,
}

impl<'a> StepsToNextUse<'a> {
    pub(super) fn new(memory: &Memory<'a>) -> Self {
        let order: Vec<u32> = (0..memory.work.calls.len() as u32).collect();
        StepsToNextUse {
            work: memory.work,
            uses: Uses::new(memory.tree, &order),
            reached: vec![0; memory.work.sessions.len()],
            dropped: vec![false; order.len()],
            leaves: Keyed::default(),
        }
    }
}

/// Steps until a call through `node`, the most as the smallest number. It grows until a call that uses the node comes or is
/// missed.
fn key(work: &Workload, uses: &Uses, reached: &[u32], dropped: &[bool], node: NodeId) -> u32 {
    let ahead = uses.of(node).iter().filter_map(|&call| {
        let reached = reached[work.calls[call as usize].session as usize];
        let comes = reached > 0 && call >= reached && !dropped[call as usize];
        comes.then(|| u32::MAX - (call - reached))
    });
    ahead.max().unwrap_or(0)
}

impl Eviction for StepsToNextUse<'_> {
    fn offer(&mut self, leaf: &Leaf) {
        let key = key(self.work, &self.uses, &self.reached, &self.dropped, leaf.node);
        self.leaves.offer(key, leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        let StepsToNextUse { work, uses, reached, dropped, leaves } = self;
        let present = |leaf: &Offered<u32>| key(work, uses, reached, dropped, leaf.node);
        leaves.next_grown(present).map(|leaf| leaf.place())
    }

    fn admitted(&mut self, call: u32, _now: Ps) {
        let reached = &mut self.reached[self.work.calls[call as usize].session as usize];
        *reached = (*reached).max(call + 1);
    }

    fn awaits(&self) -> bool {
        true
    }

    fn missed(&mut self, call: u32, why: Missed) -> bool {
        match why {
            Missed::Dropped => !std::mem::replace(&mut self.dropped[call as usize], true),
            Missed::Elsewhere => {
                let reached = &mut self.reached[self.work.calls[call as usize].session as usize];
                let overtakes = *reached > 0 && call >= *reached;
                if overtakes {
                    *reached = call + 1;
                }
                overtakes
            }
        }
    }
}
