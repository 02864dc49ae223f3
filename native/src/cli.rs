//! The command line as types: what may be asked.

use crate::commands::{
    advise, calibrate, completions, data, doctor, import, inspect, probe, report, simulate, sweep, synth,
};
use clap::CommandFactory;

/// Simulate, measure and explain what agents cost to serve.
#[derive(clap::Parser, Debug)]
#[command(
    name = "atr-bench",
    version,
    about = "Traces of LLM agents in; what serving policies do with them out",
    after_help = "Every FILE may be a trace of any importable format, a folder of such files, or `-` for standard \
                  input; `.gz` is unpacked.\nExit codes: 0 success, 1 the work failed, 2 the call was wrong.",
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Print machine-readable JSON on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The command line with values that may begin with a minus: a negative number is refused as a number, not as a flag
/// that nobody knows.
pub(crate) fn command() -> clap::Command {
    fn taking_numbers(command: clap::Command) -> clap::Command {
        let taking = |arg: clap::Arg| {
            let value = !arg.is_positional() && arg.get_action().takes_values();
            arg.allow_negative_numbers(value)
        };
        command.mut_args(taking).mut_subcommands(taking_numbers)
    }
    taking_numbers(Cli::command())
}

/// The commands.
#[derive(clap::Subcommand, Debug)]
pub(crate) enum Command {
    /// Turn traces of any importable format into this project's own.
    Import(import::ImportArgs),
    /// Say what is in a trace: sessions, tokens, and how much of the prompts a cache could find.
    Inspect(inspect::InspectArgs),
    /// Make sessions that are like those of a real set, or fit a profile to one.
    Synth(synth::SynthArgs),
    /// Replay a trace on a simulated cluster under each serving policy.
    Simulate(simulate::SimulateArgs),
    /// Say what to turn on first for a trace, and how much memory and how many replicas it needs.
    Advise(advise::AdviseArgs),
    /// Simulate a whole grid of set-ups on all cores, or on many machines.
    Sweep(sweep::SweepArgs),
    /// Fit a latency profile to what happened to the calls of a trace.
    Calibrate(calibrate::CalibrateArgs),
    /// Measure on an NVIDIA GPU what a latency profile needs.
    Probe(probe::ProbeArgs),
    /// Make the committed reports and figures from the bundled sets, or check them.
    Report(report::ReportArgs),
    /// Derive the bundled sets from their public sources.
    Data(data::DataArgs),
    /// Say what is on this machine, and what each command would need.
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
}
