//! Pausing and resuming programs (ThunderAgent).

use super::keyed::{Key, Keyed, OVERTAKEN, Order};
use super::{Choice, Fcfs, Program, Queue, Waiting};
use crate::choice::{About, Param};
use crate::trace::Workload;
use rustc_hash::FxHashMap;
use std::collections::BTreeSet;

pub(super) const ABOUT: About = About {
    name: "pause-resume",
    about: "ThunderAgent: as many programs are active as their contexts fit; the rest wait paused",
    params: &[
        OVERTAKEN,
        Param {
            key: "share",
            about: "share of a replica's memory that the contexts of active programs may fill",
            default: 1.0,
            whole: false,
            range: (0.01, 100.0),
        },
    ],
    presets: &[],
};

/// A program that has a context on the replica.
#[derive(Clone, Debug, Default)]
struct Place {
    active: bool,
    /// Tokens of its longest call here, of those that wait or run, else of the last one.
    context: u64,
    /// Calls that wait or run here.
    here: u32,
    /// Of these, calls that wait while it is paused.
    paused: Vec<u32>,
}

/// Calls of active programs in order of arrival; those of paused ones only when the program is resumed. A paused
/// program is resumed when its context fits beside those of the active ones, the smallest first, with a guard: who
/// was passed over too often is the next, and nobody else meanwhile. An active program keeps its place while it is
/// away at a tool and gives it up when it ends. Where contexts have grown beyond the memory, programs that are away
/// are paused, the smallest first; so they are when nothing runs and the next one does not fit.
///
/// The source looks at the memory every few seconds and may let the weight of programs that are away decay by time;
/// here it is looked at when a call comes or ends. It knows one context a program; so does this, also where a
/// program has several agents. It places programs on replicas; here that is the router's.
#[derive(Clone)]
pub(super) struct PauseResume<'a> {
    work: &'a Workload,
    capacity: u64,
    ready: Fcfs,
    paused: Keyed,
    /// Programs by session.
    places: FxHashMap<u32, Place>,
    /// Active programs that are away: context and session.
    away: BTreeSet<(u64, u32)>,
    /// Contexts of active programs.
    active_tokens: u64,
    running: u32,
}

#[derive(Clone)]
struct SmallestContext;

impl Order for SmallestContext {
    fn key(&self, waiting: &Waiting) -> Key {
        (waiting.prompt_tokens.into(), 0)
    }
}

impl<'a> PauseResume<'a> {
    pub(super) fn new(choice: &Choice, program: &Program<'a>) -> Self {
        PauseResume {
            work: program.work,
            capacity: libm::floor(program.kv_tokens as f64 * choice.get("share")) as u64,
            ready: Fcfs::default(),
            paused: Keyed::new(SmallestContext, choice.whole("overtaken")),
            places: FxHashMap::default(),
            away: BTreeSet::new(),
            active_tokens: 0,
            running: 0,
        }
    }

    fn session(&self, call: u32) -> u32 {
        self.work.calls[call as usize].session
    }

    /// Pauses programs that are away until the contexts of the active ones fit, as far as that goes.
    fn shed(&mut self) {
        while self.active_tokens > self.capacity {
            let Some((context, session)) = self.away.pop_first() else { return };
            self.active_tokens -= context;
            if let Some(place) = self.places.get_mut(&session) {
                place.active = false;
            }
        }
    }

    /// A program's context becomes another.
    fn resize(&mut self, session: u32, context: u64) {
        let place = self.places.entry(session).or_default();
        if place.active {
            self.away.remove(&(place.context, session));
            self.active_tokens = self.active_tokens - place.context + context;
            if place.here == 0 {
                self.away.insert((context, session));
            }
        }
        place.context = context;
    }

    /// Makes a program active: all its calls may go.
    fn resume(&mut self, session: u32) {
        let Some(place) = self.places.get_mut(&session) else { return };
        place.active = true;
        self.active_tokens += place.context;
        for call in std::mem::take(&mut place.paused) {
            self.paused.remove(call);
            self.paused.ended(call);
            self.ready.push(Waiting { call, ..Waiting::default() });
        }
        self.shed();
    }

    /// The paused call whose program is to be resumed, if one may be.
    fn next_paused(&self) -> Option<u32> {
        let call = self.paused.head()?;
        let context = self.places.get(&self.session(call)).map_or(0, |place| place.context);
        (self.running == 0 || self.active_tokens + context <= self.capacity).then_some(call)
    }
}

