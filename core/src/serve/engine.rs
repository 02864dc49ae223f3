//! The event loop: an integer clock over replicas, sessions and a router.
//!
//! At each instant three things happen in this order: steps complete, calls that are due are routed,
//! replicas plan. The order holds whether a stretch of decode steps is advanced at once or step by
//! step, which is why both give the same outcome.

use super::agenda::{Agenda, Event};
use super::arrivals::ArrivalPlan;
use super::cache::{self, Memory, Order};
use super::evict::Missed;
use super::foresight::Foresight;
use super::latency::Ps;
use super::prefix::PrefixTree;
use super::replica::{Caches, Replica};
use super::route::{self, Ask, Cluster, Router, Scores, Sees, View};
use super::run::{ClusterConfig, Shared, us};
use super::schedule::{self, Program, Waiting};
use super::sessions::{Due, Sessions};
use super::view::{Held, Snapshot};
use crate::predict::{self, Kind, Predictor};
use crate::trace::{CallOutcome, CallStatus, Counters, Decision, Outcome, Workload};

/// A call that goes to a replica whatever the router says.
#[derive(Clone, Copy, Debug)]
struct Forced {
    call: u32,
    replica: u32,
    /// Whether to ask the oracle, too, and what it said.
    ask_oracle: bool,
    oracle: Option<u32>,
}

/// A cluster at work. A clone goes on by itself, so that what would have been can be tried.
#[derive(Clone)]
pub struct Engine<'a> {
    shared: Shared<'a>,
    sessions: Sessions<'a>,
    replicas: Vec<Replica<'a>>,
    router: Box<dyn Router + 'a>,
    predictor: Option<Box<dyn Predictor>>,
    agenda: Agenda,
    due: Due,
    /// Calls that ended in a step.
    ended: Vec<u32>,
    /// What the router sees.
    view: Snapshot,
    /// Whether a scheduler must be told when sessions are over.
    watches_sessions: bool,
    /// Whether caches must be told of calls that will not come to them.
    awaits_calls: bool,
    /// Where copies of replicas go on, for a router that sees the future.
    foresight: Option<Foresight<'a>>,
    /// A call that goes where it is told, whatever the router says.
    forced: Option<Forced>,
    /// What the router thinks of replicas, kept where decisions are.
    scores: Scores,
    decisions: Vec<Decision>,
}

/// Runs a workload through a cluster.
pub fn simulate(
    work: &Workload,
    tree: &PrefixTree,
    config: &ClusterConfig,
    arrivals: &ArrivalPlan,
) -> Outcome {
    let mut engine = Engine::new(work, tree, config, arrivals);
    while engine.step() {}
    engine.outcome()
}

impl<'a> Engine<'a> {
    /// A cluster before its first call.
    pub fn new(
        work: &'a Workload,
        tree: &'a PrefixTree,
        config: &'a ClusterConfig,
        arrivals: &'a ArrivalPlan,
    ) -> Self {
        let parts = &config.parts;
        let room = config.capacity_blocks * u64::from(tree.block_tokens());
        let largest_tokens = room.min(config.context_tokens);
        let memory = Memory {
            work,
            tree,
            costs: config.coefficients,
            capacity_blocks: config.capacity_blocks,
            host_blocks: config.host_blocks,
            max_batch: config.max_batch,
            reuse: config.cache,
            order: Order::Arrivals { plan: arrivals, replay: config.replay, largest_tokens },
            speed: config.speed,
        };
        let program = Program { work, kv_tokens: room };
        let cluster = Cluster {
            replicas: config.replicas,
            work,
            tree,
            capacity_blocks: config.capacity_blocks,
            seed: config.seed,
        };
        let router = route::make(&parts.router, &cluster);
        let view = Snapshot::new(config.staleness_us, config.replicas, tree, router.sees());
        let replica = |number| {
            let mut cache = cache::make(&parts.cache, &parts.eviction, &memory);
            if view.watches() {
                cache.watch();
            }
            Replica::new(number, schedule::make(&parts.scheduler, &program), cache)
        };
        let predictor = |choice| predict::make(choice, work.predict_keys.len(), work.sessions.len());
        let replicas: Vec<Replica<'a>> = (0..config.replicas).map(replica).collect();
        let foresees = router.sees() == Sees::Future && config.replicas > 1;
        let mut shared = Shared::new(work, tree, config);
        shared.counts_service = replicas.iter().any(Replica::reads_service);
        let foresight = foresees.then(|| Foresight::new(shared.clone()));
        shared.started = router.watches_starts().then(Vec::new);
        let mut sessions = Sessions::new(work, arrivals, config.replay, config.speed);
        let mut due = Vec::new();
        sessions.begin(&mut due);
        Engine {
            shared,
            sessions,
            watches_sessions: replicas.iter().any(Replica::watches_sessions),
            awaits_calls: replicas.iter().any(|replica| replica.cache().awaits()),
            replicas,
            router,
            predictor: parts.predictor.as_ref().map(predictor),
            agenda: Agenda::new(config.replicas, due),
            due: Vec::new(),
            ended: Vec::new(),
            view,
            foresight,
            forced: None,
            scores: if config.decisions { Scores::on(config.replicas) } else { Scores::off() },
            decisions: Vec::new(),
        }
    }

