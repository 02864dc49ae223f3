//! No content reaches a file: every key and every text of the bundled sets is on a list that is
//! written out here, apart from ids, which keep to a small alphabet.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "a test that checks nothing must say so")]

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

const KEYS: &[&str] = &[
    "after",
    "agent",
    "at_us",
    "block_tokens",
    "cache_write_tokens",
    "cached_tokens",
    "calls",
    "cost_usd",
    "counts_from",
    "delay_us",
    "e2e_us",
    "estimated",
    "exit",
    "first_line",
    "harness",
    "id",
    "kind",
    "lines",
    "marks",
    "messages",
    "model",
    "models",
    "name",
    "ok",
    "outcome",
    "output_tokens",
    "parts",
    "path",
    "prompt",
    "prompt_tokens",
    "reasoning_tokens",
    "recorded",
    "reply",
    "resolved",
    "role",
    "scope",
    "segments",
    "source",
    "submitted",
    "tags",
    "tokens",
    "tool",
    "tools",
    "ttft_us",
    "us",
    "view",
    "window",
    "words",
];

/// Tools of harnesses whose names are public, and those that have a number instead.
const SHELL_TOOLS: &[&str] = &[
    "bash",
    "connect_sendline",
    "connect_start",
    "create",
    "disassemble",
    "edit",
    "execute_bash",
    "find_file",
    "finish",
    "insert",
    "open",
    "set_cursors",
    "str_replace_editor",
    "submit",
    "think",
    "tool-0",
];

const TEXTS: &[(&str, &[&str])] = &[
    ("counts_from", &["source", "source+tokenizer:o200k_base", "synthetic", "tokenizer:o200k_base"]),
    ("exit", &["exit_cost", "exit_steps", "submitted"]),
    ("harness", &["", "claude-code", "mini-swe-agent", "openhands", "swe-agent", "tau-bench"]),
    ("kind", &["system_prompt", "tools", "task", "action", "observation", "summary", "other"]),
    (
        "marks",
        &[
            "mid_session",
            "duplicate",
            "estimated",
            "derived_messages",
            "out_of_order",
            "context_drop",
            "sessionless",
        ],
    ),
    (
        "models",
        &[
            "claude-3-5-sonnet-20241022",
            "claude-3-7-sonnet-20250219",
            "claude-haiku-4-5-20251001",
            "claude-opus-4-1-20250805",
            "claude-opus-4-5-20251101",
            "claude-opus-4-6",
            "claude-sonnet-4-20250514",
            "claude-sonnet-4-5-20250929",
            "gemini-3-pro-preview",
            "google/gemini-3-pro-preview",
            "gpt-4o",
            "gpt-4o-2024-08-06",
            "meta-llama/llama-4-maverick",
            "unknown",
        ],
    ),
    ("name", SHELL_TOOLS),
    ("role", &["system", "user", "assistant", "tool", "agent", "subagent"]),
    ("scope", &["session", "set"]),
    (
        "source",
        &[
            "azure",
            "kv-cache-tester",
            "lmcache",
            "mini-swe-agent",
            "mooncake",
            "openhands",
            "swe-agent",
            "synthetic",
        ],
    ),
    ("tags", &["demo", "error", "residual"]),
    ("tool", SHELL_TOOLS),
];

/// What is not allowed in `value`, which stands under `key`.
fn offence(key: &str, value: &Value) -> Option<String> {
    match value {
        Value::String(text) if key == "id" => {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            (!plain || text.len() > 80).then(|| format!("id `{text}`"))
        }
        Value::String(text) => {
            let allowed = TEXTS.iter().any(|(known, texts)| *known == key && texts.contains(&text.as_str()));
            (!allowed).then(|| format!("`{key}`: `{text}`"))
        }
        Value::Array(items) => items.iter().find_map(|item| offence(key, item)),
        Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            if KEYS.contains(&key.as_str()) { offence(key, value) } else { Some(format!("key `{key}`")) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../data")
}

fn index() -> Value {
    serde_json::from_slice(&fs::read(data().join("index.json")).unwrap()).unwrap()
}

#[test]
fn bundled_sets_hold_no_content() {
    let index = index();
    let sets = index["sets"].as_array().unwrap();
    assert!(sets.len() >= 4);
    for set in sets {
        let file = set["file"].as_str().unwrap();
        let mut lines = BufReader::new(MultiGzDecoder::new(File::open(data().join(file)).unwrap())).lines();
        let header: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        // The header says of the source what the index says.
        for key in ["name", "source", "revision", "licence", "command", "kind"] {
            assert_eq!(header[key], set[key], "{file}: {key}");
        }
        let mut count = 0;
        for line in lines {
            let session: Value = serde_json::from_str(&line.unwrap()).unwrap();
            assert_eq!(offence("", &session), None, "{file}: {}", session["id"]);
            count += 1;
        }
        assert_eq!(set["sessions"], count, "{file}");
    }
}

#[test]
fn the_walk_finds_what_does_not_belong() {
    let session = serde_json::json!({"id": "a", "messages": [{"role": "user", "parts": [1]}]});
    assert_eq!(offence("", &session), None);
    for (pointer, content) in [("/id", "please fix"), ("/messages/0/role", "narrator")] {
        let mut session = session.clone();
        *session.pointer_mut(pointer).unwrap() = content.into();
        assert!(offence("", &session).is_some(), "{pointer}");
    }
    assert_eq!(offence("", &serde_json::json!({"text": 1})), Some("key `text`".to_owned()));
}

#[test]
fn files_are_what_the_index_says_and_small() {
    use sha2::{Digest, Sha256};
    let index = index();
    let mut total = 0;
    for set in index["sets"].as_array().unwrap() {
        let bytes = fs::read(data().join(set["file"].as_str().unwrap())).unwrap();
        let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            (set["bytes"].as_u64(), set["sha256"].as_str()),
            (Some(bytes.len() as u64), Some(digest.as_str()))
        );
        if set["name"] == "sample" {
            assert!(bytes.len() <= 110_000, "the sample must load at once");
        }
        total += bytes.len();
    }
    assert!(total < 6_000_000, "{total} bytes");
}

/// Where `ATR_RAW` names a folder with the public sources, the bundled sets are made again from it.
#[test]
fn bundled_sets_rebuild_byte_for_byte() {
    let raw = std::env::var_os("ATR_RAW").map(PathBuf::from);
    let Some(raw) = raw.filter(|raw| raw.join("mini-swe-agent-gemini3-resolved.json").is_file()) else {
        println!("skipped: ATR_RAW names no folder with the public sources");
        return;
    };
    let out = std::env::temp_dir().join(format!("atr-rebuild-{}", std::process::id()));
    let ran = std::process::Command::new(env!("CARGO_BIN_EXE_atr-bench"))
        .arg("data")
        .arg(raw)
        .arg("--out")
        .arg(&out)
        .status();
    assert!(ran.unwrap().success());
    for entry in fs::read_dir(&out).unwrap() {
        let name = entry.unwrap().file_name();
        assert_eq!(
            fs::read(out.join(&name)).unwrap(),
            fs::read(data().join(&name)).unwrap(),
            "{}",
            name.display()
        );
    }
    fs::remove_dir_all(out).unwrap();
}
