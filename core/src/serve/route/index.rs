//! What a router remembers of the prompts that it sent to a replica: an approximation of the replica's cache, of so
//! many blocks, the least recently sent first out and the deepest of a prompt before those above it.

use crate::serve::prefix::{NodeId, PrefixTree, ROOT};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// Blocks remembered, counted from the node's first.
    held: u32,
    /// Children of which some are remembered.
    kids: u32,
    /// When a prompt ended here; a parent takes over its last child's.
    touch: u32,
}

#[derive(Clone, Debug)]
pub(super) struct Index {
    nodes: usize,
    /// By replica and node.
    slots: Vec<Slot>,
    /// By replica: leaves by time; older offers of the same node do not hold.
    leaves: Vec<BinaryHeap<Reverse<(u32, NodeId)>>>,
    /// Blocks by replica.
    total: Vec<u64>,
    most: u64,
    deepest: u32,
    clock: u32,
}

impl Index {
    /// Nothing remembered yet; room for `most_tokens` a replica, of which the first `deepest_tokens` of a prompt. Both
    /// in whole blocks, at least one.
    pub(super) fn new(tree: &PrefixTree, replicas: u32, most_tokens: u64, deepest_tokens: u64) -> Self {
        let block = u64::from(tree.block_tokens());
        Index {
            nodes: tree.len(),
            slots: vec![Slot::default(); tree.len() * replicas as usize],
            leaves: vec![BinaryHeap::new(); replicas as usize],
            total: vec![0; replicas as usize],
            most: (most_tokens / block).max(1),
            deepest: u32::try_from((deepest_tokens / block).max(1)).unwrap_or(u32::MAX),
            clock: 0,
        }
    }

    /// Most blocks of a prompt that are looked at.
    pub(super) fn deepest(&self) -> u32 {
        self.deepest
    }

    fn slot(&mut self, replica: u32, node: NodeId) -> &mut Slot {
        &mut self.slots[replica as usize * self.nodes + node as usize]
    }

    /// Blocks of the way to `node` that the replica was sent.
    pub(super) fn matched(&self, tree: &PrefixTree, replica: u32, node: NodeId) -> u32 {
        let held = |at: NodeId| self.slots[replica as usize * self.nodes + at as usize].held;
        let last = tree.way(node).find(|&at| held(at) > 0);
        last.map_or(0, |at| tree.start_block(at) + held(at))
    }

    /// Remembers that the way to `node` went to the replica.
    pub(super) fn insert(&mut self, tree: &PrefixTree, replica: u32, node: NodeId) {
        let Some(node) = tree.way(node).find(|&at| tree.start_block(at) < self.deepest) else { return };
        self.clock += 1;
        let (clock, deepest) = (self.clock, self.deepest);
        self.slot(replica, node).touch = clock;
        let mut child_is_new = false;
        for at in tree.way(node) {
            let want = tree.end_block(at).min(deepest) - tree.start_block(at);
            let slot = self.slot(replica, at);
            let had = std::mem::replace(&mut slot.held, want);
            slot.kids += u32::from(child_is_new);
            self.total[replica as usize] += u64::from(want - had);
            if had > 0 {
                break;
            }
            child_is_new = true;
        }
        self.leaves[replica as usize].push(Reverse((clock, node)));
        self.trim(tree, replica);
    }

