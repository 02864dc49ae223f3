//! Attained service along the critical path (ATLAS, of Autellix).

use super::keyed::{Key, Keyed, OVERTAKEN, Order};
use super::{Choice, Waiting};
use crate::choice::About;

pub(super) const ABOUT: About = About {
    name: "critical-path",
    about: "Autellix's ATLAS: the call whose longest chain of earlier calls was served least goes first",
    params: &[OVERTAKEN],
    presets: &[],
};

/// The call with the least served chain first: of all chains of calls that led to it, the one that was served most
/// counts, so that the threads of a program do not pay for each other. The source's engine is not told who waits for
/// whom and keeps one number a program instead, the longest chain it has seen; a workload says it. Service is
/// counted in tokens, as for `plas`.
#[derive(Clone)]
struct CriticalPath;

impl Order for CriticalPath {
    fn key(&self, waiting: &Waiting) -> Key {
        (waiting.chain, 0)
    }
}

pub(super) fn queue(choice: &Choice) -> Keyed {
    Keyed::new(CriticalPath, choice.whole("overtaken"))
}

#[cfg(test)]
mod tests {
    use super::super::keyed::tests::{place_of_the_last, pops};
    use super::super::tests::chosen;
    use super::*;
    use crate::serve::schedule::Queue;

    fn waiting(call: u32, chain: u64) -> Waiting {
        // What the whole program was served says nothing here.
        Waiting { call, chain, served: 1_000_000 - chain, ..Waiting::default() }
    }

    #[test]
    fn the_shortest_chain_goes_first_and_the_longest_is_thrown_out() {
        let mut queue = queue(&chosen("critical-path"));
        [(0, 300), (1, 100), (2, 200)].into_iter().for_each(|(call, chain)| queue.push(waiting(call, chain)));
        assert_eq!(pops(&mut queue), [1, 2, 0]);
        assert_eq!(queue.victim(&[1, 0, 2]), 1);
    }

    #[test]
    fn a_long_chain_is_not_starved() {
        let mut queue = queue(&chosen("critical-path"));
        assert_eq!(place_of_the_last(&mut queue, waiting(0, 9), waiting(0, 0)), Some(256));
    }
}
