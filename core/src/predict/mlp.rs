//! A small multi-layer perceptron over metadata, learned while calls end.

use super::{COVERED, Kind, Predictor};
use crate::choice::{About, Choice, Param};
use crate::synth::Chance;

pub(super) const ABOUT: About = About {
    name: "mlp",
    about: "a perceptron of 16 hidden units over the tool, the sizes, what is new and the session's last lengths, learned as calls end",
    params: &[
        COVERED,
        Param {
            key: "rate",
            about: "how far one call moves the weights at first",
            default: 0.02,
            whole: false,
            range: (1e-6, 1.0),
        },
        Param { key: "seed", about: "of the first weights", default: 1.0, whole: true, range: (0.0, 9e15) },
    ],
    presets: &[],
};

/// Hidden units.
const HIDDEN: usize = 16;
/// Inputs besides the key: prompt, cap, what is new, the session's last two lengths, and whether it has one.
const INPUTS: usize = 6;
/// Ended calls before anything is predicted.
const ENOUGH: u64 = 8;
/// Ended calls that move the weights at the full rate.
const FULL_RATE: f64 = 256.0;
/// Logarithms of token counts are divided by it, to be about 1.
const SCALE: f64 = 8.0;
/// Weights of the first layer are spread this far around 0.
const SPREAD: f64 = 0.5;

/// One hidden layer of rectified units over the logarithms of sizes; a key adds a row of its own to the hidden
/// units. With k keys it has (6 + 1 + k) · 16 + 17 numbers: 609 for 30 tools. Its output is the logarithm of one
/// more than the tokens, at the quantile that it is to cover: each ended call moves the weights one step down the
/// slope of the quantile's loss. Sums go in a fixed order and logarithms through `libm`, so that results are bit-equal
/// on every target.
#[derive(Clone, Debug)]
pub(super) struct Mlp {
    quantile: f64,
    rate: f64,
    /// By key; the last for keys beyond those that were promised.
    keys: Vec<[f64; HIDDEN]>,
    inputs: [[f64; HIDDEN]; INPUTS],
    bias: [f64; HIDDEN],
    output: [f64; HIDDEN],
    /// Added to the output.
    level: f64,
    /// The last two lengths by session, the later first.
    last: Vec<[Option<f64>; 2]>,
    seen: u64,
}

/// What the network saw and made of it.
struct Pass {
    inputs: [f64; INPUTS],
    hidden: [f64; HIDDEN],
    output: f64,
}

fn log_tokens(tokens: u64) -> f64 {
    libm::log(1.0 + tokens as f64) / SCALE
}

impl Mlp {
    pub(super) fn new(keys: usize, sessions: usize, choice: &Choice) -> Self {
        let mut chance = Chance::new(choice.whole("seed"));
        let mut row = |spread: f64| std::array::from_fn(|_| spread * (2.0 * chance.uniform() - 1.0));
        Mlp {
            quantile: choice.get("percent") / 100.0,
            rate: choice.get("rate"),
            inputs: std::array::from_fn(|_| row(SPREAD)),
            bias: row(SPREAD),
            output: row(SPREAD),
            keys: vec![[0.0; HIDDEN]; keys + 1],
            level: 0.0,
            last: vec![[None; 2]; sessions],
            seen: 0,
        }
    }

    /// The rate's factor: 1 at first, then one over the root of the calls seen, and a tenth at last, since what is
    /// asked changes.
    fn cooling(&self) -> f64 {
        (FULL_RATE / self.seen as f64).sqrt().clamp(0.1, 1.0)
    }

    fn key(&self, kind: &Kind) -> usize {
        (kind.key as usize).min(self.keys.len() - 1)
    }

    fn pass(&self, kind: &Kind) -> Pass {
        let [last, before] = self.last.get(kind.session as usize).copied().unwrap_or_default();
        let inputs = [
            log_tokens(kind.prompt_tokens.into()),
            log_tokens(kind.max_tokens.into()),
            log_tokens(kind.new_tokens.into()),
            last.unwrap_or(0.0),
            before.or(last).unwrap_or(0.0),
            f64::from(u8::from(last.is_some())),
        ];
        let mut hidden = self.bias;
        for (unit, key) in hidden.iter_mut().zip(&self.keys[self.key(kind)]) {
            *unit += key;
        }
        for (input, weights) in inputs.iter().zip(&self.inputs) {
            for (unit, weight) in hidden.iter_mut().zip(weights) {
                *unit += input * weight;
            }
        }
        let mut output = self.level;
        for (unit, weight) in hidden.iter_mut().zip(&self.output) {
            *unit = unit.max(0.0);
            output += *unit * weight;
        }
        Pass { inputs, hidden, output }
    }
}

impl Predictor for Mlp {
    fn predict(&self, kind: &Kind) -> Option<u64> {
        if self.seen < ENOUGH {
            return None;
        }
        let most = log_tokens(kind.max_tokens.into());
        let log = self.pass(kind).output.clamp(0.0, most) * SCALE;
        Some((libm::round(libm::exp(log) - 1.0) as u64).clamp(1, u64::from(kind.max_tokens).max(1)))
    }

