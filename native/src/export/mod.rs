//! Sessions to other people's formats: those of the core, and Parquet.

mod columns;
pub(crate) mod outcomes;
mod parquet;
mod places;

use crate::args::WrongCall;
use crate::input::{self, ReadOptions};
use crate::output::{self, OutFile};
use anyhow::{bail, ensure};
use atr_core::export::{Documents, EXPORTERS, ExportError, Exported, Exporter, Lost, Set, Together};
use atr_core::figure::units::grouped;
use atr_core::import::Imported;
use places::Folder;
use std::path::{Path, PathBuf};

/// Arguments of an export.
#[derive(clap::Args, Debug)]
pub(crate) struct ExportArgs {
    /// Write this format instead. What it cannot hold is counted and named; a session that does not
    /// fit it is left out, as single requests of a log are from atif, whose documents are agents' runs.
    #[arg(long, value_name = "FORMAT", value_parser = names())]
    to: Option<String>,
    /// With `--to mooncake`: tokens of a block.
    #[arg(long, value_name = "TOKENS", requires = "to")]
    block: Option<u32>,
    /// With `--to atif`: keep the texts of messages.
    #[arg(long, requires = "to")]
    with_text: bool,
}

/// Every format that can be written.
fn formats() -> impl Iterator<Item = &'static dyn Exporter> {
    EXPORTERS.iter().copied().chain([&parquet::Parquet as &dyn Exporter])
}

fn names() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(formats().map(Exporter::name))
}

impl ExportArgs {
    /// The format that is asked for, if another than our own.
    ///
    /// # Errors
    /// When it cannot hold what is asked for.
    pub(crate) fn format(&self) -> Result<Option<&'static dyn Exporter>, WrongCall> {
        let Some(name) = &self.to else { return Ok(None) };
        let found = formats().find(|format| format.name() == name.as_str());
        match found {
            Some(format) if self.with_text && !format.holds_texts() => {
                Err(WrongCall(format!("`{name}` has no room for texts: leave out `--with-text`")))
            }
            found => Ok(found),
        }
    }
}

/// Reads `files` and writes them as `format`: each document to a file of its own where `out` is a
/// folder, else all to one file, or to standard output. With `out` absent and `quiet` nothing is written.
///
/// # Errors
/// Those of `change`, and when nothing could be read, nothing of it fits the format, or the result cannot be written.
pub(crate) fn run(
    format: &dyn Exporter,
    args: &ExportArgs,
    files: &[PathBuf],
    options: ReadOptions,
    change: impl FnOnce(&mut Imported) -> anyhow::Result<()>,
    (out, quiet): (Option<&Path>, bool),
) -> anyhow::Result<(Imported, Exported)> {
    let options = ReadOptions { keep_text: args.with_text, ..options };
    let mut imported = input::read(files, &options)?;
    change(&mut imported)?;
    let set =
        Set { sessions: &imported.sessions, transcripts: &imported.transcripts, block_tokens: args.block };
    let exported = match out {
        Some(path) if is_folder(path) => {
            let mut folder = Folder::new(path, format.ending())?;
            let exported = write(format, &set, &mut folder)?;
            folder.finish()?;
            exported
        }
        None if quiet => write(format, &set, &mut Together(&mut std::io::sink()))?,
        out => {
            let mut file = OutFile::create(out.unwrap_or(Path::new("-")))?;
            let exported = write(format, &set, &mut Together(&mut file))?;
            file.finish()?;
            exported
        }
    };
    for lost in &exported.lost {
        output::note(format_args!("not in `{}`: {}", format.name(), named(lost)));
    }
    Ok((imported, exported))
}

/// Whether each document shall have a file of its own.
fn is_folder(path: &Path) -> bool {
    let named = path.as_os_str().as_encoded_bytes().last().is_some_and(|end| *end == b'/' || *end == b'\\');
    path.is_dir() || named
}

/// What was lost, and how often.
fn named(lost: &Lost) -> String {
    format!("{} ({})", lost.what, grouped(lost.count))
}

fn write(format: &dyn Exporter, set: &Set<'_>, to: &mut dyn Documents) -> anyhow::Result<Exported> {
    let exported = match format.write(set, to) {
        Err(ExportError::Write(error)) => bail!(error),
        Err(error) => bail!(WrongCall(error.to_string())),
        Ok(exported) => exported,
    };
    let why = exported.lost.iter().map(named).collect::<Vec<_>>();
    ensure!(exported.sessions > 0, "no session fits `{}`: {}", format.name(), why.join(", "));
    Ok(exported)
}
