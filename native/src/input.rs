//! Reading traces from files.

use atr_core::import::tokens::TokenCounter;
use atr_core::import::{self, Imported, Source};
use std::io::Read;
use std::path::PathBuf;

/// How to read.
pub struct ReadOptions {
    /// Forced format.
    pub format: Option<String>,
    /// Counts tokens of text.
    pub counter: Box<dyn TokenCounter>,
    /// Keep texts.
    pub keep_text: bool,
    /// Drop duplicates.
    pub dedup: bool,
}

/// Reads files.
pub fn read(paths: &[PathBuf], options: &ReadOptions) -> anyhow::Result<Imported> {
    let mut all = Imported::default();
    for path in paths {
        use anyhow::Context;
        let name = path.display().to_string();
        let mut bytes = std::fs::read(path).with_context(|| format!("cannot read `{name}`"))?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
            bytes = plain;
        }
        let source = Source { name: &name, counter: &*options.counter, keep_text: options.keep_text };
        if let Some(format) = &options.format {
            import::by_name(format)?;
        }
        if bytes.starts_with(b"{\"schema\":\"atr-trace/1\"") {
            let mut slice = bytes.as_slice();
            let (_, reader) = atr_core::trace::ndjson::Reader::open(&mut slice)?;
            for session in reader {
                match session {
                    Ok(session) => all.sessions.push(session),
                    Err(why) => all.skip(&source, why),
                }
            }
            all.folded = true;
        } else {
            let one = import::read_bytes(&bytes, &source)?;
            all.sessions.extend(one.sessions);
            all.skipped.extend(one.skipped);
            all.format = one.format;
        }
    }
    if options.dedup {
        all.sessions.retain(|s| !s.has(atr_core::trace::Mark::Duplicate));
    }
    Ok(all)
}
