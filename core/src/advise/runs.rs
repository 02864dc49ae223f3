//! The runs that advice rests on.

use super::capacity::{Memory, capacity};
use super::ceiling::{CeilingFigures, ceiling};
use super::flags::{flags, routers};
use super::order::{OrderAdvice, Ranking, greedy};
use super::replicas::{ReplicaAdvice, Search, search};
use super::sample::{Sample, shuffled, take};
use super::{Advice, Lever, ProfileNote, Sentence, Setup};
use crate::figure::units::grouped;
use crate::metrics::breaks::{Breaks, breaks};
use crate::metrics::objective::{Condition, METRICS, Quantity, Statistic};
use crate::metrics::{Curve, InspectOptions, PolicyMetrics, compare, curve_over, miss_ratio_curve};
use crate::policy::{
    Arrivals, KeepAll, PolicyRun, Resolved, Scenario, ScenarioError, block_tokens, by_name, simulate_from,
    simulate_policies,
};
use crate::report::Origin;
use crate::serve::{PrefixTree, latency};
use crate::trace::{Mark, Scope, Session};

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The set-up that is given. With one policy alone the replicas are searched for that policy, else
    /// for what the order of gains comes to.
    pub scenario: Scenario,
    /// What must hold; the first one's figure ranks what is turned on.
    pub objectives: Vec<Condition>,
    /// How far the search for replicas goes.
    pub search: Search,
    /// Most calls that are simulated at a time; a larger set is sampled.
    pub sample_calls: u64,
}

/// Is told what is done next.
pub type Progress<'a> = dyn FnMut(&str) + 'a;

/// A set that runs are made over, with its prompts.
struct Bench {
    sessions: Vec<Session>,
    shelf: KeepAll,
}

impl Bench {
    fn new(sessions: Vec<Session>) -> Self {
        Bench { sessions, shelf: KeepAll::default() }
    }

