//! OpenTelemetry spans: sessions, agents and tools from the tree, content in several conventions.

use super::{one_of, read, read_as, reasons, view_is_prompt};
use atr_core::import::ImportError;
use atr_core::trace::{CallRole, MessageKind, MessageRole, Run, Session};
use serde_json::json;

const OTLP: &str = include_str!("../../../fuzz/seeds/otel/otlp-synthetic.json");
const CONSOLE: &str = include_str!("../../../fuzz/seeds/otel/console-synthetic.json");
const INDEXED: &str = include_str!("../../../fuzz/seeds/otel/indexed-synthetic.jsonl");

const S: u64 = 1_000_000;

fn roles(session: &Session) -> Vec<MessageRole> {
    session.messages.iter().map(|message| message.role).collect()
}

#[test]
fn spans_without_content_have_counts_times_tools_and_agents() {
    let session = one_of(OTLP.as_bytes());
    view_is_prompt(&session);
    assert_eq!((session.id.as_str(), session.models[0].as_str()), ("conv-7", "gpt-5"));
    let calls: Vec<_> = session
        .calls
        .iter()
        .map(|c| {
            (c.agent, c.role, c.after.clone(), c.at_us.unwrap(), c.delay_us, c.prompt_tokens, c.output())
        })
        .collect();
    use CallRole::{Agent, Subagent};
    assert_eq!(
        calls,
        [
            (0, Agent, vec![], 0, None, 1000, 50),
            // Began at 5 s, the first had ended at 3 s.
            (0, Agent, vec![0], 4 * S, Some(2 * S), 1100, 20),
            (1, Subagent, vec![1], 6 * S, Some(S), 300, 10),
            // Waits for the sub-agent, which ended at 9 s.
            (0, Agent, vec![1, 2], 10 * S, Some(2 * S), 1300, 30),
        ]
    );
    let tools: Vec<_> = session
        .calls
        .iter()
        .map(|call| call.tools.iter().map(|t| (t.name.as_str(), t.us, t.ok)).collect::<Vec<_>>())
        .collect();
    assert_eq!(
        tools,
        [vec![("bash", Some(2 * S), Some(false))], vec![("Task", Some(4 * S), None)], vec![], vec![]]
    );
    let recorded = session.calls[0].recorded.clone().unwrap();
    assert_eq!((recorded.cached_tokens, recorded.e2e_us), (Some(800), Some(2 * S)));
    // Nobody knows whether these prompts have anything in common.
    assert_eq!((session.messages.len(), session.segments.len()), (0, 0));
    assert!(session.calls.iter().all(|call| call.prompt.is_empty() && call.view.is_empty()));
    let breaks = atr_core::metrics::breaks::breaks(&[session], 16);
    assert_eq!((breaks.unidentified, breaks.ledger.prompt_tokens, breaks.count()), (1, 0, 0));
}

/// Chat spans of 100 prompt tokens, as `(trace, start, end, messages)`.
fn spans(spans: &[(&str, &str, &str, Option<&str>)]) -> String {
    let span = |(place, (trace, start, end, messages)): (usize, &(&str, &str, &str, Option<&str>))| {
        let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
        let mut attributes = vec![text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "m")];
        attributes.push(json!({"key": "gen_ai.usage.input_tokens", "value": {"intValue": "100"}}));
        attributes.push(json!({"key": "gen_ai.usage.output_tokens", "value": {"intValue": "5"}}));
        attributes.extend(messages.map(|messages| text("gen_ai.input.messages", messages)));
        json!({"traceId": trace, "spanId": format!("s{place}"), "startTimeUnixNano": start,
               "endTimeUnixNano": end, "attributes": attributes})
    };
    let spans: Vec<_> = spans.iter().enumerate().map(span).collect();
    json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
}

