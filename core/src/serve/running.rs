//! The calls that a replica works on.
//!
//! Prompts are computed in order of admission, so the calls that decode stand before those whose prompt is not
//! complete. Every step gives each call that decodes one token: what it holds and when it ends follow from the number of
//! steps, and a stretch of steps touches no call.

use super::cache::Lease;

/// A call that a replica works on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    pub(super) call: u32,
    /// The memory that it holds.
    pub(super) lease: Lease,
    /// Tokens in the cache, when it began to decode or, before that, now.
    pub(super) kv: u64,
    /// Tokens that must be there before the next token can be made.
    pub(super) target: u64,
    /// Tokens made, when it began to decode.
    pub(super) generated: u64,
    /// Tokens to make.
    pub(super) output: u64,
    /// Prompt tokens computed in the present step.
    pub(super) chunk: u64,
    /// The replica's step after which it began to decode.
    since: u64,
}

impl Running {
    /// A call that was admitted with the first `kv` of `target` tokens.
    pub(super) fn new(call: u32, lease: Lease, target: u64, generated: u64, output: u64) -> Self {
        let kv = lease.device_tokens + lease.host_tokens;
        Running { call, lease, kv, target, generated, output, chunk: 0, since: 0 }
    }
}

/// All calls of a replica, in order of admission.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    block: u64,
    all: Vec<Running>,
    /// By decoding call, the step after which it ends.
    ends: Vec<u64>,
    /// By decoding call, the last step for which it has blocks.
    rooms: Vec<u64>,
    first_end: u64,
    first_room: u64,
    /// Steps so far.
    pub(super) steps: u64,
    /// Tokens of the calls that decode.
    pub(super) kv_tokens: u64,
}

impl Batch {
    pub(super) fn new(block: u64) -> Self {
        Batch {
            block,
            all: Vec::new(),
            ends: Vec::new(),
            rooms: Vec::new(),
            first_end: u64::MAX,
            first_room: u64::MAX,
            steps: 0,
            kv_tokens: 0,
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.all.len() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = u32> + '_ {
        self.all.iter().map(|slot| slot.call)
    }

    pub(super) fn push(&mut self, slot: Running) {
        self.all.push(slot);
    }

    /// How many decode.
    pub(super) fn decoding(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Those whose prompt is not complete.
    pub(super) fn prefilling(&self) -> &[Running] {
        &self.all[self.ends.len()..]
    }

    pub(super) fn prefilling_mut(&mut self) -> &mut [Running] {
        &mut self.all[self.ends.len()..]
    }

    /// The first of them can make tokens from now on.
    pub(super) fn begin_to_decode(&mut self) {
        let slot = &mut self.all[self.ends.len()];
        debug_assert!(slot.kv >= slot.target, "prompts complete in order");
        slot.since = self.steps;
        let end = self.steps + slot.output.saturating_sub(slot.generated);
        let room = self.steps + (slot.lease.blocks * self.block).saturating_sub(slot.kv);
        self.kv_tokens += slot.kv;
        self.ends.push(end);
        self.rooms.push(room);
        self.first_end = self.first_end.min(end);
        self.first_room = self.first_room.min(room);
    }

    /// Steps until a call ends.
    pub(super) fn until_end(&self) -> u64 {
        self.first_end.saturating_sub(self.steps)
    }

    /// Blocks that the decoding calls will need for so many steps.
    pub(super) fn growth(&self, steps: u64) -> u64 {
        let until = self.steps + steps;
        if until <= self.first_room {
            return 0;
        }
        self.rooms.iter().map(|&room| until.saturating_sub(room).div_ceil(self.block)).sum()
    }

    /// Whether the blocks for so many steps are certainly no more than `available`.
    pub(super) fn fits(&self, steps: u64, available: u64) -> bool {
        self.decoding() * (steps / self.block + 1) <= available
    }

    /// Counts steps that were done; `extend` gives a call blocks that it needs for them.
    pub(super) fn advance(&mut self, steps: u64, mut extend: impl FnMut(&mut Lease, u64)) {
        self.steps += steps;
        self.kv_tokens += steps * self.decoding();
        if self.steps <= self.first_room {
            return;
        }
        self.first_room = u64::MAX;
        for (slot, room) in self.all.iter_mut().zip(&mut self.rooms) {
            if *room < self.steps {
                let blocks = (self.steps - *room).div_ceil(self.block);
                extend(&mut slot.lease, blocks);
                *room += blocks * self.block;
            }
            self.first_room = self.first_room.min(*room);
        }
    }

    /// The calls that decode, with the tokens that they have made.
    pub(super) fn made(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let decoding = &self.all[..self.ends.len()];
        decoding.iter().map(|slot| (slot.call, slot.generated + (self.steps - slot.since)))
    }

    /// Takes a call out, as it is now.
    pub(super) fn remove(&mut self, place: usize) -> Running {
        let mut slot = self.all.remove(place);
        if place < self.ends.len() {
            self.ends.remove(place);
            self.rooms.remove(place);
            self.leave(&mut slot);
            self.look_ahead();
        }
        slot
    }

    /// Takes out the calls that have made all their tokens, in order.
    pub(super) fn take_ended(&mut self, mut ended: impl FnMut(Running)) {
        if self.first_end > self.steps {
            return;
        }
        let mut kept = 0;
        let decoding = self.ends.len();
        for at in 0..self.all.len() {
            if at < decoding && self.ends[at] <= self.steps {
                let mut slot = self.all[at];
                self.leave(&mut slot);
                ended(slot);
                continue;
            }
            if kept < at {
                self.all[kept] = self.all[at];
                if at < decoding {
                    (self.ends[kept], self.rooms[kept]) = (self.ends[at], self.rooms[at]);
                }
            }
            kept += 1;
        }
        let gone = self.all.len() - kept;
        self.all.truncate(kept);
        self.ends.truncate(decoding - gone);
        self.rooms.truncate(decoding - gone);
        self.look_ahead();
    }

    fn leave(&mut self, slot: &mut Running) {
        let steps = self.steps - slot.since;
        slot.kv += steps;
        slot.generated += steps;
        self.kv_tokens -= slot.kv;
    }

    fn look_ahead(&mut self) {
        self.first_end = self.ends.iter().copied().min().unwrap_or(u64::MAX);
        self.first_room = self.rooms.iter().copied().min().unwrap_or(u64::MAX);
    }
}
