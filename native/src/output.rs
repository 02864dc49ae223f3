//! Writing results: packed files that are the same byte for byte, and a standard output that may end
//! before we do.

use atr_core::trace::Session;
use atr_core::trace::ndjson::{self, Header};
use flate2::{Compression, GzBuilder};
use std::io::{self, BufWriter, Write};
use std::path::Path;

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

/// The bytes of a file: packed if its name ends in `.gz`, with no time stamp in it.
///
/// # Errors
/// Those of `write`.
pub(crate) fn pack(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "gz") {
        gzip(write)
    } else {
        let mut bytes = Vec::new();
        write(&mut bytes)?;
        Ok(bytes)
    }
}

/// Packed bytes that depend on nothing but what is written.
///
/// # Errors
/// Those of `write`.
pub(crate) fn gzip(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Vec<u8>> {
    let mut packer =
        GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    {
        let mut buffered = BufWriter::with_capacity(1 << 16, &mut packer);
        write(&mut buffered)?;
        buffered.flush()?;
    }
    packer.finish()
}

/// Writes to standard output. A reader that goes away early is no error.
///
/// # Errors
/// Those of the writer, a closed pipe excepted.
pub(crate) fn stdout(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
