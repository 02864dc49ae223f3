//! The peer: DynoSim's own replay benchmark, as `dynamo-bench` publishes it, over the same trace. `bench peer` builds it
//! once, which takes long; where it was built, `bench` runs it beside ours, else the design's figure stands.

use crate::shell::{Shell, read, run};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// The version that is measured against.
const VERSION: &str = "1.6.1";
/// DynoSim on the same trace: 8 replicas, round robin, block 512 (design, section 9).
const DESIGN_CALLS_PER_S: f64 = 3_067.0;
/// Its simulator's set-up: that of ours.
const SETUP: [&str; 10] = [
    "--num-workers",
    "8",
    "--router-mode",
    "round-robin",
    "--arrival-speedup-ratio",
    "1",
    "--block-size",
    "512",
    "--iterations",
    "3",
];

/// What the peer reaches, and who says so.
pub(super) struct Peer {
    pub(super) calls_per_s: f64,
    pub(super) source: String,
}

/// The peer's figure: measured now where it was built, else the design's.
pub(super) fn figure(shell: &Shell, ours: &Path) -> Result<Peer> {
    let binary = binary(shell);
    if !binary.is_file() {
        let source = "figure from the design, not run here; `cargo xtask bench peer` builds it".to_owned();
        return Ok(Peer { calls_per_s: DESIGN_CALLS_PER_S, source });
    }
    let folder = shell.target_dir().join("peer");
    fs::create_dir_all(&folder).with_context(|| format!("could not make `{}`", folder.display()))?;
    let (trace, timings) = (folder.join("conversation.jsonl"), folder.join("timings.jsonl"));
    let mut export = shell.command(ours);
    export.args(["import", "data/mooncake-conversation.ndjson.gz", "--to", "mooncake", "--out"]).arg(&trace);
    read(&mut export)?;
    read(shell.command(&binary).arg(&trace).args(SETUP).arg("--timings-jsonl").arg(&timings))?;
    let said =
        fs::read_to_string(&timings).with_context(|| format!("could not read `{}`", timings.display()))?;
    let calls = fs::read_to_string(&trace)?.lines().count();
    Ok(Peer {
        calls_per_s: fastest(&said, calls)?,
        source: format!("dynamo-bench {VERSION}, run here and now"),
    })
}

/// Calls a second of processor time in the peer's fastest run; loading the trace is not part of it.
fn fastest(timings: &str, calls: usize) -> Result<f64> {
    let times = timings.lines().map(|line| {
        let said: Value = serde_json::from_str(line).context("the peer's times are no JSON")?;
        let ms = said["replay_cpu_ms"].as_f64().or(said["replay_call_ms"].as_f64());
        ms.context("the peer says no `replay_cpu_ms`")
    });
    let times = times.collect::<Result<Vec<f64>>>()?;
    let best = times.into_iter().min_by(f64::total_cmp).context("the peer wrote no times")?;
    Ok(calls as f64 / best * 1e3)
}

fn binary(shell: &Shell) -> PathBuf {
    shell.tools_dir().join(format!("offline_replay_bench-{VERSION}"))
}

/// `cargo xtask bench peer`: fetches the published crate and builds its benchmark.
pub(crate) fn build(shell: &Shell) -> Result<()> {
    let folder = shell.target_dir().join("peer");
    fs::create_dir_all(folder.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"peer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
         [dependencies]\ndynamo-bench = \"={VERSION}\"\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest)?;
    fs::write(folder.join("src/main.rs"), "fn main() {}\n")?;
    let mut ask = shell.cargo();
    let said = read(
        ask.args(["metadata", "--format-version", "1", "--manifest-path"]).arg(folder.join("Cargo.toml")),
    )?;
    let source = manifest_of(&said)?;
    let mut cargo = shell.cargo();
    cargo.args(["bench", "--no-run", "--no-default-features", "--features", "offline-replay"]);
    cargo.args(["--bench", "offline_replay_bench", "--target-dir"]).arg(folder.join("target"));
    run(cargo.arg("--manifest-path").arg(source))?;
    let built = newest(&folder.join("target/release/deps"))?;
    fs::create_dir_all(shell.tools_dir())?;
    fs::copy(&built, binary(shell)).with_context(|| format!("could not copy `{}`", built.display()))?;
    println!("built {}", binary(shell).display());
    Ok(())
}

/// Where cargo keeps the sources of the crate.
fn manifest_of(metadata: &str) -> Result<String> {
    let said: Value = serde_json::from_str(metadata).context("`cargo metadata` wrote no JSON")?;
    let mut packages = said["packages"].as_array().map(Vec::as_slice).unwrap_or_default().iter();
    let found = packages.find(|package| package["name"] == "dynamo-bench");
    let path = found.and_then(|package| package["manifest_path"].as_str());
    path.map(str::to_owned).context("`cargo metadata` knows no `dynamo-bench`")
}

/// The benchmark that was built last.
fn newest(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("could not list `{}`", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let named = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("offline_replay_bench-") && path.extension().is_none()
    };
    let at = |path: &PathBuf| path.metadata().and_then(|known| known.modified()).ok();
    paths.filter(named).max_by_key(at).context("cargo built no `offline_replay_bench`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_run_counts() {
        let times = "{\"replay_cpu_ms\":4000.0,\"replay_call_ms\":9.0}\n{\"replay_cpu_ms\":2000.0}\n";
        assert_eq!(fastest(times, 6_000).unwrap(), 3_000.0);
        assert!(fastest("{}", 1).is_err());
        assert!(fastest("", 1).is_err());
    }

    #[test]
    fn the_crate_is_found_among_others() {
        let said =
            r#"{"packages":[{"name":"x","manifest_path":"a"},{"name":"dynamo-bench","manifest_path":"b"}]}"#;
        assert_eq!(manifest_of(said).unwrap(), "b");
        assert!(manifest_of(r#"{"packages":[]}"#).is_err());
    }
}
