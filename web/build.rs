//! Gives page and worker one build id: a hash over the sources that both are made from, so that a
//! page that meets another build's worker notices it. Lists the reports for the page's catalogue.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn main() {
    let mut files = Vec::new();
    for folder in ["src", "../core/src"] {
        println!("cargo::rerun-if-changed={folder}");
        collect(Path::new(folder), &mut files);
    }
    files.sort();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for file in files {
        for byte in std::fs::read(&file).unwrap_or_default() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    println!("cargo::rustc-env=ATR_BUILD={hash:016x}");
    list_reports(Path::new("../reports"));
}

/// Writes what the catalogue says of each report: its envelope, its size and its hash.
fn list_reports(folder: &Path) {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "json"));
    files.sort();
    let reports: Vec<Value> = files.iter().filter_map(|file| describe(file)).collect();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("reports.json");
    if let Err(error) = std::fs::write(&out, Value::from(reports).to_string()) {
        println!("cargo::error=cannot write `{}`: {error}", out.display());
    }
}

fn describe(file: &Path) -> Option<Value> {
    let name = file.file_name()?.to_str()?;
    let bytes = std::fs::read(file).ok()?;
    let report: Value = match serde_json::from_slice(&bytes) {
        Ok(report) => report,
        Err(error) => {
            println!("cargo::error=reports/{name} is no JSON: {error}");
            return None;
        }
    };
    let sha256: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(json!({
        "path": format!("reports/{name}"),
        "kind": report["kind"],
        "origin": report["origin"],
        "title": report["title"],
        "set": report["set"]["name"],
        "command": report["provenance"]["command"],
        "sha256": sha256,
        "bytes": bytes.len(),
    }))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}
