//! Agent shapes: how the sessions of one harness look to a server. How long they are, how their
//! prompts grow, what prompts consist of, how long the pauses are, how often the context is dropped.

mod basis;
mod samples;
mod shares;

pub use basis::{Bases, Basis};
pub use samples::{Samples, Variable};
pub use shares::SessionShare;

use super::Distribution;
use super::distribution::{quantiles, rounded};
use crate::trace::{CallRole, Mark, MessageKind, Session};
use samples::{counts, first_read, gap_us, turns};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// With fewer sessions than this a figure says so.
pub const FEW_SESSIONS: u64 = 10;
/// How long a provider keeps a prompt cached after its last use, in seconds.
pub const CACHE_LIFETIMES_S: [u64; 2] = [300, 3_600];
/// Where the lifetimes come from.
pub const LIFETIMES_SOURCE: &str =
    "Anthropic, documentation of prompt caching: 5 minutes from the last use, 1 hour on request";
/// The turns at which prompts are compared.
const TURNS: [u64; 19] = [1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500, 700, 1_000];
/// Quantiles of a turn's prompts.
const TURN_SHARES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

/// The shapes of a group of sessions. What the sources do not tell is null.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shapes {
    /// Sessions counted.
    pub sessions: u64,
    /// Calls counted, those of sub-agents included.
    pub calls: u64,
    /// Sessions that are not counted, and why.
    pub left_out: LeftOut,
    /// Counted sessions whose messages were derived from how prompts grow.
    pub derived_sessions: u64,
    /// Counted calls with a time or a count that is an estimate.
    pub estimated_calls: u64,
    /// What token counts rest on.
    pub bases: Bases,
    /// The distributions that there are values for.
    pub variables: Vec<VariableRow>,
    /// Prompts by turn, over the sessions that have that turn.
    pub by_turn: Vec<TurnRow>,
    /// What all prompts of the main agents consist of.
    pub sent: Option<Parts>,
    /// What turns after the first read for the first time.
    pub added: Option<Parts>,
    /// Tools by use, the most used first.
    pub tools: Option<Vec<ToolRow>>,
    /// Gaps that outlast a cache, one row a lifetime.
    pub beyond: Option<Vec<BeyondRow>>,
    /// Drops of the context.
    pub compactions: Compactions,
    /// Share of the output tokens that is reasoning and not sent again.
    pub reasoning_share: Option<f64>,
    /// Sub-agents.
    pub subagents: Subagents,
}

/// Sessions that are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Equal to an earlier session.
    pub duplicates: u64,
    /// Single requests.
    pub sessionless: u64,
    /// Without a call of the main agent.
    pub without_turns: u64,
    /// Counted, but not for first prompts and prompts by turn: the recording begins in mid-session.
    pub mid_session: u64,
}

/// The distribution of one variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VariableRow {
    /// Which.
    pub variable: Variable,
    /// Its values.
    pub distribution: Distribution,
}

/// The prompts of one turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TurnRow {
    /// The turn, from 1.
    pub turn: u64,
    /// Sessions that have it.
    pub n: u64,
    /// Quantiles of the prompt's length: pairs of a share and a value.
    pub prompt_tokens: Vec<(f64, f64)>,
    /// Quantiles of the prompt's length over that of the same session's first prompt.
    pub of_first: Vec<(f64, f64)>,
}

/// Shares of tokens by what they are for; they add up to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    /// Tokens in all.
    pub tokens: u64,
    /// System prompt and tool schemas.
    pub system: f64,
    /// What a person asked for.
    pub task: f64,
    /// What the model had written.
    pub output: f64,
    /// What the environment had answered.
    pub observation: f64,
    /// Summaries and anything else.
    pub other: f64,
}

/// How often one tool was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolRow {
    /// A well-known name, or `other`.
    pub name: String,
    /// Uses.
    pub uses: u64,
}

/// Gaps longer than one lifetime of a cache.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BeyondRow {
    /// The lifetime.
    pub lifetime_s: u64,
    /// Gaps longer than it.
    pub gaps: u64,
    /// Of all known gaps.
    pub gaps_share: f64,
    /// Of the sessions with a known gap, those with at least one so long.
    pub sessions_share: f64,
    /// Of the prompt tokens sent after a known gap, those sent after one so long.
    pub prompt_share: f64,
}

/// Prompts of less than half the length of the one before, which the next prompt does not undo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compactions {
    /// Sessions with at least one.
    pub sessions: u64,
    /// Of all counted.
    pub sessions_share: Option<f64>,
    /// In all sessions.
    pub count: u64,
    /// Length of the prompt after over before.
    pub remaining: Option<Distribution>,
}