#[test]
fn requests_with_content_keep_it_beside_those_without() {
    let said = |texts: &[&str]| -> String {
        let message = |text: &&str| json!({"role": "user", "parts": [{"type": "text", "content": text}]});
        serde_json::to_string(&texts.iter().map(message).collect::<Vec<_>>()).unwrap()
    };
    let (first, last) = (said(&["the task"]), said(&["the task", "and more"]));
    let at = ["1000000000", "2000000000", "3000000000", "4000000000", "5000000000", "6000000000"];
    let session = one_of(
        spans(&[
            ("t", at[0], at[1], Some(&first)),
            ("t", at[2], at[3], None),
            ("t", at[4], at[5], Some(&last)),
        ])
        .as_bytes(),
    );
    view_is_prompt(&session);
    let prompts: Vec<_> = session.calls.iter().map(|c| (c.view.clone(), c.prompt_tokens)).collect();
    let run = |count| vec![Run { first: 0, count }];
    assert_eq!(prompts, [(run(1), 100), (vec![], 100), (run(2), 100)]);
    let breaks = atr_core::metrics::breaks::breaks(&[session], 1);
    assert_eq!((breaks.unidentified, breaks.count()), (0, 0), "an unknown prompt breaks nothing");
    assert_eq!((breaks.ledger.prompt_tokens, breaks.ledger.shared_tokens), (300, 100));
}

#[test]
fn times_in_nanoseconds_are_not_guessed_from_their_size() {
    // Counted from the start of a machine: by their size, seconds, seconds, milliseconds and more.
    let at = ["5000000", "1005000000", "250005000000", "251005000000"];
    let session = one_of(spans(&[("t", at[0], at[1], None), ("t", at[2], at[3], None)]).as_bytes());
    let times: Vec<_> = session
        .calls
        .iter()
        .map(|call| (call.at_us, call.delay_us, call.recorded.as_ref().unwrap().e2e_us))
        .collect();
    assert_eq!(times, [(Some(0), None, Some(S)), (Some(250 * S), Some(249 * S), Some(S))]);
}

#[test]
fn a_session_with_an_impossible_time_is_named_and_the_rest_is_kept() {
    let at = ["1763719200000000000", "1763719201000000000", "1763719202000000000", "1763719203000000000"];
    for (start, end, field) in [
        ("1000", at[1], "recorded.e2e_us"),
        (at[0], "18446744073709551615", "recorded.e2e_us"),
        ("1000", "2000", "delay_us"),
    ] {
        let log = spans(&[
            ("bad-7", start, end, None),
            ("good-7", at[0], at[1], None),
            ("bad-7", at[2], at[3], None),
            ("good-7", at[2], at[3], None),
        ]);
        let imported = read(log.as_bytes());
        let kept: Vec<_> = imported.sessions.iter().map(|s| (s.id.as_str(), s.calls.len())).collect();
        assert_eq!(kept, [("good-7", 2)]);
        let [why] = reasons(&imported)[..] else { panic!("{:?}", imported.skipped) };
        assert!(why.starts_with("session `bad-7`: ") && why.contains(field), "{why}");
    }
}

#[test]
fn messages_in_attributes_give_a_session_with_identity() {
    let session = one_of(CONSOLE.as_bytes());
    view_is_prompt(&session);
    use MessageRole::{Assistant, System, Tool, User};
    assert_eq!(roles(&session), [System, User, Assistant, Tool, Assistant]);
    assert_eq!(session.calls[1].prompt_tokens, 50);
    assert_eq!(session.calls[0].reply, Some(2));
    assert_eq!(session.calls[0].tools[0].name, "bash");
    assert_eq!(session.messages[3].tool.as_deref(), Some("bash"));
    assert_eq!(session.calls[1].delay_us, Some(S));
    assert_eq!(session.id, "0x5b8efff798038103d269b633813fc60c", "the trace");
    let written = serde_json::to_string(&session).unwrap();
    for word in ["brief", "Fix it", "I look", "a.rs", "command", "SpanKind"] {
        assert!(!written.contains(word), "{word} is in {written}");
    }
}

