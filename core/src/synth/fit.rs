//! From sessions to a profile.

use super::calibrate::{Pooled, calibrate};
use super::check::is_name;
use super::joint::{self, Grouped, thousandths};
use super::observe::{Change, Observed, Seen, Step, Turn};
use super::profile::{ContextLevel, Hazard, Profile, SCHEMA, SESSION_VALUES, SessionLevel, TurnLevel, ppm};
use super::shares::{endings, models, most_common, prefixes, scope, subagents, tools};
use super::table::Table;
use super::values::{DELAY, INPUT, TurnValues, square};
use crate::trace::{Mark, MessageKind, MessageRole, Session};

/// Why nothing could be fitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// Nothing to fit to.
    #[error(
        "no session to fit to: {given} given, of which {sessionless} are single requests; expected at least {MIN_SESSIONS} sessions with turns"
    )]
    TooFew {
        /// Sessions given.
        given: usize,
        /// Of these, requests of a source without sessions.
        sessionless: usize,
    },
    /// The name would not do in an id.
    #[error("profile name `{name}`, expected 1 to 40 lower-case letters, digits and `-`")]
    Name {
        /// What was asked for.
        name: String,
    },
}

/// Fewest sessions that say anything about how sessions differ.
pub const MIN_SESSIONS: usize = 4;
/// Rows of the table of context drops.
const HAZARD_ROWS: usize = 12;

/// Fits a profile called `name` to sessions. Duplicates and single requests are left out.
///
/// # Errors
/// When fewer than [`MIN_SESSIONS`] sessions are left, or the name will not do.
pub fn fit(sessions: &[Session], name: &str) -> Result<Profile, FitError> {
    if !is_name(name) {
        return Err(FitError::Name { name: name.to_owned() });
    }
    let seen: Vec<Seen<'_>> = sessions
        .iter()
        .filter(|session| !session.has(Mark::Duplicate))
        .filter_map(|session| Some(Seen { session, observed: Observed::of(session)? }))
        .collect();
    let too_few = || FitError::TooFew {
        given: sessions.len(),
        sessionless: sessions.iter().filter(|session| session.has(Mark::Sessionless)).count(),
    };
    if seen.len() < MIN_SESSIONS {
        return Err(too_few());
    }
    let values = TurnValues::of(&seen);
    let (session, turn) = (session_level(&seen, &values), turn_level(&seen, &values));
    let mut profile = Profile {
        schema: SCHEMA.to_owned(),
        name: name.to_owned(),
        harness: most_common(seen.iter().map(|seen| seen.session.harness.clone())).unwrap_or_default(),
        fitted_to: String::new(),
        sessions: seen.len() as u64,
        calls: seen.iter().map(|seen| seen.session.calls.len() as u64).sum(),
        scope: scope(&seen),
        models: models(&seen),
        prefixes: prefixes(&seen),
        session: session.ok_or_else(too_few)?,
        turn: turn.ok_or_else(too_few)?,
        context: context_level(&seen),
        tools: tools(&seen),
        subagents: subagents(&seen),
        endings: endings(&seen),
    };
    calibrate(&mut profile, &mut pooled(&seen));
    Ok(profile)
}

