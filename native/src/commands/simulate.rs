//! `simulate`: a trace on a simulated cluster, once per policy.

use crate::args::{InputArgs, WrongCall};
use crate::export::outcomes;
use crate::outcome;
use crate::output::{self, OutFile};
use crate::scenario::{self, ScenarioArgs};
use crate::table::Table;
use crate::words::count;
use atr_core::figure::{tempers, units};
use atr_core::metrics::{self, PolicyMetrics, Spread};
use atr_core::policy::{self, PolicyRun, Resolved, Scenario};
use atr_core::report::Origin;
use atr_core::trace::{CallStatus, Decision, Regret};
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
    /// Write one JSON line per routing decision and policy here, with its session and what the router thought of every
    /// replica.
    #[arg(long, value_name = "FILE")]
    decisions: Option<PathBuf>,
    /// Try every replica in hindsight for so many decisions of each policy, and say how much later the calls were
    /// than on the best. Of one call at a time: no bound on a run.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    regret: Option<u32>,
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
    let scenario = checked(args, json)?;
    // Opened before the work, so that a wrong place is said at once.
    let outcome_file = args.outcome.as_deref().map(OutFile::create).transpose()?;
    let decisions = args.decisions.as_deref().map(OutFile::create).transpose()?;
    let imported = args.input.read()?;
    scenario.validate_on(&imported.sessions).map_err(scenario::in_flags)?;
    output::progress(format_args!(
        "{}, {} {}",
        count(imported.sessions.len() as u64, "session"),
        scenario.policies.len(),
        if scenario.policies.len() == 1 { "policy" } else { "policies" }
    ));
    let begun = Instant::now();
    let (resolved, runs) = policy::simulate(&imported.sessions, &scenario).map_err(scenario::in_flags)?;
    let wall_s = begun.elapsed().as_secs_f64();
    // All calls of all policies, whatever became of them.
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
    } else if !wants_stdout(&args.outcome) && !wants_stdout(&args.decisions) {
        output::emit(&readable(&answer, &runs))?;
    }
    if let Some(file) = outcome_file {
        let to = file.to().display().to_string();
        match args.outcome.as_deref().is_some_and(outcomes::is_table) {
            true => outcomes::write(file, &[], None, &runs)?,
            false => outcome::write(file, Origin::Simulated, &runs)?,
        }
        output::note(format_args!("wrote {} to {to}", count(calls as u64, "call")));
    }
    if let Some(file) = decisions {
        let to = file.to().display().to_string();
        let made: usize = runs.iter().map(|run| run.outcome.decisions.len()).sum();
        write_decisions(file, &runs)?;
        output::note(format_args!("wrote {} to {to}", count(made as u64, "decision")));
    }
    Ok(ExitCode::SUCCESS)
}

fn wants_stdout(to: &Option<PathBuf>) -> bool {
    to.as_deref() == Some(Path::new("-"))
}

/// The scenario, with what is to be kept of its runs.
fn checked(args: &SimulateArgs, json: bool) -> anyhow::Result<Scenario> {
    let wanting = [
        ("`--json`", json),
        ("`--outcome -`", wants_stdout(&args.outcome)),
        ("`--decisions -`", wants_stdout(&args.decisions)),
    ];
    let wanting: Vec<&str> = wanting.iter().filter(|(_, wants)| *wants).map(|(flag, _)| *flag).collect();
    if let [first, second, ..] = wanting[..] {
        let why = format!("{first} and {second} both want standard output, expected one of them");
        return Err(WrongCall(why).into());
    }
    let scenario = Scenario {
        // A line has room for a call's curve, a table's row has not.
        curves: args.outcome.as_deref().is_some_and(|to| !outcomes::is_table(to)),
        decisions: args.decisions.is_some(),
        regret: args.regret.unwrap_or(0),
        ..args.scenario.scenario()?
    };
    scenario.validate().map_err(scenario::in_flags)?;
    for why in scenario.pointless() {
        output::note(format_args!("note: {}", scenario::with_flags(&why)));
    }
    Ok(scenario)
}

/// One line of `--decisions`.
#[derive(Serialize)]
struct DecisionLine<'a> {
    policy: &'a str,
    origin: Origin,
    /// Name of the call's session; calls are counted over all sessions.
    session: &'a str,
    #[serde(flatten)]
    decision: &'a Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    regret: Option<Regret>,
}

fn write_decisions(mut file: OutFile, runs: &[PolicyRun]) -> anyhow::Result<()> {
    for run in runs {
        for decision in &run.outcome.decisions {
            let call = run.workload.calls.get(decision.call as usize);
            let session = call.and_then(|call| run.workload.sessions.get(call.session as usize));
            let line = DecisionLine {
                policy: &run.name,
                origin: Origin::Simulated,
                session: session.map_or("", |session| session.id.as_str()),
                decision,
                regret: decision.regret(),
            };
            serde_json::to_writer(&mut file, &line)?;
            file.write_all(b"\n")?;
        }
    }
    file.finish()
}

