//! Our own file format: a header line, then one session a line.

use super::lines::Lines;
use super::{SCHEMA, Session, validate};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, Write};

/// Where a set comes from and how it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Name and version of the format.
    pub schema: String,
    /// Short name of the set.
    pub name: String,
    /// Where the raw data was published.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Its revision there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// Licence of the raw data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub licence: String,
    /// The command that derived the set.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// `real` or `synthetic`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

impl Header {
    /// A header with the current schema and a name.
    pub fn named(name: &str) -> Self {
        Header { schema: SCHEMA.to_owned(), name: name.to_owned(), ..Header::default() }
    }
}

/// Writes a set.
///
/// # Errors
/// Those of the writer.
pub fn write<'a>(
    out: &mut dyn Write,
    header: &Header,
    sessions: impl IntoIterator<Item = &'a Session>,
) -> io::Result<()> {
    serde_json::to_writer(&mut *out, header)?;
    out.write_all(b"\n")?;
    sessions.into_iter().try_for_each(|session| write_session(out, session))
}

/// Writes one more session behind the header.
///
/// # Errors
/// Those of the writer.
pub fn write_session(out: &mut dyn Write, session: &Session) -> io::Result<()> {
    serde_json::to_writer(&mut *out, session)?;
    out.write_all(b"\n")
}

/// Why a file is not a trace of ours, or a line of it not a session.
#[derive(Debug, thiserror::Error)]
pub enum Malformed {
    /// The file could not be read on, or a line of it is no line of text.
    #[error("line {line}: {source}")]
    Read {
        /// Where.
        line: u64,
        /// Why.
        source: io::Error,
        /// Whether there may be good lines behind it.
        goes_on: bool,
    },
    /// The first line is no header.
    #[error("line 1: expected a header with `\"schema\":\"{SCHEMA}\"`, found {found}")]
    Header {
        /// What stands there.
        found: String,
    },
    /// The header is that of another version of the format.
    #[error("line 1: found the schema {found}, expected `{SCHEMA}`, the version that this program reads")]
    Version {
        /// What it says it is.
        found: String,
    },
    /// A line is no session.
    #[error("line {line}: expected a session, {source}")]
    Json {
        /// Where.
        line: u64,
        /// Why.
        source: serde_json::Error,
    },
    /// A session breaks a rule.
    #[error("line {line}: session `{id}`: {source}")]
    Invalid {
        /// Where.
        line: u64,
        /// Which.
        id: String,
        /// Why.
        source: super::Invalid,
    },
}

/// Reads a set line by line. The iterator goes on after a bad line.
pub struct Reader<'a> {
    lines: Lines<'a>,
    ended: bool,
}

impl<'a> Reader<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// When the first line is not a header of this format.
    pub fn open(input: &'a mut dyn BufRead) -> Result<(Header, Self), Malformed> {
        let mut lines = Lines::new(input);
        let line = match lines.next_line() {
            Ok(line) => line.unwrap_or_default(),
            Err(source) => {
                return Err(Malformed::Read { line: lines.number(), source, goes_on: lines.goes_on() });
            }
        };
        // Another version may have another header.
        let version = serde_json::from_slice(line).ok().map(|Version { schema }| schema);
        if let Some(other) = version.filter(|schema| schema != SCHEMA && is_trace(schema)) {
            return Err(Malformed::Version { found: excerpt(&other) });
        }
        let header: Header = serde_json::from_slice(line)
            .map_err(|_| Malformed::Header { found: excerpt(&String::from_utf8_lossy(line)) })?;
        if header.schema != SCHEMA {
            return Err(Malformed::Header { found: format!("schema {}", excerpt(&header.schema)) });
        }
        Ok((header, Reader { lines, ended: false }))
    }
}

/// What every version of a header has.
#[derive(Deserialize)]
struct Version {
    schema: String,
}

/// Whether a schema is a version of this format.
pub fn is_trace(schema: &str) -> bool {
    let digits = schema.strip_prefix("atr-trace/");
    digits.is_some_and(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A session from one line.
fn session(line: u64, text: &[u8]) -> Result<Session, Malformed> {
    let session: Session = serde_json::from_slice(text).map_err(|source| Malformed::Json { line, source })?;
    match validate(&session) {
        Ok(()) => Ok(session),
        Err(source) => Err(Malformed::Invalid { line, id: session.id, source }),
    }
}

impl Iterator for Reader<'_> {
    type Item = Result<Session, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.lines.next_line() {
            Ok(Some(_)) => Some(session(self.lines.number(), self.lines.line())),
            Ok(None) => {
                self.ended = true;
                None
            }
            Err(source) => {
                let goes_on = self.lines.goes_on();
                self.ended = !goes_on;
                Some(Err(Malformed::Read { line: self.lines.number(), source, goes_on }))
            }
        }
    }
}

/// The beginning of a text, short enough for an error message.
pub fn excerpt(text: &str) -> String {
    const LIMIT: usize = 40;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return "an empty line".to_owned();
    }
    let mut short: String = line.chars().take(LIMIT).collect();
    if line.chars().nth(LIMIT).is_some() {
        short.push('…');
    }
    format!("`{short}`")
}