    /// One set-up in a scenario; nothing where its context strategy cannot be applied.
    fn run(&mut self, setup: &Setup, given: &Scenario) -> Result<Option<PolicyRun>, ScenarioError> {
        let scenario = setup.scenario(given);
        match simulate_policies(&self.sessions, &scenario, &[setup.policy()], &mut self.shelf) {
            Ok((_, mut runs)) => Ok(runs.pop().map(|run| PolicyRun { name: setup.name(), ..run })),
            Err(ScenarioError::NotApplicable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// All advice on a set.
///
/// # Errors
/// When the scenario names something unknown or impossible, or there are no sessions.
pub fn run(
    sessions: &[Session],
    options: &Options,
    tell: &mut Progress<'_>,
) -> Result<Advice, ScenarioError> {
    let single_requests = sessions.iter().all(|session| session.turns().is_none());
    let arrivals = options.scenario.arrivals;
    let recorded = arrivals == Some(Arrivals::Recorded) || (arrivals.is_none() && single_requests);
    let (taken, sample) = match take(sessions, options.sample_calls, recorded) {
        Some((taken, sample)) => (taken, Some(sample)),
        None => (sessions.to_vec(), None),
    };
    let mut bench = Bench::new(taken);
    tell("the given set-up, policy by policy");
    let (resolved, runs) = simulate_from(&bench.sessions, &options.scenario, &mut bench.shelf)?;
    let rows = compare(&runs);
    drop(runs);
    let given = resolved.scenario.clone();
    let block = block_tokens(sessions, given.block_tokens)?;
    let (objectives, untold) = told(&options.objectives, &rows);
    tell("what each lever adds");
    let order = ordered(&mut bench, &given, &objectives)?;
    tell("the hit rate at every capacity");
    let one_by_one = miss_ratio_curve(sessions, &inspect_options(block));
    let admitted = bench.run(&order.setup, &given)?.map(|run| admitted(&run, block));
    let admitted = admitted.unwrap_or_else(|| one_by_one.clone());
    let memory = memory(&given);
    let found = breaks(sessions, block);
    let shared_kv_tokens = memory.kv_tokens.saturating_mul(memory.replicas.into());
    let ceiling = ceiling(&CeilingFigures {
        ceiling_hit_rate: one_by_one.hit_rate(u64::MAX),
        policies: &rows,
        shared_hit_rate: admitted.hit_rate(shared_kv_tokens),
        shared_kv_tokens,
        breaks: &found,
    });
    let capacity = capacity(&admitted, &one_by_one, memory);
    let setup = wanted(&order, &given);
    let replicas = match objectives.is_empty() {
        true => None,
        false => Some(replicas(bench, &setup, &given, &objectives, options.search, tell)?),
    };
    let mut cannot_say = untold;
    if let Some(router) = setup.router.as_deref().filter(|router| routers(router).is_empty()) {
        let text = format!("Which flags set the router `{router}`: none of a public gateway were checked.");
        cannot_say.push(Sentence::new(text));
    }
    cannot_say.extend(cannot(sessions, &resolved, &rows, &found, sample.as_ref()));
    Ok(Advice {
        origin: Origin::Simulated,
        profile: profile(&resolved),
        sample,
        objectives: options.objectives.clone(),
        ceiling,
        capacity,
        flags: flags(&setup, &given),
        order,
        replicas,
        cannot_say,
        scenario: resolved,
    })
}

fn inspect_options(block: u32) -> InspectOptions {
    InspectOptions { block_tokens: Some(block), kv_tokens: Vec::new(), interleaved: false }
}

/// Objectives whose figures there are, and what is said of the others.
fn told(objectives: &[Condition], rows: &[PolicyMetrics]) -> (Vec<Condition>, Vec<Sentence>) {
    let known = |one: &&Condition| rows.iter().any(|row| one.quantity.of(row).is_some());
    let (told, untold): (Vec<&Condition>, Vec<&Condition>) = objectives.iter().partition(known);
    let say = |one: &Condition| {
        let why = if one.quantity.metric.name == "job_ms" {
            "the trace has no sessions that every policy finished"
        } else {
            "no policy has such a figure here"
        };
        Sentence::new(format!("Whether `{one}` can be met: {why}."))
    };
    (told.into_iter().copied().collect(), untold.into_iter().map(say).collect())
}

fn ordered(
    bench: &mut Bench,
    given: &Scenario,
    objectives: &[Condition],
) -> Result<OrderAdvice, ScenarioError> {
    let ttft = METRICS.iter().find(|metric| metric.name == "ttft_ms");
    let ranking = match (objectives.first(), ttft) {
        (Some(first), _) => Ranking { quantity: first.quantity, less: first.comparison.wants_less() },
        (None, metric) => {
            let metric = metric.unwrap_or(&METRICS[0]);
            Ranking { quantity: Quantity { metric, statistic: Some(Statistic::Mean) }, less: true }
        }
    };
    let mut run = |setup: &Setup| bench.run(setup, given);
    greedy(&Lever::lossless(given), &Lever::lossy(given), ranking, &mut run)
}

/// The curve of calls in the order in which a run admitted them. Replies enter the cache as they do in the run.
fn admitted(run: &PolicyRun, block: u32) -> Curve {
    let tree = PrefixTree::build(&run.workload, block);
    let calls = &run.outcome.calls;
    let mut order: Vec<(u64, u32)> =
        (0..).zip(calls).filter_map(|(number, call)| Some((call.admitted_us?, number))).collect();
    order.sort_unstable();
    let order: Vec<u32> = order.into_iter().map(|(_, call)| call).collect();
    curve_over(&run.workload, &tree, &order, true)
}

fn memory(given: &Scenario) -> Memory {
    let profile = full_profile(given);
    Memory {
        replicas: given.replicas,
        kv_tokens: given.kv_tokens.unwrap_or(0),
        kv_bytes_per_token: profile.map(|profile| profile.model.kv_bytes_per_token),
    }
}

/// The set-up that replicas are searched for: the one policy that was asked for, else what the order
/// comes to. One replica needs no router, several do: then it is the cache-aware one, unless another is given.
fn wanted(order: &OrderAdvice, given: &Scenario) -> Setup {
    let mut setup = match &given.policies[..] {
        [one] => by_name(one).map_or_else(|_| order.setup.clone(), |policy| Setup::of(policy, given)),
        _ => order.setup.clone(),
    };
    if given.policies.len() != 1 && setup.cache && setup.router.is_none() && given.replicas == 1 {
        let router = given.router.clone().unwrap_or_else(|| Lever::ROUTERS[0].to_owned());
        setup.router = Some(router).filter(|name| name != "round-robin");
    }
    setup
}

/// Searches over draws of arrivals: another seed, and from the second draw on another order of sessions.
/// What arrives as recorded arrives in one way only.
fn replicas(
    bench: Bench,
    setup: &Setup,
    given: &Scenario,
    objectives: &[Condition],
    how: Search,
    tell: &mut Progress<'_>,
) -> Result<ReplicaAdvice, ScenarioError> {
    let draws = if given.arrivals == Some(Arrivals::Recorded) { 1 } else { how.draws };
    let mut benches = vec![bench];
    let name = setup.name();
    search(&name, objectives, Search { draws, ..how }, &mut |replicas, draw| {
        if draw == 0 {
            tell(&format!("{replicas} replicas"));
        }
        while benches.len() <= draw as usize {
            let other = shuffled(&benches[0].sessions, given.seed.wrapping_add(benches.len() as u64));
            benches.push(Bench::new(other));
        }
        let seed = given.seed.wrapping_add(draw.into());
        let scenario = Scenario { replicas, seed, ..given.clone() };
        let run = benches[draw as usize].run(setup, &scenario)?;
        let runs: Vec<PolicyRun> = run.into_iter().collect();
        compare(&runs).pop().ok_or(ScenarioError::NoSessions)
    })
}

/// The profile with its sources; a `linear` one has none.
fn full_profile(scenario: &Scenario) -> Option<latency::Profile> {
    scenario.own_profile.clone().or_else(|| latency::find(&scenario.profile))
}

fn profile(resolved: &Resolved) -> ProfileNote {
    let name = &resolved.scenario.profile;
    let full = full_profile(&resolved.scenario);
    ProfileNote {
        name: name.clone(),
        origin: resolved.profile_origin.clone(),
        source: full.map_or_else(|| "given on the command line".to_owned(), |profile| profile.source),
    }
}

/// What the trace or the set-up cannot tell.
fn cannot(
    sessions: &[Session],
    resolved: &Resolved,
    rows: &[PolicyMetrics],
    found: &Breaks,
    sample: Option<&Sample>,
) -> Vec<Sentence> {
    let mut says = Vec::new();
    if found.sessionless == sessions.len() as u64 {
        let text = "The trace knows single requests only: nothing can be said of job times, of what broke \
                    prefixes, or of context strategies.";
        says.push(Sentence::new(text).on("trace", "single_requests", found.sessionless as f64));
    }
    for left_out in &resolved.not_applicable {
        says.push(Sentence::new(format!("`{}` does not apply: {}.", left_out.name, left_out.why)));
    }
    let derived = sessions.iter().filter(|session| session.has(Mark::DerivedMessages)).count();
    if derived > 0 {
        let text = format!(
            "In {} sessions messages are derived from blocks: what masking would save there is understated.",
            grouped(derived as u64)
        );
        says.push(Sentence::new(text).on("trace", "sessions with derived messages", derived as f64));
    }
    let local = sessions.iter().filter(|session| session.scope == Scope::Session).count();
    if local > 1 && !resolved.scenario.share_system {
        let text = "Identities hold within a session only: what sessions share, such as a system prompt, is not \
                    counted, and the ceiling is a lower bound.";
        says.push(Sentence::new(text).on("trace", "sessions with ids of their own", local as f64));
    }
    if let Some(row) = rows.iter().rev().max_by_key(|row| row.failed).filter(|row| row.failed > 0) {
        let text = format!(
            "{} calls of `{}` are larger than a replica or the model's context ({} tokens), or come after one that \
             is: latencies cover the calls that every policy finished.",
            grouped(row.failed),
            row.name,
            grouped(resolved.context_tokens),
        );
        says.push(Sentence::new(text).on(&row.name, "failed", row.failed as f64));
    }
    if let Some(sample) = sample {
        let text = format!(
            "Runs cover {} of {} calls ({} of {} sessions): a smaller set shares less and drains sooner.",
            grouped(sample.calls),
            grouped(sample.of_calls),
            grouped(sample.sessions),
            grouped(sample.of_sessions),
        );
        says.push(Sentence::new(text).on("sample", "calls", sample.calls as f64));
    }
    says
}
