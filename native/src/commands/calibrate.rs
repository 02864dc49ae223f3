//! `calibrate`: from what happened to the calls of a trace to a latency profile.

use crate::args::{InputArgs, WrongCall};
use crate::outcome;
use crate::output;
use crate::profile;
use crate::table::Table;
use anyhow::Context;
use atr_core::context::{self, BuildOptions};
use atr_core::figure::units;
use atr_core::policy;
use atr_core::report::{Origin, join_numbers};
use atr_core::serve::latency::fit::{Errors, FitOptions, Observed, fit, observe};
use atr_core::serve::latency::{Costs, Fitted, FittedFrom, OfPeak, Profile, ProfileOrigin, Term, UsPer};
use atr_core::trace::{Session, Workload};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Longest line that numbers are joined to.
const PROFILE_WIDTH: usize = 110;

/// Arguments of `calibrate`.
#[derive(clap::Args, Debug)]
#[command(after_help = after_help())]
pub(crate) struct CalibrateArgs {
    /// What happened to each call, as `simulate --outcome` writes it; `-` is standard input.
    #[arg(value_name = "OUTCOME")]
    outcome: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// The profile whose accelerator and model it was: a name or a file.
    #[arg(long, value_name = "PROFILE")]
    profile: String,
    /// Where to write the fitted profile.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Name of the fitted profile; default: the base's with the origin behind it.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The policy of the outcome to fit to, where there are several.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// The context strategy of prompt-compaction, where it was replaced.
    #[arg(long, value_name = "STRATEGY")]
    context: Option<String>,
    /// Most tokens that the engine took into a step.
    #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = clap::value_parser!(u32).range(1..))]
    step_tokens: u32,
    /// Terms that keep the base's value; `none` fits all.
    #[arg(long, value_name = "TERM,…", default_value = "prompt")]
    hold: String,
    /// Decides which times are held out.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The machine that was measured; needed where the outcome was.
    #[arg(long, value_name = "TEXT")]
    machine: Option<String>,
    /// When it was measured; needed where the outcome was.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    date: Option<String>,
}

fn after_help() -> String {
    format!(
        "Terms: {}.\nOnly time whose work can be told is used: calls alone on their replica, and windows in which the \
         same calls run all through.\nA profile is called calibrated only where the outcome was measured.",
        Term::known()
    )
}

/// A day, as files say it.
///
/// # Errors
/// When it is none.
pub(crate) fn date(text: &str) -> Result<String, String> {
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [year, month, day] if digits(year, 4) && digits(month, 2) && digits(day, 2) => Ok(text.to_owned()),
        _ => Err("expected a date such as `2026-01-31`".to_owned()),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    origin: Origin,
    policy: &'a str,
    observed: &'a Observed,
    profile: &'a Profile,
}

/// Fits, writes the profile and says how well it fits.
///
/// # Errors
/// When the call is wrong, a file cannot be read or written, the outcome is of another trace, or the data cannot tell
/// the terms apart.
pub(crate) fn run(args: &CalibrateArgs, json: bool) -> anyhow::Result<ExitCode> {
    if json && args.out == Path::new("-") {
        let why = "`--json` and `--out -` both want standard output, expected one of them";
        return Err(WrongCall(why.to_owned()).into());
    }
    let base = profile::load(&args.profile)?;
    let held = held(&args.hold, &base)?;
    if let Some(name) = &args.name {
        profile::check_name(name)?;
    }
    let read = outcome::read(&args.outcome, args.policy.as_deref())?;
    let origin = match read.origin {
        Origin::Measured => ProfileOrigin::Calibrated,
        _ => ProfileOrigin::Simulated,
    };
    let from = from(args, origin)?;
    let work = workload(&args.input.read()?.sessions, &read.policy, args.context.as_deref())?;
    let observed = observe(&work, &read.outcome, args.step_tokens)
        .with_context(|| args.outcome.display().to_string())?;
    let options = FitOptions { held, seed: args.seed, ..FitOptions::default() };
    let fit = fit(&observed.points, &options).context("no fit")?;
    let name = args.name.clone().unwrap_or_else(|| format!("{}-{origin}", base.name));
    profile::check_name(&name)?;
    let made = base.fitted(&name, fit, origin, from);
    let text = join_numbers(&serde_json::to_string_pretty(&made)?, PROFILE_WIDTH);
    Profile::from_json(&text).context("the fitted profile")?;
    output::write_file(&args.out, &text)?;
    if json {
        let answer =
            Answer { origin: read.origin, policy: &read.policy, observed: &observed, profile: &made };
        output::emit_json(&answer)?;
    } else if let (Costs::Fitted(fitted), true) = (&made.costs, args.out != Path::new("-")) {
        output::emit(&readable(read.origin, &read.policy, &observed, fitted))?;
    }
    output::note(format_args!("wrote {} ({origin}) to {}", made.name, args.out.display()));
    Ok(ExitCode::SUCCESS)
}

/// Terms to hold, each at the value that it has in the base.
fn held(text: &str, base: &Profile) -> anyhow::Result<Vec<(Term, f64)>> {
    if text == "none" {
        return Ok(Vec::new());
    }
    let values = UsPer::from(base.compile().coefficients).values();
    let one = |name: &str| {
        let term = Term::by_name(name.trim()).ok_or_else(|| {
            let known = Term::known();
            WrongCall(format!("`--hold` names `{name}`, expected `none` or some of: {known}"))
        })?;
        Ok((term, values[term as usize]))
    };
    text.split(',').map(one).collect()
}

