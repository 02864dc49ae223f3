//! Tools that come as npm packages: wasm-opt, and what the page tests import.

use super::{announced, find};
use crate::shell::{Shell, apt_install, can_apt, run, which};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::PathBuf;

/// The release of binaryen that Trunk.toml names.
const BINARYEN: &str = "132";

/// `None` where there is no npm and none can be installed: then trunk has to fetch wasm-opt itself.
pub(super) fn wasm_opt(shell: &Shell) -> Result<Option<PathBuf>> {
    let right = |said: &str| said.contains(&format!("version_{BINARYEN}")) || is_release(said);
    if let Some(file) = find(shell, "wasm-opt", right) {
        return Ok(Some(file));
    }
    if !have_npm(shell)? {
        println!("  no npm here: trunk will download wasm-opt {BINARYEN} from its releases");
        return Ok(None);
    }
    let prefix = shell.tools_dir().join("npm");
    fs::create_dir_all(&prefix).with_context(|| format!("could not make `{}`", prefix.display()))?;
    announced(&format!("wasm-opt {BINARYEN} (npm package binaryen)"), "seconds", || {
        let mut npm = shell.command("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&prefix);
        run(npm.arg(format!("binaryen@{BINARYEN}.0.0")))?;
        link(shell)
    })?;
    find(shell, "wasm-opt", right).map(Some).context("wasm-opt was installed but does not answer `--version`")
}

/// Installs the packages of `e2e/package-lock.json` unless they are there already.
pub(super) fn page_tests(shell: &Shell) -> Result<()> {
    let folder = shell.root.join("e2e");
    let lock = folder.join("package-lock.json");
    let wanted = fs::read(&lock).with_context(|| format!("could not read `{}`", lock.display()))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    if !have_npm(shell)? {
        bail!("the page tests need node and npm: install them (Debian: `apt-get install nodejs npm`)");
    }
    announced("playwright-core and axe-core", "seconds", || {
        let mut npm = shell.command("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
        run(npm.env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"))
    })?;
    fs::write(&stamp, wanted).with_context(|| format!("could not write `{}`", stamp.display()))
}

fn have_npm(shell: &Shell) -> Result<bool> {
    if which("npm").is_none() && can_apt() {
        announced("node and npm (Debian packages)", "a minute", || apt_install(shell, &["nodejs", "npm"]))?;
    }
    Ok(which("npm").is_some() && which("node").is_some())
}

/// "wasm-opt version 132 (version_132)" or "wasm-opt version 132".
fn is_release(said: &str) -> bool {
    said.split_whitespace().nth(2) == Some(BINARYEN)
}

fn link(shell: &Shell) -> Result<()> {
    let folder = shell.tools_dir().join("bin");
    let link = folder.join("wasm-opt");
    fs::create_dir_all(&folder).with_context(|| format!("could not make `{}`", folder.display()))?;
    if link.symlink_metadata().is_ok() {
        fs::remove_file(&link).with_context(|| format!("could not replace `{}`", link.display()))?;
    }
    std::os::unix::fs::symlink("../npm/node_modules/.bin/wasm-opt", &link)
        .with_context(|| format!("could not link `{}`", link.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_releases_of_wasm_opt_are_not_taken() {
        assert!(is_release("wasm-opt version 132 (version_132)"));
        assert!(is_release("wasm-opt version 132"));
        assert!(!is_release("wasm-opt version 108"));
        assert!(!is_release("wasm-opt"));
    }
}
