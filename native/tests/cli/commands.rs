//! What `inspect` and `simulate` answer, on a trace small enough to calculate by hand.

use crate::harness::{Folder, TWO, fails, json, run};
use serde_json::Value;
use std::collections::BTreeSet;

/// One engine that answers one call at a time: first token after 100 ms + 1 ms a computed token,
/// every further token 10 ms later.
const BY_HAND: &[&str] =
    &["--profile", "linear:100,1,10", "--max-batch", "1", "--arrivals", "concurrency:1", "--block", "16"];

fn simulate<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["simulate", TWO];
    args.extend(BY_HAND);
    args.extend(more);
    args
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn policy<'a>(answer: &'a Value, name: &str) -> &'a Value {
    answer["policies"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap()
}

/// Equal to the last digits, which reading JSON may round.
fn close(found: &Value, expected: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= expected.abs() * 1e-12, "found {found}, expected {expected}");
}

#[test]
fn inspect_counts_what_is_there() {
    let found = json(&["inspect", TWO, "--json", "--kv-tokens", "48,1000", "--block", "16"]);
    let fixed = [
        "sessions",
        "calls",
        "prompt_tokens",
        "output_tokens",
        "turns",
        "ceiling_hit_rate",
        "block_tokens",
        "lru",
        "duplicates",
        "skipped",
    ];
    assert_eq!(keys(&found), BTreeSet::from(fixed), "nothing was recorded, so `recorded` is absent");
    let numbers = ["sessions", "calls", "prompt_tokens", "output_tokens", "duplicates", "skipped"];
    assert_eq!(numbers.map(|key| found[key].as_u64().unwrap()), [2, 3, 350, 5, 0, 0]);
    assert_eq!(found["turns"], serde_json::json!({"p50": 1.5, "p90": 1.9, "max": 2}));
    // Of 350 tokens, the six whole blocks of the first prompt are found again.
    close(&found["ceiling_hit_rate"], 96.0 / 350.0);
    assert_eq!(found["lru"][0]["order"], "sequential");
    close(&found["lru"][0]["hit_rate"], 48.0 / 350.0);
    close(&found["lru"][1]["hit_rate"], 96.0 / 350.0);
}

#[test]
fn simulate_answers_what_a_hand_calculates() {
    let answer = json(&simulate(&["--json"]));
    let naive = policy(&answer, "naive");
    // First tokens after 100 + 100, 100 + 200 and 100 + 50 ms.
    close(&naive["ttft_ms"]["mean"], (200.0 + 300.0 + 150.0) / 3.0);
    assert_eq!(naive["ttft_ms"]["p50"], 200.0);
    assert_eq!(naive["prefill_tokens"], 350);
    assert_eq!(naive["hit_rate"], 0.0);
    // Session a: 220 ms, a pause of 1,000 ms, 300 ms. Session b follows with 150 ms.
    assert_eq!(naive["job_ms"]["mean"], (1_520.0 + 150.0) / 2.0);
    assert_eq!(naive["makespan_ms"], 1_670.0);
    assert_eq!(naive["tpot_ms"]["mean"], 10.0, "calls of one token have no time per further token");
    // The cache finds 96 of the second prompt's 200 tokens.
    let cache = policy(&answer, "exact-prefix-cache");
    close(&cache["ttft_ms"]["mean"], (200.0 + 204.0 + 150.0) / 3.0);
    close(&cache["hit_rate"], 96.0 / 350.0);
    assert_eq!(cache["ceiling_hit_rate"], cache["hit_rate"]);
    assert_eq!(cache["prefill_tokens"], 254);
}

