//! One engine, one step at a time.

use super::memory::{Block, Memory, Way};
use super::{Setup, us};
use atr_core::trace::{CallOutcome, WorkCall};
use std::collections::{HashSet, VecDeque};

/// A call that runs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) call: usize,
    way: Way,
    /// Blocks of its way that it found or made.
    pinned: usize,
    /// Blocks that it has besides those in the cache.
    pub(crate) own: u64,
    /// Blocks that hold its tokens.
    blocks: u64,
    kv: u64,
    target: u64,
    generated: u64,
    output: u64,
    chunk: u64,
}

impl Running {
    /// Blocks that may not go while it runs.
    pub(crate) fn kept(&self) -> &[Block] {
        let until = self.way.kept(self.pinned).min(self.way.reply.len());
        &self.way.reply[..until]
    }

    fn decodes(&self) -> bool {
        self.kv >= self.target
    }
}

/// One engine.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    number: u32,
    /// Calls with the tokens that they have made already.
    pub(crate) waiting: VecDeque<(usize, u64)>,
    pub(crate) running: Vec<Running>,
    pub(crate) memory: Memory,
    /// When the present step ends, and when it began.
    pub(crate) step: Option<(u64, u64)>,
    pub(crate) busy: u64,
    pub(crate) steps: u64,
    pub(crate) preemptions: u64,
}

/// What replicas write to.
pub(crate) struct Book<'a> {
    pub(crate) calls: &'a [WorkCall],
    pub(crate) ways: &'a [Way],
    pub(crate) setup: &'a Setup,
    pub(crate) out: Vec<CallOutcome>,
    /// Blocks that a cache without end would hold.
    pub(crate) ever: HashSet<Block>,
}

impl Replica {
    pub(crate) fn new(number: u32, setup: &Setup) -> Self {
        Replica {
            number,
            waiting: VecDeque::new(),
            running: Vec::new(),
            memory: Memory::new(setup.capacity_blocks, setup.cache),
            step: None,
            busy: 0,
            steps: 0,
            preemptions: 0,
        }
    }

    /// Calls that it has, and the tokens of their prompts.
    pub(crate) fn load(&self, calls: &[WorkCall]) -> (usize, u64) {
        let waiting = self.waiting.iter().map(|&(call, _)| call);
        let all: Vec<usize> = waiting.chain(self.running.iter().map(|slot| slot.call)).collect();
        (all.len(), all.iter().map(|&call| u64::from(calls[call].prompt_tokens)).sum())
    }

    /// Blocks that the calls that decode lack for one more token each.
    fn lacking(&self, block: u64) -> u64 {
        let decoding = self.running.iter().filter(|slot| slot.decodes());
        decoding.map(|slot| (slot.kv + 1).div_ceil(block).saturating_sub(slot.blocks)).sum()
    }

    /// Begins a step, if there is anything to do.
    pub(crate) fn plan(&mut self, now: u64, book: &mut Book<'_>) {
        let block = book.setup.block;
        while self.lacking(block) > self.memory.available(&self.running) {
            let last = self.running.pop().unwrap();
            self.memory.let_go(last.kept());
            self.waiting.push_front((last.call, last.generated));
            self.preemptions += 1;
        }
        let decoding = self.running.iter().filter(|slot| slot.decodes()).count() as u64;
        let mut budget = book.setup.step_tokens.saturating_sub(decoding);
        for slot in self.running.iter_mut().filter(|slot| !slot.decodes()) {
            slot.chunk = budget.min(slot.target - slot.kv);
            budget -= slot.chunk;
        }
        while budget > 0 && self.running.len() < book.setup.max_batch {
            let Some(&(call, generated)) = self.waiting.front() else { break };
            let Some(mut slot) = self.admit(call, generated, book) else { break };
            self.waiting.pop_front();
            slot.chunk = budget.min(slot.target - slot.kv);
            budget -= slot.chunk;
            book.admitted(&slot, now, self.number);
            self.running.push(slot);
        }
        self.begin(now, book.setup);
    }

    fn begin(&mut self, now: u64, setup: &Setup) {
        let costs = &setup.costs;
        let (mut cost, mut works) = (u128::from(costs.step), false);
        for slot in &self.running {
            if slot.decodes() {
                works = true;
                cost += u128::from(costs.sequence) + u128::from(costs.kv_token) * u128::from(slot.kv + 1);
            } else if slot.chunk > 0 {
                works = true;
                let pairs = slot.chunk * slot.kv + slot.chunk * slot.chunk / 2;
                cost += u128::from(costs.prefill_token) * u128::from(slot.chunk);
                cost += u128::from(costs.attention_pair) * u128::from(pairs);
                if slot.kv + slot.chunk == slot.target {
                    cost += u128::from(costs.prompt);
                }
            }
        }
        if works {
            self.step = Some((now + u64::try_from(cost).unwrap(), now));
        }
    }