/// Where the times come from: the machine and date of a measurement must be said, those of a simulation mean nothing.
fn from(args: &CalibrateArgs, origin: ProfileOrigin) -> anyhow::Result<FittedFrom> {
    for (key, value) in [("machine", &args.machine), ("date", &args.date)] {
        let why = match (origin.is_measured(), value) {
            (true, None) => format!("the outcome was measured: expected `--{key}`, too"),
            (false, Some(_)) => format!("the outcome was simulated: expected no `--{key}`"),
            _ => continue,
        };
        return Err(WrongCall(why).into());
    }
    Ok(FittedFrom { command: command(), machine: args.machine.clone(), date: args.date.clone() })
}

/// The command that this is.
pub(crate) fn command() -> String {
    let words = std::env::args().skip(1).map(|word| {
        let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./:,=+".contains(c));
        if plain { word } else { format!("'{}'", word.replace('\'', "'\\''")) }
    });
    std::iter::once("atr-bench".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// What servers were asked under a policy.
fn workload(sessions: &[Session], policy: &str, context: Option<&str>) -> anyhow::Result<Workload> {
    let policy = policy::by_name(policy)?;
    let name = context.unwrap_or(policy.context);
    if policy.context == "raw"
        && let Some(context) = context
    {
        let why = format!(
            "`--context` is `{context}`, but `{}` sends prompts as they are, expected none",
            policy.name
        );
        return Err(WrongCall(why).into());
    }
    let strategy = context::by_name(name).ok_or_else(|| policy::ScenarioError::unknown_context(name))?;
    // Neither the cap nor what is shared changes lengths.
    let options = BuildOptions { max_tokens: 1, share_system: false };
    Ok(context::build(sessions, &*strategy, &options))
}

fn readable(origin: Origin, policy: &str, observed: &Observed, fitted: &Fitted) -> String {
    let mut text = format!(
        "{} outcome of {policy}: {} times of {} calls ({} prefills, {} stretches of decoding; {} with a call alone)\n",
        origin.name(),
        units::grouped(observed.points.len() as u64),
        units::grouped(observed.calls),
        units::grouped(observed.prefills),
        units::grouped(observed.decodes),
        units::grouped(observed.alone),
    );
    let left = observed.left_out;
    let reasons = [
        (left.unclear_call, "with calls thrown out or from the host"),
        (left.mixed_prefill, "with prefills that overlap"),
        (left.unknown_queueing, "with calls that may have waited"),
        (left.unknown_progress, "without curves"),
        (left.uneven_progress, "with uneven progress"),
    ];
    let reasons = reasons.iter().filter(|(count, _)| *count > 0);
    let reasons: Vec<String> =
        reasons.map(|(count, why)| format!("{} {why}", units::grouped(*count))).collect();
    if !reasons.is_empty() {
        text.push_str(&format!("left out: {}\n", reasons.join(", ")));
    }
    text.push('\n');
    text.push_str(&terms(fitted));
    text.push_str(&format!("\nrelative error: {}", errors(&fitted.residuals)));
    if let Some(r2) = fitted.r2 {
        text.push_str(&format!("; R² {r2:.5}"));
    }
    match fitted.held_out {
        Some(held) => {
            let points = units::grouped(held.points);
            text.push_str(&format!("\nheld out: {points} times, {}\n", errors(&held.errors)));
        }
        None => text.push_str("\nheld out: nothing, too few times\n"),
    }
    text
}

fn errors(errors: &Errors) -> String {
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    let [mean, p50, p90, max] = [errors.mean, errors.p50, errors.p90, errors.max].map(percent);
    format!("mean {mean}, median {p50}, p90 {p90}, max {max}")
}

fn terms(fitted: &Fitted) -> String {
    let OfPeak { prefill_compute, attention_compute, kv_bandwidth, weights_bandwidth } = fitted.of_peak;
    let shares = [
        weights_bandwidth.map(|share| (share, "of bandwidth or more")),
        None,
        kv_bandwidth.map(|share| (share, "of bandwidth")),
        prefill_compute.map(|share| (share, "of compute")),
        attention_compute.map(|share| (share, "of compute")),
        None,
    ];
    let mut table = Table::new(&["term", "µs a unit", "± standard error", "share of peak"]);
    for ((term, us), share) in fitted.terms.iter().zip(fitted.us_per.values()).zip(shares) {
        let error = match term.standard_error_us {
            Some(error) => digits(error),
            None if term.held => "held".to_owned(),
            None => "at its bound".to_owned(),
        };
        let share =
            share.map_or("–".to_owned(), |(share, what)| format!("{} {what}", units::percent(Some(share))));
        table.row(vec![term.term.name().to_owned(), digits(us), error, share]);
    }
    table.render()
}

/// As many digits as tell one fit from another.
fn digits(us: f64) -> String {
    match us {
        0.0 => "0".to_owned(),
        us if us >= 1_000.0 => format!("{us:.1}"),
        us if us >= 1.0 => format!("{us:.4}"),
        us if us < 1e-4 => format!("{us:.1e}"),
        us => format!("{us:.6}"),
    }
}
