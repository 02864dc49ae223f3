//! The oracle: the replica that would make the call's first token first, if nothing more came. It knows what no router
//! can: every queue, cache and length as they are. Found by letting a copy of each replica go on, so it is slow.
//!
//! It is the best for each call alone; what a choice does to later calls it does not weigh.

use super::pick::keep;
use super::{Ask, Router, Scores, Sees, View};
use crate::serve::latency::{PS_PER_US, Ps};

#[derive(Clone)]
pub(super) struct Oracle;

/// What the oracle picks: the least time, the first of equal ones.
pub(in crate::serve) fn earliest(first_tokens: &[Option<Ps>]) -> u32 {
    let time = |&(replica, first): &(u32, &Option<Ps>)| (first.unwrap_or(Ps::MAX), replica);
    (0..).zip(first_tokens).min_by_key(time).map_or(0, |(replica, _)| replica)
}

impl Router for Oracle {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        if scores.kept() {
            let ms = |time: &Option<Ps>| {
                time.map_or(f64::NEG_INFINITY, |time| -((time - ask.now) as f64 / PS_PER_US as f64 / 1e3))
            };
            let values: Vec<f64> = view.first_tokens.iter().map(ms).collect();
            keep(scores, &values);
        }
        earliest(view.first_tokens)
    }

    fn sees(&self) -> Sees {
        Sees::Future
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use crate::serve::latency::PS_PER_US;

    #[test]
    fn the_first_first_token_wins() {
        let mut stage = Stage::new(3, &[&[(1, 32)]]);
        stage.now = 1_000 * PS_PER_US;
        stage.first_tokens = vec![Some(5_000 * PS_PER_US), None, Some(3_000 * PS_PER_US)];
        let (picked, scores) = stage.decide(&mut *stage.router("oracle", 1), 0);
        assert_eq!((picked, scores), (2, vec![Some(-4.0), None, Some(-2.0)]));
        stage.first_tokens = vec![None; 3];
        assert_eq!(stage.decide(&mut *stage.router("oracle", 1), 0).0, 0);
    }
}
