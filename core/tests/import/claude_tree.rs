//! Claude Code: branches, compactions, sub-agents, resumed sessions, and files with something wrong.

use super::claude_code::*;
use super::{read_as, reasons};
use atr_core::import::ImportError;
use atr_core::trace::{CallRole, Mark, MessageKind, Session};
use proptest::prelude::*;
use serde_json::{Value, json};

fn views(session: &Session) -> Vec<Vec<u32>> {
    session.calls.iter().map(view).collect()
}

/// A line of a sub-agent.
fn side(line: Value, agent: Option<&str>) -> Value {
    let line = with(line, json!({"isSidechain": true}));
    match agent {
        Some(agent) => with(line, json!({"agentId": agent})),
        None => line,
    }
}

#[test]
fn a_person_who_goes_back_begins_a_branch() {
    let lines = [
        user("u1", Value::Null, 0, TEN),
        reply("a1", "u1", 1, "m1", text("one"), [10, 0, 100, 2]),
        user("u2", json!("a1"), 10, "first try"),
        reply("a2", "u2", 11, "m2", text("two"), [10, 0, 120, 2]),
        user("u3", json!("a1"), 30, "second try"),
        reply("a3", "u3", 31, "m3", text("three"), [10, 0, 120, 2]),
        user("u4", Value::Null, 60, "from the start"),
        reply("a4", "u4", 61, "m4", text("four"), [10, 0, 100, 2]),
    ];
    let session = session(&lines);
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2, 3], vec![0, 1, 2, 5], vec![0, 7]]);
    let after: Vec<_> = session.calls.iter().map(|call| call.after.clone()).collect();
    assert_eq!(after, [vec![], vec![0], vec![1], vec![2]], "one after the other all the same");
}

fn boundary(uuid: &str, logical: &str, seconds: u32, metadata: Value) -> Value {
    let line = line("system", uuid, Value::Null, seconds, Value::Null);
    with(
        line,
        json!({"subtype": "compact_boundary", "logicalParentUuid": logical, "content": "Conversation compacted",
               "level": "info", "compactMetadata": metadata}),
    )
}

fn summary(uuid: &str, parent: &str, seconds: u32) -> Value {
    let line = user(uuid, json!(parent), seconds, &TEN.repeat(2));
    with(line, json!({"isCompactSummary": true, "isVisibleInTranscriptOnly": true}))
}

#[test]
fn a_compaction_begins_anew_with_its_summary() {
    let mut lines = small();
    lines.push(boundary("b1", "a4", 20, json!({"trigger": "auto", "preTokens": 1_110})));
    lines.push(summary("c1", "b1", 21));
    lines.push(user("u2", json!("c1"), 30, TEN));
    lines.push(reply("a5", "u2", 31, "m3", text("go on"), [10, 30, 500, 2]));
    let session = session(&lines);
    assert_eq!(views(&session)[2], [0, 5, 6]);
    assert_eq!(session.messages[5].kind, MessageKind::Summary);
    assert_eq!(session.marks, [Mark::ContextDrop], "540 is less than half of 1,100");
}

#[test]
fn what_a_compaction_kept_stands_behind_its_summary() {
    let kept = [
        json!({"preservedSegment": {"headUuid": "r1", "anchorUuid": "c1", "tailUuid": "a4"}}),
        json!({"preservedMessages": {"anchorUuid": "c1", "uuids": ["r1", "a4"]}}),
    ];
    for metadata in kept {
        // What follows is linked to the last line kept, or to the summary.
        for parent in ["a4", "c1"] {
            let mut lines = small();
            lines.push(boundary("b1", "a4", 20, metadata.clone()));
            lines.push(summary("c1", "b1", 21));
            lines.push(user("u2", json!(parent), 30, TEN));
            lines.push(reply("a5", "u2", 31, "m3", text("go on"), [10, 30, 900, 2]));
            let session = session(&lines);
            assert_eq!(views(&session)[2], [0, 5, 3, 4, 6], "{metadata} {parent}");
            assert_eq!(views(&session)[1], [0, 1, 2, 3], "what was before is as it was");
        }
    }
}

