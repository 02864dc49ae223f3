//! Speed and size figures, each beside its budget and, where there is one, its peer's figure.
//!
//! What the figures mean: they are of this machine and this moment, one process at a time, and nothing else should
//! run meanwhile. The peer is run beside ours where `bench peer` has built it; else its figure is quoted from the
//! design's own measurement.

mod imports;
mod peer;
mod simulate;
mod stream;

use crate::shell::{Shell, read};
use crate::{browser, site, tools};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs of the simulator; the median is shown.
const RUNS: usize = 5;
/// What the native simulator must reach, as a multiple of the peer.
const PEER_FACTOR: f64 = 300.0;
/// What the simulator must reach in the worker, as a share of native.
const WORKER_SHARE: f64 = 0.5;
/// The importer's aim.
const IMPORT_MB_PER_S: f64 = 200.0;
/// The same cluster that the peer simulates: its default is 16,384 blocks a replica.
const SCENARIO: [&str; 12] = [
    "simulate",
    "data/mooncake-conversation.ndjson.gz",
    "--policy",
    "exact-prefix-cache",
    "--replicas",
    "8",
    "--block",
    "512",
    "--kv-tokens",
    "8388608",
    "--json",
    "--arrivals=recorded",
];

/// One line of the table.
struct Row {
    what: String,
    found: String,
    budget: String,
    /// `None` where there is nothing to judge.
    met: Option<bool>,
}

/// `cargo xtask bench`.
pub(crate) fn run(shell: &Shell, with_browser: bool) -> Result<()> {
    let binary = build(shell)?;
    let cold = simulate(shell, &binary)?;
    let peer = peer::figure(shell, &binary)?;
    let mut rows = vec![native_row(simulate::calls_per_s(shell)?, peer.calls_per_s), cold_row(cold)];
    rows.extend(simulate::rows(shell)?);
    rows.push(import_row(shell, &binary)?);
    rows.extend(imports::rows(shell)?);
    rows.push(stream::row(shell, &binary, 1)?);
    if with_browser {
        let browser = browser::ensure(shell)?;
        tools::page_tests(shell)?;
        site::build(shell)?;
        let page = read(shell.command("node").arg("e2e/bench.mjs").env("CHROMIUM", &browser.chromium))?;
        let page: Value = serde_json::from_str(&page).context("e2e/bench.mjs wrote no JSON")?;
        rows.push(worker_row(&page["worker"], cold));
        rows.extend(slider_rows(&page["worker"]));
        rows.extend(size_rows(&site::sizes(shell)?, &page));
        rows.extend(load_rows(&page["first_load"]));
    }
    print(&rows);
    println!("\npeer: DynoSim {:.0} calls/s, {}", peer.calls_per_s, peer.source);
    println!("scenario: atr-bench {}", SCENARIO.join(" "));
    Ok(())
}

/// `cargo xtask bench simulate`.
pub(crate) fn simulator(shell: &Shell) -> Result<()> {
    let binary = build(shell)?;
    let cold = simulate(shell, &binary)?;
    let peer = peer::figure(shell, &binary)?;
    let mut rows = vec![native_row(simulate::calls_per_s(shell)?, peer.calls_per_s), cold_row(cold)];
    rows.extend(simulate::rows(shell)?);
    print(&rows);
    println!("\npeer: DynoSim {:.0} calls/s, {}", peer.calls_per_s, peer.source);
    println!("scenario: atr-bench {}", SCENARIO.join(" "));
    Ok(())
}

/// `cargo xtask bench peer`.
pub(crate) fn build_peer(shell: &Shell) -> Result<()> {
    peer::build(shell)
}

/// `cargo xtask bench imports`.
pub(crate) fn imports(shell: &Shell) -> Result<()> {
    print(&imports::rows(shell)?);
    println!(
        "\nprocessor time, files in memory, tokens counted as bytes / 4: reading, hashing and folding, no disk, no tokenizer"
    );
    Ok(())
}

/// `cargo xtask bench stream`.
pub(crate) fn stream(shell: &Shell, gigabytes: u64) -> Result<()> {
    let binary = build(shell)?;
    print(&[stream::row(shell, &binary, gigabytes)?]);
    Ok(())
}

fn print(rows: &[Row]) {
    println!("\n{:<44} {:>22}   {:<44} met", "what", "found", "budget");
    for row in rows {
        let met = row.met.map_or("-", |met| if met { "yes" } else { "NO" });
        println!("{:<44} {:>22}   {:<44} {met}", row.what, row.found, row.budget);
    }
}

