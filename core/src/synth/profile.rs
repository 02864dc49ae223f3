//! What the generator knows of one harness: a small file of whole numbers.

use super::table::Table;
use crate::trace::{MessageRole, Scope};
use serde::{Deserialize, Serialize};

/// The schema name that a profile carries.
pub const SCHEMA: &str = "atr-profile/1";

/// One harness, as fitted to a set of its sessions. Shares are in millionths, correlations in
/// thousandths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Name and version of the format.
    pub schema: String,
    /// Name on the command line and in session ids.
    pub name: String,
    /// The agent software.
    pub harness: String,
    /// The sets it was fitted to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub fitted_to: String,
    /// Sessions it was fitted to.
    pub sessions: u64,
    /// Their calls.
    pub calls: u64,
    /// Whether sessions share the tools and the system prompt of one variant.
    pub scope: Scope,
    /// The models, with how many sessions each.
    pub models: Vec<Named>,
    /// Sizes of tools and system prompt, with how many sessions each.
    pub prefixes: Vec<Prefix>,
    /// What differs from session to session.
    pub session: SessionLevel,
    /// What differs from turn to turn.
    pub turn: TurnLevel,
    /// What happens to the context besides growth.
    pub context: ContextLevel,
    /// The tools; none where the source does not name them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Tools>,
    /// Agents started by the main agent; none where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subagents: Option<Subagents>,
    /// How sessions end, with how many each; none where unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endings: Vec<Exit>,
}

/// A name and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Name.
    pub name: String,
    /// How often.
    pub count: u64,
}

/// What stands before the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Prefix {
    /// Tokens of tool schemas.
    pub tools: u32,
    /// Tokens of the system prompt.
    pub system: u32,
    /// How many sessions.
    pub count: u64,
}

/// One value a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionLevel {
    /// The main agent's calls.
    pub turns: Table,
    /// Tokens of its first prompt.
    pub first_prompt_tokens: Table,
    /// Tokens of its longest prompt.
    pub peak_prompt_tokens: Table,
    /// Share of turns whose new input comes from a person.
    pub person_ppm: Table,
    /// A first prompt of so many tokens begins in mid-session; none where none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid_session_tokens: Option<u32>,
    /// Correlation of the normal scores of turns, first prompt, peak prompt and person share, and of
    /// the effects that a session has on its turns (order of [`TurnLevel::effect`]).
    pub correlation: Vec<Vec<i32>>,
}

/// How many values one turn has that depend on each other: output, input, delay, model time.
pub(super) const TURN_VALUES: usize = 4;
/// Into how many parts a session's course is divided for its trend.
pub(super) const TREND_PARTS: usize = 8;

/// The part of a session's course in which a turn lies.
pub(super) fn part_of(turn: u64, turns: u64) -> usize {
    (turn * TREND_PARTS as u64 / turns.max(1)).min(TREND_PARTS as u64 - 1) as usize
}

/// Millionths, at most all.
pub(super) fn ppm(part: u64, whole: u64) -> u32 {
    if whole == 0 { 0 } else { (u128::from(part) * 1_000_000 / u128::from(whole)).min(1_000_000) as u32 }
}

/// How many values one session has: four of its own, and one effect for each of a turn's.
pub(super) const SESSION_VALUES: usize = 4 + TURN_VALUES;

/// One value a turn. Tables weigh every session alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnLevel {
    /// Tokens generated.
    pub output_tokens: Table,
    /// Share of turns with reasoning that is not sent again.
    pub reasoning_ppm: u32,
    /// Of their output, the share that is such reasoning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_of_output_ppm: Option<Table>,
    /// Tokens that tools add before the next call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation_tokens: Option<Table>,
    /// Tokens that a person adds before the next call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_tokens: Option<Table>,
    /// Time to the next call where tools answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observation_delay_us: Option<Table>,
    /// Time to the next call where a person answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_delay_us: Option<Table>,
    /// Time from send to the last token; none where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_us: Option<Table>,
    /// In whose name tools answer.
    pub observation_role: MessageRole,
    /// Of turns without new input, the share whose reply is not sent again as a whole.
    pub short_reply_ppm: u32,
    /// The share of such a reply that is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_reply_kept_ppm: Option<Table>,
    /// How far a value's normal score lies off its mean by place in the session, in equal parts of its
    /// turns, thousandths: output, input, delay, model time.
    pub trend: Vec<Vec<i32>>,
    /// Share of a value's variance, in normal scores, that lies between sessions: output, input,
    /// delay, model time.
    pub effect: [i32; TURN_VALUES],
    /// Correlation of what is left with the turn before.
    pub lag: [i32; TURN_VALUES],
    /// Correlation of what is left within one turn.
    pub correlation: Vec<Vec<i32>>,
}

/// What happens to the context besides growth.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextLevel {
    /// Share of turns after which the prompt gets shorter, by the size of the prompt.
    pub drops: Vec<Hazard>,
    /// What is left of the prompt's size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_remaining_ppm: Option<Table>,
    /// Of what is left, the share that is the same as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_kept_ppm: Option<Table>,
    /// Share of turns after which an early part of the prompt changes, though it does not get shorter.
    pub break_ppm: u32,
    /// How much of the prompt stands before the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub break_kept_ppm: Option<Table>,
}

/// How often something happens to prompts of a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hazard {
    /// Prompts up to this size; the last row holds for all longer ones too.
    pub up_to_tokens: u64,
    /// Share of turns.
    pub ppm: u32,
}

/// The tools that replies ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tools {
    /// How many turns ask for 0, 1, 2, … tools.
    pub per_turn: Vec<u64>,
    /// The tools.
    pub mix: Vec<Tool>,
}

/// One tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tool {
    /// Name from the list of well-known tools.
    pub name: String,
    /// How often it ran.
    pub count: u64,
    /// How often it is known to have succeeded.
    pub ok: u64,
    /// How often it is known to have failed.
    pub failed: u64,
}

/// Agents started by the main agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subagents {
    /// Share of sessions that start any.
    pub sessions_ppm: u32,
    /// How many these start.
    pub count: Table,
    /// Calls of one.
    pub turns: Table,
    /// Tokens of its first prompt.
    pub first_prompt_tokens: Table,
    /// Tokens generated a call.
    pub output_tokens: Table,
    /// Tokens of new input a call.
    pub input_tokens: Table,
    /// Time between its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_us: Option<Table>,
    /// Time from send to the last token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_us: Option<Table>,
}

/// One way to end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit category.
    pub exit: String,
    /// Whether something was submitted.
    pub submitted: bool,
    /// How often.
    pub count: u64,
}

impl TurnLevel {
    /// Whether any delay is known.
    pub(super) fn has_delays(&self) -> bool {
        self.observation_delay_us.is_some() || self.person_delay_us.is_some()
    }
}
