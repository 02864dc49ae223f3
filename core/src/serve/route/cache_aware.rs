//! Cache-aware routing as SGLang's router does it: it remembers which prompts it sent where, and
//! sends a call to the replica that saw the longest prefix of it, unless load is unbalanced. Of replicas with equally few calls
//! one is drawn, as its present version does (older ones took the first); of several that saw the prefix the source takes any
//! one, here it is the one with the fewest calls.

use super::pick::random_least;
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, Ps};
use crate::serve::prefix::{NodeId, PrefixTree, ROOT};
use crate::synth::Chance;
use std::collections::VecDeque;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "threshold",
        about: "share of a prompt that must be known for the prefix to decide",
        default: 0.5,
        whole: false,
        range: (0.0, 1.0),
    },
    Param {
        key: "abs",
        about: "load is unbalanced when the largest exceeds the smallest by more than this many calls",
        default: 32.0,
        whole: true,
        range: (0.0, 1e9),
    },
    Param {
        key: "rel",
        about: "and by more than this factor",
        default: 1.1,
        whole: false,
        range: (1.0, 1e9),
    },
    Param {
        key: "trim_s",
        about: "time between two trims of the tree",
        default: 30.0,
        whole: false,
        range: (1e-3, 1e9),
    },
    Param {
        key: "max_tokens",
        about: "tokens of a replica that a trim leaves in the tree",
        default: 16_777_216.0,
        whole: true,
        range: (1.0, 1e15),
    },
];

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "rust",
        source: "SGLang's model gateway (smg): 10,000 characters",
        values: &[("max_tokens", 2_500.0)],
    },
    Preset {
        name: "python",
        source: "SGLang's router as called from Python",
        values: &[("threshold", 0.3), ("abs", 64.0), ("rel", 1.5), ("trim_s", 120.0)],
    },
];

/// The router's own tree: which replica was sent which prefix, an approximation of the caches. From time to time
/// each replica's part of it is cut down to a size, the prefixes that were sent least recently first. The source counts
/// characters, 2²⁶ as it is started and four to a token here.
#[derive(Clone)]
pub(super) struct CacheAware {
    /// A bit per node and replica; a prefix is seen when its last node is.
    seen: Vec<u64>,
    words: usize,
    threshold: f64,
    abs: u64,
    rel: f64,
    /// By node and replica: the last call whose prompt ended there, or below it where that was trimmed.
    last: Vec<u32>,
    /// By node and replica: how many nodes below it were seen, too.
    kids: Vec<u32>,
    replicas: usize,
    /// By replica: nodes where prompts ended, and when, in the order in which they go if they did not get anything since.
    ends: Vec<VecDeque<(u32, NodeId)>>,
    /// Blocks by replica.
    sizes: Vec<u64>,
    most: u64,
    sent: u32,
    every: Ps,
    /// Trims that are past.
    trims: u64,
    chance: Chance,
}

impl CacheAware {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'_>) -> Self {
        let words = (cluster.replicas as usize).div_ceil(64);
        CacheAware {
            seen: vec![0; words * cluster.tree.len()],
            words,
            threshold: choice.get("threshold"),
            abs: choice.whole("abs"),
            rel: choice.get("rel"),
            last: vec![0; cluster.tree.len() * cluster.replicas as usize],
            kids: vec![0; cluster.tree.len() * cluster.replicas as usize],
            replicas: cluster.replicas as usize,
            ends: vec![VecDeque::new(); cluster.replicas as usize],
            sizes: vec![0; cluster.replicas as usize],
            most: (choice.whole("max_tokens") / u64::from(cluster.tree.block_tokens())).max(1),
            sent: 0,
            every: libm::round(choice.get("trim_s") * 1e6) as u64 * PS_PER_US,
            trims: 0,
            chance: Chance::part(cluster.seed, &[9]),
        }
    }

    fn row(&self, node: NodeId) -> &[u64] {
        &self.seen[node as usize * self.words..][..self.words]
    }

    /// The deepest node that some replica saw.
    fn deepest(&self, tree: &PrefixTree, node: NodeId) -> NodeId {
        tree.deepest(node, |at| self.row(at).iter().any(|&word| word != 0))
    }

    fn place(&self, node: NodeId, replica: u32) -> usize {
        node as usize * self.replicas + replica as usize
    }

    fn insert(&mut self, tree: &PrefixTree, node: NodeId, replica: u32) {
        let (word, bit) = (replica as usize / 64, 1u64 << (replica % 64));
        self.sent += 1;
        let place = self.place(node, replica);
        self.last[place] = self.sent;
        self.ends[replica as usize].push_back((self.sent, node));
        for node in tree.way(node) {
            let slot = &mut self.seen[node as usize * self.words + word];
            if *slot & bit != 0 {
                return;
            }
            *slot |= bit;
            self.sizes[replica as usize] += u64::from(tree.end_block(node) - tree.start_block(node));
            let above = self.place(tree.parent(node), replica);
            self.kids[above] += 1;
        }
    }

    /// Trims all that is too large, if the time for it has come since the last call.
    fn trim_if_due(&mut self, tree: &PrefixTree, now: Ps) {
        if now / self.every == self.trims {
            return;
        }
        self.trims = now / self.every;
        for replica in 0..self.replicas as u32 {
            if self.sizes[replica as usize] > self.most {
                self.trim(tree, replica);
            }
        }
    }

    /// Takes the least recently sent prefixes out, node by node from their ends. What stands above a node that goes was sent
    /// no earlier than it, and where nothing else kept it, it is the next to go.
    fn trim(&mut self, tree: &PrefixTree, replica: u32) {
        let (word, bit) = (replica as usize / 64, 1u64 << (replica % 64));
        while self.sizes[replica as usize] > self.most {
            let Some((last, node)) = self.ends[replica as usize].pop_front() else { return };
            let place = self.place(node, replica);
            if self.last[place] != last || self.kids[place] > 0 || !self.holds(node, replica) {
                continue;
            }
            self.seen[node as usize * self.words + word] &= !bit;
            self.sizes[replica as usize] -= u64::from(tree.end_block(node) - tree.start_block(node));
            let parent = tree.parent(node);
            let above = self.place(parent, replica);
            self.kids[above] -= 1;
            if self.kids[above] == 0 && parent != ROOT && self.last[above] < last {
                self.ends[replica as usize].push_front((last, parent));
            }
            self.last[above] = self.last[above].max(last);
        }
    }

    fn holds(&self, node: NodeId, replica: u32) -> bool {
        self.row(node)[replica as usize / 64] & (1 << (replica % 64)) != 0
    }
}

