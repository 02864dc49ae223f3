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

/// What is known of a call.
#[derive(Clone, Copy, Debug)]
struct Call {
    /// When the calls that it waits for, as far as they have ended, had ended.
    ready: Ps,
    /// Calls that it waits for.
    waits: u32,
    /// Where the calls that wait for it begin among all that wait.
    waiters: u32,
    state: State,
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
    /// One more than there are calls, for where the last one's waiters end.
    calls: Vec<Call>,
    /// Calls that wait for a call, side by side.
    waiting: Vec<u32>,
    progress: Vec<Progress>,
    began: Vec<Ps>,
    next: usize,
    /// Where there are users: by session whose it is, by user when the next call may start.
    user_of: Vec<u32>,
    free_at: Vec<Ps>,
}

/// Calls that became due, with their times.
pub(super) type Due = Vec<(Ps, u32)>;

impl<'a> Sessions<'a> {
    pub(super) fn new(work: &'a Workload, plan: &'a ArrivalPlan, replay: Replay, speed: f64) -> Self {
        let (calls, waiting) = calls(work, replay == Replay::Delays);
        Sessions {
            work,
            replay,
            speed,
            plan,
            calls,
            waiting,
            progress: work.sessions.iter().map(|s| Progress { open: s.calls.count, ended: false }).collect(),
            began: vec![0; work.sessions.len()],
            next: 0,
            user_of: Vec::new(),
            free_at: Vec::new(),
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
                    self.start_next(0, 0, due);
                }
            }
            &ArrivalPlan::Users { users, gap } => {
                let spread = |user| (u128::from(gap) * u128::from(user) / u128::from(users)) as Ps;
                self.user_of = vec![0; self.work.sessions.len()];
                self.free_at = (0..users).map(spread).collect();
                for user in 0..users {
                    self.start_next(user, self.free_at[user as usize], due);
                }
            }
        }
    }

    fn start_next(&mut self, user: u32, now: Ps, due: &mut Due) {
        if self.next < self.work.sessions.len() {
            if let Some(owner) = self.user_of.get_mut(self.next) {
                *owner = user;
            }
            self.next += 1;
            self.start(self.next as u32 - 1, now, due);
        }
    }

    /// When a call starts whose session lets it at `ready`: after its delay, or when its user may.
    fn due_at(&mut self, call: u32, ready: Ps) -> Ps {
        let call = &self.work.calls[call as usize];
        let &ArrivalPlan::Users { gap, .. } = self.plan else {
            return ready.saturating_add(scale_us(call.start.delay_us, self.speed));
        };
        let free = &mut self.free_at[self.user_of[call.session as usize] as usize];
        let at = ready.max(*free);
        *free = at.saturating_add(gap);
        at
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
                Replay::Delays if start.after.is_empty() => due.push((self.due_at(call, now), call)),
                Replay::Delays => {}
            }
        }
    }

    /// A call's time has come. Returns whether it is to be sent.
    pub(super) fn send(&mut self, call: u32) -> bool {
        let state = &mut self.calls[call as usize].state;
        let unsent = *state == State::Unsent;
        if unsent {
            *state = State::Sent;
        }
        unsent
    }

    /// A call is done: what waited for it may become due. Returns whether its session is over.
    pub(super) fn finish(&mut self, call: u32, now: Ps, due: &mut Due) -> bool {
        if self.replay == Replay::Delays {
            let of = self.calls[call as usize].waiters..self.calls[call as usize + 1].waiters;
            for place in of {
                let number = self.waiting[place as usize];
                let waiter = &mut self.calls[number as usize];
                waiter.waits -= 1;
                waiter.ready = waiter.ready.max(now);
                let Call { waits, ready, .. } = *waiter;
                if waits == 0 {
                    due.push((self.due_at(number, ready), number));
                }
            }
        }
        self.resolve(call, now, due)
    }

    /// A call was refused: its session sends nothing more. Calls `skip` for every call left out. Returns whether
    /// the session is over.
    pub(super) fn reject(&mut self, call: u32, now: Ps, due: &mut Due, mut skip: impl FnMut(u32)) -> bool {
        let session = self.work.calls[call as usize].session;
        self.progress[session as usize].ended = true;
        for other in self.work.sessions[session as usize].calls.indices() {
            let state = &mut self.calls[other as usize].state;
            if *state == State::Unsent {
                *state = State::Resolved;
                self.progress[session as usize].open -= 1;
                skip(other);
            }
        }
        self.resolve(call, now, due)
    }

    fn resolve(&mut self, call: u32, now: Ps, due: &mut Due) -> bool {
        self.calls[call as usize].state = State::Resolved;
        let session = self.work.calls[call as usize].session as usize;
        let progress = &mut self.progress[session];
        progress.open -= 1;
        let over = progress.open == 0;
        if over && !matches!(self.plan, ArrivalPlan::At(_)) {
            let user = self.user_of.get(session).copied().unwrap_or(0);
            self.start_next(user, now, due);
        }
        over
    }
}

/// All calls, and those that wait for each, side by side, where that is `wanted`.
fn calls(work: &Workload, wanted: bool) -> (Vec<Call>, Vec<u32>) {
    let call = |waits| Call { ready: 0, waits, waiters: 0, state: State::Unsent };
    let mut calls: Vec<Call> = work.calls.iter().map(|work| call(work.start.after.len() as u32)).collect();
    calls.push(call(0));
    if !wanted {
        return (calls, Vec::new());
    }
    for &earlier in work.calls.iter().flat_map(|call| &call.start.after) {
        calls[earlier as usize].waiters += 1;
    }
    // From how many there are to where they end, and, as each finds its place, to where they begin.
    let mut all = 0;
    for call in &mut calls {
        all += call.waiters;
        call.waiters = all;
    }
    let mut waiting = vec![0; all as usize];
    for waiter in work.calls.iter().rev() {
        for &earlier in &waiter.start.after {
            let place = &mut calls[earlier as usize].waiters;
            *place -= 1;
            waiting[*place as usize] = waiter.id;
        }
    }
    (calls, waiting)
}
