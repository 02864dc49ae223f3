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
    ends: Ends,
    /// A bit per replica that may begin a step now.
    stirred: Vec<u64>,
    now: Ps,
}

impl Agenda {
    /// Nothing but calls that are due.
    pub(super) fn new(replicas: u32, mut due: Vec<(Ps, u32)>) -> Self {
        due.sort();
        Agenda {
            given: due,
            at: 0,
            later: BinaryHeap::new(),
            ends: Ends::new(replicas as usize),
            stirred: vec![0; (replicas as usize).div_ceil(64)],
            now: 0,
        }
    }

    /// A call is due.
    pub(super) fn due(&mut self, time: Ps, call: u32) {
        self.later.push(Reverse((time, call)));
    }

    /// When a replica's step ends, from now on.
    pub(super) fn ends(&mut self, replica: u32, end: Ps) {
        self.ends.set(replica as usize, end.min(NEVER - 1));
    }

    /// A replica may begin a step now.
    pub(super) fn stir(&mut self, replica: u32) {
        self.stirred[replica as usize / 64] |= 1 << (replica % 64);
    }

    /// What happens next, and when.
    pub(super) fn peek(&self) -> Option<(Ps, Event)> {
        let (end, replica) = self.ends.first();
        let given = self.given.get(self.at).copied();
        let due = match (given, self.later.peek()) {
            (Some(given), Some(&Reverse(later))) => Some(given.min(later)),
            (given, later) => given.or(later.map(|&Reverse(due)| due)),
        };
        let sent = due.map_or(NEVER, |(time, _)| time);
        if end.min(sent) > self.now
            && let Some(replica) = self.first_stirred()
        {
            return Some((self.now, Event::Plan(replica)));
        }
        if end != NEVER && end <= sent {
            return Some((end, Event::Complete(replica)));
        }
        due.map(|(time, call)| (time, Event::Due(call)))
    }

    /// Takes out what happens next, and when.
    pub(super) fn next(&mut self) -> Option<(Ps, Event)> {
        let (time, event) = self.peek()?;
        match event {
            Event::Complete(replica) => self.ends.set(replica as usize, NEVER),
            Event::Due(call) if self.given.get(self.at) == Some(&(time, call)) => self.at += 1,
            Event::Due(_) => {
                self.later.pop();
            }
            Event::Plan(replica) => self.stirred[replica as usize / 64] &= !(1 << (replica % 64)),
        }
        self.now = time;
        Some((time, event))
    }

    fn first_stirred(&self) -> Option<u32> {
        let word = self.stirred.iter().position(|&bits| bits != 0)?;
        Some(word as u32 * 64 + self.stirred[word].trailing_zeros())
    }
}

/// When each replica's step ends, and which ends first: a tournament, of which one path is played anew at a change.
#[derive(Clone, Debug)]
struct Ends {
    times: Vec<Ps>,
    /// Who wins below each place; the first is the final.
    winners: Vec<u32>,
}

impl Ends {
    fn new(replicas: usize) -> Self {
        let leaves = replicas.next_power_of_two().max(2);
        let mut ends = Ends { times: vec![NEVER; leaves], winners: vec![0; leaves] };
        (0..leaves).step_by(2).for_each(|leaf| ends.set(leaf, NEVER));
        ends
    }

    fn first(&self) -> (Ps, u32) {
        let winner = self.winners[1];
        (self.times[winner as usize], winner)
    }

    fn set(&mut self, replica: usize, end: Ps) {
        self.times[replica] = end;
        let leaves = self.times.len();
        let mut place = (leaves + replica) / 2;
        let (mut left, mut right) = (replica & !1, replica | 1);
        loop {
            let winner = if self.times[left] <= self.times[right] { left } else { right };
            self.winners[place] = winner as u32;
            if place == 1 {
                return;
            }
            (left, right) = (self.winners[place & !1] as usize, self.winners[place | 1] as usize);
            place /= 2;
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
                prop_assert_eq!(Some(ends.first()), first);
            }
        }
    }
}
