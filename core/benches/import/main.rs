//! Bytes a second of processor time of every importer: one thread, files in memory, tokens counted as the page does (bytes
//! divided by a constant), so that it is reading, hashing and folding that is measured, and neither a
//! disk nor a tokenizer. Files are those under the folder that `ATR_RAW` names, by what they are detected
//! as; a format that has none there is measured over the fuzzers' seeds again and again, which says less.
//! Some are measured over large files of our own making besides (`large.rs`). Formats that are named as
//! arguments are measured alone.
//! `cargo xtask bench imports` prints the figures beside their aim.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench speaks, and may break off")]

#[cfg(not(target_arch = "wasm32"))]
mod large;

#[cfg(not(target_arch = "wasm32"))]
fn main() {
    native::main();
}

#[cfg(target_arch = "wasm32")]
fn main() {}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use atr_core::import::tokens::BytesPerToken;
    use atr_core::import::{HEAD_BYTES, IMPORTERS, Imported, Importer, Source, detect};
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::sync::LazyLock;
    use std::time::Instant;

    /// Bytes of a format that are measured at most, and at least: fewer are read again.
    const MOST_BYTES: usize = 128 << 20;
    const LEAST_BYTES: usize = 16 << 20;

    /// Files made for a format: its name, what they are, how.
    type Made = (&'static str, &'static str, fn(usize) -> Vec<u8>);
    const MADE: [Made; 4] = [
        ("atif", "long runs, made", super::large::atif),
        ("claude-code", "one session, made", super::large::claude_code),
        ("openai-log", "whole prompts, made", super::large::openai_log),
        ("otel", "whole prompts, made", super::large::otel),
    ];
    const MADE_BYTES: usize = 50_000_000;

    type ByFormat = BTreeMap<&'static str, Vec<Vec<u8>>>;

    pub(super) fn main() {
        let public = std::env::var_os("ATR_RAW").map(|raw| by_format(Path::new(&raw))).unwrap_or_default();
        let seeds = by_format(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds"));
        let named: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
        let asked = |name: &str| named.is_empty() || named.iter().any(|named| named == name);
        for importer in IMPORTERS.iter().filter(|importer| asked(importer.name())) {
            let name = importer.name();
            match (public.get(name), seeds.get(name)) {
                (Some(files), _) => say(*importer, "public sources", files),
                (None, Some(files)) => say(*importer, "seeds, repeated", files),
                (None, None) => {}
            }
            for (_, from, make) in MADE.iter().filter(|(format, _, _)| *format == name) {
                say(*importer, from, &[make(MADE_BYTES)]);
            }
        }
    }

    fn say(importer: &dyn Importer, from: &str, files: &[Vec<u8>]) {
        let (bytes, seconds, sessions) = measure(importer, files);
        let (name, mb) = (importer.name(), bytes as f64 / 1e6);
        println!(
            "{{\"format\":\"{name}\",\"from\":\"{from}\",\"mb\":{mb:.1},\"sessions\":{sessions},\"mb_per_s\":{:.1}}}",
            mb / seconds
        );
    }

    /// Every file that an importer knows, up to the limit of its format.
    fn by_format(folder: &Path) -> ByFormat {
        let (mut paths, mut found) = (Vec::new(), ByFormat::new());
        files(folder, &mut paths);
        for path in paths {
            let bytes = fs::read(&path).unwrap();
            let Ok(importer) = detect("x", &bytes[..bytes.len().min(HEAD_BYTES)]) else { continue };
            let known = found.entry(importer.name()).or_default();
            if known.iter().map(Vec::len).sum::<usize>() < MOST_BYTES {
                known.push(bytes);
            }
        }
        found
    }

    fn files(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        let mut inside: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        inside.sort();
        for path in inside {
            if path.is_dir() { files(&path, found) } else { found.push(path) }
        }
    }

    /// Seconds that this thread has worked, whatever else the machine does; where the system does not
    /// say, seconds that have passed.
    fn clock() -> f64 {
        static BEGIN: LazyLock<Instant> = LazyLock::new(Instant::now);
        let passed = BEGIN.elapsed().as_secs_f64();
        let worked = fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanoseconds = worked.and_then(|text| text.split(' ').next()?.parse::<u64>().ok());
        nanoseconds.map_or(passed, |worked| worked as f64 / 1e9)
    }

    /// Bytes, seconds and sessions of reading all files, several times where they are few.
    fn measure(importer: &dyn Importer, files: &[Vec<u8>]) -> (usize, f64, usize) {
        let once: usize = files.iter().map(Vec::len).sum();
        let rounds = LEAST_BYTES.div_ceil(once).max(1);
        let (mut seconds, mut sessions) = (0.0, 0);
        for _ in 0..rounds {
            let mut into = Imported::default();
            let start = clock();
            for bytes in files {
                let source = Source { name: "x", counter: &BytesPerToken::default(), keep_text: false };
                let _ = importer.read(&mut bytes.as_slice(), &source, &mut into);
            }
            into.finish();
            seconds += clock() - start;
            sessions += into.sessions.len();
        }
        (once * rounds, seconds, sessions)
    }
}
