//! What a program can check of the project's rules: each check is a pure function from the tracked files to
//! findings, and has a test that shows it fail on a bad sample.

mod families;
mod hygiene;
mod order;
mod purity;
mod reports;
mod seeds;
mod size;
mod tree;
mod unsafe_code;

use crate::shell::Shell;
use anyhow::{Result, bail};
use tree::{Finding, Tree};

/// One rule.
struct Check {
    /// Its name, and in one phrase what it demands.
    name: &'static str,
    run: fn(&Tree) -> Vec<Finding>,
}

const CHECKS: &[Check] = &[
    Check { name: "modules of core use only those below them", run: order::check },
    Check { name: "core has no files, network, clock, threads or chance", run: purity::check },
    Check { name: "members of a family have a file each and stand in its registry", run: families::check },
    Check { name: "every importer has a seed to fuzz", run: seeds::check },
    Check { name: "Rust files are short", run: size::files },
    Check { name: "functions are short", run: size::functions },
    Check { name: "the repository is small", run: size::repository },
    Check { name: "no paths of one machine", run: hygiene::machine_paths },
    Check { name: "no package sources but the public ones", run: hygiene::package_sources },
    Check { name: "nothing is left half done", run: hygiene::unfinished },
    Check { name: "unsafe code only around CUDA, and justified", run: unsafe_code::check },
    Check { name: "every report has a schema and says where it comes from", run: reports::check },
];

/// `cargo xtask tidy`.
pub(crate) fn run(shell: &Shell) -> Result<()> {
    let tree = Tree::of_repository(&shell.root)?;
    let mut total = 0;
    for check in CHECKS {
        let findings = (check.run)(&tree);
        println!("{} {}", if findings.is_empty() { "ok  " } else { "FAIL" }, check.name);
        for finding in &findings {
            println!("     {finding}");
        }
        total += findings.len();
    }
    println!("{} files, {} rules, {total} findings", tree.files.len(), CHECKS.len());
    if total > 0 {
        bail!("tidy found {total} places to mend");
    }
    Ok(())
}
