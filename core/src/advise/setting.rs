//! What was simulated, and what tempers everything that is said of it: calls that are refused, and load that
//! the cluster does not keep up with.

use super::units::{calls_of, gib, replicas_of};
use super::{Sample, Sentence};
use crate::figure::tempers;
use crate::figure::units::{grouped, percent, plural, time};
use crate::metrics::PolicyMetrics;
use crate::policy::{Arrivals, PolicyRun, Replay, Resolved, Scenario};
use crate::trace::{CallStatus, WorkCall, Workload};
use serde::Serialize;

/// Busier replicas than this have no time left.
const BUSY: f64 = 0.9;
/// Where more of the time to the first token is waiting, load decides it.
const WAITING: f64 = 0.5;
/// Shorter waits are nobody's concern.
const LEAST_WAIT_MS: f64 = 100.0;
/// A wait that is so many times longer in the last third of calls than in the first one grows.
const GROWS: f64 = 2.0;

/// How hard one set-up's replicas have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strain {
    /// The set-up.
    pub setup: String,
    /// Calls in all.
    pub calls: u64,
    /// Of these, calls larger than a replica or the model's context.
    pub rejected: u64,
    /// Calls whose session had ended with such a call.
    pub skipped: u64,
    /// Share of the time that replicas were busy.
    pub utilisation: Option<f64>,
    /// Mean wait for a replica.
    pub queue_mean_ms: Option<f64>,
    /// Mean time to first token.
    pub ttft_mean_ms: Option<f64>,
    /// Mean wait of the third of calls that was due first, and of the one that was due last.
    pub queue_thirds_ms: Option<(f64, f64)>,
}

impl Strain {
    /// Of a run and its figures.
    pub fn of(run: &PolicyRun, row: &PolicyMetrics) -> Self {
        Strain {
            setup: run.name.clone(),
            calls: run.outcome.calls.len() as u64,
            rejected: row.rejected,
            skipped: row.skipped,
            utilisation: row.utilisation,
            queue_mean_ms: row.queue_ms.map(|spread| spread.mean),
            ttft_mean_ms: row.ttft_ms.map(|spread| spread.mean),
            queue_thirds_ms: thirds(run),
        }
    }

    /// Calls that were answered.
    pub fn answered(&self) -> u64 {
        self.calls - self.rejected - self.skipped
    }

    /// Whether there were calls and none was answered.
    pub fn is_in_vain(&self) -> bool {
        self.calls > 0 && self.answered() == 0
    }

    /// Whether waiting for a replica decides the time to the first token.
    pub fn overloaded(&self) -> bool {
        let waits = self
            .queue_mean_ms
            .zip(self.ttft_mean_ms)
            .is_some_and(|(queue, ttft)| queue >= LEAST_WAIT_MS && queue >= WAITING * ttft);
        waits && (self.utilisation.is_some_and(|busy| busy >= BUSY) || self.grows())
    }

    /// Whether waits get longer while calls come.
    fn grows(&self) -> bool {
        self.queue_thirds_ms.is_some_and(|(first, last)| last >= LEAST_WAIT_MS && last >= GROWS * first)
    }
}

/// Mean waits of the calls that were due first and last, in milliseconds.
fn thirds(run: &PolicyRun) -> Option<(f64, f64)> {
    let answered = run.outcome.calls.iter().filter(|call| call.status == CallStatus::Ok);
    let mut waits: Vec<(u64, u32, u64)> = answered
        .filter_map(|call| Some((call.scheduled_us, call.id, call.admitted_us? - call.scheduled_us)))
        .collect();
    waits.sort_unstable();
    let third = waits.len() / 3;
    let mean = |part: &[(u64, u32, u64)]| {
        part.iter().map(|(.., wait)| *wait as f64).sum::<f64>() / part.len() as f64 / 1e3
    };
    (third > 0).then(|| (mean(&waits[..third]), mean(&waits[waits.len() - third..])))
}

