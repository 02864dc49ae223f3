//! What leaves the program: results on standard output, prose on standard error, files that appear
//! whole or not at all.

use anyhow::Context;
use atr_core::trace::Session;
use atr_core::trace::ndjson::{self, Header};
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Writes a result to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn emit(text: &str) -> io::Result<()> {
    emit_bytes(text.as_bytes())
}

/// Writes bytes to standard output.
///
/// # Errors
/// When standard output cannot be written.
pub(crate) fn emit_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a value as pretty JSON to standard output.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn emit_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(emit(&text)?)
}

/// Says something on standard error. That nobody listens there is no failure.
pub(crate) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says how far the work is, where somebody watches.
pub(crate) fn progress(text: impl Display) {
    if io::stderr().is_terminal() {
        note(text);
    }
}

/// Whether standard output may be emphasised.
pub(crate) fn emphasis() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether the reader of a pipe went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

/// Files that are being written; an interrupt removes them.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished(change: impl FnOnce(&mut Vec<PathBuf>)) {
    if let Ok(mut paths) = UNFINISHED.lock() {
        change(&mut paths);
    }
}

/// Ctrl-C removes half-written files and ends with 130, as shells expect.
pub(crate) fn end_cleanly_on_interrupt() {
    // Without a handler the system's own applies, which ends the program too.
    let _ = ctrlc::set_handler(|| {
        unfinished(|paths| {
            for path in paths.drain(..) {
                let _ = fs::remove_file(path);
            }
        });
        note("interrupted");
        std::process::exit(130);
    });
}

/// Checks that a file can be written, before work is done for it. Nothing is left behind.
///
/// # Errors
/// When it cannot be made, or is a folder.
pub(crate) fn check_writable(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(!path.is_dir(), "cannot write `{}`: it is a folder", path.display());
    // A pipe or a device is opened once, when there is something to write.
    if path.exists() && !path.is_file() {
        return Ok(());
    }
    OutFile::create(path).map(drop)
}

/// A file that is written beside its place and moved there when it is whole; gzip when its name
/// ends so, standard output when it is `-`. Dropped unfinished, it leaves nothing behind.
pub(crate) struct OutFile {
    to: PathBuf,
    beside: Option<PathBuf>,
    sink: Sink,
}

enum Sink {
    Out(BufWriter<io::Stdout>),
    Plain(BufWriter<File>),
    Gz(GzEncoder<BufWriter<File>>),
}

impl OutFile {
    /// Opens it.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            let sink = Sink::Out(BufWriter::new(io::stdout()));
            return Ok(OutFile { to: path.to_owned(), beside: None, sink });
        }
        // What is there and is no plain file, such as a pipe or a device, is written to, never replaced.
        if path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir()) {
            let file = File::options().write(true).open(path);
            let file = file.with_context(|| format!("cannot write `{}`", path.display()))?;
            let sink = Sink::Plain(BufWriter::with_capacity(1 << 16, file));
            return Ok(OutFile { to: path.to_owned(), beside: None, sink });
        }
        let name = path.file_name().with_context(|| format!("`{}` is not a file name", path.display()))?;
        let mut part = name.to_owned();
        part.push(".part");
        let beside = path.with_file_name(part);
        let file = File::create(&beside).with_context(|| format!("cannot write `{}`", path.display()))?;
        unfinished(|paths| paths.push(beside.clone()));
        let buffered = BufWriter::with_capacity(1 << 16, file);
        let sink = if path.extension().is_some_and(|end| end == "gz") {
            Sink::Gz(GzBuilder::new().mtime(0).operating_system(255).write(buffered, Compression::best()))
        } else {
            Sink::Plain(buffered)
        };
        Ok(OutFile { to: path.to_owned(), beside: Some(beside), sink })
    }

    /// Standard output, but only when the file is finished: until then it waits in a file of its own.
    ///
    /// # Errors
    /// When that file cannot be made.
    pub(crate) fn held() -> anyhow::Result<Self> {
        let beside = std::env::temp_dir().join(format!("atr-bench-{}.part", std::process::id()));
        let cannot = || format!("cannot write `{}`", beside.display());
        // Whatever stands there already is somebody else's.
        let file =
            File::options().read(true).write(true).create_new(true).open(&beside).with_context(cannot)?;
        unfinished(|paths| paths.push(beside.clone()));
        let sink = Sink::Plain(BufWriter::with_capacity(1 << 16, file));
        Ok(OutFile { to: PathBuf::from("-"), beside: Some(beside), sink })
    }

    /// Where it will be.
    pub(crate) fn to(&self) -> &Path {
        &self.to
    }

    /// Ends the file and moves it to its place.
    ///
    /// # Errors
    /// When the last bytes cannot be written or the file cannot be moved.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        match &mut self.sink {
            // A finished packer has nothing left to flush but the file below it.
            Sink::Gz(gz) => {
                gz.try_finish()?;
                gz.get_mut().flush()?;
            }
            other => other.flush()?,
        }
        if let (Sink::Plain(held), true) = (&mut self.sink, self.to == Path::new("-")) {
            held.rewind()?;
            io::copy(held.get_mut(), &mut io::stdout().lock())?;
            // Dropped, it goes away.
            return Ok(());
        }
        if let Some(beside) = &self.beside {
            fs::rename(beside, &self.to).with_context(|| format!("cannot write `{}`", self.to.display()))?;
        }
        self.forget();
        Ok(())
    }

    fn forget(&mut self) -> Option<PathBuf> {
        let beside = self.beside.take()?;
        unfinished(|paths| paths.retain(|path| *path != beside));
        Some(beside)
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Some(beside) = self.forget() {
            let _ = fs::remove_file(beside);
        }
    }
}

impl Write for OutFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sink.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Out(out) => out.write(bytes),
            Sink::Plain(file) => file.write(bytes),
            Sink::Gz(gz) => gz.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::Out(out) => out.flush(),
            Sink::Plain(file) => file.flush(),
            Sink::Gz(gz) => gz.flush(),
        }
    }
}

/// Writes a whole text file at once.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut file = OutFile::create(path)?;
    file.write_all(text.as_bytes())?;
    file.finish()
}

/// Writes a set as NDJSON.
///
/// # Errors
/// Those of the writer.
pub(crate) fn set<'a>(
    out: &mut dyn Write,
    header: &Header,
    sessions: impl IntoIterator<Item = &'a Session>,
) -> io::Result<()> {
    ndjson::write(out, header, sessions)
}

/// Packed bytes that depend on nothing but what is written.
///
/// # Errors
/// Those of `write`.
pub(crate) fn gzip(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut packer = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    {
        let mut buffered = BufWriter::with_capacity(1 << 16, &mut packer);
        write(&mut buffered)?;
        buffered.flush()?;
    }
    packer.finish()
}
