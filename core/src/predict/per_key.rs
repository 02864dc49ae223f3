//! A moving quantile per tool: what calls after this tool mostly needed.

use super::{Kind, Predictor};
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
    fn predict(&self, kind: &Kind) -> Option<u64> {
        let own = self.keys.get(kind.key as usize).and_then(|window| window.quantile(self.percent));
        own.or_else(|| self.all.quantile(self.percent))
    }

    fn observe(&mut self, kind: &Kind, output_tokens: u64) {
        if let Some(window) = self.keys.get_mut(kind.key as usize) {
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
        let [zero, one] = [0, 1].map(|key| Kind { key, ..Kind::default() });
        assert_eq!(predictor.predict(&zero), None);
        (1..=100).for_each(|n| predictor.observe(&zero, n));
        assert_eq!(predictor.predict(&zero), Some(90));
        // A key without history falls back on all.
        assert_eq!(predictor.predict(&one), Some(90));
        // The window forgets: 256 small ones push the large ones out.
        (0..256).for_each(|_| predictor.observe(&zero, 3));
        assert_eq!(predictor.predict(&zero), Some(3));
    }
}
