//! `atr-bench`: files, processes and the terminal around the pure science of `atr-core`.
//!
//! Raw arguments become a checked configuration ([`cli`], [`args`]) before any work starts; one file per
//! command does the work; this file turns the result into an exit code: 0 success, 1 the work
//! failed, 2 the call was wrong. A reader that closes the pipe early is success.

mod args;
mod cli;
mod commands;
mod export;
mod gpu;
mod input;
mod outcome;
mod output;
mod probe;
mod profile;
mod progress;
mod scenario;
mod stream;
mod table;
mod terminal;
mod tokens;
mod words;

use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    output::end_cleanly_on_interrupt();
    let matches = cli::command().try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; clap knows which of them is an error.
            let code = if error.use_stderr() { 2 } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match run(cli) {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("error: {error:#}"));
            ExitCode::from(if args::is_wrong_call(&error) { 2 } else { 1 })
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Import(args) => commands::import::run(&args, cli.json),
        Command::Data(args) => commands::data::run(&args),
        Command::Inspect(args) => commands::inspect::run(&args, cli.json),
        Command::Synth(args) => commands::synth::run(&args, cli.json),
        Command::Simulate(args) => commands::simulate::run(&args, cli.json),
        Command::Advise(args) => commands::advise::run(&args, cli.json),
        Command::Sweep(args) => commands::sweep::run(&args, cli.json),
        Command::Calibrate(args) => commands::calibrate::run(&args, cli.json),
        Command::Probe(args) => commands::probe::run(&args, cli.json),
        Command::Report(args) => commands::report::run(&args, cli.json),
        Command::Doctor(args) => commands::doctor::run(&args, &Cli::command(), cli.json),
        Command::Completions(args) => commands::completions::run(&args, &mut Cli::command()),
    }
}
