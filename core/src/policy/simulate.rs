//! From sessions and a scenario to one outcome per policy.

use super::prompts::{KeepAll, Prompts, PromptsKey, Shelf};
use super::{Arrivals, NotApplicable, Policy, Scenario, ScenarioError, Unknown, by_name, horizon};
use crate::choice::{About, Choice, choose as choose_part};
use crate::context::{self, ContextStrategy};
use crate::predict::PREDICTORS;
use crate::serve::cache::{self, CACHES};
use crate::serve::evict::EVICTIONS;
use crate::serve::latency::{self, Compiled};
use crate::serve::route::ROUTERS;
use crate::serve::schedule::SCHEDULERS;
use crate::serve::{self, ClusterConfig, Parts, Replay};
use crate::trace::{Outcome, Session, Workload};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Block size of sources that are exact to the token.
const DEFAULT_BLOCK: u32 = 16;
/// Where a policy predicts lengths and nothing else is said.
pub const DEFAULT_PREDICTOR: &str = "per-tool";
/// Sessions at a time, where nothing else is said.
const DEFAULT_CONCURRENCY: u32 = 16;

/// What the scenario's defaults came to for this trace. Part of every result.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resolved {
    /// The scenario with every default filled in.
    #[serde(flatten)]
    pub scenario: Scenario,
    /// Where the profile's figures come from: `estimated`, `exact`, `probed`, `calibrated` or
    /// `simulated`.
    pub profile_origin: String,
    /// Longest prompt and output together that the model takes.
    pub context_tokens: u64,
    /// Sessions simulated.
    pub sessions: u64,
    /// Calls simulated.
    pub calls: u64,
    /// What the trace does not say of them.
    #[serde(default, skip_serializing_if = "Unknown::is_nothing")]
    pub unknown: Unknown,
    /// Policies left out, because their context strategy cannot say anything about this trace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_applicable: Vec<NotApplicable>,
}

/// What stands beside the scenario.
#[derive(Deserialize)]
struct Beside {
    profile_origin: String,
    context_tokens: u64,
    sessions: u64,
    calls: u64,
    #[serde(default)]
    unknown: Unknown,
    #[serde(default)]
    not_applicable: Vec<NotApplicable>,
}

/// The scenario and what stands beside it are read one after the other from the same text: flattened, they would be
/// buffered, and what reads them compiled twice.
impl<'de> Deserialize<'de> for Resolved {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let scenario = serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        let Beside { profile_origin, context_tokens, sessions, calls, unknown, not_applicable } =
            serde_json::from_str(text.get()).map_err(D::Error::custom)?;
        Ok(Resolved { scenario, profile_origin, context_tokens, sessions, calls, unknown, not_applicable })
    }
}

/// One policy's run.
#[derive(Clone, Debug)]
pub struct PolicyRun {
    /// The policy.
    pub name: String,
    /// What was asked, after its context strategy.
    pub workload: Arc<Workload>,
    /// What happened.
    pub outcome: Outcome,
}

/// A policy with its names looked up.
struct Chosen {
    policy: Policy,
    parts: Parts,
    strategy: Box<dyn ContextStrategy>,
}

/// Simulates every policy of the scenario over the sessions.
///
/// # Errors
/// When the scenario names something unknown or impossible.
pub fn simulate(
    sessions: &[Session],
    scenario: &Scenario,
) -> Result<(Resolved, Vec<PolicyRun>), ScenarioError> {
    simulate_from(sessions, scenario, &mut KeepAll::default())
}

/// The same, with prompts from a shelf, for who runs many scenarios over the same sessions.
///
/// # Errors
/// When the scenario names something unknown or impossible.
pub fn simulate_from(
    sessions: &[Session],
    scenario: &Scenario,
    shelf: &mut dyn Shelf,
) -> Result<(Resolved, Vec<PolicyRun>), ScenarioError> {
    let policies: Vec<Policy> =
        scenario.policies.iter().map(|name| by_name(name).copied()).collect::<Result<_, _>>()?;
    simulate_policies(sessions, scenario, &policies, shelf)
}

