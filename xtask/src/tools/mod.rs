//! The tools that the build needs beyond cargo: each is looked for on the search path, then among those that
//! this project installed under `target/tools`, and only then installed there.

mod cargo_tools;
mod npm;

use crate::shell::{Shell, ask, path_with, run as run_command, which};
use crate::{browser, kernels};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The tools of the right version, and where they lie.
pub(crate) struct Tools {
    pub(crate) trunk: PathBuf,
    pub(crate) test_runner: PathBuf,
    /// Whether trunk will find everything it calls, so that it need not download.
    pub(crate) complete: bool,
    folders: Vec<PathBuf>,
}

impl Tools {
    /// The search path for programs that call these tools.
    pub(crate) fn path(&self) -> Result<OsString> {
        path_with(&self.folders)
    }
}

/// `cargo xtask tools`.
pub(crate) fn run(shell: &Shell, with_browser: bool) -> Result<()> {
    let tools = ensure(shell)?;
    println!("trunk: {}", tools.trunk.display());
    println!("wasm-bindgen-test-runner: {}", tools.test_runner.display());
    kernels::fetch_if_possible(shell);
    if with_browser {
        page_tests(shell)?;
        let browser = browser::ensure(shell)?;
        println!("browser: {}, driver: {}", browser.chromium.display(), browser.driver.display());
    }
    Ok(())
}

/// Makes sure of everything that building the page needs.
pub(crate) fn ensure(shell: &Shell) -> Result<Tools> {
    wasm_target(shell)?;
    let trunk = cargo_tools::trunk(shell)?;
    let bindgen = cargo_tools::wasm_bindgen(shell)?;
    let wasm_opt = npm::wasm_opt(shell)?;
    let complete = wasm_opt.is_some();
    let mut folders = Vec::new();
    for tool in [Some(&trunk), Some(&bindgen), wasm_opt.as_ref()].into_iter().flatten() {
        if let Some(folder) = tool.parent().filter(|folder| !folders.iter().any(|known| known == folder)) {
            folders.push(folder.to_path_buf());
        }
    }
    let test_runner = bindgen.with_file_name("wasm-bindgen-test-runner");
    Ok(Tools { trunk, test_runner, complete, folders })
}

/// Makes sure of the packages that the page tests import.
pub(crate) fn page_tests(shell: &Shell) -> Result<()> {
    npm::page_tests(shell)
}

/// Makes sure of cargo-fuzz, which only fuzzing needs.
pub(crate) fn cargo_fuzz(shell: &Shell) -> Result<PathBuf> {
    cargo_tools::cargo_fuzz(shell)
}

/// The tool's file, where it is there in the wanted version: on the search path first, then among ours.
fn find(shell: &Shell, name: &str, is_right: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let ours = shell.tools_dir().join("bin").join(name);
    let candidates = [which(name), Some(ours)].into_iter().flatten();
    candidates.into_iter().find(|file| ask(file, &["--version"]).is_some_and(|said| is_right(&said)))
}

/// Whether `said` ("trunk 0.21.14") names a version that begins with `wanted` ("0.21.").
fn version_starts(said: &str, wanted: &str) -> bool {
    said.split_whitespace().nth(1).is_some_and(|version| version.starts_with(wanted))
}

fn wasm_target(shell: &Shell) -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let has = || {
        let libdir = ask(Path::new("rustc"), &["--print", "target-libdir", "--target", TARGET]);
        libdir.is_some_and(|folder| Path::new(&folder).is_dir())
    };
    if has() {
        return Ok(());
    }
    if which("rustup").is_none() {
        bail!("the tool chain has no target `{TARGET}` and there is no rustup to add it with");
    }
    announced(&format!("rust target {TARGET}"), "seconds", || {
        run_command(shell.command("rustup").args(["target", "add", TARGET]))
    })
}

/// Runs an installation between two lines that say what it is, how long it may take and how long it took.
fn announced(what: &str, expected: &str, install: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("installing {what} (usually {expected})");
    let start = Instant::now();
    install()?;
    println!("installed {what} in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_beginning() {
        assert!(version_starts("trunk 0.21.14", "0.21."));
        assert!(!version_starts("trunk 0.22.0", "0.21."));
        assert!(!version_starts("trunk 0.2", "0.21."));
        assert!(!version_starts("", "0.21."));
        assert!(version_starts("wasm-bindgen 0.2.130", "0.2.130"));
    }
}
