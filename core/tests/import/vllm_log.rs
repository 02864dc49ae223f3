//! vLLM server logs of several versions.

use super::{one_of, read, read_as, reasons, sizes, view_is_prompt};
use atr_core::import::ImportError;
use atr_core::trace::{MessageRole, Session};

const SERVER: &str = include_str!("../../../fuzz/seeds/vllm-log/server-synthetic.log");
const DETAILS: &str = include_str!("../../../fuzz/seeds/vllm-log/details-synthetic.log");
const OLD: &str = include_str!("../../../fuzz/seeds/vllm-log/old-synthetic.log");

const S: u64 = 1_000_000;

fn roles(session: &Session) -> Vec<MessageRole> {
    session.messages.iter().map(|message| message.role).collect()
}

#[test]
fn interleaved_requests_become_sessions_with_roles_counts_and_times() {
    let imported = read(SERVER.as_bytes());
    assert_eq!(imported.skipped, []);
    let [first, second] = &imported.sessions[..] else { panic!("two sessions") };
    view_is_prompt(first);
    use MessageRole::{Assistant, System, User};
    assert_eq!(roles(first), [System, User, Assistant, User, Assistant]);
    assert_eq!(first.models, ["Qwen/Qwen3-4B"]);
    let calls: Vec<_> = first
        .calls
        .iter()
        .map(|c| (c.prompt_tokens, c.output_tokens, c.at_us, c.delay_us, c.estimated))
        .collect();
    // From 23:59:58 on New Year's Eve to 00:00:03, two seconds behind the reply. The last reply is not shown.
    assert_eq!(calls, [(10, Some(3), Some(0), None, false), (20, None, Some(5 * S), Some(2 * S), true)]);
    assert_eq!(roles(second), [System, User, Assistant]);
    // Without ids: 45 and 54 bytes of prompt at four a token. Three tokens of output by the log's count.
    assert_eq!((second.calls[0].output(), second.calls[0].estimated), (3, true));
    assert_eq!(
        sizes(second)[..2],
        [
            "<|im_start|>system\nBe brief.<|im_end|>\n",
            "<|im_start|>user\nAnother \\ task\t\u{200b}.<|im_end|>\n"
        ]
        .map(|text| text.len().div_ceil(4) as u32)
    );
    assert_eq!(first.segments[0].id, second.segments[0].id, "one system prompt");
    let written = serde_json::to_string(&imported.sessions).unwrap();
    for word in ["brief", "Another", "reply one", "chatcmpl", "seen"] {
        assert!(!written.contains(word), "{word} is in {written}");
    }
}

#[test]
fn token_ids_alone_give_exact_counts_and_identity() {
    let imported = read(DETAILS.as_bytes());
    assert_eq!(
        reasons(&imported),
        ["line 6: the log does not show the prompt, expected a text or token ids"]
    );
    let session = &imported.sessions[0];
    view_is_prompt(session);
    assert_eq!(session.counts_from, "source+token-ids");
    assert_eq!(
        session.calls.iter().map(|call| (call.prompt_tokens, call.output_tokens)).collect::<Vec<_>>(),
        [(70, Some(2)), (132, None)]
    );
    // 70 ids, the 2 of the reply, 60 more; what the last reply was is not shown.
    use MessageRole::{Assistant, User};
    assert_eq!(roles(session)[..3], [User, Assistant, User]);
    assert_eq!(sizes(session)[..3], [70, 2, 60]);
    assert_eq!((session.calls[0].reply, session.calls[1].delay_us), (Some(1), Some(3 * S)));
}

#[test]
fn old_versions_name_the_same_things_otherwise() {
    let imported = read(OLD.as_bytes());
    assert_eq!(imported.skipped, []);
    let prompts: Vec<u32> = imported.sessions.iter().map(|session| session.calls[0].prompt_tokens).collect();
    assert_eq!(prompts, [4, 3], "the text first, then the ids");
}

#[test]
fn a_log_that_cuts_prompts_trusts_the_ids_that_are_whole() {
    let cut = |id: &str, prompt: &str, ids: usize| {
        let ids: Vec<usize> = (0..ids).collect();
        format!(
            "INFO 01-01 00:00:00 [logger.py:42] Received request {id}: prompt: '{prompt}', params: SamplingParams(n=1), prompt_token_ids: {ids:?}, lora_request: None.\n"
        )
    };
    let log = cut("a", &"a".repeat(50), 40) + &cut("b", &"b".repeat(50), 50) + &cut("c", "ccc", 1);
    let imported = read(log.as_bytes());
    let calls: Vec<_> =
        imported.sessions.iter().map(|s| (s.counts_from.as_str(), s.calls[0].prompt_tokens)).collect();
    // `b` has as many ids as the log keeps: it may have had more, so its text is counted, 50 bytes.
    let why = "line 2: 1 prompts are cut at 50 characters, expected whole texts or token ids; they are longer than counted";
    assert_eq!(reasons(&imported), [why]);
    assert!(imported.sessions[0].calls[0].estimated && !imported.sessions[2].calls[0].prompt.is_empty());
    assert_eq!(calls, [("bytes/4", 13), ("source+bytes/4", 1), ("source+token-ids", 40)]);
}

#[test]
fn broken_lines_are_named_and_the_rest_is_kept() {
    let mut lines: Vec<String> = SERVER.lines().map(str::to_owned).collect();
    lines[3].truncate(150);
    lines[4] = lines[4].replace("'reply one'", "'reply one");
    let imported = read(lines.join("\n").as_bytes());
    assert_eq!(
        reasons(&imported),
        [
            "line 4: `prompt` is a text without an end, expected a text in quotes, or None",
            "line 5: `output` is no text, expected a text in quotes"
        ]
    );
    assert_eq!(imported.sessions.len(), 1);
    // The next prompt shows what the log did not.
    assert_eq!(
        (imported.sessions[0].calls[0].reply, imported.sessions[0].calls[0].estimated),
        (Some(2), true)
    );
    let session = one_of(
        SERVER
            .replace("01-01 00:00:03", "99-99 99:99:99")
            .lines()
            .filter(|line| !line.contains("bbb"))
            .collect::<Vec<_>>()
            .join("\n")
            .as_bytes(),
    );
    assert_eq!(session.calls[1].delay_us, None, "an impossible stamp is none");
}

#[test]
fn a_log_without_requests_is_refused() {
    let log =
        "INFO 01-01 00:00:00 [api_server.py:1] vLLM API server version 0.9.1\nINFO 01-01 00:00:01 ready\n";
    match read_as("f.log", log.as_bytes()) {
        Err(ImportError::Malformed { why, .. }) => assert!(why.starts_with("no line of a request"), "{why}"),
        other => panic!("expected a malformed file, found {:?}", other.map(|imported| imported.sessions)),
    }
}