impl Router for CacheAware {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let (loads, tree) = (view.loads, view.tree);
        self.trim_if_due(tree, ask.now);
        let most = loads.iter().map(|load| load.calls).max().unwrap_or(0);
        let fewest = loads.iter().map(|load| load.calls).min().unwrap_or(0);
        let unbalanced = most - fewest > self.abs && most as f64 > self.rel * fewest as f64;
        let node = self.deepest(tree, ask.prompt);
        let matched = u64::from(tree.end_block(node)) * u64::from(tree.block_tokens());
        let known = matched as f64 > self.threshold * f64::from(ask.prompt_tokens);
        let by_prefix = known && !unbalanced;
        let mut chance = self.chance;
        let passed_over = |replica: u32| by_prefix && !self.holds(node, replica);
        if scores.kept() {
            for replica in view.replicas().filter(|&replica| !passed_over(replica)) {
                scores.set(replica, -(view.load(replica).calls as f64));
            }
        }
        let key = |replica: u32| (passed_over(replica), loads[replica as usize].calls);
        let picked = random_least(loads.len() as u32, &mut chance, &|one, other| key(one).cmp(&key(other)));
        self.chance = chance;
        picked
    }

    fn sent(&mut self, ask: &Ask, view: &View<'_>, replica: u32) {
        self.insert(view.tree, ask.prompt, replica);
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}

#[cfg(test)]
mod tests {
    use super::super::ROUTERS;
    use super::super::fixture::Stage;
    use super::super::pick::below;
    use super::*;
    use crate::choice::choose;

    const SECOND: u64 = 1_000_000 * PS_PER_US;

    fn set(stage: &mut Stage, calls: [u64; 3]) {
        for (load, calls) in stage.loads.iter_mut().zip(calls) {
            load.calls = calls;
        }
    }

    /// 8 of 16 blocks are no more than half: the least loaded. 8 of 15 are more: who saw them, however loaded, while the most
    /// is at most 32 above the least.
    #[test]
    fn a_known_prefix_decides_unless_load_is_unbalanced() {
        let prompts: &[&[(u64, u32)]] = &[&[(1, 128)], &[(1, 128), (2, 128)], &[(1, 128), (3, 112)]];
        let mut stage = Stage::new(3, prompts);
        let mut router = stage.router("cache-aware", 1);
        set(&mut stage, [3, 2, 1]);
        assert_eq!(stage.decide(&mut *router, 0).0, 2);
        set(&mut stage, [3, 2, 34]);
        assert_eq!(stage.decide(&mut *router.clone(), 1).0, 1);
        let (picked, scores) = stage.decide(&mut *router.clone(), 2);
        assert_eq!((picked, scores), (2, vec![None, None, Some(-34.0)]));
        set(&mut stage, [3, 2, 35]);
        let (picked, scores) = stage.decide(&mut *router.clone(), 2);
        assert_eq!((picked, scores), (1, vec![Some(-3.0), Some(-2.0), Some(-35.0)]));
        // 33 above the least, but not more than 1.1 times it.
        set(&mut stage, [400, 400, 433]);
        assert_eq!(stage.decide(&mut *router, 2).0, 2);
    }

