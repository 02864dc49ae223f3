//! Files that are read as one set: each by its own content, in the order that they come in.

use super::Held;
use crate::protocol::{SessionRow, SetView};
use crate::words;
use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{HEAD_BYTES, ImportError, Imported, Importer, Source, without_mark};
use atr_core::report::SetRef;
use atr_core::trace::{Session, Transcript};
use std::collections::{BTreeMap, BTreeSet};

/// Skipped records that are named one by one; the rest is counted.
const NAMED_SKIPS: usize = 20;

/// Finds the importer for a file by its name and its head.
pub type Detect = fn(&str, &[u8]) -> Result<&'static dyn Importer, ImportError>;

/// Knows our own format alone.
///
/// # Errors
/// When it is another one.
pub fn detect_own(file: &str, head: &[u8]) -> Result<&'static dyn Importer, ImportError> {
    let own = atr_core::import::own();
    let why = || format!("expected a trace in the format `{}`", own.name());
    own.detect(head)
        .then_some(own)
        .ok_or_else(|| ImportError::Malformed { file: file.to_owned(), why: why() })
}

/// A set in the making.
pub struct Reading {
    set: SetRef,
    detect: Detect,
    keep_text: bool,
    into: Imported,
    formats: Vec<(String, u64)>,
    bytes: u64,
    /// Files that gave nothing or broke off, each with its name and the reason.
    failed: Vec<String>,
}

impl Reading {
    /// Nothing read yet. With `keep_text` the set will hold texts where its files do.
    pub fn new(set: SetRef, detect: Detect, keep_text: bool) -> Self {
        let into = Imported::default();
        Reading { set, detect, keep_text, into, formats: Vec::new(), bytes: 0, failed: Vec::new() }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds what a file holds. A file that cannot be used leaves what was read before as it is.
    ///
    /// # Errors
    /// When nothing of the file can be used.
    pub fn add(&mut self, file: &str, bytes: &[u8]) -> Result<(), ImportError> {
        let name = file.strip_suffix(".gz").unwrap_or(file);
        let text = without_mark(bytes);
        let importer = (self.detect)(name, &text[..text.len().min(HEAD_BYTES)])?;
        let mut alone = Imported::default();
        alone.format = importer.name();
        let counter = BytesPerToken::default();
        // Sessions are called by the file alone, wherever it lay.
        let short = name.rsplit('/').next().unwrap_or(name);
        let source = Source { name: short, counter: &counter, keep_text: self.keep_text };
        let mut input = text;
        importer.read(&mut input, &source, &mut alone)?;
        if alone.accepted() == 0 {
            let why = alone.skipped.first().map_or("it holds no session", |skip| &skip.why).to_owned();
            return Err(ImportError::Malformed { file: file.to_owned(), why });
        }
        match self.formats.iter_mut().find(|(format, _)| format == importer.name()) {
            Some((_, files)) => *files += 1,
            None => self.formats.push((importer.name().to_owned(), 1)),
        }
        self.bytes += bytes.len() as u64;
        self.into.append(alone);
        Ok(())
    }

    /// Notes a file that cannot be used, or not to its end; `why` begins with its name.
    pub fn fail(&mut self, why: String) {
        self.failed.push(why);
    }

    /// The set.
    ///
    /// # Errors
    /// When no file held a session; says why the first did not.
    pub fn finish(mut self) -> Result<Held, String> {
        self.into.finish();
        let mut sessions = std::mem::take(&mut self.into.sessions);
        if sessions.is_empty() {
            let more = match self.failed.len() {
                0 | 1 => String::new(),
                files => format!(" (and {} more)", words::plural(files as u64 - 1, "file")),
            };
            let first = self.failed.into_iter().next();
            return Err(first.unwrap_or_else(|| "it holds no session".to_owned()) + &more);
        }
        let texts = pair(&sessions, std::mem::take(&mut self.into.transcripts));
        tell_apart(&mut sessions);
        let view = self.view(&sessions, &texts);
        Ok(Held { set: self.set, sessions, texts, view })
    }

    fn view(&self, sessions: &[Session], texts: &[Option<Transcript>]) -> SetView {
        let counts_from: BTreeSet<&str> =
            sessions.iter().map(|session| session.counts_from.as_str()).collect();
        let records = self.into.skipped.iter().map(|skip| format!("{}: {}", skip.file, skip.why));
        let skips = self.failed.iter().cloned().chain(records).take(NAMED_SKIPS);
        SetView {
            set: self.set.name.clone(),
            file: self.set.title.clone(),
            path: self.set.path.clone(),
            formats: self.formats.clone(),
            counts_from: counts_from.into_iter().map(str::to_owned).collect(),
            bytes: self.bytes,
            took_ms: 0.0,
            sessions: sessions.iter().map(row).collect(),
            skipped: (self.into.skipped_count() + self.failed.len() as u64, skips.collect()),
            unknown_keys: self.into.unknown_keys,
            has_identity: sessions.iter().any(|one| one.calls.iter().any(|call| !call.prompt.is_empty())),
            with_text: texts.iter().flatten().count() as u64,
        }
    }
}

/// Texts beside their sessions. Both are in file order; some sources have none.
fn pair(sessions: &[Session], texts: Vec<Transcript>) -> Vec<Option<Transcript>> {
    let mut texts = texts.into_iter().peekable();
    sessions.iter().map(|session| texts.next_if(|text| text.id == session.id)).collect()
}

/// Files may call their sessions alike: a number behind the name tells the later ones apart.
fn tell_apart(sessions: &mut [Session]) {
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    for session in sessions {
        let mut name = session.id.clone();
        while let Some(seen) = taken.get_mut(&name) {
            *seen += 1;
            name = format!("{}-{seen}", session.id);
        }
        taken.insert(name.clone(), 1);
        session.id = name;
    }
}

fn row(session: &Session) -> SessionRow {
    SessionRow {
        id: session.id.clone(),
        calls: session.calls.len() as u64,
        turns: session.turns(),
        prompt_tokens: session.prompt_tokens(),
        output_tokens: session.output_tokens(),
        longest: session.calls.iter().map(|call| u64::from(call.prompt_tokens)).max().unwrap_or(0),
        marks: session.marks.clone(),
        resolved: session.outcome.as_ref().and_then(|outcome| outcome.resolved),
    }
}