impl Queue for PauseResume<'_> {
    fn push(&mut self, waiting: Waiting) {
        let Waiting { call, session, .. } = waiting;
        let place = self.places.entry(session).or_default();
        place.here += 1;
        let tokens = u64::from(waiting.prompt_tokens);
        let context = if place.here > 1 { place.context.max(tokens) } else { tokens };
        if place.active {
            self.ready.push(waiting);
        } else {
            place.paused.push(call);
            self.paused.push(waiting);
        }
        self.resize(session, context);
        self.shed();
    }

    fn take_back(&mut self, call: u32) {
        self.running -= 1;
        self.ready.take_back(call);
    }

    fn head(&self) -> Option<u32> {
        self.ready.head().or_else(|| self.next_paused())
    }

    fn pop(&mut self) -> Option<u32> {
        if self.ready.head().is_none() {
            let call = self.next_paused()?;
            // The call itself first, then the program's others.
            if let Some(place) = self.places.get_mut(&self.session(call)) {
                place.paused.retain(|&other| other != call);
                place.paused.insert(0, call);
            }
            self.resume(self.session(call));
        }
        self.running += 1;
        self.ready.pop()
    }

    fn keeps_head(&self) -> bool {
        false
    }

    fn ended(&mut self, call: u32) {
        self.running -= 1;
        let session = self.session(call);
        let asked = &self.work.calls[call as usize];
        let tokens = u64::from(asked.prompt_tokens) + u64::from(asked.output_tokens);
        let place = self.places.entry(session).or_default();
        place.here = place.here.saturating_sub(1);
        let context = if place.here > 0 { place.context.max(tokens) } else { tokens };
        self.resize(session, context);
        self.shed();
    }

    fn watches_sessions(&self) -> bool {
        true
    }

    fn session_over(&mut self, session: u32) -> bool {
        let Some(place) = self.places.remove(&session) else { return false };
        self.away.remove(&(place.context, session));
        if place.active {
            self.active_tokens -= place.context;
        }
        place.active && self.paused.head().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::keyed::tests::pops;
    use super::super::tests::chosen;
    use super::*;
    use crate::trace::WorkCall;

    /// Calls as (session, prompt tokens); each makes 10 tokens.
    fn work(calls: &[(u32, u32)]) -> Workload {
        let text = |(id, &(session, prompt)): (usize, &(u32, u32))| -> WorkCall {
            let json = format!(
                r#"{{"id":{id},"session":{session},"source_call":null,"model":0,"role":"agent","prompt":[],"reply":[],
                "prompt_tokens":{prompt},"output_tokens":10,"max_tokens":10,"priority":0,"predict_key":0,
                "start":{{"after":[],"delay_us":0,"at_us":0}}}}"#
            );
            serde_json::from_str(&json).unwrap()
        };
        Workload { calls: calls.iter().enumerate().map(text).collect(), ..Workload::default() }
    }

    fn queue<'a>(work: &'a Workload, text: &str) -> PauseResume<'a> {
        PauseResume::new(&chosen(text), &Program { work, kv_tokens: 100 })
    }

    fn push(queue: &mut PauseResume<'_>, call: u32) {
        let &WorkCall { session, prompt_tokens, .. } = &queue.work.calls[call as usize];
        queue.push(Waiting { call, session, prompt_tokens, ..Waiting::default() });
    }

    #[test]
    fn programs_wait_paused_until_one_ends() {
        // Contexts of 60 and 30 fit into 100 tokens; 50 does not fit beside them.
        let work = work(&[(0, 60), (1, 30), (2, 50), (0, 75)]);
        let mut queue = queue(&work, "pause-resume");
        (0..3).for_each(|call| push(&mut queue, call));
        assert_eq!(pops(&mut queue), [1, 2], "the smallest first");
        queue.ended(1);
        assert_eq!(queue.head(), None, "40 and 60 tokens are taken, one of them by a program that is away");
        assert!(queue.session_over(1), "somebody waits for its place");
        assert_eq!(queue.head(), None, "0 needs 60 of 50");
        queue.ended(2);
        assert!(queue.session_over(2));
        assert_eq!(pops(&mut queue), [0]);
        // It comes back with a larger context and needs no place.
        queue.ended(0);
        push(&mut queue, 3);
        assert_eq!(pops(&mut queue), [3]);
    }

    #[test]
    fn who_is_away_gives_way_when_contexts_grow_or_nothing_runs() {
        let work = work(&[(0, 20), (1, 30), (2, 40), (2, 85), (0, 35)]);
        let mut queue = queue(&work, "pause-resume");
        (0..3).for_each(|call| push(&mut queue, call));
        assert_eq!(pops(&mut queue), [0, 1, 2]);
        queue.ended(0);
        queue.ended(1);
        queue.ended(2);
        // 30 + 40 + 50 = 120 tokens: the smallest is paused.
        assert_eq!(queue.active_tokens, 90);
        push(&mut queue, 3);
        // 40 + 85: the other one that is away is, too.
        assert_eq!((queue.active_tokens, queue.head()), (85, Some(3)));
        assert_eq!(pops(&mut queue), [3]);
        push(&mut queue, 4);
        assert_eq!(queue.head(), None, "35 do not fit beside 85");
        queue.ended(3);
        assert_eq!(pops(&mut queue), [4], "nothing runs, so the one that is away gives way");
        assert_eq!(queue.active_tokens, 35);
    }

    #[test]
    fn a_large_program_is_not_passed_over_for_ever() {
        let calls: Vec<(u32, u32)> = (0..40).map(|n| (n, if n == 2 { 90 } else { 30 })).collect();
        let work = work(&calls);
        let mut queue = queue(&work, "pause-resume:overtaken=5");
        push(&mut queue, 0);
        push(&mut queue, 1);
        let mut running = pops(&mut queue);
        push(&mut queue, 2);
        let mut order = Vec::new();
        for call in 3..40 {
            push(&mut queue, call);
            let next = pops(&mut queue);
            order.extend(&next);
            running.extend(next);
            let done = running.remove(0);
            queue.ended(done);
            queue.session_over(done);
            if running.is_empty() {
                break;
            }
        }
        order.extend(pops(&mut queue));
        let place = order.iter().position(|&call| call == 2).expect("it is resumed");
        assert_eq!(place, 5, "{order:?}");
    }

    #[test]
    fn agents_of_one_program_are_resumed_together() {
        let work = work(&[(0, 90), (1, 50), (1, 20), (2, 30)]);
        let mut queue = queue(&work, "pause-resume");
        push(&mut queue, 0);
        assert_eq!(pops(&mut queue), [0]);
        (1..4).for_each(|call| push(&mut queue, call));
        assert_eq!(queue.head(), None);
        queue.ended(0);
        queue.session_over(0);
        // Their program's longest context is 50: with 30 it fits.
        assert_eq!(pops(&mut queue), [2, 1, 3]);
        assert_eq!(queue.active_tokens, 80);
    }
}
