//! The importers, from bytes to sessions: every trap of the formats they read.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod atif;
mod azure;
mod bailian;
mod burstgpt;
mod claude_code;
mod claude_join;
mod claude_tree;
mod detect;
mod kv_cache_tester;
mod kv_growth;
mod lmcache;
mod mini_swe_agent;
mod mini_traps;
mod mooncake;
mod mutated;
mod openai_log;
mod openhands;
mod otel;
mod own;
mod raw;
mod stream;
mod swe_agent;
mod swe_prompts;
mod swe_raw;
mod swe_traps;
mod vllm_log;

use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{ImportError, Imported, Source, read_bytes};
use atr_core::trace::{Call, Session};

/// Reads bytes under a file's name.
fn read_as(name: &str, bytes: &[u8]) -> Result<Imported, ImportError> {
    read_bytes(bytes, &Source { name, counter: &BytesPerToken::default(), keep_text: false })
}

/// Reads bytes that must give something.
fn read(bytes: &[u8]) -> Imported {
    read_as("file.json", bytes).unwrap()
}

/// Reads one document that must give one session and skip nothing.
fn one(document: &serde_json::Value) -> Session {
    let mut imported = read(document.to_string().as_bytes());
    assert_eq!(imported.skipped, []);
    assert_eq!(imported.sessions.len(), 1);
    imported.sessions.remove(0)
}

/// Reads a file that must give one session and skip nothing.
fn one_of(bytes: &[u8]) -> Session {
    let mut imported = read(bytes);
    assert_eq!(imported.skipped, []);
    assert_eq!(imported.sessions.len(), 1);
    imported.sessions.remove(0)
}

/// Tokens of the messages of a session.
fn sizes(session: &Session) -> Vec<u32> {
    session.messages.iter().map(|message| message.tokens).collect()
}

/// Why records were skipped.
fn reasons(imported: &Imported) -> Vec<&str> {
    imported.skipped.iter().map(|skipped| skipped.why.as_str()).collect()
}

/// Tokens of the segments of a call's prompt, in order, with their ids.
fn prompt(session: &Session, call: &Call) -> Vec<(u64, u32)> {
    let segments = call.prompt.iter().flat_map(|run| run.indices());
    segments.map(|index| session.segments[index as usize].into()).collect()
}

/// What must hold in every session with messages: the view is the prompt, message by message.
fn view_is_prompt(session: &Session) {
    for call in &session.calls {
        let view = || call.view.iter().flat_map(|run| run.indices()).map(|at| &session.messages[at as usize]);
        let parts: Vec<u32> = view().flat_map(|message| message.parts.iter().copied()).collect();
        let segments: Vec<u32> = call.prompt.iter().flat_map(|run| run.indices()).collect();
        assert_eq!(parts, segments, "{}: call {}: parts and prompt", session.id, call.id);
        assert!(
            view().all(|message| message.agent == call.agent),
            "{}: call {}: agents",
            session.id,
            call.id
        );
    }
}
