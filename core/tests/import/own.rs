//! Our own format: what is written is read, and broken rules are found.

use super::{read, read_as, reasons};
use atr_core::trace::ndjson::{Header, write};
use atr_core::trace::{Call, Ending, Recorded, Run, Scope, Segment, Session, ToolUse};
use serde_json::{Value, json};

fn session(id: &str, scope: Scope) -> Session {
    let call = |id: u32, count| Call {
        id,
        after: id.checked_sub(1).into_iter().collect(),
        prompt: vec![Run { first: 0, count }],
        prompt_tokens: 100 * count,
        output_tokens: Some(9),
        ..Call::default()
    };
    Session {
        id: id.to_owned(),
        source: "test".to_owned(),
        harness: "h".to_owned(),
        models: vec!["qwen3-4b".to_owned()],
        scope,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments: vec![Segment { id: 0, tokens: 100 }, Segment { id: 1, tokens: 100 }],
        calls: vec![call(0, 1), call(1, 2)],
        outcome: None,
    }
}

fn file(sessions: &[Session]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes, &Header::named("set"), sessions).unwrap();
    bytes
}

/// A file of two good sessions with a line between them.
fn around(line: &str) -> Vec<u8> {
    let mut bytes = file(&[session("a", Scope::Set)]);
    bytes.extend(line.as_bytes());
    bytes.push(b'\n');
    let second = file(&[session("b", Scope::Session)]);
    bytes.extend(second.splitn(2, |byte| *byte == b'\n').nth(1).unwrap());
    bytes
}

fn changed(change: impl FnOnce(&mut Value)) -> String {
    let mut value = serde_json::to_value(session("bad", Scope::Set)).unwrap();
    change(&mut value);
    value.to_string()
}

#[test]
fn what_is_written_is_read() {
    let sessions = [session("a", Scope::Set), session("b", Scope::Session)];
    let imported = read(&file(&sessions));
    assert_eq!((imported.format, imported.headers[0].name.as_str()), ("atr", "set"));
    assert_eq!(imported.sessions[0], sessions[0]);
    assert_eq!(file(&imported.sessions[..1]), file(&sessions[..1]));
}

