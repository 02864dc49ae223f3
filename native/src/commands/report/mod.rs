//! `report`: the committed reports and figures, made from the bundled sets, or checked against what
//! would be made.

mod dispatch;
mod failures;
mod made;
mod make;
mod plan;
mod probe;
mod set;
mod shapes;
mod svg;

use crate::args::WrongCall;
use crate::output;
use crate::words::count;
use anyhow::Context;
use atr_core::report::Kind;
use made::Made;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// Arguments of `report`.
#[derive(clap::Args, Debug)]
pub(crate) struct ReportArgs {
    /// Kinds of reports to make: policies, sweep, race, published, shapes, failures, dispatch; probe draws the figures
    /// of the probes that lie in the folder.
    #[arg(value_name = "KIND", value_parser = kind)]
    kinds: Vec<Kind>,
    /// Make all of them.
    #[arg(long, conflicts_with = "kinds")]
    all: bool,
    /// Folder of the bundled sets.
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    data: PathBuf,
    /// Folder of the reports.
    #[arg(long, value_name = "FOLDER", default_value = "reports")]
    out: PathBuf,
    /// Write nothing; fail if a file differs from what would be made.
    #[arg(long)]
    check: bool,
}

fn kind(text: &str) -> Result<Kind, String> {
    let found = Kind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| format!("expected one of: {}", Kind::ALL.map(Kind::name).join(", ")))
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    /// `written` or `checked`.
    done: &'static str,
    files: Vec<String>,
    stale: Vec<String>,
    wall_ms: f64,
}

/// Makes or checks.
///
/// # Errors
/// When a set is missing, a report cannot be made or written, or a checked file is stale.
pub(crate) fn run(args: &ReportArgs, json: bool) -> anyhow::Result<ExitCode> {
    if args.kinds.is_empty() && !args.all {
        let why = format!(
            "no kind is named, expected `--all` or some of: {}",
            Kind::ALL.map(Kind::name).join(", ")
        );
        return Err(WrongCall(why).into());
    }
    let kinds = if args.all { Kind::ALL.to_vec() } else { args.kinds.clone() };
    let begun = Instant::now();
    let mut made = Vec::new();
    for kind in kinds {
        output::progress(format_args!("making {}", kind.name()));
        make::reports(kind, &args.data, &args.out, &mut made)?;
    }
    let stale = if args.check { stale(&args.out, &made)? } else { Vec::new() };
    if !args.check {
        write(&args.out, &made)?;
    }
    let wall_ms = begun.elapsed().as_secs_f64() * 1e3;
    let done = if args.check { "checked" } else { "written" };
    if json {
        let files = made.into_iter().map(|file| file.path).collect();
        output::emit_json(&Answer { done, files, stale: stale.clone(), wall_ms })?;
    } else {
        let mut text: String = made.iter().map(|file| format!("{}\n", file.path)).collect();
        text.push_str(&format!("{} {done}: {}\n", count(made.len() as u64, "file"), args.out.display()));
        output::emit(&text)?;
    }
    for path in &stale {
        output::note(format_args!(
            "stale: {}: differs from what is made from `{}`",
            args.out.join(path).display(),
            args.data.display()
        ));
    }
    Ok(if stale.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Files that differ from what was made, or are missing.
fn stale(out: &Path, made: &[Made]) -> anyhow::Result<Vec<String>> {
    let mut stale = Vec::new();
    for file in made {
        let path = out.join(&file.path);
        match fs::read_to_string(&path) {
            Ok(found) if found == file.text => {}
            Ok(_) => stale.push(file.path.clone()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => stale.push(file.path.clone()),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }
    Ok(stale)
}

fn write(out: &Path, made: &[Made]) -> anyhow::Result<()> {
    for file in made {
        let path = out.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        }
        output::write_file(&path, &file.text)?;
    }
    Ok(())
}