/// Agents started by another one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subagents {
    /// Sessions with at least one.
    pub sessions: u64,
    /// Of all counted.
    pub sessions_share: Option<f64>,
    /// Share of all calls.
    pub calls_share: Option<f64>,
    /// Share of all prompt tokens.
    pub prompt_share: Option<f64>,
}

impl Shapes {
    /// Of the sessions of one group.
    pub fn of(sessions: &[&Session]) -> Shapes {
        let counted: Vec<&Session> = sessions.iter().copied().filter(|session| counts(session)).collect();
        let samples = Samples::of(counted.iter().copied());
        let variables = Variable::ALL.into_iter().filter_map(|variable| {
            let distribution = Distribution::of(samples.values(variable))?;
            Some(VariableRow { variable, distribution })
        });
        let calls = || counted.iter().flat_map(|session| &session.calls);
        let output: u64 = calls().map(|call| u64::from(call.output())).sum();
        let reasoning: u64 = calls().map(|call| u64::from(call.reasoning_tokens)).sum();
        Shapes {
            sessions: counted.len() as u64,
            calls: calls().count() as u64,
            left_out: left_out(sessions),
            derived_sessions: count(&counted, |session| session.has(Mark::DerivedMessages)),
            estimated_calls: calls().filter(|call| call.estimated).count() as u64,
            bases: Bases::of(&counted),
            variables: variables.collect(),
            by_turn: by_turn(&counted),
            sent: sent(&counted),
            added: added(&counted),
            tools: tools(&counted),
            beyond: beyond(&counted),
            compactions: compactions(&counted),
            // Where no call has any, the source may simply not tell.
            reasoning_share: share(reasoning, output).filter(|_| reasoning > 0),
            subagents: subagents(&counted),
        }
    }

    /// The distribution of a variable, where there are values.
    pub fn variable(&self, variable: Variable) -> Option<&Distribution> {
        self.variables.iter().find(|row| row.variable == variable).map(|row| &row.distribution)
    }
}

impl BeyondRow {
    /// The lifetime as readers say it.
    #[inline]
    pub fn lifetime(&self) -> String {
        match self.lifetime_s {
            seconds if seconds >= 3_600 => format!("{} h", seconds / 3_600),
            seconds => format!("{} min", seconds / 60),
        }
    }
}

impl TurnRow {
    /// The prompt's length at a share that the row keeps.
    pub fn prompt_at(&self, share: f64) -> Option<f64> {
        self.prompt_tokens.iter().find(|(kept, _)| *kept == share).map(|(_, value)| *value)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 / whole as f64))
}

fn count(sessions: &[&Session], chosen: impl Fn(&Session) -> bool) -> u64 {
    sessions.iter().filter(|session| chosen(session)).count() as u64
}

fn left_out(sessions: &[&Session]) -> LeftOut {
    let duplicate = |session: &Session| session.has(Mark::Duplicate);
    LeftOut {
        duplicates: count(sessions, duplicate),
        sessionless: count(sessions, |session| !duplicate(session) && session.turns().is_none()),
        without_turns: count(sessions, |session| !duplicate(session) && session.turns() == Some(0)),
        mid_session: count(sessions, |session| counts(session) && session.has(Mark::MidSession)),
    }
}

fn by_turn(sessions: &[&Session]) -> Vec<TurnRow> {
    let whole = sessions.iter().filter(|session| !session.has(Mark::MidSession));
    let prompts: Vec<Vec<f64>> =
        whole.map(|session| turns(session).map(|call| f64::from(call.prompt_tokens)).collect()).collect();
    let row = |turn: u64| {
        let sorted = |values: &mut dyn Iterator<Item = f64>| {
            let mut values: Vec<f64> = values.collect();
            values.sort_unstable_by(f64::total_cmp);
            quantiles(&values, &TURN_SHARES)
        };
        let at = |prompts: &Vec<f64>| prompts.get(turn as usize - 1).copied();
        let of_first =
            |prompts: &Vec<f64>| Some(at(prompts)? / prompts.first().filter(|first| **first > 0.0)?);
        Some(TurnRow {
            turn,
            n: prompts.iter().filter_map(at).count() as u64,
            prompt_tokens: sorted(&mut prompts.iter().filter_map(at))?,
            of_first: sorted(&mut prompts.iter().filter_map(of_first)).unwrap_or_default(),
        })
    };
    TURNS.into_iter().map_while(row).collect()
}

/// Tokens by part: system, task, output, observation, other.
type Sums = [u64; 5];

fn place(kind: MessageKind) -> usize {
    match kind {
        MessageKind::SystemPrompt | MessageKind::Tools => 0,
        MessageKind::Task => 1,
        MessageKind::Action => 2,
        MessageKind::Observation => 3,
        MessageKind::Summary | MessageKind::Other => 4,
    }
}