/// A main agent that starts one sub-agent, which makes two calls.
fn with_sub_agent(named: bool, agent: Option<&str>) -> Vec<Value> {
    let order = json!({"description": "look", "prompt": "look around", "subagent_type": "Explore"});
    let mut back = result("r1", "a1", 20, "t1", json!([text("found it")]));
    if named {
        back = with(back, json!({"toolUseResult": {"agentId": "ab12", "status": "completed"}}));
    }
    vec![
        user("u1", Value::Null, 0, TEN),
        reply("a1", "u1", 2, "m1", tool("t1", "Task", order), [10, 0, 100, 9]),
        side(user("s1", Value::Null, 3, "look around"), agent),
        side(reply("s2", "s1", 5, "n1", tool("t2", "Glob", json!({})), [5, 0, 50, 9]), agent),
        side(result("s3", "s2", 6, "t2", json!(TEN)), agent),
        side(reply("s4", "s3", 10, "n2", text("found it"), [5, 30, 55, 9]), agent),
        back,
        reply("a2", "r1", 25, "m2", text("so it is"), [10, 30, 110, 9]),
    ]
}

#[test]
fn a_sub_agent_waits_for_who_started_it_and_is_waited_for() {
    for (named, agent) in [(true, Some("ab12")), (false, None), (false, Some("ab12"))] {
        let session = session(&with_sub_agent(named, agent));
        let found: Vec<_> =
            session.calls.iter().map(|c| (c.agent, c.role, c.after.clone(), c.delay_us)).collect();
        use CallRole::{Agent, Subagent};
        assert_eq!(
            found,
            [
                (0, Agent, vec![], None),
                (1, Subagent, vec![0], Some(S)),
                (1, Subagent, vec![1], Some(S)),
                // Its result came ten seconds after the sub-agent's last word.
                (0, Agent, vec![0, 2], Some(10 * S)),
            ]
        );
        assert_eq!(session.calls[0].tools[0].us, Some(18 * S));
        let own = session.messages.iter().filter(|message| message.agent == 1).count();
        assert_eq!(own, 5, "hidden, task, action, observation, action");
    }
}

#[test]
fn sub_agents_side_by_side_are_told_apart_by_their_words() {
    let order = |words: &str| json!({"prompt": words});
    let lines = [
        user("u1", Value::Null, 0, TEN),
        reply("a1", "u1", 1, "m1", tool("t1", "Task", order("left")), [10, 0, 100, 9]),
        user("u2", json!("a1"), 2, "and"),
        reply("a2", "u2", 3, "m2", tool("t2", "Task", order("right")), [10, 0, 130, 9]),
        side(user("s1", Value::Null, 4, "right"), None),
        side(user("p1", Value::Null, 4, "left"), None),
        side(reply("s2", "s1", 5, "n1", text("r"), [5, 0, 50, 1]), None),
        side(reply("p2", "p1", 6, "n2", text("l"), [5, 0, 50, 1]), None),
    ];
    let session = session(&lines);
    let found: Vec<_> = session.calls.iter().map(|call| (call.agent, call.after.clone())).collect();
    assert_eq!(found, [(0, vec![]), (0, vec![0]), (1, vec![1]), (2, vec![0])]);
}

#[test]
fn a_sub_agent_in_the_background_is_not_waited_for() {
    let mut lines = with_sub_agent(true, Some("ab12"));
    lines[6] = with(
        result("r1", "a1", 3, "t1", json!("started")),
        json!({"toolUseResult": {"agentId": "ab12", "isAsync": true, "status": "async_launched"}}),
    );
    lines[7] = reply("a2", "r1", 4, "m2", text("meanwhile"), [10, 30, 110, 9]);
    let session = session(&lines);
    let main: Vec<_> = session.calls.iter().filter(|call| call.agent == 0).map(|c| c.after.clone()).collect();
    assert_eq!(main, [vec![], vec![0]]);
}

