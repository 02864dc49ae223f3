//! When replicas would make a call's first token, if nothing more came: found by letting a copy of each go on.

use super::latency::Ps;
use super::replica::Replica;
use super::run::Shared;
use super::schedule::Waiting;
use crate::trace::CallOutcome;

/// What copies of replicas write to. What happens to calls in copies does not decide what replicas do, so that all
/// copies share one; only what is expected of each call must be there.
#[derive(Clone)]
pub(super) struct Foresight<'a> {
    shared: Shared<'a>,
}

impl<'a> Foresight<'a> {
    pub(super) fn new(shared: Shared<'a>) -> Self {
        Foresight { shared }
    }

    /// When each replica would make the first token of a call that comes now, with lengths as they will be. None
    /// where it never would.
    pub(super) fn first_tokens(
        &mut self,
        replicas: &[Replica<'a>],
        waiting: &Waiting,
        now: &Shared<'_>,
    ) -> Vec<Option<Ps>> {
        // Each call comes once, before any replica knows it.
        self.shared.predicted[waiting.call as usize] = now.predicted[waiting.call as usize];
        replicas.iter().map(|replica| self.first_token(replica.clone(), waiting)).collect()
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
            replica.complete(now, &mut self.shared);
            if self.shared.out[call].first_token_us.is_some() {
                return Some(now);
            }
        }
    }
}
