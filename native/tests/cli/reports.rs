//! Reports: the committed ones follow their schemas, and the command makes and checks them.

use crate::harness::{Folder, fails, json, root, run};
use crate::made_up;
use atr_core::report::{AnyReport, Kind, load_any};
use serde_json::Value;
use std::fs;

fn schema(kind: Kind) -> Value {
    let path = root().join(format!("reports/schema/{}.schema.json", kind.name()));
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Name and text of every committed report.
fn committed() -> Vec<(String, String)> {
    let entries = fs::read_dir(root().join("reports")).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.extension().is_some_and(|end| end == "json"));
    files.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

fn kind(text: &str) -> Kind {
    match load_any("report", text).unwrap() {
        AnyReport::Policies(_) => Kind::Policies,
        AnyReport::Sweep(_) => Kind::Sweep,
        AnyReport::Race(_) => Kind::Race,
        AnyReport::Published(_) => Kind::Published,
        AnyReport::Shapes(_) => Kind::Shapes,
        AnyReport::Failures(_) => Kind::Failures,
        AnyReport::Dispatch(_) => Kind::Dispatch,
        AnyReport::Probe(_) => Kind::Probe,
    }
}

#[test]
fn every_committed_report_follows_its_schema() {
    let reports = committed();
    let mut kinds = Vec::new();
    for (name, text) in &reports {
        let report: Value = serde_json::from_str(text).unwrap();
        let kind = kind(text);
        let schema = schema(kind);
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path)).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        kinds.push(kind);
    }
    // A probe needs a GPU: its reports come when one was measured.
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Probe) {
        assert!(kinds.contains(&kind), "there is a report of kind {}", kind.name());
    }
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    for (name, text) in committed() {
        let good: Value = serde_json::from_str(&text).unwrap();
        let schema = schema(kind(&text));
        let validator = jsonschema::validator_for(&schema).unwrap();
        let mut wrong = Vec::new();
        for key in good.as_object().unwrap().keys() {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(key);
            wrong.push((format!("without {key}"), without));
        }
        for (key, value) in
            [("schema", "atr-report/9"), ("origin", "guessed"), ("extra", "x"), ("kind", "poem")]
        {
            let mut changed = good.clone();
            changed[key] = value.into();
            wrong.push((format!("{key} = {value}"), changed));
        }
        let mut dated = good.clone();
        dated["provenance"]["created"] = "2024-01-01".into();
        if good["origin"] == "simulated" {
            wrong.push(("a date in a simulated report".to_owned(), dated));
        }
        for (what, report) in wrong {
            assert!(!validator.is_valid(&report), "{name}: {what}");
        }
    }
}

#[test]
fn committed_reports_survive_reading_and_writing() {
    for (name, text) in committed() {
        let again = match load_any(&name, &text).unwrap() {
            AnyReport::Policies(report) => report.to_json(),
            AnyReport::Sweep(report) => report.to_json(),
            AnyReport::Race(report) => report.to_json(),
            AnyReport::Published(report) => report.to_json(),
            AnyReport::Shapes(report) => report.to_json(),
            AnyReport::Failures(report) => report.to_json(),
            AnyReport::Dispatch(report) => report.to_json(),
            AnyReport::Probe(report) => report.to_json(),
        };
        let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert_same(&value(&text), &value(&again.unwrap()), &name);
    }
}

/// Equal but for the last digit of a float, which reading may round.
fn assert_same(a: &Value, b: &Value, at: &str) {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            assert!(x.keys().eq(y.keys()), "{at}: other keys");
            x.iter().for_each(|(key, value)| assert_same(value, &y[key], &format!("{at}.{key}")));
        }
        (Value::Array(x), Value::Array(y)) => {
            assert_eq!(x.len(), y.len(), "{at}");
            x.iter().zip(y).enumerate().for_each(|(n, (x, y))| assert_same(x, y, &format!("{at}[{n}]")));
        }
        (Value::Number(x), Value::Number(y)) if x.is_f64() && y.is_f64() => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            assert!((x - y).abs() <= x.abs() * 1e-14, "{at}: {x} became {y}");
        }
        _ => assert_eq!(a, b, "{at}"),
    }
}

/// The figures of a probe are drawn from the report that lies in the folder; none is made where none was measured.
#[test]
fn a_probe_that_is_there_gets_its_roofline() {
    let folder = Folder::new("report-probe");
    let out = folder.path("out");
    fs::create_dir(&out).unwrap();
    let ran = run(&["report", "probe", "--out", &out]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (Some(0), 1), "{}", ran.stdout);
    let text = made_up::probe().to_json().unwrap();
    let validator = jsonschema::validator_for(&schema(Kind::Probe)).unwrap();
    assert!(validator.is_valid(&serde_json::from_str(&text).unwrap()));
    fs::write(format!("{out}/probe-made-up.json"), text).unwrap();
    let answer = json(&["report", "probe", "--out", &out, "--json"]);
    assert_eq!(
        answer["files"],
        serde_json::json!(["figures/roofline-made-up.svg", "figures/roofline-made-up-narrow.svg"])
    );
    let drawn = fs::read_to_string(format!("{out}/figures/roofline-made-up.svg")).unwrap();
    assert!(
        drawn.contains("Made Up (probe, random weights)") && drawn.contains("<title>Tiny in bf16"),
        "{drawn}"
    );
    assert_eq!(run(&["report", "probe", "--out", &out, "--check"]).code, Some(0));
    let mut wrong = made_up::probe();
    wrong.body.checks[0].good = false;
    fs::write(format!("{out}/probe-made-up.json"), wrong.to_json().unwrap()).unwrap();
    let error = fails(&["report", "probe", "--out", &out], 1);
    assert!(error.contains("probe-made-up.json: a kernel computed something else"), "{error}");
}

