//! Options that do not go together, numbers and names that are wrong, and what is said of them; the keys of a scenario in
//! the schemas of reports.

use crate::harness::{Folder, TWO, fails, json, root, run};
use atr_core::policy::{Arrivals, NotApplicable, Replay, Resolved, Scenario};
use atr_core::serve::latency;
use serde_json::Value;

/// What is said of a wrong `simulate`, before any file is read.
fn said(more: &[&str]) -> String {
    fails(&[&["simulate", "no-such-file"], more].concat(), 2)
}

#[test]
fn an_option_that_nothing_reads_is_refused() {
    insta::assert_snapshot!(said(&["--policy", "naive", "--router", "cache-aware"]), @"error: `router` is `cache-aware` and does nothing here: naive keeps its own, expected one of these policies, too: exact-prefix-cache, prefix-aware-routing, prompt-compaction, max-token-prediction");
    insta::assert_snapshot!(said(&["--policy", "naive", "--cache", "radix"]), @"error: `cache` is `radix` and does nothing here: no policy here keeps prefixes, expected one of these policies, too: exact-prefix-cache, prefix-aware-routing, prompt-compaction, max-token-prediction");
    insta::assert_snapshot!(said(&["--policy", "prefix-aware-routing", "--scheduler", "shortest"]), @"error: `scheduler` is `shortest` and does nothing here: no policy here predicts lengths, expected one of these policies, too: max-token-prediction");
    insta::assert_snapshot!(said(&["--policy", "prefix-aware-routing", "--predictor", "mlp"]), @"error: `predictor` is `mlp` and does nothing here: no policy here predicts lengths, expected one of these policies, too: max-token-prediction");
    insta::assert_snapshot!(said(&["--cache", "slots", "--eviction", "lru"]), @"error: `eviction` is `lru` and does nothing here: a place of `slots` evicts what it held and nothing else, expected another cache");
    insta::assert_snapshot!(said(&["--host-gb-per-s", "25"]), @"error: `host_gb_per_s` is 25 and does nothing here: nothing is kept in the host's memory, expected `host_kv_tokens`, too");
    insta::assert_snapshot!(said(&["--router", "oracle", "--staleness-ms", "50"]), @"error: `staleness_us` is 50000 and does nothing here: `round-robin` or `oracle` sees nothing that can be late, expected another router");
    insta::assert_snapshot!(said(&["--policy", "exact-prefix-cache", "--max-tokens", "512"]), @"error: `max_tokens` is 512 and does nothing here: no room is reserved for output and no length predicted, expected `reserve`, too");
    insta::assert_snapshot!(said(&["--policy", "exact-prefix-cache", "--context", "masking:5"]), @"error: `context` is `masking:5` and does nothing here: no policy here changes prompts, expected one of these policies, too: prompt-compaction");
    insta::assert_snapshot!(said(&["--arrivals", "users:4,2", "--speed", "2"]), @"error: `speed` is 2 and does nothing here: users wait for their calls and for nothing that was recorded, expected other arrivals than `users:4,2`");
    let priority = fails(&["simulate", TWO, "--scheduler", "priority"], 2);
    insta::assert_snapshot!(priority, @"error: `scheduler` is `priority` and does nothing here: no call of this trace has a priority, expected another scheduler");
    let shared = ["simulate", "data/mooncake-conversation.ndjson.gz", "--limit", "5", "--share-system"];
    insta::assert_snapshot!(fails(&shared, 2), @"error: `share_system` is true and does nothing here: equal ids mean equal content all over this trace, so that nothing has to be assumed");
    // Among policies that read them, they may stand beside one that does not.
    let good = ["--policy", "naive,max-token-prediction", "--predictor", "mlp", "--max-tokens", "512"];
    assert_eq!(run(&[&["simulate", TWO], &good[..]].concat()).code, Some(0));
    let one = run(&["simulate", TWO, "--router", "least-load"]);
    assert_eq!(one.code, Some(0));
    insta::assert_snapshot!(one.stderr, @"note: `router` changes nothing with one replica: there is no choice");
    // Advice tries all policies, whichever are shown.
    let advise = fails(&["advise", "no-such-file", "--host-gb-per-s", "25"], 2);
    assert!(advise.contains("`host_gb_per_s` is 25 and does nothing here"), "{advise}");
}

