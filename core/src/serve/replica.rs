//! One engine: continuous batching with chunked prefill over a paged prefix cache.
//!
//! A replica alternates between planning a step and completing it. A plan without prefill may cover
//! many decode steps at once: nothing changes between them, so that their cost sums in closed form.

use super::cache::{Admission, KvCache};
use super::evict::Use;
use super::latency::{Ps, StepWork, pairs};
use super::run::Shared;
use super::running::Running;
use super::schedule::{Queue, Waiting};
use super::view::Load;

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

/// One engine.
#[derive(Clone)]
pub(super) struct Replica<'a> {
    number: u32,
    queue: Box<dyn Queue + 'a>,
    waiting: u64,
    /// Prompt tokens of the calls that wait.
    waiting_tokens: u64,
    running: Vec<Running>,
    /// Calls that lost their blocks, with the tokens they had made; the last stands at the queue's head.
    thrown_out: Vec<(u32, u64)>,
    cache: Box<dyn KvCache + 'a>,
    plan: Option<Plan>,
    /// Calls waiting or running, and their prompt tokens.
    calls: u64,
    tokens: u64,
    /// Busy time, for utilisation.
    pub(super) busy: Ps,
    pub(super) steps: u64,
    pub(super) preemptions: u64,
}

impl<'a> Replica<'a> {
    pub(super) fn new(number: u32, queue: Box<dyn Queue + 'a>, cache: Box<dyn KvCache + 'a>) -> Self {
        Replica {
            number,
            queue,
            waiting: 0,
            waiting_tokens: 0,
            running: Vec::new(),
            thrown_out: Vec::new(),
            cache,
            plan: None,
            calls: 0,
            tokens: 0,
            busy: 0,
            steps: 0,
            preemptions: 0,
        }
    }

    pub(super) fn cache(&self) -> &dyn KvCache {
        &*self.cache
    }

    pub(super) fn cache_mut(&mut self) -> &mut (dyn KvCache + 'a) {
        &mut *self.cache
    }

    /// What a router that counts calls sees.
    pub(super) fn calls(&self) -> Load {
        Load { calls: self.calls, tokens: self.tokens, waiting: self.waiting, ..Load::default() }
    }

    /// What the engine reports of itself. To be asked of a replica that is settled.
    pub(super) fn load(&self) -> Load {
        let left: u64 = self.running.iter().map(|slot| slot.target.saturating_sub(slot.kv)).sum();
        let prefill_tokens = self.waiting_tokens + left;
        Load { prefill_tokens, used_blocks: self.cache.used(), ..self.calls() }
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
        self.calls += 1;
        self.tokens += u64::from(waiting.prompt_tokens);
        let full = self.running.len() as u64 >= u64::from(shared.config.max_batch);
        if !blocked && !full {
            self.cut_short(now, shared);
        }
    }

    /// Brings a stretch of decode steps up to date: what is done by `now` is done, the rest is a stretch of its
    /// own. Changes nothing that happens, only lets others look.
    pub(super) fn settle(&mut self, now: Ps, shared: &Shared<'_>) {
        let Some(plan) = self.plan.filter(|plan| !plan.prefill && plan.steps > 1) else { return };
        let after = |steps| plan.after(steps, shared);
        let (mut done, mut not) = (0, plan.steps);
        while done + 1 < not {
            let middle = done + (not - done) / 2;
            if after(middle) <= now { done = middle } else { not = middle }
        }
        if done == 0 {
            return;
        }
        let start = after(done);
        self.busy += start - plan.start;
        self.steps += done;
        self.grow(done, start);
        for slot in self.running.iter_mut().filter(|slot| slot.decoding()) {
            slot.kv += done;
            slot.generated += done;
        }
        let kv_tokens = plan.kv_tokens + done * plan.decoding;
        self.plan = Some(Plan { start, kv_tokens, steps: plan.steps - done, ..plan });
    }

    /// Ends a stretch of decode steps at the first step border that is not before `now`.
    fn cut_short(&mut self, now: Ps, shared: &Shared<'_>) {
        let Some(plan) = self.plan.as_mut().filter(|plan| !plan.prefill && plan.steps > 1) else { return };
        let whole = *plan;
        let after = |steps| whole.after(steps, shared);
        let (mut low, mut high) = (1, plan.steps);
        while low < high {
            let middle = low + (high - low) / 2;
            if after(middle) >= now { high = middle } else { low = middle + 1 }
        }
        plan.end = after(low);
        plan.steps = low;
    }

    /// Plans the next step or stretch, if there is work and none is under way.
    pub(super) fn plan(&mut self, now: Ps, shared: &mut Shared<'_>) {
        if self.plan.is_some() {
            return;
        }
        self.make_room(now, shared);
        let decoding = self.running.iter().filter(|slot| slot.decoding()).count() as u64;
        let mut budget = u64::from(shared.config.step_tokens).saturating_sub(decoding);
        for slot in self.running.iter_mut().filter(|slot| !slot.decoding()) {
            slot.chunk = budget.min(slot.target - slot.kv);
            budget -= slot.chunk;
        }
        let host_tokens = self.admit(now, budget, shared);
        let mut work = StepWork { decoding, host_tokens, ..StepWork::default() };
        for slot in &self.running {
            if slot.decoding() {
                work.kv_tokens += slot.kv;
            } else if slot.chunk > 0 {
                work.prefill_tokens += slot.chunk;
                work.pairs += pairs(slot.chunk, slot.kv);
                work.prompts += u64::from(slot.kv + slot.chunk == slot.target);
            }
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
        let whole = *plan;
        let after = |steps| whole.after(steps, shared);
        let (mut low, mut high) = (1, plan.steps);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if after(middle) < change { low = middle } else { high = middle }
        }
        (plan.steps, plan.end) = (low, after(low));
    }

