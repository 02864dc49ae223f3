//! `simulate`: a trace on a simulated cluster, once per policy.

use crate::args::{InputArgs, WrongCall};
use crate::export::outcomes;
use crate::output::{self, OutFile};
use crate::scenario::{self, ScenarioArgs};
use crate::table::Table;
use crate::words::count;
use atr_core::figure::units;
use atr_core::metrics::{self, PolicyMetrics, Spread};
use atr_core::policy::{self, PolicyRun, Resolved, Scenario};
use atr_core::report::Origin;
use atr_core::trace::CallOutcome;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `simulate`.
#[derive(clap::Args, Debug)]
#[command(after_help = scenario::parts_help())]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Write one JSON line per call and policy here, or a Parquet table where the name ends in `.parquet`.
    #[arg(long, value_name = "FILE")]
    outcome: Option<PathBuf>,
}

/// What `--json` prints. The last two are volatile.
#[derive(Serialize)]
struct Answer<'a> {
    origin: Origin,
    scenario: &'a Resolved,
    policies: Vec<PolicyMetrics>,
    wall_ms: f64,
    calls_per_s: f64,
}

/// Simulates and prints.
///
/// # Errors
/// When the call is wrong, the traces cannot be read or the outcome cannot be written.
pub(crate) fn run(args: &SimulateArgs, json: bool) -> anyhow::Result<ExitCode> {
    // A line has room for a call's curve, a table's row has not.
    let curves = args.outcome.as_deref().is_some_and(|to| !outcomes::is_table(to));
    let scenario = Scenario { curves, ..args.scenario.scenario()? };
    if json && args.outcome.as_deref() == Some(Path::new("-")) {
        let why = "`--json` and `--outcome -` both want standard output, expected one of them";
        return Err(WrongCall(why.to_owned()).into());
    }
    // Opened before the work, so that a wrong place is said at once.
    let outcome = args.outcome.as_deref().map(OutFile::create).transpose()?;
    let imported = args.input.read()?;
    output::progress(format_args!(
        "{}, {} {}",
        count(imported.sessions.len() as u64, "session"),
        scenario.policies.len(),
        if scenario.policies.len() == 1 { "policy" } else { "policies" }
    ));
    let begun = Instant::now();
    let (resolved, runs) = policy::simulate(&imported.sessions, &scenario)?;
    let wall_s = begun.elapsed().as_secs_f64();
    let calls: usize = runs.iter().map(|run| run.outcome.calls.len()).sum();
    let answer = Answer {
        origin: Origin::Simulated,
        scenario: &resolved,
        policies: metrics::compare(&runs),
        wall_ms: wall_s * 1e3,
        calls_per_s: calls as f64 / wall_s.max(1e-9),
    };
    if json {
        output::emit_json(&answer)?;
    } else if args.outcome.as_deref() != Some(Path::new("-")) {
        output::emit(&readable(&answer))?;
    }
    if let Some(file) = outcome {
        let to = file.to().display().to_string();
        match args.outcome.as_deref().is_some_and(outcomes::is_table) {
            true => outcomes::write(file, &[], None, &runs)?,
            false => write_outcome(file, &runs)?,
        }
        output::note(format_args!("wrote {} to {to}", count(calls as u64, "call")));
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of `--outcome`.
#[derive(Serialize)]
struct OutcomeLine<'a> {
    policy: &'a str,
    #[serde(flatten)]
    call: &'a CallOutcome,
}

fn write_outcome(mut file: OutFile, runs: &[PolicyRun]) -> anyhow::Result<()> {
    for run in runs {
        for call in &run.outcome.calls {
            serde_json::to_writer(&mut file, &OutcomeLine { policy: &run.name, call })?;
            file.write_all(b"\n")?;
        }
    }
    file.finish()
}

fn readable(answer: &Answer<'_>) -> String {
    let scenario = &answer.scenario.scenario;
    let mut text = format!(
        "simulated: {} of {}, profile {} ({}), {}, {} KV tokens each, blocks of {}\n\n",
        count(answer.scenario.calls, "call"),
        count(answer.scenario.sessions, "session"),
        scenario.profile,
        answer.scenario.profile_origin,
        count(scenario.replicas.into(), "replica"),
        scenario.kv_tokens.map_or_else(|| "–".to_owned(), units::grouped),
        scenario.block_tokens.map_or_else(|| "–".to_owned(), |block| block.to_string()),
    );
    let mut table = Table::new(&[
        "policy",
        "calls",
        "failed",
        "hit rate",
        "ceiling",
        "TTFT mean",
        "p50",
        "p95",
        "p99",
        "TPOT mean",
        "E2E p50",
        "job p50",
        "prefill tokens",
    ]);
    for row in &answer.policies {
        let at = |spread: Option<Spread>, pick: fn(&Spread) -> f64| {
            spread.as_ref().map_or_else(|| "–".to_owned(), |spread| units::time(pick(spread)))
        };
        table.row(vec![
            row.name.clone(),
            units::grouped(row.calls),
            units::grouped(row.failed),
            units::percent(row.hit_rate),
            units::percent(row.ceiling_hit_rate),
            at(row.ttft_ms, |s| s.mean),
            at(row.ttft_ms, |s| s.p50),
            at(row.ttft_ms, |s| s.p95),
            at(row.ttft_ms, |s| s.p99),
            at(row.tpot_ms, |s| s.mean),
            at(row.e2e_ms, |s| s.p50),
            at(row.job_ms, |s| s.p50),
            units::grouped(row.prefill_tokens),
        ]);
    }
    text.push_str(&table.render());
    for left_out in &answer.scenario.not_applicable {
        text.push_str(&format!("{}: not applicable, {}\n", left_out.name, left_out.why));
    }
    text.push_str(&format!(
        "\nTTFT: time to first token, from schedule. Figures cover the calls that every policy admitted.\n\
         {} in {}, {} calls/s.\n",
        count((answer.calls_per_s * answer.wall_ms / 1e3).round() as u64, "simulated call"),
        units::time(answer.wall_ms),
        units::grouped(answer.calls_per_s as u64)
    ));
    text
}
