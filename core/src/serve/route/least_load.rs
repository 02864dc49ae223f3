//! Least load: the replica with the fewest calls waiting or running; of equal ones that with the fewest prompt tokens, and of
//! these each in its turn, as nginx and HAProxy let servers with equally many connections take turns.

use super::{Ask, Router, Scores, Sees, View};

#[derive(Clone, Default)]
pub(super) struct LeastLoad {
    /// Whose turn it is.
    next: u32,
}

impl Router for LeastLoad {
    fn pick(&mut self, _ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let count = view.loads.len().max(1) as u32;
        for (replica, load) in (0..).zip(view.loads) {
            scores.set(replica, -(load.calls as f64));
        }
        let turn = |replica: u32| (replica + count - self.next) % count;
        let order = |&(replica, load): &(u32, &super::Load)| (load.calls, load.tokens, turn(replica));
        let picked = (0..).zip(view.loads).min_by_key(order).map_or(0, |(replica, _)| replica);
        self.next = (picked + 1) % count;
        picked
    }

    fn sees(&self) -> Sees {
        Sees::Calls
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    #[test]
    fn the_fewest_calls_then_the_fewest_tokens_then_in_turn() {
        let mut stage = Stage::new(3, &[&[(1, 32)]]);
        let mut router = stage.router("least-load", 1);
        let mut pick = |calls: [u64; 3], tokens: [u64; 3]| {
            for (place, load) in stage.loads.iter_mut().enumerate() {
                (load.calls, load.tokens) = (calls[place], tokens[place]);
            }
            stage.decide(&mut *router, 0)
        };
        assert_eq!(pick([2, 2, 2], [8, 8, 8]).0, 0);
        assert_eq!(pick([3, 2, 4], [1, 9, 1]), (1, vec![Some(-3.0), Some(-2.0), Some(-4.0)]));
        assert_eq!(pick([3, 2, 2], [1, 9, 8]).0, 2);
        assert_eq!([(); 4].map(|()| pick([2, 2, 2], [8, 8, 8]).0), [0, 1, 2, 0]);
        assert_eq!([(); 3].map(|()| pick([2, 9, 2], [8, 8, 8]).0), [2, 0, 2]);
    }
}
