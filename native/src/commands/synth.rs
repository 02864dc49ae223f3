//! `synth`: sessions that are like those of a real set, and the profiles that say what those are like.

use crate::args::WrongCall;
use crate::input::{self, ReadOptions};
use crate::output::{self, OutFile};
use crate::table::Table;
use crate::words::count;
use anyhow::Context;
use atr_core::figure::units;
use atr_core::metrics::{self, CEILING, Distribution, Fit};
use atr_core::report::join_numbers;
use atr_core::synth::{self, Profile};
use atr_core::trace::Session;
use atr_core::trace::ndjson::Header;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A profile's file keeps a table on one line.
const PROFILE_WIDTH: usize = 600;

/// Arguments of `synth`.
#[derive(clap::Args, Debug)]
#[command(after_help = format!("Profiles: {}.", synth::known()))]
pub(crate) struct SynthArgs {
    /// Profiles to make sessions of: names, or files that `--fit` wrote
    #[arg(long, value_name = "NAME|FILE,…", value_delimiter = ',')]
    profile: Vec<String>,
    /// Sessions to make, in equal parts of every profile
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    sessions: u32,
    /// What decides chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Compare the shapes of what is made with these traces
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "fit")]
    against: Vec<PathBuf>,
    /// Fit a profile to these traces instead of making sessions
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["profile", "sessions", "seed"], requires = "name")]
    fit: Vec<PathBuf>,
    /// Name of the fitted profile
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where to write the trace or the profile; packed if the name ends in .gz, `-` is standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What was made of one profile.
#[derive(Debug, Serialize)]
struct Made {
    profile: String,
    sessions: u64,
    calls: u64,
    prompt_tokens: u64,
    output_tokens: u64,
}

/// What `synth` says on standard output with `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    kind: &'static str,
    seed: u64,
    sessions: u64,
    calls: u64,
    prompt_tokens: u64,
    output_tokens: u64,
    profiles: Vec<Made>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fit: Option<Fit>,
}

/// Runs the command.
///
/// # Errors
/// When the call is wrong, a file cannot be read, or there is too little to fit to.
pub(crate) fn run(args: &SynthArgs, json: bool) -> anyhow::Result<ExitCode> {
    let to_stdout = args.out.as_deref() == Some(Path::new("-"));
    if json && to_stdout {
        return Err(WrongCall("`--json` and `--out -` both need standard output".to_owned()).into());
    }
    if let (true, Some(name)) = (args.fit.is_empty(), &args.name) {
        return Err(
            WrongCall(format!("`--name {name}` names a fitted profile: expected `--fit`, too")).into()
        );
    }
    if let (false, Some(name)) = (args.fit.is_empty(), &args.name) {
        return fit(args, name, json);
    }
    if args.profile.is_empty() {
        let known = synth::known();
        let why =
            format!("no profile to make sessions of: expected `--profile` with files or any of: {known}");
        return Err(WrongCall(why).into());
    }
    let profiles = args.profile.iter().map(|name| load(name)).collect::<anyhow::Result<Vec<_>>>()?;
    if args.out.is_none() && !json && args.against.is_empty() {
        return Err(WrongCall(
            "nothing would be written: expected `--out`, `--json` or `--against`".to_owned(),
        )
        .into());
    }
    let real = if args.against.is_empty() { None } else { Some(read(&args.against)?.0) };
    let parts: Vec<(&Profile, u32)> = profiles.iter().zip(shares(args.sessions, profiles.len())).collect();
    let sessions = synth::generate_set(&parts, args.seed);
    if let Some(path) = &args.out {
        let mut file = OutFile::create(path)?;
        output::set(&mut file, &header(args, &profiles), &sessions)?;
        file.finish()?;
    }
    let summary = summary(args, &parts, &sessions, real.map(|real| metrics::fit(&real, &sessions)));
    if json {
        output::emit_json(&summary)?;
    } else if let (Some(fit), false) = (&summary.fit, to_stdout) {
        output::emit(&table(fit))?;
    }
    output::note(format_args!(
        "{}, {}, {}, {}",
        count(summary.sessions, "synthetic session"),
        count(summary.calls, "call"),
        count(summary.prompt_tokens, "prompt token"),
        count(summary.output_tokens, "output token")
    ));
    Ok(ExitCode::SUCCESS)
}

/// A bundled profile, or one from a file.
fn load(name: &str) -> anyhow::Result<Profile> {
    if let Some(profile) = synth::by_name(name) {
        return Ok(profile);
    }
    let path = Path::new(name);
    if !path.exists() && !name.contains(['.', '/']) {
        let why = format!("unknown profile `{name}`, expected a file or one of: {}", synth::known());
        return Err(WrongCall(why).into());
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("{name}: cannot be read"))?;
    Profile::from_json(&text).with_context(|| name.to_owned())
}

/// `total` in `parts` parts that differ by one at most, the larger ones first.
fn shares(total: u32, parts: usize) -> impl Iterator<Item = u32> {
    let parts = parts.max(1) as u32;
    (0..parts).map(move |place| total / parts + u32::from(place < total % parts))
}

