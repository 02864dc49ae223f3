//! `atr-bench import`: any readable trace to this project's own NDJSON, or to a format of others.

use crate::args::ReadArgs;
use crate::export::{self, ExportArgs};
use crate::input::ReadOptions;
use crate::output::{self, OutFile};
use crate::stream;
use crate::words::count;
use anyhow::Context;
use atr_core::export::{Exported, Exporter};
use atr_core::import::Imported;
use atr_core::trace::ndjson::{self, Header};
use atr_core::trace::{Mark, Session};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    read: ReadArgs,
    /// JSON object that says of session ids whether the task was solved.
    #[arg(long, value_name = "FILE")]
    resolved: Option<PathBuf>,
    /// Where to write; packed if the name ends in .gz; with `--to`, a folder takes a file a document.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Name of the set.
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    export: ExportArgs,
}

/// What an import came to.
#[derive(Debug, Default, Serialize)]
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
    /// Counts one session.
    pub(crate) fn add(&mut self, session: &Session) {
        self.sessions += 1;
        self.calls += session.calls.len() as u64;
        self.prompt_tokens += session.prompt_tokens();
        self.output_tokens += session.output_tokens();
        self.duplicates += u64::from(session.has(Mark::Duplicate));
    }

    /// Adds what is known of the import once it is over.
    pub(crate) fn complete(&mut self, imported: &Imported) {
        let reasons = imported.skipped.iter().take(MAX_REASONS);
        self.format = imported.format;
        self.unknown_keys = imported.unknown_keys;
        self.skipped = imported.skipped_count();
        self.skipped_why = reasons.map(|skipped| format!("{}: {}", skipped.file, skipped.why)).collect();
    }
}

/// Runs the command. With `json` a summary goes to standard output, and the set only to a file.
///
/// # Errors
/// When nothing could be read, or the result cannot be written.
pub(crate) fn run(args: &ImportArgs, json: bool) -> anyhow::Result<ExitCode> {
    let options = args.read.options()?;
    let resolved = args.resolved.as_deref().map(Solved::read).transpose()?;
    if let Some(format) = args.export.format()? {
        return run_export(args, format, options, resolved.as_ref(), json);
    }
    // With neither a file nor standard output to write to, sessions are only counted.
    let to = args.out.as_deref().or((!json).then_some(Path::new("-")));
    let (mut out, mut source) = (None, None);
    let mut summary = Summary::default();
    let imported = stream::read(&args.read.files, &options, |given, mut session| {
        source = source.take().or(given);
        if args.read.dedup && session.has(Mark::Duplicate) {
            return Ok(());
        }
        if let Some(resolved) = &resolved {
            resolved.mark(&mut session);
        }
        summary.add(&session);
        let Some(to) = to else { return Ok(()) };
        if out.is_none() {
            out = Some(begin(args, to, source.take())?);
        }
        out.as_mut().map_or(Ok(()), |out| Ok(ndjson::write_session(out, &session)?))
    })?;
    // A file that is not finished goes away.
    args.read.check(&imported)?;
    // Where every session is a duplicate, the set is an empty one.
    let empty = || to.map(|to| begin(args, to, source)).transpose();
    out.map_or_else(empty, |out| Ok(Some(out)))?.map(OutFile::finish).transpose()?;
    summary.complete(&imported);
    if json {
        output::emit_json(&summary)?;
    }
    tell(&summary);
    Ok(ExitCode::SUCCESS)
}

/// What an export came to: the import before it, and what was written.
#[derive(Serialize)]
struct Written {
    #[serde(flatten)]
    summary: Summary,
    /// The format that was written.
    to: &'static str,
    exported: Exported,
}

/// The same with `--to`: nothing is streamed, because formats order and join what they hold.
fn run_export(
    args: &ImportArgs,
    format: &dyn Exporter,
    options: ReadOptions,
    resolved: Option<&Solved>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let mark = |imported: &mut Imported| {
        args.read.check(imported)?;
        if let Some(resolved) = resolved {
            imported.sessions.iter_mut().for_each(|session| resolved.mark(session));
        }
        Ok(())
    };
    let to = (args.out.as_deref(), json);
    let (imported, exported) = export::run(format, &args.export, &args.read.files, options, mark, to)?;
    let mut summary = Summary::default();
    imported.sessions.iter().for_each(|session| summary.add(session));
    summary.complete(&imported);
    tell(&summary);
    if json {
        output::emit_json(&Written { summary, to: format.name(), exported })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the set's file and writes its header. With `--strict` standard output, too, gets all or nothing.
fn begin(args: &ImportArgs, to: &Path, source: Option<Header>) -> anyhow::Result<OutFile> {
    let held = args.read.strict && to == Path::new("-");
    let mut out = if held { OutFile::held()? } else { OutFile::create(to)? };
    ndjson::write(&mut out, &header(args, source), [])?;
    Ok(out)
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
        "{}: {}, {}, {}, {}; {}, {} skipped, {} dropped",
        summary.format,
        count(summary.sessions, "session"),
        count(summary.calls, "call"),
        count(summary.prompt_tokens, "prompt token"),
        count(summary.output_tokens, "output token"),
        count(summary.duplicates, "duplicate"),
        count(summary.skipped, "record"),
        count(summary.unknown_keys, "unknown key"),
    );
}

/// The header of the new set. A single file of our own format keeps its provenance.
fn header(args: &ImportArgs, given: Option<Header>) -> Header {
    let named = |name: &str| Header { command: "atr-bench import".to_owned(), ..Header::named(name) };
    let mut header = given.unwrap_or_else(|| named(&default_name(args)));
    if let Some(name) = &args.name {
        header.name.clone_from(name);
    }
    header
}

/// The set's name where none is given: that of the output, else of the first input, without endings.
fn default_name(args: &ImportArgs) -> String {
    let path =
        args.out.as_deref().or(args.read.files.first().map(PathBuf::as_path)).unwrap_or(Path::new("set"));
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    if stem.is_empty() || stem == "-" { "set".to_owned() } else { stem.to_owned() }
}

/// Which tasks were solved, by the ids of their sessions.
pub(crate) struct Solved(BTreeMap<String, bool>);

impl Solved {
    /// Reads the file.
    ///
    /// # Errors
    /// When the file cannot be read or is no object of true and false.
    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let shown = file.display();
        let bytes = std::fs::read(file).with_context(|| format!("{shown}: cannot be read"))?;
        let solved = serde_json::from_slice(&bytes)
            .with_context(|| format!("{shown}: expected a JSON object of session ids to true or false"))?;
        Ok(Solved(solved))
    }

    /// Notes what is known of a session.
    pub(crate) fn mark(&self, session: &mut Session) {
        if let Some(&solved) = self.0.get(&session.id) {
            let unknown = || atr_core::import::exit::ending("");
            session.outcome.get_or_insert_with(unknown).resolved = Some(solved);
        }
    }
}
