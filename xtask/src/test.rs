//! Every check of the project as one list of named steps, run in order, as a rule until one fails.

use crate::browser::{self, Browser};
use crate::shell::{Shell, run as run_command};
use crate::{kernels, reports, site, tidy, tools};
use anyhow::{Context, Result, bail};
use std::time::Instant;

type Work<'a> = Box<dyn FnOnce() -> Result<()> + 'a>;

/// `cargo xtask test`.
pub(crate) fn run(shell: &Shell, with_browser: bool, keep_going: bool) -> Result<()> {
    let browser = if with_browser { Some(browser::ensure(shell)?) } else { None };
    let mut steps: Vec<(&str, Work<'_>)> = vec![
        ("tidy", Box::new(|| tidy::run(shell))),
        ("format", Box::new(|| run_command(shell.cargo().args(["fmt", "--all", "--check"])))),
        ("tools", Box::new(|| get_tools(shell))),
        ("lint native", Box::new(|| lint_native(shell))),
        ("lint wasm32", Box::new(|| lint_wasm(shell))),
        ("native tests", Box::new(|| native_tests(shell))),
        ("reports are fresh", Box::new(|| reports::check_with_test_build(shell))),
    ];
    if let Some(browser) = &browser {
        steps.push(("wasm tests in the browser", Box::new(|| wasm_tests(shell, browser))));
        steps.push(("page build", Box::new(|| site::build(shell))));
        steps.push(("page tests in the browser", Box::new(|| page_tests(shell, browser))));
    } else {
        steps.push(("page build", Box::new(|| site::build(shell))));
        println!("--no-browser: the wasm tests and the page tests are left out");
    }
    run_steps(steps, keep_going)
}

/// Runs the steps in order; the first failure ends the run unless it shall go on.
fn run_steps(steps: Vec<(&str, Work<'_>)>, keep_going: bool) -> Result<()> {
    let total = steps.len();
    let begin = Instant::now();
    let (mut passed, mut failed, mut left_out) = (0, Vec::new(), Vec::new());
    for (at, (name, work)) in steps.into_iter().enumerate() {
        if !failed.is_empty() && !keep_going {
            left_out.push(name);
            continue;
        }
        println!("\n[{}/{total}] {name}", at + 1);
        let start = Instant::now();
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                passed += 1;
                println!("ok: {name} ({seconds:.1} s)");
            }
            Err(error) => {
                println!("FAILED: {name} ({seconds:.1} s): {error:#}");
                failed.push(name);
            }
        }
    }
    if !left_out.is_empty() {
        println!("not run after the failure: {}", left_out.join(", "));
    }
    println!("\nthe steps took {:.0} s", begin.elapsed().as_secs_f64());
    println!("{passed} passed, {} failed", failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

fn lint_native(shell: &Shell) -> Result<()> {
    let mut cargo = shell.cargo();
    cargo.args(["clippy", "--workspace", "--exclude", "atr-web", "--all-targets", "--", "-D", "warnings"]);
    run_command(&mut cargo)
}

/// The page's crates, held to the rules of `xtask/clippy-wasm/clippy.toml`: what a browser does not have.
fn lint_wasm(shell: &Shell) -> Result<()> {
    let targets = [("atr-core", "--lib"), ("atr-web", "--all-targets")];
    targets.iter().try_for_each(|(package, which)| {
        let mut cargo = shell.cargo();
        cargo.args(["clippy", "--package", package, which, "--target", WASM, "--", "-D", "warnings"]);
        run_command(cargo.env("CLIPPY_CONF_DIR", shell.root.join("xtask/clippy-wasm")))
    })
}

/// The page's library is free of any browser, so it is tested here too; its programs are not. GPU kernels are compiled where
/// their compiler was fetched.
/// What later steps need, and where it can be had the compiler of GPU kernels, without which their tests are skipped.
fn get_tools(shell: &Shell) -> Result<()> {
    tools::ensure(shell)?;
    kernels::fetch_if_possible(shell);
    Ok(())
}

fn native_tests(shell: &Shell) -> Result<()> {
    let mut cargo = shell.cargo();
    cargo.args(["test", "--workspace", "--exclude", "atr-web"]);
    if let Some(path) = kernels::loader_path(shell) {
        cargo.env("LD_LIBRARY_PATH", path);
    }
    run_command(&mut cargo)?;
    run_command(shell.cargo().args(["test", "--package", "atr-web", "--lib"]))
}

const WASM: &str = "wasm32-unknown-unknown";

fn wasm_tests(shell: &Shell, browser: &Browser) -> Result<()> {
    let tools = tools::ensure(shell)?;
    let mut cargo = shell.cargo();
    cargo.args(["test", "--package", "atr-core", "--target", WASM, "--test", "wasm"]);
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER", &tools.test_runner);
    cargo.env("CHROMEDRIVER", &browser.driver).env("WASM_BINDGEN_TEST_TIMEOUT", "120");
    run_command(&mut cargo)
}

fn page_tests(shell: &Shell, browser: &Browser) -> Result<()> {
    tools::page_tests(shell)?;
    let mut node = shell.command("node");
    node.args(["--test", "--test-reporter=spec", "--test-concurrency=1"]).args(page_test_files(shell)?);
    run_command(node.env("CHROMIUM", &browser.chromium))
}

/// The files by name: releases of node differ in what a folder means.
fn page_test_files(shell: &Shell) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(shell.root.join("e2e")).context("could not list `e2e`")?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<String> =
        names.filter(|name| name.ends_with(".test.mjs")).map(|name| format!("e2e/{name}")).collect();
    files.sort();
    if files.is_empty() {
        bail!("`e2e` holds no page tests");
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn the_first_failure_ends_the_run() {
        let ran = RefCell::new(Vec::new());
        let step = |name: &'static str, good: bool| -> (&'static str, Work<'_>) {
            let ran = &ran;
            let work = move || {
                ran.borrow_mut().push(name);
                if good { Ok(()) } else { bail!("broken") }
            };
            (name, Box::new(work))
        };
        let three = || vec![step("one", true), step("two", false), step("three", true)];
        let stopped = run_steps(three(), false).unwrap_err();
        assert_eq!(stopped.to_string(), "failed: two");
        assert_eq!(ran.take(), ["one", "two"]);
        assert!(run_steps(three(), true).is_err());
        assert_eq!(ran.take(), ["one", "two", "three"]);
        assert!(run_steps(vec![step("one", true), step("three", true)], false).is_ok());
    }
}
