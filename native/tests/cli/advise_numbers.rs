//! Every number that stands in a sentence of advice is among the figures that it rests on, over all bundled sets.

use crate::harness::{json, root};
use serde_json::Value;

/// Numbers in a text, each with half of its last digit; what stands between backticks is a name.
fn numbers(text: &str) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    for prose in text.split('`').step_by(2) {
        let chars: Vec<char> = prose.chars().collect();
        let mut at = 0;
        while at < chars.len() {
            // A digit behind a letter belongs to a word, such as V1.
            if !chars[at].is_ascii_digit() || (at > 0 && chars[at - 1].is_alphabetic()) {
                at += 1;
                continue;
            }
            let start = at;
            let inner = |at: usize| {
                chars[at].is_ascii_digit()
                    || (matches!(chars[at], ',' | '.') && chars.get(at + 1).is_some_and(char::is_ascii_digit))
            };
            while at < chars.len() && inner(at) {
                at += 1;
            }
            let written: String = chars[start..at].iter().filter(|one| **one != ',').collect();
            let decimals = written.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            all.push((written.parse().unwrap(), 0.5 / 10f64.powf(decimals as f64)));
        }
    }
    all
}

/// Whether a figure may be written so: as it is, in percent, in a larger unit of time or in GiB.
fn is_written(figure: f64, (number, half): (f64, f64)) -> bool {
    let units = [1.0, 100.0, 1e-3, 1.0 / 6e4, 1.0 / 3.6e6, 1.0 / 8.64e7, 1.0 / 1_073_741_824.0, 1e3];
    units.iter().any(|unit| ((figure * unit).abs() - number).abs() <= half * (1.0 + 1e-9))
}

/// All sentences, wherever they stand.
fn sentences<'a>(value: &'a Value, all: &mut Vec<(&'a str, &'a [Value])>) {
    match value {
        Value::Object(fields) => {
            if let (Some(Value::String(text)), Some(Value::Array(because))) =
                (fields.get("text"), fields.get("because"))
            {
                all.push((text, because));
            }
            fields.values().for_each(|value| sentences(value, all));
        }
        Value::Array(values) => values.iter().for_each(|value| sentences(value, all)),
        _ => {}
    }
}

/// What is wrong with the sentences of one answer.
fn unfounded(answer: &Value) -> Vec<String> {
    let mut all = Vec::new();
    sentences(answer, &mut all);
    assert!(all.len() > 5, "{answer}");
    let mut wrong = Vec::new();
    for (text, because) in all {
        let figures: Vec<f64> = because.iter().map(|one| one["value"].as_f64().unwrap()).collect();
        if figures.is_empty() {
            wrong.push(format!("rests on nothing: {text}"));
        }
        for number in numbers(text) {
            if !figures.iter().any(|figure| is_written(*figure, number)) {
                wrong.push(format!("{} is no figure of: {text}", number.0));
            }
        }
    }
    wrong
}

#[test]
fn every_number_is_a_figure() {
    let mut sets: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(root().join("data")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".ndjson.gz") {
            sets.push(format!("data/{name}"));
        }
    }
    sets.sort();
    assert!(sets.len() > 10, "{sets:?}");
    let mut wrong = Vec::new();
    for set in &sets {
        let slo = "ttft_ms.p95<=1000,job_ms.p95<=600000,hit_rate>=0.999";
        let bounded = ["--sample-calls", "150", "--max-replicas", "4", "--replicas", "2"];
        let answer = json(&[&["advise", "--json", set, "--slo", slo], &bounded[..]].concat());
        wrong.extend(unfounded(&answer).into_iter().map(|one| format!("{set}: {one}")));
        // What is counted in the trace and what was given is not called simulated.
        let mut all = Vec::new();
        sentences(&answer, &mut all);
        for figure in all.iter().flat_map(|(_, because)| because.iter()) {
            let of_runs = !["trace", "set-up"].contains(&figure["scenario"].as_str().unwrap());
            assert!(of_runs || figure["origin"] != "simulated", "{set}: {figure}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_number_without_its_figure_is_found() {
    assert_eq!(numbers("`a:10` 2,146 calls, -38.6 %, V1, 0.5"), [(2146.0, 0.5), (38.6, 0.05), (0.5, 0.05)]);
    let answer = |value: f64| {
        let said = serde_json::json!({ "text": "5 of 10 and 2.4 h", "because": [
            { "value": value }, { "value": 10 }, { "value": 8_640_000.0 } ] });
        Value::Array(vec![said; 6])
    };
    assert!(unfounded(&answer(5.0)).is_empty());
    assert_eq!(unfounded(&answer(7.0))[0], "5 is no figure of: 5 of 10 and 2.4 h");
}
