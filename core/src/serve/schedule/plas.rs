//! Program-level least attained service (PLAS, of Autellix).

use super::keyed::{Key, Keyed, OVERTAKEN, Order};
use super::{Choice, Waiting};
use crate::choice::About;

pub(super) const ABOUT: About = About {
    name: "plas",
    about: "Autellix: the program that was served least goes first",
    params: &[OVERTAKEN],
    presets: &[],
};

/// The program that was served least first. What a program was served is the sum over its ended calls, on all
/// replicas, as it stands when a call comes. The source adds up the time that calls ran; here it is the tokens
/// computed and made. Its guard compares waiting with running time; here overtakings are counted, as time must not
/// change an order.
#[derive(Clone)]
struct Plas;

impl Order for Plas {
    fn key(&self, waiting: &Waiting) -> Key {
        (waiting.served, 0)
    }
}

pub(super) fn queue(choice: &Choice) -> Keyed {
    Keyed::new(Plas, choice.whole("overtaken"))
}

#[cfg(test)]
mod tests {
    use super::super::keyed::tests::{place_of_the_last, pops};
    use super::super::tests::chosen;
    use super::*;
    use crate::serve::schedule::Queue;

    fn waiting(call: u32, served: u64) -> Waiting {
        Waiting { call, served, ..Waiting::default() }
    }

    #[test]
    fn who_was_served_least_goes_first_and_who_was_served_most_is_thrown_out() {
        let mut queue = queue(&chosen("plas"));
        [(0, 7_000), (1, 0), (2, 7_001), (3, 0)]
            .into_iter()
            .for_each(|(call, served)| queue.push(waiting(call, served)));
        assert_eq!(pops(&mut queue), [1, 3, 0, 2]);
        assert_eq!(queue.victim(&[2, 0, 1]), 0);
    }

    #[test]
    fn a_long_program_is_not_starved() {
        let mut queue = queue(&chosen("plas:overtaken=40"));
        assert_eq!(place_of_the_last(&mut queue, waiting(0, 9), waiting(0, 0)), Some(40));
    }
}
