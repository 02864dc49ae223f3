//! Dynamo's KV router: the least cost in blocks,
//! `scale · max(0, (active prefill + prompt) / block − credit) + decode + w · active requests`, with a credit for what
//! is held on the device (1), the host (0.75) or disk (0.25). At temperature 0 the least cost wins, equal ones by chance; above, by a
//! softmax over costs scaled to 0..1.
//!
//! What is active is known in one of two ways. By the router's own books, as Dynamo and its simulator keep them: active prefill
//! is what was not found cached of prompts when they were sent, until their first token; decode blocks are those of the prompts
//! that were sent and have not ended, each counted once, with the call's own that are not among them. In what the books take
//! off for what was found cached, a block on the device counts in full, whatever `device` says of credit, and one on the host as
//! its credit says: by default a quarter of it is still to be computed. By engines' reports (`reports`), which Dynamo does not
//! go by: active prefill is what they have not computed, prompts that wait in full; decode blocks are those that running calls
//! hold; the call's own, which cost everywhere about the same, are left out. There is no disk.

use super::books::Books;
use super::pick::{first_highest, random_highest};
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
use crate::serve::prefix::PrefixTree;
use crate::synth::Chance;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "temperature",
        about: "0 takes the least cost",
        default: 0.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "device",
        about: "credit of a block on the device",
        default: 1.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "host",
        about: "credit of a block on the host",
        default: 0.75,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "scale",
        about: "weight of blocks to compute",
        default: 1.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "request",
        about: "blocks that an active request costs",
        default: 0.0,
        whole: false,
        range: (0.0, 1e9),
    },
    Param {
        key: "books",
        about: "1: what is active is what the router sent, 0: what engines report",
        default: 1.0,
        whole: true,
        range: (0.0, 1.0),
    },
];

pub(super) const PRESETS: &[Preset] = &[
    Preset { name: "dynamo", source: "Dynamo, as its simulator (dynamo-mocker 1.6.1) runs it", values: &[] },
    Preset {
        name: "agentic",
        source: "Dynamo with `--agentic`",
        values: &[("device", 2.0), ("scale", 4.0), ("request", 64.0)],
    },
    Preset {
        name: "reports",
        source: "ours: Dynamo's costs over what engines report, not the router's own books",
        values: &[("books", 0.0)],
    },
];

#[derive(Clone)]
pub(super) struct DynamoKv<'a> {
    tree: &'a PrefixTree,
    books: Option<Books>,
    temperature: f64,
    device: f64,
    host: f64,
    scale: f64,
    request: f64,
    chance: Chance,
}

impl<'a> DynamoKv<'a> {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'a>) -> Self {
        let books = || Books::new(cluster.tree, cluster.replicas, cluster.work.calls.len());
        DynamoKv {
            tree: cluster.tree,
            books: (choice.whole("books") == 1).then(books),
            temperature: choice.get("temperature"),
            device: choice.get("device"),
            host: choice.get("host"),
            scale: choice.get("scale"),
            request: choice.get("request"),
            chance: Chance::part(cluster.seed, &[5]),
        }
    }

    fn cost(&self, ask: &Ask, view: &View<'_>, replica: u32) -> f64 {
        let (prefill_tokens, held, calls) = match &self.books {
            Some(books) => {
                let held = books.blocks_with(self.tree, replica, ask.prompt);
                (books.prefill_tokens(replica), held, books.calls(replica))
            }
            None => {
                let load = view.load(replica);
                (load.prefill_tokens, load.used_blocks, load.calls)
            }
        };
        let (device, host) = held_by(replica, ask, view);
        let tokens = prefill_tokens + u64::from(ask.prompt_tokens);
        let blocks = tokens as f64 / f64::from(view.tree.block_tokens());
        let credit = self.device * device + self.host * host;
        self.scale * (blocks - credit).max(0.0) + held as f64 + self.request * calls as f64
    }

    /// A replica by softmax over costs that are scaled to 0..1.
    fn draw(&mut self, values: &[f64]) -> u32 {
        let highest = values[first_highest(values) as usize];
        let lowest = values.iter().copied().min_by(f64::total_cmp).unwrap_or(highest);
        let range = highest - lowest;
        let weight = |value: f64| {
            if range > 0.0 { libm::exp((value - highest) / (range * self.temperature)) } else { 1.0 }
        };
        let total: f64 = values.iter().map(|&value| weight(value)).sum();
        let mut left = self.chance.uniform() * total;
        for (replica, &value) in (0..).zip(values) {
            left -= weight(value);
            if left < 0.0 {
                return replica;
            }
        }
        values.len().saturating_sub(1) as u32
    }
}

/// Blocks of the prompt on the device, and on the host beyond those.
fn held_by(replica: u32, ask: &Ask, view: &View<'_>) -> (f64, f64) {
    let device = view.held.device(replica, ask.prompt);
    let host = view.held.anywhere(replica, ask.prompt).saturating_sub(device);
    (f64::from(device), f64::from(host))
}

