//! All prompts of a workload as one prefix tree, cut into cache blocks once, before any simulation.
//!
//! A node stands for the blocks that end within one segment, given everything before it. Two prompts
//! share the blocks of their common ancestors, which is exactly what chained block hashes give. The
//! tree never changes, so a cache or a router keeps plain arrays by node, and the longest cached
//! prefix of a prompt is found by walking up from its last node.

use crate::trace::{Run, Workload};
use rustc_hash::FxHashMap;

/// Index of a node.
pub type NodeId = u32;

/// The empty prefix: no blocks, always cached.
pub const ROOT: NodeId = 0;

/// One node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    /// Nearest ancestor with blocks of its own, or [`ROOT`].
    pub(super) parent: NodeId,
    /// Blocks up to its begin, where the parent ends.
    pub(super) start_block: u32,
    /// Blocks up to its end.
    pub(super) end_block: u32,
    /// A node further up, so chosen that any node above is a logarithm of steps away.
    jump: NodeId,
}

/// All prompts of a workload, cut into blocks.
#[derive(Clone, Debug)]
pub struct PrefixTree {
    nodes: Vec<Node>,
    prompts: Vec<NodeId>,
    replies: Vec<NodeId>,
    block_tokens: u32,
}

/// A place on the way down, whether or not a block ends there: where a child hangs, and how deep.
#[derive(Clone, Copy)]
struct Place {
    /// The node that holds the last full block.
    node: NodeId,
    tokens: u64,
    /// The first segment that went on from here, and where to: most places have no second.
    first: Option<(u64, u32)>,
}

impl Place {
    fn new(node: NodeId, tokens: u64) -> Self {
        Place { node, tokens, first: None }
    }
}

struct Grower<'a> {
    work: &'a Workload,
    nodes: Vec<Node>,
    /// Nodes above each node.
    depths: Vec<u32>,
    places: Vec<Place>,
    /// Where further segments go on to from a place.
    others: FxHashMap<(u32, u64), u32>,
    block: u64,
}

impl Grower<'_> {
    fn node(&mut self, parent: NodeId, end_block: u32) -> NodeId {
        let [up, above] = [self.nodes[parent as usize].jump, parent];
        let further = self.nodes[up as usize].jump;
        let depth = |node: NodeId| self.depths[node as usize];
        // Myers' skew-binary jumps: two equal ones in a row become one of twice the length.
        let equal = depth(above) - depth(up) == depth(up) - depth(further);
        let jump = if equal { further } else { above };
        self.depths.push(depth(above) + 1);
        let start_block = self.nodes[parent as usize].end_block;
        self.nodes.push(Node { parent, start_block, end_block, jump });
        self.nodes.len() as u32 - 1
    }

    fn step(&mut self, from: u32, segment: u32) -> u32 {
        let segment = self.work.segments[segment as usize];
        let next = self.places.len() as u32;
        let above = &mut self.places[from as usize];
        let place = match above.first {
            Some((id, place)) if id == segment.id => place,
            Some(_) => *self.others.entry((from, segment.id)).or_insert(next),
            None => above.first.insert((segment.id, next)).1,
        };
        if place == next {
            let Place { node: above, tokens, .. } = *above;
            let tokens = tokens + u64::from(segment.tokens);
            let end_block = (tokens / self.block) as u32;
            let node = if end_block > self.nodes[above as usize].end_block {
                self.node(above, end_block)
            } else {
                above
            };
            self.places.push(Place::new(node, tokens));
        }
        place
    }
}

impl PrefixTree {
    /// Cuts the workload's prompts and replies into blocks of `block_tokens`.
    pub fn build(work: &Workload, block_tokens: u32) -> Self {
        let root = Node { parent: ROOT, start_block: 0, end_block: 0, jump: ROOT };
        let mut grower = Grower {
            work,
            nodes: vec![root],
            depths: vec![0],
            places: Vec::with_capacity(work.segments.len()),
            others: FxHashMap::default(),
            block: u64::from(block_tokens.max(1)),
        };
        // Models share nothing: each has a tree of its own under the root.
        for _model in 0..work.models.len().max(1) {
            grower.places.push(Place::new(ROOT, 0));
        }
        let count = work.calls.len();
        let (mut prompts, mut replies) = (Vec::with_capacity(count), Vec::with_capacity(count));
        // The walk of the call before: the next prompt of a session mostly repeats it.
        let mut walked: Vec<(u32, u32)> = Vec::new();
        let (mut model, mut begun) = (u32::MAX, NOTHING);
        for call in &work.calls {
            if call.model != model {
                walked.clear();
                (model, begun) = (call.model, NOTHING);
            }
            let first = call.prompt.first().copied().unwrap_or(NOTHING);
            let known = if first.first == begun.first { first.count.min(begun.count) } else { 0 };
            begun = first;
            let news = Run { first: first.first + known, count: first.count - known };
            let runs = [news].into_iter().chain(call.prompt.iter().skip(1).copied());
            let depth = walk(&mut grower, call.model, runs, &mut walked, known as usize);
            prompts.push(place_node(&grower, call.model, &walked));
            let end = walk(&mut grower, call.model, call.reply.iter().copied(), &mut walked, depth);
            replies.push(if end > depth {
                place_node(&grower, call.model, &walked)
            } else {
                prompts[prompts.len() - 1]
            });
        }
        PrefixTree { nodes: grower.nodes, prompts, replies, block_tokens: block_tokens.max(1) }
    }

