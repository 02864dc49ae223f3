//! The runs that advice rests on.

use super::asked::{Asked, Options, in_vain, memory, needs, profile};
use super::bench::{Benches, Draws, Progress, Teller};
use super::capacity::{CapacityAdvice, Memory};
use super::capacity_runs::capacity_of;
use super::ceiling::{CeilingFigures, ceiling, is_identified};
use super::flags::{flags, unset};
use super::floor::{Floors, in_reach};
use super::greedy::{Levers, greedy};
use super::jobs::jobs_of;
use super::order::OrderAdvice;
use super::replicas::{ReplicaAdvice, Search, search};
use super::resample::resample;
use super::sample::{Sample, take};
use super::setting::Strain;
use super::setup::{CACHE_AWARE, ROUND_ROBIN, refuse_foresight};
use super::{Advice, Lever, Recommended, Sentence, Setup};
use crate::figure::units::grouped;
use crate::metrics::breaks::{Breaks, breaks};
use crate::metrics::objective::Condition;
use crate::metrics::{Curve, InspectOptions, PolicyMetrics, compare, curve_over, miss_ratio_curve};
use crate::policy::{
    Arrivals, PolicyRun, Resolved, Scenario, ScenarioError, block_tokens, by_name, simulate_from,
};
use crate::report::Origin;
use crate::serve::PrefixTree;
use crate::trace::{Mark, Scope, Session};
use std::collections::BTreeMap;

/// All advice on a set.
///
/// # Errors
/// When the scenario names something unknown or impossible, or there are no sessions.
pub fn run(
    sessions: &[Session],
    options: &Options,
    tell: &mut Progress<'_>,
) -> Result<Advice, ScenarioError> {
    refuse_foresight(&options.scenario)?;
    let mut teller = Teller { tell, simulations: 0 };
    let (taken, sample) = sampled(sessions, options);
    let mut benches = Benches::new(taken);
    teller.next("the policies that were given");
    let (taken, shelf) = benches.given();
    let (resolved, runs) = simulate_from(taken, &options.scenario, shelf)?;
    teller.simulations += (runs.len() as u64).saturating_sub(1);
    let (rows, mut jobs) = (compare(&runs), jobs_of(&runs));
    let strain = runs.first().zip(rows.first()).map(|(run, row)| Strain::of(run, row));
    let asked = Asked { options, resolved: &resolved, sample, needs: needs(&runs, &resolved) };
    drop(runs);
    let (objectives, untold) = told(&options.objectives, &rows);
    if rows.iter().all(|row| row.failed == resolved.calls) && strain.as_ref().is_some_and(Strain::is_in_vain)
    {
        return Ok(in_vain(&asked, &rows, strain, untold, &teller));
    }
    let given = resolved.scenario.clone();
    let identified = is_identified(sessions);
    let (order, last) = ordered(&mut benches, &asked, &objectives, identified, &mut teller)?;
    (teller.tell)("the hit rate at every capacity", teller.simulations);
    let block = block_tokens(sessions, given.block_tokens)?;
    let one_by_one = miss_ratio_curve(sessions, &inspect_options(block));
    jobs.with_all_steps(last.as_ref());
    let AllSteps { row, strain, admitted, floors } = all_steps(last, &one_by_one, &given, block);
    let memory = memory(&given);
    let found = breaks(sessions, block);
    let shared_kv_tokens = memory.kv_tokens.saturating_mul(memory.replicas.into());
    let ceiling = ceiling(&CeilingFigures {
        ceiling_hit_rate: one_by_one.hit_rate(u64::MAX),
        policies: &rows,
        shared_hit_rate: admitted.hit_rate(shared_kv_tokens),
        shared_kv_tokens,
        breaks: &found,
        identified,
    });
    let setup = wanted(&order, &given);
    let reach = match &row {
        Some(row) => in_reach(&objectives, row, floors),
        None => (objectives, Vec::new()),
    };
    let replicas = replicas(&mut benches, &setup, &given, reach, options.search, &mut teller)?;
    let answer = replicas.as_ref().and_then(|found| found.replicas).unwrap_or(given.replicas);
    let (scenario, curves) = (Scenario { replicas: answer, ..given }, (&admitted, &one_by_one));
    let (setup, capacity) = settled(&mut benches, setup, &scenario, curves, memory, &mut teller)?;
    let mut cannot_say = untold;
    cannot_say.extend(cannot(sessions, &resolved, &found).into_iter().chain(unset(&setup, &scenario)));
    Ok(Advice {
        origin: Origin::Simulated,
        profile: profile(&resolved),
        sample: asked.sample,
        simulations: teller.simulations,
        objectives: options.objectives.clone(),
        setting: asked.setting(strain, teller.simulations),
        jobs,
        ceiling,
        capacity: if identified { capacity } else { capacity.untold() },
        recommended: Recommended { setup: setup.name(), replicas: scenario.replicas },
        flags: flags(&setup, &scenario, memory.kv_bytes_per_token),
        order,
        replicas,
        cannot_say,
        scenario: resolved.clone(),
    })
}

