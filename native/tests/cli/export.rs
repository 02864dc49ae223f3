//! `import --to`: files in formats of others.

use crate::harness::{Folder, TWO, fails, json, run};

const CLAUDE: &str = "core/tests/fixtures/import/claude-code.json";
const RUN: &str = "core/tests/fixtures/import/run.traj.json";

#[test]
fn a_file_takes_all_documents_and_can_be_read_again() {
    let folder = Folder::new("export-file");
    let out = folder.0.join("all.json").display().to_string();
    let said = json(&["import", CLAUDE, "--to", "kv-cache-tester", "--out", &out, "--json"]);
    assert_eq!((&said["to"], &said["exported"]["sessions"]), (&"kv-cache-tester".into(), &1.into()));
    let again = json(&["inspect", &out, "--json"]);
    let before = json(&["inspect", CLAUDE, "--json"]);
    for key in
        ["sessions", "calls", "prompt_tokens", "output_tokens", "ceiling_hit_rate", "turns", "block_tokens"]
    {
        assert_eq!(again[key], before[key], "{key}");
    }
}

#[test]
fn a_folder_takes_a_file_a_document() {
    let folder = Folder::new("export-folder");
    let out = format!("{}/new/", folder.0.display());
    let ran = run(&["import", TWO, CLAUDE, "--to", "atif", "--out", &out]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let mut files: Vec<String> = std::fs::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    // Sessions `a` and `b` of one agent each, and one with two sub-agents.
    assert_eq!(files.len(), 5, "{files:?}");
    assert_eq!(files[..2], ["a.json", "b.json"]);
    assert!(files[2..].iter().all(|name| name.ends_with(".json")), "{files:?}");
    assert!(ran.stderr.contains("not in `atif`: messages without their text ("), "{}", ran.stderr);
    let document: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.0.join("new/a.json")).unwrap()).unwrap();
    assert_eq!(
        (&document["session_id"], &document["final_metrics"]["total_prompt_tokens"]),
        (&"a".into(), &300.into())
    );
}

#[test]
fn texts_go_out_only_when_they_are_asked_for() {
    let without = run(&["import", RUN, "--to", "atif"]);
    assert_eq!(without.code, Some(0), "{}", without.stderr);
    assert!(!without.stdout.contains("calc.py"));
    assert!(without.stderr.contains("messages without their text"), "{}", without.stderr);
    let with = run(&["import", RUN, "--to", "atif", "--with-text"]);
    assert!(with.stdout.contains("calc.py"), "{}", with.stderr);
    let refused = fails(&["import", RUN, "--to", "mooncake", "--with-text"], 2);
    assert!(refused.contains("`mooncake` has no room for texts"), "{refused}");
}

#[test]
fn blocks_are_chosen_where_the_format_leaves_the_choice() {
    let ran = run(&["import", TWO, "--to", "mooncake", "--block", "50"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    // Session `a` has the segments 0 and 1 of 100 tokens, `b` one of 50 that means nothing in `a`. The second
    // call of `a` has no stamp: its pause stands in its place.
    let expected = [
        r#"{"input_length":100,"output_length":3,"hash_ids":[0,1],"session_id":"a"}"#,
        r#"{"input_length":200,"output_length":1,"hash_ids":[0,1,2,3],"session_id":"a","delay":1000}"#,
        r#"{"input_length":50,"output_length":1,"hash_ids":[4],"session_id":"b"}"#,
    ];
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), expected);
    let refused = fails(&["import", TWO, "--to", "kv-cache-tester", "--block", "50"], 2);
    assert!(
        refused.contains("blocks of 50 tokens do not fit the format `kv-cache-tester`, expected 64"),
        "{refused}"
    );
    fails(&["import", TWO, "--block", "50"], 2);
    let unknown = fails(&["import", TWO, "--to", "csv"], 2);
    assert!(unknown.contains("mooncake"), "{unknown}");
}

#[test]
fn what_fits_not_at_all_is_a_failure() {
    let folder = Folder::new("export-none");
    let out = folder.0.join("none.jsonl").display().to_string();
    let why = fails(&["import", CLAUDE, "--to", "mooncake", "--block", "100", "--out", &out], 1);
    assert!(
        why.contains("no session fits `mooncake`: sessions whose blocks would have to be split (1)"),
        "{why}"
    );
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_table_is_a_parquet_file() {
    let folder = Folder::new("export-parquet");
    let out = folder.0.join("calls.parquet").display().to_string();
    let said = json(&["import", TWO, "--to", "parquet", "--out", &out, "--json"]);
    assert_eq!((&said["exported"]["calls"], &said["exported"]["documents"]), (&3.into(), &1.into()));
    let bytes = std::fs::read(&out).unwrap();
    assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
}

#[test]
fn a_log_of_single_requests_has_no_trajectories() {
    let folder = Folder::new("export-sessionless");
    let line = r#"{"timestamp": 5, "input_length": 700, "output_length": 5, "hash_ids": [0, 1]}"#;
    let log = folder.file("log.jsonl", format!("{line}\n{line}\n").as_bytes());
    let out = folder.path("out.json");
    let why = fails(&["import", &log, "--to", "atif", "--out", &out], 1);
    assert!(why.contains("no session fits `atif`: single requests, which are no agent's run (2)"), "{why}");
    assert!(!std::path::Path::new(&out).exists(), "nothing is left behind");
    // Among sessions they are left out and counted.
    let both = json(&["import", &log, TWO, "--to", "atif", "--out", &out, "--json"]);
    assert_eq!((&both["exported"]["sessions"], &both["sessions"]), (&2.into(), &4.into()));
    let help = run(&["import", "--help"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("single requests of a log"), "{help}");
}

#[test]
fn software_and_the_origin_of_counts_are_not_lost_silently() {
    let said = run(&["import", RUN, "--to", "mooncake"]).stderr;
    for what in ["names of agent software (1)", "origins of token counts (1)"] {
        assert!(said.contains(&format!("not in `mooncake`: {what}")), "{said}");
    }
    // What the format's readers take for granted anyway is no loss.
    let counted = run(&["import", TWO, "--to", "kv-cache-tester"]).stderr;
    assert!(!counted.contains("origins of token counts"), "{counted}");
    let atif = run(&["import", RUN, "--to", "atif"]).stderr;
    assert!(!atif.contains("agent software"), "it has a place for it: {atif}");
}

#[test]
fn an_export_under_strict_is_whole_or_nothing() {
    let folder = Folder::new("export-strict");
    let log = folder.file("bad.ndjson", &crate::calls::half());
    let out = folder.path("out.jsonl");
    let why = fails(&["import", &log, "--to", "mooncake", "--strict", "--out", &out], 1);
    assert!(why.contains("error: 1 skipped record and `--strict` is given; the first: "), "{why}");
    assert!(!std::path::Path::new(&out).exists());
}
