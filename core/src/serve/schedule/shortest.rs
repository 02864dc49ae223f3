//! Predicted-shortest-first, with a guard: a call that was overtaken too often goes next.

use super::keyed::{Key, Keyed, Order, overtaken};
use super::{Choice, Waiting};
use crate::choice::About;

pub(super) const ABOUT: About = About {
    name: "shortest",
    about: "the shortest predicted output first; who was overtaken too often goes next",
    params: &[overtaken(32.0)],
    presets: &[],
};

/// The shortest predicted output first. When decoding runs out of room the call admitted last goes, as without an
/// order: a prediction says little of a call that has begun.
#[derive(Clone)]
struct Shortest;

impl Order for Shortest {
    fn key(&self, waiting: &Waiting) -> Key {
        (waiting.predicted, 0)
    }

    fn decides_victims(&self) -> bool {
        false
    }
}

pub(super) fn queue(choice: &Choice) -> Keyed {
    Keyed::new(Shortest, choice.whole("overtaken"))
}

#[cfg(test)]
mod tests {
    use super::super::keyed::tests::{place_of_the_last, pops};
    use super::super::tests::chosen;
    use super::*;
    use crate::serve::schedule::Queue;

    fn waiting(call: u32, predicted: u64) -> Waiting {
        Waiting { call, predicted, ..Waiting::default() }
    }

    #[test]
    fn the_longest_is_not_starved() {
        let mut queue = queue(&chosen("shortest"));
        assert_eq!(place_of_the_last(&mut queue, waiting(0, 1_000), waiting(0, 1)), Some(32));
    }

    #[test]
    fn shorter_goes_first_and_ties_keep_their_order() {
        let mut queue = queue(&chosen("shortest"));
        [(0, 5), (1, 3), (2, 3), (3, 9), (7, 99)]
            .into_iter()
            .for_each(|(call, length)| queue.push(waiting(call, length)));
        queue.remove(7);
        queue.take_back(7);
        assert_eq!(pops(&mut queue), [7, 1, 2, 0, 3]);
    }
}
