//! Sessions handed on one by one are those that would have been collected, in the same order.

use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{Imported, MAX_REASONS, Source, by_name};
use atr_core::trace::ndjson::{Header, write};
use atr_core::trace::{Call, Mark, Run, Scope, Segment, Session};
use proptest::prelude::*;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

const SOURCE: Source<'static> = Source { name: "x", counter: &BytesPerToken { bytes: 4 }, keep_text: false };

/// A session of our own format: two segments, a few calls of the given sizes.
fn own(scope: Scope, sizes: &[u32]) -> Session {
    let call = |(id, &output_tokens): (u32, &u32)| Call {
        id,
        prompt: vec![Run { first: 0, count: 1 + id % 2 }],
        prompt_tokens: 100 * (1 + id % 2),
        output_tokens: Some(output_tokens),
        ..Call::default()
    };
    Session {
        id: "own".to_owned(),
        source: "test".to_owned(),
        harness: String::new(),
        models: vec!["unknown".to_owned()],
        scope,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: Vec::new(),
        segments: vec![Segment { id: 4, tokens: 100 }, Segment { id: 2, tokens: 100 }],
        calls: (0..).zip(sizes).map(call).collect(),
        outcome: None,
    }
}

/// A file of one of the formats: folded, of local chunks, of chunks that hold across the set.
fn file() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let sizes = prop::collection::vec(0_u32..2, 1..4);
    let folded = prop::collection::vec((any::<bool>(), sizes), 0..4).prop_map(|sessions| {
        let scope = |set| if set { Scope::Set } else { Scope::Session };
        let sessions: Vec<Session> = sessions.iter().map(|(set, sizes)| own(scope(*set), sizes)).collect();
        let mut bytes = Vec::new();
        write(&mut bytes, &Header::named("own"), &sessions).unwrap();
        ("atr", bytes)
    });
    let local = (1_u64..4, 0_u32..2).prop_map(|(first, output)| {
        let ids: Vec<u64> = (first..first + 3).collect();
        let trace = serde_json::json!({"id": "local", "block_size": 64, "hash_id_scope": "local", "requests": [
            {"t": 0, "type": "n", "model": "m", "in": 128, "out": output, "hash_ids": ids[..2]},
            {"t": 1, "type": "n", "model": "m", "in": 192, "out": 1, "hash_ids": ids}]});
        ("kv-cache-tester", trace.to_string().into_bytes())
    });
    let blocks = prop::collection::vec((0_u64..5, 0_u64..5), 1..4).prop_map(|lines| {
        let line = |(a, b): &(u64, u64)| {
            format!("{{\"timestamp\":0,\"input_length\":600,\"output_length\":1,\"hash_ids\":[{a},{b}]}}\n")
        };
        ("mooncake", lines.iter().map(line).collect::<String>().into_bytes())
    });
    let texts = ("[ab]{1,400}", 1_u32..3).prop_map(|(text, replies)| {
        let mut messages = vec![serde_json::json!({"role": "system", "content": "be brief"})];
        for _ in 0..replies {
            messages.push(serde_json::json!({"role": "user", "content": text}));
            messages.push(serde_json::json!({"role": "assistant", "content": "```bash\nls\n```"}));
        }
        ("mini-swe-agent", serde_json::Value::Array(messages).to_string().into_bytes())
    });
    prop_oneof![folded, local, blocks, texts]
}

