//! `atr-bench import`: any readable trace to this project's own NDJSON.

use crate::args::WrongCall;
use crate::input::{self, ReadOptions};
use crate::output::{self, OutFile};
use crate::tokens;
use anyhow::Context;
use atr_core::import::Imported;
use atr_core::trace::Mark;
use atr_core::trace::ndjson::Header;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Files, folders, or `-` for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The format, where it shall not be detected from content
    #[arg(long)]
    format: Option<String>,
    /// Counts tokens where the source has none: a vocabulary, `bytes/N`, or a tokenizer.json
    #[arg(long, default_value = tokens::DEFAULT)]
    tokenizer: String,
    /// JSON object that says of session ids whether the task was solved
    #[arg(long, value_name = "FILE")]
    resolved: Option<PathBuf>,
    /// Leave out sessions that equal an earlier one
    #[arg(long)]
    dedup: bool,
    /// Fail if anything had to be skipped
    #[arg(long)]
    strict: bool,
    /// Where to write; packed if the name ends in .gz
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Name of the set
    #[arg(long)]
    name: Option<String>,
}

/// What an import came to.
#[derive(Debug, Serialize)]
pub(crate) struct Summary {
    /// The format of the first file.
    pub(crate) format: &'static str,
    /// Sessions kept.
    pub(crate) sessions: u64,
    /// Their calls.
    pub(crate) calls: u64,
    /// Prompt tokens of all calls.
    pub(crate) prompt_tokens: u64,
    /// Output tokens of all calls.
    pub(crate) output_tokens: u64,
    /// Sessions that equal an earlier one.
    pub(crate) duplicates: u64,
    /// Keys of the source that nobody knows; they were dropped.
    pub(crate) unknown_keys: u64,
    /// Records left out.
    pub(crate) skipped: u64,
    /// The first of them, with their reasons.
    pub(crate) skipped_why: Vec<String>,
}

/// Most reasons that a summary lists.
const MAX_REASONS: usize = 20;

impl Summary {
    /// Counts an import.
    pub(crate) fn of(imported: &Imported) -> Self {
        let sessions = &imported.sessions;
        let reasons = imported.skipped.iter().take(MAX_REASONS);
        Summary {
            format: imported.format,
            sessions: sessions.len() as u64,
            calls: sessions.iter().map(|session| session.calls.len() as u64).sum(),
            prompt_tokens: sessions.iter().map(atr_core::trace::Session::prompt_tokens).sum(),
            output_tokens: sessions.iter().map(atr_core::trace::Session::output_tokens).sum(),
            duplicates: sessions.iter().filter(|session| session.has(Mark::Duplicate)).count() as u64,
            unknown_keys: imported.unknown_keys,
            skipped: imported.skipped.len() as u64,
            skipped_why: reasons.map(|skipped| format!("{}: {}", skipped.file, skipped.why)).collect(),
        }
    }
}

/// Runs the command. With `json` a summary goes to standard output, and the set only to a file.
///
/// # Errors
/// When nothing could be read, or the result cannot be written.
pub(crate) fn run(args: &ImportArgs, json: bool) -> anyhow::Result<ExitCode> {
    let options = ReadOptions {
        format: args.format.clone(),
        counter: tokens::load(&args.tokenizer).map_err(|error| WrongCall(format!("{error:#}")))?,
        keep_text: false,
        dedup: args.dedup,
    };
    let mut imported = input::read(&args.files, &options)?;
    if let Some(file) = &args.resolved {
        resolve(&mut imported, file)?;
    }
    let summary = Summary::of(&imported);
    let header = header(args, &imported);
    if let Some(path) = &args.out {
        let mut file = OutFile::create(path)?;
        output::set(&mut file, &header, &imported.sessions)?;
        file.finish()?;
    } else if !json {
        output::stdout(|out| output::set(out, &header, &imported.sessions))?;
    }
    if json {
        output::emit_json(&summary)?;
    }
    tell(&summary);
    Ok(if args.strict && summary.skipped > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Says on standard error what came out.
#[expect(clippy::print_stderr, reason = "prose goes to standard error")]
fn tell(summary: &Summary) {
    for why in &summary.skipped_why {
        eprintln!("skipped: {why}");
    }
    let more = summary.skipped.saturating_sub(summary.skipped_why.len() as u64);
    if more > 0 {
        eprintln!("skipped: {more} more");
    }
    eprintln!(
        "{}: {} sessions, {} calls, {} prompt tokens, {} output tokens; {} duplicates, {} skipped, {} unknown keys dropped",
        summary.format,
        summary.sessions,
        summary.calls,
        summary.prompt_tokens,
        summary.output_tokens,
        summary.duplicates,
        summary.skipped,
        summary.unknown_keys,
    );
}

/// The header of the new set. Files of our own format keep their provenance if there is one only.
fn header(args: &ImportArgs, imported: &Imported) -> Header {
    let named = |name: &str| Header { command: "atr-bench import".to_owned(), ..Header::named(name) };
    let mut header = match imported.headers.as_slice() {
        [only] => only.clone(),
        _ => named(&default_name(args)),
    };
    if let Some(name) = &args.name {
        header.name.clone_from(name);
    }
    header
}

/// The set's name where none is given: that of the output, else of the first input, without endings.
fn default_name(args: &ImportArgs) -> String {
    let path = args.out.as_deref().or(args.files.first().map(PathBuf::as_path)).unwrap_or(Path::new("set"));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() || stem == "-" { "set".to_owned() } else { stem.to_owned() }
}

/// Notes which tasks were solved.
///
/// # Errors
/// When the file cannot be read or is no object of true and false.
pub(crate) fn resolve(imported: &mut Imported, file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    let bytes = std::fs::read(file).with_context(|| format!("{shown}: cannot be read"))?;
    let resolved: BTreeMap<String, bool> = serde_json::from_slice(&bytes)
        .with_context(|| format!("{shown}: expected a JSON object of session ids to true or false"))?;
    for session in &mut imported.sessions {
        if let Some(&solved) = resolved.get(&session.id) {
            let unknown = || atr_core::import::exit::ending("");
            session.outcome.get_or_insert_with(unknown).resolved = Some(solved);
        }
    }
    Ok(())
}
