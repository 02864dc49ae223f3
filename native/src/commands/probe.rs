//! `probe`: measures on an NVIDIA GPU what a latency profile needs.

use crate::args::WrongCall;
use crate::commands::doctor::missing;
use crate::gpu::cuda::Cuda;
use crate::gpu::device::{About, Device};
use crate::gpu::sizes::{Build, Half};
use crate::output;
use crate::probe::measure::{self, Bench};
use crate::probe::plan::{Extent, Plan};
use crate::probe::report::{Found, readable, report};
use crate::probe::shape::Shape;
use crate::probe::step::{Model, Weights};
use crate::probe::{check, clocks, config, fit, peaks, room};
use crate::profile;
use anyhow::Context;
use atr_core::report::{Checked, Probe, Report, join_numbers};
use atr_core::serve::latency::{FittedFrom, Profile};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Longest line that numbers are joined to.
const WIDTH: usize = 110;

/// Arguments of `probe`.
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Takes about half a minute for Qwen3-4B on an H200 by the rates that are expected of it, longer for other \
                        models and on lesser cards; `--thorough` takes four times as long. Weights are random: times are \
                        real, nothing is said of any text. Needs an NVIDIA GPU, its driver, NVRTC and cuBLASLt; `atr-bench \
                        doctor` says which of them are here."
)]
pub(crate) struct ProbeArgs {
    /// The model: `qwen3-4b`, `qwen3-8b`, a `config.json`, or a folder with one.
    #[arg(long, value_name = "NAME|PATH", default_value = "qwen3-4b")]
    model: String,
    /// Numbers of the weights: `bf16`, `fp16`, or `w4` (four bits, activations in bf16).
    #[arg(long, value_name = "NAME", default_value = "bf16", value_parser = ["bf16", "fp16", "w4"])]
    dtype: String,
    /// Where to write the report.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to write the fitted profile.
    #[arg(long, value_name = "FILE")]
    profile_out: Option<PathBuf>,
    /// Name of the fitted profile; default: the GPU's, the model's and the numbers' with `-probed` behind them.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Measure few points, in seconds.
    #[arg(long)]
    quick: bool,
    /// Measure more and longer prompts, and each point 15 times however long it takes.
    #[arg(long, conflicts_with = "quick")]
    thorough: bool,
    /// Which GPU.
    #[arg(long, value_name = "N", default_value_t = 0)]
    gpu: u16,
    /// The day, as profiles and reports say it; default: today by the system's clock.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = super::calibrate::date)]
    date: Option<String>,
}