/// The set-up that flags are of, and the memory that it needs. One replica needs no router.
fn settled(
    benches: &mut Benches,
    setup: Setup,
    scenario: &Scenario,
    curves: (&Curve, &Curve),
    memory: Memory,
    teller: &mut Teller<'_, '_>,
) -> Result<(Setup, CapacityAdvice), ScenarioError> {
    let setup = if scenario.replicas == 1 { setup.alone() } else { setup };
    let mut run = |setup: &Setup, scenario: &Scenario| {
        teller.next(&format!("{} KV tokens a replica", grouped(scenario.kv_tokens.unwrap_or(0))));
        benches.run(setup, scenario, 0)
    };
    let memory = Memory { replicas: scenario.replicas, ..memory };
    let capacity = capacity_of(&setup, scenario, curves, memory, &mut run)?;
    Ok((setup, capacity))
}

/// What is simulated: the whole set, or a part of it.
fn sampled(sessions: &[Session], options: &Options) -> (Vec<Session>, Option<Sample>) {
    let single_requests = sessions.iter().all(|session| session.turns().is_none());
    let arrivals = options.scenario.arrivals;
    let recorded = arrivals == Some(Arrivals::Recorded) || (arrivals.is_none() && single_requests);
    match take(sessions, options.sample_calls, recorded) {
        Some((taken, sample)) => (taken, Some(sample)),
        None => (sessions.to_vec(), None),
    }
}

/// What is read of the run of all steps; nothing where the base could not be run.
struct AllSteps {
    row: Option<PolicyMetrics>,
    strain: Option<Strain>,
    /// The hit rate at every capacity, in its order of calls.
    admitted: Curve,
    /// What calls and jobs take at least.
    floors: Floors,
}

fn all_steps(last: Option<PolicyRun>, one_by_one: &Curve, given: &Scenario, block: u32) -> AllSteps {
    let Some(last) = last else {
        let floors = Floors::default();
        return AllSteps { row: None, strain: None, admitted: one_by_one.clone(), floors };
    };
    let row = compare(std::slice::from_ref(&last)).pop();
    let strain = row.as_ref().map(|row| Strain::of(&last, row));
    AllSteps { row, strain, admitted: admitted(&last, block), floors: Floors::of(&last, given) }
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
        let text = format!("Whether `{one}` can be met: {why}.");
        Sentence::new(text).on("all policies", format!("policies with a figure `{}`", one.quantity), 0.0)
    };
    (told.into_iter().copied().collect(), untold.into_iter().map(say).collect())
}

