//! The same files give the same bytes on native and on wasm32, and the same as yesterday. Included by the
//! test that runs on both; natively `ATR_BLESS` writes the expected file anew.

use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{Source, read_bytes};
use atr_core::trace::ndjson::{Header, write};

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

const FIXTURES: &[(&str, &[u8])] = &[
    ("claude-code.json", include_bytes!("../fixtures/import/claude-code.json")),
    ("run.traj.json", include_bytes!("../fixtures/import/run.traj.json")),
    ("run-newer.traj.json", include_bytes!("../fixtures/import/run-newer.traj.json")),
    ("mooncake.jsonl", include_bytes!("../fixtures/import/mooncake.jsonl")),
];

const EXPECTED: &str = include_str!("../expected/imported.ndjson");

#[test]
fn imports_are_bit_equal() {
    let mut text = Vec::new();
    for (name, bytes) in FIXTURES {
        let source = Source { name, counter: &BytesPerToken::default(), keep_text: false };
        let imported = read_bytes(bytes, &source).unwrap();
        assert_eq!((imported.skipped.len(), imported.unknown_keys), (0, 0), "{name}");
        write(&mut text, &Header::named(name), &imported.sessions).unwrap();
    }
    let text = String::from_utf8(text).unwrap();
    #[cfg(not(target_arch = "wasm32"))]
    if std::env::var_os("ATR_BLESS").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected/imported.ndjson");
        std::fs::write(path, &text).unwrap();
        return;
    }
    for (line, (found, expected)) in (1..).zip(text.lines().zip(EXPECTED.lines())) {
        assert_eq!(found, expected, "line {line}");
    }
    assert_eq!(text.lines().count(), EXPECTED.lines().count());
}
