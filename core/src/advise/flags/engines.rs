//! Flags of engines. A scenario's cache says which: blocks under hashes are vLLM's and, as pages, SGLang's; a tree that is
//! exact to the token is SGLang's; places are llama.cpp's.

use super::{Flag, LLAMA, SGLANG, VLLM, cache, cannot, flag, priorities};
use crate::advise::Setup;
use crate::choice::choose;
use crate::policy::Scenario;
use crate::serve::cache::CACHES;

/// Block sizes that vLLM takes.
const VLLM_BLOCKS: [u32; 6] = [1, 8, 16, 32, 64, 128];
/// What goes first from the caches of engines.
pub(super) const EVICTS: [&str; 3] = ["lru", "leaf-lru", "lfu"];
/// Bytes in a MiB and a GiB.
const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;

/// Those of the engines that have the scenario's cache.
pub(super) fn engines(setup: &Setup, scenario: &Scenario, kv_bytes: Option<f64>) -> Vec<Flag> {
    let (name, eviction) = cache(setup, scenario);
    match name {
        "slots" => llama(setup, scenario, kv_bytes),
        "radix" => {
            let mut all = sglang(setup, scenario, &eviction);
            let what = "`radix`: prefixes that are shared to the token; it shares whole blocks, which \
                        `--cache block-hash` simulates";
            all.push(cannot(VLLM, what));
            all
        }
        _ => [vllm(setup, scenario, &eviction, kv_bytes), sglang(setup, scenario, &eviction)].concat(),
    }
}

/// Whether prefix caching is to be switched off: a cache that gains nothing costs nothing either, so only who asked for
/// the naive policy alone is told how.
fn switches_off(setup: &Setup, scenario: &Scenario) -> bool {
    !setup.cache && scenario.policies.len() == 1 && scenario.policies.iter().all(|name| name == "naive")
}

const STAYS: &str =
    "the prefix cache is on by default; it gains nothing here, which is no reason to switch it off";

fn vllm(setup: &Setup, scenario: &Scenario, eviction: &str, kv_bytes: Option<f64>) -> Vec<Flag> {
    let mut all = vec![if setup.cache {
        flag(VLLM, "--enable-prefix-caching", "the prefix cache (on by default in its V1 engine)")
    } else if switches_off(setup, scenario) {
        flag(VLLM, "--no-enable-prefix-caching", "no prefix cache, as asked for; it is on by default")
    } else {
        flag(VLLM, "(no --no-enable-prefix-caching)", STAYS)
    }];
    if let Some(block) = scenario.block_tokens.filter(|_| setup.cache) {
        all.push(if VLLM_BLOCKS.contains(&block) {
            flag(VLLM, format!("--block-size {block}"), "tokens in a cache block")
        } else {
            cannot(VLLM, format!("blocks of {block} tokens, as the trace has them; it takes up to 128"))
        });
    }
    if setup.cache && EVICTS.contains(&eviction) && eviction != "lru" {
        all.push(cannot(
            VLLM,
            format!("the eviction `{eviction}`; it evicts by recency alone, block by block"),
        ));
    }
    all.push(flag(VLLM, format!("--max-num-seqs {}", scenario.max_batch), "most calls in a step"));
    let step = format!("--max-num-batched-tokens {}", scenario.step_tokens);
    all.push(flag(VLLM, step, "most tokens computed in a step"));
    if let Some(kv_tokens) = scenario.kv_tokens {
        let why = format!("KV capacity of a replica: raise until its log reports {kv_tokens} tokens");
        all.push(flag(VLLM, "--gpu-memory-utilization", why));
    }
    if let Some(host) = setup.host_kv_tokens {
        let gib = kv_bytes.map(|bytes| libm::ceil(bytes * host as f64 / GIB));
        let written = |gib: String| format!("--kv-offloading-backend native --kv-offloading-size {gib}");
        let why = format!("{host} KV tokens of a replica in its host's memory; in GiB");
        all.push(match gib {
            Some(gib) => flag(VLLM, written(format!("{gib:.0}")), why),
            None => flag(VLLM, written("GIB".to_owned()), format!("{why}, which this profile does not know")),
        });
    }
    all.extend(priorities::orders(VLLM, setup, scenario));
    all
}