#[test]
fn a_wrong_part_is_named_with_its_value_and_range() {
    insta::assert_snapshot!(said(&["--router", "cache-awre"]).split(", expected").next().unwrap(), @"error: unknown router `cache-awre` (did you mean `cache-aware`?)");
    insta::assert_snapshot!(said(&["--router", "cache-aware:threshold=2"]), @"error: router `cache-aware`: `threshold` is `2`, expected a number from 0 to 1");
    insta::assert_snapshot!(said(&["--router", "cache-aware:abs=2.5"]), @"error: router `cache-aware`: `abs` is `2.5`, expected a whole number from 0 to 1e9");
    insta::assert_snapshot!(said(&["--router", "cache-aware:rust,python"]), @"error: router `cache-aware`: found the presets `rust` and `python`, expected one of them");
    insta::assert_snapshot!(said(&["--router", "cache-aware:abs=8,abs=9"]), @"error: router `cache-aware`: `abs` is given twice, expected once");
    insta::assert_snapshot!(said(&["--router", "cache-aware:abs"]), @"error: router `cache-aware`: `abs` has no value, expected `abs=` and a whole number from 0 to 1e9");
    insta::assert_snapshot!(said(&["--router", "cache-aware:abs=8,python"]), @"error: router `cache-aware`: the preset `python` stands behind `abs`, expected it first");
    insta::assert_snapshot!(said(&["--scheduler", "fcfs:overtaken=3"]), @"error: scheduler `fcfs` takes no `overtaken=3`, expected the name alone");
    insta::assert_snapshot!(said(&["--eviction", "ttl:cold=3"]), @"error: eviction `ttl` takes no `cold=3` (did you mean `cold_s`?), expected some of: preview, fixed_s=0, cold_s=2");
    insta::assert_snapshot!(said(&["--policy", "naive,naive"]), @"error: `policies` is `naive` twice, expected each policy once");
    insta::assert_snapshot!(said(&["--context", "masking:0"]), @"error: unknown context strategy `masking:0`, expected one of: raw, masking:N, masking:N:POLLING (whole numbers of at least 1)");
}

/// A negative number behind a space is a number, and refused as one.
#[test]
fn negative_numbers_are_refused_by_their_key() {
    let first = |more: &[&str]| said(more).lines().next().unwrap().to_owned();
    insta::assert_snapshot!(first(&["--replicas", "-1"]), @"error: invalid value '-1' for '--replicas <N>': expected a whole number that is not negative");
    insta::assert_snapshot!(first(&["--kv-tokens", "1.5"]), @"error: invalid value '1.5' for '--kv-tokens <N>': expected a whole number that is not negative");
    insta::assert_snapshot!(first(&["--block", "99999999999"]), @"error: invalid value '99999999999' for '--block <N>': expected a smaller number");
    insta::assert_snapshot!(first(&["--speed", "-1"]), @"error: `speed` is -1, expected a finite number above 0");
    insta::assert_snapshot!(first(&["--speed", "fast"]), @"error: invalid value 'fast' for '--speed <X>': expected a number");
    insta::assert_snapshot!(first(&["--host-gb-per-s", "-25", "--host-kv-tokens", "9"]), @"error: `host_gb_per_s` is -25, expected a finite rate above 0");
    insta::assert_snapshot!(first(&["--limit", "-1"]), @"error: invalid value '-1' for '--limit <N>': -1 is not in 1..=4294967295");
    for args in [
        &["inspect", TWO, "--block", "-1"] as &[&str],
        &["synth", "--sessions", "-1"],
        &["advise", TWO, "--draws", "-2"],
    ] {
        let said = fails(args, 2);
        assert!(said.contains(args[args.len() - 2]) && !said.contains("unexpected argument"), "{said}");
    }
}

/// The keys of every row's point, as they are written.
fn points(answer: &Value) -> Vec<String> {
    answer["rows"].as_array().unwrap().iter().map(|row| row["point"].to_string()).collect()
}