/// Measures, fits and says what came out.
///
/// # Errors
/// When the call is wrong, there is no GPU or no CUDA, a kernel computes something else than it should, or a file cannot be
/// written.
pub(crate) fn run(args: &ProbeArgs, json: bool) -> anyhow::Result<ExitCode> {
    if let Some(name) = &args.name {
        profile::check_name(name)?;
    }
    let shape = shape(&args.model)?;
    let (half, weights) = match args.dtype.as_str() {
        "fp16" => (Half::Fp16, Weights::Half),
        "w4" => (Half::Bf16, Weights::Four),
        _ => (Half::Bf16, Weights::Half),
    };
    let (dim, group) = (u32::try_from(shape.dim)?, u32::try_from(shape.heads / shape.kv_heads)?);
    let build = Build { half, dim, group };
    build.check().map_err(|error| WrongCall(format!("{}: {error}", shape.name)))?;
    if weights == Weights::Four {
        shape.check_packed().map_err(|error| WrongCall(error.to_string()))?;
    }
    try_files(args)?;
    let missing = missing();
    anyhow::ensure!(
        missing.is_empty(),
        "a probe needs what is not here: {}; `atr-bench doctor` says where it was looked for",
        missing.join(", ")
    );
    let mut cuda = Cuda::open(i32::from(args.gpu), build)?;
    let about = cuda.about().clone();
    let before = seen(&about.bus_id);
    output::progress("checking every kernel");
    let mut checks = check::kernels(&mut cuda, build)?;
    refuse_wrong(&checks)?;
    let mut plan = Plan::new(extent(args), shape.context);
    let copy = measure::copy(&mut cuda, &build, &plan)?;
    plan.cut(&mut cuda, &shape, weights).with_context(|| shape.name.clone())?;
    let model = Model::new(&mut cuda, &shape, weights, &plan.limits()).with_context(|| {
        let gb = |bytes: f64| format!("{:.1} GB", bytes / 1e9);
        let (weights, memory) = (room::weight_bytes(&shape, weights), about.memory_bytes as f64);
        format!("{}, weights of {}, on a GPU with {}", shape.name, gb(weights), gb(memory))
    })?;
    output::progress(format_args!("{}: pages for {} tokens", shape.name, model.kv_tokens()));
    let of_timed = check::timed(&mut cuda, &model, build, &plan)?;
    refuse_wrong(&of_timed)?;
    checks.extend(of_timed);
    let mut bench = Bench { device: &mut cuda, model: &model, build, plan: &plan };
    let mut results = bench.run(copy)?;
    output::progress("looking at the clocks under load");
    let under_load = clocks::under_load(&mut bench, &about.bus_id).unwrap_or_else(|error| {
        results.left_out.push(format!("clocks under load: {error:#}"));
        None
    });
    // What spoils a context fails all that is asked behind it.
    let answers =
        cuda.run(&[]).context("the GPU failed while it was measured; only what was timed before stands");
    let date = args.date.clone().unwrap_or_else(today);
    let seen = [before, seen(&about.bus_id)];
    let found = Found {
        about: about.clone(),
        seen,
        under_load,
        shape: shape.clone(),
        weights,
        dtype: args.dtype.clone(),
        checks,
        results,
    };
    let report = report(found, super::calibrate::command(), date);
    say(args, json, &report)?;
    answers?;
    finish(args, &report, &shape, weights, &about)
}

fn extent(args: &ProbeArgs) -> Extent {
    match (args.quick, args.thorough) {
        (true, _) => Extent::Quick,
        (_, true) => Extent::Thorough,
        _ => Extent::Usual,
    }
}

/// Tries the files whose refusal would lose a run at its end.
fn try_files(args: &ProbeArgs) -> anyhow::Result<()> {
    [&args.out, &args.profile_out].into_iter().flatten().try_for_each(|path| output::check_writable(path))
}

/// Nothing is timed where a kernel is wrong: it may leave out what takes the time.
fn refuse_wrong(checks: &[Checked]) -> anyhow::Result<()> {
    let wrong = checks.iter().filter(|check| !check.good).map(|check| {
        let error = check.error.map_or("no number".to_owned(), |error| format!("{error:.1e}"));
        format!("{} (error {error}, limit {:.0e})", check.what, check.limit)
    });
    let wrong = wrong.collect::<Vec<String>>().join(", ");
    anyhow::ensure!(
        wrong.is_empty(),
        "computed otherwise than by the reference, so nothing is timed: {wrong}"
    );
    Ok(())
}

/// Says the report, then writes it: what was measured is to be seen even where the file can no longer be written.
fn say(args: &ProbeArgs, json: bool, report: &Report<Probe>) -> anyhow::Result<()> {
    let said = if json {
        output::emit_json(report)
    } else {
        output::emit(&readable(report)).map_err(anyhow::Error::from)
    };
    if let Some(out) = &args.out {
        output::write_file(out, &report.to_json()?)?;
    }
    said
}

/// Writes the profile, where it was asked for.
fn finish(
    args: &ProbeArgs,
    report: &Report<Probe>,
    shape: &Shape,
    weights: Weights,
    about: &About,
) -> anyhow::Result<ExitCode> {
    let Some(out) = &args.profile_out else { return Ok(ExitCode::SUCCESS) };
    let made = made(args, report, shape, weights, about)?;
    let text = join_numbers(&serde_json::to_string_pretty(&made)?, WIDTH);
    Profile::from_json(&text).context("the fitted profile")?;
    output::write_file(out, &text)?;
    output::note(format_args!("wrote {} (probed) to {}", made.name, out.display()));
    Ok(ExitCode::SUCCESS)
}

