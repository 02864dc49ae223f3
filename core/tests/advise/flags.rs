//! Flags of advice: whatever was simulated and a program does otherwise by itself stands in a flag or in a caveat.

use atr_core::advise::{CANNOT, Flag, Setup, flags, unset};
use atr_core::choice::{About, Param};
use atr_core::policy::Scenario;
use atr_core::serve::cache::CACHES;
use atr_core::serve::evict::EVICTIONS;
use atr_core::serve::route::ROUTERS;
use atr_core::serve::schedule::SCHEDULERS;

fn scenario() -> Scenario {
    Scenario { block_tokens: Some(16), kv_tokens: Some(1_000), replicas: 4, ..Scenario::default() }
}

fn cached() -> Setup {
    Setup { cache: true, ..Setup::default() }
}

fn of(setup: &Setup, scenario: &Scenario) -> Vec<Flag> {
    flags(setup, scenario, Some(1_073_741.824))
}

/// All that is said of a set-up: a line of component, flag and what it sets, and what no flags were checked for.
fn said(setup: &Setup, scenario: &Scenario) -> String {
    let line = |flag: Flag| format!("{}: {}: {}\n", flag.component.name, flag.flag, flag.sets);
    let flags: String = of(setup, scenario).into_iter().map(line).collect();
    let unset: String = unset(setup, scenario).into_iter().map(|said| said.text + "\n").collect();
    flags + &unset
}

/// A value within range that nothing else is likely to have, and one that counts of whole things do not take.
fn odd(param: &Param) -> Vec<f64> {
    let (least, most) = param.range;
    let whole = 97.0_f64.min(most).max(least);
    if param.whole { vec![whole] } else { vec![(least.max(0.0) + 0.377).min(most), whole] }
}

/// Every member of a family, each of its parameters alone at another value, and all of its presets.
fn variants(family: &'static [About]) -> Vec<(String, Vec<f64>)> {
    let mut all = Vec::new();
    for member in family {
        for param in member.params {
            let values = odd(param).into_iter().filter(|value| value.total_cmp(&param.default).is_ne());
            all.extend(values.map(|value| (format!("{}:{}={value}", member.name, param.key), vec![value])));
        }
        for preset in member.presets {
            let differ = |(key, value): &&(&str, f64)| {
                let own = member.params.iter().find(|param| param.key == *key).unwrap().default;
                value.total_cmp(&own).is_ne()
            };
            let values = preset.values.iter().filter(differ).map(|(_, value)| *value).collect();
            all.push((format!("{}:{}", member.name, preset.name), values));
        }
    }
    all
}

/// How a value may stand in a flag: as it is, or in the gateway's own unit.
fn stands(said: &str, value: f64) -> bool {
    said.contains(&value.to_string()) || said.contains(&(value * 4.0).to_string())
}

#[test]
fn every_parameter_stands_in_a_flag_or_in_a_caveat() {
    let plain = scenario();
    let mut checked = 0;
    for (name, values) in variants(ROUTERS) {
        let text = said(&Setup { router: Some(name.clone()), ..cached() }, &plain);
        values.iter().for_each(|value| assert!(stands(&text, *value), "{name}: {value} in\n{text}"));
        checked += values.len();
    }
    for (name, values) in variants(EVICTIONS) {
        let text = said(&Setup { eviction: Some(name.clone()), ..cached() }, &plain);
        values.iter().for_each(|value| assert!(stands(&text, *value), "{name}: {value} in\n{text}"));
        checked += values.len();
    }
    for (name, values) in variants(SCHEDULERS) {
        // That preset is vLLM without a guard, which is what it does by itself.
        if name == "priority:vllm" {
            continue;
        }
        let text = said(&Setup { scheduler: Some(name.clone()), ..cached() }, &plain);
        values.iter().for_each(|value| assert!(stands(&text, *value), "{name}: {value} in\n{text}"));
        checked += values.len();
    }
    for (name, values) in variants(CACHES) {
        let text = said(&cached(), &Scenario { cache: Some(name.clone()), ..plain.clone() });
        values.iter().for_each(|value| assert!(stands(&text, *value), "{name}: {value} in\n{text}"));
        checked += values.len();
    }
    assert!(checked > 40, "{checked}");
}

/// What programs do by themselves is not what is simulated by default.
#[test]
fn defaults_that_differ_are_set_too() {
    let router = |name: &str| said(&Setup { router: Some(name.to_owned()), ..cached() }, &scenario());
    let cache_aware = router("cache-aware");
    // 30 s against 60; 16,777,216 tokens of four characters.
    for expected in ["--eviction-interval-secs 30: ", "--max-tree-size 67108864: ", "--cache-threshold 0.5 "]
    {
        assert!(cache_aware.contains(expected), "{expected} in {cache_aware}");
    }
    assert!(router("cache-aware:rust").contains("--max-tree-size 10000"));
    assert!(router("cache-aware:trim_s=0.5").contains("cannot be set: `trim_s` = 0.5"));
    let aibrix = router("aibrix:wide");
    for expected in [
        "routing-strategy: prefix-cache",
        "IMBALANCE_ABS_COUNT=16",
        "STANDARD_DEVIATION_FACTOR=2",
        "BLOCK_NUMBER=800000",
    ] {
        assert!(aibrix.contains(expected), "{expected} in {aibrix}");
    }
    let hash = router("prefix-hash:tokens=64,factor=2");
    assert!(
        hash.contains("--policy prefix_hash --prefix-token-count 64 --prefix-hash-load-factor 2"),
        "{hash}"
    );
    let agentic = router("dynamo-kv:agentic");
    for expected in
        ["--router-prefill-load-scale 4", "cannot be set: `device` = 2", "cannot be set: `request` = 64"]
    {
        assert!(agentic.contains(expected), "{expected} in {agentic}");
    }
    assert!(!agentic.contains("`books`") && agentic.contains("--router-mode kv"), "{agentic}");
    assert!(router("dynamo-kv:reports").contains("cannot be set: `books` = 0"));
    assert!(router("dynamo-kv:device=0.5").contains("--router-kv-overlap-score-credit 0.5"));
    assert!(router("llm-d").contains("autoTune: false, blockSizeTokens: 16, maxPrefixBlocksToMatch: 256"));
}

