//! Session affinity: all calls of a session go to one replica, chosen by rendezvous hashing, so that
//! a change in the number of replicas moves as few sessions as possible.

use super::{Ask, Router, Scores, Sees, View};

#[derive(Clone)]
pub(super) struct SessionAffinity;

impl Router for SessionAffinity {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, _scores: &mut Scores) -> u32 {
        let weight = |replica: &u32| mix((u64::from(ask.session) << 32) | u64::from(*replica));
        view.replicas().max_by_key(weight).unwrap_or(0)
    }

    fn sees(&self) -> Sees {
        Sees::Nothing
    }
}

/// The finaliser of SplitMix64.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
