//! From a fresh clone to a paper on screen: tools, reports, page, server.

use crate::shell::Shell;
use crate::{reports, serve, site, tools};
use anyhow::Result;

/// `cargo xtask paper`.
pub(crate) fn run(shell: &Shell, port: u16) -> Result<()> {
    tools::ensure(shell)?;
    match reports::staleness(shell)? {
        None => println!("reports are fresh"),
        Some(why) => {
            println!("making the reports: {why}");
            reports::run(shell, false)?;
        }
    }
    println!("building the page");
    site::build(shell)?;
    serve::run(&shell.root.join("dist"), port)
}