#[test]
fn a_sub_agent_alone_is_a_session_that_says_so() {
    let lines: Vec<Value> = with_sub_agent(false, Some("ab12")).drain(2..6).collect();
    let session = session(&lines);
    assert_eq!(
        (session.id.as_str(), session.marks.as_slice()),
        ("ses-1-agent-ab12", &[Mark::SubagentOnly][..])
    );
    assert!(session.calls.iter().all(|call| call.agent == 0 && call.role == CallRole::Agent));
}

#[test]
fn linked_lines_are_one_session_and_others_are_not() {
    let mut lines = small();
    let resumed = |line| with(line, json!({"sessionId": "ses-2"}));
    lines.push(resumed(user("u2", json!("a4"), 60, TEN)));
    lines.push(resumed(reply("a5", "u2", 61, "m3", text("go on"), [10, 30, 1_100, 2])));
    assert_eq!(session(&lines).id, "ses-2");
    let apart = |line| with(line, json!({"sessionId": "ses-3"}));
    lines.push(apart(user("v1", Value::Null, 5, TEN)));
    lines.push(apart(reply("w1", "v1", 6, "m4", text("else"), [10, 30, 0, 2])));
    let imported = imported(&lines);
    let ids: Vec<_> = imported.sessions.iter().map(|s| (s.id.as_str(), s.calls.len())).collect();
    assert_eq!(ids, [("ses-2", 3), ("ses-3", 1)]);
}

#[test]
fn a_line_counts_once_however_often_it_is_written() {
    let twice: Vec<Value> = small().into_iter().flat_map(|line| [line.clone(), line]).collect();
    assert_eq!(session(&twice), session(&small()));
    // A fork copies what was said under other names, but not under other messages.
    let mut copied = small();
    let copies = small().into_iter().map(|mut line| {
        for key in ["uuid", "parentUuid"] {
            if let Some(name) = line[key].as_str().map(|name| format!("copy-{name}")) {
                line[key] = json!(name);
            }
        }
        line
    });
    copied.extend(copies);
    assert_eq!(session(&copied).calls, session(&small()).calls);
}

#[test]
fn without_links_lines_follow_one_another() {
    let plain: Vec<Value> = small().into_iter().map(|line| with(line, json!({"parentUuid": null}))).collect();
    assert_eq!(session(&plain), session(&small()));
    let bare: Vec<Value> = small()
        .into_iter()
        .map(|line| json!({"type": line["type"], "message": line["message"], "session_id": "ses-1"}))
        .collect();
    let printed = session(&bare);
    assert_eq!(views(&printed), views(&session(&small())));
    assert!(printed.calls.iter().all(|call| call.at_us.is_none() && call.delay_us.is_none()));
    assert_eq!(printed.calls[0].tools[0].us, None);
}

#[test]
fn a_file_that_begins_late_says_so() {
    let lines =
        [user("u1", json!("gone"), 0, TEN), reply("a1", "u1", 1, "m1", text("one"), [10, 0, 90_000, 2])];
    let session = session(&lines);
    assert_eq!(session.marks, [Mark::MidSession]);
    assert_eq!((session.messages[0].kind, session.messages[0].tokens), (MessageKind::Other, 90_000));
}

#[test]
fn a_cut_line_is_named_and_the_rest_is_kept() {
    let whole = file(&small());
    let imported = read_as("s.jsonl", &whole.as_bytes()[..whole.len() - 40]).unwrap();
    assert_eq!(imported.sessions[0].calls.len(), 1);
    assert!(
        reasons(&imported)[0].starts_with("line 6: expected a JSON object: EOF"),
        "{:?}",
        imported.skipped
    );
    let hole = format!("{}\0\0\0\0\n{whole}", "");
    let imported = read_as("s.jsonl", format!("{whole}{hole}").as_bytes()).unwrap();
    assert_eq!((imported.sessions[0].calls.len(), imported.skipped.len()), (2, 1));
}

