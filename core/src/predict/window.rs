//! A moving window of lengths, in order of arrival and in order of size.

use std::collections::VecDeque;

/// How many ended calls a quantile rests on at most, where nothing else is asked for.
pub(super) const WINDOW: usize = 256;
/// How many it needs at least, where nothing else is asked for.
pub(super) const ENOUGH: usize = 8;

/// The last lengths of something.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    recent: VecDeque<u64>,
    sorted: Vec<u64>,
}

impl Window {
    /// Takes a length in and forgets the oldest beyond `most`.
    pub(super) fn add(&mut self, value: u64, most: usize) {
        if self.recent.len() >= most {
            let oldest = self.recent.pop_front().unwrap_or_default();
            if let Ok(at) = self.sorted.binary_search(&oldest) {
                self.sorted.remove(at);
            }
        }
        self.recent.push_back(value);
        let at = self.sorted.partition_point(|&known| known < value);
        self.sorted.insert(at, value);
    }

    /// The smallest value that covers a share of `percent`; none of fewer than `enough`.
    pub(super) fn quantile(&self, percent: usize, enough: usize) -> Option<u64> {
        if self.sorted.len() < enough {
            return None;
        }
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied()
    }
}
