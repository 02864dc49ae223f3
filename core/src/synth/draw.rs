//! What one session will be, before it has messages: sizes, times and what happens to its context.

use super::chance::{Chance, normal_below, number_of};
use super::joint::{correlated, normals, root};
use super::profile::{Prefix, Profile, SESSION_VALUES, Subagents, TREND_PARTS, TURN_VALUES, part_of};
use super::table::Table;
use crate::trace::MAX_US;

/// Among how many candidates the turns of a session are chosen.
pub const CANDIDATES: usize = 12;

/// A session ends where its prompt, all its new tokens together, or its clock would pass these.
const PROMPT_LIMIT: u64 = 20_000_000;
const FRESH_LIMIT: u64 = 200_000_000;
const CLOCK_LIMIT_US: u64 = MAX_US / 2;

/// What becomes of the prompt after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Sent again as a whole.
    Grow,
    /// Sent again, but changed behind so many tokens.
    Break(u64),
    /// Cut to so many tokens, of which so many stay as they are.
    Drop { remaining: u64, kept: u64 },
}

/// One call of an agent, and what comes before its next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    pub(super) output: u32,
    pub(super) reasoning: u32,
    /// Of the output, what the next prompt holds.
    pub(super) reply: u32,
    pub(super) model_us: Option<u64>,
    pub(super) input: u32,
    pub(super) delay_us: Option<u64>,
    pub(super) person: bool,
    pub(super) fate: Fate,
}

/// An agent's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agent {
    pub(super) first_prompt: u32,
    pub(super) turns: Vec<Drawn>,
}

/// A session's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) prefix: Prefix,
    pub(super) main: Agent,
    /// Sub-agents, each with the main agent's call after which it starts and the delay to it.
    pub(super) subagents: Vec<(usize, Option<u64>, Agent)>,
}

/// Draws plans of one profile.
pub(super) struct Drawer<'a> {
    profile: &'a Profile,
    session_root: Vec<Vec<f64>>,
    turn_root: Vec<Vec<f64>>,
    /// What is left of a value's standard deviation when its trend is taken away.
    left: [f64; TURN_VALUES],
    seed: u64,
}

/// What holds for a whole session.
struct Latent {
    turns: u64,
    first_prompt: u32,
    peak: u64,
    person_ppm: u32,
    effects: [f64; TURN_VALUES],
}

impl<'a> Drawer<'a> {
    pub(super) fn new(profile: &'a Profile, seed: u64) -> Self {
        let left = |kind: usize| {
            let squares = profile.turn.trend[kind].iter().map(|&z| f64::from(z) * f64::from(z) / 1e6);
            (1.0 - squares.sum::<f64>() / TREND_PARTS as f64).max(0.0).sqrt()
        };
        Drawer {
            profile,
            session_root: root(&profile.session.correlation),
            turn_root: root(&profile.turn.correlation),
            left: std::array::from_fn(left),
            seed,
        }
    }

    /// The stream of one session's chance; `part` tells its uses apart.
    pub(super) fn chance(&self, number: u32, part: u64) -> Chance {
        Chance::part(self.seed, &[number_of(&self.profile.name), number.into(), part])
    }

    /// One session, which depends on the profile, the seed and its number alone.
    pub(super) fn plan(&self, number: u32) -> Plan {
        let mut chance = self.chance(number, 0);
        let mut plain = normals(&mut chance, SESSION_VALUES);
        let mut best: Option<(f64, Agent)> = None;
        for candidate in 0..CANDIDATES {
            let latent = self.latent(&plain);
            let agent = self.main(&latent, &mut self.chance(number, 1 + candidate as u64));
            let miss = libm::fabs(libm::log(peak(&agent) as f64 / latent.peak as f64));
            if best.as_ref().is_none_or(|(least, _)| miss < *least) {
                best = Some((miss, agent));
            }
            // What the session is stays; what its turns are like is drawn anew.
            plain.truncate(SESSION_VALUES - TURN_VALUES);
            plain.extend(normals(&mut chance, TURN_VALUES));
        }
        let main = best.map_or(Agent { first_prompt: 1, turns: Vec::new() }, |(_, agent)| agent);
        let prefix = self.prefix(main.first_prompt, &mut chance);
        let subagents = self.subagents(main.turns.len(), &mut self.chance(number, u64::MAX));
        Plan { prefix, main, subagents }
    }