#[test]
fn the_committed_race_is_a_race() {
    let text = fs::read_to_string(root().join("reports/race.json")).unwrap();
    let AnyReport::Race(race) = load_any("race.json", &text).unwrap() else { panic!("another kind") };
    let (naive, routed) = (race.body.lane("naive").unwrap(), race.body.lane("prefix-aware-routing").unwrap());
    assert_eq!(naive.cached_tokens(), 0);
    assert_eq!(naive.prompt_tokens(), routed.prompt_tokens(), "both send the same prompts");
    assert!(routed.end_us() < naive.end_us());
    for lane in &race.body.lanes {
        for call in &lane.calls {
            let times = [Some(call.scheduled_us), call.admitted_us, call.first_token_us, call.finished_us];
            assert!(times.is_sorted(), "{}: {times:?}", lane.policy);
            assert!(call.cached_tokens + call.computed_tokens >= call.prompt_tokens, "{}", lane.policy);
        }
    }
}

#[test]
fn reports_are_written_and_checked() {
    let folder = Folder::new("reports");
    let out = folder.0.to_str().unwrap();
    let made = json(&["report", "published", "--out", out, "--json"]);
    assert_eq!((&made["done"], &made["files"][0]), (&"written".into(), &"published.json".into()));
    let path = folder.0.join("published.json");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, fs::read_to_string(root().join("reports/published.json")).unwrap());
    assert_eq!(run(&["report", "published", "--out", out, "--check"]).code, Some(0));
    fs::write(&path, text.replace("644", "643")).unwrap();
    let stale = run(&["report", "published", "--out", out, "--check"]);
    assert_eq!(stale.code, Some(1));
    assert!(stale.stderr.contains("published.json"), "{}", stale.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), text.replace("644", "643"), "checking writes nothing");
    fs::remove_file(&path).unwrap();
    assert_eq!(
        run(&["report", "published", "--out", out, "--check"]).code,
        Some(1),
        "a missing file is stale"
    );
}

#[test]
fn a_missing_set_is_named() {
    let folder = Folder::new("no-data");
    let said = fails(&["report", "race", "--data", folder.0.to_str().unwrap(), "--out", "reports"], 1);
    assert!(said.contains("claude-code.ndjson.gz"), "{said}");
}

/// A folder of sets as the catalogue describes them: one recorded, one synthetic, one sample.
fn small_data(name: &str, kind: &str) -> Folder {
    let folder = Folder::new(name);
    let write = |set: &str, turns: &[usize]| {
        let mut text = format!("{{\"schema\":\"atr-trace/1\",\"name\":\"{set}\"}}\n");
        for (number, turns) in turns.iter().enumerate() {
            let calls: Vec<String> = (0..*turns)
                .map(|id| {
                    format!(r#"{{"id":{id},"prompt":[[0,1]],"prompt_tokens":9,"output_tokens":{}}}"#, id + 1)
                })
                .collect();
            text.push_str(&format!(
                r#"{{"id":"{set}-{number}","source":"synthetic","harness":"claude-code","models":["unknown"],"scope":"session","counts_from":"source","segments":[[0,9]],"calls":[{}]}}"#,
                calls.join(",")
            ));
            text.push('\n');
        }
        fs::write(folder.0.join(format!("{set}.ndjson")), text).unwrap();
    };
    write("real", &[2, 4]);
    write("made", &[3, 6, 9]);
    let entry = |name: &str, kind: &str, more: &str| {
        format!(
            r#"{{"name":"{name}","file":"{name}.ndjson","title":"T","harness":"claude-code","kind":"{kind}"{more}}}"#
        )
    };
    let sets =
        [entry("real", "real", ""), entry("made", kind, ""), entry("part", "real", r#","rule":"some""#)];
    fs::write(folder.0.join("index.json"), format!("{{\"sets\":[{}]}}", sets.join(","))).unwrap();
    folder
}

#[test]
fn shapes_follow_the_catalogue_and_their_schema() {
    let folder = small_data("shapes", "synthetic");
    let path = folder.0.to_str().unwrap();
    json(&["report", "shapes", "--data", path, "--out", path, "--json"]);
    let text = fs::read_to_string(folder.0.join("shapes.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    let schema = schema(Kind::Shapes);
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .unwrap()
        .iter_errors(&report)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(report["not_counted"][0]["name"], "part");
    let groups = report["groups"].as_array().unwrap();
    let said: Vec<(&str, u64)> = groups
        .iter()
        .map(|group| (group["origin"].as_str().unwrap(), group["shapes"]["sessions"].as_u64().unwrap()))
        .collect();
    assert_eq!(said, [("measured", 2), ("simulated", 3)]);
    // Up to 2 turns half of the recorded and none of the synthetic; up to 4, all and a third.
    assert_eq!(report["fit"][0]["variable"], "turns");
    assert_eq!(report["fit"][0]["ks_distance"], 0.666_667);
}

#[test]
fn a_catalogue_that_cannot_be_used_is_named() {
    let folder = small_data("shapes-kind", "dreamt");
    let path = folder.0.to_str().unwrap();
    let said = fails(&["report", "shapes", "--data", path, "--out", path], 1);
    assert!(said.contains("`made`") && said.contains("`dreamt`") && said.contains("`synthetic`"), "{said}");
    fs::write(folder.0.join("index.json"), "{}").unwrap();
    let said = fails(&["report", "shapes", "--data", path, "--out", path], 1);
    assert!(said.contains("index.json") && said.contains("sets"), "{said}");
    fs::remove_file(folder.0.join("index.json")).unwrap();
    let said = fails(&["report", "shapes", "--data", path, "--out", path], 1);
    assert!(said.contains("index.json"), "{said}");
}
