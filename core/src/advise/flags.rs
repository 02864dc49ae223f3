//! The flags of public engines and gateways that set a set-up, checked against what their publishers
//! released or documented; the version is named with each.

use super::Setup;
use crate::choice::choose;
use crate::policy::Scenario;
use crate::serve::route::ROUTERS;
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
/// The other engine.
const SGLANG: Component = component("SGLang", "0.5.9, arguments of the released package");
/// Its gateway.
const SGLANG_ROUTER: Component = component("SGLang router", "0.3.2, arguments of the released package");
/// What that gateway became.
const SMG: Component = component("smg", "its documentation, no version named");
/// vLLM's reference deployment.
const PRODUCTION_STACK: Component = component("vLLM production stack router", "source at revision 008a23b");
/// NVIDIA's front end.
const DYNAMO: Component = component("Dynamo frontend", "its documentation, 1.2.0");
/// The scheduler of the Kubernetes gateway.
const LLM_D: Component = component("llm-d", "its documentation, 0.8: scorers of an EndpointPickerConfig");
/// Another gateway for Kubernetes.
const AIBRIX: Component = component("AIBrix gateway", "its documentation, 0.5.0: a header of each request");
/// The agent harness whose history processor masking follows.
const SWE_AGENT: Component = component("SWE-agent", "source at revision 0f4f3bb");

/// All of them, in the order of the guide (`docs/advise.md`), which has a row for each.
pub const COMPONENTS: [Component; 9] =
    [VLLM, SGLANG, SGLANG_ROUTER, SMG, PRODUCTION_STACK, DYNAMO, LLM_D, AIBRIX, SWE_AGENT];

/// What to write, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flag {
    /// Whose it is.
    pub component: Component,
    /// As it is written.
    pub flag: String,
    /// Which part of the set-up it is.
    pub sets: String,
}

fn flag(component: Component, flag: impl Into<String>, sets: impl Into<String>) -> Flag {
    Flag { component, flag: flag.into(), sets: sets.into() }
}

/// Block sizes that vLLM takes.
const VLLM_BLOCKS: [u32; 6] = [1, 8, 16, 32, 64, 128];

/// The flags for a set-up in a scenario whose defaults are filled in. `kv_bytes_per_token` is known of some profiles.
pub fn flags(setup: &Setup, scenario: &Scenario, kv_bytes_per_token: Option<f64>) -> Vec<Flag> {
    let mut all = engines(setup, scenario);
    if setup.eviction.as_deref() == Some("lfu") {
        let why = "what the fewest calls found goes first; vLLM evicts by recency alone";
        all.push(flag(SGLANG, "--radix-eviction-policy lfu", why));
    }
    if let Some(host) = setup.host_kv_tokens {
        all.extend(tier(host, scenario, kv_bytes_per_token));
    }
    if let Some(router) = &setup.router {
        all.extend(routers(router, scenario.replicas));
    }
    let order = if setup.predict { Some("shortest") } else { setup.scheduler.as_deref() };
    all.extend(order.and_then(sent).into_iter().flat_map(priorities));
    if let Some(context) = &setup.context {
        all.extend(contexts(context));
    }
    all
}

/// A tier in the host's memory.
fn tier(host: u64, scenario: &Scenario, kv_bytes_per_token: Option<f64>) -> Vec<Flag> {
    let bytes = kv_bytes_per_token.map(|bytes| bytes * host as f64);
    let gib = bytes
        .map_or_else(|| "GIB".to_owned(), |bytes| format!("{:.0}", libm::ceil(bytes / f64::from(1 << 30))));
    let ratio = host as f64 / scenario.kv_tokens.unwrap_or(host).max(1) as f64;
    let why = format!("{host} KV tokens of a replica in its host's memory");
    vec![
        flag(
            VLLM,
            format!("--kv-offloading-backend native --kv-offloading-size {gib}"),
            format!("{why}; in GiB"),
        ),
        flag(SGLANG, format!("--enable-hierarchical-cache --hicache-ratio {ratio:.2}"), why),
    ]
}

/// What a client or gateway sends as the priority of a call, so that an engine follows an order of its own.
fn sent(scheduler: &str) -> Option<&'static str> {
    match scheduler.split(':').next()? {
        "shortest" => Some("its predicted output"),
        "program-fcfs" => Some("when its session began"),
        "plas" => Some("the tokens that its session was served so far"),
        "priority" => Some("its own"),
        _ => None,
    }
}

fn priorities(what: &str) -> Vec<Flag> {
    let why = format!("the client or a gateway sends each call's priority: {what}; lower goes first");
    let sglang = "--enable-priority-scheduling --schedule-low-priority-values-first";
    vec![flag(VLLM, "--scheduling-policy priority", why.clone()), flag(SGLANG, sglang, why)]
}

