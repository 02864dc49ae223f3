//! Multi-level feedback queues over programs (Autellix).

use super::keyed::{Key, Keyed, OVERTAKEN, Order};
use super::{Choice, Waiting};
use crate::choice::{About, Param};

pub(super) const ABOUT: About = About {
    name: "mlfq",
    about: "Autellix: queues by what a program was served, first come first served within each",
    params: &[
        OVERTAKEN,
        Param {
            key: "quantum",
            about: "tokens that a program is served before it leaves the first queue",
            default: 4_096.0,
            whole: true,
            range: (1.0, 1e12),
        },
        Param {
            key: "growth",
            about: "how many times longer each quantum is than the one before",
            default: 2.0,
            whole: false,
            range: (1.0, 1_000.0),
        },
        Param { key: "queues", about: "queues", default: 8.0, whole: true, range: (1.0, 64.0) },
    ],
    presets: &[],
};

/// Queues by what a program was served until a call comes: a program that has used up the quantum of a queue is in
/// the next. Within a queue the earlier arrival goes first, so that programs of one level take turns. The source
/// counts running time and moves a call down while it runs; here tokens count and a call keeps the level that it
/// came with. Its promotion of programs that wait too long is the guard, which counts overtakings. The numbers
/// are ours: the source's depend on its model.
#[derive(Clone)]
struct Mlfq {
    /// Tokens at which a program leaves each queue but the last.
    ends: Vec<u64>,
}

impl Order for Mlfq {
    fn key(&self, waiting: &Waiting) -> Key {
        (self.ends.partition_point(|&end| end <= waiting.served) as u64, 0)
    }
}

pub(super) fn queue(choice: &Choice) -> Keyed {
    let (mut end, mut quantum) = (0.0, choice.get("quantum"));
    let ends = (1..choice.whole("queues")).map(|_| {
        end += quantum;
        quantum *= choice.get("growth");
        libm::round(end) as u64
    });
    Keyed::new(Mlfq { ends: ends.collect() }, choice.whole("overtaken"))
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

    /// Quanta of 100, 200 and 400 tokens: queues end at 100, 300 and 700.
    #[test]
    fn a_program_goes_down_by_quanta_and_within_a_queue_the_first_goes() {
        let mut queue = queue(&chosen("mlfq:quantum=100,queues=4"));
        let given = [(0, 299), (1, 99), (2, 100), (3, 5_000), (4, 0), (5, 700), (6, 300)];
        given.into_iter().for_each(|(call, served)| queue.push(waiting(call, served)));
        assert_eq!(pops(&mut queue), [1, 4, 0, 2, 6, 3, 5]);
        assert_eq!(queue.victim(&[3, 5, 0]), 1, "the lowest queue, then the later arrival");
    }

    #[test]
    fn one_queue_is_first_come_first_served() {
        let mut queue = queue(&chosen("mlfq:queues=1"));
        [(0, 1 << 40), (1, 0), (2, 7)]
            .into_iter()
            .for_each(|(call, served)| queue.push(waiting(call, served)));
        assert_eq!(pops(&mut queue), [0, 1, 2]);
    }

    #[test]
    fn the_lowest_queue_is_not_starved() {
        let mut queue = queue(&chosen("mlfq:overtaken=25"));
        assert_eq!(place_of_the_last(&mut queue, waiting(0, 1 << 40), waiting(0, 0)), Some(25));
    }
}
