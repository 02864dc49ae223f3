//! What was asked of a trace, and what is said where nothing is answered.

use super::bench::Teller;
use super::capacity::{CapacityAdvice, Memory};
use super::ceiling::{CeilingAdvice, CeilingFigures, ceiling};
use super::gain::Ranking;
use super::order::OrderAdvice;
use super::replicas::Search;
use super::sample::Sample;
use super::setting::{Needs, SettingAdvice, SettingFigures, Strain, setting};
use super::{Advice, JobsAdvice, ProfileNote, Recommended, Sentence, Setup};
use crate::choice::choose;
use crate::metrics::PolicyMetrics;
use crate::metrics::breaks::breaks;
use crate::metrics::objective::{Condition, METRICS, Quantity, Statistic};
use crate::policy::{PolicyRun, Resolved, Scenario, ScenarioError, by_name};
use crate::report::Origin;
use crate::serve::cache::{CACHES, places};
use crate::serve::latency;

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

/// What was asked, with its defaults filled in.
pub(super) struct Asked<'a> {
    pub(super) options: &'a Options,
    pub(super) resolved: &'a Resolved,
    pub(super) sample: Option<Sample>,
    pub(super) needs: Needs,
}

impl Asked<'_> {
    /// What was simulated; `strain` of the run that stands for all.
    pub(super) fn setting(&self, strain: Option<Strain>, simulations: u64) -> SettingAdvice {
        let resolved = self.resolved;
        setting(SettingFigures {
            given: &self.options.scenario,
            resolved,
            sample: self.sample.as_ref(),
            profile: &profile(resolved).source,
            kv_bytes_per_token: memory(&resolved.scenario).kv_bytes_per_token,
            simulations,
            strain,
            needs: self.needs,
        })
    }

    /// What levers are turned on from.
    pub(super) fn base(&self) -> Result<Setup, ScenarioError> {
        match &self.resolved.scenario.policies[..] {
            [one] => by_name(one).map(|policy| Setup::of(policy, &self.resolved.scenario)),
            _ => Ok(Setup::default()),
        }
    }

    /// By the first of the objectives whose figures there are, else by mean time to first token.
    pub(super) fn ranking(objectives: &[Condition]) -> Ranking {
        let ttft = METRICS.iter().find(|metric| metric.name == "ttft_ms").unwrap_or(&METRICS[0]);
        let mean = Quantity { metric: ttft, statistic: Some(Statistic::Mean) };
        Ranking { quantity: objectives.first().map_or(mean, |first| first.quantity) }
    }
}

/// What calls take of memory or context, in the prompts of the first policy.
pub(super) fn needs(runs: &[PolicyRun], resolved: &Resolved) -> Needs {
    let scenario = &resolved.scenario;
    let places = scenario.cache.as_deref().and_then(|cache| places(&choose(CACHES, cache).ok()?));
    let block = scenario.block_tokens.unwrap_or(1);
    runs.first().map(|run| Needs::of(&run.workload, block, places.unwrap_or(1))).unwrap_or_default()
}

/// Where nothing is answered there is nothing to advise on: what would be needed is all that is said.
pub(super) fn in_vain(
    asked: &Asked<'_>,
    rows: &[PolicyMetrics],
    strain: Option<Strain>,
    cannot_say: Vec<Sentence>,
    teller: &Teller<'_, '_>,
) -> Advice {
    let given = &asked.resolved.scenario;
    let nothing = breaks(&[], 1);
    let ceiling = ceiling(&CeilingFigures {
        ceiling_hit_rate: None,
        policies: rows,
        shared_hit_rate: None,
        shared_kv_tokens: 0,
        breaks: &nothing,
        identified: true,
    });
    Advice {
        origin: Origin::Simulated,
        profile: profile(asked.resolved),
        sample: asked.sample,
        simulations: teller.simulations,
        objectives: asked.options.objectives.clone(),
        setting: asked.setting(strain, teller.simulations),
        ceiling: CeilingAdvice { says: Vec::new(), ..ceiling },
        order: OrderAdvice::none(&Setup::default(), Asked::ranking(&[]), 1),
        capacity: CapacityAdvice::none(memory(given), Setup::default().name()),
        replicas: None,
        jobs: JobsAdvice::default(),
        recommended: Recommended { setup: Setup::default().name(), replicas: given.replicas },
        flags: Vec::new(),
        cannot_say,
        scenario: asked.resolved.clone(),
    }
}

/// The memory that a scenario has.
pub(super) fn memory(given: &Scenario) -> Memory {
    let profile = full_profile(given);
    Memory {
        replicas: given.replicas,
        kv_tokens: given.kv_tokens.unwrap_or(0),
        kv_bytes_per_token: profile.map(|profile| profile.model.kv_bytes_per_token),
    }
}

/// The profile with its sources; a `linear` one has none.
fn full_profile(scenario: &Scenario) -> Option<latency::Profile> {
    let own = scenario.own_profile.as_ref().and_then(|own| own.read().ok());
    own.or_else(|| latency::find(&scenario.profile))
}

/// The latency model that a scenario's times rest on.
pub(super) fn profile(resolved: &Resolved) -> ProfileNote {
    let name = &resolved.scenario.profile;
    let full = full_profile(&resolved.scenario);
    ProfileNote {
        name: name.clone(),
        origin: resolved.profile_origin.clone(),
        source: full.map_or_else(|| "given as numbers".to_owned(), |profile| profile.source),
    }
}
