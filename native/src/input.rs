//! Files of any kind to sessions: folders, standard input, gzip, formats told by content.
//!
//! A file that cannot be used does not end the work: it is named in [`Imported::skipped`] and the
//! others go on. Only when nothing is left does reading fail, with the reason of the first.

use crate::tokens;
use anyhow::{Context, bail};
use atr_core::import::tokens::TokenCounter;
use atr_core::import::{
    HEAD_BYTES, IMPORTERS, ImportError, Imported, Importer, Skipped, Source, by_name, detect, without_mark,
};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How files are read.
pub(crate) struct ReadOptions {
    /// The format's name; detected from content where there is none.
    pub(crate) format: Option<String>,
    /// Counts tokens where a source has no counts.
    pub(crate) counter: Box<dyn TokenCounter>,
    /// Whether texts are kept beside the sessions.
    pub(crate) keep_text: bool,
    /// Whether sessions that equal an earlier one are left out.
    pub(crate) dedup: bool,
}

impl Default for ReadOptions {
    /// Detected format, the default tokenizer, no texts, duplicates kept and marked.
    fn default() -> Self {
        let counter = tokens::load(tokens::DEFAULT).unwrap_or_else(|_| {
            // Not reachable while the default is in the table; bytes are the next best.
            Box::new(atr_core::import::tokens::BytesPerToken::default())
        });
        ReadOptions { format: None, counter, keep_text: false, dedup: false }
    }
}

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 32;
/// Bytes that begin a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Bytes that begin a Parquet file.
const PARQUET: &[u8] = b"PAR1";

/// Reads files, folders (recursively, in name order) and `-` for standard input.
///
/// # Errors
/// When a path does not exist, the format's name is unknown, or no session could be read.
pub(crate) fn read(paths: &[PathBuf], options: &ReadOptions) -> anyhow::Result<Imported> {
    let forced = options.format.as_deref().map(by_name).transpose()?;
    let files = files(paths)?;
    let mut into = Imported::default();
    let stop = Stop::default();
    let alone = |path: &Path| {
        let mut into = Imported::default();
        read_into(path, forced, options, &stop, &mut into);
        into
    };
    each(&files, alone).into_iter().for_each(|file| into.append(file));
    if into.sessions.is_empty() {
        bail!(nothing(paths, &files, &into.skipped));
    }
    into.finish();
    if options.dedup {
        into.drop_duplicates();
    }
    Ok(into)
}

/// Ends a reading that nobody waits for any more.
#[derive(Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    /// From now on every reader fails.
    pub(crate) fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A reader that may be told to stop.
struct Stoppable<'a> {
    input: Box<dyn Read>,
    stop: &'a Stop,
}

impl Read for Stoppable<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.0.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for the rest"));
        }
        self.input.read(buffer)
    }
}

/// The files of all paths, folders unfolded in name order.
///
/// # Errors
/// When a path cannot be read.
pub(crate) fn files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, 0, &mut files)?;
    }
    Ok(files)
}

