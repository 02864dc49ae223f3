//! A moving quantile per tool: what calls after this tool mostly needed.

use super::window::{ENOUGH, WINDOW, Window};
use super::{COVERED, Kind, Predictor};
use crate::choice::About;

pub(super) const ABOUT: About = About {
    name: "per-tool",
    about: "a moving quantile per tool answered last",
    params: &[COVERED],
    presets: &[],
};

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
        let own = self.keys.get(kind.key as usize).and_then(|window| window.quantile(self.percent, ENOUGH));
        own.or_else(|| self.all.quantile(self.percent, ENOUGH))
    }

    fn observe(&mut self, kind: &Kind, output_tokens: u64) {
        if let Some(window) = self.keys.get_mut(kind.key as usize) {
            window.add(output_tokens, WINDOW);
        }
        self.all.add(output_tokens, WINDOW);
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
