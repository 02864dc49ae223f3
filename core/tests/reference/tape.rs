//! Numbers that a case is drawn from: at random, or shrunk by whoever looks for a smaller case that fails.

use atr_core::synth::Chance;

/// Numbers of a case: more than the largest draws, which is 478.
pub(crate) const DRAWS: usize = 512;

/// Numbers read one after the other; a case that wants more than there are fails.
pub(crate) struct Tape {
    numbers: Vec<u64>,
    at: usize,
}

impl Tape {
    pub(crate) fn new(numbers: Vec<u64>) -> Self {
        Tape { numbers, at: 0 }
    }

    /// Numbers of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        Tape::new((0..DRAWS).map(|_| chance.bits()).collect())
    }

    /// A number below `most`; 0 is the smallest case.
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        let next = self.numbers[self.at];
        self.at += 1;
        next % most
    }

    /// A number of a range, its end left out.
    pub(crate) fn within(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    pub(crate) fn one_of<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as u64) as usize]
    }

    pub(crate) fn flip(&mut self) -> bool {
        self.below(2) == 1
    }
}