fn build(shell: &Shell) -> Result<PathBuf> {
    crate::shell::run(shell.cargo().args(["build", "--release", "--quiet", "--package", "atr-bench"]))?;
    let binary = shell.target_dir().join("release/atr-bench");
    if !binary.is_file() {
        bail!("cargo wrote no `{}`", binary.display());
    }
    Ok(binary)
}

/// Calls a second of `atr-bench simulate`, each run in a process of its own: the median.
fn simulate(shell: &Shell, binary: &Path) -> Result<f64> {
    let mut speeds = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let text = read(shell.command(binary).args(SCENARIO))?;
        let result: Value =
            serde_json::from_str(&text).context("`atr-bench simulate --json` wrote no JSON")?;
        speeds.push(
            result["calls_per_s"].as_f64().context("`atr-bench simulate --json` has no `calls_per_s`")?,
        );
    }
    median(&mut speeds).context("there were no runs")
}

fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The first simulation in a process of its own, reading and printing not counted: the median of some.
fn cold_row(speed: f64) -> Row {
    let what = "simulator, first run in a process, median".to_owned();
    Row { what, found: format!("{speed:.0} calls/s"), budget: "-".to_owned(), met: None }
}

fn native_row(speed: f64, peer: f64) -> Row {
    let budget = peer * PEER_FACTOR;
    Row {
        what: "simulator, native, one thread, fastest run".to_owned(),
        found: format!("{speed:.0} calls/s"),
        budget: format!(">= {budget:.0} calls/s ({PEER_FACTOR} x peer; found {:.0} x)", speed / peer),
        met: Some(speed >= budget),
    }
}

fn worker_row(worker: &Value, native: f64) -> Row {
    let what = "simulator, in the page's worker".to_owned();
    let budget = format!(">= {:.0} calls/s ({WORKER_SHARE} x native)", native * WORKER_SHARE);
    match worker["calls_per_s"].as_f64() {
        Some(speed) => {
            let met = Some(speed >= native * WORKER_SHARE);
            Row { what, found: format!("{speed:.0} calls/s"), budget, met }
        }
        None => Row { what, found: "not available".to_owned(), budget, met: None },
    }
}

/// What a reader waits for after a slider moved: all policies over a sample, then over the whole set.
fn slider_rows(worker: &Value) -> Vec<Row> {
    let row = |key: &str, what: &str, limit: f64| {
        let (calls, waited) = (worker[key]["calls"].as_u64(), worker[key]["waited_ms"].as_f64());
        Row {
            what: format!("in the page, all policies, {what}"),
            found: match (calls, waited) {
                (Some(calls), Some(waited)) => format!("{waited:.0} ms ({calls} calls)"),
                _ => "not available".to_owned(),
            },
            budget: format!("<= {limit:.0} ms"),
            met: waited.map(|waited| waited <= limit),
        }
    };
    vec![row("sample", "sample of claude-code", 100.0), row("whole", "all of claude-code", 1_500.0)]
}

/// Reading the raw Claude Code traces, where they are at hand.
fn import_row(shell: &Shell, binary: &Path) -> Result<Row> {
    let what = "import, kv-cache-tester traces".to_owned();
    let budget = format!(">= {IMPORT_MB_PER_S:.0} MB/s");
    let folder = env::var_os("ATR_RAW").map(|raw| PathBuf::from(raw).join("kv-cache-tester"));
    let Some(folder) = folder.filter(|folder| folder.is_dir()) else {
        return Ok(Row {
            what,
            found: "not run".to_owned(),
            budget: format!("{budget}; set ATR_RAW"),
            met: None,
        });
    };
    let bytes = folder_bytes(&folder)?;
    let start = Instant::now();
    read(shell.command(binary).arg("import").arg(&folder).arg("--json"))?;
    let speed = bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
    Ok(Row { what, found: format!("{speed:.0} MB/s"), budget, met: Some(speed >= IMPORT_MB_PER_S) })
}

fn folder_bytes(folder: &Path) -> Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("could not list `{}`", folder.display()))? {
        let path = entry?.path();
        sum += if path.is_dir() { folder_bytes(&path)? } else { path.metadata()?.len() };
    }
    Ok(sum)
}

