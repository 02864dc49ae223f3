//! How the project is built, tested and checked: one small program, started as `cargo xtask COMMAND`.
//!
//! One file per command. Each command is a function from its checked arguments to success or an error that
//! says what failed and what to do about it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program speaks on them")]

mod args;
mod bench;
mod browser;
mod fuzz;
mod kernels;
mod paper;
mod reports;
mod serve;
mod shell;
mod site;
mod test;
mod tidy;
mod tools;

use args::Command;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  paper [--port N]         install tools, make stale reports, build the page, serve it on loopback
  site                     write the deployable static page to dist/ and print its sizes
  test [--no-browser]      run every check: tidy, format, lint, native, wasm and page tests;
       [--keep-going]      stop at the first failure unless told to go on
  tidy                     check what a program can check of the project's rules
  tools [--no-browser]     install what is missing of trunk, wasm-bindgen, wasm-opt, page-test packages
  bench [--no-browser]     print speed and size figures beside their budgets
  bench imports            print the speed of every importer; over the public sources where ATR_RAW names them
  bench simulate [--plot DIR]
                           print the simulator's speed, and how its time and memory grow up to a million calls;
                           draw that as cost-per-call.svg, with its figures beside it (default target/bench)
  bench peer               build the peer's benchmark, which `bench` and `bench simulate` then run beside ours
  bench stream [--gb N]    import a generated stream of N gigabytes (default 1); print its peak memory
  fuzz [FORMAT] [--seconds N]
                           fuzz one importer, `detect` or `ndjson`, or all of them (60 s each; needs nightly)
  kernels                  compile the GPU kernels with NVRTC, which is fetched from PyPI, and interpret them
  data DIR                 derive data/ from a folder with the public sources
  reports [--check]        make every report and figure from data/; --check only says whether they are fresh
  serve [--port N]         serve the built dist/ on loopback
";

fn main() -> ExitCode {
    let command = match args::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("error: {error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command) -> anyhow::Result<()> {
    let shell = shell::Shell::open()?;
    match command {
        Command::Help => print!("{USAGE}"),
        Command::Paper { port } => paper::run(&shell, *port)?,
        Command::Site => site::run(&shell)?,
        Command::Test { browser, keep_going } => test::run(&shell, *browser, *keep_going)?,
        Command::Tidy => tidy::run(&shell)?,
        Command::Tools { browser } => tools::run(&shell, *browser)?,
        Command::Bench { browser } => bench::run(&shell, *browser)?,
        Command::BenchImports => bench::imports(&shell)?,
        Command::BenchPeer => bench::build_peer(&shell)?,
        Command::BenchSimulate { plot } => bench::simulator(&shell, plot.as_deref())?,
        Command::BenchStream { gigabytes } => bench::stream(&shell, *gigabytes)?,
        Command::Fuzz { what, seconds } => fuzz::run(&shell, what.as_deref(), *seconds)?,
        Command::Kernels => kernels::test(&shell)?,
        Command::Data { raw } => reports::data(&shell, raw)?,
        Command::Reports { check } => reports::run(&shell, *check)?,
        Command::Serve { port } => serve::run(&shell.root.join("dist"), *port)?,
    }
    Ok(())
}
