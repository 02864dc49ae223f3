//! Flags of gateways: each parameter of a router that the gateway has.

use super::{
    AIBRIX, Component, DYNAMO, Flag, LLM_D, PRODUCTION_STACK, SGLANG_ROUTER, SMG, VLLM, cannot, flag,
};
use crate::choice::{Choice, choose};
use crate::serve::route::ROUTERS;

/// Characters that gateways without a tokenizer see of a token.
const CHARACTERS: f64 = 4.0;

/// Those of a router over so many replicas; none where no public gateway's were checked.
pub(super) fn routers(router: &str, replicas: u32) -> Vec<Flag> {
    let Ok(choice) = choose(ROUTERS, router) else { return Vec::new() };
    match choice.name() {
        "cache-aware" => cache_aware(&choice),
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
        "dynamo-kv" => dynamo(&choice),
        "power-of-two" => vec![flag(SGLANG_ROUTER, "--policy power_of_two", "the less loaded of two")],
        "least-load" => {
            vec![flag(AIBRIX, "routing-strategy: least-request", "the replica with the fewest calls")]
        }
        "prefix-hash" => prefix_hash(&choice),
        "aibrix" => aibrix(&choice, replicas),
        "llm-d" => llm_d(&choice),
        "vllm-dp" => {
            let why = "replicas as data-parallel ranks of one server, which balances calls itself";
            let mut all = vec![flag(VLLM, format!("--data-parallel-size {replicas}"), why)];
            all.extend(fixed(VLLM, &choice, &["waiting", "stale_ms"]));
            all
        }
        _ => Vec::new(),
    }
}

/// Parameters that the program has as constants, where something else was simulated.
fn fixed(component: Component, choice: &Choice, keys: &[&str]) -> Vec<Flag> {
    let params = choice.about().params.iter().filter(|param| keys.contains(&param.key));
    let other = params.filter(|param| choice.get(param.key).total_cmp(&param.default).is_ne());
    other
        .map(|param| {
            let value = choice.get(param.key);
            cannot(component, format!("`{}` = {value}: {}; it has {}", param.key, param.about, param.default))
        })
        .collect()
}

fn is_whole(value: f64) -> bool {
    libm::floor(value).total_cmp(&value).is_eq()
}

fn cache_aware(choice: &Choice) -> Vec<Flag> {
    let (threshold, abs, rel) = (choice.get("threshold"), choice.get("abs"), choice.get("rel"));
    let written = format!(
        "--policy cache_aware --cache-threshold {threshold} --balance-abs-threshold {abs} \
         --balance-rel-threshold {rel}"
    );
    let mut all =
        vec![flag(SGLANG_ROUTER, written, "calls go where their prefix is, unless load is unbalanced")];
    let trim_s = choice.get("trim_s");
    all.push(if is_whole(trim_s) {
        let why = "seconds between two trims of its tree (60 by default)";
        flag(SGLANG_ROUTER, format!("--eviction-interval-secs {trim_s}"), why)
    } else {
        cannot(
            SGLANG_ROUTER,
            format!("`trim_s` = {trim_s} seconds between two trims of its tree; it takes whole ones"),
        )
    });
    let characters = choice.get("max_tokens") * CHARACTERS;
    let why = format!(
        "characters that a trim leaves of a replica: `max_tokens` = {} at {CHARACTERS} to a token",
        choice.get("max_tokens")
    );
    all.push(flag(SGLANG_ROUTER, format!("--max-tree-size {characters}"), why));
    let nearest = "the nearest it has: by prefix, without the balance and its parameters";
    all.push(flag(PRODUCTION_STACK, "--routing-logic prefixaware", nearest));
    all
}

fn dynamo(choice: &Choice) -> Vec<Flag> {
    let mut all =
        vec![flag(DYNAMO, "--router-mode kv", "the fewest blocks to compute and held by running calls")];
    let options = [
        ("temperature", "--router-temperature", f64::INFINITY),
        ("device", "--router-kv-overlap-score-credit", 1.0),
        ("host", "--router-host-cache-hit-weight", 1.0),
        ("scale", "--router-prefill-load-scale", f64::INFINITY),
    ];
    for (key, written, most) in options {
        let Some(param) = choice.about().params.iter().find(|param| param.key == key) else { continue };
        let value = choice.get(key);
        if value.total_cmp(&param.default).is_eq() {
            continue;
        }
        all.push(if value <= most {
            flag(DYNAMO, format!("{written} {value}"), param.about)
        } else {
            cannot(DYNAMO, format!("`{key}` = {value}: {}; `{written}` takes 0 to {most}", param.about))
        });
    }
    let request = choice.get("request");
    if request > 0.0 {
        all.push(cannot(
            DYNAMO,
            format!("`request` = {request}: blocks that an active request costs; it has no such term"),
        ));
    }
    if choice.get("books") < 1.0 {
        let what = "`books` = 0: what is active as engines report it; it counts what it sent itself, which \
                    `dynamo-kv` simulates";
        all.push(cannot(DYNAMO, what));
    }
    all
}

fn prefix_hash(choice: &Choice) -> Vec<Flag> {
    let (tokens, factor) = (choice.get("tokens"), choice.get("factor"));
    let written =
        format!("--policy prefix_hash --prefix-token-count {tokens} --prefix-hash-load-factor {factor}");
    let why = "by a hash of the first tokens, unless load is above the mean";
    let mut all = vec![flag(SMG, written, why)];
    all.extend(fixed(SMG, choice, &["points"]));
    all
}

fn aibrix(choice: &Choice, replicas: u32) -> Vec<Flag> {
    let why = "the best match among replicas that are not overloaded";
    let mut all = vec![flag(AIBRIX, "routing-strategy: prefix-cache", why)];
    let gap = format!("AIBRIX_PREFIX_CACHE_POD_RUNNING_REQUEST_IMBALANCE_ABS_COUNT={}", choice.get("gap"));
    all.push(flag(AIBRIX, gap, "load is unbalanced when the most requests exceed the fewest by more"));
    let sigmas = choice.get("sigmas");
    all.push(if is_whole(sigmas) {
        let why = "standard deviations above the mean that a match may have";
        flag(AIBRIX, format!("AIBRIX_PREFIX_CACHE_STANDARD_DEVIATION_FACTOR={sigmas}"), why)
    } else {
        cannot(AIBRIX, format!("`sigmas` = {sigmas} standard deviations above the mean; it takes whole ones"))
    });
    let (blocks, replicas) = (choice.get("blocks"), f64::from(replicas));
    let why = format!(
        "blocks of its one table for all replicas: `blocks` = {blocks} were simulated of each, of 128 characters"
    );
    all.push(flag(AIBRIX, format!("AIBRIX_PREFIX_CACHE_BLOCK_NUMBER={}", blocks * replicas), why));
    all
}

fn llm_d(choice: &Choice) -> Vec<Flag> {
    let (prefix, queue, kv) = (choice.get("prefix"), choice.get("queue"), choice.get("kv"));
    let written = format!(
        "prefix-cache-scorer (weight {prefix}), queue-scorer (weight {queue}), kv-cache-utilization-scorer \
         (weight {kv})"
    );
    let index = format!(
        "approx-prefix-cache-producer (autoTune: false, blockSizeTokens: 16, maxPrefixBlocksToMatch: {}, \
         lruCapacityPerServer: {})",
        choice.get("deepest"),
        choice.get("blocks")
    );
    vec![
        flag(LLM_D, written, "prefix, queue and memory, scored and weighted"),
        flag(LLM_D, index, "what its index remembers of prompts, which it takes from the engines by itself"),
    ]
}