#[test]
fn simulate_has_the_keys_that_scripts_rely_on() {
    let answer = json(&simulate(&["--json"]));
    assert_eq!(keys(&answer), BTreeSet::from(["origin", "scenario", "policies", "wall_ms", "calls_per_s"]));
    assert_eq!(answer["origin"], "simulated");
    for row in answer["policies"].as_array().unwrap() {
        let has = keys(row);
        for key in [
            "name",
            "calls",
            "failed",
            "hit_rate",
            "ceiling_hit_rate",
            "ttft_ms",
            "tpot_ms",
            "e2e_ms",
            "job_ms",
            "prefill_tokens",
            "output_tokens",
            "makespan_ms",
        ] {
            assert!(has.contains(key), "{key}");
        }
        assert_eq!(keys(&row["ttft_ms"]), BTreeSet::from(["mean", "p50", "p90", "p95", "p99"]));
    }
    let scenario = &answer["scenario"];
    assert_eq!(scenario["block_tokens"], 16);
    assert_eq!(scenario["replay"], "delays", "defaults are filled in");
}

#[test]
fn flags_reach_the_scenario() {
    let flags = [
        "--json",
        "--replicas",
        "3",
        "--kv-tokens",
        "640",
        "--max-tokens",
        "77",
        "--replay",
        "times",
        "--speed",
        "2.5",
        "--seed",
        "9",
        "--reserve",
        "--router",
        "least-load",
        "--context",
        "masking:5",
        "--step-tokens",
        "512",
        "--share-system",
        "--limit",
        "1",
        "--policy",
        "exact-prefix-cache,prompt-compaction",
    ];
    let scenario = json(&simulate(&flags))["scenario"].clone();
    let expected = serde_json::json!({
        "replicas": 3, "kv_tokens": 640, "max_tokens": 77, "replay": "times", "speed": 2.5, "seed": 9, "reserve": true,
        "router": "least-load", "context": "masking:5", "step_tokens": 512, "share_system": true, "sessions": 1,
        "policies": ["exact-prefix-cache", "prompt-compaction"], "arrivals": {"concurrency": {"sessions": 1}}, "max_batch": 1, "block_tokens": 16,
        "profile": "linear:100,1,10",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&scenario[key], value, "{key}");
    }
    let poisson = json(&["simulate", TWO, "--json", "--arrivals", "poisson:0.5"]);
    assert_eq!(poisson["scenario"]["arrivals"], serde_json::json!({"poisson": {"per_s": 0.5}}));
    let recorded = json(&["simulate", TWO, "--json", "--arrivals", "recorded"]);
    assert_eq!(recorded["scenario"]["arrivals"], "recorded");
}

#[test]
fn stepwise_gives_the_same_policies() {
    let fast = json(&["simulate", TWO, "--json"]);
    let slow = json(&["simulate", TWO, "--json", "--stepwise"]);
    assert_eq!(fast["policies"], slow["policies"]);
}

/// The table without its last line, which tells how long it took.
#[test]
fn the_table_is_readable() {
    let ran = run(&simulate(&[]));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let (last, rest) = lines.split_last().unwrap();
    assert!(last.contains("12 answered calls in "), "{last}");
    insta::assert_snapshot!("simulate-table", rest.join("\n"));
    insta::assert_snapshot!("inspect-text", run(&["inspect", TWO, "--kv-tokens", "48"]).stdout);
}

#[test]
fn the_outcome_has_a_line_for_every_call_and_policy() {
    let folder = Folder::new("outcome");
    let (plain, packed) = (folder.path("calls.ndjson"), folder.path("calls.ndjson.gz"));
    let policies = ["--policy", "naive,exact-prefix-cache", "--outcome"];
    let ran = run(&simulate(&[&policies[..], &[&plain]].concat()));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stderr.contains("wrote 6 calls"), "{}", ran.stderr);
    let text = std::fs::read_to_string(&plain).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |policy: &str| lines.iter().filter(|line| line["policy"] == policy).count();
    assert_eq!((lines.len(), of("naive"), of("exact-prefix-cache")), (6, 3, 3));
    let second = &lines[4];
    assert_eq!(second["status"], "ok");
    assert_eq!((&second["scheduled_us"], &second["first_token_us"]), (&1_220_000.into(), &1_424_000.into()));
    assert_eq!(second["cached_tokens"], serde_json::json!({"device": 96, "host": 0}));
    run(&simulate(&[&policies[..], &[&packed]].concat()));
    assert!(std::fs::read(&packed).unwrap().starts_with(&[0x1f, 0x8b]));
    let names: Vec<_> =
        std::fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "no half-written file is left: {names:?}");
    let said = fails(&simulate(&["--json", "--outcome", &folder.path("none/calls.ndjson")])[..], 1);
    assert!(said.contains("none/calls.ndjson"), "{said}");
}

