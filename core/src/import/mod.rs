//! From foreign files to sessions: one file per format behind one small trait.
//!
//! Importers are pure: they read bytes that somebody else opened. A bad record is skipped, counted
//! and named; what was good before it is kept. Unknown keys are dropped and counted, because they
//! may hold content.

#[macro_use]
mod otherwise;
#[macro_use]
mod record;

mod atif;
mod atr;
mod azure;
mod bailian;
mod blocks;
mod burstgpt;
mod chat;
mod claude_code;
mod csv;
mod dialogue;
mod documents;
pub mod exit;
mod flag;
mod head;
mod held;
mod imported;
mod json;
mod known;
mod kv_cache_tester;
mod list;
mod lmcache;
mod mini_swe_agent;
mod mooncake;
mod names;
mod openai_log;
mod openhands;
mod otel;
mod repeat;
mod stamp;
mod swe_agent;
pub mod tokens;
mod vllm_log;
mod when;

use crate::trace::Session;
pub use imported::{HASHED_IDS, Imported, MAX_REASONS, Sink, Skipped};
use std::io::BufRead;
use tokens::TokenCounter;

/// What an importer is told besides the bytes.
pub struct Source<'a> {
    /// Name of the file without its folder: becomes the session's id where the file has none.
    pub name: &'a str,
    /// Counts tokens of text where the source has no counts.
    pub counter: &'a dyn TokenCounter,
    /// Whether the caller wants texts too (the inspector on a dropped file).
    pub keep_text: bool,
}

/// Moves the ids that are numbers of one file, so that they mean nothing of another file. Hashes mean
/// the same everywhere.
fn shift_ids(session: &mut Session, base: u64) {
    for segment in session.segments.iter_mut().filter(|segment| segment.id < HASHED_IDS) {
        segment.id += base;
    }
}

/// Puts every string of a session through the lists of names.
pub(crate) fn keep_known_names(session: &mut Session) {
    atr::keep_known_names(session);
}

/// Why a whole file gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// Nothing in it.
    #[error("{file}: the file is empty, expected a trace")]
    Empty {
        /// The file.
        file: String,
    },
    /// No importer knows it.
    #[error("{file}: no known trace format; found {found}, expected one of: {known}")]
    Unknown {
        /// The file.
        file: String,
        /// How it begins.
        found: String,
        /// The formats.
        known: String,
    },
    /// The named format does not exist.
    #[error("unknown format `{name}`, expected one of: {known}")]
    NoSuchFormat {
        /// What was asked for.
        name: String,
        /// The formats.
        known: String,
    },
    /// The bytes end early or are not what the format says.
    #[error("{file}: {why}")]
    Malformed {
        /// The file.
        file: String,
        /// What was expected and what was found, with its place.
        why: String,
    },
}

/// One foreign format.
pub trait Importer: Sync {
    /// Name on the command line and in [`Session::source`].
    fn name(&self) -> &'static str;
    /// One line for help texts.
    fn about(&self) -> &'static str;
    /// Whether a file that begins with `head` (up to 64 KiB) is of this format.
    fn detect(&self, head: &[u8]) -> bool;
    /// Reads a file and adds its sessions to `into`. Chunks are not folded yet.
    ///
    /// # Errors
    /// When nothing of the file can be used. Single bad records go to `into.skipped` instead.
    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError>;
}

/// Makes one list of importers into what can read, and what can only say what there is to read: a program
/// that names the formats need not carry them.
macro_rules! registry {
    ($($importer:expr),* $(,)?) => {
        /// All importers, in the order in which they are asked to detect.
        pub const IMPORTERS: &[&dyn Importer] = &[$(&$importer),*];

        /// The names of all formats, each with a line about it.
        pub fn formats() -> Vec<(&'static str, &'static str)> {
            vec![$(($importer.name(), $importer.about())),*]
        }
    };
}

registry![
    atr::Atr,
    kv_cache_tester::KvCacheTester,
    mini_swe_agent::MiniSweAgent,
    swe_agent::SweAgent,
    claude_code::ClaudeCode,
    openhands::OpenHands,
    mooncake::Mooncake,
    bailian::Bailian,
    azure::Azure,
    burstgpt::BurstGpt,
    lmcache::LmCache,
    otel::OpenTelemetry,
    openai_log::OpenAiLog,
    vllm_log::VllmLog,
    atif::Atif,
];

/// The importer of our own format alone.
pub fn own() -> &'static dyn Importer {
    &atr::Atr
}

/// How many bytes of a file an importer may look at to detect its format.
pub const HEAD_BYTES: usize = 64 * 1024;

fn known() -> String {
    IMPORTERS.iter().map(|importer| importer.name()).collect::<Vec<_>>().join(", ")
}

/// The bytes behind a UTF-8 byte-order mark, where text begins with one: no format has it, some editors
/// write it. Whoever opens a file does this before an importer sees any of it.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The importer called `name`.
///
/// # Errors
/// When there is none.
pub fn by_name(name: &str) -> Result<&'static dyn Importer, ImportError> {
    IMPORTERS
        .iter()
        .find(|importer| importer.name() == name)
        .copied()
        .ok_or_else(|| ImportError::NoSuchFormat { name: name.to_owned(), known: known() })
}

/// The importer for a file that begins with `head`.
///
/// # Errors
/// When the file is empty or no importer knows it.
pub fn detect(file: &str, head: &[u8]) -> Result<&'static dyn Importer, ImportError> {
    if head.iter().all(u8::is_ascii_whitespace) {
        return Err(ImportError::Empty { file: file.to_owned() });
    }
    IMPORTERS.iter().find(|importer| importer.detect(head)).copied().ok_or_else(|| ImportError::Unknown {
        file: file.to_owned(),
        found: describe_head(head),
        known: known(),
    })
}

/// What the beginning of an unknown file looks like, without repeating its content at length.
fn describe_head(head: &[u8]) -> String {
    if head.starts_with(&[0x1f, 0x8b]) {
        return "gzip data".to_owned();
    }
    if head.iter().take(512).any(|byte| *byte == 0) {
        return "binary data".to_owned();
    }
    crate::trace::ndjson::excerpt(&String::from_utf8_lossy(head))
}

/// Reads one file that lies in memory, detecting its format.
///
/// # Errors
/// Those of [`detect`] and of the importer.
pub fn read_bytes(bytes: &[u8], source: &Source<'_>) -> Result<Imported, ImportError> {
    let bytes = without_mark(bytes);
    let importer = detect(source.name, &bytes[..bytes.len().min(HEAD_BYTES)])?;
    let mut into = Imported::default();
    into.format = importer.name();
    let mut input = bytes;
    importer.read(&mut input, source, &mut into)?;
    into.finish();
    Ok(into)
}