#[test]
fn a_grid_leaves_out_what_nothing_reads_and_runs_once_what_is_equal() {
    let grid = [
        "--over",
        "policies=naive,exact-prefix-cache",
        "--over",
        "router=null,least-load,random",
        "--replicas",
        "2",
    ];
    let args = [&["sweep", TWO], &grid[..]].concat();
    let answer = json(&[&args[..], &["--json"]].concat());
    assert_eq!(
        points(&answer),
        [
            r#"{"policies":["naive"],"router":null}"#,
            r#"{"policies":["exact-prefix-cache"],"router":null}"#,
            r#"{"policies":["exact-prefix-cache"],"router":"least-load"}"#,
            r#"{"policies":["exact-prefix-cache"],"router":"random"}"#,
        ]
    );
    assert_eq!(answer["points"], 4);
    let told = run(&args).stderr;
    assert!(
        told.contains("note: `router` is left out where nothing reads it: naive keeps its own, "),
        "{told}"
    );
    assert!(told.contains("note: 6 combinations come to 4 points\n"), "{told}");
    // Of a part, only the parameter goes; what hangs on a tier goes with it.
    let tiers = [
        "--over",
        "host_kv_tokens=null,4096",
        "--over",
        r#"router=["dynamo-kv:host=0.5"]"#,
        "--host-gb-per-s",
        "25",
    ];
    let args = [&["sweep", TWO, "--policy", "exact-prefix-cache", "--json"], &tiers[..]].concat();
    assert_eq!(
        points(&json(&args)),
        [
            r#"{"host_kv_tokens":null,"router":"dynamo-kv"}"#,
            r#"{"host_kv_tokens":4096,"router":"dynamo-kv:host=0.5"}"#,
        ]
    );
}