    /// How many nodes there are, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether no prompt has a full block.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Tokens in a block.
    pub fn block_tokens(&self) -> u32 {
        self.block_tokens
    }

    /// Where a call's prompt ends.
    pub fn prompt(&self, call: u32) -> NodeId {
        self.prompts[call as usize]
    }

    /// Where a call's prompt with its reply ends; the prompt's node where the reply has no identity.
    pub fn reply(&self, call: u32) -> NodeId {
        self.replies[call as usize]
    }

    pub(super) fn node(&self, node: NodeId) -> Node {
        self.nodes[node as usize]
    }

    /// The node above.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.nodes[node as usize].parent
    }

    /// The nodes from `node` up, without the root.
    pub fn way(&self, node: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        let below_root = |at: NodeId| (at != ROOT).then_some(at);
        std::iter::successors(below_root(node), move |&at| below_root(self.parent(at)))
    }

    /// The last node that the ways to two nodes share.
    pub fn fork(&self, mut one: NodeId, mut other: NodeId) -> NodeId {
        // A node's number is larger than those of the nodes above it.
        while one != other {
            if one > other { one = self.parent(one) } else { other = self.parent(other) }
        }
        one
    }

    /// Blocks from the prompt's begin to the node's end.
    pub fn end_block(&self, node: NodeId) -> u32 {
        self.nodes[node as usize].end_block
    }

    /// The deepest of `node` and those above it for which `holds`. Whatever holds for a node must hold for all above
    /// it; the root is taken to hold.
    pub fn deepest(&self, node: NodeId, holds: impl Fn(NodeId) -> bool) -> NodeId {
        let mut at = node;
        while at != ROOT && !holds(at) {
            let Node { parent, jump, .. } = self.nodes[at as usize];
            at = if jump == ROOT || holds(jump) { parent } else { jump };
        }
        at
    }

    /// Blocks before the node's own.
    pub fn start_block(&self, node: NodeId) -> u32 {
        self.nodes[node as usize].start_block
    }
}

/// A run that no prompt begins with.
const NOTHING: Run = Run { first: u32::MAX, count: 0 };

/// Follows `runs` from depth `at` of the last walk; returns the depth reached.
fn walk(
    grower: &mut Grower<'_>,
    model: u32,
    runs: impl Iterator<Item = Run>,
    walked: &mut Vec<(u32, u32)>,
    mut at: usize,
) -> usize {
    for segment in runs.flat_map(Run::indices) {
        if walked.get(at).is_none_or(|&(known, _)| known != segment) {
            walked.truncate(at);
            let from = at.checked_sub(1).map_or(model, |above| walked[above].1);
            let place = grower.step(from, segment);
            walked.push((segment, place));
        }
        at += 1;
    }
    walked.truncate(at);
    at
}

fn place_node(grower: &Grower<'_>, model: u32, walked: &[(u32, u32)]) -> NodeId {
    let place = walked.last().map_or(model, |&(_, place)| place);
    grower.places[place as usize].node
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::evict::fixture::workload;

    /// Prompts a, a b, a c, a b d and e: ways end before the root, and fork where prompts part.
    #[test]
    fn ways_go_up_and_fork_where_prompts_part() {
        let work = workload(&[(0, &[0]), (0, &[0, 1]), (0, &[0, 2]), (0, &[0, 1, 3]), (0, &[4])]);
        let tree = PrefixTree::build(&work, 4);
        let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|call| tree.prompt(call));
        let way = |node| tree.way(node).collect::<Vec<_>>();
        assert_eq!((way(d), way(c), way(ROOT)), (vec![d, b, a], vec![c, a], vec![]));
        assert_eq!([tree.fork(d, c), tree.fork(b, d), tree.fork(e, d), tree.fork(c, c)], [a, b, ROOT, c]);
    }
}
