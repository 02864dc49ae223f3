//! First come, first served among programs (Continuum).

use super::Waiting;
use super::keyed::{Key, Keyed, Order, UNGUARDED};
use crate::choice::About;

pub(super) const ABOUT: About = About::plain(
    "program-fcfs",
    "Continuum: the program that came first goes first, whenever its calls come",
);

/// The program that came first, whichever of its calls came first; it is thrown out last. No guard is needed: only
/// programs that came earlier overtake, and these are finite and end. Continuum lets calls whose cache it has pinned
/// go before all others; here that is left to the eviction.
#[derive(Clone)]
struct ProgramFcfs;

impl Order for ProgramFcfs {
    fn key(&self, waiting: &Waiting) -> Key {
        (waiting.session_at, waiting.session.into())
    }
}

pub(super) fn queue() -> Keyed {
    Keyed::new(ProgramFcfs, UNGUARDED)
}

#[cfg(test)]
mod tests {
    use super::super::keyed::tests::{place_of_the_last, pops};
    use super::*;
    use crate::serve::schedule::Queue;

    fn waiting(call: u32, session: u32, session_at: u64) -> Waiting {
        Waiting { call, session, session_at, at: u64::from(call), ..Waiting::default() }
    }

    #[test]
    fn the_earlier_program_goes_first_whenever_its_calls_come() {
        let mut queue = queue();
        let given = [(0, 2, 50), (1, 1, 10), (2, 2, 50), (3, 0, 10), (4, 1, 10)];
        given.into_iter().for_each(|(call, session, at)| queue.push(waiting(call, session, at)));
        assert_eq!(pops(&mut queue), [3, 1, 4, 0, 2]);
        assert_eq!(queue.victim(&[0, 3, 2, 1]), 2, "the latest program's latest call");
    }

    #[test]
    fn later_programs_never_overtake() {
        assert_eq!(place_of_the_last(&mut queue(), waiting(0, 0, 5), waiting(0, 1, 6)), Some(0));
    }
}