    fn latent(&self, plain: &[f64]) -> Latent {
        let scores = correlated(&self.session_root, plain);
        let level = &self.profile.session;
        let at = |table: &Table, value: usize| table.at(normal_below(scores[value]));
        let first_prompt = at(&level.first_prompt_tokens, 1).max(1);
        Latent {
            turns: at(&level.turns, 0).max(1),
            first_prompt: first_prompt as u32,
            peak: at(&level.peak_prompt_tokens, 2).max(first_prompt),
            person_ppm: at(&level.person_ppm, 3) as u32,
            effects: std::array::from_fn(|kind| scores[SESSION_VALUES - TURN_VALUES + kind]),
        }
    }

    fn main(&self, latent: &Latent, chance: &mut Chance) -> Agent {
        let level = &self.profile.turn;
        let mut agent = Agent { first_prompt: latent.first_prompt, turns: Vec::new() };
        let (mut prompt, mut clock) = (u64::from(latent.first_prompt), 0);
        let mut fresh_tokens = prompt;
        let mut rest = correlated(&self.turn_root, &normals(chance, TURN_VALUES));
        for number in 0..latent.turns {
            if number > 0 {
                let fresh = correlated(&self.turn_root, &normals(chance, TURN_VALUES));
                for (kind, (rest, fresh)) in rest.iter_mut().zip(fresh).enumerate() {
                    let lag = f64::from(level.lag[kind]) / 1_000.0;
                    *rest = lag * *rest + (1.0 - lag * lag).sqrt() * fresh;
                }
            }
            let trend =
                |kind: usize, turn: u64| f64::from(level.trend[kind][part_of(turn, latent.turns)]) / 1_000.0;
            let share = |kind: usize| {
                let between = f64::from(level.effect[kind].max(0)) / 1_000.0;
                let own = between.sqrt() * latent.effects[kind] + (1.0 - between).sqrt() * rest[kind];
                normal_below(trend(kind, number) + self.left[kind] * own)
            };
            let shares = std::array::from_fn(share);
            let person = chance.happens(latent.person_ppm);
            let drawn = self.turn(&shares, person, prompt, chance);
            let next = after(prompt, &drawn);
            clock += drawn.model_us.unwrap_or(0) + drawn.delay_us.unwrap_or(0);
            fresh_tokens += match drawn.fate {
                Fate::Break(kept) => next - kept.min(next),
                _ => next - prompt.min(next),
            };
            agent.turns.push(drawn);
            if next > PROMPT_LIMIT || fresh_tokens > FRESH_LIMIT || clock > CLOCK_LIMIT_US {
                break;
            }
            prompt = next;
        }
        agent
    }

    fn turn(&self, shares: &[f64; TURN_VALUES], person: bool, prompt: u64, chance: &mut Chance) -> Drawn {
        let level = &self.profile.turn;
        let at = |table: Option<&Table>, value: usize| table.map(|table| table.at(shares[value]));
        let pair = |tools: &'a Option<Table>, own: &'a Option<Table>| {
            let (first, second) = if person { (own, tools) } else { (tools, own) };
            first.as_ref().or(second.as_ref())
        };
        let output = level.output_tokens.at(shares[0]);
        let input = at(pair(&level.observation_tokens, &level.person_tokens), 1).unwrap_or(0);
        let part = |table: &Option<Table>, of: u64, chance: &mut Chance| {
            let table = table.as_ref()?;
            Some(
                u64::try_from(u128::from(of) * u128::from(table.at(chance.uniform())) / 1_000_000)
                    .unwrap_or(of),
            )
        };
        let thinks = chance.happens(level.reasoning_ppm);
        let reasoning = part(&level.reasoning_of_output_ppm, output, chance).filter(|_| thinks).unwrap_or(0);
        let short = chance.happens(level.short_reply_ppm) && input == 0;
        let whole = output - reasoning;
        let reply = part(&level.short_reply_kept_ppm, whole, chance).filter(|_| short).unwrap_or(whole);
        let fate = self.fate(prompt, chance);
        Drawn {
            output: output as u32,
            reasoning: reasoning as u32,
            reply: reply as u32,
            model_us: at(level.model_us.as_ref(), 3),
            input: input as u32,
            delay_us: at(pair(&level.observation_delay_us, &level.person_delay_us), 2),
            person,
            fate,
        }
    }

