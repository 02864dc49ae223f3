//! One engine: continuous batching with chunked prefill over a paged prefix cache.
//!
//! A replica alternates between planning a step and completing it. A plan without prefill may cover
//! many decode steps at once: nothing changes between them, so that their cost sums in closed form.

use super::cache::{Admission, KvCache};
use super::evict::Use;
use super::latency::{Ps, StepWork, pairs};
use super::prefix::NodeId;
use super::run::Shared;
use super::running::{Batch, Running};
use super::schedule::{Queue, Waiting};
use super::view::{Held, Load};

/// What the replica is doing now.
#[derive(Clone, Copy, Debug)]
struct Plan {
    start: Ps,
    end: Ps,
    steps: u64,
    decoding: u64,
    kv_tokens: u64,
    prefill: bool,
}

impl Plan {
    /// When so many of its steps are done.
    fn after(&self, steps: u64, shared: &Shared<'_>) -> Ps {
        let cost = shared.config.coefficients.stretch(self.decoding, self.kv_tokens, steps);
        self.start.saturating_add(cost)
    }
}

/// The first of `1..=steps` that `is` holds for, as for all behind it; the last, where it holds for none before.
fn first_step(steps: u64, is: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (1, steps);
    while low < high {
        let middle = low + (high - low) / 2;
        if is(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// One engine.
#[derive(Clone)]
pub(super) struct Replica<'a> {
    number: u32,
    queue: Box<dyn Queue + 'a>,
    waiting: u64,
    /// Prompt tokens of the calls that wait.
    waiting_tokens: u64,
    /// Pairs that computing their prompts in full makes.
    waiting_pairs: u64,
    running: Batch,
    /// Calls that lost their blocks and wait again, with the tokens they had made.
    thrown_out: Vec<(u32, u64)>,
    cache: Box<dyn KvCache + 'a>,
    plan: Option<Plan>,
    /// Calls waiting or running, and their prompt tokens.
    calls: u64,
    tokens: u64,
    /// Busy time, for utilisation.
    pub(super) busy: Ps,
    pub(super) preemptions: u64,
}

impl<'a> Replica<'a> {
    pub(super) fn new(number: u32, queue: Box<dyn Queue + 'a>, cache: Box<dyn KvCache + 'a>) -> Self {
        let running = Batch::new(cache.block_tokens());
        Replica {
            number,
            queue,
            waiting: 0,
            waiting_tokens: 0,
            waiting_pairs: 0,
            running,
            thrown_out: Vec::new(),
            cache,
            plan: None,
            calls: 0,
            tokens: 0,
            busy: 0,
            preemptions: 0,
        }
    }

    pub(super) fn cache(&self) -> &dyn KvCache {
        &*self.cache
    }

    pub(super) fn cache_mut(&mut self) -> &mut (dyn KvCache + 'a) {
        &mut *self.cache
    }

    /// Steps so far.
    pub(super) fn steps(&self) -> u64 {
        self.running.steps
    }

    /// What a router that counts calls sees.
    pub(super) fn calls(&self) -> Load {
        Load { calls: self.calls, tokens: self.tokens, waiting: self.waiting, ..Load::default() }
    }

    /// What the engine reports of itself. To be asked of a replica that is settled.
    pub(super) fn load(&self) -> Load {
        let (mut prefill_tokens, mut prefill_pairs) = (self.waiting_tokens, self.waiting_pairs);
        for slot in self.running.prefilling() {
            let left = slot.target - slot.kv;
            prefill_tokens += left;
            prefill_pairs += pairs(left, slot.kv);
        }
        Load { prefill_tokens, prefill_pairs, used_blocks: self.cache.used(), ..self.calls() }
    }

    /// When the present plan ends.
    pub(super) fn end(&self) -> Option<Ps> {
        self.plan.map(|plan| plan.end)
    }

    /// Takes a call in. Cuts a long plan short, where the call might be admitted earlier.
    pub(super) fn enqueue(&mut self, waiting: Waiting, now: Ps, shared: &Shared<'_>) {
        let blocked = self.waiting > 0 && self.queue.keeps_head();
        self.queue.push(waiting);
        self.waiting += 1;
        self.waiting_tokens += u64::from(waiting.prompt_tokens);
        self.waiting_pairs += pairs(waiting.prompt_tokens.into(), 0);
        self.calls += 1;
        self.tokens += u64::from(waiting.prompt_tokens);
        let full = self.running.len() >= u64::from(shared.config.max_batch);
        if !blocked && !full {
            self.cut_short(now, shared);
        }
    }

    /// A session is over: where that lets a waiting call in, cuts a long plan short. Returns whether it may.
    pub(super) fn session_over(&mut self, session: u32, now: Ps, shared: &Shared<'_>) -> bool {
        let may = self.queue.session_over(session);
        if may && self.running.len() < u64::from(shared.config.max_batch) {
            self.cut_short(now, shared);
        }
        may
    }

    /// Whether its queue must be told when sessions are over.
    pub(super) fn watches_sessions(&self) -> bool {
        self.queue.watches_sessions()
    }

    /// Whether its queue asks what sessions and chains of calls were served.
    pub(super) fn reads_service(&self) -> bool {
        self.queue.reads_service()
    }

    /// Brings a stretch of decode steps up to date: what is done by `now` is done, the rest is a stretch of its
    /// own. Changes nothing that happens, only lets others look.
    pub(super) fn settle(&mut self, now: Ps, shared: &Shared<'_>) {
        let Some(plan) = self.plan.filter(|plan| !plan.prefill && plan.steps > 1) else { return };
        let done = first_step(plan.steps, |steps| plan.after(steps, shared) > now) - 1;
        if done == 0 {
            return;
        }
        let start = plan.after(done, shared);
        self.busy += start - plan.start;
        self.advance(done, start);
        let kv_tokens = plan.kv_tokens + done * plan.decoding;
        self.plan = Some(Plan { start, kv_tokens, steps: plan.steps - done, ..plan });
    }

    /// Ends a stretch of decode steps at the first step border that is not before `now`.
    fn cut_short(&mut self, now: Ps, shared: &Shared<'_>) {
        let Some(plan) = self.plan.as_mut().filter(|plan| !plan.prefill && plan.steps > 1) else { return };
        let steps = first_step(plan.steps, |steps| plan.after(steps, shared) >= now);
        (plan.steps, plan.end) = (steps, plan.after(steps, shared));
    }

    /// Plans the next step or stretch, if there is work and none is under way.
    pub(super) fn plan(&mut self, now: Ps, shared: &mut Shared<'_>) {
        if self.plan.is_some() {
            return;
        }
        self.make_room(now, shared);
        let (decoding, kv_tokens) = (self.running.decoding(), self.running.kv_tokens);
        let mut budget = u64::from(shared.config.step_tokens).saturating_sub(decoding);
        for slot in self.running.prefilling_mut() {
            slot.chunk = budget.min(slot.target - slot.kv);
            budget -= slot.chunk;
        }
        let host_tokens = self.admit(now, budget, shared);
        let mut work = StepWork { decoding, kv_tokens, host_tokens, ..StepWork::default() };
        for slot in self.running.prefilling().iter().take_while(|slot| slot.chunk > 0) {
            work.prefill_tokens += slot.chunk;
            work.pairs += pairs(slot.chunk, slot.kv);
            work.prompts += u64::from(slot.kv + slot.chunk == slot.target);
        }
        if decoding == 0 && work.prefill_tokens == 0 {
            return;
        }
        let prefill = work.prefill_tokens > 0;
        let steps = if prefill || shared.config.stepwise { 1 } else { self.longest_stretch() };
        let cost = if prefill {
            shared.config.coefficients.step(&work)
        } else {
            shared.config.coefficients.stretch(decoding, work.kv_tokens, steps)
        };
        let end = now.saturating_add(cost);
        self.plan = Some(Plan { start: now, end, steps, decoding, kv_tokens: work.kv_tokens, prefill });
        if steps > 1 {
            self.keep_before_change(now, shared);
        }
    }

    /// Evictions decide at the time of the step that needs room: where their order changes by itself, a stretch ends with the
    /// last step before.
    fn keep_before_change(&mut self, now: Ps, shared: &Shared<'_>) {
        let (Some(change), Some(plan)) = (self.cache.next_change(now), &mut self.plan) else { return };
        if plan.end < change {
            return;
        }
        let too_late = first_step(plan.steps, |steps| plan.after(steps, shared) >= change);
        let steps = (too_late - 1).max(1);
        (plan.steps, plan.end) = (steps, plan.after(steps, shared));
    }

    /// How many decode steps go by before a call ends or the cache is full.
    fn longest_stretch(&self) -> u64 {
        let last = self.running.until_end().max(1);
        let available = self.cache.available();
        if self.running.fits(last, available) || self.running.growth(last) <= available {
            return last;
        }
        (first_step(last, |steps| self.running.growth(steps) > available) - 1).max(1)
    }

    /// Throws out the calls that the scheduler chooses until every other one can make a token.
    fn make_room(&mut self, now: Ps, shared: &Shared<'_>) {
        while !self.running.is_empty() && self.running.growth(1) > self.cache.available() {
            let calls: Vec<u32> = self.running.calls().collect();
            let victim = self.running.remove(self.queue.victim(&calls).min(calls.len() - 1));
            self.cache.expect_again(victim.call);
            self.cache.release(victim.lease, Use { call: victim.call, at: now });
            self.queue.take_back(victim.call);
            self.waiting += 1;
            self.waiting_tokens += shared.prompt_tokens(victim.call);
            self.waiting_pairs += pairs(shared.prompt_tokens(victim.call), 0);
            self.preemptions += 1;
            self.thrown_out.push((victim.call, victim.generated));
        }
    }

    /// Admits waiting calls while there is room. Returns the tokens that have to be brought over from the host.
    fn admit(&mut self, now: Ps, mut budget: u64, shared: &mut Shared<'_>) -> u64 {
        let mut host_tokens = 0;
        while budget > 0 && self.running.len() < u64::from(shared.config.max_batch) {
            let Some(call) = self.queue.head() else { break };
            let Some(mut slot) = self.place(call, now, shared) else { break };
            host_tokens += slot.lease.host_tokens;
            self.queue.pop();
            self.waiting -= 1;
            self.waiting_tokens -= shared.prompt_tokens(call);
            self.waiting_pairs -= pairs(shared.prompt_tokens(call), 0);
            slot.chunk = budget.min(slot.target - slot.kv);
            budget -= slot.chunk;
            shared.admitted(call, now, self.number, &slot.lease);
            self.running.push(slot);
        }
        host_tokens
    }

    /// Finds a call's cached prefix and takes blocks for the rest of its prompt. `None`, with nothing
    /// changed, when there is no room.
    fn place(&mut self, call: u32, now: Ps, shared: &Shared<'_>) -> Option<Running> {
        let asked = &shared.work.calls[call as usize];
        let resumed = self.thrown_out.iter().rposition(|&(thrown, _)| thrown == call);
        let generated = resumed.map_or(0, |place| self.thrown_out[place].1);
        let target = (u64::from(asked.prompt_tokens) + generated).max(1);
        let lease = self.cache.admit(&Admission {
            call,
            node: shared.tree.prompt(call),
            target,
            room: target + shared.reserved(call).saturating_sub(generated),
            headroom: self.running.growth(1),
            alone: self.running.is_empty(),
            now,
        })?;
        if let Some(place) = resumed {
            self.thrown_out.remove(place);
        }
        Some(Running::new(call, lease, target, generated, asked.output_tokens.into()))
    }

    /// Completes the present plan. Adds the calls that ended to `ended`.
    pub(super) fn complete(&mut self, now: Ps, shared: &mut Shared<'_>, ended: &mut Vec<u32>) {
        let Some(plan) = self.plan.take() else { return };
        self.busy += plan.end - plan.start;
        self.advance(plan.steps, now);
        if plan.prefill {
            self.computed(now, shared);
        }
        if shared.config.curves {
            self.running.made().for_each(|(call, made)| shared.progress(call, now, made));
        }
        let Replica { running, cache, queue, calls, tokens, .. } = self;
        running.take_ended(|mut slot| {
            cache.publish(&mut slot.lease, shared.tree.reply(slot.call), slot.kv);
            cache.release(slot.lease, Use { call: slot.call, at: now });
            queue.ended(slot.call);
            *calls -= 1;
            *tokens -= shared.prompt_tokens(slot.call);
            shared.finished(slot.call, now, slot.generated);
            ended.push(slot.call);
        });
    }

    /// Books the prompt tokens that a step computed. Who has its whole prompt makes its first token.
    fn computed(&mut self, now: Ps, shared: &mut Shared<'_>) {
        let mut complete = 0;
        for slot in self.running.prefilling_mut().iter_mut().take_while(|slot| slot.chunk > 0) {
            slot.kv += slot.chunk;
            let written = self.cache.publish(&mut slot.lease, shared.tree.prompt(slot.call), slot.kv);
            shared.computed(slot.call, slot.chunk, written);
            slot.chunk = 0;
            if slot.kv >= slot.target {
                slot.generated += u64::from(slot.output > 0);
                shared.first_token(slot.call, now);
                complete += 1;
            }
        }
        (0..complete).for_each(|_| self.running.begin_to_decode());
    }

    /// Counts decode steps, and takes the blocks that they filled.
    fn advance(&mut self, steps: u64, now: Ps) {
        let cache = &mut self.cache;
        self.running.advance(steps, |lease, blocks| {
            let taken = cache.extend(lease, blocks, now);
            debug_assert!(taken, "the stretch was planned within the room there is");
        });
    }
}

/// The caches of replicas as they are.
pub(super) struct Caches<'v, 'a>(pub(super) &'v [Replica<'a>]);

impl Held for Caches<'_, '_> {
    fn device(&self, replica: u32, node: NodeId) -> u32 {
        self.0[replica as usize].cache().held(node)
    }

    fn anywhere(&self, replica: u32, node: NodeId) -> u32 {
        self.0[replica as usize].cache().held_anywhere(node)
    }
}
