//! Mooncake JSONL.

use super::made::{Sizes, asked, session, shared};
use super::{export, export_with, import, lost, shared_tokens};
use atr_core::trace::{Scope, Session};
use proptest::prelude::*;
use serde_json::Value;

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const SYNTHETIC: &str = r#"{"timestamp":0,"input_length":1000,"output_length":5,"hash_ids":[0,1]}
{"timestamp":3000,"input_length":1024,"output_length":6,"hash_ids":[0,2],"session_id":"u"}
{"timestamp":3000,"input_length":600,"output_length":1,"hash_ids":[0,1]}
{"timestamp":3000.5,"input_length":512,"output_length":0,"hash_ids":[3],"session_id":"v"}
{"timestamp":9000,"input_length":1500,"output_length":7,"hash_ids":[0,2,4],"session_id":"u","delay":2500.25}
"#;

#[test]
fn what_was_read_comes_out_as_it_was() {
    let imported = import(SYNTHETIC.as_bytes());
    let (text, exported) = export("mooncake", &imported.sessions);
    assert_eq!(text, SYNTHETIC);
    assert_eq!((exported.sessions, exported.calls, exported.documents, exported.lost.len()), (4, 5, 1, 0));
}

#[test]
fn sub_agents_run_beside_their_parent_and_what_is_lost_is_counted() {
    let imported = import(include_bytes!("../fixtures/import/claude-code.json"));
    let session = &imported.sessions[0];
    let (text, exported) = export("mooncake", &imported.sessions);
    let lines = lines(&text);
    assert_eq!(lines.len(), session.calls.len());
    assert!(lines.is_sorted_by(|a, b| a["timestamp"].as_f64() <= b["timestamp"].as_f64()));
    let mut names: Vec<&str> = lines.iter().map(|line| line["session_id"].as_str().unwrap()).collect();
    names.sort_unstable();
    names.dedup();
    let agents = session.calls.iter().map(|call| call.agent).max().unwrap();
    assert_eq!(names.len(), agents as usize + 1);
    assert_eq!(lost(&exported, "sub-agents, now sessions of their own"), u64::from(agents));
    assert_eq!(lost(&exported, "messages"), session.messages.len() as u64);
    assert_eq!(lost(&exported, "models of calls"), session.calls.len() as u64);
    let sum = |key: &str| lines.iter().map(|line| line[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(
        (sum("input_length"), sum("output_length")),
        (session.prompt_tokens(), session.output_tokens())
    );
}

#[test]
fn blocks_of_the_source_are_joined_and_never_split() {
    let imported = import(SYNTHETIC.as_bytes());
    let (text, exported) = export_with("mooncake", &imported.sessions, &[], Some(256));
    assert_eq!((text.as_str(), exported.sessions), ("", 0));
    assert_eq!(lost(&exported, "sessions whose blocks would have to be split"), 4);
    let (text, exported) = export_with("mooncake", &imported.sessions, &[], Some(1_024));
    assert_eq!(exported.sessions, 4);
    let ids: Vec<Value> = lines(&text).iter().map(|line| line["hash_ids"].clone()).collect();
    // The ids 0 1 | 0 2 | 0 1 | 3 | 0 2 4, two by two.
    assert_eq!(Value::from(ids).to_string(), "[[0],[1],[0],[2],[1,3]]");
}

#[test]
fn calls_to_different_models_share_nothing() {
    let mut session = session(
        0,
        Scope::Set,
        Sizes::Blocks(512),
        &[(0, vec![1, 2], 0, 1, (0, 0)), (0, vec![1, 2], 0, 1, (1, 0)), (0, vec![1, 2], 0, 1, (1, 0))],
    );
    session.models.push("gpt-5".to_owned());
    session.calls[1].model = 1;
    let (text, exported) = export("mooncake", &[session]);
    let ids: Vec<Value> = lines(&text).iter().map(|line| line["hash_ids"].clone()).collect();
    assert_eq!(Value::from(ids).to_string(), "[[0,1],[2,3],[0,1]]");
    assert_eq!(lost(&exported, "models of calls"), 1);
}

/// Every call of a set, with its session.
fn calls(sessions: &[Session]) -> Vec<(&Session, u32)> {
    sessions.iter().flat_map(|session| session.calls.iter().map(move |call| (session, call.id))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two prompts have as many ids in common as whole blocks, and the last, partial one where they are
    /// the same to the end.
    #[test]
    fn ids_are_equal_as_far_as_prompts_are(
        sets in prop::collection::vec(asked(1, true), 1..4),
        block in 1..800_u32,
        local in any::<bool>(),
    ) {
        let scope = if local { Scope::Session } else { Scope::Set };
        let sessions: Vec<Session> =
            sets.iter().enumerate().map(|(at, asked)| session(at, scope, Sizes::Odd, asked)).collect();
        let (text, exported) = export_with("mooncake", &sessions, &[], Some(block));
        prop_assert_eq!(exported.calls as usize, calls(&sessions).len());
        // Lines of a session keep its order.
        let mut ids: Vec<Vec<Vec<u64>>> = vec![Vec::new(); sessions.len()];
        for line in lines(&text) {
            let at: usize = line["session_id"].as_str().unwrap()[1..].parse().unwrap();
            ids[at].push(serde_json::from_value(line["hash_ids"].clone()).unwrap());
        }
        let calls = calls(&sessions);
        for &a in &calls {
            for &b in &calls {
                if a == b {
                    continue;
                }
                let index = |call: (&Session, u32)| (call.0.id[1..].parse::<usize>().unwrap(), call.1 as usize);
                let ((sa, ca), (sb, cb)) = (index(a), index(b));
                let common = ids[sa][ca].iter().zip(&ids[sb][cb]).take_while(|(a, b)| a == b).count() as u64;
                let (tokens, whole) = shared(a, b);
                let expected = match (local && sa != sb, whole) {
                    (true, _) => 0,
                    (false, true) => tokens.div_ceil(block.into()),
                    (false, false) => tokens / u64::from(block),
                };
                prop_assert_eq!(common, expected, "{:?} {:?}", (sa, ca), (sb, cb));
            }
        }
    }

    /// Out and in again: sizes, times, turns, pauses, and what prompts share in blocks of 512.
    #[test]
    fn sessions_come_back(sets in prop::collection::vec(asked(1, false), 1..4)) {
        let sessions: Vec<Session> = sets
            .iter()
            .enumerate()
            .map(|(at, asked)| session(at, Scope::Set, Sizes::Blocks(512), asked))
            .collect();
        let (text, exported) = export("mooncake", &sessions);
        prop_assert_eq!(&exported.lost.iter().map(|lost| lost.what).collect::<Vec<_>>(), &["recorded times of calls"]);
        let imported = import(text.as_bytes());
        prop_assert_eq!(&imported.skipped, &[]);
        let mut back = imported.sessions;
        back.sort_by_key(|session| session.id.clone());
        prop_assert_eq!(back.len(), sessions.len());
        for (ours, theirs) in sessions.iter().zip(&back) {
            prop_assert_eq!(&ours.id, &theirs.id);
            let facts = |session: &Session| -> Vec<_> {
                let calls = session.calls.iter();
                calls.map(|c| (c.at_us, c.after.clone(), c.delay_us, c.prompt_tokens, c.output())).collect()
            };
            prop_assert_eq!(facts(ours), facts(theirs));
        }
        for (a, b) in calls(&sessions).into_iter().zip(calls(&back)) {
            for (c, d) in calls(&sessions).into_iter().zip(calls(&back)) {
                prop_assert_eq!(shared_tokens(a, c), shared_tokens(b, d));
            }
        }
    }
}

#[test]
fn the_published_trace_comes_out_as_it_was() {
    let path = std::env::var_os("ATR_RAW")
        .map(|raw| std::path::Path::new(&raw).join("mooncake/conversation_trace.jsonl"));
    let Some(bytes) = path.and_then(|path| std::fs::read(path).ok()) else {
        #[allow(clippy::print_stdout, reason = "a test that checks nothing must say so")]
        {
            println!("skipped: ATR_RAW names no folder with Mooncake's conversation trace");
        }
        return;
    };
    let imported = import(&bytes);
    let (text, exported) = export("mooncake", &imported.sessions);
    assert_eq!((exported.calls, exported.lost.len()), (12_031, 0));
    let mut names = std::collections::HashMap::new();
    let mut taken = std::collections::HashSet::new();
    let source = std::str::from_utf8(&bytes).unwrap();
    assert_eq!(source.lines().count(), text.lines().count());
    for (theirs, ours) in lines(source).iter().zip(lines(&text)) {
        for key in ["timestamp", "input_length", "output_length"] {
            assert_eq!(theirs[key], ours[key]);
        }
        let ids = |line: &Value| -> Vec<u64> { serde_json::from_value(line["hash_ids"].clone()).unwrap() };
        let (theirs, ours) = (ids(theirs), ids(&ours));
        assert_eq!(theirs.len(), ours.len());
        // One name for one name, both ways.
        for (theirs, ours) in theirs.into_iter().zip(ours) {
            let known = *names.entry(theirs).or_insert(ours);
            assert_eq!(known, ours);
            taken.insert(ours);
        }
    }
    assert_eq!(names.len(), taken.len());
}
