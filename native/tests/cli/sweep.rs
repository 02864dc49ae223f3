//! `sweep`: grids, files that can be gone on with, shards, and what is said about a wrong call.

use crate::harness::{Folder, TWO, command, fails, json, run};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// One call at a time, as in the calculations by hand, at eight points.
const GRID: &[&str] = &[
    "--profile",
    "linear:100,1,10",
    "--max-batch",
    "1",
    "--policy",
    "naive,exact-prefix-cache",
    "--over",
    "kv_tokens=512..1024x2",
    "--over",
    "replicas=1,2",
    "--over",
    "arrivals=concurrency:1,poisson:0.3",
];

fn sweep<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", TWO], GRID, more].concat()
}

fn good(args: &[&str]) -> String {
    let ran = run(args);
    assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.stderr);
    ran.stderr
}

fn bytes(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The file of a sweep that was never interrupted.
fn whole(folder: &Folder) -> (String, String) {
    let path = folder.path("whole.ndjson");
    good(&sweep(&["--out", &path]));
    let text = bytes(&path);
    (path, text)
}

#[test]
fn every_point_is_what_simulate_says() {
    let answer = json(&sweep(&["--json"]));
    assert_eq!((&answer["schema"], &answer["origin"]), (&"atr-sweep/1".into(), &"simulated".into()));
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &answer["points"]), (8, &8.into()));
    // Keys in the scenario's order, the last fastest.
    let point = |row: &Value| row["point"].to_string();
    assert_eq!(
        point(&rows[1]),
        r#"{"replicas":1,"kv_tokens":512,"arrivals":{"poisson":{"per_s":0.3}}}"#.to_owned().sorted()
    );
    for row in rows {
        let (replicas, kv) = (row["point"]["replicas"].to_string(), row["point"]["kv_tokens"].to_string());
        let arrivals =
            if row["point"]["arrivals"]["poisson"].is_null() { "concurrency:1" } else { "poisson:0.3" };
        let mut args = vec!["simulate", TWO, "--json", "--replicas", &replicas, "--kv-tokens", &kv];
        args.extend(["--arrivals", arrivals]);
        args.extend(&GRID[..6]);
        let alone = json(&args);
        assert_eq!(row["policies"], alone["policies"], "{}", row["point"]);
        assert_eq!(row["scenario"], alone["scenario"]);
    }
    let ids: std::collections::BTreeSet<_> = rows.iter().map(|row| row["id"].to_string()).collect();
    assert_eq!(ids.len(), 8);
}

/// A JSON object's text as `serde_json` writes what it has read.
trait Sorted {
    fn sorted(self) -> String;
}

impl Sorted for String {
    fn sorted(self) -> String {
        serde_json::from_str::<Value>(&self).unwrap().to_string()
    }
}

#[test]
fn the_result_does_not_depend_on_threads_or_on_how_the_grid_is_written() {
    let folder = Folder::new("sweep-threads");
    let (_, whole) = whole(&folder);
    assert_eq!(whole.lines().count(), 9);
    for threads in ["1", "2", "7"] {
        let out = folder.path(&format!("{threads}.ndjson"));
        good(&sweep(&["--threads", threads, "--out", &out]));
        assert_eq!(bytes(&out), whole, "{threads}");
    }
    let grid = "[base]\nprofile = \"linear:100,1,10\"\nmax_batch = 1\n\
                policies = [\"naive\", \"exact-prefix-cache\"]\n\
                [over]\nreplicas = [1, 2]\nkv_tokens = \"512..1024x2\"\n\
                arrivals = [{ concurrency = { sessions = 1 } }, \"poisson:0.3\"]\n";
    let (grid, out) = (folder.file("grid.toml", grid.as_bytes()), folder.path("toml.ndjson"));
    good(&["sweep", TWO, "--grid", &grid, "--out", &out]);
    assert_eq!(bytes(&out), whole);
    // Nor on where the sessions come from.
    let (copy, out) = (folder.file("copy.ndjson", bytes_of(TWO).as_slice()), folder.path("copied.ndjson"));
    good(&["sweep", &copy, "--grid", &grid, "--out", &out]);
    assert_eq!(bytes(&out), whole);
}