fn engines(setup: &Setup, scenario: &Scenario) -> Vec<Flag> {
    let mut all = Vec::new();
    if setup.cache {
        all.push(flag(VLLM, "--enable-prefix-caching", "the prefix cache (on by default in its V1 engine)"));
        all.push(flag(SGLANG, "(no --disable-radix-cache)", "the prefix cache is on by default"));
    } else {
        all.push(flag(VLLM, "--no-enable-prefix-caching", "no prefix cache"));
        all.push(flag(SGLANG, "--disable-radix-cache", "no prefix cache"));
    }
    if let Some(block) = scenario.block_tokens {
        if VLLM_BLOCKS.contains(&block) {
            all.push(flag(VLLM, format!("--block-size {block}"), "tokens in a cache block"));
        }
        all.push(flag(SGLANG, format!("--page-size {block}"), "tokens in a cache block"));
    }
    all.push(flag(VLLM, format!("--max-num-seqs {}", scenario.max_batch), "most calls in a step"));
    all.push(flag(SGLANG, format!("--max-running-requests {}", scenario.max_batch), "most calls in a step"));
    let step = "most tokens computed in a step";
    all.push(flag(VLLM, format!("--max-num-batched-tokens {}", scenario.step_tokens), step));
    all.push(flag(SGLANG, format!("--chunked-prefill-size {}", scenario.step_tokens), step));
    if let Some(kv_tokens) = scenario.kv_tokens {
        let kv = "KV capacity of a replica";
        all.push(flag(
            VLLM,
            "--gpu-memory-utilization",
            format!("{kv}: raise until its log reports {kv_tokens} tokens"),
        ));
        all.push(flag(
            SGLANG,
            format!("--max-total-tokens {kv_tokens}"),
            format!("{kv}, within --mem-fraction-static"),
        ));
    }
    all
}

/// Those of a router over so many replicas; none where no public gateway's were checked.
pub(super) fn routers(router: &str, replicas: u32) -> Vec<Flag> {
    let Ok(choice) = choose(ROUTERS, router) else { return Vec::new() };
    match choice.name() {
        "cache-aware" => {
            let (threshold, abs, rel) = (choice.get("threshold"), choice.get("abs"), choice.get("rel"));
            let written = format!(
                "--policy cache_aware --cache-threshold {threshold} --balance-abs-threshold {abs} \
                 --balance-rel-threshold {rel}"
            );
            vec![
                flag(SGLANG_ROUTER, written, "calls go where their prefix is, unless load is unbalanced"),
                flag(
                    PRODUCTION_STACK,
                    "--routing-logic prefixaware",
                    "the nearest it has: by prefix, without the balance",
                ),
            ]
        }
        "session-affinity" => vec![
            flag(
                PRODUCTION_STACK,
                "--routing-logic session --session-key HEADER",
                "all calls of a session to one replica",
            ),
            flag(SGLANG_ROUTER, "--policy manual", "all calls of one routing key to one replica"),
        ],
        "round-robin" => vec![
            flag(SGLANG_ROUTER, "--policy round_robin", "one replica after the other"),
            flag(PRODUCTION_STACK, "--routing-logic roundrobin", "one replica after the other"),
        ],
        "random" => vec![flag(SGLANG_ROUTER, "--policy random", "any replica")],
        "dynamo-kv" => {
            vec![flag(DYNAMO, "--router-mode kv", "the fewest blocks to compute and held by running calls")]
        }
        "power-of-two" => vec![flag(SGLANG_ROUTER, "--policy power_of_two", "the less loaded of two")],
        "least-load" => {
            vec![flag(AIBRIX, "routing-strategy: least-request", "the replica with the fewest calls")]
        }
        "prefix-hash" => {
            vec![flag(
                SMG,
                "--policy prefix_hash",
                "by a hash of the first tokens, unless load is above the mean",
            )]
        }
        "aibrix" => {
            vec![flag(
                AIBRIX,
                "routing-strategy: prefix-cache",
                "the best match among replicas that are not overloaded",
            )]
        }
        "llm-d" => {
            let (prefix, queue, kv) = (choice.get("prefix"), choice.get("queue"), choice.get("kv"));
            let written = format!(
                "prefix-cache-scorer (weight {prefix}), queue-scorer (weight {queue}), kv-cache-utilization-scorer \
                 (weight {kv})"
            );
            vec![flag(LLM_D, written, "prefix, queue and memory, scored and weighted")]
        }
        "vllm-dp" => {
            let why = "replicas as data-parallel ranks of one server, which balances calls itself";
            vec![flag(VLLM, format!("--data-parallel-size {replicas}"), why)]
        }
        _ => Vec::new(),
    }
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