/// Two replicas by turns: a session's second call goes where its prompt is not. Both policies take turns.
#[test]
fn decisions_have_a_line_each_and_say_what_they_cost() {
    let folder = Folder::new("decisions");
    let to = folder.path("decisions.ndjson");
    let asked = ["--policy", "naive,exact-prefix-cache", "--replicas", "2", "--regret", "2", "--json"];
    let answer = json(&simulate(&[&asked[..], &["--decisions", &to]].concat()));
    let rows = answer["policies"].as_array().unwrap();
    assert_eq!((&rows[1]["regret"]["decisions"], &answer["scenario"]["regret"]), (&2.into(), &2.into()));
    let text = std::fs::read_to_string(&to).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 6, "every decision, tried or not");
    let schema =
        std::fs::read_to_string(crate::harness::root().join("reports/schema/decision.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for line in &lines {
        let errors: Vec<String> = schema.iter_errors(line).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
        let calls = if line["session"] == "a" { [0, 1] } else { [2, 2] };
        assert!(calls.iter().any(|call| line["call"] == *call), "{line}");
    }
    assert!(!text.contains("-0.0"), "{text}");
    for policy in ["naive", "exact-prefix-cache"] {
        let of: Vec<&Value> = lines.iter().filter(|line| line["policy"] == policy).collect();
        assert_eq!(of.iter().filter(|line| line.get("hindsight").is_some()).count(), 2);
        for line in of {
            let scores = line["scores"].as_array().unwrap();
            assert_eq!(scores.len(), 2);
            assert_eq!(scores[line["replica"].as_u64().unwrap() as usize], 0.0, "its turn");
            assert_eq!(line.get("hindsight").is_some(), line.get("regret").is_some());
            if let Some(hindsight) = line.get("hindsight") {
                let tried: Vec<u64> = hindsight["replicas"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|tried| tried["ttft_us"].as_u64().unwrap())
                    .collect();
                let own = tried[line["replica"].as_u64().unwrap() as usize];
                assert_eq!(line["regret"]["ttft_us"], own - tried.iter().min().unwrap());
            }
        }
    }
    let plain = json(&simulate(&["--replicas", "2", "--json"]));
    assert!(plain["policies"][0].get("regret").is_none());
    insta::assert_snapshot!("simulate-regret", {
        let ran = run(&simulate(&[&asked[..6]].concat()));
        let lines: Vec<&str> = ran.stdout.lines().collect();
        lines[..lines.len() - 1].join("\n")
    });
}

#[test]
fn regret_needs_a_choice_and_one_output() {
    let one = fails(&simulate(&["--regret", "5"]), 2);
    assert!(one.contains("`--regret` is 5, expected 0 with one replica: there is no choice"), "{one}");
    for bad in ["0", "-1", "many"] {
        let said = fails(&simulate(&["--replicas", "2", &format!("--regret={bad}")]), 2);
        assert!(said.contains("--regret"), "{said}");
    }
    let both = fails(&simulate(&["--outcome", "-", "--decisions", "-"]), 2);
    assert!(both.contains("`--outcome -` and `--decisions -` both want standard output"), "{both}");
    let none = fails(&simulate(&["--decisions", "/nowhere/at/all.ndjson"]), 1);
    assert!(none.contains("/nowhere/at/all.ndjson"), "{none}");
}