#[test]
fn older_conventions_and_events_say_the_same() {
    let session = one_of(INDEXED.as_bytes());
    view_is_prompt(&session);
    let calls: Vec<_> =
        session.calls.iter().map(|call| (call.prompt_tokens, call.output(), call.view.clone())).collect();
    assert_eq!(calls.iter().map(|call| (call.0, call.1)).collect::<Vec<_>>(), [(30, 8), (40, 3), (9, 2)]);
    let first = |place: usize| -> Vec<MessageRole> {
        let view = session.calls[place].view.iter().flat_map(|run| run.indices());
        view.map(|index| session.messages[index as usize].role).collect()
    };
    use MessageRole::{Assistant, System, Tool, User};
    assert_eq!(first(0), [System, User]);
    assert_eq!(first(1), [System, User, Assistant, Tool], "what one library calls a reply, another sends");
    assert_eq!(session.calls[0].tools[0].name, "bash");
    // Without a system prompt it is another agent's.
    assert_eq!((first(2), session.calls[2].agent), (vec![User], 0));
    assert_eq!(
        session.messages.iter().filter(|message| message.kind == MessageKind::SystemPrompt).count(),
        1
    );
}

#[test]
fn lines_lists_and_documents_hold_the_same_spans() {
    let expected = one_of(OTLP.as_bytes());
    let document: serde_json::Value = serde_json::from_str(OTLP).unwrap();
    let spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let list = serde_json::to_string(spans).unwrap();
    // The collector writes one document a line, here with one span each.
    let collected: String = spans
        .iter()
        .map(|span| {
            format!("{}\n", serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
        })
        .collect();
    for bytes in [list, collected, serde_json::to_string_pretty(&document).unwrap()] {
        assert_eq!(one_of(bytes.as_bytes()), expected);
    }
}

#[test]
fn one_request_reported_by_two_libraries_counts_once() {
    let inner = OTLP.replace(
        "\"spanId\": \"t1\", \"parentSpanId\": \"a1\", \"name\": \"execute_tool\"",
        "\"spanId\": \"t1\", \"parentSpanId\": \"c1\", \"name\": \"chat\"",
    );
    let inner = inner.replacen(
        "\"execute_tool\"}}, {\"key\": \"gen_ai.tool.name\"",
        "\"chat\"}}, {\"key\": \"gen_ai.tool.name\"",
        1,
    );
    assert_ne!(inner, OTLP);
    assert_eq!(one_of(inner.as_bytes()).calls.len(), 4);
}

#[test]
fn a_circle_of_parents_and_bad_values_do_no_harm() {
    let circle = OTLP.replace("\"parentSpanId\": \"\"", "\"parentSpanId\": \"c4\"");
    let imported = read(circle.as_bytes());
    assert!(imported.sessions.iter().all(|session| !session.calls.is_empty()));
    for (from, to) in [
        ("\"1000\"", "\"many\""),
        ("\"1000\"", "null"),
        ("{\"intValue\": \"1000\"}", "[]"),
        ("\"attributes\": [", "\"attributes\": 7, \"x\": ["),
        ("1763719201000000000", "-1"),
        ("1763719201000000000", "soon"),
    ] {
        let imported = read(OTLP.replacen(from, to, 1).as_bytes());
        assert_eq!(imported.sessions.len(), 1, "{to}");
    }
    let imported = read(OTLP.replacen("\"1000\"", "\"-5\"", 1).as_bytes());
    assert!(reasons(&imported)[0].contains("`gen_ai.usage.input_tokens` is -5"), "{:?}", imported.skipped);
    assert_eq!(imported.sessions[0].calls.len(), 3);
}

#[test]
fn what_follows_a_broken_line_is_read_and_what_has_no_request_is_refused() {
    let lines: Vec<&str> = INDEXED.lines().collect();
    let broken = format!("{}\n{}\n{}\n", lines[0], &lines[1][..100], lines[2]);
    let imported = read(broken.as_bytes());
    assert_eq!((imported.skipped.len(), imported.sessions[0].calls.len()), (1, 2));
    assert!(reasons(&imported)[0].starts_with("value 2: no JSON"), "{:?}", imported.skipped);
    for (bytes, why) in [
        (r#"{"resourceSpans": []}"#, "none of a request to a model"),
        (
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "t", "spanId": "s", "name": "GET /"}]}]}]}"#,
            "1 spans, none of a request to a model",
        ),
    ] {
        match read_as("f", bytes.as_bytes()) {
            Err(ImportError::Malformed { why: found, .. }) => assert!(found.contains(why), "{found}"),
            other => panic!("expected a malformed file, found {:?}", other.map(|imported| imported.sessions)),
        }
    }
}
