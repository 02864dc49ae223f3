//! Round robin: one replica after the other, whatever the prompt.

use super::{Ask, Load, Router};
use crate::serve::prefix::PrefixTree;

#[derive(Default)]
pub(super) struct RoundRobin {
    next: u32,
}

impl Router for RoundRobin {
    fn pick(&mut self, _ask: &Ask, loads: &[Load], _tree: &PrefixTree) -> u32 {
        let picked = self.next;
        self.next = (picked + 1) % loads.len().max(1) as u32;
        picked
    }
}
