//! `simulate`: a trace on a simulated cluster, once per policy.

use crate::args::{InputArgs, WrongCall};
use crate::output::{self, OutFile};
use crate::table::Table;
use crate::words::count;
use atr_core::choice;
use atr_core::context;
use atr_core::figure::units;
use atr_core::metrics::{self, PolicyMetrics, Spread};
use atr_core::policy::{self, Arrivals, POLICIES, PolicyRun, Replay, Resolved, Scenario, ScenarioError};
use atr_core::predict;
use atr_core::report::Origin;
use atr_core::serve::{cache, evict, latency, route, schedule};
use atr_core::trace::CallOutcome;
use serde::Serialize;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `simulate`.
#[derive(clap::Args, Debug)]
#[command(after_help = policies_help())]
pub(crate) struct SimulateArgs {
    #[command(flatten)]
    input: InputArgs,
    /// Policies to compare, by name, or `all` of those that can run.
    #[arg(long, value_name = "NAME,…", default_value = "all")]
    policy: String,
    /// Replaces each policy's own router, in all but naive.
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
    /// Replaces the cache of every policy.
    #[arg(long, value_name = "NAME")]
    cache: Option<String>,
    /// Replaces what goes first from a cache.
    #[arg(long, value_name = "NAME")]
    eviction: Option<String>,
    /// Replaces the order in which a replica admits calls.
    #[arg(long, value_name = "NAME")]
    scheduler: Option<String>,
    /// Replaces the predictor of the policies that predict lengths.
    #[arg(long, value_name = "NAME")]
    predictor: Option<String>,
    /// How old the router's view of the cluster may be.
    #[arg(long, value_name = "MS", default_value_t = 0)]
    staleness_ms: u64,
    /// Replaces the context strategy of prompt-compaction.
    #[arg(long, value_name = "STRATEGY")]
    context: Option<String>,
    /// Engines.
    #[arg(long, value_name = "N", default_value_t = 1)]
    replicas: u32,
    /// KV capacity of one replica, in tokens; default from the profile.
    #[arg(long, value_name = "N")]
    kv_tokens: Option<u64>,
    /// Tokens in a cache block; default: the source's, else 16.
    #[arg(long, value_name = "N")]
    block: Option<u32>,
    /// Latency profile: a name, or `linear:a_ms,b_ms,c_ms`.
    #[arg(long, value_name = "PROFILE", default_value = "h200-qwen3-4b")]
    profile: String,
    /// Most calls in a step.
    #[arg(long, value_name = "N", default_value_t = 256)]
    max_batch: u32,
    /// Most prompt tokens computed in a step.
    #[arg(long, value_name = "N", default_value_t = 8_192)]
    step_tokens: u32,
    /// Output cap that clients ask for.
    #[arg(long, value_name = "N", default_value_t = 16_384)]
    max_tokens: u32,
    /// How sessions arrive: `recorded`, `poisson:RATE` (sessions per second) or `concurrency:N`.
    #[arg(long, value_name = "HOW", value_parser = arrivals)]
    arrivals: Option<Arrivals>,
    /// What starts the next call: recorded `times`, or recorded `delays` after the call before it.
    #[arg(long, value_name = "WHAT", value_parser = replay)]
    replay: Option<Replay>,
    /// Divide recorded times and delays by this.
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    speed: f64,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Reserve room for a call's output when it is admitted.
    #[arg(long)]
    reserve: bool,
    /// Assume that tool and system prefixes of equal sizes are equal across sessions whose ids are local.
    #[arg(long)]
    share_system: bool,
    /// Advance step by step instead of in closed form: slow, for checking.
    #[arg(long)]
    stepwise: bool,
    /// Write one JSON line per call and policy here.
    #[arg(long, value_name = "FILE")]
    outcome: Option<PathBuf>,
}

fn policies_help() -> String {
    let width = POLICIES.iter().map(|policy| policy.name.len()).max().unwrap_or(0);
    let lines = POLICIES.iter().map(|policy| format!("  {:<width$}  {}", policy.name, policy.about));
    format!("Policies:\n{}", lines.collect::<Vec<_>>().join("\n"))
}

fn arrivals(text: &str) -> Result<Arrivals, String> {
    let wrong = || "expected `recorded`, `poisson:RATE` or `concurrency:N`".to_owned();
    match text.split_once(':') {
        None if text == "recorded" => Ok(Arrivals::Recorded),
        Some(("poisson", rate)) => rate.parse().map(|per_s| Arrivals::Poisson { per_s }).map_err(|_| wrong()),
        Some(("concurrency", count)) => {
            count.parse().map(|sessions| Arrivals::Concurrency { sessions }).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

fn replay(text: &str) -> Result<Replay, String> {
    match text {
        "times" => Ok(Replay::Times),
        "delays" => Ok(Replay::Delays),
        _ => Err("expected `times` or `delays`".to_owned()),
    }
}

impl SimulateArgs {
    /// The checked scenario: whatever is wrong with the call is said before a file is read.
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let policies: Vec<String> = if self.policy == "all" {
            Scenario::default().policies
        } else {
            self.policy.split(',').map(|name| name.trim().to_owned()).collect()
        };
        for (place, name) in policies.iter().enumerate() {
            policy::by_name(name)?;
            if policies[..place].contains(name) {
                return Err(WrongCall(format!("`--policy` names `{name}` twice, expected each once")).into());
            }
        }
        let scenario = Scenario {
            policies,
            router: self.router.clone(),
            cache: self.cache.clone(),
            eviction: self.eviction.clone(),
            scheduler: self.scheduler.clone(),
            predictor: self.predictor.clone(),
            staleness_us: self.staleness_ms.saturating_mul(1_000),
            decisions: false,
            context: self.context.clone(),
            replicas: self.replicas,
            kv_tokens: self.kv_tokens,
            block_tokens: self.block,
            profile: self.profile.clone(),
            max_batch: self.max_batch,
            step_tokens: self.step_tokens,
            max_tokens: self.max_tokens,
            arrivals: self.arrivals,
            replay: self.replay,
            speed: self.speed,
            seed: self.seed,
            reserve: self.reserve,
            share_system: self.share_system,
            curves: self.outcome.is_some(),
            stepwise: self.stepwise,
        };
        scenario.check()?;
        check_names(&scenario)?;
        Ok(scenario)
    }
}

/// Looks names up that the simulator would look up only after the traces are read.
fn check_names(scenario: &Scenario) -> anyhow::Result<()> {
    let unknown = |what, found: &str, known: String| {
        Err(ScenarioError::Unknown { what, found: found.to_owned(), known }.into())
    };
    let parts = [
        ("router", route::ROUTERS, &scenario.router),
        ("cache", cache::CACHES, &scenario.cache),
        ("eviction", evict::EVICTIONS, &scenario.eviction),
        ("scheduler", schedule::SCHEDULERS, &scenario.scheduler),
        ("predictor", predict::PREDICTORS, &scenario.predictor),
    ];
    for (what, family, text) in parts {
        if let Some(text) = text {
            choice::choose(family, text).map_err(|error| ScenarioError::Part { what, error })?;
        }
    }
    if let Some(name) = scenario.context.as_deref().filter(|name| context::by_name(name).is_none()) {
        return unknown("context strategy", name, context::KNOWN.to_owned());
    }
    if latency::by_name(&scenario.profile).is_none() {
        return unknown("profile", &scenario.profile, latency::known());
    }
    Ok(())
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
    let scenario = args.scenario()?;
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
        write_outcome(file, &runs)?;
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
