//! A moving quantile per tool and sizes: what calls needed that were told as much, in sessions that answer as long.

use super::per_key::PerKeyQuantile;
use super::window::{ENOUGH, WINDOW, Window};
use super::{COVERED, Kind, Predictor};
use crate::choice::{About, Choice, Param};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

pub(super) const ABOUT: About = About {
    name: "per-growth",
    about: "a moving quantile per tool, by how much it told and how long the session's last replies were",
    params: &[
        COVERED,
        Param {
            key: "recent",
            about: "replies of a session that its length is the mean of",
            default: 5.0,
            whole: true,
            range: (1.0, 4_096.0),
        },
    ],
    presets: &[],
};

/// The tool, the octave of what is new, and the octave of the session's mean length, in whole powers of two; nothing
/// for what is not looked at, or not known.
type Class = (u32, u32, Option<u32>);

/// A moving quantile per tool, octave of new tokens and octave of the session's last lengths (their geometric mean);
/// while that has too few, per tool and octave of new tokens; then as `per-tool`.
#[derive(Clone, Debug)]
pub(super) struct PerGrowth {
    percent: usize,
    recent: usize,
    classes: FxHashMap<Class, Window>,
    tools: PerKeyQuantile,
    /// Logarithms of the last lengths by session.
    last: Vec<VecDeque<f64>>,
}

/// The logarithm to base two of one more than the tokens.
fn log_tokens(tokens: u64) -> f64 {
    libm::log2(1.0 + tokens as f64)
}

impl PerGrowth {
    pub(super) fn new(keys: usize, sessions: usize, choice: &Choice) -> Self {
        let percent = choice.whole("percent") as usize;
        PerGrowth {
            percent,
            recent: choice.whole("recent") as usize,
            classes: FxHashMap::default(),
            tools: PerKeyQuantile::new(keys, percent),
            last: vec![VecDeque::new(); sessions],
        }
    }

    /// From what is told most of a call to what is told least.
    fn classes(&self, kind: &Kind) -> [Class; 2] {
        let new = (1 + u64::from(kind.new_tokens)).ilog2();
        let last = self.last.get(kind.session as usize).filter(|last| !last.is_empty());
        let mean = last.map(|last| (last.iter().sum::<f64>() / last.len() as f64) as u32);
        // One more than the octave, so that a session without replies is a class of its own.
        [(kind.key, new, Some(mean.map_or(0, |mean| mean + 1))), (kind.key, new, None)]
    }
}

impl Predictor for PerGrowth {
    fn predict(&self, kind: &Kind) -> Option<u64> {
        let of =
            |class: Class| self.classes.get(&class).and_then(|window| window.quantile(self.percent, ENOUGH));
        self.classes(kind).into_iter().find_map(of).or_else(|| self.tools.predict(kind))
    }

    fn observe(&mut self, kind: &Kind, output_tokens: u64) {
        for class in self.classes(kind) {
            self.classes.entry(class).or_default().add(output_tokens, WINDOW);
        }
        self.tools.observe(kind, output_tokens);
        if let Some(last) = self.last.get_mut(kind.session as usize) {
            if last.len() >= self.recent {
                last.pop_front();
            }
            last.push_back(log_tokens(output_tokens));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice;
    use crate::synth::Chance;

    fn predictor(text: &str, sessions: usize) -> PerGrowth {
        PerGrowth::new(1, sessions, &choice::choose(&[ABOUT], text).unwrap())
    }

    fn told(session: u32, new_tokens: u32) -> Kind {
        Kind { session, new_tokens, ..Kind::default() }
    }

    /// Eight calls told 100 tokens make 1 to 8, eight told 1,000 make 11 to 18: of each the fourth covers half. 64 and 126
    /// are of the octave of 100 (64 ≤ 1 + n < 128); 127 begins the next, which has nothing: the tool's sixteen stand in, of
    /// which the eighth is 8.
    #[test]
    fn what_is_told_decides() {
        let mut predictor = predictor("per-growth:percent=50", 40);
        for n in 1..=8 {
            assert_eq!(predictor.predict(&told(39, 100)), None);
            predictor.observe(&told(n as u32, 100), n);
        }
        for n in 1..=8 {
            predictor.observe(&told(20 + n as u32, 1_000), 10 + n);
        }
        assert_eq!(predictor.predict(&told(39, 126)), Some(4));
        assert_eq!(predictor.predict(&told(39, 64)), Some(4));
        assert_eq!(predictor.predict(&told(39, 600)), Some(14));
        assert_eq!(predictor.predict(&told(39, 127)), Some(8));
    }

    /// Two sessions told alike: one answers 10 tokens, the other 1,000. Each is told from the other once eight calls of its
    /// class have ended; a third, of which nothing is known, has what both made.
    #[test]
    fn the_sessions_last_lengths_decide_too() {
        let mut predictor = predictor("per-growth:percent=50,recent=2", 3);
        for _ in 0..12 {
            predictor.observe(&told(0, 100), 10);
            predictor.observe(&told(1, 100), 1_000);
        }
        assert_eq!(predictor.predict(&told(0, 100)), Some(10));
        assert_eq!(predictor.predict(&told(1, 100)), Some(1_000));
        assert_eq!(predictor.predict(&told(2, 100)), Some(10), "the twelfth of 24");
        // Two long replies, and the first session is as the second.
        predictor.observe(&told(0, 9), 1_000);
        predictor.observe(&told(0, 9), 1_000);
        assert_eq!(predictor.predict(&told(0, 100)), Some(1_000));
    }

    /// Lengths that grow with what is told, times up to two: the share is covered in every octave.
    #[test]
    fn it_covers_its_share() {
        let mut predictor = predictor("per-growth", 1);
        let mut chance = Chance::new(9);
        let (mut covered, mut count) = (0, 0);
        for call in 0..9_000 {
            let kind = told(7, 50 << (call % 4));
            let real = (f64::from(kind.new_tokens) * (1.0 + chance.uniform())) as u64;
            if call >= 3_000 {
                count += 1;
                covered += u32::from(predictor.predict(&kind).unwrap() >= real);
            }
            predictor.observe(&kind, real);
        }
        let share = f64::from(covered) / f64::from(count);
        assert!((0.88..0.93).contains(&share), "{share}");
    }
}