/// The same, with policies that need not be in the registry, whatever the scenario names.
///
/// # Errors
/// When the scenario or a policy names something unknown or impossible.
pub fn simulate_policies(
    sessions: &[Session],
    scenario: &Scenario,
    policies: &[Policy],
    shelf: &mut dyn Shelf,
) -> Result<(Resolved, Vec<PolicyRun>), ScenarioError> {
    let (mut resolved, profile) = resolve(sessions, scenario)?;
    let scenario = resolved.scenario.clone();
    let chosen = policies.iter().map(|policy| choose(*policy, &scenario)).collect::<Result<Vec<_>, _>>()?;
    let mut runs = Vec::new();
    for chosen in chosen {
        if !sessions.iter().any(|session| chosen.strategy.applies(session)) {
            let why = format!("context strategy `{}` needs sessions with messages", chosen.strategy.name());
            resolved.not_applicable.push(NotApplicable { name: chosen.policy.name.to_owned(), why });
            continue;
        }
        let key = prompts_key(&chosen, &scenario);
        let ready = shelf.prompts(&key, &|| Prompts::make(sessions, &*chosen.strategy, &key));
        let outcome = run(&ready, &chosen, &scenario, &profile)?;
        runs.push(PolicyRun { name: chosen.policy.name.to_owned(), workload: ready.work, outcome });
    }
    match resolved.not_applicable.first() {
        Some(left_out) if runs.is_empty() => Err(ScenarioError::NotApplicable(left_out.clone())),
        _ => Ok((resolved, runs)),
    }
}

/// Fills every default in and checks what can be checked before work starts.
fn resolve(sessions: &[Session], scenario: &Scenario) -> Result<(Resolved, Compiled), ScenarioError> {
    scenario.check()?;
    if sessions.is_empty() {
        return Err(ScenarioError::NoSessions);
    }
    let profile = profile(scenario)?;
    if profile.single && scenario.max_batch != 1 {
        return Err(ScenarioError::range("max_batch", scenario.max_batch, "1 with a `linear` profile"));
    }
    let block = block_tokens(sessions, scenario.block_tokens.or(own_block(sessions, scenario)?))?;
    let single_requests = sessions.iter().all(|session| session.turns().is_none());
    let by_default = if single_requests {
        (Arrivals::Recorded, Replay::Times)
    } else {
        (Arrivals::Concurrency { sessions: DEFAULT_CONCURRENCY }, Replay::Delays)
    };
    // Users wait for their calls, whatever the source says of times.
    let users = matches!(scenario.arrivals, Some(Arrivals::Users { .. }));
    let replay = if users { Replay::Delays } else { by_default.1 };
    let kv_tokens = scenario.kv_tokens.unwrap_or(profile.kv_tokens);
    for (key, tokens) in [("kv_tokens", Some(kv_tokens)), ("host_kv_tokens", scenario.host_kv_tokens)] {
        if let Some(tokens) = tokens.filter(|&tokens| tokens < u64::from(block)) {
            let expected = format!("at least one block of {block} tokens");
            return Err(ScenarioError::range(key, tokens, expected));
        }
    }
    let places = cache::places(&choose_cache(scenario)?);
    if let Some(places) = places.filter(|&places| places > kv_tokens / u64::from(block)) {
        let expected = format!("at least one block of {block} tokens for each of {places} `slots`");
        return Err(ScenarioError::range("kv_tokens", kv_tokens, expected));
    }
    let host_gb_per_s = scenario.host_gb_per_s.unwrap_or(profile.host_gb_per_s);
    let (arrivals, replay) = (scenario.arrivals.unwrap_or(by_default.0), scenario.replay.unwrap_or(replay));
    let filled = Scenario {
        kv_tokens: Some(kv_tokens),
        host_gb_per_s: scenario.host_kv_tokens.map(|_| host_gb_per_s),
        block_tokens: Some(block),
        arrivals: Some(arrivals),
        replay: Some(replay),
        ..scenario.clone()
    };
    let resolved = Resolved {
        scenario: filled,
        profile_origin: profile.origin.name().to_owned(),
        context_tokens: profile.context_tokens,
        sessions: sessions.len() as u64,
        calls: sessions.iter().map(|session| session.calls.len() as u64).sum(),
        unknown: Unknown::of(sessions, arrivals, replay),
        not_applicable: Vec::new(),
    };
    Ok((resolved, profile))
}

/// The profile that a scenario names or brings.
pub(crate) fn profile(scenario: &Scenario) -> Result<Compiled, ScenarioError> {
    let own = scenario.own_profile.as_ref().filter(|own| own.name == scenario.profile);
    if let Some(own) = own {
        return Ok(own.read()?.compile());
    }
    latency::by_name(&scenario.profile).ok_or_else(|| ScenarioError::Unknown {
        what: "profile",
        found: scenario.profile.clone(),
        known: latency::known(),
    })
}