/// What was simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingAdvice {
    /// How hard the replicas have it with all steps turned on; with the first policy that was given where nothing is answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strain: Option<Strain>,
    /// The set-up in sentences.
    pub says: Vec<Sentence>,
    /// What tempers everything after it; nothing where all is well.
    pub warns: Vec<Sentence>,
}

/// What the paragraph is made from.
#[derive(Clone, Debug)]
pub(super) struct SettingFigures<'a> {
    /// The set-up as it was given.
    pub(super) given: &'a Scenario,
    /// The same with its defaults filled in.
    pub(super) resolved: &'a Resolved,
    /// What of the trace was simulated, where that was not all.
    pub(super) sample: Option<&'a Sample>,
    /// The latency model in a sentence.
    pub(super) profile: &'a str,
    /// What a token of KV takes, where the profile knows it.
    pub(super) kv_bytes_per_token: Option<f64>,
    /// Simulations made.
    pub(super) simulations: u64,
    /// How hard it is for the replicas, in the run that stands for all.
    pub(super) strain: Option<Strain>,
    /// What the trace's calls take.
    pub(super) needs: Needs,
}

/// KV tokens, or tokens of context, that calls take: prompt and output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    /// The smallest of the calls that begin a session: with less nothing is answered.
    pub(super) least_tokens: u64,
    /// The largest of all calls: with as much all are answered.
    pub(super) most_tokens: u64,
}

impl Needs {
    /// In whole blocks of so many tokens, in each of so many places.
    pub(super) fn of(work: &Workload, block_tokens: u32, places: u64) -> Self {
        let block = u64::from(block_tokens.max(1));
        let of = |call: &WorkCall| {
            let tokens = u64::from(call.prompt_tokens) + u64::from(call.output_tokens);
            tokens.div_ceil(block) * block * places
        };
        let begins = work.sessions.iter().filter_map(|session| work.calls.get(session.calls.first as usize));
        Needs {
            least_tokens: begins.map(of).min().unwrap_or(0),
            most_tokens: work.calls.iter().map(of).max().unwrap_or(0),
        }
    }
}

/// Says what was simulated.
pub(super) fn setting(figures: SettingFigures<'_>) -> SettingAdvice {
    let mut says = vec![asked(&figures), cluster(&figures), model(&figures)];
    says.extend(unknown(figures.resolved));
    let mut warns = Vec::new();
    if let Some(strain) = &figures.strain {
        warns.extend(refused(strain, &figures));
        warns.extend(overloaded(strain));
    }
    SettingAdvice { strain: figures.strain, says, warns }
}

fn asked(figures: &SettingFigures<'_>) -> Sentence {
    let resolved = figures.resolved;
    let scenario = &resolved.scenario;
    let default = if figures.given.arrivals.is_none() { ", the default for such a trace" } else { "" };
    let mut text = format!(
        "Simulated, not measured: {} of {}, {}{default}; {}.",
        calls_of(resolved.calls),
        plural(resolved.sessions, "session"),
        scenario.arrivals.map_or_else(|| "as recorded".to_owned(), arriving),
        following(scenario),
    );
    if let Some(sample) = figures.sample {
        text.push_str(&format!(
            " That is a sample of {} and {}: a smaller set shares less and drains sooner.",
            calls_of(sample.of_calls),
            plural(sample.of_sessions, "session"),
        ));
    }
    let sentence = Sentence::new(text)
        .counted("calls", resolved.calls as f64)
        .counted("sessions", resolved.sessions as f64)
        .counted("calls of the whole set", figures.sample.map(|sample| sample.of_calls as f64))
        .counted("sessions of the whole set", figures.sample.map(|sample| sample.of_sessions as f64));
    arrived(sentence, scenario.arrivals).given("speed", scenario.speed).on(
        "all runs",
        "simulations",
        figures.simulations as f64,
    )
}

/// The numbers of arrivals.
fn arrived(sentence: Sentence, arrivals: Option<Arrivals>) -> Sentence {
    match arrivals {
        None | Some(Arrivals::Recorded) => sentence,
        Some(Arrivals::Poisson { per_s } | Arrivals::Constant { per_s }) => {
            sentence.given("sessions a second", per_s)
        }
        Some(Arrivals::Gamma { per_s, shape }) => {
            sentence.given("sessions a second", per_s).given("shape", shape)
        }
        Some(Arrivals::Concurrency { sessions }) => sentence.given("sessions at a time", f64::from(sessions)),
        Some(Arrivals::Users { users, per_s }) => {
            sentence.given("users", f64::from(users)).given("calls a second", per_s)
        }
    }
}