/// A trace that does not say what prompts share is looked at with the cache on, as engines have it: nothing that is simulated
/// speaks for it or against it.
fn ordered(
    benches: &mut Benches,
    asked: &Asked<'_>,
    objectives: &[Condition],
    identified: bool,
    teller: &mut Teller<'_, '_>,
) -> Result<(OrderAdvice, Option<PolicyRun>), ScenarioError> {
    let given = &asked.resolved.scenario;
    let jobs = objectives.iter().any(|one| one.quantity.metric.name == "job_ms");
    let shown = given.policies.iter().map(|name| by_name(name).map(|policy| Setup::of(policy, given)));
    let mut known = shown.collect::<Result<Vec<_>, _>>()?;
    known.retain(|setup| setup.context.is_none());
    // One replica needs no router.
    known.iter_mut().filter(|_| given.replicas == 1).for_each(|setup| setup.router = None);
    let levers = Levers {
        lossless: Lever::lossless(given, jobs),
        research: Lever::research(given),
        lossy: Lever::lossy(given),
        known,
    };
    let mut base = asked.base()?;
    base.cache |= !identified && given.policies.len() != 1;
    let draws = Draws::of(given, benches.given().0.len(), asked.options.search.draws);
    let mut run = |setup: &Setup, draw: u32| {
        teller.next(&setup.name());
        benches.run(setup, given, draw)
    };
    greedy(&base, &levers, Asked::ranking(objectives), draws, &mut run)
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

/// The set-up that replicas are searched for: what the order comes to. One replica needs no router, several do: then it
/// is the cache-aware one, unless another is given.
fn wanted(order: &OrderAdvice, given: &Scenario) -> Setup {
    let mut setup = order.setup.clone();
    if setup.cache && setup.router.is_none() && given.replicas == 1 {
        let router = given.router.as_deref().unwrap_or(CACHE_AWARE);
        setup.router = Some(router).filter(|name| *name != ROUND_ROBIN).map(str::to_owned);
    }
    setup
}

/// Which router several replicas are tried with where one was given, and why that one.
fn routed(setup: &Setup, given: &Scenario) -> Sentence {
    let router = setup.router.as_deref().unwrap_or(ROUND_ROBIN);
    let policy = given.policies.first().filter(|_| given.policies.len() == 1);
    let why = match &given.router {
        Some(named) if named == router => "as given",
        _ if policy.is_some_and(|name| by_name(name).is_ok_and(|policy| policy.router == router)) => {
            "as the policy has it"
        }
        _ if !setup.cache => "since without a cache there is nothing to look for",
        _ => "which is assumed: routers are compared where several replicas are given",
    };
    let text =
        format!("The set-up has one replica, which needs no router; more are tried with `{router}`, {why}.");
    Sentence::new(text).given("replicas", f64::from(given.replicas))
}

/// Searches over draws of arrivals: another seed, and from the second draw on another order of sessions.
/// What arrives as recorded arrives in one way only. Nothing where nothing must hold.
fn replicas(
    benches: &mut Benches,
    setup: &Setup,
    given: &Scenario,
    (objectives, out_of_reach): (Vec<Condition>, Vec<Sentence>),
    how: Search,
    teller: &mut Teller<'_, '_>,
) -> Result<Option<ReplicaAdvice>, ScenarioError> {
    let name = setup.name();
    if objectives.is_empty() {
        let none =
            ReplicaAdvice { says: out_of_reach.clone(), out_of_reach, ..ReplicaAdvice::none(&name, how) };
        return Ok((!none.says.is_empty()).then_some(none));
    }
    let one_order = given.arrivals == Some(Arrivals::Recorded);
    let draws = if one_order { 1 } else { how.draws.max(1) };
    // By number of replicas its one run, where there is one draw.
    let mut once: BTreeMap<u32, PolicyRun> = BTreeMap::new();
    let mut found = search(&name, &objectives, Search { draws, ..how }, &mut |replicas, draw| {
        teller.next(&format!("{replicas} replicas"));
        let scenario = Scenario { replicas, ..given.clone() };
        let run = benches.run(setup, &scenario, draw)?.ok_or(ScenarioError::NoSessions)?;
        let row = compare(std::slice::from_ref(&run)).pop().ok_or(ScenarioError::NoSessions);
        if draws == 1 {
            once.insert(replicas, run);
        }
        row
    })?;
    if given.replicas == 1 && found.probes.iter().any(|probe| probe.replicas > 1) {
        found.says.push(routed(setup, given));
    }
    let run = found.at().and_then(|at| once.get(&at.replicas));
    let drawn = run.map_or_else(Vec::new, |run| resample(run, &objectives, given.seed));
    found = found.with_uncertainty(drawn, one_order);
    found.says.splice(0..0, out_of_reach.iter().cloned());
    found.out_of_reach = out_of_reach;
    Ok(Some(found))
}

/// What the trace or the set-up cannot tell.
fn cannot(sessions: &[Session], resolved: &Resolved, found: &Breaks) -> Vec<Sentence> {
    let mut says = Vec::new();
    if found.sessionless == sessions.len() as u64 {
        let text = "The trace knows single requests only: nothing can be said of job times, of what broke \
                    prefixes, or of context strategies.";
        says.push(Sentence::new(text).counted("single_requests", found.sessionless as f64));
    }
    for left_out in &resolved.not_applicable {
        let text = format!("`{}` does not apply: {}.", left_out.name, left_out.why);
        says.push(Sentence::new(text).counted("sessions", sessions.len() as f64));
    }
    let derived = sessions.iter().filter(|session| session.has(Mark::DerivedMessages)).count();
    if derived > 0 {
        let text = format!(
            "In {} sessions messages are derived from blocks: what masking would save there is understated.",
            grouped(derived as u64)
        );
        says.push(Sentence::new(text).counted("sessions with derived messages", derived as f64));
    }
    let local = sessions.iter().filter(|session| session.scope == Scope::Session).count();
    if local > 1 && !resolved.scenario.share_system {
        let text = "Identities hold within a session only: what sessions share, such as a system prompt, is not \
                    counted, and the ceiling is a lower bound.";
        says.push(Sentence::new(text).counted("sessions with ids of their own", local as f64));
    }
    says
}
