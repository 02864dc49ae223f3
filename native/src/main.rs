//! `atr-bench`.
mod commands;
mod input;
mod output;
mod tokens;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "atr-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Any readable trace to this project's own NDJSON
    Import(commands::import::ImportArgs),
}

#[expect(clippy::print_stderr, reason = "errors go to standard error")]
fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Import(args) => commands::import::run(&args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