/// What the trace does not say of its calls.
fn unknown(resolved: &Resolved) -> Option<Sentence> {
    let found = resolved.unknown;
    let sentence = Sentence::new(tempers::unknown(resolved)?);
    Some(
        sentence
            .counted("calls of unknown output", found.output_tokens as f64)
            .counted("calls of unknown pause", found.delays as f64)
            .counted("sessions of unknown pause or output", found.sessions as f64)
            .counted("calls", resolved.calls as f64)
            .counted("sessions", resolved.sessions as f64),
    )
}

/// How sessions arrive, in words.
fn arriving(arrivals: Arrivals) -> String {
    match arrivals {
        Arrivals::Recorded => "arriving at the recorded times".to_owned(),
        Arrivals::Poisson { per_s } => format!("arriving at random at {per_s} a second (Poisson)"),
        Arrivals::Gamma { per_s, shape } => {
            format!("arriving at random at {per_s} a second (gamma, shape {shape})")
        }
        Arrivals::Constant { per_s } => format!("arriving evenly at {per_s} a second"),
        Arrivals::Concurrency { sessions: 1 } => "one session at a time".to_owned(),
        Arrivals::Concurrency { sessions } => {
            format!("{sessions} sessions at a time, the next when one ends")
        }
        Arrivals::Users { users, per_s } => {
            format!("from {}, {per_s} calls a second together", plural(users.into(), "user"))
        }
    }
}

fn following(scenario: &Scenario) -> String {
    let speed = if scenario.speed.total_cmp(&1.0).is_eq() {
        String::new()
    } else {
        format!(", divided by {}", scenario.speed)
    };
    match (scenario.arrivals, scenario.replay) {
        (Some(Arrivals::Users { .. }), _) => "a call follows when the one before it has ended".to_owned(),
        (_, Some(Replay::Times)) => format!("calls come at their recorded times{speed}, late replies or not"),
        _ => format!("a call follows the ones it waits for after its pause{speed}"),
    }
}

fn cluster(figures: &SettingFigures<'_>) -> Sentence {
    let scenario = &figures.resolved.scenario;
    let kv_tokens = scenario.kv_tokens.unwrap_or(0);
    let bytes = figures.kv_bytes_per_token.map_or_else(String::new, |bytes| {
        format!(" ({}, {} bytes a token)", gib(bytes * kv_tokens as f64), grouped(bytes as u64))
    });
    let each = if scenario.replicas == 1 { "" } else { " each" };
    let text = format!(
        "Cluster: {} with {} KV tokens{bytes}{each}, in blocks of {}; at most {} calls and {} prompt tokens in a step.",
        replicas_of(scenario.replicas),
        grouped(kv_tokens),
        plural(scenario.block_tokens.unwrap_or(1).into(), "token"),
        scenario.max_batch,
        grouped(scenario.step_tokens.into()),
    );
    Sentence::new(text)
        .given("replicas", f64::from(scenario.replicas))
        .given("kv_tokens of a replica", kv_tokens as f64)
        .given("kv_bytes of a replica", figures.kv_bytes_per_token.map(|bytes| bytes * kv_tokens as f64))
        .given("kv_bytes_per_token", figures.kv_bytes_per_token)
        .given("block_tokens", scenario.block_tokens.map(f64::from))
        .given("max_batch", f64::from(scenario.max_batch))
        .given("step_tokens", f64::from(scenario.step_tokens))
}

fn model(figures: &SettingFigures<'_>) -> Sentence {
    let resolved = figures.resolved;
    let text = format!(
        "Times: profile `{}`, {}: {}. This page rests on {} of up to {} each.",
        resolved.scenario.profile,
        resolved.profile_origin,
        figures.profile.trim_end_matches('.'),
        plural(figures.simulations, "simulation"),
        calls_of(resolved.calls),
    );
    Sentence::new(text)
        .on("all runs", "simulations", figures.simulations as f64)
        .counted("calls", resolved.calls as f64)
}

