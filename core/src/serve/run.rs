//! What a run is set up with, and what its replicas share: the workload, its prefix tree, and the
//! outcome that grows call by call.

use super::arrivals::Replay;
use super::cache::{Ceiling, Lease};
use super::latency::{Coefficients, PS_PER_US, Ps};
use super::prefix::PrefixTree;
use crate::choice::Choice;
use crate::trace::{Cached, CallOutcome, CallStatus, WorkCall, Workload};

/// Which member of each family a cluster is built from.
#[derive(Clone, Debug, PartialEq)]
pub struct Parts {
    /// The router.
    pub router: Choice,
    /// The cache of a replica.
    pub cache: Choice,
    /// What goes first from it.
    pub eviction: Choice,
    /// The order in which calls are admitted.
    pub scheduler: Choice,
    /// What predicts lengths, for the queue's order and for reservation.
    pub predictor: Option<Choice>,
}

/// One cluster and how it is asked, with every name looked up.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Its parts.
    pub parts: Parts,
    /// Engines.
    pub replicas: u32,
    /// KV capacity of one replica, in blocks.
    pub capacity_blocks: u64,
    /// What a replica keeps on its host, in blocks; 0: nothing.
    pub host_blocks: u64,
    /// Longest prompt and output together.
    pub context_tokens: u64,
    /// Most calls in a step.
    pub max_batch: u32,
    /// Most tokens in a step: one a decoding call, the rest for prompts.
    pub step_tokens: u32,
    /// What work costs.
    pub coefficients: Coefficients,
    /// Whether prefixes are reused.
    pub cache: bool,
    /// Whether the requested maximum (or the prediction) is reserved at admission.
    pub reserve: bool,
    /// What starts the next call.
    pub replay: Replay,
    /// Recorded times and delays are divided by it.
    pub speed: f64,
    /// Advance step by step.
    pub stepwise: bool,
    /// Keep the token curve of every call.
    pub curves: bool,
    /// How old the router's view of the cluster may be.
    pub staleness_us: u64,
    /// Keep what the router thought of every replica, for every call.
    pub decisions: bool,
    /// Seed of everything random.
    pub seed: u64,
}

/// What replicas share while a run goes on.
#[derive(Clone)]
pub(super) struct Shared<'a> {
    pub(super) work: &'a Workload,
    pub(super) tree: &'a PrefixTree,
    pub(super) config: &'a ClusterConfig,
    /// Expected output by call.
    pub(super) predicted: Vec<u64>,
    pub(super) out: Vec<CallOutcome>,
    pub(super) ceiling: Ceiling<'a>,
    /// Whether a scheduler asks for the two below.
    pub(super) counts_service: bool,
    /// Tokens computed and made by session, for its ended calls.
    pub(super) served: Vec<u64>,
    /// The same by ended call, along the chain of calls up to it that was served most.
    pub(super) chains: Vec<u64>,
    /// Calls that made their first token since somebody looked, where somebody does.
    pub(super) started: Option<Vec<u32>>,
}

/// Picoseconds to the nearest microsecond.
pub(super) fn us(time: Ps) -> u64 {
    time / PS_PER_US + u64::from(time % PS_PER_US >= PS_PER_US / 2)
}

impl<'a> Shared<'a> {
    /// Nothing has happened yet.
    pub(super) fn new(work: &'a Workload, tree: &'a PrefixTree, config: &'a ClusterConfig) -> Self {
        let out = |call: &WorkCall| CallOutcome { id: call.id, ..CallOutcome::default() };
        Shared {
            work,
            tree,
            config,
            predicted: vec![0; work.calls.len()],
            out: work.calls.iter().map(out).collect(),
            ceiling: Ceiling::new(tree),
            counts_service: true,
            served: vec![0; work.sessions.len()],
            chains: vec![0; work.calls.len()],
            started: None,
        }
    }

    /// Output tokens to reserve room for at admission.
    pub(super) fn reserved(&self, call: u32) -> u64 {
        let predicted = self.predicted[call as usize];
        let asked = u64::from(self.work.calls[call as usize].max_tokens);
        let wanted = match (self.config.parts.predictor.is_some(), self.config.reserve) {
            (true, _) => predicted.min(asked),
            (false, true) => asked,
            (false, false) => return 0,
        };
        let prompt = u64::from(self.work.calls[call as usize].prompt_tokens);
        let room = self.config.capacity_blocks * u64::from(self.tree.block_tokens());
        wanted.min(room.saturating_sub(prompt))
    }

    pub(super) fn prompt_tokens(&self, call: u32) -> u64 {
        self.work.calls[call as usize].prompt_tokens.into()
    }

    pub(super) fn admitted(&mut self, call: u32, now: Ps, replica: u32, lease: &Lease) {
        let asked = &self.work.calls[call as usize];
        let block = u64::from(self.tree.block_tokens());
        let prompt = u64::from(asked.prompt_tokens);
        let out = &mut self.out[call as usize];
        if out.admitted_us.is_some() {
            out.preemptions += 1;
            return;
        }
        let seen = u64::from(self.ceiling.longest(self.tree.prompt(call)));
        out.ceiling_tokens = seen.min(prompt.saturating_sub(1) / block) * block;
        let until = (prompt + u64::from(asked.output_tokens).saturating_sub(1)) / block;
        self.ceiling.add(self.tree.prompt(call), (prompt / block) as u32);
        self.ceiling.add(self.tree.reply(call), until as u32);
        out.admitted_us = Some(us(now));
        out.replica = Some(replica);
        out.cached_tokens = Cached { device: lease.device_tokens, host: lease.host_tokens };
    }

    pub(super) fn computed(&mut self, call: u32, tokens: u64, written: u64) {
        self.out[call as usize].computed_tokens += tokens;
        self.out[call as usize].cache_write_tokens += written;
    }

    pub(super) fn first_token(&mut self, call: u32, now: Ps) {
        self.out[call as usize].first_token_us.get_or_insert(us(now));
        if let Some(started) = &mut self.started {
            started.push(call);
        }
    }

    pub(super) fn progress(&mut self, call: u32, now: Ps, generated: u64) {
        if self.config.curves {
            self.out[call as usize].curve.get_or_insert_default().push([us(now), generated]);
        }
    }

    pub(super) fn finished(&mut self, call: u32, now: Ps, generated: u64) {
        let out = &mut self.out[call as usize];
        out.finished_us = Some(us(now));
        out.output_tokens = generated;
        if self.counts_service {
            let service = out.computed_tokens + generated;
            self.served[self.work.calls[call as usize].session as usize] += service;
            self.chains[call as usize] = self.chain(call) + service;
        }
    }

    /// What was served along the chain that leads to a call: of several, the one that was served most.
    pub(super) fn chain(&self, call: u32) -> u64 {
        if !self.counts_service {
            return 0;
        }
        let before = self.work.calls[call as usize].start.after.iter();
        before.map(|&earlier| self.chains[earlier as usize]).max().unwrap_or(0)
    }

    pub(super) fn refuse(&mut self, call: u32, status: CallStatus) {
        self.out[call as usize].status = status;
    }
}
