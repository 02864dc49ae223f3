//! A moving quantile per tool: what calls after this tool mostly needed.

use super::Predictor;
use std::collections::VecDeque;

/// How many ended calls a quantile rests on at most.
const WINDOW: usize = 256;
/// How many it needs at least.
const ENOUGH: usize = 8;

/// A moving window, in order of arrival and in order of size.
#[derive(Clone, Debug, Default)]
struct Window {
    recent: VecDeque<u64>,
    sorted: Vec<u64>,
}

impl Window {
    fn add(&mut self, value: u64) {
        if self.recent.len() == WINDOW {
            let oldest = self.recent.pop_front().unwrap_or_default();
            if let Ok(at) = self.sorted.binary_search(&oldest) {
                self.sorted.remove(at);
            }
        }
        self.recent.push_back(value);
        let at = self.sorted.partition_point(|&known| known < value);
        self.sorted.insert(at, value);
    }

    /// The smallest value that covers a share of `percent`.
    fn quantile(&self, percent: usize) -> Option<u64> {
        if self.sorted.len() < ENOUGH {
            return None;
        }
        let rank = (self.sorted.len() * percent).div_ceil(100).max(1);
        self.sorted.get(rank - 1).copied()
    }
}

/// A moving quantile per key, and over all keys while a key has too few.
#[derive(Clone, Debug)]
pub struct PerKeyQuantile {
    percent: usize,
    keys: Vec<Window>,
    all: Window,
}

impl PerKeyQuantile {
    /// A predictor that aims to cover `percent` of the calls.
    pub fn new(keys: usize, percent: usize) -> Self {
        PerKeyQuantile { percent, keys: vec![Window::default(); keys], all: Window::default() }
    }
}

impl Predictor for PerKeyQuantile {
    fn predict(&self, key: u32) -> Option<u64> {
        let own = self.keys.get(key as usize).and_then(|window| window.quantile(self.percent));
        own.or_else(|| self.all.quantile(self.percent))
    }

    fn observe(&mut self, key: u32, output_tokens: u64) {
        if let Some(window) = self.keys.get_mut(key as usize) {
            window.add(output_tokens);
        }
        self.all.add(output_tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covers_its_share_of_what_it_saw() {
        let mut predictor = PerKeyQuantile::new(2, 90);
        assert_eq!(predictor.predict(0), None);
        (1..=100).for_each(|n| predictor.observe(0, n));
        assert_eq!(predictor.predict(0), Some(90));
        // A key without history falls back on all.
        assert_eq!(predictor.predict(1), Some(90));
        // The window forgets: 256 small ones push the large ones out.
        (0..256).for_each(|_| predictor.observe(0, 3));
        assert_eq!(predictor.predict(0), Some(3));
    }
}
