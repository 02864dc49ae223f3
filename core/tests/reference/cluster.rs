//! The clock, sessions and routers: what happens next is looked for anew every time.

use super::memory::ways;
use super::replica::{Book, Replica};
use super::{Arrivals, Router, Setup, us};
use atr_core::trace::{CallOutcome, CallStatus, Counters, Outcome, Workload};
use std::collections::HashSet;

/// What has become of a call so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unsent,
    Sent,
    Ended { at: u64 },
    Refused,
}

struct Cluster<'a> {
    work: &'a Workload,
    setup: &'a Setup,
    book: Book<'a>,
    replicas: Vec<Replica>,
    /// Replicas that may have something to plan.
    stirred: Vec<bool>,
    state: Vec<State>,
    /// When sessions started.
    started: Vec<Option<u64>>,
    sent: usize,
    /// The replica that the call before went to; before the first, the last.
    picked: usize,
    now: u64,
}

/// Simulates a workload.
pub(crate) fn run(work: &Workload, setup: &Setup) -> Outcome {
    let ways = ways(work, setup.block as usize);
    let out = |call: &atr_core::trace::WorkCall| CallOutcome { id: call.id, ..CallOutcome::default() };
    let mut cluster = Cluster {
        work,
        setup,
        book: Book {
            calls: &work.calls,
            ways: &ways,
            setup,
            out: work.calls.iter().map(out).collect(),
            ever: HashSet::new(),
        },
        replicas: (0..setup.replicas).map(|number| Replica::new(number, setup)).collect(),
        stirred: vec![false; setup.replicas as usize],
        state: vec![State::Unsent; work.calls.len()],
        started: vec![None; work.sessions.len()],
        sent: 0,
        picked: setup.replicas as usize - 1,
        now: 0,
    };
    let first = work.sessions.iter().map(|session| session.start_us).min().unwrap_or(0);
    match setup.arrivals {
        Arrivals::Recorded => {
            for (started, session) in cluster.started.iter_mut().zip(&work.sessions) {
                *started = Some(setup.scaled(session.start_us - first));
            }
        }
        Arrivals::Concurrency(most) => cluster.started.iter_mut().take(most).for_each(|at| *at = Some(0)),
    }
    while cluster.next() {}
    cluster.outcome()
}

impl Cluster<'_> {
    /// Lets the next thing happen: of the same instant, steps end first, then calls are sent, then steps begin.
    fn next(&mut self) -> bool {
        let ends = self.replicas.iter().enumerate().filter_map(|(n, replica)| Some((replica.step?.0, 0, n)));
        let sends = (0..self.work.calls.len()).filter_map(|call| Some((self.due(call)?, 1, call)));
        let plans = self.stirred.iter().enumerate().filter(|&(_, &stirred)| stirred);
        let Some((now, kind, which)) = ends.chain(sends).chain(plans.map(|(n, _)| (self.now, 2, n))).min()
        else {
            return false;
        };
        self.now = now;
        match kind {
            0 => {
                for call in self.replicas[which].complete(now, &mut self.book) {
                    self.state[call] = State::Ended { at: now };
                    self.close(self.work.calls[call].session as usize);
                }
                self.stirred[which] = true;
            }
            1 => self.send(which),
            _ => {
                self.stirred[which] = false;
                if self.replicas[which].step.is_none() {
                    self.replicas[which].plan(now, &mut self.book);
                }
            }
        }
        true
    }

    /// When a call that was not sent is due, where that is known by now.
    fn due(&self, call: usize) -> Option<u64> {
        let asked = &self.work.calls[call];
        let started = self.started[asked.session as usize]?;
        if self.state[call] != State::Unsent {
            return None;
        }
        if self.setup.times {
            return Some(started + self.setup.scaled(asked.start.at_us));
        }
        let mut ready = started;
        for &earlier in &asked.start.after {
            let State::Ended { at } = self.state[earlier as usize] else { return None };
            ready = ready.max(at);
        }
        Some(ready + self.setup.scaled(asked.start.delay_us))
    }

    fn send(&mut self, call: usize) {
        let (asked, block) = (&self.work.calls[call], self.setup.block);
        let out = &mut self.book.out[call];
        (out.scheduled_us, out.sent_us) = (us(self.now), us(self.now));
        let tokens = u64::from(asked.prompt_tokens) + u64::from(asked.output_tokens);
        if tokens > self.setup.context_tokens || tokens.div_ceil(block) > self.setup.capacity_blocks {
            self.refuse(call);
            return;
        }
        self.state[call] = State::Sent;
        let picked = match self.setup.router {
            Router::RoundRobin => self.sent % self.replicas.len(),
            Router::LeastLoad => {
                let load = |number: usize| self.replicas[number % self.replicas.len()].load(&self.work.calls);
                let least = (0..self.replicas.len()).map(load).min();
                // Of several the first behind the one that was picked last.
                (self.picked + 1..).find(|&number| Some(load(number)) == least).unwrap() % self.replicas.len()
            }
        };
        self.sent += 1;
        self.picked = picked;
        self.replicas[picked].waiting.push_back((call, 0));
        self.stirred[picked] = true;
    }

    /// A call is too large: nothing more of its session is sent.
    fn refuse(&mut self, call: usize) {
        let session = self.work.calls[call].session as usize;
        self.state[call] = State::Refused;
        self.book.out[call].status = CallStatus::Rejected;
        for other in self.work.sessions[session].calls.indices().map(|other| other as usize) {
            if self.state[other] == State::Unsent {
                self.state[other] = State::Refused;
                self.book.out[other].status = CallStatus::Skipped;
            }
        }
        self.close(session);
    }

    /// Starts the next session, where a fixed number is to be under way and this one is over.
    fn close(&mut self, session: usize) {
        let over = |call: u32| !matches!(self.state[call as usize], State::Unsent | State::Sent);
        let over = self.work.sessions[session].calls.indices().all(over);
        if over
            && matches!(self.setup.arrivals, Arrivals::Concurrency(_))
            && let Some(next) = self.started.iter_mut().find(|started| started.is_none())
        {
            *next = Some(self.now);
        }
    }

    fn outcome(self) -> Outcome {
        let sum = |f: fn(&Replica) -> u64| self.replicas.iter().map(f).sum();
        Outcome {
            counters: Counters {
                steps: sum(|replica| replica.steps),
                evicted_blocks: sum(|replica| replica.memory.evicted),
                preemptions: sum(|replica| replica.preemptions),
                peak_blocks: self.replicas.iter().map(|replica| replica.memory.peak).max().unwrap(),
                busy_us: sum(|replica| us(replica.busy)),
                replicas: self.setup.replicas,
            },
            calls: self.book.out,
            decisions: Vec::new(),
        }
    }
}