/// The block size to use for a trace: what is asked, else the source's own, else 16.
///
/// # Errors
/// When the source's blocks would have to be split.
pub fn block_tokens(sessions: &[Session], asked: Option<u32>) -> Result<u32, ScenarioError> {
    let own = sessions.iter().filter_map(|session| session.block_tokens).max();
    let block = asked.or(own).unwrap_or(DEFAULT_BLOCK);
    match own.filter(|own| !block.is_multiple_of(*own)) {
        None => Ok(block),
        Some(own) => {
            let expected =
                format!("a multiple of {own}, the source's block size: blocks can be joined, not split");
            Err(ScenarioError::range("block_tokens", block, expected))
        }
    }
}

/// The block size that the cache brings along, where the source has none.
fn own_block(sessions: &[Session], scenario: &Scenario) -> Result<Option<u32>, ScenarioError> {
    let own = cache::own_block_tokens(&choose_cache(scenario)?);
    Ok(own.filter(|_| sessions.iter().all(|session| session.block_tokens.is_none())))
}

fn choose_cache(scenario: &Scenario) -> Result<Choice, ScenarioError> {
    part("cache", CACHES, scenario.cache.as_deref().unwrap_or("block-hash"))
}

pub(super) fn part(
    what: &'static str,
    family: &'static [About],
    text: &str,
) -> Result<Choice, ScenarioError> {
    choose_part(family, text).map_err(|error| ScenarioError::Part { what, error })
}

fn choose(policy: Policy, scenario: &Scenario) -> Result<Chosen, ScenarioError> {
    let predictor = scenario.predictor.as_deref().unwrap_or(DEFAULT_PREDICTOR);
    let predictor = part("predictor", PREDICTORS, predictor)?;
    let cache = choose_cache(scenario)?;
    let eviction = scenario.eviction.as_deref().unwrap_or(cache::own_eviction(&cache));
    let scheduler = if policy.predict { "shortest" } else { "fcfs" };
    let parts = Parts {
        router: part("router", ROUTERS, policy.router_in(scenario))?,
        eviction: part("eviction", EVICTIONS, eviction)?,
        cache,
        scheduler: part("scheduler", SCHEDULERS, scenario.scheduler.as_deref().unwrap_or(scheduler))?,
        predictor: policy.predict.then_some(predictor),
    };
    let context = scenario.context.as_deref().filter(|_| policy.context != "raw").unwrap_or(policy.context);
    let strategy = context::by_name(context).ok_or_else(|| ScenarioError::unknown_context(context))?;
    Ok(Chosen { policy, parts, strategy })
}

fn prompts_key(chosen: &Chosen, scenario: &Scenario) -> PromptsKey {
    PromptsKey {
        context: chosen.strategy.name(),
        block_tokens: scenario.block_tokens.unwrap_or(DEFAULT_BLOCK),
        max_tokens: scenario.max_tokens,
        share_system: scenario.share_system,
    }
}

fn run(
    ready: &Prompts,
    chosen: &Chosen,
    scenario: &Scenario,
    profile: &Compiled,
) -> Result<Outcome, ScenarioError> {
    let block = u64::from(ready.tree.block_tokens());
    let config = ClusterConfig {
        parts: chosen.parts.clone(),
        replicas: scenario.replicas,
        capacity_blocks: scenario.kv_tokens.unwrap_or(profile.kv_tokens) / block,
        host_blocks: scenario.host_kv_tokens.unwrap_or(0) / block,
        context_tokens: profile.context_tokens,
        max_batch: scenario.max_batch,
        step_tokens: scenario.step_tokens,
        coefficients: scenario.host_gb_per_s.map_or(profile.coefficients, |rate| profile.with_host(rate)),
        cache: chosen.policy.cache,
        reserve: scenario.reserve,
        replay: scenario.replay.unwrap_or(Replay::Delays),
        speed: scenario.speed,
        stepwise: scenario.stepwise,
        curves: scenario.curves,
        staleness_us: scenario.staleness_us,
        decisions: scenario.decisions,
        seed: scenario.seed,
    };
    let arrivals = scenario.arrivals.unwrap_or(Arrivals::Concurrency { sessions: DEFAULT_CONCURRENCY });
    let plan = arrivals.plan(&ready.work, scenario.speed, scenario.seed);
    horizon::check(&ready.work, &plan, config.replay, scenario.speed)?;
    let (work, tree) = (&ready.work, &ready.tree);
    Ok(if scenario.regret > 0 {
        serve::simulate_with_hindsight(work, tree, &config, &plan, scenario.regret)
    } else {
        serve::simulate(work, tree, &config, &plan)
    })
}