/// Bytes against their budgets; the same that the page tests assert.
fn size_rows(sizes: &Value, page: &Value) -> Vec<Row> {
    let file = |start: &str| {
        let files = sizes["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_it = |file: &&Value| {
            file["path"].as_str().is_some_and(|path| path.starts_with(start) && path.ends_with(".wasm"))
        };
        files.iter().find(is_it).map(|file| (file["raw"].as_f64(), file["brotli"].as_f64()))
    };
    let row = |what: &str, raw: Option<f64>, brotli: Option<f64>, budget: f64| Row {
        what: format!("page bytes, {what}"),
        found: match (raw, brotli) {
            (Some(raw), Some(brotli)) => format!("{:.1} ({:.0} raw) KB", brotli / 1e3, raw / 1e3),
            (None, Some(brotli)) => format!("{:.1} KB", brotli / 1e3),
            _ => "not available".to_owned(),
        },
        budget: format!("<= {budget:.0} KB brotli"),
        met: brotli.map(|brotli| brotli <= budget * 1e3),
    };
    let [app, worker, reader] =
        ["atr-web", "atr-worker", "atr-reader"].map(|name| file(name).unwrap_or_default());
    vec![
        row("app wasm", app.0, app.1, 350.0),
        row("worker wasm", worker.0, worker.1, 250.0),
        row("reader wasm, fetched beside Your Trace", reader.0, reader.1, 400.0),
        row("first data", None, page["first_data"]["brotli"].as_f64(), 150.0),
    ]
}

/// The first load on a simulated phone.
fn load_rows(load: &Value) -> Vec<Row> {
    let row = |what: &str, key: &str, limit: f64, unit: &str, digits: usize| Row {
        what: format!("first load, simulated phone, {what}"),
        found: load[key]
            .as_f64()
            .map_or("not available".to_owned(), |found| format!("{found:.digits$}{unit}")),
        budget: format!("<= {limit}{unit}"),
        met: load[key].as_f64().map(|found| found <= limit),
    };
    let ready = Row {
        what: "first load, simulated phone, figures drawn".to_owned(),
        found: load["ready_ms"].as_f64().map_or("not available".to_owned(), |found| format!("{found:.0} ms")),
        budget: "-".to_owned(),
        met: None,
    };
    vec![
        row("largest paint", "lcp_ms", 1_500.0, " ms", 0),
        row("blocked", "blocked_ms", 50.0, " ms", 0),
        row("layout shift", "shift", 0.02, "", 3),
        ready,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_median_is_the_middle_run() {
        assert_eq!(median(&mut [3.0, 1.0, 100.0, 2.0, 4.0]), Some(3.0));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn budgets_judge_what_was_found() {
        assert_eq!(native_row(920_100.0, 3_067.0).met, Some(true));
        assert_eq!(native_row(920_099.0, 3_067.0).met, Some(false));
        assert_eq!(worker_row(&json!({"calls_per_s": 50.0}), 100.0).met, Some(true));
        assert_eq!(worker_row(&json!({"calls_per_s": 49.0}), 100.0).met, Some(false));
        assert_eq!(worker_row(&Value::Null, 100.0).found, "not available");
    }

    #[test]
    fn the_wait_after_a_slider_is_judged() {
        let worker = json!({"sample": {"calls": 4_990, "waited_ms": 100.4}, "whole": {"calls": 50_000, "waited_ms": 900.0}});
        let rows = slider_rows(&worker);
        assert_eq!(rows.iter().map(|row| row.met).collect::<Vec<_>>(), [Some(false), Some(true)]);
        assert_eq!(rows[0].found, "100 ms (4990 calls)");
    }

    #[test]
    fn sizes_are_found_by_name_and_judged() {
        let sizes = json!({"files": [
            {"path": "atr-web-1a2b_bg.wasm", "raw": 900_000, "brotli": 350_001},
            {"path": "atr-worker_bg.wasm", "raw": 500_000, "brotli": 250_000},
            {"path": "atr-reader_bg.wasm", "raw": 700_000, "brotli": 400_001},
        ]});
        let rows = size_rows(&sizes, &json!({"first_data": {"brotli": 1000}}));
        assert_eq!(
            rows.iter().map(|row| row.met).collect::<Vec<_>>(),
            [Some(false), Some(true), Some(false), Some(true)]
        );
        let rows = size_rows(&json!({}), &Value::Null);
        assert!(rows.iter().all(|row| row.met.is_none() && row.found == "not available"));
    }

    #[test]
    fn a_load_over_its_limit_is_said() {
        let rows = load_rows(&json!({"lcp_ms": 1499.6, "blocked_ms": 51.0, "shift": 0.0, "ready_ms": 9.0}));
        assert_eq!(
            rows.iter().map(|row| row.met).collect::<Vec<_>>(),
            [Some(true), Some(false), Some(true), None]
        );
    }
}