fn parts(sums: Sums) -> Option<Parts> {
    let tokens = sums.iter().sum();
    let of = |place: usize| share(sums[place], tokens);
    Some(Parts { tokens, system: of(0)?, task: of(1)?, output: of(2)?, observation: of(3)?, other: of(4)? })
}

fn add(sums: &mut Sums, session: &Session, messages: impl Iterator<Item = u32>) {
    for message in messages.filter_map(|at| session.messages.get(at as usize)) {
        sums[place(message.kind)] += u64::from(message.tokens);
    }
}

fn sent(sessions: &[&Session]) -> Option<Parts> {
    let mut sums = Sums::default();
    for session in sessions {
        for call in turns(session) {
            add(&mut sums, session, call.view.iter().flat_map(|run| run.indices()));
        }
    }
    parts(sums)
}

fn added(sessions: &[&Session]) -> Option<Parts> {
    let mut sums = Sums::default();
    for session in sessions {
        for (_, fresh) in first_read(session).into_iter().skip(1) {
            add(&mut sums, session, fresh.into_iter());
        }
    }
    parts(sums)
}

/// `None` where no source names its tools.
fn tools(sessions: &[&Session]) -> Option<Vec<ToolRow>> {
    let mut uses: BTreeMap<&str, u64> = BTreeMap::new();
    for tool in sessions.iter().flat_map(|session| &session.calls).flat_map(|call| &call.tools) {
        // A name that is not well known is a number within its session, and means nothing outside.
        let name = if tool.name.starts_with("tool-") { "other" } else { &tool.name };
        *uses.entry(name).or_default() += 1;
    }
    let mut rows: Vec<ToolRow> =
        uses.into_iter().map(|(name, uses)| ToolRow { name: name.to_owned(), uses }).collect();
    rows.sort_by(|a, b| (a.name == "other", b.uses, &a.name).cmp(&(b.name == "other", a.uses, &b.name)));
    (!rows.is_empty()).then_some(rows)
}

fn beyond(sessions: &[&Session]) -> Option<Vec<BeyondRow>> {
    // Per session: gaps with the prompt that each precedes.
    let gaps: Vec<Vec<(u64, u64)>> = sessions
        .iter()
        .map(|session| {
            session.calls.iter().filter_map(|call| Some((gap_us(call)?, call.prompt_tokens.into()))).collect()
        })
        .filter(|gaps: &Vec<(u64, u64)>| !gaps.is_empty())
        .collect();
    let all = || gaps.iter().flatten();
    let row = |lifetime_s: u64| {
        let long = |gap: &&(u64, u64)| gap.0 > lifetime_s * 1_000_000;
        let sessions = gaps.iter().filter(|gaps| gaps.iter().any(|gap| long(&gap))).count() as u64;
        let prompt = |gaps: &mut dyn Iterator<Item = &(u64, u64)>| gaps.map(|gap| gap.1).sum::<u64>();
        let count = all().filter(long).count() as u64;
        Some(BeyondRow {
            lifetime_s,
            gaps: count,
            gaps_share: share(count, all().count() as u64)?,
            sessions_share: share(sessions, gaps.len() as u64)?,
            prompt_share: share(prompt(&mut all().filter(long)), prompt(&mut all()))?,
        })
    };
    CACHE_LIFETIMES_S.into_iter().map(row).collect()
}

fn compactions(sessions: &[&Session]) -> Compactions {
    let mut remaining = Vec::new();
    let mut with = 0;
    for session in sessions {
        let prompts: Vec<u64> = turns(session).map(|call| call.prompt_tokens.into()).collect();
        let before = remaining.len();
        for (at, pair) in prompts.windows(2).enumerate() {
            let undone = prompts.get(at + 2).is_some_and(|next| *next >= pair[0]);
            if 2 * pair[1] < pair[0] && !undone {
                remaining.push(pair[1] as f64 / pair[0] as f64);
            }
        }
        with += u64::from(remaining.len() > before);
    }
    Compactions {
        sessions: with,
        sessions_share: share(with, sessions.len() as u64),
        count: remaining.len() as u64,
        remaining: Distribution::of(&remaining),
    }
}

fn subagents(sessions: &[&Session]) -> Subagents {
    let started = |call: &&crate::trace::Call| call.role == CallRole::Subagent;
    let calls = || sessions.iter().flat_map(|session| &session.calls);
    let prompt: u64 = calls().filter(started).map(|call| u64::from(call.prompt_tokens)).sum();
    let with = count(sessions, |session| session.calls.iter().any(|call| started(&call)));
    Subagents {
        sessions: with,
        sessions_share: share(with, sessions.len() as u64),
        calls_share: share(calls().filter(started).count() as u64, calls().count() as u64),
        prompt_share: share(prompt, sessions.iter().map(|session| session.prompt_tokens()).sum()),
    }
}
