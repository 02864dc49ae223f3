//! Shortest program first, as ThunderAgent takes memory back: what computing again costs grows with the square of a context,
//! so what belongs to the program with the fewest tokens goes first.
//!
//! ThunderAgent pauses whole programs between two of their calls, from outside of the engine, until memory suffices, and
//! lets the engine drop what they held. Here only that order is taken: a program is a session, a leaf belongs to the one that
//! let it go last, its tokens are those of that session's latest prompt, and of a session that has ended, by its last call or by
//! one that was refused, everything goes before that is let go from then on or that its next call would have used. Pausing is a
//! scheduler's matter.

use super::keyed::{Keyed, Offered};
use super::{Eviction, Leaf, Memory, Missed};
use crate::serve::latency::Ps;
use crate::serve::prefix::NodeId;
use crate::trace::Workload;

/// By tokens of the program.
#[derive(Clone)]
pub(super) struct ShortestProgram<'a> {
    work: &'a Workload,
    /// By session, tokens of its latest prompt here; 0 after the last one.
    tokens: Vec<u64>,
    /// By session, whether one of its calls was refused.
    cut: Vec<bool>,
    leaves: Keyed<u64>,
}

impl<'a> ShortestProgram<'a> {
    pub(super) fn new(memory: &Memory<'a>) -> Self {
        ShortestProgram {
            work: memory.work,
            tokens: vec![0; memory.work.sessions.len()],
            cut: vec![false; memory.work.sessions.len()],
            leaves: Keyed::default(),
        }
    }

    fn session(&self, call: u32) -> usize {
        self.work.calls[call as usize].session as usize
    }
}

impl Eviction for ShortestProgram<'_> {
    fn offer(&mut self, leaf: &Leaf) {
        self.leaves.offer(self.tokens[self.session(leaf.last.call)], leaf);
    }

    fn next(&mut self, _now: Ps) -> Option<(NodeId, u64)> {
        let (work, tokens) = (self.work, &self.tokens);
        let present = |leaf: &Offered<u64>| tokens[work.calls[leaf.call as usize].session as usize];
        self.leaves.next_grown(present).map(|leaf| leaf.place())
    }

    fn admitted(&mut self, call: u32, _now: Ps) {
        let session = self.session(call);
        let asked = &self.work.calls[call as usize];
        let calls = self.work.sessions[session].calls;
        let goes_on = calls.indices().last() != Some(call) && !self.cut[session];
        self.tokens[session] = if goes_on { asked.prompt_tokens.into() } else { 0 };
    }

    fn awaits(&self) -> bool {
        true
    }

    fn missed(&mut self, call: u32, why: Missed) -> bool {
        let session = self.session(call);
        let cut = why == Missed::Dropped;
        if cut {
            (self.cut[session], self.tokens[session]) = (true, 0);
        }
        cut
    }
}
