//! Request logs: one request in many wrappings, sessions from prompts, counts of several providers.

use super::{one_of, read, read_as, reasons, sizes, view_is_prompt};
use atr_core::import::{ImportError, Imported};
use atr_core::trace::{MessageKind, MessageRole, Session, Tag};
use proptest::prelude::*;
use serde_json::{Value, json};

const CHAT: &str = include_str!("../../../fuzz/seeds/openai-log/chat-synthetic.jsonl");
const TEXTS: &str = include_str!("../../../fuzz/seeds/openai-log/texts-synthetic.jsonl");
const ANTHROPIC: &str = include_str!("../../../fuzz/seeds/openai-log/anthropic-synthetic.jsonl");
const RESPONSES: &str = include_str!("../../../fuzz/seeds/openai-log/responses-synthetic.jsonl");
const BATCH: &str = include_str!("../../../fuzz/seeds/openai-log/batch-synthetic.jsonl");
const GATEWAY: &str = include_str!("../../../fuzz/seeds/openai-log/gateway-synthetic.jsonl");

use MessageKind::{Action, Observation, SystemPrompt, Task, Tools};
use MessageRole::{Assistant, System, Tool, User};

fn kinds(session: &Session) -> Vec<(MessageRole, MessageKind)> {
    session.messages.iter().map(|message| (message.role, message.kind)).collect()
}

fn counts(session: &Session) -> Vec<(u32, u32, u32, Option<u64>)> {
    let cached =
        |call: &atr_core::trace::Call| call.recorded.as_ref().and_then(|recorded| recorded.cached_tokens);
    session.calls.iter().map(|c| (c.prompt_tokens, c.output(), c.reasoning_tokens, cached(c))).collect()
}

fn calls(imported: &Imported) -> Vec<usize> {
    imported.sessions.iter().map(|session| session.calls.len()).collect()
}

fn line(messages: Value, reply: &str, at_s: u64) -> String {
    json!({"request": {"model": "gpt-5", "messages": messages}, "created_at": at_s,
           "response": {"choices": [{"message": {"role": "assistant", "content": reply}}]}})
    .to_string()
        + "\n"
}

fn said(role: &str, text: &str) -> Value {
    json!({"role": role, "content": text})
}

#[test]
fn a_chat_with_tools_is_one_session_with_every_count_and_time() {
    let session = one_of(CHAT.as_bytes());
    view_is_prompt(&session);
    assert_eq!(
        kinds(&session),
        [
            (System, Tools),
            (System, SystemPrompt),
            (User, Task),
            (Assistant, Action),
            (Tool, Observation),
            (Assistant, Action)
        ]
    );
    assert_eq!(counts(&session), [(300, 40, 10, Some(128)), (400, 20, 10, Some(256))]);
    // Sizes add up to the provider's totals.
    assert_eq!(sizes(&session)[..3].iter().sum::<u32>(), 300);
    assert_eq!(sizes(&session)[3..5].iter().sum::<u32>(), 100);
    let [first, second] = &session.calls[..] else { panic!("two calls") };
    assert_eq!((first.at_us, second.at_us), (Some(0), Some(5_500_000)));
    // 10:00:05.5 less 10:00:00 and 1.5 s.
    assert_eq!((second.after.as_slice(), second.delay_us), (&[0][..], Some(4_000_000)));
    assert_eq!(first.recorded.as_ref().unwrap().e2e_us, Some(1_500_000));
    assert_eq!((first.tools[0].name.as_str(), first.tools[0].us, first.tools[0].ok), ("bash", None, None));
    assert_eq!(session.messages[4].tool.as_deref(), Some("bash"));
    assert_eq!(
        (session.models.as_slice(), session.counts_from.as_str()),
        (&["gpt-5".to_owned()][..], "source+bytes/4")
    );
    assert!(!first.estimated && first.reply == Some(3) && second.reply == Some(5));
    let written = serde_json::to_string(&session).unwrap();
    for word in ["careful", "parser", "Done", "Run it", "command", "chatcmpl"] {
        assert!(!written.contains(word), "{word} is in {written}");
    }
}

