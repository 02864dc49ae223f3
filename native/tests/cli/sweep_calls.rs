//! `sweep`: wrong calls, the table, tables of calls, and the command lines of the documentation.

use crate::harness::{Folder, TWO, command, fails, json, root, run};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

#[test]
fn wrong_grids_exit_with_2_and_say_key_value_and_what_is_accepted() {
    let over = |text: &str| fails(&["sweep", "no-such-file", "--over", text], 2);
    let routers = atr_core::choice::known(atr_core::serve::route::ROUTERS);
    let expected =
        format!("error: `--over router=best`: unknown router `best`, expected one of: {routers}\n");
    assert_eq!(over("router=best"), expected);
    insta::assert_snapshot!(over("replicas=two"), @r#"error: `--over replicas=two`: `two`: expected a whole number that is not negative"#);
    insta::assert_snapshot!(over("replicas=1,0"), @"error: `--over replicas=1,0`: `replicas` is 0, expected at least 1");
    insta::assert_snapshot!(over("replicas"), @"error: `--over replicas`: expected KEY=VALUES");
    insta::assert_snapshot!(over("replicas="), @"error: `--over replicas=`: an empty value, expected one between commas");
    insta::assert_snapshot!(over("replicas=1,2,1"), @"error: `--over replicas=1,2,1`: `1` stands there twice, expected each value once");
    let arrivals = over("arrivals=sometimes");
    assert!(arrivals.contains("`sometimes`: expected `recorded`, `poisson:RATE`"), "{arrivals}");
    let policies = over("policies=naive+fast");
    assert!(policies.contains("unknown policy `fast`, expected one of: naive, exact"), "{policies}");
    let unknown = over("replica=1");
    assert!(
        unknown
            .contains("unknown key `replica` (did you mean `replicas`?), expected one of: policies, router"),
        "{unknown}"
    );
    assert!(over("seed=1..20000").contains("more than 10000 values"));
    let two = |more: &[&str]| fails(&[&["sweep", TWO], more].concat(), 2);
    assert!(two(&["--over", "seed=1..5000", "--over", "replicas=1..30"]).contains("more than 100000 points"));
    assert!(two(&["--over", "seed=1", "--over", "seed=2"]).contains("varies already"));
    assert!(two(&["--replicas", "3", "--over", "replicas=1,2"]).contains("fixed by a flag"));
    assert!(two(&["--over", "seed=1,2", "--out", "-"]).contains("plain file"));
    assert!(two(&["--over", "seed=1,2", "--out", "sweep.ndjson.gz"]).contains("plain file"));
    assert!(two(&["--best", "ttft_ms"]).contains("`--best`: `ttft_ms`"));
    assert!(two(&["--best", "speed"]).contains("hit_rate"));
    assert!(two(&["--slo", "ttft_ms.p99"]).contains("`--slo`"));
    for shard in ["3/3", "1", "a/b", "0/0", "-1/2"] {
        assert!(two(&[&format!("--shard={shard}")]).contains("--shard"), "{shard}");
    }
    for more in [&["--threads", "0"] as &[&str], &["--top", "0"]] {
        two(more);
    }
    fails(&["sweep"], 2);
    fails(&["sweep", "merge"], 2);
}

#[test]
fn wrong_grid_files_are_named_with_their_place() {
    let folder = Folder::new("sweep-grid-files");
    let said = |text: &str, code| {
        let path = folder.file("grid.toml", text.as_bytes());
        let said = fails(&["sweep", TWO, "--replicas", "2", "--grid", &path], code);
        assert!(said.contains("grid.toml"), "{said}");
        said
    };
    assert!(said("[over]\nreplica = [1]\n", 2).contains("`over.replica`: unknown key `replica`"));
    assert!(said("[over]\nreplicas = [1]\n", 2).contains("fixed by a flag"));
    assert!(said("[base]\nreplicas = 1\n", 2).contains("a flag gives it another value"));
    assert!(said("[over]\nseed = []\n", 2).contains("no value"));
    assert!(said("[base]\nseed = \"1..3\"\n", 2).contains("several go under `[over]`"));
    assert!(said("[over]\nseed = [1.5]\n", 2).contains("`1.5`"));
    assert!(said("[under]\nseed = [1]\n", 2).contains("under"));
    assert!(said("[over\n", 2).contains("line 1"));
    let missing = folder.path("none.toml");
    assert!(fails(&["sweep", TWO, "--grid", &missing], 1).contains("none.toml"));
}

#[test]
fn the_table_shows_the_best_rows() {
    let args = [
        "sweep",
        TWO,
        "--profile",
        "linear:100,1,10",
        "--max-batch",
        "1",
        "--arrivals",
        "concurrency:1",
        "--policy",
        "naive,exact-prefix-cache",
        "--over",
        "kv_tokens=128,256,8192",
        "--top",
        "2",
        "--slo",
        "ttft_ms.p50<=200",
    ];
    let ran = run(&args);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let (last, rest) = lines.split_last().unwrap();
    assert!(last.contains("simulated calls in "), "{last}");
    insta::assert_snapshot!("sweep-table", rest.join("\n"));
    // Its other flags are those of `simulate`, whose help is held elsewhere.
    let help = run(&["sweep", "--help"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in
        ["--over <KEY=VALUES>", "--grid <FILE>", "--shard <I/N>", "merge", "can vary: policies, router"]
    {
        assert!(help.contains(part), "{part}");
    }
}

/// A row by column.
type Record = BTreeMap<String, Field>;

fn table(path: &Path) -> Vec<Record> {
    let reader = SerializedFileReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let row = |row: parquet::errors::Result<parquet::record::Row>| {
        row.unwrap().get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect()
    };
    reader.get_row_iter(None).unwrap().map(row).collect()
}

fn int(record: &Record, column: &str) -> f64 {
    match record[column] {
        Field::Long(number) => number as f64,
        ref other => panic!("{column}: {other:?}"),
    }
}

/// Mean time to first token and hit rate, from a table alone.
fn figures(records: &[Record], policy: &str) -> (f64, f64) {
    let of = |record: &&Record| {
        record["policy"] == Field::Str(policy.to_owned()) && record["counted"] == Field::Bool(true)
    };
    let own: Vec<&Record> = records.iter().filter(of).collect();
    let sum = |column: &str| own.iter().map(|record| int(record, column)).sum::<f64>();
    let ttft_ms = (sum("first_token_us") - sum("scheduled_us")) / 1_000.0 / own.len() as f64;
    (ttft_ms, (sum("cached_device_tokens") + sum("cached_host_tokens")) / sum("prompt_tokens"))
}

fn close(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-9 * expected.abs(), "found {found}, expected {expected}");
}

#[test]
fn figures_come_out_of_the_tables_of_calls_too() {
    let folder = Folder::new("sweep-outcomes");
    let (out, tables) = (folder.path("out.ndjson"), folder.path("tables"));
    // At 128 tokens the call of 200 is refused, so it counts nowhere at that point.
    let args = [
        "sweep",
        TWO,
        "--policy",
        "naive,exact-prefix-cache",
        "--over",
        "kv_tokens=null,128,256",
        "--over",
        "arrivals=concurrency:1,poisson:2",
        "--over",
        "speed=1,0.5",
        "--over",
        "reserve=true,false",
        "--out",
        &out,
        "--outcomes",
        &tables,
        "--json",
    ];
    let answer = json(&args);
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!((rows.len(), std::fs::read_dir(&tables).unwrap().count()), (24, 24));
    for row in rows {
        let path = Path::new(&tables).join(format!("{}.parquet", row["id"].as_str().unwrap()));
        let records = table(&path);
        assert_eq!(records.len(), 6);
        for metrics in row["policies"].as_array().unwrap() {
            let (ttft_ms, hit_rate) = figures(&records, metrics["name"].as_str().unwrap());
            close(ttft_ms, &metrics["ttft_ms"]["mean"]);
            close(hit_rate, &metrics["hit_rate"]);
        }
        let (point, first) = (&row["point"], &records[0]);
        assert_eq!(first["point"], Field::Str(row["id"].as_str().unwrap().to_owned()));
        let kv = point["kv_tokens"].as_i64().map_or(Field::Null, Field::Long);
        assert_eq!(first["scenario_kv_tokens"], kv);
        assert_eq!(first["scenario_speed"], Field::Double(point["speed"].as_f64().unwrap()));
        assert_eq!(first["scenario_reserve"], Field::Bool(point["reserve"].as_bool().unwrap()));
        let arrivals = if point["arrivals"]["poisson"].is_null() { "concurrency:1" } else { "poisson:2.0" };
        assert_eq!(first["scenario_arrivals"], Field::Str(arrivals.to_owned()));
        let refused = records.iter().filter(|record| record["status"] == Field::Str("rejected".to_owned()));
        assert_eq!(refused.count(), if point["kv_tokens"] == 128 { 2 } else { 0 });
    }
    // A table that is gone is made again, to the byte; its figures stay.
    let gone = Path::new(&tables).join(format!("{}.parquet", rows[5]["id"].as_str().unwrap()));
    let (before, text) = (std::fs::read(&gone).unwrap(), std::fs::read(&out).unwrap());
    std::fs::remove_file(&gone).unwrap();
    let ran = run(&args);
    assert!(ran.stderr.contains("24 points, 1 of them to run"), "{}", ran.stderr);
    assert_eq!((std::fs::read(&gone).unwrap(), std::fs::read(&out).unwrap()), (before, text));
}

#[test]
fn a_single_outcome_can_be_a_table() {
    let folder = Folder::new("outcome-table");
    let (rows, lines) = (folder.path("calls.parquet"), folder.path("calls.ndjson"));
    for out in [&rows, &lines] {
        let ran = run(&["simulate", TWO, "--outcome", out]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let records = table(Path::new(&rows));
    let text = std::fs::read_to_string(&lines).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), lines.len());
    for (record, line) in records.iter().zip(&lines) {
        assert_eq!(record["policy"], Field::Str(line["policy"].as_str().unwrap().to_owned()));
        assert_eq!(record["point"], Field::Null);
        for column in
            ["scheduled_us", "sent_us", "admitted_us", "first_token_us", "finished_us", "output_tokens"]
        {
            assert_eq!(record[column], Field::Long(line[column].as_i64().unwrap()), "{column}");
        }
    }
    assert_eq!(records[1]["session"], Field::Str("a".to_owned()));
    let wrong = folder.path("none/calls.parquet");
    assert!(fails(&["simulate", TWO, "--outcome", &wrong], 1).contains("none/calls.parquet"));
}

/// The lines behind the one that begins with `head`, as long as they are indented, without the indent.
fn indented(text: &str, head: &str) -> String {
    let mut lines = text.lines().skip_while(|line| line.trim() != head).skip(1).peekable();
    let indent = lines.peek().map_or(0, |line| line.len() - line.trim_start().len());
    let inside = lines.take_while(|line| line.len() > indent && line[..indent].trim().is_empty());
    inside.map(|line| format!("{}\n", &line[indent..])).collect()
}

#[cfg(unix)]
#[test]
fn the_command_lines_of_the_documentation_work() {
    let docs = std::fs::read_to_string(root().join("docs/sweeps.md")).unwrap();
    let fences: Vec<&str> = docs.split("```").skip(1).step_by(2).collect();
    let fence = |holds: &str| *fences.iter().find(|fence| fence.contains(holds)).unwrap();
    let kubernetes = indented(fence("kind: Job"), "- |");
    let slurm = fence("#SBATCH").strip_prefix("sh\n").unwrap();
    let merge = fence("sweep merge").strip_prefix("sh\n").unwrap();
    assert!(kubernetes.contains("JOB_COMPLETION_INDEX") && slurm.contains("SLURM_ARRAY_TASK_ID"));
    assert!(fence("kind: Job").contains("completions: 8") && slurm.contains("--array=0-7"));
    let grid = "[base]\npolicies = [\"naive\"]\n[over]\nseed = \"1..20\"\n";
    let folder = Folder::new("sweep-docs");
    let traces = root().join(TWO);
    let binary = Path::new(env!("CARGO_BIN_EXE_atr-bench"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let shell = |script: &str, at: &Path, variable: &str, index: u32| {
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(at).env("PATH", &path).env(variable, index.to_string());
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{script}: {}", String::from_utf8_lossy(&ran.stderr));
    };
    let mut results = Vec::new();
    for (script, variable) in [(&kubernetes[..], "JOB_COMPLETION_INDEX"), (slurm, "SLURM_ARRAY_TASK_ID")] {
        let at = folder.0.join(variable);
        std::fs::create_dir(&at).unwrap();
        std::fs::copy(&traces, at.join("traces.ndjson.gz")).unwrap();
        std::fs::write(at.join("grid.toml"), grid).unwrap();
        (0..8).for_each(|index| shell(script, &at, variable, index));
        shell(merge, &at, variable, 0);
        results.push(std::fs::read_to_string(at.join("sweep.ndjson")).unwrap());
    }
    let out = folder.path("single.ndjson");
    let grid = folder.file("grid.toml", grid.as_bytes());
    assert!(command(&["sweep", TWO, "--grid", &grid, "--out", &out]).output().unwrap().status.success());
    let single = std::fs::read_to_string(&out).unwrap();
    assert_eq!((single.lines().count(), &results[0], &results[1]), (21, &single, &single));
    // The grid of the documentation is one.
    let toml = folder.file("documented.toml", fence("[over]").strip_prefix("toml\n").unwrap().as_bytes());
    assert_eq!(json(&["sweep", TWO, "--grid", &toml, "--json"])["points"], 18);
    // So is its first command line, on the smallest set.
    let first = fence("--over replicas=1,2,4").strip_prefix("sh\n").unwrap();
    let first = first.replace("data/sample.ndjson.gz", traces.to_str().unwrap());
    shell(&first, &folder.0, "UNUSED", 0);
}