/// The sessions of traces, and the names of their sets.
fn read(files: &[PathBuf]) -> anyhow::Result<(Vec<Session>, String)> {
    let imported = input::read(files, &ReadOptions::default())?;
    if let Some(first) = imported.skipped.first() {
        let skipped = count(imported.skipped_count(), "record");
        output::note(format_args!("skipped: {skipped}; the first: {}: {}", first.file, first.why));
    }
    let sets =
        imported.headers.iter().map(|header| match (header.source.as_str(), header.revision.as_str()) {
            ("", _) => header.name.clone(),
            (source, "") => format!("{} ({source})", header.name),
            (source, revision) => format!("{} ({source} @ {revision})", header.name),
        });
    let sets: Vec<String> = sets.collect();
    Ok((imported.sessions, sets.join(", ")))
}

fn fit(args: &SynthArgs, name: &str, json: bool) -> anyhow::Result<ExitCode> {
    let Some(path) = &args.out else {
        return Err(WrongCall("`--fit` needs `--out`, the profile to write".to_owned()).into());
    };
    let (sessions, sets) = read(&args.fit)?;
    let mut profile = match synth::fit(&sessions, name) {
        Err(error @ synth::FitError::Name { .. }) => return Err(WrongCall(error.to_string()).into()),
        fitted => fitted?,
    };
    profile.fitted_to = sets;
    let text = serde_json::to_string_pretty(&profile)?;
    output::write_file(path, &join_numbers(&text, PROFILE_WIDTH))?;
    if json {
        output::emit_json(&serde_json::json!({
            "profile": profile.name, "harness": profile.harness,
            "sessions": profile.sessions, "calls": profile.calls,
        }))?;
    }
    output::note(format_args!(
        "{}: fitted to {}, {}",
        profile.name,
        count(profile.sessions, "session"),
        count(profile.calls, "call")
    ));
    Ok(ExitCode::SUCCESS)
}

fn header(args: &SynthArgs, profiles: &[Profile]) -> Header {
    let names: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    let names = names.join(",");
    Header {
        command: format!(
            "atr-bench synth --profile {names} --sessions {} --seed {}",
            args.sessions, args.seed
        ),
        kind: "synthetic".to_owned(),
        ..Header::named(&format!("synthetic-{}", names.replace(',', "-")))
    }
}

fn summary(args: &SynthArgs, parts: &[(&Profile, u32)], sessions: &[Session], fit: Option<Fit>) -> Summary {
    let mut rest = sessions;
    let profiles: Vec<Made> = parts
        .iter()
        .map(|(profile, count)| {
            let (own, others) = rest.split_at((*count as usize).min(rest.len()));
            rest = others;
            Made {
                profile: profile.name.clone(),
                sessions: own.len() as u64,
                calls: own.iter().map(|session| session.calls.len() as u64).sum(),
                prompt_tokens: own.iter().map(Session::prompt_tokens).sum(),
                output_tokens: own.iter().map(Session::output_tokens).sum(),
            }
        })
        .collect();
    Summary {
        kind: "synthetic",
        seed: args.seed,
        sessions: profiles.iter().map(|made| made.sessions).sum(),
        calls: profiles.iter().map(|made| made.calls).sum(),
        prompt_tokens: profiles.iter().map(|made| made.prompt_tokens).sum(),
        output_tokens: profiles.iter().map(|made| made.output_tokens).sum(),
        profiles,
        fit,
    }
}

/// Quantiles side by side.
fn table(fit: &Fit) -> String {
    let mut table = Table::new(&["quantity", "set", "n", "mean", "p10", "p50", "p90", "p99", "KS"]);
    for row in &fit.rows {
        let ks = row.ks.map_or("–".to_owned(), |ks| format!("{ks:.3}"));
        for (set, side, ks) in [("real", &row.real, ""), ("synthetic", &row.synthetic, ks.as_str())] {
            let Some(side) = side else { continue };
            let show = |value: Option<f64>| match value {
                Some(value) if row.name != CEILING => units::grouped(value.round() as u64),
                share => units::percent(share),
            };
            let mut cells =
                vec![row.name.clone(), set.to_owned(), units::grouped(side.n), show(Some(side.mean))];
            cells.extend([0.1, 0.5, 0.9, 0.99].map(|share| show(Distribution::at(side, share))));
            cells.push(ks.to_owned());
            table.row(cells);
        }
    }
    format!("{}\n{}", table.render(), share_table(fit))
}

/// Shares of sessions side by side.
fn share_table(fit: &Fit) -> String {
    let mut table = Table::new(&["share of sessions", "real", "synthetic", "difference"]);
    for row in &fit.shares {
        let points = |by: f64| format!("{:+.1} points", by * 100.0);
        let difference = row.difference.map_or("–".to_owned(), points);
        let cells = [units::percent(row.real), units::percent(row.synthetic), difference];
        table.row([row.name.title().to_owned()].into_iter().chain(cells).collect());
    }
    table.render()
}
