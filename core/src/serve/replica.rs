//! One engine: continuous batching with chunked prefill over a paged prefix cache.
//!
//! A replica alternates between planning a step and completing it. A plan without prefill may cover
//! many decode steps at once: nothing changes between them, so that their cost sums in closed form.

use super::kv::BlockCache;
use super::latency::{Ps, StepWork, pairs};
use super::prefix::{NodeId, ROOT};
use super::route::Load;
use super::run::Shared;
use super::schedule::Queue;

/// A call that a replica works on.
#[derive(Clone, Copy, Debug)]
struct Running {
    call: u32,
    /// The deepest node of the cache that it keeps.
    pin: NodeId,
    /// Blocks that hold its tokens, shared ones included.
    blocks: u64,
    /// Of these, blocks that only it has.
    private: u64,
    /// Tokens in the cache.
    kv: u64,
    /// Tokens that must be there before the next token can be made.
    target: u64,
    /// Tokens made.
    generated: u64,
    /// Tokens to make.
    output: u64,
    /// Prompt tokens computed in the present step.
    chunk: u64,
}

impl Running {
    fn decoding(&self) -> bool {
        self.kv >= self.target
    }
}

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

/// One engine.
pub(super) struct Replica<'a> {
    number: u32,
    queue: Box<dyn Queue>,
    waiting: u64,
    running: Vec<Running>,
    /// Calls that lost their blocks, with the tokens they had made; the last stands at the queue's head.
    thrown_out: Vec<(u32, u64)>,
    cache: BlockCache<'a>,
    plan: Option<Plan>,
    /// What the router sees.
    pub(super) load: Load,
    /// Busy time, for utilisation.
    pub(super) busy: Ps,
    pub(super) steps: u64,
    pub(super) preemptions: u64,
}

impl<'a> Replica<'a> {
    pub(super) fn new(number: u32, queue: Box<dyn Queue>, cache: BlockCache<'a>) -> Self {
        Replica {
            number,
            queue,
            waiting: 0,
            running: Vec::new(),
            thrown_out: Vec::new(),
            cache,
            plan: None,
            load: Load::default(),
            busy: 0,
            steps: 0,
            preemptions: 0,
        }
    }

