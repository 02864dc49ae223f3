//! The cache without end: what could have been found at best.

use crate::serve::prefix::{NodeId, PrefixTree};

/// A cache without end that all replicas share: what could have been found at best.
#[derive(Clone, Debug)]
pub struct Ceiling<'a> {
    tree: &'a PrefixTree,
    /// Blocks seen of each node; a node has some only where its parent is complete.
    seen: Vec<u32>,
    path: Vec<NodeId>,
}

impl<'a> Ceiling<'a> {
    /// Nothing seen yet.
    pub fn new(tree: &'a PrefixTree) -> Self {
        Ceiling { tree, seen: vec![0; tree.len()], path: Vec::new() }
    }

    /// Blocks seen on the way to `node`.
    pub fn longest(&self, node: NodeId) -> u32 {
        let last = self.tree.way(node).find(|&at| self.seen[at as usize] > 0);
        last.map_or(0, |at| self.tree.start_block(at) + self.seen[at as usize])
    }

    /// Sees the way to `node`, up to block `until`.
    pub fn add(&mut self, node: NodeId, until: u32) {
        self.path.clear();
        let whole = |at| self.tree.end_block(at) - self.tree.start_block(at);
        self.path.extend(self.tree.way(node).take_while(|&at| self.seen[at as usize] < whole(at)));
        for &at in self.path.iter().rev() {
            let start = self.tree.start_block(at);
            if start >= until {
                break;
            }
            let want = self.tree.end_block(at).min(until) - start;
            self.seen[at as usize] = self.seen[at as usize].max(want);
        }
    }
}
