//! The set-up of a simulation on the command line, for every command that simulates.

use crate::profile;
use atr_core::choice::About;
use atr_core::context;
use atr_core::policy::{ARRIVALS, Arrivals, POLICIES, Replay, Scenario};
use atr_core::predict;
use atr_core::serve::{cache, evict, route, schedule};

/// The set-up of a simulation.
#[derive(clap::Args, Debug)]
pub(crate) struct ScenarioArgs {
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
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = whole::<u64>)]
    staleness_ms: u64,
    /// Replaces the context strategy of prompt-compaction.
    #[arg(long, value_name = "STRATEGY")]
    context: Option<String>,
    /// Engines.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>)]
    replicas: u32,
    /// KV capacity of one replica, in tokens; default from the profile.
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    kv_tokens: Option<u64>,
    /// What a replica keeps in its host's memory, in tokens; default: nothing.
    #[arg(long, value_name = "N", value_parser = whole::<u64>)]
    host_kv_tokens: Option<u64>,
    /// Rate at which that is brought over; default: one direction of the profile's PCIe link.
    #[arg(long, value_name = "RATE", value_parser = number)]
    host_gb_per_s: Option<f64>,
    /// Tokens in a cache block; default: the source's, else 16, or 1 for caches that are exact to the token.
    #[arg(long, value_name = "N", value_parser = whole::<u32>)]
    block: Option<u32>,
    /// Latency profile: a name, a file as `calibrate` writes it, or `linear:a_ms,b_ms,c_ms`.
    #[arg(long, value_name = "PROFILE", default_value = "h200-qwen3-4b")]
    profile: String,
    /// Most calls in a step.
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = whole::<u32>)]
    max_batch: u32,
    /// Most prompt tokens computed in a step.
    #[arg(long, value_name = "N", default_value_t = 8_192, value_parser = whole::<u32>)]
    step_tokens: u32,
    /// Output cap that clients ask for.
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = whole::<u32>)]
    max_tokens: u32,
    /// How sessions arrive: `recorded`, `poisson:RATE`, `gamma:RATE,SHAPE` or `constant:RATE` (sessions per
    /// second), `concurrency:N`, or `users:N,RATE` (calls per second of N users together).
    #[arg(long, value_name = "HOW", value_parser = arrivals)]
    arrivals: Option<Arrivals>,
    /// What starts the next call: recorded `times`, or recorded `delays` after the call before it.
    #[arg(long, value_name = "WHAT", value_parser = replay)]
    replay: Option<Replay>,
    /// Divide recorded times and delays by this.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = number)]
    speed: f64,
    /// Seed of everything random.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>)]
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
}

/// What the names stand for: policies and the parts they are made of.
pub(crate) fn parts_help() -> String {
    let policies = POLICIES.iter().map(|policy| (policy.name, policy.about.to_owned())).collect();
    let mut text = section("Policies", policies);
    for (title, family) in [
        ("Routers", route::ROUTERS),
        ("Caches", cache::CACHES),
        ("Evictions", evict::EVICTIONS),
        ("Schedulers", schedule::SCHEDULERS),
        ("Predictors", predict::PREDICTORS),
    ] {
        text.push_str("\n\n");
        text.push_str(&section(
            title,
            family.iter().map(|member| (member.name, described(member))).collect(),
        ));
    }
    let contexts = context::STRATEGIES.iter().map(|(name, about)| (*name, (*about).to_owned())).collect();
    text.push_str("\n\n");
    text.push_str(&section("Context strategies", contexts));
    text.push_str("\n\nA part takes presets and parameters behind a colon: `cache-aware:python`, `cache-aware:threshold=0.3,abs=8`.");
    text
}

fn described(member: &About) -> String {
    if member.params.is_empty() {
        return member.about.to_owned();
    }
    format!("{} ({})", member.about, member.accepted())
}

fn section(title: &str, rows: Vec<(&str, String)>) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines: Vec<String> = rows.iter().map(|(name, about)| format!("  {name:<width$}  {about}")).collect();
    format!("{title}:\n{}", lines.join("\n"))
}

/// Reads how sessions arrive.
pub(crate) fn arrivals(text: &str) -> Result<Arrivals, String> {
    text.parse().map_err(|_| format!("expected {ARRIVALS}"))
}

fn replay(text: &str) -> Result<Replay, String> {
    match text {
        "times" => Ok(Replay::Times),
        "delays" => Ok(Replay::Delays),
        _ => Err("expected `times` or `delays`".to_owned()),
    }
}

/// Reads a count. Whether so many make sense is checked with the scenario.
fn whole<T: TryFrom<u128>>(text: &str) -> Result<T, String> {
    let count: u128 = text.parse().map_err(|_| "expected a whole number that is not negative".to_owned())?;
    T::try_from(count).map_err(|_| "expected a smaller number".to_owned())
}

/// Reads a number. Whether it makes sense is checked with the scenario.
fn number(text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| "expected a number".to_owned())
}

impl ScenarioArgs {
    /// The scenario, each value of which is good on its own: whatever is wrong with the call is said before a file is
    /// read. Whether they go together depends on what is done with it.
    pub(crate) fn scenario(&self) -> anyhow::Result<Scenario> {
        let policies: Vec<String> = if self.policy == "all" {
            Scenario::default().policies
        } else {
            self.policy.split(',').map(|name| name.trim().to_owned()).collect()
        };
        let own_profile = profile::own(&self.profile)?;
        let scenario = Scenario {
            policies,
            router: self.router.clone(),
            cache: self.cache.clone(),
            eviction: self.eviction.clone(),
            scheduler: self.scheduler.clone(),
            predictor: self.predictor.clone(),
            staleness_us: self.staleness_ms.saturating_mul(1_000),
            decisions: false,
            regret: 0,
            context: self.context.clone(),
            replicas: self.replicas,
            kv_tokens: self.kv_tokens,
            host_kv_tokens: self.host_kv_tokens,
            host_gb_per_s: self.host_gb_per_s,
            block_tokens: self.block,
            profile: own_profile.as_ref().map_or_else(|| self.profile.clone(), |own| own.name.clone()),
            own_profile: own_profile.as_ref().map(Into::into),
            max_batch: self.max_batch,
            step_tokens: self.step_tokens,
            max_tokens: self.max_tokens,
            arrivals: self.arrivals,
            replay: self.replay,
            speed: self.speed,
            seed: self.seed,
            reserve: self.reserve,
            share_system: self.share_system,
            curves: false,
            stepwise: self.stepwise,
        };
        scenario.check_values()?;
        Ok(scenario)
    }
}