#[test]
fn broken_rules_are_named_and_the_rest_is_kept() {
    let cases = [
        (changed(|s| s["calls"][0]["after"] = json!([1])), "session `bad`: call 0: `after` forms a cycle"),
        (changed(|s| s["calls"][1]["after"] = json!([1])), "`after` forms a cycle"),
        (changed(|s| s["calls"][1]["after"] = json!([7])), "`after` names 7, but there are only 2"),
        (changed(|s| s["calls"][1]["id"] = json!(5)), "call at place 1 has `id` 5, expected 1"),
        (changed(|s| s["calls"][1]["prompt"] = json!([[0, 3]])), "`prompt` names 2, but there are only 2"),
        (
            changed(|s| s["calls"][1]["prompt"] = json!([[4294967295_u32, 4294967295_u32]])),
            "`prompt` names 8589934589",
        ),
        (changed(|s| s["calls"][1]["prompt_tokens"] = json!(-1)), "expected a session"),
        (
            changed(|s| s["calls"][1]["prompt_tokens"] = json!(4_000_000_000_u32)),
            "`prompt_tokens` is 4000000000",
        ),
        (changed(|s| s["calls"][1]["delay_us"] = json!(u64::MAX)), "`delay_us` is"),
        (changed(|s| s["calls"] = json!([])), "`calls` is empty"),
        (changed(|s| s["scope"] = json!("galaxy")), "unknown variant `galaxy`"),
        ("{\"id\": \"half".to_owned(), "expected a session, EOF"),
        ("\u{fffd} no JSON".to_owned(), "expected a session"),
    ];
    for (line, why) in cases {
        let imported = read(&around(&line));
        let ids: Vec<&str> = imported.sessions.iter().map(|session| session.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"], "{why}");
        let reasons = reasons(&imported);
        assert!(
            reasons.len() == 1 && reasons[0].starts_with("line 3: ") && reasons[0].contains(why),
            "{why}: {reasons:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_a_bad_line_only() {
    let mut bytes = around("?");
    let at = bytes.iter().position(|byte| *byte == b'?').unwrap();
    bytes[at] = 0xff;
    let imported = read(&bytes);
    assert_eq!((imported.sessions.len(), imported.skipped.len()), (2, 1));
}

#[test]
fn another_version_is_not_ours() {
    let bytes =
        String::from_utf8(file(&[session("a", Scope::Set)])).unwrap().replace("atr-trace/1", "atr-trace/9");
    let why = read_as("x", bytes.as_bytes()).err().unwrap().to_string();
    assert!(why.contains("found the schema `atr-trace/9`, expected `atr-trace/1`"), "{why}");
    // A newer header need not have what ours has; what is no version of ours is no trace.
    let why = |head: &str| read_as("x", head.as_bytes()).err().unwrap().to_string();
    assert!(why("{\"schema\":\"atr-trace/20\",\"name\":5}\n").contains("`atr-trace/20`"));
    for other in ["atr-trace/", "atr-trace/x", "atr-traces/2", "atr-report/1"] {
        assert!(why(&format!("{{\"schema\":\"{other}\"}}\n")).contains("no known trace format"), "{other}");
    }
}

#[test]
fn equal_numbers_of_two_files_are_different_segments() {
    use atr_core::import::tokens::BytesPerToken;
    use atr_core::import::{HASHED_IDS, Imported, Source, by_name};
    let mut hashed = session("c", Scope::Set);
    hashed.segments[0].id = HASHED_IDS + 5;
    let mut into = Imported::default();
    for session in [session("a", Scope::Set), session("b", Scope::Set), hashed.clone(), hashed] {
        let source = Source { name: "x", counter: &BytesPerToken::default(), keep_text: false };
        let bytes = file(&[session]);
        by_name("atr").unwrap().read(&mut bytes.as_slice(), &source, &mut into).unwrap();
    }
    into.finish();
    let ids: Vec<Vec<u64>> =
        into.sessions.iter().map(|s| s.segments.iter().map(|segment| segment.id).collect()).collect();
    assert_eq!(ids, [vec![0, 1], vec![2, 3], vec![HASHED_IDS + 5, 5], vec![HASHED_IDS + 5, 7]]);
}

#[test]
fn files_read_apart_and_joined_are_as_read_one_after_the_other() {
    use atr_core::import::tokens::BytesPerToken;
    use atr_core::import::{Imported, Source, by_name};
    let files =
        [file(&[session("a", Scope::Set)]), file(&[session("b", Scope::Session), session("c", Scope::Set)])];
    let mooncake = br#"{"timestamp":0,"input_length":600,"output_length":1,"hash_ids":[0,3]}"#.to_vec();
    let files = [
        ("atr", files[0].clone()),
        ("mooncake", mooncake.clone()),
        ("atr", files[1].clone()),
        ("mooncake", mooncake),
    ];
    let source = Source { name: "x", counter: &BytesPerToken::default(), keep_text: false };
    let (mut joined, mut sequential) = (Imported::default(), Imported::default());
    for (format, bytes) in &files {
        let importer = by_name(format).unwrap();
        importer.read(&mut bytes.as_slice(), &source, &mut sequential).unwrap();
        let mut alone = Imported::default();
        importer.read(&mut bytes.as_slice(), &source, &mut alone).unwrap();
        joined.append(alone);
    }
    joined.finish();
    sequential.finish();
    assert_eq!(joined.sessions, sequential.sessions);
    assert_eq!(joined.headers.len(), 2);
    let shared = |a: usize, b: usize| {
        joined.sessions[a].segments.iter().any(|s| joined.sessions[b].segments.contains(s))
    };
    assert!(!shared(0, 1) && !shared(1, 4) && !shared(0, 3), "numbers of two files mean different things");
}

#[test]
fn ids_between_numbers_and_hashes_are_refused() {
    let mut odd = session("odd", Scope::Set);
    odd.segments[1].id = 1 << 60;
    let imported = read(&file(&[session("a", Scope::Set), odd]));
    assert_eq!(imported.sessions.len(), 1);
    assert!(reasons(&imported)[0].contains("neither a number nor a hash"));
}

/// Whoever wrote a file in our format, its names pass the same lists as a foreign one's.
#[test]
fn a_file_that_calls_itself_ours_cannot_bring_text_in() {
    let mut talkative = session("what the user said\nto me", Scope::Session);
    talkative.harness = "my secret text".to_owned();
    talkative.models = vec!["the plan is this".to_owned()];
    talkative.calls[0].tools = vec![ToolUse { name: "rm -rf secret".to_owned(), us: None, ok: None }];
    talkative.outcome = Some(Ending { exit: "said: no".to_owned(), ..Ending::default() });
    let read = read(&file(&[talkative]));
    let session = &read.sessions[0];
    assert_eq!(session.id, "what-the-user-said-to-me");
    assert_eq!(session.models, ["model-0"]);
    assert_eq!(session.calls[0].tools[0].name, "tool-0");
    let strings = format!("{}{}", session.harness, session.outcome.as_ref().unwrap().exit);
    assert!(!strings.contains(' ') && !strings.contains(':'), "{strings}");
}

#[test]
fn absurd_numbers_are_refused_by_name() {
    let fails = |change: &dyn Fn(&mut Session)| {
        let mut wrong = session("wrong", Scope::Session);
        change(&mut wrong);
        reasons(&read(&file(&[session("good", Scope::Session), wrong]))).join("\n")
    };
    assert!(fails(&|s| s.segments[0].tokens = u32::MAX).contains("4294967295 tokens in one segment"));
    assert!(
        fails(&|s| s.calls[1].reasoning_tokens = 10).contains("`reasoning_tokens` is 10, expected at most 9")
    );
    let cached = Recorded { cached_tokens: Some(u64::MAX), ..Recorded::default() };
    assert!(fails(&|s| s.calls[0].recorded = Some(cached.clone())).contains("`recorded.cached_tokens`"));
    assert!(fails(&|s| s.calls[1].after = vec![7]).contains("`after` names 7, but there are only 2"));
}
