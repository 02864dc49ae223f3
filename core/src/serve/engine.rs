//! The event loop: an integer clock over replicas, sessions and a router.
//!
//! At each instant three things happen in this order: steps complete, calls that are due are routed,
//! replicas plan. The order holds whether a stretch of decode steps is advanced at once or step by
//! step, which is why both give the same outcome.

use super::arrivals::ArrivalPlan;
use super::kv::{BlockCache, Ceiling};
use super::latency::Ps;
use super::prefix::PrefixTree;
use super::replica::Replica;
use super::route::{Ask, Load, Router};
use super::run::{ClusterConfig, Shared, us};
use super::schedule::{Fcfs, Queue, Shortest};
use super::sessions::{Due, Sessions};
use crate::predict::{PerKeyQuantile, Predictor};
use crate::trace::{CallOutcome, CallStatus, Counters, Outcome, Workload};
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Share of calls whose prediction shall not be exceeded.
const PREDICTED_PERCENT: usize = 90;

/// What happens at an instant, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Complete(u32),
    Due(u32),
    Plan(u32),
}

struct Engine<'a> {
    shared: Shared<'a>,
    sessions: Sessions<'a>,
    replicas: Vec<Replica<'a>>,
    router: Box<dyn Router>,
    predictor: PerKeyQuantile,
    events: BinaryHeap<Reverse<(Ps, Event)>>,
    due: Due,
    loads: Vec<Load>,
}

/// Runs a workload through a cluster.
pub fn simulate(
    work: &Workload,
    tree: &PrefixTree,
    config: &ClusterConfig,
    router: Box<dyn Router>,
    arrivals: &ArrivalPlan,
) -> Outcome {
    let queue = || -> Box<dyn Queue> {
        if config.predict { Box::new(Shortest::default()) } else { Box::new(Fcfs::default()) }
    };
    let replica = |number| Replica::new(number, queue(), BlockCache::new(tree, config.capacity_blocks));
    let out = work.calls.iter().map(|call| CallOutcome { id: call.id, ..CallOutcome::default() }).collect();
    let shared =
        Shared { work, tree, config, predicted: vec![0; work.calls.len()], out, ceiling: Ceiling::new(tree) };
    let mut engine = Engine {
        shared,
        sessions: Sessions::new(work, arrivals, config.replay, config.speed),
        replicas: (0..config.replicas).map(replica).collect(),
        router,
        predictor: PerKeyQuantile::new(work.predict_keys.len(), PREDICTED_PERCENT),
        events: BinaryHeap::new(),
        due: Vec::new(),
        loads: vec![Load::default(); config.replicas as usize],
    };
    engine.run();
    engine.outcome()
}

impl Engine<'_> {
    fn run(&mut self) {
        let mut due = std::mem::take(&mut self.due);
        self.sessions.begin(&mut due);
        self.due = due;
        self.post_due();
        while let Some(Reverse((now, event))) = self.events.pop() {
            match event {
                Event::Complete(replica) => self.complete(replica, now),
                Event::Due(call) => self.route(call, now),
                Event::Plan(replica) => self.plan(replica, now),
            }
        }
    }

    fn post_due(&mut self) {
        for (time, call) in self.due.drain(..) {
            self.events.push(Reverse((time, Event::Due(call))));
        }
    }

    fn complete(&mut self, number: u32, now: Ps) {
        let replica = &mut self.replicas[number as usize];
        // A plan that was cut short leaves its old end behind: not this one.
        if replica.end() != Some(now) {
            return;
        }
        for call in replica.complete(now, &mut self.shared) {
            let asked = &self.shared.work.calls[call as usize];
            self.predictor.observe(asked.predict_key, asked.output_tokens.into());
            self.sessions.finish(call, now, &mut self.due);
        }
        self.loads[number as usize] = replica.load;
        self.events.push(Reverse((now, Event::Plan(number))));
        self.post_due();
    }

    fn route(&mut self, call: u32, now: Ps) {
        if !self.sessions.send(call) {
            return;
        }
        let asked = &self.shared.work.calls[call as usize];
        let out = &mut self.shared.out[call as usize];
        (out.scheduled_us, out.sent_us) = (us(now), us(now));
        let tokens = u64::from(asked.prompt_tokens) + u64::from(asked.output_tokens);
        let blocks = tokens.div_ceil(u64::from(self.shared.tree.block_tokens()));
        if tokens > self.shared.config.context_tokens || blocks > self.shared.config.capacity_blocks {
            self.reject(call, now);
            return;
        }
        if self.shared.config.predict {
            let guess = self.predictor.predict(asked.predict_key).unwrap_or(u64::from(asked.max_tokens));
            self.shared.predicted[call as usize] = guess;
            self.shared.out[call as usize].predicted_tokens = Some(guess);
        }
        let ask = Ask {
            session: asked.session,
            prompt: self.shared.tree.prompt(call),
            prompt_tokens: asked.prompt_tokens,
        };
        let picked = self.router.pick(&ask, &self.loads, self.shared.tree);
        let replica = &mut self.replicas[picked as usize];
        replica.enqueue(call, now, &self.shared);
        self.loads[picked as usize] = replica.load;
        let event = match replica.end() {
            Some(end) => (end, Event::Complete(picked)),
            None => (now, Event::Plan(picked)),
        };
        self.events.push(Reverse(event));
    }

    fn reject(&mut self, call: u32, now: Ps) {
        self.shared.refuse(call, CallStatus::Rejected);
        let shared = &mut self.shared;
        self.sessions.reject(call, now, &mut self.due, |other| shared.refuse(other, CallStatus::Skipped));
        self.post_due();
    }

    fn plan(&mut self, number: u32, now: Ps) {
        let replica = &mut self.replicas[number as usize];
        if replica.end().is_some() {
            return;
        }
        replica.plan(now, &mut self.shared);
        if let Some(end) = replica.end() {
            self.events.push(Reverse((end, Event::Complete(number))));
        }
    }

    fn outcome(self) -> Outcome {
        let sum = |f: &dyn Fn(&Replica<'_>) -> u64| self.replicas.iter().map(f).sum();
        Outcome {
            counters: Counters {
                steps: sum(&|replica| replica.steps),
                evicted_blocks: sum(&|replica| replica.cache().evicted()),
                preemptions: sum(&|replica| replica.preemptions),
                peak_blocks: self.replicas.iter().map(|replica| replica.cache().peak()).max().unwrap_or(0),
                replicas: self.replicas.len() as u32,
                busy_us: sum(&|replica| us(replica.busy)),
            },
            calls: self.shared.out,
            decisions: Vec::new(),
        }
    }
}
