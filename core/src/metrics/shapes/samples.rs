//! The samples behind the shapes: for each variable one value a session, a turn or a call.

use crate::trace::{Call, CallRole, Mark, MessageKind, Session};
use serde::{Deserialize, Serialize};

/// A quantity that shapes are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variable {
    /// The main agent's calls in a session.
    Turns,
    /// Length of a session's first prompt.
    FirstPromptTokens,
    /// Length of a session's longest prompt, of the main agent.
    PeakPromptTokens,
    /// All prompt tokens that a session sends.
    SessionPromptTokens,
    /// By how much a turn's prompt is longer than that of the turn before, where it is not shorter.
    GrowthTokens,
    /// Tokens generated in a call.
    OutputTokens,
    /// Tokens of observations that a turn reads for the first time, where there are any.
    ObservationTokens,
    /// Time between the end of what a call waited for and the call.
    GapMs,
}

impl Variable {
    /// All, in the order of reports.
    pub const ALL: [Variable; 8] = [
        Variable::Turns,
        Variable::FirstPromptTokens,
        Variable::PeakPromptTokens,
        Variable::SessionPromptTokens,
        Variable::GrowthTokens,
        Variable::OutputTokens,
        Variable::ObservationTokens,
        Variable::GapMs,
    ];

    /// What a reader calls it, its unit included.
    pub fn title(self) -> &'static str {
        match self {
            Variable::Turns => "turns",
            Variable::FirstPromptTokens => "first prompt, tokens",
            Variable::PeakPromptTokens => "longest prompt, tokens",
            Variable::SessionPromptTokens => "prompt tokens a session",
            Variable::GrowthTokens => "growth a turn, tokens",
            Variable::OutputTokens => "output tokens a call",
            Variable::ObservationTokens => "observation tokens a turn",
            Variable::GapMs => "gap between calls",
        }
    }
}

/// Values by variable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples([Vec<f64>; Variable::ALL.len()]);

impl Samples {
    /// Of sessions that have turns; duplicates and sources without sessions are left out, and the
    /// first prompts of recordings that begin in mid-session.
    pub fn of<'a>(sessions: impl IntoIterator<Item = &'a Session>) -> Samples {
        let mut samples = Samples::default();
        sessions.into_iter().filter(|session| counts(session)).for_each(|session| samples.add(session));
        samples
    }

    /// The values of a variable, in the order of the sessions.
    pub fn values(&self, variable: Variable) -> &[f64] {
        &self.0[variable as usize]
    }

    fn push(&mut self, variable: Variable, value: u64) {
        self.0[variable as usize].push(value as f64);
    }

    fn add(&mut self, session: &Session) {
        let turns: Vec<&Call> = turns(session).collect();
        self.push(Variable::Turns, turns.len() as u64);
        if let Some(first) = turns.first().filter(|_| !session.has(Mark::MidSession)) {
            self.push(Variable::FirstPromptTokens, first.prompt_tokens.into());
        }
        let peak = turns.iter().map(|call| call.prompt_tokens).max().unwrap_or(0);
        self.push(Variable::PeakPromptTokens, peak.into());
        self.push(Variable::SessionPromptTokens, session.prompt_tokens());
        for pair in turns.windows(2) {
            if let Some(growth) = pair[1].prompt_tokens.checked_sub(pair[0].prompt_tokens) {
                self.push(Variable::GrowthTokens, growth.into());
            }
        }
        for call in &session.calls {
            if let Some(output) = call.output_tokens {
                self.push(Variable::OutputTokens, output.into());
            }
            if let Some(gap_us) = gap_us(call) {
                self.0[Variable::GapMs as usize].push(gap_us as f64 / 1e3);
            }
        }
        let fresh = first_read(session);
        for (_, read) in fresh.iter().skip(1) {
            let observed: u64 = tokens_of(session, read, |kind| kind == MessageKind::Observation);
            if observed > 0 {
                self.push(Variable::ObservationTokens, observed);
            }
        }
    }
}

/// Whether a session counts towards shapes.
pub(super) fn counts(session: &Session) -> bool {
    !session.has(Mark::Duplicate) && session.turns().is_some_and(|turns| turns > 0)
}

/// The main agent's calls, in order.
pub(super) fn turns(session: &Session) -> impl Iterator<Item = &Call> {
    session.calls.iter().filter(|call| call.role == CallRole::Agent)
}

/// The time between the end of what a call waited for and the call; `None` where it is not known or
/// nothing came before.
pub(super) fn gap_us(call: &Call) -> Option<u64> {
    call.delay_us.filter(|_| !call.after.is_empty())
}

/// For each turn with known messages: the call, and those of its messages that no earlier turn read.
pub(super) fn first_read(session: &Session) -> Vec<(&Call, Vec<u32>)> {
    let mut seen = vec![false; session.messages.len()];
    let read = turns(session).filter(|call| !call.view.is_empty()).map(|call| {
        let all = call.view.iter().flat_map(|run| run.indices());
        let fresh =
            all.filter(|&at| seen.get_mut(at as usize).is_some_and(|seen| !std::mem::replace(seen, true)));
        (call, fresh.collect())
    });
    read.collect()
}

/// Tokens of the messages whose kind is chosen.
pub(super) fn tokens_of(session: &Session, messages: &[u32], chosen: impl Fn(MessageKind) -> bool) -> u64 {
    let messages = messages.iter().filter_map(|&at| session.messages.get(at as usize));
    messages.filter(|message| chosen(message.kind)).map(|message| u64::from(message.tokens)).sum()
}
