//! Which calls go through which node, for evictions that look ahead.

use crate::serve::prefix::{NodeId, PrefixTree};

/// Calls whose prompt goes through a node, by their place in an order of calls.
#[derive(Clone, Debug)]
pub(super) struct Uses {
    /// Where a node's places begin; those of the next node begin where they end.
    starts: Vec<usize>,
    places: Vec<u32>,
}

impl Uses {
    /// Of the calls in `order`.
    pub(super) fn new(tree: &PrefixTree, order: &[u32]) -> Self {
        let mut starts = vec![0; tree.len() + 1];
        for &call in order {
            for node in tree.way(tree.prompt(call)) {
                starts[node as usize + 1] += 1;
            }
        }
        for node in 0..tree.len() {
            starts[node + 1] += starts[node];
        }
        let mut free = starts.clone();
        let mut places = vec![0; starts[tree.len()]];
        for (place, &call) in (0..).zip(order) {
            for node in tree.way(tree.prompt(call)) {
                places[free[node as usize]] = place;
                free[node as usize] += 1;
            }
        }
        Uses { starts, places }
    }

    /// Places of the calls through `node`, in order.
    pub(super) fn of(&self, node: NodeId) -> &[u32] {
        &self.places[self.starts[node as usize]..self.starts[node as usize + 1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::evict::fixture::workload;

    #[test]
    fn a_node_knows_the_calls_through_it() {
        let work = workload(&[(0, &[0]), (0, &[0, 1]), (0, &[0, 2]), (0, &[0, 1])]);
        let tree = PrefixTree::build(&work, 4);
        let uses = Uses::new(&tree, &[3, 0, 2, 1]);
        assert_eq!(uses.of(tree.prompt(0)), [0, 1, 2, 3]);
        assert_eq!(uses.of(tree.prompt(1)), [0, 3]);
        assert_eq!(uses.of(tree.prompt(2)), [2]);
    }
}