    /// Lets a call in, if there is room.
    fn admit(&mut self, call: usize, generated: u64, book: &Book<'_>) -> Option<Running> {
        let (setup, asked) = (book.setup, &book.calls[call]);
        let block = setup.block;
        let target = (u64::from(asked.prompt_tokens) + generated).max(1);
        let room = setup.capacity_blocks * block - u64::from(asked.prompt_tokens);
        let reserved = if setup.reserve { u64::from(asked.max_tokens).min(room) } else { 0 };
        let blocks = (target + reserved.saturating_sub(generated)).div_ceil(block);
        let found = self.memory.found(&book.ways[call].prompt);
        let mut slot = Running {
            call,
            way: book.ways[call].clone(),
            pinned: found,
            own: 0,
            blocks,
            kv: (found as u64).min((target - 1) / block) * block,
            target,
            generated,
            output: asked.output_tokens.into(),
            chunk: 0,
        };
        let lacking = self.lacking(block);
        if !self.seat(&slot, lacking, block) {
            // Alone on the replica, a call gets in without what it would find.
            (slot.pinned, slot.kv) = (0, 0);
            if !self.running.is_empty() || !self.seat(&slot, 0, block) {
                return None;
            }
        }
        slot.own = blocks - slot.kv / block;
        Some(slot)
    }

    /// Makes room for a call's own blocks beside what it keeps, leaving what others lack.
    fn seat(&mut self, slot: &Running, lacking: u64, block: u64) -> bool {
        let own = slot.blocks - slot.kv / block;
        self.running.push(slot.clone());
        let fits = own + lacking <= self.memory.available(&self.running);
        if fits {
            self.memory.make_room(own, &self.running);
        }
        self.running.pop();
        fits
    }

    /// Ends the present step. Returns the calls that ended.
    pub(crate) fn complete(&mut self, now: u64, book: &mut Book<'_>) -> Vec<usize> {
        let (end, start) = self.step.take().unwrap();
        self.busy += end - start;
        self.steps += 1;
        let block = book.setup.block;
        for place in 0..self.running.len() {
            let slot = &self.running[place];
            let more =
                if slot.decodes() { (slot.kv + 1).div_ceil(block).saturating_sub(slot.blocks) } else { 0 };
            self.memory.make_room(more, &self.running);
            self.running[place].own += more;
            self.running[place].blocks += more;
        }
        for slot in &mut self.running {
            let out = &mut book.out[slot.call];
            if slot.decodes() {
                slot.kv += 1;
                slot.generated += 1;
            } else if slot.chunk > 0 {
                slot.kv += slot.chunk;
                out.computed_tokens += slot.chunk;
                let full = ((slot.kv / block) as usize).min(slot.way.prompt.len());
                let moved = self.memory.put(&slot.way.prompt[..full]);
                slot.own -= moved;
                out.cache_write_tokens += moved * block;
                slot.pinned = if book.setup.cache { slot.pinned.max(full) } else { 0 };
                slot.chunk = 0;
                if slot.decodes() {
                    slot.generated += u64::from(slot.output > 0);
                    out.first_token_us.get_or_insert(us(now));
                }
            }
        }
        let over = |slot: &Running| slot.decodes() && slot.generated >= slot.output;
        let ended: Vec<Running> = self.running.iter().filter(|slot| over(slot)).cloned().collect();
        for mut slot in ended.iter().cloned() {
            let full = ((slot.kv / block) as usize).min(slot.way.reply.len());
            slot.own -= self.memory.put(&slot.way.reply[..full]);
            slot.pinned = if book.setup.cache { slot.pinned.max(full) } else { 0 };
            self.memory.let_go(slot.kept());
            book.out[slot.call].finished_us = Some(us(now));
            book.out[slot.call].output_tokens = slot.generated;
            self.running.retain(|other| other.call != slot.call);
        }
        ended.into_iter().map(|slot| slot.call).collect()
    }
}

impl Book<'_> {
    fn admitted(&mut self, slot: &Running, now: u64, replica: u32) {
        let (out, asked, block) = (&mut self.out[slot.call], &self.calls[slot.call], self.setup.block);
        if out.admitted_us.is_some() {
            out.preemptions += 1;
            return;
        }
        let prompt = u64::from(asked.prompt_tokens);
        let seen = slot.way.prompt.iter().take_while(|block| self.ever.contains(block)).count() as u64;
        out.ceiling_tokens = seen.min(prompt.saturating_sub(1) / block) * block;
        out.admitted_us = Some(us(now));
        out.replica = Some(replica);
        out.cached_tokens.device = slot.kv;
        let first = |way: &[Block], tokens: u64| way[..((tokens / block) as usize).min(way.len())].to_vec();
        let all = prompt + u64::from(asked.output_tokens).saturating_sub(1);
        self.ever.extend(first(&slot.way.prompt, prompt));
        self.ever.extend(first(&slot.way.reply, all));
    }
}