fn read(files: &[(&'static str, Vec<u8>)], into: &mut Imported, apart: bool) {
    for (format, bytes) in files {
        let importer = by_name(format).unwrap();
        if apart {
            let mut alone = Imported::default();
            importer.read(&mut bytes.as_slice(), &SOURCE, &mut alone).unwrap();
            into.append(alone);
        } else {
            importer.read(&mut bytes.as_slice(), &SOURCE, into).unwrap();
        }
    }
}

/// Where a sink puts what it is given.
#[derive(Clone, Default)]
struct Taken(Arc<Mutex<Vec<(usize, Session)>>>);

impl Taken {
    fn imported(&self) -> Imported {
        let taken = self.0.clone();
        Imported::into_sink(Box::new(move |headers, session| {
            taken.lock().unwrap().push((headers.len(), session));
        }))
    }

    fn sessions(&self) -> Vec<Session> {
        self.0.lock().unwrap().iter().map(|(_, session)| session.clone()).collect()
    }
}

/// Which sessions equal an earlier one, from the whole of what makes them equal.
fn repeated(sessions: &[Session]) -> Vec<bool> {
    let mut seen = HashSet::new();
    let mut is_new = |session: &Session| {
        let calls = session.calls.iter().map(|call| {
            let indices: Vec<u32> = call.prompt.iter().flat_map(|run| run.indices()).collect();
            let ids: Vec<u64> = indices.iter().map(|&i| session.segments[i as usize].id).collect();
            let ids = (session.scope == Scope::Set).then_some(ids);
            (call.prompt_tokens, call.output(), call.prompt.clone(), ids)
        });
        seen.insert(calls.collect::<Vec<_>>())
    };
    sessions.iter().map(|session| !session.has(Mark::Sessionless) && !is_new(session)).collect()
}

proptest! {
    #[test]
    fn a_stream_gives_what_is_collected(files in prop::collection::vec(file(), 1..6), apart in any::<bool>()) {
        let mut collected = Imported::default();
        read(&files, &mut collected, false);
        collected.finish();
        let taken = Taken::default();
        let mut streamed = taken.imported();
        read(&files, &mut streamed, apart);
        streamed.finish();
        prop_assert_eq!(&taken.sessions(), &collected.sessions);
        prop_assert_eq!(streamed.accepted(), collected.sessions.len() as u64);
        prop_assert!(streamed.sessions.is_empty());
        let marked: Vec<bool> = collected.sessions.iter().map(|session| session.has(Mark::Duplicate)).collect();
        prop_assert_eq!(marked, repeated(&collected.sessions));
    }
}

#[test]
fn nothing_is_held_back_where_nothing_need_be() {
    let mut bytes = Vec::new();
    let sessions = [own(Scope::Set, &[1]), own(Scope::Session, &[1]), own(Scope::Session, &[1])];
    write(&mut bytes, &Header::named("own"), &sessions).unwrap();
    let taken = Taken::default();
    let mut into = taken.imported();
    read(&[("atr", bytes)], &mut into, false);
    assert_eq!(taken.0.lock().unwrap().len(), 3, "before the set is finished");
    let marks: Vec<_> = taken.sessions().iter().map(|session| session.marks.clone()).collect();
    assert_eq!(marks, [vec![], vec![], vec![Mark::Duplicate]]);
    assert_eq!(taken.0.lock().unwrap()[0].0, 1, "the header is known by then");
}

#[test]
fn what_waits_for_the_last_file_keeps_its_place() {
    let line = br#"{"timestamp":0,"input_length":600,"output_length":1,"hash_ids":[0,1]}"#.to_vec();
    let mut bytes = Vec::new();
    write(&mut bytes, &Header::named("own"), &[own(Scope::Session, &[1])]).unwrap();
    let taken = Taken::default();
    let mut into = taken.imported();
    let files = [("atr", bytes.clone()), ("mooncake", line), ("atr", bytes)];
    read(&files, &mut into, false);
    assert_eq!(taken.0.lock().unwrap().len(), 1, "blocks of a set wait, and so does what follows");
    into.finish();
    let sources: Vec<String> = taken.sessions().into_iter().map(|session| session.source).collect();
    assert_eq!(sources, ["test", "mooncake", "test"]);
}

#[test]
fn reasons_are_counted_beyond_those_that_are_kept() {
    let bytes = "{\"timestamp\":0}\n".repeat(MAX_REASONS + 7).into_bytes();
    let mut into = Imported::default();
    read(&[("mooncake", bytes)], &mut into, false);
    assert_eq!((into.skipped.len(), into.skipped_count()), (MAX_REASONS, MAX_REASONS as u64 + 7));
    let mut again = Imported::default();
    again.append(into);
    assert_eq!((again.skipped.len(), again.skipped_count()), (MAX_REASONS, MAX_REASONS as u64 + 7));
}

#[test]
fn a_hole_in_a_file_costs_one_line() {
    let line = r#"{"timestamp":0,"input_length":600,"output_length":1,"hash_ids":[0,1]}"#;
    let mut bytes = format!("{line}\n{line}\n").into_bytes();
    bytes.extend([0; 5_000]);
    bytes.extend(format!("\n{line}\n").bytes());
    let mut into = Imported::default();
    read(&[("mooncake", bytes)], &mut into, false);
    assert_eq!(super::reasons(&into), ["line 3: the line holds zero bytes, expected text"]);
    assert_eq!(into.accepted(), 3);
    let mut bytes = Vec::new();
    write(&mut bytes, &Header::named("own"), &[own(Scope::Session, &[1])]).unwrap();
    let session = bytes.splitn(2, |byte| *byte == b'\n').nth(1).unwrap().to_vec();
    bytes.extend([0; 5_000]);
    bytes.push(b'\n');
    bytes.extend(session);
    let mut into = Imported::default();
    read(&[("atr", bytes)], &mut into, false);
    assert_eq!(super::reasons(&into), ["line 3: the line holds zero bytes, expected text"]);
    assert_eq!(into.accepted(), 2);
}

#[test]
fn a_hole_in_a_document_is_found_before_it_is_read_whole() {
    let mut bytes = br#"{"id":"x","block_size":64,"hash_id_scope":"local","requests":["#.to_vec();
    let text = bytes.len();
    bytes.extend(vec![0; 4 << 20]);
    for format in ["kv-cache-tester", "mini-swe-agent"] {
        let mut into = Imported::default();
        let read = by_name(format).unwrap().read(&mut bytes.as_slice(), &SOURCE, &mut into);
        let why = read.err().unwrap().to_string();
        assert_eq!(why, format!("x: expected JSON, found a zero byte after {text} bytes"));
    }
}
