//! From sessions to foreign formats: one file per format behind one small trait.
//!
//! Exporters are pure: they write documents that somebody else opens. What a format cannot hold is
//! counted and named in [`Exported::lost`], so that nothing goes missing silently.

mod atif;
mod blocks;
mod kv_cache_tester;
pub mod lost;
mod mooncake;

use crate::trace::{Session, Transcript};
use std::io::{self, Write};

/// What is exported, and how.
pub struct Set<'a> {
    /// The sessions.
    pub sessions: &'a [Session],
    /// Texts of some of them, found by id; empty where nobody asked for texts.
    pub transcripts: &'a [Transcript],
    /// Tokens of a block, for formats that leave the choice; each has a default.
    pub block_tokens: Option<u32>,
}

/// Where documents go: each to a file of its own, or all to one.
pub trait Documents {
    /// Begins a document of that name, which is made of letters, digits, `.`, `_` and `-`. What was
    /// begun before it is whole.
    ///
    /// # Errors
    /// Those of the place it goes to.
    fn begin(&mut self, name: &str) -> io::Result<&mut dyn Write>;
}

/// All documents one after another. Each ends with the end of a line.
pub struct Together<'a>(pub &'a mut dyn Write);

impl Documents for Together<'_> {
    fn begin(&mut self, _: &str) -> io::Result<&mut dyn Write> {
        Ok(self.0)
    }
}

/// Something that a format cannot hold, and how often it stood in the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Lost {
    /// What it is, in the plural.
    pub what: &'static str,
    /// How many.
    pub count: u64,
}

/// What came of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Exported {
    /// Sessions written.
    pub sessions: u64,
    /// Their calls.
    pub calls: u64,
    /// Documents begun.
    pub documents: u64,
    /// What was left out.
    pub lost: Vec<Lost>,
}

impl Exported {
    /// Counts what was left out; nothing of it is not worth a word.
    pub fn lose(&mut self, what: &'static str, count: u64) {
        match self.lost.iter_mut().find(|lost| lost.what == what) {
            _ if count == 0 => {}
            Some(lost) => lost.count += count,
            None => self.lost.push(Lost { what, count }),
        }
    }
}

/// Why an export gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The documents could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
    /// The format has blocks of another size, or none.
    #[error("blocks of {asked} tokens do not fit the format `{format}`, expected {expected}")]
    Block {
        /// The format.
        format: &'static str,
        /// What was asked for.
        asked: u32,
        /// What it takes.
        expected: String,
    },
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        ExportError::Write(error.into())
    }
}

/// One foreign format.
pub trait Exporter: Sync {
    /// Name on the command line.
    fn name(&self) -> &'static str;
    /// One line for help texts.
    fn about(&self) -> &'static str;
    /// How names of its files end.
    fn ending(&self) -> &'static str;
    /// Whether it has room for texts.
    fn holds_texts(&self) -> bool {
        false
    }
    /// Writes the sessions that fit the format.
    ///
    /// # Errors
    /// When a document cannot be written or the block size does not fit.
    fn write(&self, set: &Set<'_>, to: &mut dyn Documents) -> Result<Exported, ExportError>;
}

/// All exporters.
pub const EXPORTERS: &[&dyn Exporter] = &[&atif::Atif, &kv_cache_tester::KvCacheTester, &mooncake::Mooncake];

/// The exporter called `name`.
pub fn by_name(name: &str) -> Option<&'static dyn Exporter> {
    EXPORTERS.iter().find(|exporter| exporter.name() == name).copied()
}

/// Microseconds in another unit: a whole number where it is one, so that what was read comes out as it
/// was.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
enum Amount {
    Whole(u64),
    Part(f64),
}

impl Amount {
    /// `us` in units of `per` microseconds.
    fn of(us: u64, per: u64) -> Self {
        if us.is_multiple_of(per) { Amount::Whole(us / per) } else { Amount::Part(us as f64 / per as f64) }
    }
}
