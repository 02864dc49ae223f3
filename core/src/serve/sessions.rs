//! Who may send what, and when: dependencies between calls, delays, and the arrival of sessions.

use super::arrivals::{ArrivalPlan, Replay, scale_us};
use super::latency::Ps;
use crate::trace::Workload;

/// What is known of a call before a replica answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unsent,
    Sent,
    Resolved,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// Calls not yet resolved.
    open: u32,
    /// Whether a call was rejected: nothing more is sent.
    ended: bool,
}

/// Drives the sessions of a workload.
#[derive(Clone)]
pub(super) struct Sessions<'a> {
    work: &'a Workload,
    replay: Replay,
    speed: f64,
    plan: &'a ArrivalPlan,
    state: Vec<State>,
    waits: Vec<u32>,
    ready: Vec<Ps>,
    waiters: Vec<Vec<u32>>,
    progress: Vec<Progress>,
    began: Vec<Ps>,
    next: usize,
}

/// Calls that became due, with their times.
pub(super) type Due = Vec<(Ps, u32)>;

impl<'a> Sessions<'a> {
    pub(super) fn new(work: &'a Workload, plan: &'a ArrivalPlan, replay: Replay, speed: f64) -> Self {
        let count = work.calls.len();
        let mut waiters = vec![Vec::new(); count];
        for call in &work.calls {
            for &earlier in &call.start.after {
                waiters[earlier as usize].push(call.id);
            }
        }
        Sessions {
            work,
            replay,
            speed,
            plan,
            state: vec![State::Unsent; count],
            waits: work.calls.iter().map(|call| call.start.after.len() as u32).collect(),
            ready: vec![0; count],
            waiters,
            progress: work.sessions.iter().map(|s| Progress { open: s.calls.count, ended: false }).collect(),
            began: vec![0; work.sessions.len()],
            next: 0,
        }
    }

    /// Starts the sessions that need nothing to have happened before.
    pub(super) fn begin(&mut self, due: &mut Due) {
        match self.plan {
            ArrivalPlan::At(starts) => {
                for (session, &start) in (0..).zip(starts) {
                    self.start(session, start, due);
                }
            }
            ArrivalPlan::Concurrency(most) => {
                for _ in 0..*most {
                    self.start_next(0, due);
                }
            }
        }
    }

    fn start_next(&mut self, now: Ps, due: &mut Due) {
        if self.next < self.work.sessions.len() {
            self.next += 1;
            self.start(self.next as u32 - 1, now, due);
        }
    }

    /// When a session started.
    pub(super) fn began(&self, session: u32) -> Ps {
        self.began[session as usize]
    }

    fn start(&mut self, session: u32, now: Ps, due: &mut Due) {
        self.began[session as usize] = now;
        for call in self.work.sessions[session as usize].calls.indices() {
            let start = &self.work.calls[call as usize].start;
            match self.replay {
                Replay::Times => due.push((now.saturating_add(scale_us(start.at_us, self.speed)), call)),
                Replay::Delays if start.after.is_empty() => {
                    due.push((now.saturating_add(scale_us(start.delay_us, self.speed)), call));
                }
                Replay::Delays => {}
            }
        }
    }

    /// A call's time has come. Returns whether it is to be sent.
    pub(super) fn send(&mut self, call: u32) -> bool {
        let unsent = self.state[call as usize] == State::Unsent;
        if unsent {
            self.state[call as usize] = State::Sent;
        }
        unsent
    }

    /// A call is done: what waited for it may become due.
    pub(super) fn finish(&mut self, call: u32, now: Ps, due: &mut Due) {
        if self.replay == Replay::Delays {
            for place in 0..self.waiters[call as usize].len() {
                let waiter = self.waiters[call as usize][place];
                self.waits[waiter as usize] -= 1;
                self.ready[waiter as usize] = self.ready[waiter as usize].max(now);
                if self.waits[waiter as usize] == 0 {
                    let delay = scale_us(self.work.calls[waiter as usize].start.delay_us, self.speed);
                    due.push((self.ready[waiter as usize].saturating_add(delay), waiter));
                }
            }
        }
        self.resolve(call, now, due);
    }

    /// A call was refused: its session sends nothing more. Calls `skip` for every call left out.
    pub(super) fn reject(&mut self, call: u32, now: Ps, due: &mut Due, mut skip: impl FnMut(u32)) {
        let session = self.work.calls[call as usize].session;
        self.progress[session as usize].ended = true;
        for other in self.work.sessions[session as usize].calls.indices() {
            if self.state[other as usize] == State::Unsent {
                self.state[other as usize] = State::Resolved;
                self.progress[session as usize].open -= 1;
                skip(other);
            }
        }
        self.resolve(call, now, due);
    }

    fn resolve(&mut self, call: u32, now: Ps, due: &mut Due) {
        self.state[call as usize] = State::Resolved;
        let progress = &mut self.progress[self.work.calls[call as usize].session as usize];
        progress.open -= 1;
        if progress.open == 0 && matches!(self.plan, ArrivalPlan::Concurrency(_)) {
            self.start_next(now, due);
        }
    }
}