fn names(flags: &[Flag]) -> Vec<&'static str> {
    flags.iter().map(|flag| flag.component.name).collect()
}

#[test]
fn each_cache_gets_the_engine_that_has_it() {
    let of_cache = |name: &str, block| {
        let scenario = Scenario { cache: Some(name.to_owned()), block_tokens: Some(block), ..scenario() };
        of(&cached(), &scenario)
    };
    let slots = of_cache("slots:slots=8", 1);
    assert!(names(&slots).iter().all(|name| *name == "llama.cpp"), "{slots:?}");
    let text: Vec<&str> = slots.iter().map(|flag| flag.flag.as_str()).collect();
    for expected in [
        "--parallel 8",
        "--ctx-size 1000 --no-kv-unified",
        "--slot-prompt-similarity 0.1",
        "--batch-size 8192",
        "--cache-ram 0",
    ] {
        assert!(text.contains(&expected), "{expected} in {text:?}");
    }
    let radix = of_cache("radix", 1);
    assert!(radix.iter().any(|flag| flag.flag == "--page-size 1"));
    let vllm: Vec<&Flag> = radix.iter().filter(|flag| flag.component.name == "vLLM").collect();
    assert_eq!((vllm.len(), vllm[0].flag.as_str()), (1, CANNOT), "{vllm:?}");
    // Mooncake's blocks are larger than any of vLLM's.
    let large = of_cache("block-hash", 512);
    let caveat = |flag: &Flag| flag.flag == CANNOT && flag.sets.contains("blocks of 512 tokens");
    assert!(large.iter().any(caveat), "{large:?}");
    // Block by block and leaf by leaf.
    let sglang =
        |text: &str| large.iter().any(|flag| flag.component.name == "SGLang" && flag.sets.contains(text));
    assert!(sglang("`lru`"), "{large:?}");
}

#[test]
fn a_tier_on_the_host_is_larger_than_the_device_or_cannot_be_set() {
    let tier = |host| said(&Setup { host_kv_tokens: Some(host), ..cached() }, &scenario());
    assert!(tier(2_000).contains("--enable-hierarchical-cache --hicache-ratio 2.00"));
    // Never rounded to 1, which is refused.
    assert!(tier(1_001).contains("--hicache-ratio 1.01"));
    for host in [500, 1_000] {
        let text = tier(host);
        let caveat = format!("SGLang: cannot be set: {host} KV tokens of a replica in its host's memory");
        assert!(text.contains(&caveat) && !text.contains("--hicache-ratio"), "{text}");
        assert!(text.contains("--kv-offloading-size"), "{text}");
    }
}

#[test]
fn priorities_neither_reserve_nor_guard() {
    let predicted = said(&Setup { predict: true, ..cached() }, &scenario());
    for engine in ["vLLM", "SGLang"] {
        for caveat in ["room is reserved for the output that is predicted", "`overtaken` = 32"] {
            let expected = format!("{engine}: cannot be set: {caveat}");
            assert!(predicted.contains(&expected), "{expected} in {predicted}");
        }
    }
    assert!(
        predicted.contains("--scheduling-policy priority")
            && predicted.contains("--enable-priority-scheduling")
    );
    let reserved = said(&cached(), &Scenario { reserve: true, ..scenario() });
    assert!(reserved.contains("cannot be set: room is reserved for all of the output"), "{reserved}");
    let plain = said(&cached(), &scenario());
    assert!(!plain.contains("reserved") && !plain.contains("priorit"), "{plain}");
    let guardless = said(&Setup { scheduler: Some("priority:vllm".to_owned()), ..cached() }, &scenario());
    assert!(!guardless.contains("overtaken"), "{guardless}");
}

/// A cache that gains nothing costs nothing: only who asks for the naive policy alone is told how to do without.
#[test]
fn prefix_caching_is_switched_off_for_the_naive_policy_alone() {
    let naive = Setup::default();
    let on = said(&naive, &scenario());
    assert!(on.contains("(no --no-enable-prefix-caching): the prefix cache is on by default"), "{on}");
    assert!(
        !on.contains(" --no-enable-prefix-caching: ") && !on.contains(" --disable-radix-cache: "),
        "{on}"
    );
    let alone = Scenario { policies: vec!["naive".to_owned()], ..scenario() };
    let off = said(&naive, &alone);
    for expected in ["vLLM: --no-enable-prefix-caching: ", "SGLang: --disable-radix-cache: "] {
        assert!(off.contains(expected), "{expected} in {off}");
    }
    assert!(!said(&cached(), &alone).contains("as asked for"));
}
