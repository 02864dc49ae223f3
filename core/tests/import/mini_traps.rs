//! mini-swe-agent runs with something wrong or missing in them.

use super::mini_swe_agent::*;
use super::{one, read, read_as, reasons, view_is_prompt};
use atr_core::import::tokens::{BytesPerToken, TokenCounter};
use atr_core::import::{ImportError, Source, read_bytes};
use serde_json::json;

#[test]
fn impossible_counts_are_as_if_missing_and_named() {
    for (prompt, output, why) in [
        (-3, 60, "`usage.prompt_tokens` is -3"),
        (500, 1 << 40, "`usage.completion_tokens` is 1099511627776"),
    ] {
        let mut messages = small();
        messages[4] = reply("more", 1_700_000_010, prompt, output, json!(0));
        let imported = read(run(&messages).to_string().as_bytes());
        assert!(
            reasons(&imported)[0].starts_with("message 4: ") && reasons(&imported)[0].contains(why),
            "{:?}",
            imported.skipped
        );
        let call = &imported.sessions[0].calls[1];
        assert_eq!((call.prompt_tokens, call.output()), (300 + 6 + 112, 5), "counted instead");
        assert!(call.estimated);
    }
}

#[test]
fn a_provider_s_own_names_for_cached_and_other_tokens_are_known() {
    let mut messages = small();
    for key in ["prompt_cache_hit_tokens", "prompt_cache_miss_tokens"] {
        messages[4]["extra"]["response"]["usage"][key] = json!(250);
    }
    let imported = read(run(&messages).to_string().as_bytes());
    assert_eq!((imported.unknown_keys, reasons(&imported).len()), (0, 0));
    let recorded = imported.sessions[0].calls[1].recorded.clone().unwrap();
    assert_eq!(recorded.cached_tokens, Some(256), "the common name counts");
}

#[test]
fn messages_of_no_known_role_are_skipped_and_the_rest_is_kept() {
    let mut messages = small();
    messages.insert(4, json!({"role": "narrator", "content": "meanwhile"}));
    messages.insert(1, json!(42));
    let imported = read(run(&messages).to_string().as_bytes());
    assert_eq!(
        reasons(&imported),
        [
            "message 1: `message` is a number, expected an object",
            "message 5: `role` is no role of this format, expected system, user, assistant, tool or exit"
        ]
    );
    assert_eq!(imported.sessions[0].messages.len(), 5);
}

#[test]
fn a_run_without_a_reply_or_cut_in_half_is_refused() {
    let error = |bytes: &[u8]| match read_as("r.traj.json", bytes) {
        Err(ImportError::Malformed { why, .. }) => why,
        other => panic!("expected a malformed file, found {:?}", other.map(|imported| imported.sessions)),
    };
    assert!(error(run(&small()[..2]).to_string().as_bytes()).contains("without a reply of a model"));
    let whole = run(&small()).to_string();
    assert!(error(&whole.as_bytes()[..whole.len() - 40]).starts_with("expected a whole JSON run: EOF"));
    let mut wrong = run(&[]);
    wrong["messages"] = json!("none");
    assert!(
        error(wrong.to_string().as_bytes()).contains("`messages` is a text, expected a list of messages")
    );
}

#[test]
fn texts_are_kept_beside_the_session_only_where_asked_for() {
    let bytes = run(&small()).to_string();
    let read = |keep_text| {
        let counter = BytesPerToken::default();
        read_bytes(bytes.as_bytes(), &Source { name: "r", counter: &counter, keep_text }).unwrap()
    };
    assert_eq!(read(false).transcripts, []);
    let transcripts = read(true).transcripts;
    assert_eq!(
        (transcripts.len(), transcripts[0].id.as_str(), transcripts[0].messages.len()),
        (1, "proj__proj-1", 6)
    );
    assert!(transcripts[0].messages[5].text.contains("boom"));
}

#[test]
fn an_empty_message_still_has_a_size() {
    let mut messages = small();
    messages[3] = said("user", "");
    let session = one(&run(&messages));
    view_is_prompt(&session);
    assert_eq!(sizes(&session)[2..4].iter().sum::<u32>(), 200);
    assert!(!session.messages[3].parts.is_empty());
}

/// A counter that cannot count.
struct Zero;

impl TokenCounter for Zero {
    fn name(&self) -> String {
        "zero".to_owned()
    }
    fn count(&self, _: &str) -> u32 {
        0
    }
    fn split<'a>(&self, text: &'a str, _: u32) -> Vec<(&'a str, u32)> {
        vec![(text, 0)]
    }
}

#[test]
fn a_counter_that_counts_nothing_does_no_harm() {
    let bytes = run(&small()).to_string();
    let imported =
        read_bytes(bytes.as_bytes(), &Source { name: "r", counter: &Zero, keep_text: false }).unwrap();
    assert_eq!(imported.sessions[0].calls[1].prompt_tokens, 500);
}