/// More sets of prompts than are kept, asked for by several threads at once.
#[test]
fn shared_prompts_are_those_of_their_point() {
    let folder = Folder::new("sweep-shared");
    let set = "data/sample.ndjson.gz";
    let grid = ["block_tokens=64..512x2", "context=masking:2,masking:5:3", "max_tokens=64,16384"];
    let mut answers = Vec::new();
    for threads in ["1", "5"] {
        let out = folder.path(&format!("{threads}.ndjson"));
        let mut args = vec!["sweep", set, "--limit", "3", "--reserve", "--threads", threads, "--out", &out];
        args.extend(["--policy", "exact-prefix-cache,prompt-compaction", "--kv-tokens", "200000"]);
        args.extend(grid.iter().flat_map(|over| ["--over", over]));
        good(&args);
        answers.push(bytes(&out));
    }
    assert_eq!((answers[0].lines().count(), &answers[0]), (17, &answers[1]));
    let rows: Vec<Value> =
        answers[0].lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    for row in &rows[3..6] {
        let (block, most) =
            (row["point"]["block_tokens"].to_string(), row["point"]["max_tokens"].to_string());
        let context = row["point"]["context"].as_str().unwrap();
        let args = [
            "simulate",
            set,
            "--limit",
            "3",
            "--reserve",
            "--json",
            "--block",
            &block,
            "--max-tokens",
            &most,
        ];
        let policies = ["--policy", "exact-prefix-cache,prompt-compaction", "--kv-tokens", "200000"];
        let alone = json(&[&args[..], &policies, &["--context", context]].concat());
        assert_eq!(row["policies"], alone["policies"], "{}", row["point"]);
    }
}

fn bytes_of(path: &str) -> Vec<u8> {
    std::fs::read(crate::harness::root().join(path)).unwrap()
}

#[test]
fn shards_merge_to_what_a_single_run_writes() {
    let folder = Folder::new("sweep-shards");
    let (_, whole) = whole(&folder);
    let mut shards = Vec::new();
    let mut rows = 0;
    for nth in 0..3 {
        let out = folder.path(&format!("shard-{nth}.ndjson"));
        good(&sweep(&["--shard", &format!("{nth}/3"), "--out", &out]));
        let text = bytes(&out);
        assert!(text.lines().next().unwrap().contains(&format!("\"shard\":\"{nth}/3\"")));
        let own = text.lines().count() - 1;
        assert!((2..=3).contains(&own), "parts are of equal size: {own}");
        rows += own;
        shards.push(out);
    }
    assert_eq!(rows, 8, "every point is in one part");
    let out = folder.path("merged.ndjson");
    let merge = |files: &[&str]| [&["sweep", "merge"], files, &["--out", &out]].concat().join("\n");
    let order = [&shards[2][..], &shards[0], &shards[1], &shards[0]];
    good(&merge(&order).split('\n').collect::<Vec<_>>());
    assert_eq!(bytes(&out), whole);
    // What is merged is shown, and can be shown again.
    let merged = json(&["sweep", "merge", &out, "--json"]);
    let single = json(&sweep(&["--json"]));
    assert_eq!(merged["rows"], single["rows"]);
    assert!(merged.get("wall_ms").is_none());
    // More parts than points: some are empty.
    for nth in 0..11 {
        let out = folder.path(&format!("many-{nth}.ndjson"));
        good(&sweep(&["--shard", &format!("{nth}/11"), "--out", &out]));
    }
    let many: Vec<String> = (0..11).map(|nth| folder.path(&format!("many-{nth}.ndjson"))).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    good(&merge(&many).split('\n').collect::<Vec<_>>());
    assert_eq!(bytes(&out), whole);
    std::fs::remove_file(&out).unwrap();
    let said = fails(&merge(&[&shards[0], &shards[2]]).split('\n').collect::<Vec<_>>(), 1);
    assert!(said.contains("of 8 points are missing"), "{said}");
    let other = folder.path("other.ndjson");
    good(&["sweep", TWO, "--over", "replicas=1,2", "--out", &other]);
    let said = fails(&merge(&[&shards[0], &other]).split('\n').collect::<Vec<_>>(), 1);
    assert!(said.contains("another sweep") && said.contains("other.ndjson"), "{said}");
    let changed = bytes(&shards[0]).replacen("\"failed\":0", "\"failed\":1", 1);
    let changed = folder.file("changed.ndjson", changed.as_bytes());
    let said = fails(&merge(&[&shards[0], &changed]).split('\n').collect::<Vec<_>>(), 1);
    assert!(said.contains("other figures"), "{said}");
    assert!(!std::path::Path::new(&out).exists(), "nothing is written when merging fails");
}