/// Calls that no set-up of this cluster answers.
fn refused(strain: &Strain, figures: &SettingFigures<'_>) -> Option<Sentence> {
    let resolved = figures.resolved;
    let failed = strain.rejected + strain.skipped;
    if failed == 0 {
        return None;
    }
    let mut text = tempers::unanswered(strain.calls, strain.rejected, strain.skipped, resolved);
    text.push_str(match strain.answered() {
        0 => " No call is answered: no policy, router or number of replicas mends that, and nothing more can be said.",
        answered if answered < failed => {
            " Most of this traffic does not fit, and more replicas do not mend that: larger ones or a longer context \
             do. Everything below is about the minority that is answered."
        }
        _ => " Everything below is about the others.",
    });
    if strain.is_in_vain() {
        text.push_str(&larger(figures));
    }
    let bytes_of = |tokens: u64| figures.kv_bytes_per_token.map(|one| one * tokens as f64);
    Some(
        Sentence::new(text)
            .on(&strain.setup, "rejected", strain.rejected as f64)
            .on(&strain.setup, "skipped", strain.skipped as f64)
            .on(&strain.setup, "not answered", failed as f64)
            .on(&strain.setup, "share not answered", failed as f64 / strain.calls.max(1) as f64)
            .counted("calls", strain.calls as f64)
            .given("kv_tokens of a replica", resolved.scenario.kv_tokens.map(|of| of as f64))
            .given("context_tokens", resolved.context_tokens as f64)
            .counted("tokens of the smallest first call", figures.needs.least_tokens as f64)
            .counted("tokens of the largest call", figures.needs.most_tokens as f64)
            .given("bytes of the smallest first call", bytes_of(figures.needs.least_tokens))
            .given("bytes of the largest call", bytes_of(figures.needs.most_tokens)),
    )
}

/// What would be needed, of memory or of context.
fn larger(figures: &SettingFigures<'_>) -> String {
    let by_memory = tempers::is_memory_short(figures.resolved);
    let bytes = figures.kv_bytes_per_token.filter(|_| by_memory);
    let size = |tokens: u64| {
        let bytes = bytes.map(|one| format!(" ({})", gib(one * tokens as f64)));
        format!("{} tokens{}", grouped(tokens), bytes.unwrap_or_default())
    };
    format!(
        " The smallest first call of a session takes {} of {}, with its output; the largest call takes {}.",
        size(figures.needs.least_tokens),
        if by_memory { "a replica's KV memory" } else { "the model's context" },
        size(figures.needs.most_tokens),
    )
}

/// Load that the cluster does not keep up with.
fn overloaded(strain: &Strain) -> Option<Sentence> {
    let (queue, ttft) = strain.queue_mean_ms.zip(strain.ttft_mean_ms).filter(|_| strain.overloaded())?;
    let mut text = format!(
        "The cluster is overloaded, even with `{}`: replicas are busy {} of the time, and waiting for one makes up {} of \
         {} mean TTFT",
        strain.setup,
        percent(strain.utilisation),
        time(queue),
        time(ttft),
    );
    if let Some((first, last)) = strain.queue_thirds_ms.filter(|_| strain.grows()) {
        text.push_str(&format!(
            ", growing from {} in the first third of calls to {} in the last",
            time(first),
            time(last)
        ));
    }
    text.push_str(". What a lever gains below is mostly shorter queues: add replicas first, then ask again.");
    let (first, last) = strain.queue_thirds_ms.unzip();
    Some(
        Sentence::new(text)
            .on(&strain.setup, "utilisation", strain.utilisation)
            .on(&strain.setup, "queue_ms.mean", queue)
            .on(&strain.setup, "ttft_ms.mean", ttft)
            .on(&strain.setup, "queue_ms.mean of the first third", first)
            .on(&strain.setup, "queue_ms.mean of the last third", last),
    )
}
