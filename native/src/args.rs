//! What commands are told alike: which traces to read, and what makes a call wrong.

use crate::input::{self, ReadOptions};
use crate::{output, tokens, words};
use atr_core::import::{ImportError, Imported};
use atr_core::policy::ScenarioError;
use std::path::PathBuf;

/// Which files to read, and how.
#[derive(clap::Args, Debug)]
pub(crate) struct ReadArgs {
    /// Files or folders; `-` is standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Read every file as this format instead of detecting it.
    #[arg(long, value_name = "NAME")]
    pub(crate) format: Option<String>,
    /// Counts tokens where a source does not: a vocabulary, `bytes/N` or a `tokenizer.json`.
    #[arg(long, value_name = "NAME|FILE", default_value = tokens::DEFAULT)]
    pub(crate) tokenizer: String,
    /// Fail, and write nothing, if any record had to be skipped.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Drop sessions that equal an earlier one.
    #[arg(long)]
    pub(crate) dedup: bool,
}

impl ReadArgs {
    /// The same as options of a reader.
    ///
    /// # Errors
    /// When there is no such tokenizer.
    pub(crate) fn options(&self) -> anyhow::Result<ReadOptions> {
        Ok(ReadOptions {
            format: self.format.clone(),
            counter: tokens::load(&self.tokenizer).map_err(|error| WrongCall(format!("{error:#}")))?,
            keep_text: false,
            dedup: self.dedup,
        })
    }

    /// Whether what was read may be used.
    ///
    /// # Errors
    /// When a record was skipped and `--strict` is given.
    pub(crate) fn check(&self, imported: &Imported) -> anyhow::Result<()> {
        let Some(first) = imported.skipped.first().filter(|_| self.strict) else { return Ok(()) };
        let count = words::count(imported.skipped_count(), "skipped record");
        anyhow::bail!("{count} and `--strict` is given; the first: {}: {}", first.file, first.why)
    }
}

/// Which traces to use.
#[derive(clap::Args, Debug)]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) read: ReadArgs,
    /// Use the session of this id only; may be given several times.
    #[arg(long, value_name = "ID")]
    pub(crate) session: Vec<String>,
    /// Use the first N sessions only.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
}

impl InputArgs {
    /// Reads the traces; skipped records are named on standard error.
    ///
    /// # Errors
    /// When nothing good is left, or a record was skipped and `--strict` is given.
    pub(crate) fn read(&self) -> anyhow::Result<Imported> {
        let mut imported = input::read(&self.read.files, &self.read.options()?)?;
        for skipped in imported.skipped.iter().take(SKIPPED_SHOWN) {
            output::note(format_args!("skipped: {}: {}", skipped.file, skipped.why));
        }
        let more = imported.skipped_count().saturating_sub(SKIPPED_SHOWN as u64);
        if more > 0 {
            output::note(format_args!("skipped: {more} more"));
        }
        self.read.check(&imported)?;
        let known = |id: &&String| imported.sessions.iter().any(|session| session.id == **id);
        if let Some(missing) = self.session.iter().find(|id| !known(id)) {
            let (all, first) = (imported.sessions.len() as u64, imported.sessions.first());
            let first = first.map_or("", |session| session.id.as_str()).escape_debug();
            anyhow::bail!(
                "no session is called `{missing}`; the first of {} is `{first}`",
                words::count(all, "session")
            );
        }
        if !self.session.is_empty() {
            imported.sessions.retain(|session| self.session.contains(&session.id));
        }
        anyhow::ensure!(!imported.sessions.is_empty(), "no session is left, expected at least one");
        if let Some(limit) = self.limit {
            imported.sessions.truncate(limit as usize);
        }
        Ok(imported)
    }
}

/// How many skipped records are named one by one.
const SKIPPED_SHOWN: usize = 10;

/// A call that cannot be carried out as written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct WrongCall(pub(crate) String);

/// Whether an error is the caller's: exit code 2.
pub(crate) fn is_wrong_call(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let scenario = cause.downcast_ref::<ScenarioError>();
        cause.is::<WrongCall>()
            || scenario.is_some_and(|error| *error != ScenarioError::NoSessions)
            || matches!(cause.downcast_ref::<ImportError>(), Some(ImportError::NoSuchFormat { .. }))
    })
}