    /// Lets the next thing happen. Returns false when there is nothing left.
    pub fn step(&mut self) -> bool {
        let Some((now, event)) = self.agenda.next() else { return false };
        match event {
            Event::Complete(replica) => self.complete(replica, now),
            Event::Due(call) => self.route(call, now),
            Event::Plan(replica) => self.plan(replica, now),
        }
        true
    }

    /// The call that comes next, where that is what happens next.
    pub(super) fn coming(&self) -> Option<u32> {
        match self.agenda.peek() {
            Some((_, Event::Due(call))) => Some(call),
            _ => None,
        }
    }

    /// Sends a call that has not come yet to a replica, and lets things happen until it ends. Returns what came of it,
    /// and what the oracle would have picked, if that is asked.
    pub(super) fn try_on(mut self, call: u32, replica: u32, ask_oracle: bool) -> (CallOutcome, Option<u32>) {
        self.forced = Some(Forced { call, replica, ask_oracle, oracle: None });
        while self.shared.out[call as usize].finished_us.is_none() && self.step() {}
        (self.shared.out[call as usize].clone(), self.forced.and_then(|forced| forced.oracle))
    }

    fn post_due(&mut self) {
        for (time, call) in self.due.drain(..) {
            self.agenda.due(time, call);
        }
    }

    fn complete(&mut self, number: u32, now: Ps) {
        let mut ended = std::mem::take(&mut self.ended);
        self.replicas[number as usize].complete(now, &mut self.shared, &mut ended);
        if let Some(started) = &mut self.shared.started {
            started.drain(..).for_each(|call| self.router.started(call, number));
        }
        for call in ended.drain(..) {
            if let Some(predictor) = &mut self.predictor {
                let output_tokens = self.shared.work.calls[call as usize].output_tokens;
                predictor.observe(&kind(self.shared.work, call), output_tokens.into());
            }
            self.router.ended(call, number);
            if let Some(foresight) = &mut self.foresight {
                foresight.ended(call, number);
            }
            if self.sessions.finish(call, now, &mut self.due) {
                self.session_over(call, now);
            }
        }
        self.ended = ended;
        self.post_due();
        if self.agenda.is_quiet() {
            self.plan(number, now);
        } else {
            self.agenda.stir(number);
        }
    }

    fn route(&mut self, call: u32, now: Ps) {
        if !self.sessions.send(call) {
            return;
        }
        let asked = &self.shared.work.calls[call as usize];
        let out = &mut self.shared.out[call as usize];
        (out.scheduled_us, out.sent_us) = (us(now), us(now));
        let tokens = u64::from(asked.prompt_tokens) + u64::from(asked.output_tokens);
        let largest = self.replicas.first().map_or(0, |replica| replica.cache().largest());
        if tokens > self.shared.config.context_tokens.min(largest) {
            self.reject(call, now);
            return;
        }
        let asked_for = u64::from(asked.max_tokens);
        let expected = self
            .predictor
            .as_ref()
            .map(|predictor| predictor.predict(&kind(self.shared.work, call)).unwrap_or(asked_for));
        self.shared.predicted[call as usize] = expected.unwrap_or(0);
        self.shared.out[call as usize].predicted_tokens = expected;
        let ask = Ask {
            call,
            session: asked.session,
            prompt: self.shared.tree.prompt(call),
            prompt_tokens: asked.prompt_tokens,
            output_tokens: expected.unwrap_or(asked_for),
            now,
        };
        let waiting = Waiting {
            call,
            session: asked.session,
            at: now,
            session_at: self.sessions.began(asked.session),
            prompt_tokens: asked.prompt_tokens,
            predicted: ask.output_tokens,
            priority: asked.priority,
            role: asked.role,
            served: self.shared.served[asked.session as usize],
            chain: self.shared.chain(call),
        };
        let picked = self.pick(&ask, &waiting);
        self.replicas[picked as usize].enqueue(waiting, now, &self.shared);
        self.wake(picked);
        self.miss(&[call], Missed::Elsewhere, Some(picked), now);
    }

    /// Calls will not come, but to one replica: tells the caches that ask for it. Stretches are settled before, so that what
    /// was done by now was done not knowing it.
    fn miss(&mut self, calls: &[u32], why: Missed, but: Option<u32>, now: Ps) {
        if !self.awaits_calls {
            return;
        }
        for (_, replica) in (0..).zip(&mut self.replicas).filter(|&(number, _)| Some(number) != but) {
            replica.settle(now, &self.shared);
            calls.iter().for_each(|&call| replica.cache_mut().miss(call, why));
        }
    }

