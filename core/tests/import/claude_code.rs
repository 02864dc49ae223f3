//! Claude Code: replies in several lines, counts, times, tools, what is sent beside the conversation.

use super::{prompt, read_as, reasons, view_is_prompt};
use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{Imported, Source, by_name, read_bytes};
use atr_core::trace::{Call, Mark, MessageKind, MessageRole, Recorded, Session, Tag, ToolUse};
use serde_json::{Value, json};

const SECRET: &str = "the secret of the well";
pub(super) const S: u64 = 1_000_000;

/// A line of the tree, `seconds` after ten o'clock.
pub(super) fn line(kind: &str, uuid: &str, parent: Value, seconds: u32, message: Value) -> Value {
    let stamp = format!("2025-06-01T10:{:02}:{:02}.000Z", seconds / 60, seconds % 60);
    json!({"parentUuid": parent, "isSidechain": false, "userType": "external", "cwd": SECRET,
           "sessionId": "ses-1", "version": "2.1.0", "gitBranch": SECRET, "type": kind,
           "message": message, "uuid": uuid, "timestamp": stamp})
}

/// Words of the person.
pub(super) fn user(uuid: &str, parent: Value, seconds: u32, text: &str) -> Value {
    line("user", uuid, parent, seconds, json!({"role": "user", "content": text}))
}

/// One line of the reply called `id`.
pub(super) fn reply(
    uuid: &str,
    parent: &str,
    seconds: u32,
    id: &str,
    block: Value,
    usage: [u64; 4],
) -> Value {
    let usage = json!({"input_tokens": usage[0], "cache_creation_input_tokens": usage[1],
                       "cache_read_input_tokens": usage[2], "output_tokens": usage[3], "service_tier": "standard"});
    let message = json!({"id": id, "type": "message", "role": "assistant", "model": "claude-sonnet-4-5-20250929",
                         "content": [block], "stop_reason": null, "usage": usage});
    with(line("assistant", uuid, json!(parent), seconds, message), json!({"requestId": "req-1"}))
}

pub(super) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(super) fn tool(id: &str, name: &str, input: Value) -> Value {
    json!({"type": "tool_use", "id": id, "name": name, "input": input})
}

/// What a tool answered.
pub(super) fn result(uuid: &str, parent: &str, seconds: u32, id: &str, content: Value) -> Value {
    let block = json!({"type": "tool_result", "tool_use_id": id, "content": content});
    line("user", uuid, json!(parent), seconds, json!({"role": "user", "content": [block]}))
}

/// A line with other fields.
pub(super) fn with(mut line: Value, fields: Value) -> Value {
    for (key, value) in fields.as_object().unwrap() {
        line[key] = value.clone();
    }
    line
}

