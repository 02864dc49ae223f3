//! Files of the reader, read as one set and told call by call.

use super::{Held, Reading, session_view, turn_view};
use crate::sentences;
use atr_core::metrics::breaks::Cause;
use atr_core::report::SetRef;
use atr_core::trace::{MessageKind, Tag};

fn reading(keep_text: bool) -> Reading {
    let name = |text: &str| text.to_owned();
    Reading::new(
        SetRef { name: name("own"), title: name("own/"), path: name("own") },
        atr_core::import::detect,
        keep_text,
    )
}

/// One request and its reply as a line of a log.
fn line(messages: &[(&str, &str)], reply: &str, prompt_tokens: u32) -> String {
    let messages: Vec<String> =
        messages.iter().map(|(role, text)| format!(r#"{{"role":"{role}","content":"{text}"}}"#)).collect();
    format!(
        r#"{{"session_id":"s","request":{{"model":"m","messages":[{}]}},"response":{{"choices":[{{"message":{{"role":"assistant","content":"{reply}"}}}}],"usage":{{"prompt_tokens":{prompt_tokens},"completion_tokens":2}}}}}}"#,
        messages.join(",")
    ) + "\n"
}

/// Three calls: the second continues the first, the third has another system prompt.
fn log() -> String {
    let long = "word ".repeat(400);
    let system =
        ("system", "You are careful and brief, and you say so whenever anybody should ask you about it.");
    let other =
        ("system", "Today is another day, so that nothing behind this can be found in a cache any more.");
    let (task, first, answer) = (("user", long.as_str()), ("assistant", "one"), ("user", "go on"));
    line(&[system, task], "one", 520)
        + &line(&[system, task, first, answer], "two", 530)
        + &line(&[other, task, first, answer, ("assistant", "two"), ("user", "and now")], "three", 540)
}

fn held(keep_text: bool) -> Held {
    let mut reading = reading(keep_text);
    reading.add("log.jsonl", log().as_bytes()).unwrap();
    reading.finish().unwrap()
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_file() {
    let mut marked = reading(false);
    marked.add("log.jsonl", format!("\u{feff}{}", log()).as_bytes()).unwrap();
    let (marked, plain) = (marked.finish().unwrap(), held(false));
    assert_eq!(marked.sessions, plain.sessions);
    assert_eq!(marked.view.skipped, plain.view.skipped);
}

#[test]
fn a_turn_is_what_the_prompt_adds_to_the_one_before() {
    let held = held(true);
    assert_eq!((held.sessions.len(), held.view.with_text), (1, 1));
    let turn = |call, all| turn_view(&held.sessions[0], held.text(0), call, all);
    let first = turn(0, false).unwrap();
    assert_eq!((first.before, first.same, first.messages.len(), first.in_prompt), (None, (0, 0), 2, 2));
    let (start, chars) = first.messages[1].text.clone().unwrap();
    assert_eq!((start.chars().count(), chars), (1_200, 2_000), "five letters, 400 times");
    assert_eq!(first.reply.unwrap().text, Some(("one".to_owned(), 3)));

    let second = turn(1, false).unwrap();
    assert_eq!((second.before, second.same.0, second.in_prompt), (Some(0), 3, 4), "the reply was sent again");
    let added: Vec<u32> = second.messages.iter().map(|message| message.place).collect();
    assert_eq!(added, [4]);
    assert!(!second.messages[0].again);
    assert!(turn(3, false).is_none());
}

#[test]
fn behind_a_break_what_was_sent_before_is_told_apart_from_what_is_new() {
    let held = held(false);
    let third = turn_view(&held.sessions[0], held.text(0), 2, false).unwrap();
    assert_eq!(third.same, (0, 0));
    let again: Vec<bool> = third.messages.iter().map(|message| message.again).collect();
    assert_eq!(again, [false, true, true, true, true, false]);
    assert!(
        !third.has_text && third.messages.iter().all(|message| message.text.is_none()),
        "texts were kept unasked"
    );
}

#[test]
fn a_break_names_its_message_and_its_cause() {
    let held = held(false);
    let view = session_view("own", &held.sessions[0], false);
    assert!(view.calls[0].broke.is_none() && view.calls[1].broke.is_none());
    let broke = view.calls[2].broke.as_ref().unwrap();
    let (place, _, kind, _) = broke.message.unwrap();
    assert_eq!(
        (broke.before, broke.cause, place, kind),
        (1, Cause::VolatileSystemPrompt, 1, MessageKind::SystemPrompt)
    );
    let text = sentences::call(&view, 2).unwrap();
    assert!(text.contains("The prefix of call 2 broke at message 1 (system prompt"), "{text}");
    assert!(text.contains("volatile system prompt"), "{text}");
    assert!(sentences::call(&view, 1).unwrap().contains("continues the one before"));
    assert!(!sentences::call(&view, 0).unwrap().contains("continues"), "nothing comes before the first call");
}

#[test]
fn every_message_comes_when_all_are_asked_for() {
    let many: Vec<(&str, String)> = (0..60)
        .map(|number| (if number % 2 == 0 { "user" } else { "assistant" }, format!("text {number}")))
        .collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(role, text)| (*role, text.as_str())).collect();
    let mut reading = reading(false);
    reading.add("log.jsonl", line(&many, "end", 600).as_bytes()).unwrap();
    let held = reading.finish().unwrap();
    let turn = |all| turn_view(&held.sessions[0], None, 0, all).unwrap();
    let (short, full) = (turn(false), turn(true));
    assert_eq!(short.messages.len() as u32 + short.more.0, 60);
    assert!(short.more.0 > 0);
    assert_eq!((full.messages.len(), full.more), (60, (0, 0)));
    let sum: u64 = full.messages.iter().map(|message| u64::from(message.tokens)).sum();
    let first: u64 = short.messages.iter().map(|message| u64::from(message.tokens)).sum();
    assert_eq!(first + short.more.1, sum);
}

#[test]
fn one_bad_file_among_good_ones_is_named_and_costs_nothing_else() {
    let mut reading = reading(true);
    reading.add("runs/a.jsonl", log().as_bytes()).unwrap();
    let error = reading.add("runs/notes.txt", b"not a trace at all\n").unwrap_err();
    reading.fail(error.to_string());
    reading.add("more/a.jsonl", log().as_bytes()).unwrap();
    let held = reading.finish().unwrap();
    assert_eq!(held.view.formats, [("openai-log".to_owned(), 2)]);
    assert_eq!(held.view.skipped.0, 1);
    assert!(
        held.view.skipped.1[0].starts_with("runs/notes.txt: no known trace format"),
        "{:?}",
        held.view.skipped.1
    );
    let ids: Vec<&str> = held.sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!((ids.len(), ids[0] == ids[1]), (2, false), "{ids:?}");
    assert_eq!(held.view.duplicates(), 1, "the same log twice");
    assert!((0..2).all(|place| held.text(place).is_some()));
}

#[test]
fn nothing_but_bad_files_gives_the_first_reason_and_how_many_more() {
    let mut reading = reading(true);
    for name in ["a.txt", "b.txt", "c.txt"] {
        let error = reading.add(name, b"no trace").unwrap_err();
        reading.fail(error.to_string());
    }
    let why = reading.finish().err().unwrap();
    assert!(why.starts_with("a.txt: ") && why.ends_with("(and 2 files more)"), "{why}");
}

#[test]
fn texts_stay_with_their_sessions_where_some_files_have_none() {
    let mooncake = r#"{"timestamp":0,"input_length":600,"output_length":3,"hash_ids":[1,2]}"#;
    let mut reading = reading(true);
    reading.add("a.jsonl", format!("{mooncake}\n").as_bytes()).unwrap();
    reading.add("b.jsonl", log().as_bytes()).unwrap();
    let held = reading.finish().unwrap();
    assert_eq!(
        (held.text(0).is_some(), held.text(1).map(|text| text.messages[0].kind)),
        (false, Some(MessageKind::SystemPrompt))
    );
    let single = session_view("own", &held.sessions[0], false);
    assert!(single.is_single() && single.ledger.is_none());
    let text = sentences::call(&single, 0).unwrap();
    assert!(text.starts_with("A single request: 600 prompt tokens, 3 generated."), "{text}");
    assert!(sentences::set_limits(&held.view).is_none(), "half of the set has sessions");
}

#[test]
fn a_source_of_counts_alone_promises_nothing_of_caches() {
    let mut reading = reading(true);
    let rows = "TIMESTAMP,ContextTokens,GeneratedTokens\n2031-02-03 10:00:00.2500000,2048,1\n";
    reading.add("rows.csv", rows.as_bytes()).unwrap();
    let held = reading.finish().unwrap();
    assert!(!held.view.has_identity && held.view.is_sessionless());
    let limits = sentences::set_limits(&held.view).unwrap();
    assert!(limits.contains("single requests") && limits.contains("no cache"), "{limits}");
    let turn = turn_view(&held.sessions[0], None, 0, false).unwrap();
    assert_eq!((turn.in_prompt, turn.messages.len()), (0, 0));
}

#[test]
fn what_a_provider_counts_and_a_file_does_not_show_is_called_hidden() {
    let mut reading = reading(true);
    // 2 messages of a few tokens, and 5,000 that the provider counted.
    reading.add("log.jsonl", line(&[("user", "hello there")], "one", 5_000).as_bytes()).unwrap();
    let held = reading.finish().unwrap();
    let turn = turn_view(&held.sessions[0], held.text(0), 0, false).unwrap();
    let hidden: Vec<String> =
        turn.messages.iter().filter(|message| message.hidden).map(sentences::message).collect();
    assert!(turn.messages.iter().filter(|m| m.hidden).all(|m| m.tags.contains(&Tag::Residual)));
    assert!(
        hidden.iter().all(|text| text.starts_with("hidden message, ") && text.contains("not in the file")),
        "{hidden:?}"
    );
    println!("{turn:?}");
}
