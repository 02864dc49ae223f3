//! How the simulator's cost grows: calls of agents with long prompts, from ten thousand to a million, each number in a
//! process of its own (`core/benches/simulate`). Processor time, without reading the file.

use super::Row;
use crate::shell::{Shell, read};
use anyhow::{Context, Result};
use serde_json::Value;
use std::process::Command;

/// Calls that are simulated, the last of which is judged.
const SERIES: [&str; 5] = ["10000", "30000", "100000", "300000", "1000000"];
/// Calls that take long enough to be timed.
const ENOUGH_CALLS: u64 = 300_000;
/// What a million calls may take: 8 replicas, prompts of 100,000 tokens and more in the mean.
const MOST_SECONDS: f64 = 5.0;
const MOST_MB: f64 = 2_000.0;
/// How much more a call of the largest run may cost than one of the smallest.
const FLAT: f64 = 1.5;

/// Runs of the scenario that the peer is compared on; the fastest counts, as the peer's does.
const RUNS: &str = "7";

/// Calls a second on the scenario that the peer is compared on: processor time of one thread, in the fastest run.
pub(super) fn calls_per_s(shell: &Shell) -> Result<f64> {
    let said = read(bench(shell).args(["mooncake", RUNS]))?;
    fastest(&said)
}

fn fastest(said: &str) -> Result<f64> {
    let speeds = said.lines().filter(|line| line.starts_with('{')).map(|line| {
        let said: Value = serde_json::from_str(line).context("the simulator's bench wrote no JSON")?;
        said["calls_per_s"].as_f64().context("the bench says no `calls_per_s`")
    });
    let speeds = speeds.collect::<Result<Vec<_>>>()?;
    speeds.into_iter().max_by(f64::total_cmp).context("the simulator's bench said nothing")
}

fn bench(shell: &Shell) -> Command {
    let mut bench = shell.cargo();
    bench.args(["bench", "--quiet", "--package", "atr-core", "--bench", "simulate", "--"]);
    bench
}

/// Runs the series and prints it.
pub(super) fn series(shell: &Shell) -> Result<Vec<Found>> {
    let found = SERIES.iter().map(|calls| run(shell, calls)).collect::<Result<Vec<_>>>()?;
    println!(
        "\n{:>9} {:>13} {:>9} {:>10} {:>8} {:>10} {:>9} {:>8}",
        "calls", "tokens/prompt", "seconds", "us a call", "of build", "prefixes", "simulate", "peak MB"
    );
    for run in &found {
        println!(
            "{:>9} {:>13} {:>9.2} {:>10.2} {:>8.2} {:>10.2} {:>9.2} {:>8.0}",
            run.calls,
            run.mean_prompt_tokens,
            run.seconds,
            run.us(),
            run.parts_us[0],
            run.parts_us[1],
            run.parts_us[2],
            run.peak_mb
        );
    }
    Ok(found)
}

/// What a call's cost consists of, in the order in which it is spent.
pub(super) const PARTS: [&str; 3] = ["build", "prefixes", "simulate"];

/// One run of the bench.
pub(super) struct Found {
    pub(super) calls: u64,
    pub(super) mean_prompt_tokens: u64,
    pub(super) seconds: f64,
    /// Microseconds a call, by [`PARTS`].
    pub(super) parts_us: [f64; 3],
    input_mb: f64,
    pub(super) peak_mb: f64,
}

impl Found {
    /// Microseconds a call.
    pub(super) fn us(&self) -> f64 {
        self.seconds / self.calls.max(1) as f64 * 1e6
    }
}

/// Short runs are made again and again, since processor time is counted in ticks of some milliseconds.
fn run(shell: &Shell, calls: &str) -> Result<Found> {
    let again = (ENOUGH_CALLS / calls.parse::<u64>()?).clamp(1, 20);
    let runs = (0..again).map(|_| {
        let said = read(bench(shell).args(["agents", calls]))?;
        let line =
            said.lines().find(|line| line.starts_with('{')).context("the simulator's bench wrote no JSON")?;
        found(line)
    });
    mean(&runs.collect::<Result<Vec<_>>>()?).context("there were no runs")
}

