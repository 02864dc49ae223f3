//! Least load: the replica with the fewest calls waiting or running.

use super::{Ask, Load, Router, least};
use crate::serve::prefix::PrefixTree;

pub(super) struct LeastLoad;

impl Router for LeastLoad {
    fn pick(&mut self, _ask: &Ask, loads: &[Load], _tree: &PrefixTree) -> u32 {
        least(loads)
    }
}
