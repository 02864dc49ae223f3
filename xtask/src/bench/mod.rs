//! Speed and size figures, each beside its budget and, where there is one, its peer's figure.
//!
//! What the figures mean: they are of this machine and this moment, one process at a time, and nothing else should
//! run meanwhile. The peer is run beside ours where `bench peer` has built it; else its figure is quoted from the
//! design's own measurement.

mod imports;
mod page;
mod peer;
mod plot;
mod simulate;
mod stream;

use crate::shell::{Shell, read};
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
    let (native, mut rows, _) = simulated(shell, &binary)?;
    rows.push(import_row(shell, &binary)?);
    rows.extend(imports::rows(shell)?);
    rows.push(stream::row(shell, &binary, 1)?);
    if with_browser {
        rows.extend(page::rows(shell, &native)?);
    }
    print(&rows);
    notes(&native.peer);
    if with_browser {
        println!("{}", page::NOTE);
    }
    Ok(())
}

/// `cargo xtask bench simulate`. The plot of the series goes to `folder`.
pub(crate) fn simulator(shell: &Shell, folder: Option<&Path>) -> Result<()> {
    let binary = build(shell)?;
    let (native, rows, series) = simulated(shell, &binary)?;
    print(&rows);
    notes(&native.peer);
    plot::write(shell, folder, &series)
}

/// What the native simulator reaches on the scenario that the peer is compared on.
struct Native {
    /// Calls a second, of the first simulation in a process.
    cold: f64,
    /// The same of the fastest run where others came before it.
    warm: f64,
    peer: peer::Peer,
}

/// The simulator's speed beside the peer's, and its series.
fn simulated(shell: &Shell, binary: &Path) -> Result<(Native, Vec<Row>, Vec<simulate::Found>)> {
    let cold = simulate(shell, binary)?;
    let peer = peer::figure(shell, binary)?;
    let native = Native { cold, warm: simulate::calls_per_s(shell)?, peer };
    let series = simulate::series(shell)?;
    let mut rows = vec![native_row(native.warm, native.peer.calls_per_s), cold_row(native.cold)];
    rows.extend(simulate::judged(&series));
    Ok((native, rows, series))
}

fn notes(peer: &peer::Peer) {
    println!("\npeer: DynoSim {:.0} calls/s, {}", peer.calls_per_s, peer.source);
    println!("scenario: atr-bench {}", SCENARIO.join(" "));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_run() {
        assert_eq!(median(&mut [3.0, 1.0, 100.0, 2.0, 4.0]), Some(3.0));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn budgets_judge_what_was_found() {
        assert_eq!(native_row(920_100.0, 3_067.0).met, Some(true));
        assert_eq!(native_row(920_099.0, 3_067.0).met, Some(false));
    }
}