    /// Posts what comes next on a replica whose queue has changed.
    fn wake(&mut self, number: u32) {
        match self.replicas[number as usize].end() {
            Some(end) => self.agenda.ends(number, end),
            None => self.agenda.stir(number),
        }
    }

    /// A call was the last of its session: tells the schedulers that ask for it.
    fn session_over(&mut self, call: u32, now: Ps) {
        if !self.watches_sessions {
            return;
        }
        let session = self.shared.work.calls[call as usize].session;
        for number in 0..self.shared.config.replicas {
            if self.replicas[number as usize].session_over(session, now, &self.shared) {
                self.wake(number);
            }
        }
    }

    /// Asks the router, with a view of the cluster that is as fresh as it may be.
    fn pick(&mut self, ask: &Ask, waiting: &Waiting) -> u32 {
        self.look(ask.now);
        let first_tokens = match &mut self.foresight {
            Some(foresight) => {
                let all = self.shared.config.decisions;
                foresight.first_tokens(&self.replicas, waiting, &self.shared, all)
            }
            None => Vec::new(),
        };
        let config = self.shared.config;
        let held: &dyn Held = if self.view.watches() { &self.view.blocks } else { &Caches(&self.replicas) };
        let view = View {
            loads: &self.view.loads,
            held,
            tree: self.shared.tree,
            costs: &config.coefficients,
            capacity_blocks: config.capacity_blocks,
            first_tokens: &first_tokens,
        };
        let mut picked = self.router.pick(ask, &view, &mut self.scores).min(config.replicas - 1);
        if let Some(forced) = self.forced.as_mut().filter(|forced| forced.call == ask.call) {
            picked = forced.replica;
            if forced.ask_oracle {
                let mut foresight = Foresight::new(self.shared.clone());
                let first_tokens = foresight.first_tokens(&self.replicas, waiting, &self.shared, true);
                let loads: Vec<_> = self.replicas.iter().map(Replica::calls).collect();
                forced.oracle = Some(route::earliest(ask.call, &first_tokens, &loads, config.seed));
            }
        }
        self.router.sent(ask, &view, picked);
        if let Some(foresight) = &mut self.foresight {
            foresight.sent(ask.call, picked);
        }
        if config.decisions {
            self.shared.out[ask.call as usize].decision = Some(self.decisions.len() as u32);
            let at_us = us(ask.now);
            let scores = self.scores.take();
            self.decisions.push(Decision { call: ask.call, at_us, replica: picked, scores, hindsight: None });
        }
        picked
    }

    /// Takes the router's view anew, if it is due.
    fn look(&mut self, now: Ps) {
        let sees = self.router.sees();
        if sees == Sees::Nothing || !self.view.is_due(now) {
            return;
        }
        self.view.take(now);
        for (number, replica) in (0..).zip(&mut self.replicas) {
            let load = if sees.engines() {
                replica.settle(now, &self.shared);
                replica.load()
            } else {
                replica.calls()
            };
            self.view.see(number, load, replica.cache_mut());
        }
    }

    fn reject(&mut self, call: u32, now: Ps) {
        self.shared.refuse(call, CallStatus::Rejected);
        let shared = &mut self.shared;
        let mut dropped = Vec::new();
        let skip = |other| {
            shared.refuse(other, CallStatus::Skipped);
            dropped.push(other);
        };
        let over = self.sessions.reject(call, now, &mut self.due, skip);
        dropped.push(call);
        self.miss(&dropped, Missed::Dropped, None, now);
        if over {
            self.session_over(call, now);
        }
        self.post_due();
    }

    fn plan(&mut self, number: u32, now: Ps) {
        let replica = &mut self.replicas[number as usize];
        if replica.end().is_some() {
            return;
        }
        replica.plan(now, &mut self.shared);
        if let Some(end) = replica.end() {
            self.agenda.ends(number, end);
        }
    }

    /// What happened to each call.
    pub fn outcome(self) -> Outcome {
        let sum = |f: &dyn Fn(&Replica<'_>) -> u64| self.replicas.iter().map(f).sum();
        Outcome {
            counters: Counters {
                steps: sum(&|replica| replica.steps()),
                evicted_blocks: sum(&|replica| replica.cache().evicted()),
                preemptions: sum(&|replica| replica.preemptions),
                peak_blocks: self.replicas.iter().map(|replica| replica.cache().peak()).max().unwrap_or(0),
                replicas: self.replicas.len() as u32,
                busy_us: sum(&|replica| us(replica.busy)),
            },
            calls: self.shared.out,
            decisions: self.decisions,
        }
    }
}

/// What a predictor may know of a call.
fn kind(work: &Workload, call: u32) -> Kind {
    let call = &work.calls[call as usize];
    Kind {
        key: call.predict_key,
        session: call.session,
        prompt_tokens: call.prompt_tokens,
        new_tokens: call.new_tokens,
        max_tokens: call.max_tokens,
    }
}
