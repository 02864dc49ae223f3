//! Session affinity: all calls of a session go to one replica, chosen by rendezvous hashing: the replica
//! with the highest hash of session and replica. When a replica comes, only the sessions that it wins
//! move, which no consistent hash can better, and shares differ less than on a ring of points.

use super::ring::mix;
use super::{Ask, Router, Scores, Sees, View};

#[derive(Clone)]
pub(super) struct SessionAffinity;

fn weight(session: u32, replica: u32) -> u64 {
    mix((u64::from(session) << 32) | u64::from(replica))
}

impl Router for SessionAffinity {
    fn pick(&mut self, ask: &Ask, view: &View<'_>, scores: &mut Scores) -> u32 {
        if scores.kept() {
            for replica in view.replicas() {
                scores.set(replica, weight(ask.session, replica) as f64 / u64::MAX as f64);
            }
        }
        view.replicas().max_by_key(|&replica| weight(ask.session, replica)).unwrap_or(0)
    }

    fn sees(&self) -> Sees {
        Sees::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Stage;
    use super::*;

    fn home(session: u32, replicas: u32) -> u32 {
        (0..replicas).max_by_key(|&replica| weight(session, replica)).unwrap()
    }

    #[test]
    fn sessions_spread_and_only_those_move_that_a_new_replica_wins() {
        let (mut counts, mut moved) = ([0; 4], 0);
        for session in 0..10_000 {
            counts[home(session, 4) as usize] += 1;
            if home(session, 5) != home(session, 4) {
                assert_eq!(home(session, 5), 4);
                moved += 1;
            }
        }
        assert!(counts.iter().all(|count| (2_350..2_650).contains(count)), "{counts:?}");
        assert!((1_850..2_150).contains(&moved), "a fifth moves: {moved}");
    }

    #[test]
    fn a_session_stays_whatever_it_asks_and_however_busy_its_replica_is() {
        let mut stage = Stage::new(4, &[&[(1, 32)], &[(2, 64)]]);
        let mut router = stage.router("session-affinity", 1);
        stage.sessions = vec![6, 6];
        let (picked, scores) = stage.decide(&mut *router, 0);
        assert_eq!(picked, home(6, 4));
        assert!(scores.iter().all(|score| *score <= scores[picked as usize]));
        stage.loads[picked as usize].calls = 99;
        assert_eq!(stage.decide(&mut *router, 1).0, picked);
    }
}
