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

#[derive(Clone, Copy, Debug)]
struct Node {
    /// Nearest ancestor with blocks of its own, or [`ROOT`].
    parent: NodeId,
    /// Blocks up to the node's end; its own begin where the parent's end.
    end_block: u32,
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
}

struct Grower<'a> {
    work: &'a Workload,
    nodes: Vec<Node>,
    places: Vec<Place>,
    children: FxHashMap<(u32, u64), u32>,
    block: u64,
}

impl Grower<'_> {
    fn step(&mut self, from: u32, segment: u32) -> u32 {
        let segment = self.work.segments[segment as usize];
        let next = self.places.len() as u32;
        let place = *self.children.entry((from, segment.id)).or_insert(next);
        if place == next {
            let above = self.places[from as usize];
            let tokens = above.tokens + u64::from(segment.tokens);
            let end_block = (tokens / self.block) as u32;
            let node = if end_block > self.nodes[above.node as usize].end_block {
                self.nodes.push(Node { parent: above.node, end_block });
                self.nodes.len() as u32 - 1
            } else {
                above.node
            };
            self.places.push(Place { node, tokens });
        }
        place
    }
}

impl PrefixTree {
    /// Cuts the workload's prompts and replies into blocks of `block_tokens`.
    pub fn build(work: &Workload, block_tokens: u32) -> Self {
        let root = Node { parent: ROOT, end_block: 0 };
        let mut grower = Grower {
            work,
            nodes: vec![root],
            places: Vec::new(),
            children: FxHashMap::default(),
            block: u64::from(block_tokens.max(1)),
        };
        // Models share nothing: each has a tree of its own under the root.
        for _model in 0..work.models.len().max(1) {
            grower.places.push(Place { node: ROOT, tokens: 0 });
        }
        let (mut prompts, mut replies) = (Vec::new(), Vec::new());
        // The walk of the call before: the next prompt of a session mostly repeats it.
        let mut walked: Vec<(u32, u32)> = Vec::new();
        let mut model = u32::MAX;
        for call in &work.calls {
            if call.model != model {
                walked.clear();
                model = call.model;
            }
            let depth = walk(&mut grower, call.model, &call.prompt, &mut walked, 0);
            prompts.push(place_node(&grower, call.model, &walked));
            let end = walk(&mut grower, call.model, &call.reply, &mut walked, depth);
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

    /// The node above.
    pub fn parent(&self, node: NodeId) -> NodeId {
        self.nodes[node as usize].parent
    }

    /// Blocks from the prompt's begin to the node's end.
    pub fn end_block(&self, node: NodeId) -> u32 {
        self.nodes[node as usize].end_block
    }

    /// Blocks before the node's own.
    pub fn start_block(&self, node: NodeId) -> u32 {
        self.end_block(self.parent(node))
    }
}

/// Follows `runs` from depth `at` of the last walk; returns the depth reached.
fn walk(
    grower: &mut Grower<'_>,
    model: u32,
    runs: &[Run],
    walked: &mut Vec<(u32, u32)>,
    mut at: usize,
) -> usize {
    for segment in runs.iter().flat_map(|run| run.indices()) {
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