/// The values of all turns of all sessions, sorted.
fn pooled(seen: &[Seen<'_>]) -> Pooled {
    let mut pooled = Pooled::default();
    for turn in seen.iter().flat_map(|seen| seen.observed.main()) {
        pooled.output.push(turn.output_tokens.into());
        pooled.model.extend(turn.model_us);
        let Some(step) = turn.step else { continue };
        pooled.delay[usize::from(step.person)].extend(step.delay_us);
        if !matches!(step.change, Change::Dropped(_)) {
            pooled.input[usize::from(step.person)].push(step.input_tokens.into());
        }
    }
    pooled.sort();
    pooled
}

fn session_level(seen: &[Seen<'_>], values: &TurnValues) -> Option<SessionLevel> {
    let of = |value: fn(&Observed) -> u64| -> Vec<u64> { seen.iter().map(|s| value(&s.observed)).collect() };
    let own = [
        of(|observed| observed.turns),
        of(|observed| observed.first_prompt_tokens.into()),
        of(|observed| observed.peak_prompt_tokens.into()),
        of(person_ppm),
    ];
    let mut columns: Vec<Vec<Option<f64>>> = own
        .iter()
        .map(|column| {
            let sample: Vec<(u64, f64)> = column.iter().map(|&value| (value, 1.0)).collect();
            joint::scores(&sample).into_iter().map(Some).collect()
        })
        .collect();
    columns.extend(values.analysed.iter().map(|grouped| grouped.means.clone()));
    // Means of few turns say little of a session's effect: correlations with them are too small by the
    // root of their reliability.
    let reliability =
        |column: usize| column.checked_sub(own.len()).map_or(1.0, |kind| values.analysed[kind].reliability);
    let correlation = square(SESSION_VALUES, |a, b| {
        let both = columns[a].iter().zip(&columns[b]);
        let pairs: Vec<(f64, f64)> = both.filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
        let attenuated = (reliability(a) * reliability(b)).sqrt();
        if pairs.len() < MIN_SESSIONS || attenuated < 0.1 {
            0.0
        } else {
            joint::correlation(&pairs) / attenuated
        }
    });
    let marked = seen.iter().filter(|seen| seen.session.has(Mark::MidSession));
    let [turns, first, peak, person] = own;
    Some(SessionLevel {
        turns: Table::of(turns)?,
        first_prompt_tokens: Table::of(first.into_iter().map(|tokens| tokens.max(1)))?,
        peak_prompt_tokens: Table::of(peak)?,
        person_ppm: Table::of(person)?,
        mid_session_tokens: marked.map(|seen| seen.observed.first_prompt_tokens).min(),
        correlation,
    })
}

/// Share of a session's steps whose input is a person's.
fn person_ppm(observed: &Observed) -> u64 {
    let steps = || observed.main().filter_map(|turn| turn.step);
    let all = steps().count().max(1) as u64;
    steps().filter(|step| step.person).count() as u64 * 1_000_000 / all
}

fn turn_level(seen: &[Seen<'_>], values: &TurnValues) -> Option<TurnLevel> {
    let main = || seen.iter().flat_map(|seen| seen.observed.main());
    let turns = main().count() as u64;
    let reasoning = || main().filter(|turn| turn.reasoning_tokens > 0);
    let still = || main().filter_map(|turn| Some((turn, turn.step?))).filter(|(_, step)| idle(step));
    let sent = |turn: &Turn| turn.output_tokens - turn.reasoning_tokens.min(turn.output_tokens);
    let short = || still().filter(|(turn, step)| step.reply_tokens < sent(turn));
    let roles = seen.iter().flat_map(|seen| &seen.session.messages);
    let observations = roles.filter(|message| message.kind == MessageKind::Observation);
    let users = observations.clone().filter(|message| message.role == MessageRole::User).count();
    let by_users = 2 * users > observations.count();
    let [output, input, delay, model] = values.tables.clone();
    let effects =
        |share: fn(&Grouped) -> f64| std::array::from_fn(|kind| thousandths(share(&values.analysed[kind])));
    Some(TurnLevel {
        output_tokens: output?,
        reasoning_ppm: ppm(reasoning().count() as u64, turns),
        reasoning_of_output_ppm: Table::of(
            reasoning().map(|turn| ppm(turn.reasoning_tokens.into(), turn.output_tokens.into()).into()),
        ),
        observation_tokens: input,
        person_tokens: values.person[INPUT].clone(),
        observation_delay_us: delay,
        person_delay_us: values.person[DELAY].clone(),
        model_us: model,
        observation_role: if by_users { MessageRole::User } else { MessageRole::Tool },
        short_reply_ppm: ppm(short().count() as u64, still().count() as u64),
        short_reply_kept_ppm: Table::of(
            short().map(|(turn, step)| ppm(step.reply_tokens.into(), sent(turn).into()).into()),
        ),
        trend: values.trends.to_vec(),
        effect: effects(|grouped| grouped.between),
        lag: effects(|grouped| grouped.lag),
        correlation: values.correlation(),
    })
}

/// Whether the prompt took in nothing but (some of) the reply.
fn idle(step: &Step) -> bool {
    step.input_tokens == 0 && !matches!(step.change, Change::Dropped(_))
}

fn context_level(seen: &[Seen<'_>]) -> ContextLevel {
    let steps = || seen.iter().flat_map(|seen| seen.observed.main()).filter_map(|turn| turn.step);
    let mut sizes: Vec<(u64, bool)> =
        steps().map(|step| (step.prompt_tokens.into(), matches!(step.change, Change::Dropped(_)))).collect();
    sizes.sort_unstable();
    let rows = sizes.chunks(sizes.len().div_ceil(HAZARD_ROWS).max(1)).map(|chunk| Hazard {
        up_to_tokens: chunk.last().map_or(0, |(tokens, _)| *tokens),
        ppm: ppm(chunk.iter().filter(|(_, dropped)| *dropped).count() as u64, chunk.len() as u64),
    });
    let dropped = || {
        steps().filter_map(|step| match step.change {
            Change::Dropped(kept) => Some((step, kept)),
            _ => None,
        })
    };
    let broke = || {
        steps().filter_map(|step| match step.change {
            Change::Broke(kept) => Some((step, kept)),
            _ => None,
        })
    };
    let grew = sizes.len() - dropped().count();
    let share = |part: u32, whole: u32| u64::from(ppm(part.into(), whole.into()));
    ContextLevel {
        drops: rows.collect(),
        drop_remaining_ppm: Table::of(
            dropped().map(|(step, _)| share(step.next_prompt_tokens, step.prompt_tokens)),
        ),
        drop_kept_ppm: Table::of(dropped().map(|(step, kept)| share(kept, step.next_prompt_tokens))),
        break_ppm: ppm(broke().count() as u64, grew as u64),
        break_kept_ppm: Table::of(broke().map(|(step, kept)| share(kept, step.prompt_tokens))),
    }
}