    fn observe(&mut self, kind: &Kind, output_tokens: u64) {
        let real = log_tokens(output_tokens);
        if self.seen == 0 {
            // Begin where the first call is, instead of learning the level step by step.
            self.level += real - self.pass(kind).output;
        }
        self.seen += 1;
        let pass = self.pass(kind);
        let slope = if real > pass.output { -self.quantile } else { 1.0 - self.quantile };
        let step = self.rate * self.cooling() * slope;
        let key = self.key(kind);
        for unit in 0..HIDDEN {
            if pass.hidden[unit] > 0.0 {
                let back = step * self.output[unit];
                self.bias[unit] -= back;
                self.keys[key][unit] -= back;
                for (weights, input) in self.inputs.iter_mut().zip(pass.inputs) {
                    weights[unit] -= back * input;
                }
            }
            self.output[unit] -= step * pass.hidden[unit];
        }
        self.level -= step;
        if let Some(last) = self.last.get_mut(kind.session as usize) {
            *last = [Some(real), last[0]];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice;

    fn mlp(text: &str, keys: usize, sessions: usize) -> Mlp {
        Mlp::new(keys, sessions, &choice::choose(&[ABOUT], text).unwrap())
    }

    fn kind(key: u32, session: u32) -> Kind {
        Kind { key, session, prompt_tokens: 2_000, new_tokens: 0, max_tokens: 16_384 }
    }

    /// Two hidden units switched on by hand: the output, and one step of learning.
    #[test]
    fn a_pass_and_a_step_are_those_of_the_hand() {
        let mut mlp = mlp("mlp:percent=75,rate=0.1", 1, 1);
        mlp.inputs = [[0.0; HIDDEN]; INPUTS];
        (mlp.bias, mlp.output, mlp.level) = ([0.0; HIDDEN], [0.0; HIDDEN], 0.25);
        mlp.seen = ENOUGH;
        // Unit 0 sees the prompt with weight 2, unit 1 is switched off by its key.
        (mlp.inputs[0][0], mlp.output[0]) = (2.0, 0.5);
        (mlp.keys[0][1], mlp.output[1]) = (-1.0, 3.0);
        let x = libm::log(2_001.0) / 8.0;
        let pass = mlp.pass(&kind(0, 0));
        assert_eq!((pass.hidden[0], pass.hidden[1]), (2.0 * x, 0.0));
        assert_eq!(pass.output, 0.25 + 2.0 * x * 0.5);
        let expected = libm::round(libm::exp((0.25 + x) * 8.0) - 1.0) as u64;
        assert_eq!(expected, 14_785);
        assert_eq!(mlp.predict(&kind(0, 0)), Some(14_785));
        // The call made less: a step of 0.1 · 0.25 down.
        mlp.observe(&kind(0, 0), 100);
        assert_eq!(mlp.level, 0.25 - 0.025);
        assert_eq!(mlp.output[0], 0.5 - 0.025 * 2.0 * x);
        assert_eq!(mlp.inputs[0][0], 2.0 - 0.025 * 0.5 * x);
        assert_eq!((mlp.bias[0], mlp.keys[0][0]), (-0.0125, -0.0125));
        assert_eq!((mlp.keys[0][1], mlp.output[1]), (-1.0, 3.0), "what is off does not learn");
        assert_eq!(mlp.last[0], [Some(libm::log(101.0) / 8.0), None]);
    }

    #[test]
    fn it_has_as_many_numbers_as_it_says() {
        let mlp = mlp("mlp", 30, 4);
        // One row beyond the 30 tools stands for keys that nobody promised.
        let numbers = (mlp.keys.len() - 1 + INPUTS + 1) * HIDDEN + HIDDEN + 1;
        assert_eq!(numbers, 609);
    }

    /// Three tools with lengths of their own, each uniform around its mean: the quantile is covered, and tools are
    /// told apart.
    #[test]
    fn it_learns_tools_and_covers_its_share() {
        let mut mlp = mlp("mlp", 3, 1);
        let mut chance = Chance::new(4);
        let (mut covered, mut ratios, mut count) = ([0.0; 3], [0.0; 3], 0.0);
        for call in 0..12_000 {
            let kind = kind(call % 3, 0);
            let key = kind.key as usize;
            let scale = [40.0, 300.0, 2_500.0][key];
            let real = (scale * (0.5 + chance.uniform())) as u64;
            if call >= 6_000 {
                let predicted = mlp.predict(&kind).unwrap();
                count += 1.0 / 3.0;
                covered[key] += f64::from(u8::from(predicted >= real));
                ratios[key] += predicted as f64 / scale;
            }
            mlp.observe(&kind, real);
        }
        // Nine tenths of a uniform length lie below 1.4 times its mean.
        for key in 0..3 {
            let (share, ratio) = (covered[key] / count, ratios[key] / count);
            assert!((0.85..0.95).contains(&share) && (1.3..1.5).contains(&ratio), "{key}: {share} {ratio}");
        }
    }

    /// Sessions whose calls are all short or all long, under one tool: only their last lengths tell.
    #[test]
    fn it_learns_from_a_sessions_last_lengths() {
        let mut mlp = mlp("mlp:percent=50", 1, 2);
        for call in 0..8_000u32 {
            mlp.observe(&kind(0, call % 2), if call.is_multiple_of(2) { 30 } else { 1_500 });
        }
        let [short, long] = [0, 1].map(|session| mlp.predict(&kind(0, session)).unwrap());
        assert!(short < 80 && (800..3_000).contains(&long), "{short} {long}");
    }

    #[test]
    fn a_prediction_stays_within_the_cap_and_a_seed_decides() {
        let mut one = mlp("mlp", 2, 1);
        assert_eq!(one.predict(&kind(0, 0)), None);
        (0..100).for_each(|_| one.observe(&kind(0, 0), 50_000));
        let capped = Kind { max_tokens: 700, ..kind(0, 0) };
        assert_eq!(one.predict(&capped), Some(700));
        assert!(one.predict(&Kind { key: 99, session: 99, ..capped }).is_some(), "unknown keys and sessions");
        let numbers = |text| mlp(text, 2, 1).output;
        assert_eq!(numbers("mlp:seed=5"), numbers("mlp:seed=5"));
        assert_ne!(numbers("mlp:seed=5"), numbers("mlp:seed=6"));
    }
}
