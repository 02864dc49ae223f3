//! `calibrate`: outcomes to profiles, and profiles that people bring.

use crate::harness::{Folder, TWO, fails, json, root, run};
use atr_core::serve::latency::Profile;
use serde_json::Value;
use std::fs;

/// Sessions to fit to and, from another seed and another harness, sessions that the fit has not seen.
fn traces(folder: &Folder) -> (String, String) {
    let (seen, unseen) = (folder.path("seen.ndjson"), folder.path("unseen.ndjson"));
    for (profile, seed, out) in [("mini-swe-agent", "3", &seen), ("claude-code", "4", &unseen)] {
        let args = ["synth", "--profile", profile, "--sessions", "12", "--seed", seed, "--out", out];
        let ran = run(&args);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    (seen, unseen)
}

const TRUE: &str = "rtx3090-qwen3-8b-awq";

fn simulated(folder: &Folder, trace: &str) -> String {
    let out = folder.path("calls.ndjson.gz");
    let args = ["simulate", trace, "--policy", "exact-prefix-cache", "--profile", TRUE, "--outcome", &out];
    let ran = run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    out
}

fn schema() -> jsonschema::Validator {
    let text = fs::read_to_string(root().join("reports/schema/latency-profile.schema.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// The base is another accelerator with another model, so that nothing of the truth is there but the times.
#[test]
fn a_profile_fitted_to_an_outcome_replays_an_unseen_load() {
    let folder = Folder::new("calibrate");
    let (seen, unseen) = traces(&folder);
    let calls = simulated(&folder, &seen);
    let out = folder.path("mine.json");
    let fit = ["calibrate", &calls, &seen, "--profile", "h200-qwen3-4b", "--name", "mine", "--out", &out];
    let answer = json(&[&fit[..], &["--json"]].concat());
    assert_eq!((&answer["origin"], &answer["policy"]), (&"simulated".into(), &"exact-prefix-cache".into()));
    assert!(answer["observed"]["decodes"].as_u64().unwrap() > 100, "{}", answer["observed"]);
    let file: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(file, answer["profile"]);
    assert_eq!((&file["origin"], &file["name"]), (&"simulated".into(), &"mine".into()));
    assert!(schema().is_valid(&file), "{file}");
    let fitted = &file["costs"]["fitted"];
    assert!(fitted["held_out"]["errors"]["mean"].as_f64().unwrap() < 0.001, "{fitted}");
    let command = fitted["from"]["command"].as_str().unwrap();
    assert!(
        command.starts_with("atr-bench calibrate ") && command.contains("--profile h200-qwen3-4b"),
        "{command}"
    );
    assert_eq!((&fitted["from"]["machine"], &fitted["from"]["date"]), (&Value::Null, &Value::Null));

    let load = ["--policy", "all", "--arrivals", "poisson:0.05", "--kv-tokens", "300000", "--json"];
    let replay = |profile: &str| json(&[&["simulate", &unseen, "--profile", profile][..], &load].concat());
    let (truth, mine) = (replay(TRUE), replay(&out));
    assert_eq!(mine["scenario"]["profile_origin"], "simulated");
    assert_eq!(mine["scenario"]["own_profile"], file, "the result holds what it was made with");
    let rows = truth["policies"].as_array().unwrap();
    for (truth, mine) in rows.iter().zip(mine["policies"].as_array().unwrap()) {
        for key in ["ttft_ms", "tpot_ms", "e2e_ms", "job_ms"] {
            for at in ["mean", "p50", "p95"] {
                let (a, b) = (truth[key][at].as_f64().unwrap(), mine[key][at].as_f64().unwrap());
                assert!((b / a - 1.0).abs() < 0.02, "{} {key} {at}: {b} is not {a}", truth["name"]);
            }
        }
    }
}

#[test]
fn the_table_says_terms_shares_and_errors() {
    let folder = Folder::new("calibrate-table");
    let (seen, _) = traces(&folder);
    let calls = simulated(&folder, &seen);
    let out = folder.path("mine.json");
    let ran = run(&["calibrate", &calls, &seen, "--profile", TRUE, "--out", &out]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    for said in [
        "simulated outcome of exact-prefix-cache",
        "± standard error",
        "of bandwidth or more",
        "held",
        "R² ",
        "held out: ",
    ] {
        assert!(ran.stdout.contains(said), "{said}: {}", ran.stdout);
    }
    assert!(ran.stderr.contains("rtx3090-qwen3-8b-awq-simulated (simulated)"), "{}", ran.stderr);
    // Made twice, equal to the byte.
    let first = fs::read(&out).unwrap();
    run(&["calibrate", &calls, &seen, "--profile", TRUE, "--out", &out]);
    assert_eq!(fs::read(&out).unwrap(), first);
}

/// The outcome of a real server: the same lines with another origin, and no admissions.
#[test]
fn only_measured_outcomes_are_called_calibrated() {
    let folder = Folder::new("calibrate-measured");
    let (seen, _) = traces(&folder);
    let calls = folder.path("calls.ndjson");
    let one = ["--arrivals", "concurrency:1", "--step-tokens", "512"];
    let args = ["simulate", &seen, "--policy", "naive", "--profile", TRUE, "--outcome", &calls];
    assert_eq!(run(&[&args[..], &one].concat()).code, Some(0));
    let text = fs::read_to_string(&calls).unwrap();
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["origin"], "simulated");
        (line["origin"], line["admitted_us"]) = ("measured".into(), Value::Null);
        line.to_string() + "\n"
    });
    let measured = folder.file("measured.ndjson", lines.collect::<String>().as_bytes());
    let out = folder.path("mine.json");
    let with = |more: &[&str]| {
        let args = ["calibrate", &measured, &seen, "--profile", TRUE, "--step-tokens", "512", "--out", &out];
        run(&[&args[..], more].concat())
    };
    for (more, missing) in
        [(&["--date", "2026-01-31"][..], "--machine"), (&["--machine", "one card"], "--date")]
    {
        let ran = with(more);
        assert_eq!(ran.code, Some(2));
        assert!(
            ran.stderr.contains(&format!("the outcome was measured: expected `{missing}`")),
            "{}",
            ran.stderr
        );
    }
    let ran = with(&["--machine", "one card", "--date", "2026-01-31"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let file: Value = serde_json::from_str(&fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(
        (&file["origin"], &file["costs"]["fitted"]["from"]["machine"]),
        (&"calibrated".into(), &"one card".into())
    );
    assert!(schema().is_valid(&file));
    // Calls alone are not told apart by sequences, but by steps of their prompts.
    let truth = atr_core::serve::latency::by_name(TRUE).unwrap().coefficients;
    let found = Profile::from_json(&file.to_string()).unwrap().compile().coefficients;
    assert!((found.kv_token as f64 / truth.kv_token as f64 - 1.0).abs() < 0.01, "{found:?}");
    // Of a card with five times the bandwidth and seven times the compute nobody calibrates this one.
    let large = folder.path("large.ndjson");
    let args = ["simulate", &seen, "--policy", "naive", "--profile", "h200-qwen3-8b", "--outcome", &large];
    assert_eq!(run(&[&args[..], &one].concat()).code, Some(0));
    let wrong = folder.path("wrong.json");
    let fit = ["--profile", TRUE, "--step-tokens", "512", "--out", &wrong];
    let warned = run(&[&["calibrate", &large, &seen], &fit[..]].concat());
    assert_eq!(warned.code, Some(0), "{}", warned.stderr);
    assert!(warned.stderr.contains("warning: `"), "{}", warned.stderr);
    fs::remove_file(&wrong).unwrap();
    let text =
        fs::read_to_string(&large).unwrap().replace("\"origin\":\"simulated\"", "\"origin\":\"measured\"");
    let large = folder.file("large-measured.ndjson", text.as_bytes());
    let when = ["--machine", "one card", "--date", "2024-02-29"];
    let refused = fails(&[&["calibrate", &large, &seen], &fit[..], &when].concat(), 1);
    for said in
        ["`kv_token` comes to ", " of 936 GB/s", "RTX 3090", "expected `--profile` to name the accelerator"]
    {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    assert!(!std::path::Path::new(&wrong).exists(), "an impossible profile is not written");
    let simulated = ["calibrate", &calls, &seen, "--profile", TRUE, "--out", &out, "--machine", "one card"];
    assert!(fails(&simulated, 2).contains("the outcome was simulated: expected no `--machine`"));
}

#[test]
fn wrong_outcomes_are_named_with_their_line() {
    let folder = Folder::new("calibrate-wrong");
    let calls = folder.path("calls.ndjson");
    let both = ["simulate", TWO, "--policy", "naive,exact-prefix-cache", "--outcome", &calls];
    assert_eq!(run(&both).code, Some(0));
    let text = fs::read_to_string(&calls).unwrap();
    let out = folder.path("mine.json");
    let said = |file: &str, more: &[&str], code| {
        fails(&[&["calibrate", file, TWO, "--profile", TRUE, "--out", &out][..], more].concat(), code)
    };
    let several = said(&calls, &[], 2);
    assert!(several.contains("expected `--policy` with one of: exact-prefix-cache, naive"), "{several}");
    assert!(said(&calls, &["--policy", "learned"], 2).contains("`--policy` is `learned`"));
    let few = said(&calls, &["--policy", "naive"], 1);
    assert!(few.contains("times to fit to, expected at least 10"), "{few}");
    let no_origin = folder.file("old.ndjson", text.replace("\"origin\":\"simulated\",", "").as_bytes());
    let old = said(&no_origin, &[], 1);
    assert!(
        old.contains("old.ndjson: line 1: `origin` is missing, expected `measured` or `simulated`"),
        "{old}"
    );
    let mixed = folder.file("mixed.ndjson", text.replacen("simulated", "measured", 1).as_bytes());
    assert!(said(&mixed, &[], 1).contains("line 2: `origin` is `simulated`, expected `measured` as before"));
    let quoted = folder.file("quoted.ndjson", text.replace("simulated", "published").as_bytes());
    assert!(said(&quoted, &[], 1).contains("line 1: `origin` is `published`"));
    let broken = folder.file("broken.ndjson", b"{\"policy\":\"naive\"}\n");
    assert!(said(&broken, &[], 1).contains("broken.ndjson: line 1: no call of an outcome"));
    assert!(said(&folder.file("empty.ndjson", b"\n"), &[], 1).contains("no calls"));
    assert!(said(&folder.path("nowhere.ndjson"), &[], 1).contains("nowhere.ndjson"));
    let short = folder.file("short.ndjson", text.lines().next().unwrap().as_bytes());
    assert!(said(&short, &[], 1).contains("the outcome is not of this trace: its calls are 1, expected 3"));
    for (more, why) in [
        (&["--hold", "speed"][..], "`--hold` names `speed`, expected `none` or some of: step, sequence"),
        (&["--name", "h200-qwen3-4b"], "`name` is `h200-qwen3-4b`, expected another"),
        (&["--name", "a b"], "`name` is `a b`"),
        (&["--date", "today"], "expected a date such as"),
        (&["--date", "2026-99-99"], "month 99 does not exist"),
        (&["--date", "2026-02-29"], "day 29 does not exist, expected 01 to 28 in that month"),
        (&["--date", "2026-04-00"], "day 00 does not exist, expected 01 to 30"),
        (&["--step-tokens", "0"], "--step-tokens"),
    ] {
        let found = said(&calls, &[&["--policy", "naive"], more].concat(), 2);
        assert!(found.contains(why), "{found}");
    }
    let linear = fails(&["calibrate", &calls, TWO, "--profile", "linear:1,2,3", "--out", &out], 2);
    assert!(linear.contains("no accelerator and no model"), "{linear}");
    assert!(!std::path::Path::new(&out).exists(), "nothing is written where there is no fit");
}

#[test]
fn wrong_profile_files_are_named_with_their_key() {
    let folder = Folder::new("profiles");
    let text = fs::read_to_string(root().join("core/src/serve/profiles/h200-qwen3-8b.json")).unwrap();
    let simulate = |file: &str, code| fails(&["simulate", TWO, "--profile", file], code);
    let mine = folder.file("mine.json", text.replace("\"h200-qwen3-8b\"", "\"mine\"").as_bytes());
    let answer = json(&["simulate", TWO, "--profile", &mine, "--json"]);
    assert_eq!(
        (&answer["scenario"]["profile"], &answer["scenario"]["profile_origin"]),
        (&"mine".into(), &"estimated".into())
    );
    let bundled = simulate(&folder.file("bundled.json", text.as_bytes()), 2);
    assert!(
        bundled.contains("bundled.json") && bundled.contains("`name` is `h200-qwen3-8b`, expected another"),
        "{bundled}"
    );
    let wrong = folder.file("wrong.json", text.replace("\"memory_gb\": 141", "\"memory_gb\": -1").as_bytes());
    let said = simulate(&wrong, 1);
    assert!(said.contains("wrong.json: `gpu.memory_gb` is -1, expected a number above 0"), "{said}");
    assert!(simulate(&folder.path("missing.json"), 1).contains("missing.json: cannot be read"));
    assert!(simulate("abacus", 2).contains("linear:A_MS,B_MS,C_MS, or a file"));
}

/// The published schema and the reader agree on what a profile is.
#[test]
fn the_schema_and_the_reader_agree() {
    let validator = schema();
    let folder = root().join("core/src/serve/profiles");
    let files = fs::read_dir(folder).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    for text in files {
        let good: Value = serde_json::from_str(&text).unwrap();
        assert!(validator.is_valid(&good), "{text}");
        let mut wrong = Vec::new();
        for key in ["schema", "name", "origin", "gpu", "model", "costs", "kv_tokens"] {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(key);
            wrong.push((format!("without {key}"), without));
        }
        for (pointer, value) in [
            ("/schema", Value::from("atr-profile/1")),
            ("/origin", "calibrated".into()),
            ("/origin", "exact".into()),
            ("/title", "".into()),
            ("/gpu/flops_per_s", 0.into()),
            ("/model/layers", 1.5.into()),
            ("/model/context_tokens", 0.into()),
            ("/costs/shares/compute", 1.5.into()),
            ("/costs/shares", Value::Null),
            ("/kv_tokens", "many".into()),
        ] {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value.clone();
            wrong.push((format!("{pointer} = {value}"), changed));
        }
        let mut more = good.clone();
        more["extra"] = 1.into();
        wrong.push(("extra".to_owned(), more));
        for (what, file) in wrong {
            assert!(!validator.is_valid(&file), "{what}: the schema takes it");
            assert!(Profile::from_json(&file.to_string()).is_err(), "{what}: the reader takes it");
        }
    }
}
