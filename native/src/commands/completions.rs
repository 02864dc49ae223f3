//! `completions`: a completion script for a shell, on standard output.

use crate::output;
use clap_complete::Shell;
use std::process::ExitCode;

/// Arguments of `completions`.
#[derive(clap::Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Writes the script for the whole command line.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn run(args: &CompletionsArgs, all: &mut clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, all, "atr-bench", &mut script);
    output::emit_bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