#[test]
fn a_resumed_sweep_ends_as_an_uninterrupted_one() {
    let folder = Folder::new("sweep-resume");
    let (_, whole) = whole(&folder);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    // As an interrupt leaves it: some points in any order, and one line that was cut. Also cut in the
    // first line, and not cut at all.
    for (kept, cut) in
        [(vec![0, 5, 2], 40), (vec![0], 1), (vec![], 20), (vec![], 3), (vec![0, 1], 0), (vec![], 0)]
    {
        let mut text: String = kept.iter().map(|&line| lines[line]).collect();
        text.push_str(&lines[kept.len().min(8)][..cut]);
        let out = folder.file("resumed.ndjson", text.as_bytes());
        let said = good(&sweep(&["--out", &out]));
        let points = kept.len().saturating_sub(1);
        assert!(said.contains(&format!("8 points, {} of them to run", 8 - points)), "{said}");
        assert_eq!(said.contains("was cut"), cut > 0 && !kept.is_empty(), "{said}");
        assert_eq!(bytes(&out), whole, "{kept:?} {cut}");
    }
    // What is there is not run again: a figure that was changed by hand stays.
    let marked = whole.replacen("\"prefill_tokens\":254", "\"prefill_tokens\":255", 1);
    assert_ne!(marked, whole);
    let out = folder.file("marked.ndjson", marked.as_bytes());
    good(&sweep(&["--out", &out]));
    assert_eq!(bytes(&out), marked);
}

#[test]
fn a_grid_may_grow_and_loses_nothing() {
    let folder = Folder::new("sweep-grow");
    let (small, large) = (folder.path("small.ndjson"), folder.path("large.ndjson"));
    let fixed = ["sweep", TWO, "--policy", "naive", "--over"];
    let large_grid = ["replicas=1,2,3", "--over", "seed=4,1", "--out"];
    good(&[&fixed[..], &["replicas=1,3", "--out", &small]].concat());
    good(&[&fixed[..], &large_grid, &[&large]].concat());
    let said = good(&[&fixed[..], &large_grid, &[&small]].concat());
    assert!(said.contains("6 points, 4 of them to run"), "{said}");
    assert_eq!(bytes(&small), bytes(&large));
    // The other way something would be lost.
    let before = bytes(&large);
    let said = fails(&[&fixed[..], &["replicas=1,3", "--out", &large]].concat(), 1);
    assert!(said.contains("large.ndjson") && said.contains("the grid differs"), "{said}");
    assert_eq!(bytes(&large), before);
    let said = fails(&[&fixed[..], &large_grid, &[&large, "--limit", "1"]].concat(), 1);
    assert!(said.contains("the sessions differs") || said.contains("the sessions differ"), "{said}");
    assert_eq!(bytes(&large), before);
}

#[test]
fn somebody_elses_file_is_left_alone() {
    let folder = Folder::new("sweep-foreign");
    for text in ["all work and no play", "{\"schema\":\"atr-trace/1\"}\n", "{\"a\":1}\n{}\n", "x"] {
        let path = folder.file("foreign", text.as_bytes());
        let said = fails(&sweep(&["--out", &path]), 1);
        assert!(said.contains("no file of a sweep"), "{said}");
        assert_eq!(bytes(&path), text);
    }
    let (path, text) = whole(&folder);
    std::fs::write(&path, text.replacen("\"index\":3", "\"index\":", 1)).unwrap();
    let said = fails(&sweep(&["--out", &path]), 1);
    assert!(said.contains("line 5"), "{said}");
    std::fs::write(&path, &text).unwrap();
    let held = std::fs::File::open(&path).unwrap();
    held.lock().unwrap();
    let said = fails(&sweep(&["--out", &path]), 1);
    assert!(said.contains("written by another sweep"), "{said}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_is_finished() {
    let folder = Folder::new("sweep-interrupt");
    let (out, other) = (folder.path("cut.ndjson"), folder.path("whole.ndjson"));
    let many = |out: &str| {
        let args = [
            "sweep",
            TWO,
            "--policy",
            "naive",
            "--over",
            "seed=1..5000",
            "--over",
            "reserve=true,false",
            "--out",
            out,
        ];
        args.map(str::to_owned)
    };
    let args = many(&out);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut child =
        command(&args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    let size = || std::fs::metadata(&out).map_or(0, |meta| meta.len());
    // The first line lists every value.
    while size() < 100_000 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let kept = bytes(&out).lines().count();
    assert!((2..10_001).contains(&kept), "{kept}");
    let said = good(&args);
    assert!(!said.contains("10000 of them to run"), "{said}");
    let args = many(&other);
    good(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(bytes(&out), bytes(&other));
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 2, "no half-written file is left");
}

#[test]
fn what_is_wrong_only_together_makes_a_row_with_the_reason() {
    let folder = Folder::new("sweep-bad-points");
    let out = folder.path("out.ndjson");
    let args = ["sweep", TWO, "--over", "kv_tokens=8,4096", "--out", &out];
    let ran = run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("Points that cannot be run: 1"), "{}", ran.stdout);
    let text = bytes(&out);
    let first: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(first["error"], "`kv_tokens` is 8, expected at least one block of 16 tokens");
    assert!(first.get("policies").is_none() && first.get("scenario").is_none());
    let said = fails(&[&args[..], &["--strict", "--json"]].concat()[..], 1);
    assert!(said.contains("1 of 2 points cannot be run"), "{said}");
}
