//! Round robin: one replica after the other, whatever the prompt.

use super::{Ask, Router, Scores, Sees, View};

#[derive(Clone, Default)]
pub(super) struct RoundRobin {
    next: u32,
}

impl Router for RoundRobin {
    fn pick(&mut self, _ask: &Ask, view: &View<'_>, _scores: &mut Scores) -> u32 {
        let picked = self.next;
        self.next = (picked + 1) % view.loads.len().max(1) as u32;
        picked
    }

    fn sees(&self) -> Sees {
        Sees::Nothing
    }
}