    pub(super) fn cache(&self) -> &BlockCache<'a> {
        &self.cache
    }

    /// When the present plan ends.
    pub(super) fn end(&self) -> Option<Ps> {
        self.plan.map(|plan| plan.end)
    }

    /// Takes a call in. Cuts a long plan short, where the call might be admitted earlier.
    pub(super) fn enqueue(&mut self, call: u32, now: Ps, shared: &Shared<'_>) {
        let blocked = self.waiting > 0 && self.queue.keeps_head();
        self.queue.push(call, shared.predicted[call as usize]);
        self.waiting += 1;
        self.load.calls += 1;
        self.load.tokens += u64::from(shared.work.calls[call as usize].prompt_tokens);
        let full = self.running.len() as u64 >= u64::from(shared.config.max_batch);
        if !blocked && !full {
            self.cut_short(now, shared);
        }
    }

    /// Ends a stretch of decode steps at the first step border that is not before `now`.
    fn cut_short(&mut self, now: Ps, shared: &Shared<'_>) {
        let Some(plan) = self.plan.as_mut().filter(|plan| !plan.prefill && plan.steps > 1) else { return };
        let coefficients = shared.config.coefficients;
        let after =
            |steps| plan.start.saturating_add(coefficients.stretch(plan.decoding, plan.kv_tokens, steps));
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
        self.make_room();
        let decoding = self.running.iter().filter(|slot| slot.decoding()).count() as u64;
        let mut budget = u64::from(shared.config.step_tokens).saturating_sub(decoding);
        for slot in self.running.iter_mut().filter(|slot| !slot.decoding()) {
            slot.chunk = budget.min(slot.target - slot.kv);
            budget -= slot.chunk;
        }
        self.admit(now, budget, shared);
        let mut work = StepWork { decoding, ..StepWork::default() };
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
        decoding.map(|slot| (slot.kv + steps).div_ceil(block).saturating_sub(slot.blocks)).sum()
    }

    /// Throws out the calls admitted last until every other one can make a token.
    fn make_room(&mut self) {
        while self.growth(1) > self.cache.available() {
            let Some(victim) = self.running.pop() else { return };
            self.cache.unpin(victim.pin, true);
            self.cache.give(victim.private);
            self.queue.push_front(victim.call);
            self.waiting += 1;
            self.preemptions += 1;
            self.thrown_out.push((victim.call, victim.generated));
        }
    }

    /// Admits waiting calls while there is room.
    fn admit(&mut self, now: Ps, mut budget: u64, shared: &mut Shared<'_>) {
        while budget > 0 && (self.running.len() as u64) < u64::from(shared.config.max_batch) {
            let Some(call) = self.queue.head() else { return };
            let Some(mut slot) = self.place(call, shared) else { return };
            self.queue.pop();
            self.waiting -= 1;
            slot.chunk = budget.min(slot.target - slot.kv);
            budget -= slot.chunk;
            shared.admitted(call, now, self.number, slot.kv);
            self.running.push(slot);
        }
    }

    /// Finds a call's cached prefix and takes blocks for the rest of its prompt. `None`, with nothing
    /// changed, when there is no room.
    fn place(&mut self, call: u32, shared: &Shared<'_>) -> Option<Running> {
        let asked = &shared.work.calls[call as usize];
        let block = self.cache.block_tokens();
        let resumed = self.thrown_out.last().copied().filter(|&(thrown, _)| thrown == call);
        let generated = resumed.map_or(0, |(_, generated)| generated);
        let target = (u64::from(asked.prompt_tokens) + generated).max(1);
        let tokens = target + shared.reserved(call).saturating_sub(generated);
        let (mut pin, mut cached) = self.match_prefix(call, target, shared);
        if !self.seize(pin, tokens.div_ceil(block) - cached) {
            // The match may hold a block more than the call may use; alone on the replica, a call
            // gets in without it.
            (pin, cached) = (ROOT, 0);
            if !self.running.is_empty() || !self.seize(pin, tokens.div_ceil(block)) {
                return None;
            }
        }
        if resumed.is_some() {
            self.thrown_out.pop();
        }
        let private = tokens.div_ceil(block) - cached;
        let output = u64::from(asked.output_tokens);
        let blocks = cached + private;
        Some(Running { call, pin, blocks, private, kv: cached * block, target, generated, output, chunk: 0 })
    }

    /// The cached prefix of a call: its deepest node, and the blocks that count. The last token is
    /// always computed.
    fn match_prefix(&self, call: u32, target: u64, shared: &Shared<'_>) -> (NodeId, u64) {
        if !shared.config.cache {
            return (ROOT, 0);
        }
        let (node, blocks) = self.cache.longest(shared.tree.prompt(call));
        (node, u64::from(blocks).min((target - 1) / self.cache.block_tokens()))
    }

    /// Pins a prefix and takes blocks beside it, leaving room for one token of every decoding call.
    /// Returns false, with nothing changed, when there is no room.
    fn seize(&mut self, pin: NodeId, private: u64) -> bool {
        self.cache.pin(pin);
        let fits = private + self.growth(1) <= self.cache.available() && self.cache.take(private);
        if !fits {
            self.cache.unpin(pin, false);
        }
        fits
    }

    /// Completes the present plan. Returns the calls that ended.
    pub(super) fn complete(&mut self, now: Ps, shared: &mut Shared<'_>) -> Vec<u32> {
        let Some(plan) = self.plan.take() else { return Vec::new() };
        self.busy += plan.end - plan.start;
        self.steps += plan.steps;
        self.grow(plan.steps);
        let mut ended = Vec::new();
        let mut running = std::mem::take(&mut self.running);
        for slot in &mut running {
            if slot.chunk > 0 {
                slot.kv += slot.chunk;
                let written =
                    if shared.config.cache { self.publish(slot, shared.tree.prompt(slot.call)) } else { 0 };
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
                self.release(slot, shared);
                shared.finished(slot.call, now, slot.generated);
                ended.push(slot.call);
            }
            !done
        });
        self.running = running;
        ended
    }

    /// Takes the blocks that `steps` decode steps filled.
    fn grow(&mut self, steps: u64) {
        let block = self.cache.block_tokens();
        for slot in self.running.iter_mut().filter(|slot| slot.decoding()) {
            let more = (slot.kv + steps).div_ceil(block).saturating_sub(slot.blocks);
            let taken = self.cache.take(more);
            debug_assert!(taken, "the stretch was planned within the room there is");
            slot.blocks += more;
            slot.private += more;
        }
    }

    /// Makes a call's full blocks on the way to `node` available to others.
    fn publish(&mut self, slot: &mut Running, node: NodeId) -> u64 {
        let block = self.cache.block_tokens();
        let (pin, moved) = self.cache.publish(slot.pin, node, (slot.kv / block) as u32);
        slot.pin = pin;
        slot.private -= moved;
        moved * block
    }

    fn release(&mut self, slot: &mut Running, shared: &Shared<'_>) {
        if shared.config.cache {
            self.publish(slot, shared.tree.reply(slot.call));
        }
        self.cache.unpin(slot.pin, true);
        self.cache.give(slot.private);
        self.load.calls -= 1;
        self.load.tokens -= u64::from(shared.work.calls[slot.call as usize].prompt_tokens);
    }
}