/// Does `work` for every file, on all cores, and gives the results in the order of the files.
pub(crate) fn each<T: Send>(files: &[PathBuf], work: impl Fn(&Path) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    let worker = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.get(place) else { break };
            let result = work(path);
            if let Ok(mut done) = done.lock() {
                done.push((place, result));
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    std::thread::scope(|scope| {
        (1..workers).for_each(|_| drop(scope.spawn(worker)));
        worker();
    });
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Adds what one file holds. One that cannot be used at all is named as skipped.
pub(crate) fn read_into(
    path: &Path,
    forced: Option<&'static dyn Importer>,
    options: &ReadOptions,
    stop: &Stop,
    into: &mut Imported,
) {
    if let Err(error) = read_file(path, forced, options, stop, into) {
        let (file, why) = match error {
            ImportError::Malformed { file, why } => (file, why),
            other => (name(path), without_file(&other, &name(path))),
        };
        into.leave_out(Skipped { file, why });
    }
}

/// The files of a path, in name order.
fn collect(path: &Path, depth: usize, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if path == Path::new("-") {
        files.push(path.to_owned());
        return Ok(());
    }
    let cannot = || format!("{}: cannot be read", path.display());
    let meta = std::fs::metadata(path).with_context(cannot)?;
    if !meta.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    if depth > MAX_DEPTH {
        bail!("{}: more than {MAX_DEPTH} folders deep", path.display());
    }
    let entries = std::fs::read_dir(path).with_context(cannot)?;
    let mut inside =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>().with_context(cannot)?;
    inside.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    inside.sort();
    for path in inside {
        collect(&path, depth + 1, files)?;
    }
    Ok(())
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// An importer's message without the file in front of it, which the caller adds.
fn without_file(error: &ImportError, file: &str) -> String {
    let text = error.to_string();
    let text = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
    match error {
        ImportError::Unknown { .. } => format!("{text}; `--format NAME` reads it as one of them anyway"),
        _ => text.to_owned(),
    }
}

/// Why a Parquet file is not read.
fn parquet() -> String {
    let known: Vec<&str> = IMPORTERS.iter().map(|importer| importer.name()).collect();
    format!(
        "found Parquet, which is only written (`import --to parquet`), expected one of: {}",
        known.join(", ")
    )
}

/// Reads one file.
fn read_file(
    path: &Path,
    forced: Option<&'static dyn Importer>,
    options: &ReadOptions,
    stop: &Stop,
    into: &mut Imported,
) -> Result<(), ImportError> {
    let file = name(path);
    let failed = |error: io::Error| ImportError::Malformed {
        file: file.clone(),
        why: format!("cannot be read: {error}"),
    };
    let raw: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).map_err(failed)?)
    };
    let mut raw = BufReader::with_capacity(1 << 16, Stoppable { input: raw, stop });
    let gzip = raw.fill_buf().map_err(failed)?.starts_with(&GZIP);
    let unpacked: Box<dyn Read + '_> = if gzip { Box::new(MultiGzDecoder::new(raw)) } else { Box::new(raw) };
    let (head, mut rest) = behead(unpacked);
    if head.is_empty() {
        // Nothing came: because there is nothing, or because unpacking failed at once.
        let _nothing: usize = rest.read(&mut [0]).map_err(failed)?;
    }
    if head.starts_with(PARQUET) {
        return Err(ImportError::Malformed { file, why: parquet() });
    }
    let text = without_mark(&head);
    let source = Source { name: &file, counter: options.counter.as_ref(), keep_text: options.keep_text };
    let importer = match forced {
        Some(importer) => importer,
        None => detect(&file, text)?,
    };
    if into.format.is_empty() {
        into.format = importer.name();
    }
    let mut input = BufReader::with_capacity(1 << 16, Cursor::new(text).chain(rest));
    importer.read(&mut input, &source, into)
}

/// Reads the beginning, and gives back what brings the rest. An error in the beginning comes again
/// where it stood.
fn behead<'a>(mut input: Box<dyn Read + 'a>) -> (Vec<u8>, Box<dyn Read + 'a>) {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    match input.by_ref().take(HEAD_BYTES as u64).read_to_end(&mut head) {
        Ok(_) => (head, input),
        Err(error) => (head, Box::new(Broken(Some(error)))),
    }
}

/// A reader that gives an error once and then ends.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Paths as an error names them.
pub(crate) fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| name(path)).collect::<Vec<_>>().join(", ")
}

/// Why nothing was left.
pub(crate) fn nothing(paths: &[PathBuf], files: &[PathBuf], skipped: &[Skipped]) -> String {
    let shown = shown(paths);
    match skipped.first() {
        None => format!("{shown}: no file in it, expected at least one trace"),
        Some(first) if files.len() == 1 => format!("{}: {}", first.file, first.why),
        Some(first) => format!(
            "{shown}: none of the {} files holds a readable trace; the first: {}: {}",
            files.len(),
            first.file,
            first.why
        ),
    }
}