/// Where the time of jobs goes; nothing where there are no jobs.
fn job_split(policies: &[PolicyMetrics]) -> String {
    let mut table = Table::new(&["mean job", "jobs", "queue", "prefill", "decode", "tool"]);
    let mut any = false;
    for row in policies {
        let Some(split) = row.job_split_ms else { continue };
        any = true;
        table.row(vec![
            row.name.clone(),
            units::grouped(split.jobs),
            units::time(split.queue),
            units::time(split.prefill),
            units::time(split.decode),
            units::time(split.tool),
        ]);
    }
    if !any {
        return String::new();
    }
    let note = "Along the calls that decided each job's end; routing is not modelled and takes no time.";
    format!("\n{}{note}\n", table.render())
}

/// How lengths were predicted; nothing where no policy predicts.
fn predictions(rows: &[PolicyMetrics], predictor: &str) -> String {
    let mut table = Table::new(&[
        "predicted lengths",
        "calls",
        "covered",
        "too short",
        "tokens cut",
        "tokens wasted",
        "Kendall's tau",
    ]);
    let mut any = false;
    for row in rows {
        let Some(found) = row.predictions else { continue };
        any = true;
        table.row(vec![
            row.name.clone(),
            units::grouped(found.covered + found.under),
            units::percent(found.coverage),
            units::grouped(found.under),
            units::grouped(found.truncated_tokens.unwrap_or(0)),
            units::grouped(found.wasted_tokens),
            found.kendall_tau.map_or_else(|| "–".to_owned(), |tau| format!("{tau:.3}")),
        ]);
    }
    if !any {
        return String::new();
    }
    format!(
        "\n{}By `{predictor}`, from metadata only, as calls came. Cut: what a hard cap at the prediction would have lost; wasted: \
         reserved beyond what was made.\n",
        table.render()
    )
}

/// What routing cost in hindsight, where that was tried.
fn regrets(rows: &[PolicyMetrics]) -> String {
    let mut table = Table::new(&[
        "regret",
        "decisions",
        "best TTFT",
        "TTFT mean",
        "p50",
        "p99",
        "E2E mean",
        "p99",
        "oracle's TTFT",
    ]);
    for row in rows {
        let Some(regret) = row.regret else { continue };
        table.row(vec![
            row.name.clone(),
            units::grouped(regret.decisions),
            units::percent(Some(regret.none_share)),
            units::time(regret.ttft_ms.mean),
            units::time(regret.ttft_ms.p50),
            units::time(regret.ttft_ms.p99),
            units::time(regret.e2e_ms.mean),
            units::time(regret.e2e_ms.p99),
            units::time(regret.oracle_ttft_ms.mean),
        ]);
    }
    if rows.iter().all(|row| row.regret.is_none()) {
        return String::new();
    }
    format!(
        "\n{}\nRegret: how much later a call was than on the replica that was best for it, each tried with all that came later.\n\
         Best TTFT: on no other would the first token have been earlier; the last one may have been.\n\
         Oracle: the same of the replica that would have been first if nothing had come later.\n\
         Both are of one call at a time. They do not add up to what another router would save on the run.\n",
        table.render()
    )
}

/// What tempers the table: why calls failed, and what the trace does not say.
fn tempered(answer: &Answer<'_>, runs: &[PolicyRun]) -> String {
    let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
    for row in &answer.policies {
        let Some(why) = tempers::refused(row, answer.scenario) else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, names)) => names.push(&row.name),
            None => reasons.push((why, vec![&row.name])),
        }
    }
    let mut text = String::new();
    for (why, names) in &reasons {
        let of_all = names.len() == answer.policies.len();
        let whose = if of_all { String::new() } else { format!("{}: ", names.join(", ")) };
        text.push_str(&format!("! {whose}{why}\n"));
    }
    if let Some(unknown) = tempers::unknown(answer.scenario) {
        text.push_str(&format!("! {unknown}\n"));
    }
    if answer.scenario.unknown.output_tokens > 0 {
        let known = count(metrics::known_outputs(runs), "call");
        text.push_str(&format!("! TPOT, E2E and predictions are over {known} of known output.\n"));
    }
    text
}

/// Calls that were answered, over all policies.
fn answered(runs: &[PolicyRun]) -> u64 {
    let calls = runs.iter().flat_map(|run| &run.outcome.calls);
    calls.filter(|call| call.status == CallStatus::Ok).count() as u64
}

fn readable(answer: &Answer<'_>, runs: &[PolicyRun]) -> String {
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
    text.push_str(&tempered(answer, runs));
    text.push_str(&job_split(&answer.policies));
    text.push_str(&predictions(
        &answer.policies,
        scenario.predictor.as_deref().unwrap_or(policy::DEFAULT_PREDICTOR),
    ));
    for left_out in &answer.scenario.not_applicable {
        text.push_str(&format!("{}: not applicable, {}\n", left_out.name, left_out.why));
    }
    text.push_str(&regrets(&answer.policies));
    text.push_str(&format!(
        "\nTTFT: time to first token, from schedule. Figures cover the calls that every policy admitted.\n\
         {} in {}, {} calls/s.\n",
        count(answered(runs), "answered call"),
        units::time(answer.wall_ms),
        units::grouped((answered(runs) as f64 / (answer.wall_ms / 1e3).max(1e-9)) as u64)
    ));
    text
}