#[test]
fn a_table_of_calls_has_no_value_where_nothing_reads_the_key() {
    let folder = Folder::new("options-outcomes");
    let tables = folder.path("tables");
    let grid = ["--over", "policies=naive,exact-prefix-cache", "--over", "router=least-load,random"];
    let answer =
        json(&[&["sweep", TWO, "--replicas", "2", "--json", "--outcomes", &tables], &grid[..]].concat());
    assert_eq!(points(&answer)[0], r#"{"policies":["naive"]}"#);
    assert_eq!((answer["points"].as_u64(), std::fs::read_dir(&tables).unwrap().count()), (Some(3), 3));
}

#[test]
fn a_value_that_nothing_reads_at_any_point_is_refused() {
    let said = |more: &[&str]| fails(&[&["sweep", "no-such-file"], more].concat(), 2);
    insta::assert_snapshot!(said(&["--policy", "exact-prefix-cache", "--over", "scheduler=fcfs,shortest"]), @"error: at every point of the grid: `scheduler` is `shortest` and does nothing here: no policy here predicts lengths, expected one of these policies, too: max-token-prediction");
    insta::assert_snapshot!(said(&["--predictor", "mlp", "--over", "policies=naive,exact-prefix-cache"]), @"error: at every point of the grid: `predictor` is `mlp` and does nothing here: no policy here predicts lengths, expected one of these policies, too: max-token-prediction");
    insta::assert_snapshot!(said(&["--over", "host_gb_per_s=10,20"]), @"error: at every point of the grid: `host_gb_per_s` is 10 and does nothing here: nothing is kept in the host's memory, expected `host_kv_tokens`, too");
    insta::assert_snapshot!(said(&["--over", "decisions=true,false"]), @"error: `--over decisions=true,false`: no file of a sweep holds it, expected `simulate --decisions FILE`");
    insta::assert_snapshot!(said(&["--over", "replica=1"]).split(", expected").next().unwrap(), @"error: `--over replica=1`: unknown key `replica` (did you mean `replicas`?)");
    insta::assert_snapshot!(said(&["--over", "replicas=-1"]), @"error: `--over replicas=-1`: `-1`: expected a whole number that is not negative");
    insta::assert_snapshot!(said(&["--over", "router=cache-aware:threshold=2"]), @"error: `--over router=cache-aware:threshold=2`: router `cache-aware`: `threshold` is `2`, expected a number from 0 to 1");
}

#[test]
fn a_key_that_changed_no_figure_is_named() {
    let told = |more: &[&str]| run(&[&["sweep", TWO, "--policy", "naive"], more].concat()).stderr;
    let same = told(&["--over", "seed=1,2", "--over", "kv_tokens=128,4096"]);
    assert!(
        same.contains("note: `seed` changed nothing: points that differ in it alone have the same figures"),
        "{same}"
    );
    assert!(!same.contains("`kv_tokens` changed nothing"), "{same}");
    let drawn = told(&["--over", "seed=1,2", "--arrivals", "poisson:3"]);
    assert!(!drawn.contains("changed nothing"), "{drawn}");
    // Wrong for the trace, not by itself: a row with the reason.
    let bad = run(&["sweep", TWO, "--over", "scheduler=fcfs,priority"]);
    assert!(bad.stdout.contains("Points that cannot be run: 1"), "{}", bad.stdout);
}

#[test]
fn an_objective_says_what_to_write() {
    let said = |slo: &str| fails(&["advise", TWO, "--slo", slo], 2).lines().next().unwrap().to_owned();
    insta::assert_snapshot!(said("ttft_ms<=1"), @"error: invalid value 'ttft_ms<=1' for '--slo <CONDITION,…>': `ttft_ms` has several numbers, expected one of: ttft_ms.mean, ttft_ms.p50, ttft_ms.p90, ttft_ms.p95, ttft_ms.p99");
    insta::assert_snapshot!(said("hit_rate>=80"), @"error: invalid value 'hit_rate>=80' for '--slo <CONDITION,…>': `hit_rate>=80` is about a share, expected a number from 0 to 1, such as 0.8 for 80 %");
}

#[test]
fn the_help_lists_the_context_strategies() {
    let help = run(&["simulate", "--help"]).stdout;
    for (name, _) in atr_core::context::STRATEGIES {
        assert!(help.contains(&format!("\n  {name} ")), "{name}");
    }
}

/// A scenario with every key set: who adds one has to add it here, too.
fn everything() -> Resolved {
    Resolved {
        scenario: Scenario {
            policies: vec!["exact-prefix-cache".to_owned()],
            router: Some("least-load".to_owned()),
            cache: Some("radix".to_owned()),
            eviction: Some("lru".to_owned()),
            scheduler: Some("plas".to_owned()),
            predictor: Some("mlp".to_owned()),
            staleness_us: 1,
            decisions: true,
            regret: 1,
            context: Some("raw".to_owned()),
            replicas: 2,
            kv_tokens: Some(1),
            host_kv_tokens: Some(1),
            host_gb_per_s: Some(0.5),
            block_tokens: Some(1),
            profile: "mine".to_owned(),
            own_profile: latency::find("h200-qwen3-4b").as_ref().map(Into::into),
            max_batch: 1,
            step_tokens: 1,
            max_tokens: 1,
            arrivals: Some(Arrivals::Gamma { per_s: 1.0, shape: 0.5 }),
            replay: Some(Replay::Times),
            speed: 0.5,
            seed: 0,
            reserve: true,
            share_system: true,
            curves: true,
            stepwise: true,
        },
        profile_origin: "simulated".to_owned(),
        context_tokens: 1,
        sessions: 0,
        calls: 0,
        not_applicable: vec![NotApplicable { name: "x".to_owned(), why: "y".to_owned() }],
    }
}

/// Every object of a schema that describes a scenario.
fn scenarios<'s>(schema: &'s Value, found: &mut Vec<&'s Value>) {
    if schema["properties"].get("step_tokens").is_some() {
        found.push(schema);
    }
    match schema {
        Value::Object(entries) => entries.values().for_each(|value| scenarios(value, found)),
        Value::Array(items) => items.iter().for_each(|value| scenarios(value, found)),
        _ => {}
    }
}

#[test]
fn the_schemas_list_every_key_of_a_scenario() {
    let all = serde_json::to_value(everything()).unwrap();
    let mut keys: Vec<&String> = all.as_object().unwrap().keys().collect();
    keys.sort();
    let mut files = 0;
    for entry in std::fs::read_dir(root().join("reports/schema")).unwrap() {
        let path = entry.unwrap().path();
        let schema: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        scenarios(&schema, &mut found);
        files += usize::from(!found.is_empty());
        for one in found {
            let mut listed: Vec<&String> = one["properties"].as_object().unwrap().keys().collect();
            listed.sort();
            assert_eq!(listed, keys, "{}", path.display());
            let validator = jsonschema::validator_for(one).unwrap();
            let errors: Vec<String> = validator.iter_errors(&all).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
        }
    }
    assert_eq!(files, 5, "kinds of reports with a scenario");
}
