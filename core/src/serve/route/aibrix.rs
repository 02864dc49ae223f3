//! AIBrix's prefix cache routing: where requests are unbalanced, the replica with the fewest; else, by share of the prompt
//! that was sent there before, the first whose requests do not exceed the mean by more than so many standard deviations;
//! else the fewest. Shares count whole percent.
//!
//! Blocks have 128 characters, here 32 tokens, joined to the simulation's blocks. The source keeps one table of 200,000
//! blocks for all replicas and forgets what was not used for 20 minutes; here each replica has a table, and only
//! its size makes it forget.
//!
//! Gap and deviations differ within the project, and each preset is one pair that it states: its README's pseudo-code (the
//! default here), its Helm chart, and its gateway without settings. A later gateway (revision 01de8a5) asks for more than
//! twice one above the mean, too, and then looks for a match among the least loaded: that is not modelled.

use super::index::Index;
use super::pick::random_highest;
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
use crate::synth::Chance;

/// Tokens in a block of 128 characters.
const BLOCK_TOKENS: u64 = 32;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "gap",
        about: "requests are unbalanced when the most exceed the fewest by more",
        default: 8.0,
        whole: true,
        range: (0.0, 1e9),
    },
    Param {
        key: "sigmas",
        about: "standard deviations above the mean that a match may have",
        default: 2.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "blocks",
        about: "blocks of 32 tokens remembered of a replica",
        default: 200_000.0,
        whole: true,
        range: (1.0, 1e12),
    },
];

pub(super) const PRESETS: &[Preset] = &[
    Preset {
        name: "aibrix",
        source: "AIBrix, README of its algorithms (revision 0338af7): 8 in the pseudo-code, 2 in the text",
        values: &[],
    },
    Preset {
        name: "wide",
        source: "AIBrix's Helm chart (stable values of 0.4.1 and 0.6.0)",
        values: &[("gap", 16.0)],
    },
    Preset {
        name: "narrow",
        source: "AIBrix's gateway without settings (prefix_cache.go, revision 429c45e)",
        values: &[("sigmas", 1.0)],
    },
];

#[derive(Clone)]
pub(super) struct Aibrix {
    index: Index,
    gap: u64,
    sigmas: f64,
    chance: Chance,
}

impl Aibrix {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'_>) -> Self {
        let most = choice.whole("blocks").saturating_mul(BLOCK_TOKENS);
        Aibrix {
            index: Index::new(cluster.tree, cluster.replicas, most, u64::MAX),
            gap: choice.whole("gap"),
            sigmas: choice.get("sigmas"),
            chance: Chance::part(cluster.seed, &[4]),
        }
    }

    /// Shares of the prompt that replicas with a match and not too many requests know, with requests as a tie-break.
    fn matches(&self, ask: &Ask, view: &View<'_>) -> impl Iterator<Item = f64> {
        let whole = (ask.prompt_tokens / view.tree.block_tokens()).max(1);
        let count = view.loads.len().max(1) as f64;
        let mean = view.loads.iter().map(|load| load.calls as f64).sum::<f64>() / count;
        let square = |calls: u64| (calls as f64 - mean) * (calls as f64 - mean);
        let deviation = (view.loads.iter().map(|load| square(load.calls)).sum::<f64>() / count).sqrt();
        let most = mean + self.sigmas * deviation;
        let value = move |replica| {
            let matched = self.index.matched(view.tree, replica, ask.prompt);
            let calls = view.load(replica).calls as f64;
            if matched == 0 || calls > most {
                return f64::NEG_INFINITY;
            }
            // Whole percent decide, then requests.
            (u64::from(matched) * 100 / u64::from(whole)) as f64 - calls / (calls + 1.0)
        };
        view.replicas().map(value)
    }
}

impl Router for Aibrix {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let most = view.loads.iter().map(|load| load.calls).max().unwrap_or(0);
        let fewest = view.loads.iter().map(|load| load.calls).min().unwrap_or(0);
        let even = most - fewest <= self.gap;
        let known = even && scores.of(self.matches(ask, view)).iter().any(|value| value.is_finite());
        if !known {
            scores.of(view.loads.iter().map(|load| -(load.calls as f64)));
        }
        random_highest(scores.values(), &mut self.chance)
    }

    fn sent(&mut self, ask: &Ask, view: &View<'_>, replica: u32) {
        self.index.insert(view.tree, replica, ask.prompt);
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}

#[cfg(test)]
mod tests {
    use super::super::ROUTERS;
    use super::super::fixture::Stage;
    use crate::choice::choose;

    fn stage(calls: [u64; 4]) -> Stage {
        let mut stage = Stage::new(4, &[&[(1, 64), (2, 64)], &[(1, 64), (3, 64)]]);
        for (load, calls) in stage.loads.iter_mut().zip(calls) {
            load.calls = calls;
        }
        stage
    }

    /// Replica 2 knows 4 of 8 blocks: 50 %, less 3/4 for its three requests. Mean 3.25, deviation 0.43: it may have 4.1.
    #[test]
    fn a_match_within_the_deviations_wins() {
        let mut router = stage([9, 9, 3, 9]).router("aibrix", 1);
        assert_eq!(stage([9, 9, 3, 9]).decide(&mut *router, 0).0, 2);
        let (picked, scores) = stage([4, 3, 3, 3]).decide(&mut *router, 1);
        assert_eq!((picked, scores), (2, vec![None, None, Some(50.0 - 0.75), None]));
    }

    /// Mean 2, deviation 2.35: with one deviation the match may have 4.35 requests, not 6; with two 6.7.
    #[test]
    fn a_match_with_too_many_requests_is_passed_over() {
        let mut router = stage([9, 9, 3, 9]).router("aibrix:narrow", 1);
        stage([9, 9, 3, 9]).decide(&mut *router, 0);
        let (picked, scores) = stage([1, 0, 6, 1]).decide(&mut *router.clone(), 1);
        assert_eq!((picked, scores), (1, vec![Some(-1.0), Some(0.0), Some(-6.0), Some(-1.0)]));
        let mut router = stage([9, 9, 3, 9]).router("aibrix", 1);
        stage([9, 9, 3, 9]).decide(&mut *router, 0);
        assert_eq!(stage([1, 0, 6, 1]).decide(&mut *router, 1).0, 2);
    }

    /// Gap and deviations as README, Helm chart and gateway have them.
    #[test]
    fn presets_are_the_pairs_of_the_source() {
        let pair = |name| {
            let choice = choose(ROUTERS, name).unwrap();
            (choice.whole("gap"), choice.get("sigmas"))
        };
        assert_eq!([pair("aibrix"), pair("aibrix:aibrix")], [(8, 2.0); 2]);
        assert_eq!([pair("aibrix:wide"), pair("aibrix:narrow")], [(16, 2.0), (8, 1.0)]);
    }

    #[test]
    fn where_requests_are_unbalanced_the_fewest_win() {
        let mut router = stage([9, 9, 3, 9]).router("aibrix:sigmas=9", 1);
        stage([9, 9, 3, 9]).decide(&mut *router, 0);
        assert_eq!(stage([1, 1, 9, 2]).decide(&mut *router.clone(), 1).0, 2, "a gap of 8 is allowed");
        assert_eq!(stage([1, 0, 9, 2]).decide(&mut *router, 1).0, 1);
    }
}