fn made(
    args: &ProbeArgs,
    report: &Report<Probe>,
    shape: &Shape,
    weights: Weights,
    about: &About,
) -> anyhow::Result<Profile> {
    let Probe { fit, no_fit, dtype, gpu: seen, .. } = &report.body;
    let fit = fit
        .clone()
        .with_context(|| format!("no fit, so no profile: {}", no_fit.as_deref().unwrap_or("no points")))?;
    let peaks = peaks::stated(&about.name).unwrap_or_else(|| peaks::measured(about, &report.body.results));
    let clocks_of = |said: &Option<String>| said.clone().unwrap_or_else(|| "clocks not known".to_owned());
    let machine = report.provenance.machine.as_ref().map(|machine| {
        let load = seen.under_load.as_ref().map(clocks::words);
        let [load, before, after] = [&load, &seen.before, &seen.after].map(clocks_of);
        format!("{machine}; under load: {load}; before: {before}; after: {after}")
    });
    let from = FittedFrom {
        command: report.provenance.command.clone(),
        machine,
        date: report.provenance.created.clone(),
    };
    let name = args.name.clone().unwrap_or_else(|| default_name(&peaks.gpu.name, &shape.name, dtype));
    profile::check_name(&name)?;
    Ok(fit::profile(&name, peaks, shape, (weights, dtype), about, fit, from))
}

/// A profile's name, whatever the GPU and the model are called: at most 80 of the characters that names may have.
fn default_name(gpu: &str, model: &str, dtype: &str) -> String {
    let plain = |text: &str, most: usize| {
        let kept = text
            .to_ascii_lowercase()
            .replace(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_', "-");
        let parts: Vec<&str> = kept.split('-').filter(|part| !part.is_empty()).collect();
        parts.join("-").chars().take(most).collect::<String>().trim_end_matches('-').to_owned()
    };
    let parts = [plain(gpu, 33), plain(model, 33), dtype.to_owned(), "probed".to_owned()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<String>>().join("-")
}

fn shape(model: &str) -> anyhow::Result<Shape> {
    if let Some(shape) = Shape::by_name(model) {
        return Ok(shape);
    }
    let path = Path::new(model);
    if !path.exists() {
        let why = format!(
            "`--model` is `{model}`, expected `qwen3-4b`, `qwen3-8b`, a `config.json` or a folder with one"
        );
        return Err(WrongCall(why).into());
    }
    config::read(path).with_context(|| model.to_owned())
}

/// What `nvidia-smi` says of the GPU now, where it is there.
fn seen(bus_id: &str) -> Option<String> {
    let fields = "driver_version,clocks.sm,clocks.max.sm,clocks.mem,power.draw,temperature.gpu";
    let said = clocks::ask(bus_id, fields)?;
    let pairs = fields.split(',').zip(said.split(", ")).map(|(field, value)| format!("{field} {value}"));
    Some(pairs.collect::<Vec<String>>().join(", "))
}

/// Today in UTC, by days since 1970 (the civil calendar's rule of four hundred years).
fn today() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    civil(since.as_secs() / 86_400)
}

fn civil(days: u64) -> String {
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_names_are_names() {
        assert_eq!(default_name("NVIDIA H200", "Qwen3-4B", "bf16"), "nvidia-h200-qwen3-4b-bf16-probed");
        assert_eq!(default_name("NVIDIA L4", "Qwen3(4B)", "w4"), "nvidia-l4-qwen3-4b-w4-probed");
        let long = default_name(&"Größe 9/".repeat(20), &"x".repeat(200), "bf16");
        for name in [long.as_str(), &default_name("", "漢", "fp16")] {
            assert!(profile::check_name(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn days_are_dates() {
        assert_eq!([civil(0), civil(11_016), civil(19_782)], ["1970-01-01", "2000-02-29", "2024-02-29"]);
        assert_eq!(civil(20_454), "2026-01-01");
    }
}
