//! The exporters: what goes out, what comes back, and what is said to be lost.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod atif;
mod atif_back;
mod kv_cache_tester;
mod made;
mod mooncake;

use atr_core::export::{Documents, EXPORTERS, ExportError, Exported, Set, Together, by_name};
use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{Imported, Source, read_bytes};
use atr_core::trace::{Session, Transcript};

/// Reads bytes that must give something.
fn import(bytes: &[u8]) -> Imported {
    read_bytes(bytes, &Source { name: "file", counter: &BytesPerToken::default(), keep_text: true }).unwrap()
}

/// Exports to one text.
fn export_with(
    format: &str,
    sessions: &[Session],
    transcripts: &[Transcript],
    block: Option<u32>,
) -> (String, Exported) {
    let mut bytes = Vec::new();
    let set = Set { sessions, transcripts, block_tokens: block };
    let exported = by_name(format).unwrap().write(&set, &mut Together(&mut bytes)).unwrap();
    (String::from_utf8(bytes).unwrap(), exported)
}

fn export(format: &str, sessions: &[Session]) -> (String, Exported) {
    export_with(format, sessions, &[], None)
}

/// How often `what` was lost.
fn lost(exported: &Exported, what: &str) -> u64 {
    exported.lost.iter().find(|lost| lost.what == what).map_or(0, |lost| lost.count)
}

/// Tokens that two prompts share, by the segments they begin with.
fn shared_tokens(a: (&Session, u32), b: (&Session, u32)) -> u64 {
    let prompt = |(session, call): (&Session, u32)| -> Vec<(u64, u32)> {
        let segments = session.calls[call as usize].prompt.iter().flat_map(|run| run.indices());
        segments.map(|at| session.segments[at as usize].into()).collect()
    };
    let (a, b) = (prompt(a), prompt(b));
    a.iter().zip(&b).take_while(|(a, b)| a == b).map(|(segment, _)| u64::from(segment.1)).sum()
}

#[test]
fn every_exporter_is_found_by_its_name() {
    for exporter in EXPORTERS {
        assert_eq!(by_name(exporter.name()).unwrap().name(), exporter.name());
        assert!(!exporter.about().is_empty() && !exporter.ending().is_empty());
    }
    assert!(by_name("csv").is_none());
}

#[test]
fn a_place_that_cannot_be_written_is_an_error() {
    struct Full;
    impl Documents for Full {
        fn begin(&mut self, _: &str) -> std::io::Result<&mut dyn std::io::Write> {
            Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
        }
    }
    let imported = import(include_bytes!("../fixtures/import/claude-code.json"));
    for exporter in EXPORTERS {
        let set = Set { sessions: &imported.sessions, transcripts: &[], block_tokens: None };
        let error = exporter.write(&set, &mut Full).unwrap_err();
        assert!(matches!(error, ExportError::Write(_)), "{}: {error}", exporter.name());
    }
}

#[test]
fn prompts_of_unknown_sharing_are_counted_where_ids_are_invented() {
    let log = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n\
               2023-11-16 18:17:04.0799600,4808,10\n2023-11-16 18:17:05.0799600,0,3\n";
    let unknown = import(log.as_bytes());
    let known = import(include_bytes!("../fixtures/import/claude-code.json"));
    let what = "prompts whose sharing is unknown, written as sharing nothing";
    for format in ["mooncake", "kv-cache-tester"] {
        // The third request has no prompt, so nothing is made up for it.
        assert_eq!(lost(&export(format, &unknown.sessions).1, what), 2, "{format}");
        assert_eq!(lost(&export(format, &known.sessions).1, what), 0, "{format}");
    }
    // A format without ids invents none; it loses those that are known.
    let (_, exported) = export("atif", &known.sessions);
    assert_eq!(lost(&exported, what), 0);
    let calls = known.sessions.iter().map(|session| session.calls.len() as u64).sum::<u64>();
    assert_eq!(lost(&exported, "known sharing of prompts"), calls);
}

#[test]
fn blocks_that_a_format_does_not_have_are_refused() {
    for (format, block, why) in [
        ("kv-cache-tester", 16, "blocks of 16 tokens do not fit the format `kv-cache-tester`, expected 64"),
        ("mooncake", 0, "blocks of 0 tokens do not fit the format `mooncake`, expected at least 1"),
        ("atif", 64, "blocks of 64 tokens do not fit the format `atif`, expected none: it has no blocks"),
    ] {
        let set = Set { sessions: &[], transcripts: &[], block_tokens: Some(block) };
        let error = by_name(format).unwrap().write(&set, &mut Together(&mut Vec::new())).unwrap_err();
        assert_eq!(error.to_string(), why);
    }
}
