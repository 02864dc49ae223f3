//! OpenTelemetry spans: sessions, agents and tools from the tree, content in several conventions.

use super::{one_of, read, read_as, reasons, sizes, view_is_prompt};
use atr_core::import::ImportError;
use atr_core::trace::{CallRole, MessageKind, MessageRole, Session, Tag};

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
    let ids: std::collections::BTreeSet<u64> = session.segments.iter().map(|segment| segment.id).collect();
    assert_eq!(ids.len(), 4);
    assert_eq!(sizes(&session), [1000, 1100, 300, 1300]);
    assert!(session.messages.iter().all(|message| message.tags == [Tag::Residual]));
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
