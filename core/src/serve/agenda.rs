//! What happens next: steps that end, calls that are due, replicas that may begin a step.
//!
//! Of the same instant steps end first, then calls are sent, then steps begin; of the same kind the lowest number goes
//! first.

use super::latency::Ps;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A replica's step ends.
    Complete(u32),
    /// A call is due.
    Due(u32),
    /// A replica may begin a step.
    Plan(u32),
}

/// Later than anything that happens.
const NEVER: Ps = Ps::MAX;

/// What happens next.
#[derive(Clone, Debug)]
pub(super) struct Agenda {
    /// Calls that were due from the start on, in order; those before `at` are gone.
    given: Vec<(Ps, u32)>,
    at: usize,
    /// Calls that became due since.
    later: BinaryHeap<Reverse<(Ps, u32)>>,
    /// The first of both.
    due: Option<(Ps, u32)>,
    ends: Ends,
    /// A bit per replica that may begin a step now, and how many there are.
    stirred: Vec<u64>,
    stirring: u32,
    now: Ps,
}

impl Agenda {
    /// Nothing but calls that are due.
    pub(super) fn new(replicas: u32, mut due: Vec<(Ps, u32)>) -> Self {
        due.sort();
        Agenda {
            at: 0,
            later: BinaryHeap::new(),
            due: due.first().copied(),
            given: due,
            ends: Ends::new(replicas as usize),
            stirred: vec![0; (replicas as usize).div_ceil(64)],
            stirring: 0,
            now: 0,
        }
    }

    /// A call is due.
    pub(super) fn due(&mut self, time: Ps, call: u32) {
        self.later.push(Reverse((time, call)));
        self.due = Some(self.due.map_or((time, call), |first| first.min((time, call))));
    }

    /// When a replica's step ends, from now on.
    pub(super) fn ends(&mut self, replica: u32, end: Ps) {
        self.ends.set(replica as usize, end.min(NEVER - 1));
    }

    /// A replica may begin a step now.
    pub(super) fn stir(&mut self, replica: u32) {
        let (word, bit) = (replica as usize / 64, 1 << (replica % 64));
        self.stirring += u32::from(self.stirred[word] & bit == 0);
        self.stirred[word] |= bit;
    }

    /// Whether nothing happens any more at this instant.
    pub(super) fn is_quiet(&self) -> bool {
        self.stirring == 0 && self.until() > self.now
    }

    /// When the next step ends or the next call is due.
    fn until(&self) -> Ps {
        self.ends.first().min(self.due.map_or(NEVER, |(time, _)| time))
    }

    /// What happens next, and when.
    pub(super) fn peek(&self) -> Option<(Ps, Event)> {
        if self.stirring > 0 && self.until() > self.now {
            return self.first_stirred().map(|replica| (self.now, Event::Plan(replica)));
        }
        let end = self.ends.first();
        match self.due {
            Some((time, call)) if time < end => Some((time, Event::Due(call))),
            None if end == NEVER => None,
            _ => Some((end, Event::Complete(self.ends.whose()))),
        }
    }

    /// Takes out what happens next, and when.
    pub(super) fn next(&mut self) -> Option<(Ps, Event)> {
        let (time, event) = self.peek()?;
        match event {
            Event::Complete(replica) => self.ends.set(replica as usize, NEVER),
            Event::Due(call) => self.send((time, call)),
            Event::Plan(replica) => {
                self.stirred[replica as usize / 64] &= !(1 << (replica % 64));
                self.stirring -= 1;
            }
        }
        self.now = time;
        Some((time, event))
    }

    fn send(&mut self, call: (Ps, u32)) {
        if self.given.get(self.at) == Some(&call) {
            self.at += 1;
        } else {
            self.later.pop();
        }
        let given = self.given.get(self.at).copied();
        let later = self.later.peek().map(|&Reverse(later)| later);
        self.due = match (given, later) {
            (Some(given), Some(later)) => Some(given.min(later)),
            (given, later) => given.or(later),
        };
    }

    fn first_stirred(&self) -> Option<u32> {
        let word = self.stirred.iter().position(|&bits| bits != 0)?;
        Some(word as u32 * 64 + self.stirred[word].trailing_zeros())
    }
}

/// When each replica's step ends, and which ends first: a tournament, of which one path is played anew at a change.
#[derive(Clone, Debug)]
struct Ends {
    /// The earliest below each place: of all at 1, the replicas' own in the second half.
    earliest: Vec<Ps>,
}

impl Ends {
    fn new(replicas: usize) -> Self {
        Ends { earliest: vec![NEVER; 2 * replicas.next_power_of_two()] }
    }

    /// When the first step ends.
    fn first(&self) -> Ps {
        self.earliest[1]
    }

    /// Whose step ends first; of several, the lowest number.
    fn whose(&self) -> u32 {
        let leaves = self.earliest.len() / 2;
        let mut place = 1;
        while place < leaves {
            place *= 2;
            place += usize::from(self.earliest[place] > self.first());
        }
        (place - leaves) as u32
    }

    fn set(&mut self, replica: usize, end: Ps) {
        let mut place = self.earliest.len() / 2 + replica;
        self.earliest[place] = end;
        while place > 1 {
            let first = self.earliest[place].min(self.earliest[place ^ 1]);
            place /= 2;
            self.earliest[place] = first;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_instant_has_its_order() {
        let mut agenda = Agenda::new(3, vec![(7, 4), (5, 9), (5, 2)]);
        assert_eq!(agenda.next(), Some((5, Event::Due(2))));
        agenda.stir(2);
        agenda.stir(1);
        agenda.due(5, 1);
        agenda.ends(2, 5);
        agenda.ends(0, 7);
        let order: Vec<_> = std::iter::from_fn(|| agenda.next()).collect();
        let expected = [
            (5, Event::Complete(2)),
            (5, Event::Due(1)),
            (5, Event::Due(9)),
            (5, Event::Plan(1)),
            (5, Event::Plan(2)),
            (7, Event::Complete(0)),
            (7, Event::Due(4)),
        ];
        assert_eq!(order, expected);
    }

    proptest! {
        #[test]
        fn the_tournament_finds_the_first(replicas in 1usize..70, sets in prop::collection::vec((0usize..70, 0u64..9), 1..60)) {
            let mut ends = Ends::new(replicas);
            let mut plain = vec![NEVER; replicas];
            for (replica, end) in sets {
                let end = if end == 0 { NEVER } else { end };
                ends.set(replica % replicas, end);
                plain[replica % replicas] = end;
                let first = plain.iter().zip(0..).min().map(|(&time, number)| (time, number));
                prop_assert_eq!(Some((ends.first(), ends.whose())), first);
            }
        }
    }
}
