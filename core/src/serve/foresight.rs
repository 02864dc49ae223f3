//! When replicas would make a call's first token, if nothing more came: found by letting a copy of each go on.

use super::latency::{Ps, StepWork, pairs};
use super::replica::Replica;
use super::run::Shared;
use super::schedule::Waiting;
use crate::trace::CallOutcome;

/// What copies of replicas write to. What happens to calls in copies does not decide what replicas do, so that all
/// copies share one; only what is expected of each call must be there.
#[derive(Clone)]
pub(super) struct Foresight<'a> {
    shared: Shared<'a>,
    /// Calls that replicas were sent and have not ended.
    open: Vec<Vec<u32>>,
}

impl<'a> Foresight<'a> {
    pub(super) fn new(shared: Shared<'a>) -> Self {
        let open = vec![Vec::new(); shared.config.replicas as usize];
        Foresight { shared, open }
    }

    pub(super) fn sent(&mut self, call: u32, replica: u32) {
        self.open[replica as usize].push(call);
    }

    pub(super) fn ended(&mut self, call: u32, replica: u32) {
        self.open[replica as usize].retain(|&open| open != call);
    }

    /// When each replica would make the first token of a call that comes now, with lengths as they will be. None
    /// where it never would and, unless `all` are asked for, where another is certain to be earlier.
    pub(super) fn first_tokens(
        &mut self,
        replicas: &[Replica<'a>],
        waiting: &Waiting,
        now: &Shared<'_>,
        all: bool,
    ) -> Vec<Option<Ps>> {
        // Each call comes once, before any replica knows it.
        self.shared.predicted[waiting.call as usize] = now.predicted[waiting.call as usize];
        let bound = |(place, replica)| (if all { 0 } else { self.earliest(place, replica, waiting) }, place);
        let mut order: Vec<(Ps, usize)> = replicas.iter().enumerate().map(bound).collect();
        order.sort_unstable();
        let mut found = vec![None; replicas.len()];
        let mut best = Ps::MAX;
        for (bound, place) in order {
            if bound > best {
                break;
            }
            found[place] = self.first_token(replicas[place].clone(), waiting);
            best = best.min(found[place].unwrap_or(Ps::MAX));
        }
        found
    }

    /// A time that the first token cannot come before: with all found that is held or that a call which is there shares,
    /// and a block more, the rest is computed at once and alone.
    fn earliest(&self, place: usize, replica: &Replica<'_>, waiting: &Waiting) -> Ps {
        let tree = self.shared.tree;
        let node = tree.prompt(waiting.call);
        let shared = self.open[place].iter().map(|&call| tree.end_block(tree.fork(node, tree.reply(call))));
        let blocks = shared.max().unwrap_or(0).max(replica.cache().held_anywhere(node));
        let prompt = u64::from(waiting.prompt_tokens).max(1);
        let cached = (u64::from(blocks + 1) * u64::from(tree.block_tokens())).min(prompt - 1);
        let new = prompt - cached;
        let work = StepWork {
            prefill_tokens: new,
            // In parts there may be half a pair less a part.
            pairs: pairs(new, cached).saturating_sub(new),
            prompts: 1,
            ..StepWork::default()
        };
        waiting.at.saturating_add(self.shared.config.coefficients.step(&work))
    }

    fn first_token(&mut self, mut replica: Replica<'a>, waiting: &Waiting) -> Option<Ps> {
        let call = waiting.call as usize;
        self.shared.out[call] = CallOutcome { id: waiting.call, ..CallOutcome::default() };
        replica.enqueue(*waiting, waiting.at, &self.shared);
        let mut now = waiting.at;
        loop {
            if replica.end().is_none() {
                replica.plan(now, &mut self.shared);
            }
            now = replica.end()?;
            replica.complete(now, &mut self.shared, &mut Vec::new());
            if self.shared.out[call].first_token_us.is_some() {
                return Some(now);
            }
        }
    }
}
