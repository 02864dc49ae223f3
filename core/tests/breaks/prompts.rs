//! How prompts are known, by format and by what a session shows.

use super::made::{blocks, empty, push, worked};
use atr_core::import::formats;
use atr_core::metrics::breaks::{Prompts, breaks, session_breaks};

/// What the files of each format hold.
const KNOWN: [(&str, Prompts); 14] = [
    ("kv-cache-tester", Prompts::Blocks),
    ("mini-swe-agent", Prompts::Recorded),
    ("swe-agent", Prompts::Either),
    ("claude-code", Prompts::History),
    ("openhands", Prompts::History),
    ("mooncake", Prompts::Blocks),
    ("bailian", Prompts::Blocks),
    ("azure", Prompts::Recorded),
    ("burstgpt", Prompts::Recorded),
    ("lmcache", Prompts::Text),
    ("otel", Prompts::Recorded),
    ("openai-log", Prompts::Recorded),
    ("vllm-log", Prompts::Text),
    ("atif", Prompts::History),
];

#[test]
fn every_format_is_told_from_what_its_files_hold() {
    for (format, _) in formats().into_iter().filter(|(format, _)| *format != "atr") {
        let &(_, expected) = KNOWN
            .iter()
            .find(|(known, _)| *known == format)
            .unwrap_or_else(|| panic!("{format} is new here"));
        let mut session = match expected {
            // Bare blocks, as of sources without messages.
            Prompts::Blocks => {
                let mut session = empty(&[64]);
                session.block_tokens = Some(64);
                push(&mut session, 0, &[0], 64, None);
                session
            }
            _ => worked(&[], &[(0, &[0, 1, 2], Some(3)), (0, &[0, 1, 2, 3, 4], None)]),
        };
        session.source = format.to_owned();
        assert_eq!(session_breaks(&session, 16).prompts, expected, "{format}");
    }
    assert_eq!(session_breaks(&blocks(&[(420, &[0, 1])]), 64).prompts, Prompts::Blocks, "derived messages");
}

#[test]
fn a_prompt_that_leaves_a_message_out_was_recorded() {
    let mut session = worked(&[], &[(0, &[0, 1, 2], Some(3)), (0, &[0, 1, 2, 3, 4], None)]);
    session.source = "swe-agent".to_owned();
    assert_eq!(Prompts::of(&session), Prompts::Either);
    let mut masked = worked(&[], &[(0, &[0, 1, 2, 3, 4], Some(5)), (0, &[0, 1, 2, 5, 6], None)]);
    masked.source = "swe-agent".to_owned();
    assert_eq!(Prompts::of(&masked), Prompts::Recorded);
    // A second agent begins a history of its own.
    let mut second = worked(&[], &[(0, &[0, 1, 2, 3, 4], None), (0, &[0, 1], None), (0, &[0, 1, 2], None)]);
    second.source = "swe-agent".to_owned();
    second.calls[1].agent = 1;
    second.calls[2].agent = 1;
    assert_eq!(Prompts::of(&second), Prompts::Either);
}

#[test]
fn what_an_earlier_prompt_left_costs_nothing() {
    // The third prompt goes back to what the first one was.
    let first: &[u32] = &[0, 1, 2, 4];
    let session = worked(&[], &[(0, first, None), (0, &[0, 1, 2, 6], None), (0, first, None)]);
    let found = breaks(&[session], 1);
    let costs: Vec<u64> = found.sessions[0].breaks.iter().map(|at| at.again_tokens).collect();
    assert_eq!((costs, found.free(), found.count()), (vec![500, 0], 1, 2));
}
