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
