//! Dynamo's KV router: the least cost in blocks,
//! `scale · max(0, (active prefill + prompt) / block − credit) + decode + w · active requests`, with a credit for what
//! is held on the device (1), the host (0.75) or disk (0.25). At temperature 0 the least cost wins, equal ones by chance; above, by a
//! softmax over costs scaled to 0..1.
//!
//! Simplified: active prefill is what engines have not computed, prompts that wait in full; decode blocks are those that
//! running calls hold. The call's own blocks, which cost everywhere the same, are left out there; there is no disk.

use super::pick::{first_highest, keep, random_highest};
use super::{Ask, Choice, Cluster, Param, Preset, Router, Scores, Sees, View};
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
];

pub(super) const PRESETS: &[Preset] = &[
    Preset { name: "dynamo", source: "Dynamo", values: &[] },
    Preset {
        name: "agentic",
        source: "Dynamo with `--agentic`",
        values: &[("device", 2.0), ("scale", 4.0), ("request", 64.0)],
    },
];

#[derive(Clone)]
pub(super) struct DynamoKv {
    temperature: f64,
    device: f64,
    host: f64,
    scale: f64,
    request: f64,
    chance: Chance,
}

impl DynamoKv {
    pub(super) fn new(choice: &Choice, cluster: &Cluster<'_>) -> Self {
        DynamoKv {
            temperature: choice.get("temperature"),
            device: choice.get("device"),
            host: choice.get("host"),
            scale: choice.get("scale"),
            request: choice.get("request"),
            chance: Chance::part(cluster.seed, &[5]),
        }
    }

    fn cost(&self, ask: &Ask, view: &View<'_>, replica: u32) -> f64 {
        let load = view.load(replica);
        let device = view.held.device(replica, ask.prompt);
        let host = view.held.anywhere(replica, ask.prompt).saturating_sub(device);
        let tokens = load.prefill_tokens + u64::from(ask.prompt_tokens);
        let blocks = tokens as f64 / f64::from(view.tree.block_tokens());
        let credit = self.device * f64::from(device) + self.host * f64::from(host);
        self.scale * (blocks - credit).max(0.0) + load.used_blocks as f64 + self.request * load.calls as f64
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

impl Router for DynamoKv {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let values: Vec<f64> = view.replicas().map(|replica| -self.cost(ask, view, replica)).collect();
        keep(scores, &values);
        if self.temperature > 0.0 { self.draw(&values) } else { random_highest(&values, &mut self.chance) }
    }

    fn sees(&self) -> Sees {
        Sees::Caches
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
        assert_eq!(decide("dynamo-kv"), (0, vec![Some(-18.0), Some(-19.0), Some(-20.0)]));
        // All of the host's: 20 − 12 + 9 = 17.
        assert_eq!(decide("dynamo-kv:host=1").0, 1);
        // Twice the credit: 4 · (30 − 24) = 24; 4 · (20 − 8 − 6) + 9 = 33; 80.
        assert_eq!(decide("dynamo-kv:agentic"), (0, vec![Some(-24.0), Some(-33.0), Some(-80.0)]));
    }

    #[test]
    fn more_credit_than_blocks_is_no_gain_and_requests_cost() {
        let mut stage = stage();
        stage.device = vec![40, 20, 20];
        stage.loads[1].used_blocks = 0;
        stage.loads[1].calls = 2;
        let mut router = stage.router("dynamo-kv:request=3", 1);
        let (_, scores) = stage.decide(&mut *router, 0);
        assert_eq!(scores, [Some(0.0), Some(-6.0), Some(0.0)]);
        let picks: Vec<u32> = (0..200).map(|_| stage.decide(&mut *router, 0).0).collect();
        let first = picks.iter().filter(|&&picked| picked == 0).count();
        assert!(!picks.contains(&1) && (70..130).contains(&first), "equal ones by chance: {first}");
    }

    /// Scaled costs 0, 0.5 and 1 at temperature 0.5: weights 1, e⁻¹ and e⁻², of a sum of 1.5032.
    #[test]
    fn a_temperature_draws_by_softmax() {
        let stage = stage();
        let mut router = stage.router("dynamo-kv:temperature=0.5", 1);
        let mut counts = [0.0_f64; 3];
        for _ in 0..20_000 {
            counts[stage.decide(&mut *router, 0).0 as usize] += 1.0 / 20_000.0;
        }
        for (count, expected) in counts.iter().zip([0.6652, 0.2447, 0.0900]) {
            assert!((count - expected).abs() < 0.015, "{counts:?}");
        }
    }
}
