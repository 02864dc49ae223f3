//! What work costs: whole picoseconds per unit, linear in what a step does.

use serde::{Deserialize, Serialize};

/// Picoseconds: the simulator's clock.
pub type Ps = u64;

/// Picoseconds in a microsecond.
pub const PS_PER_US: u64 = 1_000_000;

/// Whole picoseconds per unit of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coefficients {
    /// Once a step: weights, launches.
    pub step: Ps,
    /// Per decoding call.
    pub sequence: Ps,
    /// Per token of KV read for decoding.
    pub kv_token: Ps,
    /// Per prompt token computed.
    pub prefill_token: Ps,
    /// Per pair of a prompt token and a token that it attends to.
    pub attention_pair: Ps,
    /// Per prompt that completes.
    pub prompt: Ps,
    /// Per token brought over from the host.
    pub host_token: Ps,
}

/// What one step does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepWork {
    /// Calls that decode one token each.
    pub decoding: u64,
    /// KV tokens that they hold before the step.
    pub kv_tokens: u64,
    /// Prompt tokens computed.
    pub prefill_tokens: u64,
    /// Pairs of computed tokens and tokens that they attend to.
    pub pairs: u64,
    /// Prompts completed.
    pub prompts: u64,
    /// Tokens brought over from the host.
    pub host_tokens: u64,
}

/// Pairs that computing `new` tokens behind `cached` ones makes: each attends to all before it.
pub fn pairs(new: u64, cached: u64) -> u64 {
    new * cached + new * new / 2
}

impl Coefficients {
    /// Duration of one step.
    pub fn step(&self, work: &StepWork) -> Ps {
        let terms = [
            (self.step, 1),
            (self.sequence, work.decoding),
            (self.kv_token, work.kv_tokens + work.decoding),
            (self.prefill_token, work.prefill_tokens),
            (self.attention_pair, work.pairs),
            (self.prompt, work.prompts),
            (self.host_token, work.host_tokens),
        ];
        let sum: u128 = terms.iter().map(|&(cost, count)| u128::from(cost) * u128::from(count)).sum();
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    /// Duration of `steps` decode steps of the same calls, each of which adds a token to every
    /// call's KV: the sum of [`Coefficients::step`] over them.
    pub fn stretch(&self, decoding: u64, kv_tokens: u64, steps: u64) -> Ps {
        let (n, m) = (u128::from(steps), u128::from(decoding));
        let flat = u128::from(self.step) + u128::from(self.sequence) * m;
        let read = n * (u128::from(kv_tokens) + m) + m * (n * n.saturating_sub(1) / 2);
        u64::try_from(n * flat + u128::from(self.kv_token) * read).unwrap_or(u64::MAX)
    }
}

/// The coefficients in microseconds per unit, as files hold them. What comes from the host is not among them: its
/// cost follows from the rate of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UsPer {
    /// Once a step.
    pub step: f64,
    /// Per decoding call.
    pub sequence: f64,
    /// Per token of KV read for decoding.
    pub kv_token: f64,
    /// Per prompt token computed.
    pub prefill_token: f64,
    /// Per pair of a prompt token and a token that it attends to.
    pub attention_pair: f64,
    /// Per prompt that completes.
    pub prompt: f64,
}

/// One of the terms that a step's duration sums up from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Once a step.
    Step,
    /// Decoding calls.
    Sequence,
    /// Tokens of KV read.
    KvToken,
    /// Prompt tokens computed.
    PrefillToken,
    /// Pairs of attention in prefill.
    AttentionPair,
    /// Prompts completed.
    Prompt,
}

impl Term {
    /// All terms, in the order of everything that has one entry a term.
    pub const ALL: [Term; 6] =
        [Term::Step, Term::Sequence, Term::KvToken, Term::PrefillToken, Term::AttentionPair, Term::Prompt];

    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Term::Step => "step",
            Term::Sequence => "sequence",
            Term::KvToken => "kv_token",
            Term::PrefillToken => "prefill_token",
            Term::AttentionPair => "attention_pair",
            Term::Prompt => "prompt",
        }
    }

    /// The term of that name.
    pub fn by_name(name: &str) -> Option<Term> {
        Term::ALL.into_iter().find(|term| term.name() == name)
    }

    /// The accepted names, for help texts and errors.
    pub fn known() -> String {
        Term::ALL.map(Term::name).join(", ")
    }
}

impl UsPer {
    /// One value a term, in the order of [`Term::ALL`].
    pub fn values(&self) -> [f64; 6] {
        [self.step, self.sequence, self.kv_token, self.prefill_token, self.attention_pair, self.prompt]
    }

    /// From one value a term.
    pub fn from_values(values: [f64; 6]) -> Self {
        let [step, sequence, kv_token, prefill_token, attention_pair, prompt] = values;
        UsPer { step, sequence, kv_token, prefill_token, attention_pair, prompt }
    }

    /// To whole picoseconds, which is as exact as the simulator is.
    pub fn coefficients(&self) -> Coefficients {
        let [step, sequence, kv_token, prefill_token, attention_pair, prompt] =
            self.values().map(|us| whole(us * 1e6));
        Coefficients { step, sequence, kv_token, prefill_token, attention_pair, prompt, host_token: 0 }
    }
}

impl From<Coefficients> for UsPer {
    fn from(ps: Coefficients) -> Self {
        let all = [ps.step, ps.sequence, ps.kv_token, ps.prefill_token, ps.attention_pair, ps.prompt];
        UsPer::from_values(all.map(|ps| ps as f64 / PS_PER_US as f64))
    }
}

/// The nearest whole number of picoseconds.
pub(super) fn whole(ps: f64) -> Ps {
    libm::round(ps) as Ps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_the_sum_of_its_steps() {
        let c = Coefficients {
            step: 4_346_153_846,
            sequence: 2_000_000,
            kv_token: 210_051,
            ..Coefficients::default()
        };
        let (m, kv) = (7, 12_345);
        let one_by_one: u64 = (0..100)
            .map(|i| c.step(&StepWork { decoding: m, kv_tokens: kv + i * m, ..StepWork::default() }))
            .sum();
        assert_eq!(c.stretch(m, kv, 100), one_by_one);
    }

    #[test]
    fn microseconds_and_picoseconds_are_the_same() {
        let ps = Coefficients {
            step: 1,
            sequence: 2_000_001,
            kv_token: 3,
            prefill_token: 4,
            attention_pair: 5,
            prompt: 6,
            host_token: 0,
        };
        assert_eq!(UsPer::from(ps).coefficients(), ps);
        for (place, term) in Term::ALL.into_iter().enumerate() {
            assert_eq!(Term::by_name(term.name()), Some(term));
            assert_eq!(term as usize, place, "values lie in the order of the terms");
        }
    }
}
