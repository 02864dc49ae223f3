//! `advise`: what to turn on first, and how much memory and how many replicas a trace needs.

mod text;

use crate::args::{InputArgs, WrongCall};
use crate::scenario::{self, ScenarioArgs};
use crate::{output, terminal};
use atr_core::advise::{self, Options, Search};
use atr_core::metrics::objective;
use atr_core::policy::Scenario;
use std::process::ExitCode;

/// Arguments of `advise`.
#[derive(clap::Args, Debug)]
#[command(after_help = help())]
pub(crate) struct AdviseArgs {
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// What must hold, such as `ttft_ms.p99<=800,job_ms.p95<=600000`; the first one decides what goes first.
    #[arg(long, value_name = "CONDITION,…", value_parser = parsed)]
    slo: Option<Objectives>,
    /// Most replicas to try.
    #[arg(long, value_name = "N", default_value_t = Search::default().most_replicas, value_parser = clap::value_parser!(u32).range(1..=1024))]
    max_replicas: u32,
    /// Draws of arrivals for every number of replicas.
    #[arg(long, value_name = "N", default_value_t = Search::default().draws, value_parser = clap::value_parser!(u32).range(1..=100))]
    draws: u32,
    /// Simulate at most this many calls at a time; of a larger set a sample of sessions is taken, and said.
    #[arg(long, value_name = "N", default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(1..))]
    sample_calls: u64,
}

/// Checked objectives.
#[derive(Clone, Debug)]
struct Objectives(Vec<objective::Condition>);

fn parsed(text: &str) -> Result<Objectives, objective::ObjectiveError> {
    objective::goals(text).map(Objectives)
}

fn help() -> String {
    let spreads = objective::METRICS.iter().filter(|metric| metric.spread).map(|metric| metric.name);
    let plain = objective::METRICS.iter().filter(|metric| !metric.spread).map(|metric| metric.name);
    format!(
        "Conditions: METRIC<=NUMBER, with <, <=, > or >=.\n  with .mean, .p50, .p90, .p95 or .p99  {}\n  \
         as they are                           {}\n\n{}",
        spreads.collect::<Vec<_>>().join(", "),
        plain.collect::<Vec<_>>().join(", "),
        scenario::parts_help()
    )
}

/// Advises and prints.
///
/// # Errors
/// When the call is wrong or the traces cannot be read.
pub(crate) fn run(args: &AdviseArgs, json: bool) -> anyhow::Result<ExitCode> {
    let scenario = args.scenario.scenario()?;
    if scenario.stepwise {
        let why = "`--stepwise` is for checking one simulation, expected it with `simulate`";
        return Err(WrongCall(why.to_owned()).into());
    }
    // Advice tries what the policies do, whichever are shown.
    Scenario { policies: Scenario::default().policies, ..scenario.clone() }
        .validate()
        .map_err(scenario::in_flags)?;
    let options = Options {
        scenario,
        objectives: args.slo.clone().map(|slo| slo.0).unwrap_or_default(),
        search: Search { most_replicas: args.max_replicas, draws: args.draws },
        sample_calls: args.sample_calls,
    };
    let imported = args.input.read()?;
    options.scenario.validate_on(&imported.sessions).map_err(scenario::in_flags)?;
    let mut tell = |what: &str, done: u64| output::progress(format!("{done} simulations done, next: {what}"));
    let advice = advise::run(&imported.sessions, &options, &mut tell).map_err(scenario::in_flags)?;
    if json {
        output::emit_json(&advice)?;
    } else {
        output::emit(&text::text(&advice, terminal::columns()))?;
    }
    Ok(ExitCode::SUCCESS)
}
