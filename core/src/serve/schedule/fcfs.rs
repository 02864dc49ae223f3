//! First come, first served.

use super::{Queue, Waiting};
use std::collections::VecDeque;

/// First come, first served.
#[derive(Clone, Debug, Default)]
pub struct Fcfs {
    calls: VecDeque<u32>,
}

impl Queue for Fcfs {
    fn push(&mut self, waiting: Waiting) {
        self.calls.push_back(waiting.call);
    }

    fn take_back(&mut self, call: u32) {
        self.calls.push_front(call);
    }

    fn head(&self) -> Option<u32> {
        self.calls.front().copied()
    }

    fn pop(&mut self) -> Option<u32> {
        self.calls.pop_front()
    }

    fn keeps_head(&self) -> bool {
        true
    }

    fn reads_service(&self) -> bool {
        false
    }
}