pub(super) fn file(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

pub(super) fn imported(lines: &[Value]) -> Imported {
    read_as("ses-1.jsonl", file(lines).as_bytes()).unwrap()
}

/// Reads lines that must give one session and skip nothing.
pub(super) fn session(lines: &[Value]) -> Session {
    let mut imported = imported(lines);
    assert_eq!(imported.skipped, []);
    assert_eq!(imported.unknown_keys, 0);
    assert_eq!(imported.sessions.len(), 1);
    view_is_prompt(&imported.sessions[0]);
    imported.sessions.remove(0)
}

/// The messages in a call's prompt.
pub(super) fn view(call: &Call) -> Vec<u32> {
    call.view.iter().flat_map(|run| run.indices()).collect()
}

/// 40 bytes: 10 tokens.
pub(super) const TEN: &str = "0123456789012345678901234567890123456789";

/// A question, a reply in three lines with a tool, its result, and an answer.
pub(super) fn small() -> Vec<Value> {
    let thought = json!({"type": "thinking", "thinking": "thought thought", "signature": SECRET});
    vec![
        user("u1", Value::Null, 0, TEN),
        reply("a1", "u1", 2, "m1", thought, [10, 1_000, 0, 2]),
        reply("a2", "a1", 3, "m1", text(&TEN.repeat(3)), [10, 1_000, 0, 2]),
        reply("a3", "a2", 4, "m1", tool("t1", "Bash", json!({"command": SECRET})), [10, 1_000, 0, 50]),
        result("r1", "a3", 9, "t1", json!(TEN.repeat(2))),
        reply("a4", "r1", 11, "m2", text("all is well"), [5, 85, 1_010, 7]),
    ]
}

#[test]
fn lines_of_one_reply_are_one_call_and_the_last_count_is_taken() {
    let session = session(&small());
    assert_eq!((session.id.as_str(), session.harness.as_str()), ("ses-1", "claude-code"));
    assert_eq!(session.counts_from, "source+bytes/4");
    assert_eq!(session.models, ["claude-sonnet-4-5-20250929"]);
    assert_eq!(session.marks, []);
    let counts: Vec<_> = session.calls.iter().map(|c| (c.prompt_tokens, c.output())).collect();
    assert_eq!(counts, [(10 + 1_000, 50), (5 + 85 + 1_010, 7)]);
    let recorded = |read, write| {
        Some(Recorded { cached_tokens: Some(read), cache_write_tokens: Some(write), ..Recorded::default() })
    };
    assert_eq!(session.calls[0].recorded, recorded(0, 1_000));
    assert_eq!(session.calls[1].recorded, recorded(1_010, 85));
    assert!(session.calls.iter().all(|call| !call.estimated && call.reasoning_tokens == 0));
}

#[test]
fn what_the_file_does_not_show_takes_what_the_first_prompt_leaves_over() {
    let session = session(&small());
    let tokens: Vec<u32> = session.messages.iter().map(|message| message.tokens).collect();
    // The reply is 120 bytes of text, `Bash` and 36 bytes of arguments: 160 bytes, 40 tokens. With the
    // result's 20 it shares the growth of 90 as 40 to 20.
    assert_eq!(tokens[..4], [1_000, 10, 60, 30]);
    assert_eq!(session.messages[0].tags, [Tag::Residual]);
    let kinds: Vec<_> = session.messages.iter().map(|m| (m.role, m.kind)).collect();
    use MessageKind::{Action, Observation, SystemPrompt, Task};
    use MessageRole::{Assistant, System, User};
    assert_eq!(
        kinds,
        [(System, SystemPrompt), (User, Task), (Assistant, Action), (User, Observation), (Assistant, Action)]
    );
    assert_eq!(session.calls.iter().map(view).collect::<Vec<_>>(), [vec![0, 1], vec![0, 1, 2, 3]]);
    assert_eq!(session.calls.iter().map(|call| call.reply).collect::<Vec<_>>(), [Some(2), Some(4)]);
    for call in &session.calls {
        assert_eq!(prompt(&session, call).iter().map(|(_, n)| n).sum::<u32>(), call.prompt_tokens);
    }
}

#[test]
fn times_lie_between_stamps() {
    let mut lines = small();
    lines.push(user("u2", json!("a4"), 71, TEN));
    lines.push(reply("a5", "u2", 75, "m3", text("bye"), [5, 20, 1_100, 2]));
    let session = session(&lines);
    // Sent when the prompt was whole: 0, 9 and 71 s; answered at 4, 11 and 75 s.
    let times: Vec<_> = session.calls.iter().map(|c| (c.at_us, c.delay_us, c.after.clone())).collect();
    assert_eq!(
        times,
        [(Some(0), None, vec![]), (Some(9 * S), Some(5 * S), vec![0]), (Some(71 * S), Some(60 * S), vec![1]),]
    );
    let bash = ToolUse { name: "Bash".to_owned(), us: Some(5 * S), ok: Some(true) };
    assert_eq!(session.calls[0].tools, [bash]);
    assert_eq!(session.messages[3].tool.as_deref(), Some("Bash"));
    assert_eq!(session.calls[1].recorded.as_ref().unwrap().e2e_us, None, "nobody measured it");
}

#[test]
fn an_old_line_says_what_its_call_cost_and_how_long_it_took() {
    let mut lines = small();
    lines[5] = with(lines[5].clone(), json!({"costUSD": 0.25, "durationMs": 1_500}));
    let recorded = session(&lines).calls[1].recorded.clone().unwrap();
    assert_eq!((recorded.cost_usd, recorded.e2e_us), (Some(0.25), Some(1_500_000)));
}

#[test]
fn tools_run_beside_each_other_and_may_fail() {
    let failed = json!([{"type": "tool_result", "tool_use_id": "t2", "is_error": true,
        "content": [{"type": "text", "text": "no such "}, {"type": "text", "text": "file"}]}]);
    let lines = [
        user("u1", Value::Null, 0, TEN),
        reply("a1", "u1", 1, "m1", tool("t1", "Read", json!({})), [10, 0, 100, 9]),
        reply("a2", "a1", 2, "m1", tool("t2", "mcp__acme__payroll", json!({})), [10, 0, 100, 9]),
        reply("a3", "a2", 3, "m1", tool("t3", "Grep", json!({})), [10, 0, 100, 9]),
        // Each result follows the line that asked for it; the slowest comes first in the tree.
        line("user", "r2", json!("a2"), 4, json!({"role": "user", "content": failed})),
        result("r1", "a1", 8, "t1", json!(TEN)),
        reply("a4", "r1", 9, "m2", text("done"), [10, 100, 110, 2]),
    ];
    let session = session(&lines);
    let tools: Vec<_> = session.calls[0].tools.iter().map(|t| (t.name.as_str(), t.us, t.ok)).collect();
    let expected =
        [("Read", Some(7 * S), Some(true)), ("tool-0", Some(2 * S), Some(false)), ("Grep", None, None)];
    assert_eq!(tools, expected);
    assert_eq!(view(&session.calls[1]), [0, 1, 2, 3, 4], "both results were sent");
    assert_eq!(session.messages[3].tags, [Tag::Error]);
    assert_eq!((session.messages[3].lines, session.messages[3].words), (1, 3));
    assert_eq!(session.calls[1].at_us, Some(8 * S), "sent when the last result was there");
}

#[test]
fn a_placeholder_is_replaced_by_an_estimate_and_kept_beside_it() {
    let mut lines = small();
    lines[2] = reply("a2", "a1", 3, "m1", text(&"x".repeat(400)), [10, 1_000, 0, 2]);
    lines[3] = reply("a3", "a2", 4, "m1", tool("t1", "Bash", json!({})), [10, 1_000, 0, 2]);
    let session = session(&lines);
    // 15 bytes of thought, 400 of text, `Bash` and `{}`: 4 + 100 + 1 + 1 tokens.
    assert_eq!(session.calls[0].output(), 106);
    assert!(session.calls[0].estimated && session.has(Mark::Estimated));
    assert_eq!(session.calls[0].recorded.as_ref().unwrap().output_tokens, Some(2));
    let last = &session.calls[1];
    assert_eq!((last.output(), last.estimated), (7, false), "11 bytes may be 7 tokens");
    assert_eq!(last.recorded.as_ref().unwrap().output_tokens, None);
}

#[test]
fn thinking_is_reasoning_only_where_somebody_counted_it() {
    let mut lines = small();
    lines[5]["message"]["usage"]["output_tokens_details"] = json!({"thinking_tokens": 4});
    let session = session(&lines);
    let reasoning: Vec<u32> = session.calls.iter().map(|call| call.reasoning_tokens).collect();
    assert_eq!(reasoning, [0, 4]);
}

#[test]
fn zeros_of_a_server_without_a_cache_are_no_counts() {
    let lines = [
        user("u1", Value::Null, 0, TEN),
        reply("a1", "u1", 1, "m1", text("one"), [110, 0, 0, 9]),
        user("u2", json!("a1"), 5, TEN),
        reply("a2", "u2", 6, "m2", text(TEN), [0, 0, 0, 0]),
    ];
    let session = session(&lines);
    assert_eq!(session.calls[0].recorded, None);
    let call = &session.calls[1];
    // 110, the reply's 1 and the question's 10; the answer is counted.
    assert_eq!((call.prompt_tokens, call.output()), (110 + 1 + 10, 10));
    assert!(call.estimated && call.recorded.is_none());
    assert!(!session.calls[0].estimated);
}

#[test]
fn a_note_in_the_model_s_place_is_no_call() {
    let mut lines = small();
    let synthetic = json!({"id": "x", "model": "<synthetic>", "role": "assistant", "content": [text("none")],
                           "usage": {"input_tokens": 0, "output_tokens": 0}});
    lines.push(line("assistant", "s1", json!("a4"), 12, synthetic));
    let error = reply("e1", "s1", 13, "m9", text("API Error: 529"), [0, 0, 0, 0]);
    lines.push(with(error, json!({"isApiErrorMessage": true})));
    lines.push(user("u2", json!("e1"), 20, TEN));
    lines.push(reply("a5", "u2", 22, "m3", text("bye"), [5, 20, 1_100, 2]));
    let session = session(&lines);
    assert_eq!(session.calls.len(), 3);
    assert_eq!(view(&session.calls[2]), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn what_the_harness_adds_is_sent_and_is_no_task() {
    let attachment = |uuid: &str, parent: &str, seconds, attachment: Value| {
        with(line("attachment", uuid, json!(parent), seconds, Value::Null), json!({"attachment": attachment}))
    };
    let file = json!({"type": "file", "filename": SECRET, "content": {"type": "text", "file": {
        "filePath": SECRET, "content": TEN, "numLines": 1}}});
    let lines = [
        with(user("u0", Value::Null, 0, "Caveat: not for you"), json!({"isMeta": true})),
        user("u1", json!("u0"), 1, TEN),
        attachment("x1", "u1", 2, file),
        attachment("x2", "x1", 2, json!({"type": "hook_success", "content": SECRET, "stdout": SECRET})),
        attachment("x3", "x2", 2, json!({"type": "queued_command", "commandMode": "prompt", "prompt": TEN})),
        user("u2", json!("x3"), 3, "<local-command-stdout>ok</local-command-stdout>"),
        with(user("u3", json!("u2"), 3, "only shown"), json!({"isVisibleInTranscriptOnly": true})),
        reply("a1", "u3", 9, "m1", text("one"), [3, 90, 0, 2]),
    ];
    let session = session(&lines);
    let kinds: Vec<_> = session.messages.iter().map(|message| message.kind).collect();
    use MessageKind::{Action, Other, SystemPrompt, Task};
    assert_eq!(kinds, [SystemPrompt, Other, Task, Other, Task, Other, Action]);
    assert_eq!(session.messages[3].words, 1, "the file's text and nothing else");
}

#[test]
fn an_image_has_a_size_but_no_words() {
    let image = json!([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "QUJD".repeat(900)}}]);
    let mut lines = small();
    lines[4] = result("r1", "a3", 9, "t1", image);
    lines[5] = reply("a4", "r1", 11, "m2", text("seen"), [5, 1_640, 1_010, 7]);
    let session = session(&lines);
    // The reply counts 40 tokens, an image 1,600: just what the prompt has grown by, less 5.
    assert_eq!((session.messages[2].tokens, session.messages[3].tokens), (40, 1_605));
    assert_eq!((session.messages[3].lines, session.messages[3].words), (0, 0));
    assert_eq!(session.messages[3].tags, [Tag::Residual]);
    let mut other = lines.clone();
    other[4] =
        result("r1", "a3", 9, "t1", json!([{"type": "image", "source": {"data": "REVG".repeat(900)}}]));
    // Another image of the same size is another prompt.
    let mut into = Imported::default();
    for lines in [&lines, &other, &lines] {
        let source = Source { name: "x.jsonl", counter: &BytesPerToken::default(), keep_text: false };
        by_name("claude-code").unwrap().read(&mut file(lines).as_bytes(), &source, &mut into).unwrap();
    }
    into.finish();
    let ids: Vec<u64> = into.sessions.iter().map(|s| prompt(s, &s.calls[1]).last().unwrap().0).collect();
    assert!(ids[0] != ids[1] && ids[0] == ids[2], "{ids:?}");
}

#[test]
fn nothing_that_was_said_is_written() {
    let mut lines = small();
    lines.push(json!({"type": "summary", "summary": SECRET, "leafUuid": "a4"}));
    lines.push(json!({"type": "last-prompt", "lastPrompt": SECRET, "sessionId": "ses-1", "leafUuid": "a4"}));
    lines.push(json!({"type": "secret-type", "sessionId": "ses-1", "uuid": SECRET}));
    lines.push(with(
        user("u9", json!("a4"), 60, SECRET),
        json!({"secretKey": SECRET, "toolUseResult": SECRET}),
    ));
    let imported = imported(&lines);
    assert_eq!(imported.unknown_keys, 1);
    let written = serde_json::to_string(&imported.sessions).unwrap();
    let said = format!("{written}{:?}", imported.skipped);
    for word in ["secret", "thought", "all is well", "01234", "r1", "req-1"] {
        assert!(!said.contains(word), "`{word}` is in {said}");
    }
    assert_eq!(
        reasons(&imported),
        ["line 9: `type` is no type of this format, expected user, assistant, attachment or system"]
    );
}

#[test]
fn texts_are_kept_where_somebody_asks_for_them() {
    let (bytes, counter) = (file(&small()), BytesPerToken::default());
    let imported =
        read_bytes(bytes.as_bytes(), &Source { name: "x.jsonl", counter: &counter, keep_text: true })
            .unwrap();
    let texts: Vec<&str> = imported.transcripts[0].messages.iter().map(|m| m.text.as_str()).collect();
    assert_eq!(texts[1], TEN);
    assert_eq!(texts[2], format!("{}Bash{{\"command\":\"{SECRET}\"}}", TEN.repeat(3)));
    assert_eq!(texts[4], "all is well");
}