    /// A new prompt goes to any of the idle replicas, a known one to who saw it.
    #[test]
    fn equal_loads_are_drawn() {
        let prompts: Vec<Vec<(u64, u32)>> = (0..300).map(|id| vec![(id, 128)]).collect();
        let borrowed: Vec<&[(u64, u32)]> = prompts.iter().map(Vec::as_slice).collect();
        let stage = Stage::new(3, &borrowed);
        let mut router = stage.router("cache-aware", 1);
        let mut counts = [0; 3];
        for call in 0..300 {
            let (picked, _) = stage.decide(&mut *router, call);
            assert_eq!(stage.decide(&mut *router, call).0, picked);
            counts[picked as usize] += 1;
        }
        assert!(counts.iter().all(|count| (75..125).contains(count)), "{counts:?}");
    }

    /// Three prompts of 8 blocks, the last two alike in 4: 20 blocks. A trim to 12 takes the first, which is the oldest.
    #[test]
    fn the_tree_is_trimmed_from_its_oldest_ends() {
        let prompts: &[&[(u64, u32)]] = &[&[(1, 128)], &[(2, 64), (3, 64)], &[(2, 64), (4, 64)]];
        let mut stage = Stage::new(3, prompts);
        let mut router = stage.router("cache-aware:max_tokens=192,abs=1000", 1);
        set(&mut stage, [0, 1, 2]);
        for call in 0..3 {
            assert_eq!(stage.decide(&mut *router, call).0, 0);
        }
        set(&mut stage, [2, 1, 0]);
        stage.now = 30 * SECOND - 1;
        assert_eq!(stage.decide(&mut *router.clone(), 0).0, 0, "not yet");
        stage.now = 30 * SECOND;
        assert_eq!(stage.decide(&mut *router.clone(), 0).0, 2, "forgotten");
        assert_eq!(stage.decide(&mut *router.clone(), 1).0, 0);
        assert_eq!(stage.decide(&mut *router.clone(), 2).0, 0);
        // Asked again before, the first stays and the ends of the others go.
        stage.now = 29 * SECOND;
        stage.decide(&mut *router, 0);
        stage.now = 60 * SECOND;
        assert_eq!(stage.decide(&mut *router.clone(), 0).0, 0);
        for call in [1, 2] {
            assert_eq!(stage.decide(&mut *router.clone(), call).0, 2, "4 of 8 blocks are not more than half");
        }
    }

    /// What is left after a trim is what taking the leaf that any prompt went through longest ago, again and again, leaves.
    #[test]
    fn a_trim_takes_what_was_used_longest_ago() {
        let mut chance = Chance::new(11);
        let mut draw = |count: usize| below(&mut chance, count) as u64;
        for _ in 0..60 {
            let prompts: Vec<Vec<(u64, u32)>> = (0..30)
                .map(|_| {
                    let depth = 1 + draw(4);
                    let mut id = 0;
                    (0..depth)
                        .map(|_| {
                            id = id * 3 + 1 + draw(3);
                            (id, 16 + 16 * (id % 3) as u32)
                        })
                        .collect()
                })
                .collect();
            let borrowed: Vec<&[(u64, u32)]> = prompts.iter().map(Vec::as_slice).collect();
            let stage = Stage::new(2, &borrowed);
            let choice = choose(ROUTERS, "cache-aware:max_tokens=320").unwrap();
            let cluster =
                Cluster { replicas: 2, work: stage.work, tree: stage.tree, capacity_blocks: 1_000, seed: 1 };
            let (mut router, tree) = (CacheAware::new(&choice, &cluster), stage.tree);
            let mut used = vec![[0u32; 2]; tree.len()];
            for order in 1..200 {
                let (call, replica) = (draw(30) as u32, draw(2) as usize);
                router.insert(tree, tree.prompt(call), replica as u32);
                tree.way(tree.prompt(call)).for_each(|node| used[node as usize][replica] = order);
                if draw(8) > 0 {
                    continue;
                }
                router.trim(tree, replica as u32);
                let nodes = 1..tree.len() as NodeId;
                let blocks = |node| tree.end_block(node) - tree.start_block(node);
                let held = |used: &[[u32; 2]], node: NodeId| used[node as usize][replica] > 0;
                while nodes.clone().filter(|&node| held(&used, node)).map(blocks).sum::<u32>() > 20 {
                    let leaf = |node: &NodeId| {
                        !nodes.clone().any(|kid| held(&used, kid) && tree.parent(kid) == *node)
                    };
                    let leaves = nodes.clone().filter(|&node| held(&used, node)).filter(leaf);
                    let oldest = leaves.min_by_key(|&node| used[node as usize][replica]).unwrap();
                    used[oldest as usize][replica] = 0;
                }
                for node in nodes {
                    assert_eq!(router.holds(node, replica as u32), held(&used, node), "{node}");
                }
            }
        }
    }
}
