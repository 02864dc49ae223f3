//! Least load: the replica with the fewest calls waiting or running.

use super::{Ask, Router, Scores, Sees, View};

#[derive(Clone)]
pub(super) struct LeastLoad;

impl Router for LeastLoad {
    fn pick(&mut self, _ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        for (replica, load) in (0..).zip(view.loads) {
            scores.set(replica, -(load.calls as f64));
        }
        view.least()
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    #[test]
    fn the_fewest_calls_then_the_fewest_tokens_then_the_first() {
        let mut stage = Stage::new(3, &[&[(1, 32)]]);
        let mut pick = |calls: [u64; 3], tokens: [u64; 3]| {
            for (place, load) in stage.loads.iter_mut().enumerate() {
                (load.calls, load.tokens) = (calls[place], tokens[place]);
            }
            stage.decide(&mut *stage.router("least-load", 1), 0)
        };
        assert_eq!(pick([3, 2, 4], [1, 9, 1]), (1, vec![Some(-3.0), Some(-2.0), Some(-4.0)]));
        assert_eq!(pick([3, 2, 2], [1, 9, 8]).0, 2);
        assert_eq!(pick([2, 2, 2], [8, 8, 8]).0, 0);
    }
}
