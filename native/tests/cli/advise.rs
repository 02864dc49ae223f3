//! What `advise` answers: the page and the JSON on small traces of our own, and what it says of bad questions.

use crate::harness::{TWO, command, fails, json, root, run};
use serde_json::Value;

/// Three sessions of our own, whose prefixes break.
const BROKEN: &str = "native/tests/cli/fixtures/broken-synthetic.ndjson";
/// First token after 100 ms + 1 ms a computed token, every further token 10 ms later, one call at a time.
const BY_HAND: &[&str] =
    &["--profile", "linear:100,1,10", "--max-batch", "1", "--arrivals", "concurrency:1", "--block", "16"];

fn advise(args: &[&'static str]) -> Value {
    json(&[&["advise", "--json"], args].concat())
}

#[test]
fn the_page_is_readable() {
    let slo = "ttft_ms.p99<=450,job_ms.p95<=600000";
    let args =
        ["advise", BROKEN, "--slo", slo, "--replicas", "2", "--kv-tokens", "60000", "--max-replicas", "8"];
    let ran = run(&args);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!("advise-page", ran.stdout);
    assert_eq!(run(&args).stdout, ran.stdout, "nothing volatile");
}

#[test]
fn the_json_is_complete() {
    let args = ["advise", TWO, "--slo", "ttft_ms.mean<=200", "--max-replicas", "2", "--draws", "2", "--json"];
    let ran = run(&[&args, BY_HAND].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    insta::assert_snapshot!("advise-json", ran.stdout);
}

/// First tokens after 200, 300 and 150 ms; with the cache the second comes after 204.
#[test]
fn gains_are_what_a_hand_calculates() {
    let answer = advise(&[&[TWO], BY_HAND].concat());
    let step = &answer["order"]["steps"][0];
    assert_eq!((&step["lever"], &step["lossy"]), (&"prefix-cache".into(), &false.into()));
    let close = |found: &Value, expected: f64| {
        let found = found.as_f64().unwrap();
        assert!((found - expected).abs() <= expected * 1e-12, "found {found}, expected {expected}");
    };
    close(&step["before"]["ttft_mean_ms"], 650.0 / 3.0);
    close(&step["after"]["ttft_mean_ms"], 554.0 / 3.0);
    close(&step["gain"], 96.0 / 650.0);
    // Of 350 tokens 96 are found again; six blocks of 16 are all that it takes.
    close(&answer["ceiling"]["ceiling_hit_rate"], 96.0 / 350.0);
    assert_eq!(answer["capacity"]["rows"][2]["curve_kv_tokens"], 96);
    assert_eq!(answer["profile"]["origin"], "exact");
    assert_eq!(answer.get("replicas"), None, "nothing must hold");
}

/// On a real set: with the memory that is advised `simulate` finds that share of the ceiling, and with the memory that the
/// curve of one cache promises it for, in which nothing runs, it does not.
#[test]
fn memory_that_is_advised_is_enough_for_the_simulator() {
    let sample = "data/sample.ndjson.gz";
    let given =
        [sample, "--router", "cache-aware", "--eviction", "lru", "--scheduler", "fcfs", "--context", "raw"];
    let answer = advise(&[&given[..], &["--replicas", "2", "--policy", "prefix-aware-routing"]].concat());
    let memory = &answer["capacity"];
    assert!(!memory["setup"].as_str().unwrap().contains("host-memory"), "{memory}");
    assert_eq!(answer["recommended"]["replicas"], 2);
    let setup = &answer["order"]["setup"];
    let share = |kv_tokens: &Value| {
        let kv_tokens = kv_tokens.to_string();
        let mut args = ["simulate", sample, "--replicas", "2", "--json", "--kv-tokens", &kv_tokens].to_vec();
        let policy = if setup["predict"] == true { "max-token-prediction" } else { "prefix-aware-routing" };
        args.extend(["--policy", policy, "--eviction", "lru"]);
        let row = json(&args)["policies"][0].clone();
        row["hit_rate"].as_f64().unwrap() / row["ceiling_hit_rate"].as_f64().unwrap()
    };
    let mut promised_too_little = 0;
    for row in memory["rows"].as_array().unwrap() {
        let asked = row["share_of_ceiling"].as_f64().unwrap();
        if row["kv_tokens"].is_null() {
            continue;
        }
        let found = share(&row["kv_tokens"]);
        assert!(found >= asked, "{row}: {found}");
        let each = row["curve_kv_tokens"].as_u64().unwrap() / 2;
        promised_too_little += u32::from(share(&each.into()) < asked);
    }
    assert!(promised_too_little > 0, "{memory}");
}

/// One replica needs no router, whatever the set-up with several was.
#[test]
fn no_router_is_set_for_one_replica() {
    let slo =
        ["--replicas", "4", "--sample-calls", "200", "--slo", "ttft_ms.p95<=60000", "--max-replicas", "4"];
    let answer = advise(&[&["data/openhands.ndjson.gz"], &slo[..]].concat());
    assert_eq!(answer["replicas"]["replicas"], 1);
    assert_eq!(answer["recommended"]["replicas"], 1);
    let engines = ["vLLM", "SGLang"];
    for flag in answer["flags"].as_array().unwrap() {
        let component = flag["component"]["name"].as_str().unwrap();
        assert!(engines.contains(&component), "{flag}");
    }
    assert!(!answer["recommended"]["setup"].as_str().unwrap().contains("cache-aware"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for set in [TWO, BROKEN, "data/sample.ndjson.gz"] {
        for columns in ["80", "100"] {
            let args = ["advise", set, "--slo", "ttft_ms.p95<=500", "--max-replicas", "4", "--replicas", "2"];
            let output = command(&args).env("COLUMNS", columns).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            // Tables are as wide as their longest names.
            let prose = text.lines().filter(|line| !line.contains("  "));
            let widest = prose.max_by_key(|line| line.chars().count()).unwrap();
            assert!(widest.chars().count() <= columns.parse().unwrap(), "{set}: {widest}");
            assert!(!text.contains('\u{1b}'), "{set}: nothing is emphasised in a pipe");
            assert!(text.lines().all(|line| line.trim_end() == line), "{set}: no blanks at ends");
        }
    }
}

/// Everything that is answered has the published form, whatever there is to say.
#[test]
fn the_json_follows_its_schema() {
    let schema = std::fs::read_to_string(root().join("reports/schema/advice.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let sample = "data/sample.ndjson.gz";
    let slo = "ttft_ms.p95<=500,job_ms.p95<=1";
    for args in [
        &[TWO, "--slo", "ttft_ms.mean<=200", "--max-replicas", "2"] as &[&'static str],
        &[TWO, "--kv-tokens", "16", "--slo", "ttft_ms.mean<=200"],
        &[
            BROKEN,
            "--policy",
            "naive",
            "--arrivals",
            "recorded",
            "--slo",
            "ttft_ms.p99<=1",
            "--max-replicas",
            "2",
        ],
        &[
            sample,
            "--sample-calls",
            "300",
            "--replicas",
            "2",
            "--kv-tokens",
            "60000",
            "--slo",
            slo,
            "--max-replicas",
            "2",
        ],
        &["data/mooncake-conversation.ndjson.gz", "--limit", "100"],
    ] {
        let answer = advise(args);
        let errors: Vec<String> =
            validator.iter_errors(&answer).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{args:?}: {errors:?}");
    }
    let mut wrong = advise(&[TWO]);
    wrong["order"]["ranked_by"] = 1.into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn samples_and_single_requests_are_said() {
    let sampled = advise(&["data/sample.ndjson.gz", "--sample-calls", "400"]);
    let sample = &sampled["sample"];
    assert_eq!((&sample["of_sessions"], &sample["of_calls"]), (&29.into(), &2_146.into()));
    assert!(sample["calls"].as_u64().unwrap() <= 400);
    let said = sampled["setting"]["says"].to_string();
    assert!(said.contains("a sample of 2,146 calls and 29 sessions"), "{said}");
    let single =
        advise(&["data/mooncake-conversation.ndjson.gz", "--limit", "400", "--slo", "job_ms.p50<=1"]);
    let said = single["cannot_say"].to_string();
    assert!(said.contains("single requests only") && said.contains("`job_ms.p50<=1`"), "{said}");
    assert_eq!(single.get("replicas"), None);
}

/// Real agents under a load at which a cache alone costs, and with a router saves nearly all: what comes out is no worse than any
/// row of the page's own table.
#[test]
fn a_cache_is_not_turned_off_where_a_router_makes_it_pay() {
    let slo = "ttft_ms.p99<=200";
    let set = "data/mini-swe-agent-gemini3.ndjson.gz";
    let load = ["--replicas", "4", "--arrivals", "poisson:0.5", "--draws", "2", "--max-replicas", "2"];
    let answer = advise(&[&[set, "--slo", slo], &load[..]].concat());
    let setup = &answer["order"]["setup"];
    assert!(setup["cache"] == true && setup["router"].is_string(), "{setup}");
    let mean = |row: &Value| row["ttft_mean_ms"].as_f64().unwrap();
    let rows = answer["ceiling"]["policies"].as_array().unwrap();
    let lossless = rows.iter().filter(|row| row["name"] != "prompt-compaction");
    let best = lossless.map(mean).fold(f64::INFINITY, f64::min);
    let found = mean(&answer["order"]["total"]["after"]);
    assert!(found < 1.1 * best && found < 0.1 * mean(&rows[1]), "{found} against {best}");
}

#[test]
fn wrong_calls_are_named() {
    for (slo, expected) in [
        ("ttft.p99<=1", "unknown metric `ttft` (did you mean `ttft_ms`?), expected one of: ttft_ms"),
        ("ttft_ms<=1", "expected one of: ttft_ms.mean, ttft_ms.p50, ttft_ms.p90, ttft_ms.p95, ttft_ms.p99"),
        ("ttft_ms.p99", "compares nothing"),
        ("ttft_ms.p99<=+10%", "is a change, expected a number"),
        ("", "empty condition"),
        ("ttft_ms.p99>=800", "asks for a worse figure, expected `ttft_ms.p99<=` a number"),
        ("ttft_ms.p99<=800,ttft_ms.p99<=900", "`ttft_ms.p99` has two bounds"),
        ("failed<=0", "what no lever and no number of replicas moves"),
    ] {
        let said = fails(&["advise", TWO, "--slo", slo], 2);
        assert!(said.contains(expected), "{slo}: {said}");
    }
    for args in [
        &["advise", TWO, "--draws", "0"] as &[&str],
        &["advise", TWO, "--max-replicas", "0"],
        &["advise", TWO, "--sample-calls", "0"],
        &["advise", TWO, "--profile", "abacus"],
        &["advise", TWO, "--stepwise"],
        &["advise", TWO, "--eviction", "belady"],
        &["advise", TWO, "--router", "oracle", "--replicas", "2"],
        &["advise"],
    ] {
        fails(args, 2);
    }
    assert!(fails(&["advise", "no-such-file.ndjson"], 1).contains("no-such-file.ndjson"));
}
