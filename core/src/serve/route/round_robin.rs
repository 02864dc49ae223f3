//! Round robin: one replica after the other, whatever the prompt.

use super::{Ask, Router, Scores, Sees, View};

#[derive(Clone, Default)]
pub(super) struct RoundRobin {
    next: u32,
}

impl Router for RoundRobin {
    fn pick(&mut self, _ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        let (picked, count) = (self.next, view.loads.len().max(1) as u32);
        self.next = (picked + 1) % count;
        // How long until it is a replica's turn.
        if scores.kept() {
            for replica in view.replicas() {
                scores.set(replica, -f64::from((replica + count - picked) % count));
            }
        }
        picked
    }

    fn sees(&self) -> Sees {
        Sees::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;

    #[test]
    fn each_has_its_turn() {
        let stage = Stage::new(3, &[&[(1, 32)]]);
        let mut router = stage.router("round-robin", 1);
        let (first, _) = stage.decide(&mut *router, 0);
        let (second, scores) = stage.decide(&mut *router, 0);
        assert_eq!((first, second), (0, 1));
        assert_eq!(scores, [Some(-2.0), Some(0.0), Some(-1.0)]);
    }
}