#[test]
fn impossible_counts_are_as_if_missing_and_named() {
    for (usage, why) in [
        ([1 << 40, 0, 0, 5], "line 6: `usage.input_tokens` is 1099511627776"),
        ([90_000_000, 90_000_000, 0, 5], "line 6: `usage` is 180000000 tokens"),
        ([10, 0, 0, u64::MAX], "line 6: `usage.output_tokens` is 18446744073709551615"),
    ] {
        let mut lines = small();
        lines[5] = reply("a4", "r1", 11, "m2", text("all is well"), usage);
        let imported = imported(&lines);
        assert!(reasons(&imported)[0].starts_with(why), "{:?}", imported.skipped);
        let call = &imported.sessions[0].calls[1];
        assert_eq!((call.prompt_tokens, call.output()), (1_010 + 40 + 20, 3), "counted instead");
        assert!(call.estimated);
    }
}

#[test]
fn a_file_without_a_reply_is_refused() {
    for lines in [
        vec![user("u1", Value::Null, 0, TEN)],
        vec![json!({"type": "summary", "summary": "s", "leafUuid": "u"})],
        vec![
            json!({"type": "user", "sessionId": "s", "message": null, "parentUuid": null, "isSidechain": 1}),
        ],
    ] {
        match read_as("s.jsonl", file(&lines).as_bytes()) {
            Err(ImportError::Malformed { why, .. }) => {
                assert!(why.starts_with("no reply of a model"), "{why}");
            }
            other => panic!("expected a malformed file, found {:?}", other.map(|imported| imported.sessions)),
        }
    }
}

#[test]
fn wrong_types_end_nothing() {
    let wrong =
        [json!(null), json!(true), json!(-7), json!(1.5), json!("text"), json!([[1], {}]), json!({"a": []})];
    for wrong in wrong {
        let keys = small()
            .into_iter()
            .flat_map(|line| line.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
        for key in keys.chain(["toolUseResult", "compactMetadata", "attachment"].map(str::to_owned)) {
            let mut lines = small();
            lines[4][&key] = wrong.clone();
            let imported = read_as("s.jsonl", file(&lines).as_bytes()).unwrap();
            assert_eq!(imported.sessions.len(), 1, "{key}: {wrong}");
        }
        for key in ["id", "role", "model", "content", "usage"] {
            let mut lines = small();
            lines[5]["message"][key] = wrong.clone();
            let imported = read_as("s.jsonl", file(&lines).as_bytes()).unwrap();
            assert_eq!(imported.sessions[0].calls.len(), 2, "{key}: {wrong}");
        }
    }
}

#[test]
fn lines_that_follow_each_other_in_a_circle_are_cut() {
    let mut lines = small();
    lines[0]["parentUuid"] = json!("a4");
    assert_eq!(session(&lines).calls.len(), 2);
    let circle = [
        side(reply("s1", "s2", 1, "n1", text("a"), [5, 0, 5, 1]), None),
        side(reply("s2", "s1", 2, "n2", text("b"), [5, 0, 9, 1]), None),
    ];
    assert_eq!(session(&circle).calls.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Stamps and links say all: in which order the lines stand does not matter.
    #[test]
    fn the_order_of_lines_does_not_matter(
        lines in Just({
            let mut lines = with_sub_agent(true, Some("ab12"));
            lines.push(user("u2", json!("a2"), 40, "first"));
            lines.push(reply("a3", "u2", 41, "m3", text("x"), [10, 0, 160, 2]));
            lines.push(reply("a4", "a3", 42, "m3", tool("t9", "Bash", json!({})), [10, 0, 160, 8]));
            lines.push(result("r9", "a4", 45, "t9", json!("ok")));
            lines.push(user("u3", json!("a2"), 50, "second"));
            lines.push(reply("a5", "u3", 51, "m4", text("y"), [10, 0, 160, 2]));
            lines.push(boundary("b1", "a5", 60, json!({})));
            lines.push(summary("c1", "b1", 61));
            lines.push(reply("a6", "c1", 70, "m5", text("z"), [10, 0, 60, 2]));
            lines
        }).prop_shuffle()
    ) {
        let mut sorted = lines.clone();
        sorted.sort_by_key(|line| line["timestamp"].as_str().unwrap().to_owned());
        let (mut shuffled, sorted) = (session(&lines), session(&sorted));
        shuffled.marks.retain(|mark| *mark != Mark::OutOfOrder);
        prop_assert_eq!(shuffled, sorted);
    }
}