    /// How many decode steps go by before a call ends or the cache is full.
    fn longest_stretch(&self) -> u64 {
        let decoding = self.running.iter().filter(|slot| slot.decoding());
        let last = decoding.map(|slot| slot.output - slot.generated).min().unwrap_or(1).max(1);
        let available = self.cache.available();
        if self.growth(last) <= available {
            return last;
        }
        let (mut low, mut high) = (1, last);
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            if self.growth(middle) <= available { low = middle } else { high = middle }
        }
        low
    }

    /// Blocks that the decoding calls will need for so many steps.
    fn growth(&self, steps: u64) -> u64 {
        let block = self.cache.block_tokens();
        let decoding = self.running.iter().filter(|slot| slot.decoding());
        decoding.map(|slot| slot.growth(steps, block)).sum()
    }

    /// Throws out the calls admitted last until every other one can make a token.
    fn make_room(&mut self, now: Ps, shared: &Shared<'_>) {
        while self.growth(1) > self.cache.available() {
            let Some(victim) = self.running.pop() else { return };
            self.cache.release(victim.lease, Use { call: victim.call, at: now });
            self.queue.push_front(victim.call);
            self.waiting += 1;
            self.waiting_tokens += shared.prompt_tokens(victim.call);
            self.preemptions += 1;
            self.thrown_out.push((victim.call, victim.generated));
        }
    }

    /// Admits waiting calls while there is room. Returns the tokens that have to be brought over from the host.
    fn admit(&mut self, now: Ps, mut budget: u64, shared: &mut Shared<'_>) -> u64 {
        let mut host_tokens = 0;
        while budget > 0 && (self.running.len() as u64) < u64::from(shared.config.max_batch) {
            let Some(call) = self.queue.head() else { break };
            let Some(mut slot) = self.place(call, now, shared) else { break };
            host_tokens += slot.lease.host_tokens;
            self.queue.pop();
            self.waiting -= 1;
            self.waiting_tokens -= shared.prompt_tokens(call);
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
        let resumed = self.thrown_out.last().copied().filter(|&(thrown, _)| thrown == call);
        let generated = resumed.map_or(0, |(_, generated)| generated);
        let target = (u64::from(asked.prompt_tokens) + generated).max(1);
        let lease = self.cache.admit(&Admission {
            call,
            node: shared.tree.prompt(call),
            target,
            room: target + shared.reserved(call).saturating_sub(generated),
            headroom: self.growth(1),
            alone: self.running.is_empty(),
            now,
        })?;
        if resumed.is_some() {
            self.thrown_out.pop();
        }
        let kv = lease.device_tokens + lease.host_tokens;
        let output = u64::from(asked.output_tokens);
        Some(Running { call, lease, kv, target, generated, output, chunk: 0 })
    }

    /// Completes the present plan. Returns the calls that ended.
    pub(super) fn complete(&mut self, now: Ps, shared: &mut Shared<'_>) -> Vec<u32> {
        let Some(plan) = self.plan.take() else { return Vec::new() };
        self.busy += plan.end - plan.start;
        self.steps += plan.steps;
        self.grow(plan.steps, now);
        let mut ended = Vec::new();
        let mut running = std::mem::take(&mut self.running);
        for slot in &mut running {
            if slot.chunk > 0 {
                slot.kv += slot.chunk;
                let node = shared.tree.prompt(slot.call);
                let written = self.cache.publish(&mut slot.lease, node, slot.kv);
                shared.computed(slot.call, slot.chunk, written);
                slot.chunk = 0;
                if slot.kv < slot.target {
                    continue;
                }
                slot.generated += u64::from(slot.output > 0);
                shared.first_token(slot.call, now);
            } else if slot.decoding() {
                slot.kv += plan.steps;
                slot.generated += plan.steps;
            }
            if slot.decoding() {
                shared.progress(slot.call, now, slot.generated);
            }
        }
        running.retain_mut(|slot| {
            let done = slot.decoding() && slot.generated >= slot.output;
            if done {
                self.release(slot, now, shared);
                shared.finished(slot.call, now, slot.generated);
                ended.push(slot.call);
            }
            !done
        });
        self.running = running;
        ended
    }

    /// Takes the blocks that `steps` decode steps filled.
    fn grow(&mut self, steps: u64, now: Ps) {
        let block = self.cache.block_tokens();
        for slot in self.running.iter_mut().filter(|slot| slot.decoding()) {
            let more = slot.growth(steps, block);
            let taken = self.cache.extend(&mut slot.lease, more, now);
            debug_assert!(taken, "the stretch was planned within the room there is");
        }
    }

    fn release(&mut self, slot: &mut Running, now: Ps, shared: &Shared<'_>) {
        self.cache.publish(&mut slot.lease, shared.tree.reply(slot.call), slot.kv);
        self.cache.release(slot.lease, Use { call: slot.call, at: now });
        self.queue.ended(slot.call);
        self.calls -= 1;
        self.tokens -= shared.prompt_tokens(slot.call);
    }
}