#[test]
fn texts_of_json_and_lists_give_what_lines_of_objects_give() {
    let expected = one_of(CHAT.as_bytes());
    let list = format!("[\n{}\n]", CHAT.trim_end().replace('\n', ",\n"));
    let wrapped = CHAT.replace("\"request\":", "\"kwargs\":").replace("latency_ms", "duration_ms");
    for (what, bytes) in [("texts", TEXTS), ("a list", list.as_str()), ("other names", wrapped.as_str())] {
        assert_eq!(one_of(bytes.as_bytes()), expected, "{what}");
    }
}

#[test]
fn what_a_cache_read_and_wrote_counts_as_prompt_where_it_is_counted_apart() {
    let session = one_of(ANTHROPIC.as_bytes());
    view_is_prompt(&session);
    // 5 + 100 + 200 and 30 + 300.
    assert_eq!(counts(&session), [(305, 7, 0, Some(200)), (330, 9, 0, Some(300))]);
    assert_eq!(session.calls[0].recorded.as_ref().unwrap().cache_write_tokens, Some(100));
    assert_eq!(session.id, "11-22", "the session in the user's id");
    assert_eq!(
        kinds(&session),
        [
            (System, SystemPrompt),
            (User, Task),
            (Assistant, Action),
            (Tool, Observation),
            (User, Task),
            (Assistant, Action)
        ]
    );
    assert_eq!(
        (session.messages[3].tool.as_deref(), session.messages[3].tags.as_slice()),
        (Some("Bash"), &[Tag::Error][..])
    );
    assert_eq!(session.calls[0].tools[0].name, "Bash");
}

#[test]
fn the_items_of_a_response_are_one_reply() {
    let session = one_of(RESPONSES.as_bytes());
    view_is_prompt(&session);
    assert_eq!(
        kinds(&session),
        [(System, SystemPrompt), (User, Task), (Assistant, Action), (Tool, Observation), (Assistant, Action)]
    );
    assert_eq!(counts(&session), [(50, 5, 2, Some(0)), (70, 3, 0, None)]);
    assert_eq!((session.calls[0].reply, session.calls[0].tools[0].name.as_str()), (Some(2), "shell"));
    assert_eq!(session.calls[1].at_us, Some(3_000_000));
}

#[test]
fn gateways_name_sessions_and_stamp_beginning_first_token_and_end() {
    let session = one_of(GATEWAY.as_bytes());
    assert_eq!(session.id, "s-9");
    let recorded = session.calls[0].recorded.clone().unwrap();
    assert_eq!(
        (recorded.e2e_us, recorded.ttft_us, recorded.cost_usd),
        (Some(2_000_000), Some(500_000), Some(0.125))
    );
    assert_eq!(session.calls[1].delay_us, Some(1_000_000));
}

#[test]
fn a_gateway_that_keeps_no_texts_still_counts() {
    let row = |number: u32, messages: Value, proxied: Value| {
        json!({"request_id": format!("r{number}"), "call_type": "acompletion", "model": "gpt-5", "session_id": "s-4",
               "startTime": format!("2025-03-24T22:02:{number:02}Z"), "endTime": "2025-03-24T22:03:00Z",
               "request_duration_ms": 1500, "spend": 0.25, "prompt_tokens": 100 * number, "completion_tokens": 7,
               "messages": messages, "response": "{}", "proxy_server_request": proxied, "team_id": "t",
               "organization_id": null, "agent_id": null, "mcp_namespaced_tool_name": null})
        .to_string()
    };
    let asked = json!({"model": "gpt-5", "messages": [{"role": "user", "content": "the task"}]});
    let empty = [row(1, json!("{}"), json!("{}")), row(2, json!({}), json!({}))].join("\n");
    let session = one_of(empty.as_bytes());
    assert_eq!((session.id.as_str(), counts(&session)), ("s-4", vec![(100, 7, 0, None), (200, 7, 0, None)]));
    assert!(session.calls.iter().all(|call| call.prompt.is_empty()), "no text is known");
    assert_eq!((session.messages.len(), session.segments.len()), (0, 0));
    let recorded = session.calls[0].recorded.clone().unwrap();
    assert_eq!((recorded.e2e_us, recorded.cost_usd), (Some(1_500_000), Some(0.25)));

    for proxied in [asked.clone(), json!(asked.to_string())] {
        let kept = read(row(3, json!("{}"), proxied).as_bytes());
        assert_eq!((kept.unknown_keys, kinds(&kept.sessions[0])), (0, vec![(User, Task)]));
        assert_eq!(counts(&kept.sessions[0]), [(300, 7, 0, None)]);
    }
}

