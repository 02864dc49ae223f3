//! Time to live, as Continuum keeps what a session left behind while its tool runs: for a time that is expected to pay.
//!
//! When a call ends and another waits for it, what it leaves is kept for the time τ that maximises
//! `P(tool ≤ τ) · benefit − cost(τ)`. P comes from the durations seen so far of the same tool (all tools, while it has too
//! few); the benefit is the time that computing the prefix again takes; the cost is τ times the share of the memory that it
//! takes. Which tool runs is read off the call that waits, as an engine reads it off the reply. Kept leaves go after all
//! others, the one that expires first before the rest: that is how room is made under pressure. The others go by recency.
//!
//! Left out of the paper: the queueing that a benefit includes there, the exponential assumption before anything is known
//! (a fixed time is taken), and that a call which waits already keeps its prefix alive. Durations are learned when the call behind
//! the tool is admitted, and are those of the trace. With `fixed_s` the rule is that of the preview's code: that long where the
//! tool's mean is not above it or nothing is known, else not at all.

use super::keyed::Keyed;
use super::{Choice, Eviction, Leaf, Memory, Param, Preset, Use};
use crate::serve::arrivals::scale_us;
use crate::serve::latency::{Ps, pairs};
use crate::serve::prefix::NodeId;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

pub(super) const PARAMS: &[Param] = &[
    Param {
        key: "fixed_s",
        about: "keep this long where the tool's mean is not above it; 0: as long as pays",
        default: 0.0,
        whole: false,
        range: (0.0, 1e6),
    },
    Param {
        key: "cold_s",
        about: "keep this long before enough durations are known",
        default: 2.0,
        whole: false,
        range: (0.0, 1e6),
    },
];

pub(super) const PRESETS: &[Preset] =
    &[Preset { name: "preview", source: "Continuum's preview for vLLM", values: &[("fixed_s", 2.0)] }];

/// Durations that an estimate needs at least.
const ENOUGH: usize = 8;

/// Durations of one tool.
#[derive(Clone, Debug, Default)]
struct Durations {
    sorted: Vec<Ps>,
    sum: u128,
}

impl Durations {
    fn add(&mut self, duration: Ps) {
        let at = self.sorted.partition_point(|&known| known < duration);
        self.sorted.insert(at, duration);
        self.sum += u128::from(duration);
    }

    /// The time that pays best: of all durations seen, or none. `benefit` is what a hit saves; keeping costs
    /// `blocks / capacity` of the time.
    fn best(&self, benefit: Ps, blocks: u64, capacity: u64) -> Ps {
        let count = self.sorted.len() as i128;
        let gain = |(place, &time): (usize, &Ps)| {
            let hit = (place as i128 + 1) * i128::from(benefit) * i128::from(capacity);
            (hit - count * i128::from(blocks) * i128::from(time), Reverse(time))
        };
        let best = self.sorted.iter().enumerate().map(gain).max();
        best.filter(|&(gain, _)| gain > 0).map_or(0, |(_, Reverse(time))| time)
    }
}

/// By time to live.
#[derive(Clone)]
pub(super) struct Ttl<'a> {
    memory: Memory<'a>,
    fixed: Ps,
    cold: Ps,
    /// The first call that waits for a call.
    next: Vec<Option<u32>>,
    /// Calls whose wait is learned.
    learned: Vec<bool>,
    by_tool: Vec<Durations>,
    all: Durations,
    /// By call, when it let go last and until when that is kept.
    until: Vec<(Ps, Ps)>,
    /// Ends of all that is kept, whether it is a leaf or not.
    ends: BinaryHeap<Reverse<Ps>>,
    kept: Keyed<Ps>,
    others: Keyed<()>,
}

impl<'a> Ttl<'a> {
    pub(super) fn new(choice: &Choice, memory: &Memory<'a>) -> Self {
        let calls = &memory.work.calls;
        let mut next = vec![None; calls.len()];
        for call in calls {
            for &earlier in &call.start.after {
                next[earlier as usize].get_or_insert(call.id);
            }
        }
        let ps = |key| libm::round(choice.get(key) * 1e12) as Ps;
        Ttl {
            memory: *memory,
            fixed: ps("fixed_s"),
            cold: ps("cold_s"),
            next,
            learned: vec![false; calls.len()],
            by_tool: vec![Durations::default(); memory.work.predict_keys.len()],
            all: Durations::default(),
            until: vec![(0, 0); calls.len()],
            ends: BinaryHeap::new(),
            kept: Keyed::default(),
            others: Keyed::default(),
        }
    }

    /// How long what is let go with `blocks` is kept for `next`.
    fn time(&self, next: u32, blocks: u64) -> Ps {
        let own = self.by_tool.get(self.memory.work.calls[next as usize].predict_key as usize);
        if self.fixed > 0 {
            let Some(own) = own.filter(|own| !own.sorted.is_empty()) else { return self.fixed };
            let slow = own.sum > u128::from(self.fixed) * own.sorted.len() as u128;
            return if slow { 0 } else { self.fixed };
        }
        let own = own.filter(|own| own.sorted.len() >= ENOUGH).unwrap_or(&self.all);
        if own.sorted.len() < ENOUGH {
            return self.cold;
        }
        let (tokens, costs) = (blocks * u64::from(self.memory.tree.block_tokens()), &self.memory.costs);
        let benefit = u128::from(costs.prefill_token) * u128::from(tokens)
            + u128::from(costs.attention_pair) * u128::from(pairs(tokens, 0));
        let benefit = Ps::try_from(benefit).unwrap_or(Ps::MAX);
        own.best(benefit, blocks, self.memory.capacity_blocks)
    }
}

impl Eviction for Ttl<'_> {
    fn offer(&mut self, leaf: &Leaf) {
        let (at, until) = self.until[leaf.last.call as usize];
        if at == leaf.last.at && until > at {
            self.kept.offer(until, leaf);
        } else {
            self.others.offer((), leaf);
        }
    }

    fn next(&mut self, now: Ps) -> Option<(NodeId, u64)> {
        while let Some(expired) = self.kept.first().filter(|leaf| leaf.key < now).map(|leaf| leaf.under(())) {
            self.kept.next();
            self.others.push(expired);
        }
        let other = self.others.next().map(|leaf| leaf.place());
        other.or_else(|| self.kept.next().map(|leaf| leaf.place()))
    }

    fn released(&mut self, last: Use, blocks: u64) {
        let time = self.next[last.call as usize].map_or(0, |next| self.time(next, blocks));
        let until = last.at.saturating_add(time);
        self.until[last.call as usize] = (last.at, until);
        if time > 0 {
            self.ends.push(Reverse(until));
        }
    }

    fn admitted(&mut self, call: u32, _now: Ps) {
        let asked = &self.memory.work.calls[call as usize];
        if asked.start.after.is_empty() || std::mem::replace(&mut self.learned[call as usize], true) {
            return;
        }
        let duration = scale_us(asked.start.delay_us, self.memory.speed);
        if let Some(tool) = self.by_tool.get_mut(asked.predict_key as usize) {
            tool.add(duration);
        }
        self.all.add(duration);
    }

    fn next_change(&mut self, now: Ps) -> Option<Ps> {
        while self.ends.peek().is_some_and(|&Reverse(end)| end < now) {
            self.ends.pop();
        }
        self.ends.peek().map(|&Reverse(end)| end.saturating_add(1))
    }
}