fn sglang(setup: &Setup, scenario: &Scenario, eviction: &str) -> Vec<Flag> {
    let mut all = vec![if setup.cache {
        flag(SGLANG, "(no --disable-radix-cache)", "the prefix cache is on by default")
    } else if switches_off(setup, scenario) {
        flag(SGLANG, "--disable-radix-cache", "no prefix cache, as asked for; it is on by default")
    } else {
        flag(SGLANG, "(no --disable-radix-cache)", STAYS)
    }];
    if let Some(block) = scenario.block_tokens.filter(|_| setup.cache) {
        all.push(flag(SGLANG, format!("--page-size {block}"), "tokens in a cache block"));
    }
    if setup.cache {
        all.extend(evicted(eviction));
    }
    all.push(flag(SGLANG, format!("--max-running-requests {}", scenario.max_batch), "most calls in a step"));
    let step = format!("--chunked-prefill-size {}", scenario.step_tokens);
    all.push(flag(SGLANG, step, "most tokens computed in a step"));
    if let Some(kv_tokens) = scenario.kv_tokens {
        let why = "KV capacity of a replica, within --mem-fraction-static";
        all.push(flag(SGLANG, format!("--max-total-tokens {kv_tokens}"), why));
    }
    if let Some(host) = setup.host_kv_tokens {
        all.push(hierarchical(host, scenario.kv_tokens.unwrap_or(host)));
    }
    all.extend(priorities::orders(SGLANG, setup, scenario));
    all
}

fn evicted(eviction: &str) -> Option<Flag> {
    match eviction {
        "lfu" => Some(flag(SGLANG, "--radix-eviction-policy lfu", "what the fewest calls found goes first")),
        "lru" => {
            let what = "`lru`: eviction block by block; it evicts the least recently used leaf as a whole, which \
                        `--eviction leaf-lru` simulates";
            Some(cannot(SGLANG, what))
        }
        _ => None,
    }
}

/// Its tier on the host must be larger than the device's memory.
fn hierarchical(host: u64, device: u64) -> Flag {
    if host <= device {
        let what = format!(
            "{host} KV tokens of a replica in its host's memory; it wants more there than the {device} of the device"
        );
        return cannot(SGLANG, what);
    }
    // Rounded up, so that it stays above 1.
    let ratio = libm::ceil(host as f64 / device.max(1) as f64 * 100.0) / 100.0;
    let why = format!("{host} KV tokens of a replica in its host's memory");
    flag(SGLANG, format!("--enable-hierarchical-cache --hicache-ratio {ratio:.2}"), why)
}

fn llama(setup: &Setup, scenario: &Scenario, kv_bytes: Option<f64>) -> Vec<Flag> {
    let Ok(choice) = choose(CACHES, scenario.cache.as_deref().unwrap_or("slots")) else { return Vec::new() };
    let slots = choice.get("slots");
    let mut all = Vec::new();
    if switches_off(setup, scenario) {
        all.push(flag(LLAMA, "--no-cache-prompt", "no prefix cache, as asked for; it is on by default"));
    } else if !setup.cache {
        all.push(flag(LLAMA, "(no --no-cache-prompt)", STAYS));
    }
    all.push(flag(LLAMA, format!("--parallel {slots}"), "places, of which each runs one call"));
    let shares = "each place has an equal share of the memory";
    match scenario.kv_tokens {
        Some(kv_tokens) => {
            let why = format!("KV capacity of a replica; {shares}");
            all.push(flag(LLAMA, format!("--ctx-size {kv_tokens} --no-kv-unified"), why));
        }
        None => all.push(flag(LLAMA, "--no-kv-unified", shares)),
    }
    let similarity = choice.get("similarity");
    let why = "a place must hold more than this share of a prompt to be taken for it";
    all.push(flag(LLAMA, format!("--slot-prompt-similarity {similarity}"), why));
    let step = "most tokens computed in a step";
    all.push(flag(LLAMA, format!("--batch-size {}", scenario.step_tokens), step));
    all.push(lost_prompts(setup.host_kv_tokens, kv_bytes));
    let block = scenario.block_tokens.unwrap_or(1);
    if block > 1 && setup.cache {
        let what = format!("prefixes in blocks of {block} tokens; it is exact to the token");
        all.push(cannot(LLAMA, what));
    }
    if f64::from(scenario.max_batch) < slots {
        let what =
            format!("at most {} calls in a step; it runs as many as there are places", scenario.max_batch);
        all.push(cannot(LLAMA, what));
    }
    all.extend(priorities::orders(LLAMA, setup, scenario));
    all
}

/// What a place loses is kept in the host's memory, unless that is switched off.
fn lost_prompts(host: Option<u64>, kv_bytes: Option<f64>) -> Flag {
    let Some(host) = host else {
        return flag(LLAMA, "--cache-ram 0", "prompts that lost their place are not kept, as simulated");
    };
    let mib = kv_bytes
        .map_or_else(|| "MIB".to_owned(), |bytes| format!("{:.0}", libm::ceil(bytes * host as f64 / MIB)));
    let why = format!(
        "{host} KV tokens of a replica in its host's memory; in MiB. The nearest it has: it keeps prompts that lost their \
         place, not all that is written"
    );
    flag(LLAMA, format!("--cache-ram {mib}"), why)
}
