//! Load-aware routing for vLLM's production stack: the share of the prompt that a replica holds, less its load above the
//! mean: `matched / prompt − β · (load − mean) / max(1, mean)`. Loads are calls; what is held is known exactly.

use super::pick::{first_highest, keep};
use super::{Ask, Choice, Param, Preset, Router, Scores, Sees, View};

pub(super) const PARAMS: &[Param] = &[Param {
    key: "beta",
    about: "weight of the load above the mean",
    default: 1.0,
    whole: false,
    range: (0.0, 1e6),
}];

pub(super) const PRESETS: &[Preset] = &[Preset {
    name: "loadaware",
    source: "the load-aware patch of production-stack's KV-aware router",
    values: &[],
}];

#[derive(Clone)]
pub(super) struct ProductionStack {
    beta: f64,
}

impl ProductionStack {
    pub(super) fn new(choice: &Choice) -> Self {
        ProductionStack { beta: choice.get("beta") }
    }
}

impl Router for ProductionStack {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let calls: u64 = view.loads.iter().map(|load| load.calls).sum();
        let mean = calls as f64 / view.loads.len().max(1) as f64;
        let score = |replica| {
            let share = view.cached_anywhere(replica, ask) as f64 / f64::from(ask.prompt_tokens.max(1));
            share - self.beta * (view.load(replica).calls as f64 - mean) / mean.max(1.0)
        };
        let values: Vec<f64> = view.replicas().map(score).collect();
        keep(scores, &values);
        first_highest(&values)
    }

    fn sees(&self) -> Sees {
        Sees::Caches
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    /// 16 of 20 blocks are 0.8 of the prompt. Loads 6, 2, 1 have the mean 3: 0.8 − 1 = −0.2, 0 + 1/3, 0 + 2/3. At half
    /// the weight: 0.8 − 0.5 = 0.3, 1/6, 1/3; at a tenth 0.7.
    #[test]
    fn a_match_is_set_off_against_load() {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        stage.device[0] = 16;
        for (load, calls) in stage.loads.iter_mut().zip([6, 2, 1]) {
            load.calls = calls;
        }
        let decide = |name: &str| stage.decide(&mut *stage.router(name, 1), 0);
        let (picked, scores) = decide("production-stack");
        assert_eq!(picked, 2);
        for (score, expected) in scores.iter().zip([-0.2, 1.0 / 3.0, 2.0 / 3.0]) {
            assert!((score.unwrap() - expected).abs() < 1e-12, "{scores:?}");
        }
        assert_eq!(decide("production-stack:beta=0.1").0, 0);
    }

    /// Below a mean of one the load counts as it is: 1 − (1 − 1/3) against 0 + 1/3.
    #[test]
    fn small_loads_are_not_blown_up() {
        let mut stage = Stage::new(3, &[&[(1, 320)]]);
        (stage.device[0], stage.loads[0].calls) = (20, 1);
        let (_, scores) = stage.decide(&mut *stage.router("production-stack", 1), 0);
        assert!((scores[0].unwrap() - 1.0 / 3.0).abs() < 1e-12);
        assert!((scores[1].unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }
}
