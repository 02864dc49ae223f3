//! What the provider said of each call: by the response beside an action, else by the metrics.

use super::raw::{Event, Metrics, Row, TokenUsage, Usage};
use crate::import::dialogue;
use crate::import::json::{Fault, Num};
use std::collections::{BTreeSet, HashMap};

/// The metrics of a run, by response.
#[derive(Default)]
pub(super) struct Counts<'a> {
    usages: Vec<&'a TokenUsage<'a>>,
    by_response: HashMap<&'a str, usize>,
    latency_us: HashMap<&'a str, u64>,
    /// Costs in the order of the usages, where there is one for each.
    costs: Vec<Option<f64>>,
    /// Whether any usage speaks of a cache; one that never does has not reported it.
    cache: bool,
    /// The usages before this one belong to calls that were seen.
    seen: usize,
    /// The responses that usages or latencies name.
    billed: BTreeSet<&'a str>,
    /// Those of them that no event has told of yet.
    unheard: BTreeSet<&'a str>,
    /// Calls whose events name no response: each may be one that is unheard.
    nameless: usize,
}

/// What is known of one call.
#[derive(Default)]
pub(super) struct Known<'a> {
    pub(super) usage: Option<dialogue::Counts>,
    pub(super) model: &'a str,
    pub(super) e2e_us: Option<u64>,
    pub(super) cost_usd: Option<f64>,
}

impl<'a> Counts<'a> {
    /// The metrics of the row, and those that events carry where the row has none.
    pub(super) fn of(row: &'a Row<'a>, events: &'a [Event<'a>]) -> Self {
        let mut counts = Counts::default();
        let carried = || events.iter().map(|event| &event.metrics);
        let metrics: Vec<&Metrics<'_>> = match row.metrics.usages.items.is_empty() {
            false => vec![&row.metrics],
            true => carried().filter(|metrics| !metrics.usages.items.is_empty()).collect(),
        };
        for metrics in metrics {
            let priced = metrics.costs.items.len() == metrics.usages.items.len();
            for (place, usage) in metrics.usages.items.iter().enumerate() {
                let response = usage.response.as_str();
                if response.is_empty() || counts.by_response.contains_key(response) {
                    continue;
                }
                counts.by_response.insert(response, counts.usages.len());
                counts.billed.insert(response);
                counts.usages.push(usage);
                let cost = metrics.costs.items.get(place).and_then(|cost| cost.cost.amount());
                counts.costs.push(cost.filter(|_| priced));
            }
            for latency in &metrics.latencies.items {
                counts.billed.insert(latency.response.as_str());
                if let Ok(Some(us)) = latency.seconds.time_us("latency", 1e6) {
                    counts.latency_us.insert(latency.response.as_str(), us);
                }
            }
        }
        counts.billed.remove("");
        counts.unheard.clone_from(&counts.billed);
        let some = |number: Num| number.amount().is_some_and(|number| number > 0.0);
        counts.cache = counts.usages.iter().any(|usage| some(usage.cached) || some(usage.cache_write));
        counts
    }

    /// What is known of the call that an action replies to.
    pub(super) fn call(&mut self, event: &'a Event<'a>) -> Result<Known<'a>, Fault> {
        let response = &event.tool_call.response;
        self.unheard.remove(response.id.as_str());
        self.nameless += usize::from(response.id.as_str().is_empty());
        let place = self.by_response.get(response.id.as_str()).copied();
        let listed = place.map(|place| self.usages[place]);
        if let Some(place) = place {
            self.seen = self.seen.max(place + 1);
        }
        let listed_usage = listed.map(|usage| self.usage(usage)).transpose()?.flatten();
        let usage = match beside(&response.usage)? {
            Some(usage) => {
                let listed = listed_usage.unwrap_or_default();
                Some(dialogue::Counts {
                    cached: usage.cached.or(listed.cached),
                    cache_write: usage.cache_write.or(listed.cache_write),
                    ..usage
                })
            }
            None => listed_usage,
        };
        let model = [response.model.as_str(), listed.map_or("", |usage| usage.model.as_str())];
        Ok(Known {
            usage,
            model: model.into_iter().find(|model| !model.is_empty()).unwrap_or_default(),
            e2e_us: self.latency_us.get(response.id.as_str()).copied(),
            cost_usd: place.and_then(|place| self.costs[place]),
        })
    }

    /// What is known of a condenser's call: the next usage that no action has replied to.
    pub(super) fn condenser(&mut self, behind: &'a [Event<'a>]) -> Option<Known<'a>> {
        let place = self.seen;
        let usage = *self.usages.get(place)?;
        let id = usage.response.as_str();
        if behind.iter().any(|event| event.tool_call.response.id.as_str() == id) {
            return None;
        }
        self.seen += 1;
        self.unheard.remove(id);
        Some(Known {
            usage: self.usage(usage).ok()?,
            model: usage.model.as_str(),
            e2e_us: self.latency_us.get(id).copied(),
            cost_usd: self.costs[place],
        })
    }

    /// How many calls the metrics list that no event tells of, and of how many; `None` where all are told.
    pub(super) fn untold(&self) -> Option<(usize, usize)> {
        let untold = self.unheard.len().saturating_sub(self.nameless);
        (untold > 0).then_some((untold, self.billed.len()))
    }

    fn usage(&self, usage: &TokenUsage<'_>) -> Result<Option<dialogue::Counts>, Fault> {
        let cache = |number: Num| if self.cache { number } else { Num::Absent };
        known(dialogue::Counts {
            prompt: usage.prompt.tokens_or_none("token_usages.prompt_tokens")?,
            output: usage.output.tokens_or_none("token_usages.completion_tokens")?,
            reasoning: None,
            cached: cache(usage.cached).tokens_or_none("token_usages.cache_read_tokens")?,
            cache_write: cache(usage.cache_write).tokens_or_none("token_usages.cache_write_tokens")?,
        })
    }
}

/// The counts of the response beside an action.
fn beside(usage: &Usage<'_>) -> Result<Option<dialogue::Counts>, Fault> {
    let cached = usage.prompt_details.cached.tokens_or_none("usage.prompt_tokens_details.cached_tokens")?;
    known(dialogue::Counts {
        prompt: usage.prompt.tokens_or_none("usage.prompt_tokens")?,
        output: usage.output.tokens_or_none("usage.completion_tokens")?,
        reasoning: usage
            .output_details
            .reasoning
            .tokens_or_none("usage.completion_tokens_details.reasoning_tokens")?,
        cached: match cached {
            Some(cached) => Some(cached),
            None => usage.cache_read.tokens_or_none("usage.cache_read_input_tokens")?,
        },
        cache_write: usage.cache_write.tokens_or_none("usage.cache_creation_input_tokens")?,
    })
}

/// Counts, unless all are nothing: replays write zeros for what they do not know.
fn known(counts: dialogue::Counts) -> Result<Option<dialogue::Counts>, Fault> {
    let some = counts.prompt.unwrap_or(0) > 0 || counts.output.unwrap_or(0) > 0;
    Ok(some.then_some(counts))
}
