//! The flags of public engines and gateways that set a set-up, checked against what their publishers
//! released or documented; the version is named with each. What was simulated and a program does otherwise by itself
//! stands in a flag, or in a line that says that it cannot be set.

mod engines;
mod gateways;
mod priorities;

use super::{Sentence, Setup};
use crate::choice::choose;
use crate::policy::Scenario;
use crate::serve::cache::{CACHES, own_eviction};
use crate::serve::evict::EVICTIONS;
use serde::Serialize;

/// What a flag belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Its name.
    pub name: &'static str,
    /// The version whose flags were checked, and by what.
    pub checked: &'static str,
}

const fn component(name: &'static str, checked: &'static str) -> Component {
    Component { name, checked }
}

/// The engine whose block cache the simulator follows.
const VLLM: Component = component("vLLM", "0.20.0, list of its arguments");
/// The engine whose radix tree it follows.
const SGLANG: Component = component("SGLang", "0.5.9, arguments of the released package");
/// The engine whose places it follows.
const LLAMA: Component = component("llama.cpp", "documentation of its server, no version named");
/// SGLang's gateway.
const SGLANG_ROUTER: Component = component("SGLang router", "0.3.2, arguments of the released package");
/// What that gateway became.
const SMG: Component = component("smg", "its documentation, no version named");
/// vLLM's reference deployment.
const PRODUCTION_STACK: Component = component("vLLM production stack router", "source at revision 008a23b");
/// NVIDIA's front end.
const DYNAMO: Component = component("Dynamo frontend", "its documentation, 1.2.1");
/// The scheduler of the Kubernetes gateway.
const LLM_D: Component = component("llm-d", "its documentation, 0.8: plugins of an EndpointPickerConfig");
/// Another gateway for Kubernetes.
const AIBRIX: Component = component(
    "AIBrix gateway",
    "its documentation, 0.5.0: a header of each request, variables of its environment",
);
/// The agent harness whose history processor masking follows.
const SWE_AGENT: Component = component("SWE-agent", "source at revision 0f4f3bb");

/// All of them, in the order of the guide (`docs/advise.md`), which has a row for each.
pub const COMPONENTS: [Component; 10] =
    [VLLM, SGLANG, LLAMA, SGLANG_ROUTER, SMG, PRODUCTION_STACK, DYNAMO, LLM_D, AIBRIX, SWE_AGENT];

/// What stands in the place of a flag where there is none for what was simulated.
pub const CANNOT: &str = "cannot be set";

/// What to write, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// Whose it is.
    pub component: Component,
    /// As it is written; `cannot be set` where the program has none.
    pub flag: String,
    /// Which part of the set-up it is.
    pub sets: String,
}

fn flag(component: Component, flag: impl Into<String>, sets: impl Into<String>) -> Flag {
    Flag { component, flag: flag.into(), sets: sets.into() }
}

/// What was simulated and the program does otherwise.
fn cannot(component: Component, what: impl Into<String>) -> Flag {
    flag(component, CANNOT, what)
}

/// The flags for a set-up in a scenario whose defaults are filled in. `kv_bytes_per_token` is known of some profiles.
pub fn flags(setup: &Setup, scenario: &Scenario, kv_bytes_per_token: Option<f64>) -> Vec<Flag> {
    let mut all = engines::engines(setup, scenario, kv_bytes_per_token);
    if let Some(router) = &setup.router {
        all.extend(gateways::routers(router, scenario.replicas));
    }
    if let Some(context) = &setup.context {
        all.extend(contexts(context));
    }
    all
}

/// Parts of a set-up that no program's flags were checked for.
pub fn unset(setup: &Setup, scenario: &Scenario) -> Vec<Sentence> {
    let router = setup.router.as_deref().filter(|router| gateways::routers(router, 1).is_empty());
    let eviction = setup.eviction.as_deref().filter(|name| !engines::EVICTS.contains(name));
    let scheduler = setup.scheduler.as_deref().filter(|name| !priorities::is_sent(name));
    let parts = [("router", router), ("eviction", eviction), ("scheduler", scheduler)];
    let mut says: Vec<Sentence> = parts
        .into_iter()
        .filter_map(|(what, name)| Some((what, name?)))
        .map(|(what, name)| {
            let none = if what == "router" { "of a public gateway" } else { "of a released engine" };
            Sentence::new(format!("Which flags set the {what} `{name}`: none {none} were checked."))
                .given(format!("parts whose {what} is set by no flag"), 1.0)
        })
        .collect();
    if setup.router.is_some() && scenario.staleness_us > 0 {
        let late_ms = scenario.staleness_us as f64 / 1e3;
        let text = format!(
            "How late a router's view of the cluster is ({} was simulated): no gateway has a flag for it.",
            crate::figure::units::time(late_ms)
        );
        says.push(Sentence::new(text).given("staleness_ms", late_ms));
    }
    says
}

/// The cache of a scenario, and what goes first from it in a set-up.
fn cache(setup: &Setup, scenario: &Scenario) -> (&'static str, String) {
    let named = scenario.cache.as_deref().unwrap_or("block-hash");
    let Ok(choice) = choose(CACHES, named) else { return ("block-hash", "lru".to_owned()) };
    let eviction = setup.eviction.as_deref().and_then(|name| choose(EVICTIONS, name).ok());
    (choice.name(), eviction.map_or_else(|| own_eviction(&choice).to_owned(), |choice| choice.text()))
}

fn contexts(context: &str) -> Vec<Flag> {
    let mut parts = context.split(':');
    if parts.next() != Some("masking") {
        return Vec::new();
    }
    let (keep, polling) = (parts.next().unwrap_or("10"), parts.next().unwrap_or("1"));
    let written =
        format!("history_processors: [{{type: last_n_observations, n: {keep}, polling: {polling}}}]");
    vec![flag(SWE_AGENT, written, "old observations are masked, which is lossy")]
}
