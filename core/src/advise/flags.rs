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

/// The engine whose block cache the simulator follows.
const VLLM: Component = Component { name: "vLLM", checked: "0.20.0, list of its arguments" };
/// The other engine.
const SGLANG: Component = Component { name: "SGLang", checked: "0.5.9, arguments of the released package" };
/// Its gateway.
const SGLANG_ROUTER: Component =
    Component { name: "SGLang router", checked: "0.3.2, arguments of the released package" };
/// vLLM's reference deployment.
const PRODUCTION_STACK: Component =
    Component { name: "vLLM production stack router", checked: "source at revision 008a23b" };
/// NVIDIA's front end.
const DYNAMO: Component =
    Component { name: "Dynamo frontend", checked: "its documentation, no version named" };
/// The agent harness whose history processor masking follows.
const SWE_AGENT: Component = Component { name: "SWE-agent", checked: "source at revision 0f4f3bb" };

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

/// The flags for a set-up in a scenario whose defaults are filled in.
pub fn flags(setup: &Setup, scenario: &Scenario) -> Vec<Flag> {
    let mut all = engines(setup, scenario);
    if let Some(router) = &setup.router {
        all.extend(routers(router));
    }
    if setup.predict {
        let why = "shortest predicted output first: the client sends its prediction as the priority";
        all.push(flag(VLLM, "--scheduling-policy priority", format!("{why}; lower goes first")));
        let flags = "--enable-priority-scheduling --schedule-low-priority-values-first";
        all.push(flag(SGLANG, flags, why));
    }
    if let Some(context) = &setup.context {
        all.extend(contexts(context));
    }
    all
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

/// Those of a router; none where no public gateway's were checked.
pub(super) fn routers(router: &str) -> Vec<Flag> {
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