#[test]
fn files_of_batches_hold_requests_or_replies_and_errors_are_named() {
    let imported = read(BATCH.as_bytes());
    assert_eq!(reasons(&imported), ["line 3: `response` is an error, expected a reply"]);
    let [request, reply] = &imported.sessions[..] else { panic!("two sessions") };
    assert_eq!((request.messages.len(), request.calls[0].output(), request.calls[0].estimated), (2, 0, true));
    // The reply alone has counts, but nothing that could be shared.
    assert_eq!(counts(reply), [(300, 40, 10, Some(0))]);
    assert!(reply.calls[0].prompt.is_empty());
    assert_eq!(kinds(reply), [(Assistant, Action)], "what was answered");
}

#[test]
fn a_request_continues_the_longest_prompt_that_it_begins_with() {
    let (system, a, b) = (said("system", "S"), said("user", "task a"), said("user", "task b"));
    let (yes, no, next) = (said("assistant", "yes"), said("assistant", "no"), said("user", "next"));
    let log = [
        line(json!([system, a]), "yes", 1),
        // The same request again: another session.
        line(json!([system, a]), "no", 2),
        line(json!([system, b]), "yes", 3),
        // Their continuations in another order.
        line(json!([system, b, yes, next]), "", 4),
        line(json!([system, a, no, next]), "", 5),
        line(json!([system, a, yes, next]), "", 6),
    ];
    let imported = read(log.concat().as_bytes());
    assert_eq!(calls(&imported), [2, 2, 2]);
    assert_eq!(
        imported.sessions.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
        ["file-1", "file-2", "file-3"]
    );
    let at: Vec<_> = imported.sessions.iter().map(|session| session.calls[1].at_us).collect();
    assert_eq!(at, [Some(5_000_000), Some(3_000_000), Some(1_000_000)]);
    imported.sessions.iter().for_each(view_is_prompt);
}

#[test]
fn a_changed_history_stays_in_its_session_for_an_hour() {
    let (system, task) = (said("system", "S"), said("user", "task"));
    let (one, seen, masked) =
        (said("assistant", "one"), said("user", "a long result"), said("user", "omitted"));
    let (two, more) = (said("assistant", "two"), said("user", "more"));
    for (at_s, expected) in [(3_600, vec![3]), (3_603, vec![2, 1])] {
        let log = [
            line(json!([system, task]), "one", 0),
            line(json!([system, task, one, seen]), "two", 1),
            line(json!([system, task, one, masked, two, more]), "", at_s + 1),
        ];
        assert_eq!(calls(&read(log.concat().as_bytes())), expected, "{at_s}");
    }
    // A prompt without replies begins a session, whatever it has in common with another.
    let log = [line(json!([system, task]), "one", 0), line(json!([system, task]), "one", 1)];
    assert_eq!(calls(&read(log.concat().as_bytes())), [1, 1]);
}

#[test]
fn agents_of_a_named_session_are_told_apart_by_their_beginnings() {
    let line = |system: &str, task: &str, at_s: u64| {
        json!({"model": "gpt-5", "messages": [said("system", system), said("user", task)], "response": {"choices": []},
               "usage": {"prompt_tokens": 100, "completion_tokens": 5}, "session_id": "one", "start_time": at_s, "end_time": at_s + 2})
        .to_string() + "\n"
    };
    let log =
        [line("main", "a", 10), line("helper", "h", 13), line("main", "b", 16), line("main, later", "b", 19)];
    let session = one_of(log.concat().as_bytes());
    view_is_prompt(&session);
    let agents: Vec<_> = session.calls.iter().map(|call| (call.agent, call.after.clone())).collect();
    assert_eq!(agents, [(0, vec![]), (1, vec![0]), (0, vec![0, 1]), (0, vec![2])]);
}

