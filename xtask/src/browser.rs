//! The browser that runs wasm and page tests: found, or installed where that is possible, or plainly missing.

use crate::shell::{Shell, apt_install, can_apt, which};
use anyhow::{Result, bail};
use std::env;
use std::path::PathBuf;

/// A Chromium and the driver that speaks to it.
pub(crate) struct Browser {
    pub(crate) chromium: PathBuf,
    pub(crate) driver: PathBuf,
}

const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Finds a browser, installing Debian's where this user may.
pub(crate) fn ensure(shell: &Shell) -> Result<Browser> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    if can_apt() {
        println!("  no chromium with a driver found: installing Debian's chromium and chromium-driver");
        apt_install(shell, &["chromium", "chromium-driver"])?;
        if let Some(browser) = find() {
            return Ok(browser);
        }
    }
    bail!(
        "no browser to test in: expected chromium and chromedriver on PATH, or CHROMIUM and CHROMEDRIVER \
         naming them; install them (Debian: `apt-get install chromium chromium-driver`), or leave browser \
         tests out with `--no-browser`"
    )
}

/// The browser of the environment or of the search path.
pub(crate) fn find() -> Option<Browser> {
    let named = |key: &str| env::var_os(key).map(PathBuf::from).filter(|file| file.is_file());
    let chromium = named("CHROMIUM").or_else(|| CHROMIUM_NAMES.iter().find_map(|name| which(name)))?;
    let driver = named("CHROMEDRIVER").or_else(|| which("chromedriver"))?;
    Some(Browser { chromium, driver })
}