impl Router for DynamoKv<'_> {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let values = scores.of(view.replicas().map(|replica| -self.cost(ask, view, replica)));
        if self.temperature > 0.0 { self.draw(values) } else { random_highest(values, &mut self.chance) }
    }

    fn sent(&mut self, ask: &Ask, view: &View<'_>, replica: u32) {
        let Some(books) = &mut self.books else { return };
        let (device, host) = held_by(replica, ask, view);
        let cached = (device + self.host * host) * f64::from(view.tree.block_tokens());
        let tokens = u64::from(ask.prompt_tokens).saturating_sub(libm::round(cached) as u64);
        books.sent(self.tree, replica, ask.call, tokens);
    }

    fn sees(&self) -> Sees {
        Sees::Caches
    }

    fn watches_starts(&self) -> bool {
        self.books.is_some()
    }

    fn started(&mut self, call: u32, replica: u32) {
        if let Some(books) = &mut self.books {
            books.started(replica, call);
        }
    }

    fn ended(&mut self, call: u32, replica: u32) {
        if let Some(books) = &mut self.books {
            books.ended(self.tree, replica, call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    /// A prompt of 20 blocks. Replica 0 computes 160 tokens (10 blocks) and holds 12: 30 − 12 = 18. Replica 1 holds 4 on the
    /// device and 8 more on the host: 20 − 4 − 6 = 10, and running calls have 9: 19. Replica 2 holds nothing: 20.
    fn stage() -> Stage {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        stage.loads[0].prefill_tokens = 160;
        stage.loads[1].used_blocks = 9;
        stage.device = vec![12, 4, 0];
        stage.anywhere = vec![12, 12, 0];
        stage
    }

    #[test]
    fn the_least_cost_wins() {
        let stage = stage();
        let decide = |name: &str| stage.decide(&mut *stage.router(name, 1), 0);
        assert_eq!(decide("dynamo-kv:reports"), (0, vec![Some(-18.0), Some(-19.0), Some(-20.0)]));
        // All of the host's: 20 − 12 + 9 = 17.
        assert_eq!(decide("dynamo-kv:reports,host=1").0, 1);
        // Twice the credit: 4 · (30 − 24) = 24; 4 · (20 − 8 − 6) + 9 = 33; 80.
        assert_eq!(decide("dynamo-kv:agentic,books=0"), (0, vec![Some(-24.0), Some(-33.0), Some(-80.0)]));
    }

    #[test]
    fn more_credit_than_blocks_is_no_gain_and_requests_cost() {
        let mut stage = stage();
        stage.device = vec![40, 20, 20];
        stage.loads[1].used_blocks = 0;
        stage.loads[1].calls = 2;
        let mut router = stage.router("dynamo-kv:reports,request=3", 1);
        let (_, scores) = stage.decide(&mut *router, 0);
        assert_eq!(scores, [Some(0.0), Some(-6.0), Some(0.0)]);
        let picks: Vec<u32> = (0..200).map(|_| stage.decide(&mut *router, 0).0).collect();
        let first = picks.iter().filter(|&&picked| picked == 0).count();
        assert!(!picks.contains(&1) && (70..130).contains(&first), "equal ones by chance: {first}");
    }

    /// Two replicas, prompts of 20 blocks that share 16, blocks of 16 tokens; the second replica holds 8 of them. By its own
    /// books the router knows nothing of reports: 20 + 20 there, 20 − 8 + 20 here. The call goes to the second: 12 blocks are to
    /// be computed and 20 active. The next costs 20 + 20 = 40 or 12 + 20 − 8 + 20 + 4 = 48, until the first token is made:
    /// 36; when the call ends it is 32 again.
    #[test]
    fn its_own_books_count_what_it_sent() {
        let mut stage = Stage::new(2, &[&[(1, 256), (2, 64)], &[(1, 256), (3, 64)]]);
        stage.device = vec![0, 8];
        stage.loads[1].prefill_tokens = 1_000_000;
        for books in ["dynamo-kv:dynamo", "dynamo-kv:agentic"] {
            assert!(stage.router(books, 1).watches_starts(), "Dynamo keeps books: {books}");
        }
        let mut router = stage.router("dynamo-kv", 1);
        assert!(router.watches_starts() && !stage.router("dynamo-kv:reports", 1).watches_starts());
        assert_eq!(stage.decide(&mut *router, 0), (1, vec![Some(-40.0), Some(-32.0)]));
        let mut other = router.clone();
        assert_eq!(stage.decide(&mut *other, 1), (0, vec![Some(-40.0), Some(-48.0)]));
        router.started(0, 1);
        assert_eq!(stage.decide(&mut *router.clone(), 1), (1, vec![Some(-40.0), Some(-36.0)]));
        router.ended(0, 1);
        assert_eq!(stage.decide(&mut *router, 1), (1, vec![Some(-40.0), Some(-32.0)]));
    }

    /// Scaled costs 0, 0.5 and 1 at temperature 0.5: weights 1, e⁻¹ and e⁻², of a sum of 1.5032.
    #[test]
    fn a_temperature_draws_by_softmax() {
        let stage = stage();
        let mut router = stage.router("dynamo-kv:reports,temperature=0.5", 1);
        let mut counts = [0.0_f64; 3];
        for _ in 0..20_000 {
            counts[stage.decide(&mut *router, 0).0 as usize] += 1.0 / 20_000.0;
        }
        for (count, expected) in counts.iter().zip([0.6652, 0.2447, 0.0900]) {
            assert!((count - expected).abs() < 0.015, "{counts:?}");
        }
    }
}