/// The runs' mean times; their largest memory.
fn mean(runs: &[Found]) -> Option<Found> {
    let of = |value: &dyn Fn(&Found) -> f64| runs.iter().map(value).sum::<f64>() / runs.len() as f64;
    let first = runs.first()?;
    Some(Found {
        calls: first.calls,
        mean_prompt_tokens: first.mean_prompt_tokens,
        seconds: of(&|run| run.seconds),
        parts_us: [0, 1, 2].map(|part| of(&|run| run.parts_us[part])),
        input_mb: first.input_mb,
        peak_mb: runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max),
    })
}

pub(super) fn found(line: &str) -> Result<Found> {
    let said: Value = serde_json::from_str(line).context("the simulator's bench wrote no JSON")?;
    let number = |key: &str| said[key].as_f64().with_context(|| format!("the bench says no `{key}`"));
    let mut parts_us = [0.0; 3];
    for (part, key) in parts_us.iter_mut().zip(["build_ns", "tree_ns", "engine_ns"]) {
        *part = number(key)? / 1e3;
    }
    Ok(Found {
        calls: number("calls")? as u64,
        mean_prompt_tokens: number("mean_prompt_tokens")? as u64,
        seconds: number("seconds")?,
        parts_us,
        input_mb: number("input_mb")?,
        peak_mb: number("peak_mb")?,
    })
}

pub(super) fn judged(found: &[Found]) -> Vec<Row> {
    let (Some(first), Some(last)) = (found.first(), found.last()) else { return Vec::new() };
    let what = format!("simulator, {} agent calls", last.calls);
    let growth = last.us() / first.us();
    vec![
        Row {
            what: format!("{what}, processor time"),
            found: format!("{:.2} s", last.seconds),
            budget: format!("<= {MOST_SECONDS:.0} s"),
            met: Some(last.seconds <= MOST_SECONDS),
        },
        Row {
            what: format!("{what}, peak memory"),
            found: format!("{:.0} MB", last.peak_mb),
            budget: format!("<= {MOST_MB:.0} MB ({:.0} MB of them the sessions)", last.input_mb),
            met: Some(last.peak_mb <= MOST_MB),
        },
        Row {
            what: format!("cost of a call, {} against {} calls", last.calls, first.calls),
            found: format!("{growth:.2} x"),
            budget: format!("<= {FLAT} x"),
            met: Some(growth <= FLAT),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(calls: u64, seconds: f64, peak_mb: f64) -> String {
        format!(
            r#"{{"calls":{calls},"mean_prompt_tokens":120000,"seconds":{seconds},"build_ns":300,"tree_ns":400,"engine_ns":500,"input_mb":800,"peak_mb":{peak_mb}}}"#
        )
    }

    #[test]
    fn time_memory_and_growth_are_judged() {
        let met = |seconds: f64, peak_mb: f64| {
            let found = [line(10_000, 0.04, 50.0), line(1_000_000, seconds, peak_mb)]
                .map(|line| found(&line).unwrap());
            judged(&found).iter().map(|row| row.met).collect::<Vec<_>>()
        };
        assert_eq!(met(5.0, 2_000.0), [Some(true), Some(true), Some(true)]);
        assert_eq!(met(5.1, 2_001.0), [Some(false), Some(false), Some(true)]);
        assert_eq!(met(6.1, 1.0), [Some(false), Some(true), Some(false)]);
        assert!(judged(&[]).is_empty());
        assert!(found(r#"{"calls":1}"#).is_err());
    }

    #[test]
    fn short_runs_are_averaged() {
        let runs = [line(10_000, 0.02, 50.0), line(10_000, 0.04, 60.0)].map(|line| found(&line).unwrap());
        let mean = mean(&runs).unwrap();
        assert!((mean.seconds - 0.03).abs() < 1e-12 && (mean.us() - 3.0).abs() < 1e-9);
        assert_eq!((mean.calls, mean.peak_mb), (10_000, 60.0));
        assert!(super::mean(&[]).is_none());
    }

    #[test]
    fn the_fastest_run_counts() {
        let said = "note\n{\"calls_per_s\":10}\n{\"calls_per_s\":30}\n{\"calls_per_s\":20}\n";
        assert_eq!(fastest(said).unwrap(), 30.0);
        assert!(fastest("note\n").is_err());
        assert!(fastest("{}\n").is_err());
    }
}