    fn fate(&self, prompt: u64, chance: &mut Chance) -> Fate {
        let level = &self.profile.context;
        let row = level.drops.iter().find(|row| prompt <= row.up_to_tokens).or(level.drops.last());
        let part = |table: &Table, of: u64, chance: &mut Chance| {
            libm::floor(of as f64 * table.at(chance.uniform()) as f64 / 1e6) as u64
        };
        let (drops, breaks) =
            (row.is_some_and(|row| chance.happens(row.ppm)), chance.happens(level.break_ppm));
        match (&level.drop_remaining_ppm, &level.drop_kept_ppm, &level.break_kept_ppm) {
            (Some(remaining), Some(kept), _) if drops => {
                let remaining = part(remaining, prompt, chance).max(1);
                Fate::Drop { remaining, kept: part(kept, remaining, chance) }
            }
            (_, _, Some(kept)) if breaks => Fate::Break(part(kept, prompt, chance)),
            _ => Fate::Grow,
        }
    }

    /// One of the variants that leave room for a task, by how common they are.
    fn prefix(&self, first_prompt: u32, chance: &mut Chance) -> Prefix {
        let fits = |row: &&Prefix| u64::from(row.tools) + u64::from(row.system) < first_prompt.into();
        let rows: Vec<&Prefix> = self.profile.prefixes.iter().filter(fits).collect();
        let chosen = chance.pick(rows.iter().map(|row| row.count));
        chosen.map_or(Prefix { tools: 0, system: 0, count: 0 }, |place| *rows[place])
    }

    /// Sub-agents, by their start. The main agent's last call starts none: nothing would wait for it.
    fn subagents(&self, main_calls: usize, chance: &mut Chance) -> Vec<(usize, Option<u64>, Agent)> {
        let Some(level) = &self.profile.subagents else { return Vec::new() };
        if main_calls < 2 || !chance.happens(level.sessions_ppm) {
            return Vec::new();
        }
        let count = level.count.at(chance.uniform());
        let mut agents: Vec<(usize, Option<u64>, Agent)> = (0..count)
            .map(|_| {
                let start = libm::floor(chance.uniform() * (main_calls - 1) as f64) as usize;
                let delay = level.delay_us.as_ref().map(|table| table.at(chance.uniform()));
                (start, delay, subagent(level, chance))
            })
            .collect();
        agents.sort_by_key(|(start, ..)| *start);
        agents
    }
}

fn subagent(level: &Subagents, chance: &mut Chance) -> Agent {
    let mut agent = Agent {
        first_prompt: level.first_prompt_tokens.at(chance.uniform()).max(1) as u32,
        turns: Vec::new(),
    };
    let mut prompt = u64::from(agent.first_prompt);
    for _ in 0..level.turns.at(chance.uniform()).max(1) {
        let output = level.output_tokens.at(chance.uniform()) as u32;
        let drawn = Drawn {
            output,
            reasoning: 0,
            reply: output,
            model_us: level.model_us.as_ref().map(|table| table.at(chance.uniform())),
            input: level.input_tokens.at(chance.uniform()) as u32,
            delay_us: level.delay_us.as_ref().map(|table| table.at(chance.uniform())),
            person: false,
            fate: Fate::Grow,
        };
        prompt = after(prompt, &drawn);
        agent.turns.push(drawn);
        if prompt > PROMPT_LIMIT {
            break;
        }
    }
    agent
}

/// The prompt after a turn.
fn after(prompt: u64, drawn: &Drawn) -> u64 {
    match drawn.fate {
        Fate::Drop { remaining, .. } => remaining,
        Fate::Grow | Fate::Break(_) => prompt + u64::from(drawn.reply) + u64::from(drawn.input),
    }
}

/// The longest prompt of a run.
fn peak(agent: &Agent) -> u64 {
    let mut prompt = u64::from(agent.first_prompt);
    let mut peak = prompt;
    for drawn in agent.turns.iter().take(agent.turns.len().saturating_sub(1)) {
        prompt = after(prompt, drawn);
        peak = peak.max(prompt);
    }
    peak
}