    fn trim(&mut self, tree: &PrefixTree, replica: u32) {
        while self.total[replica as usize] > self.most {
            let Some(Reverse((touch, node))) = self.leaves[replica as usize].pop() else { return };
            let excess = self.total[replica as usize] - self.most;
            let slot = self.slot(replica, node);
            if slot.touch != touch || slot.kids > 0 || slot.held == 0 {
                continue;
            }
            let gone = u64::from(slot.held).min(excess);
            slot.held -= gone as u32;
            let left = slot.held;
            self.total[replica as usize] -= gone;
            if left > 0 {
                self.leaves[replica as usize].push(Reverse((touch, node)));
                return;
            }
            let parent = tree.parent(node);
            if parent == ROOT {
                continue;
            }
            let above = self.slot(replica, parent);
            above.kids -= 1;
            above.touch = above.touch.max(touch);
            let offer = (above.kids == 0).then_some(above.touch);
            self.leaves[replica as usize].extend(offer.map(|touch| Reverse((touch, parent))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use super::*;
    use crate::synth::Chance;

    /// Prompts that share 4 blocks and differ in the next 2; room for 7.
    #[test]
    fn the_deepest_of_the_least_recent_goes_first() {
        let stage = Stage::new(1, &[&[(1, 64), (2, 32)], &[(1, 64), (3, 32)]]);
        let (tree, a, b) = (stage.tree, stage.tree.prompt(0), stage.tree.prompt(1));
        let mut index = Index::new(tree, 2, 7 * 16, 1_000_000);
        index.insert(tree, 1, a);
        assert_eq!((index.matched(tree, 1, a), index.matched(tree, 1, b)), (6, 4));
        assert_eq!(index.matched(tree, 0, a), 0);
        index.insert(tree, 1, b);
        assert_eq!((index.matched(tree, 1, a), index.matched(tree, 1, b)), (5, 6));
        index.insert(tree, 1, a);
        assert_eq!((index.matched(tree, 1, a), index.matched(tree, 1, b)), (6, 5));
    }

    #[test]
    fn only_the_first_blocks_of_a_prompt_are_looked_at() {
        let stage = Stage::new(1, &[&[(1, 64), (2, 32)]]);
        let mut index = Index::new(stage.tree, 1, 1_000, 3 * 16);
        index.insert(stage.tree, 0, stage.tree.prompt(0));
        assert_eq!(index.matched(stage.tree, 0, stage.tree.prompt(0)), 3);
    }

    /// Against a plain list of single blocks, each known by node and place, with the time of its last use.
    #[test]
    fn it_is_what_a_list_of_single_blocks_is() {
        let mut chance = Chance::new(7);
        let mut draw = |most: u64| chance.bits() % most;
        let prompts: Vec<Vec<(u64, u32)>> = (0..60)
            .map(|_| {
                let length = 1 + draw(5);
                (0..length).map(|depth| (depth * 10 + draw(3), 7 + 9 * (depth as u32 % 4))).collect()
            })
            .collect();
        let borrowed: Vec<&[(u64, u32)]> = prompts.iter().map(Vec::as_slice).collect();
        let stage = Stage::new(1, &borrowed);
        let tree = stage.tree;
        let path = |call: u32| {
            let mut blocks = Vec::new();
            let mut at = tree.prompt(call);
            while at != ROOT {
                blocks.extend((tree.start_block(at)..tree.end_block(at)).rev().map(|block| (block, at)));
                at = tree.parent(at);
            }
            blocks.reverse();
            blocks.truncate(5);
            blocks
        };
        let mut index = Index::new(tree, 1, 8 * 16, 5 * 16);
        let mut plain: Vec<((u32, NodeId), usize)> = Vec::new();
        for time in 0..2_000 {
            let call = draw(60) as u32;
            let blocks = path(call);
            let known = |block: &(u32, NodeId)| plain.iter().any(|(held, _)| held == block);
            let matched = blocks.iter().take_while(|block| known(block)).count();
            assert_eq!(index.matched(tree, 0, tree.prompt(call)) as usize, matched);
            index.insert(tree, 0, tree.prompt(call));
            plain.retain(|(held, _)| !blocks.contains(held));
            plain.extend(blocks.into_iter().map(|block| (block, time)));
            while plain.len() > 8 {
                let key = |&&((depth, _), used): &&((u32, NodeId), usize)| (used, Reverse(depth));
                let oldest = plain.iter().min_by_key(key).unwrap().0;
                plain.retain(|&(held, _)| held != oldest);
            }
        }
    }
}