#[test]
fn zero_counts_are_unknown_and_impossible_ones_are_named() {
    let line = |usage: Value| {
        json!({"request": {"model": "m", "messages": [said("user", "four")]}, "response": {"choices": [{"message": {"content": "eight888"}}], "usage": usage}}).to_string()
    };
    let session = one_of(line(json!({"prompt_tokens": 0, "completion_tokens": 0})).as_bytes());
    assert_eq!(
        (session.calls[0].prompt_tokens, session.calls[0].output(), session.calls[0].estimated),
        (1, 2, true)
    );
    let imported = read(line(json!({"prompt_tokens": -4, "completion_tokens": 1})).as_bytes());
    assert!(
        reasons(&imported)[0].starts_with("line 1: `usage.prompt_tokens` is -4"),
        "{:?}",
        imported.skipped
    );
    assert!(imported.sessions[0].calls[0].estimated);
}

#[test]
fn bad_lines_are_named_and_the_rest_is_kept() {
    let good = line(json!([said("user", "x")]), "y", 1);
    let bad = [
        ("[]", "line 2: `request` is a list"),
        ("null", "line 3: `request` is null"),
        (r#"{"request": null, "response": null}"#, "line 4: `messages` is missing"),
        (
            r#"{"request": {"model": 3, "messages": []}, "response": {"choices": []}}"#,
            "line 5: `messages` is missing",
        ),
        (
            r#"{"request": {"messages": [{"role": "narrator", "content": "x"}]}}"#,
            "line 6: `role` is no role of this format",
        ),
        (r#"{"request": {"messages": [{"role": null}]}}"#, "line 7: `role` is no role of this format"),
        (r#"{"request": {"messages"#, "line 8: no JSON"),
    ];
    let lines: Vec<&str> = bad.iter().map(|(line, _)| *line).collect();
    let imported = read(format!("{good}{}", lines.join("\n")).as_bytes());
    assert_eq!(imported.sessions.len(), 1);
    for (_, expected) in &bad {
        assert!(
            reasons(&imported).iter().any(|why| why.starts_with(expected)),
            "{expected} of {:?}",
            imported.skipped
        );
    }
    assert_eq!(imported.skipped.len(), bad.len());
    let error = read_as("f", &CHAT.trim_end().replace('\n', ",").as_bytes()[..900]);
    assert!(error.is_err() || error.is_ok_and(|imported| imported.sessions.is_empty()));
}

#[test]
fn a_list_that_is_cut_is_refused() {
    let list = format!("[{}", CHAT.trim_end().replace('\n', ","));
    match read_as("f", list.as_bytes()) {
        Err(ImportError::Malformed { why, .. }) => {
            assert!(why.starts_with("expected a whole JSON list: EOF"), "{why}");
        }
        other => {
            panic!("expected a malformed list, found {:?}", other.map(|imported| imported.sessions.len()))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sessions_come_apart_however_they_interleave(order in proptest::collection::vec(0_usize..4, 1..24)) {
        // Four agents with one system prompt, each with a task of its own, take turns in any order.
        let mut histories: Vec<Vec<Value>> =
            (0..4).map(|agent| vec![said("system", "S"), said("user", &format!("task {agent}"))]).collect();
        let (mut log, mut first) = (String::new(), Vec::new());
        for (at, &agent) in (1_u64..).zip(&order) {
            log += &line(json!(histories[agent]), "same", at);
            histories[agent].extend([said("assistant", "same"), said("user", "next")]);
            if !first.contains(&agent) {
                first.push(agent);
            }
        }
        let expected: Vec<usize> = first.iter().map(|agent| order.iter().filter(|o| *o == agent).count()).collect();
        prop_assert_eq!(calls(&read(log.as_bytes())), expected);
    }
}
