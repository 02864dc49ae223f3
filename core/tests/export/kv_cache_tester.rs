//! kv-cache-tester JSON.

use super::made::{Sizes, asked, session};
use super::{export, import, lost, shared_tokens};
use atr_core::trace::{Scope, Session};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn a_recording_comes_back_whole() {
    let imported = import(include_bytes!("../fixtures/import/claude-code.json"));
    let (text, exported) = export("kv-cache-tester", &imported.sessions);
    let again = import(text.as_bytes());
    assert_eq!(again.skipped, []);
    let (ours, theirs) = (&imported.sessions[0], &again.sessions[0]);
    assert_eq!((&ours.id, &ours.models, ours.calls.len()), (&theirs.id, &theirs.models, theirs.calls.len()));
    for (a, b) in ours.calls.iter().zip(&theirs.calls) {
        assert_eq!(
            (a.agent, a.model, a.at_us, a.prompt_tokens, a.output(), &a.recorded),
            (b.agent, b.model, b.at_us, b.prompt_tokens, b.output(), &b.recorded)
        );
        for (c, d) in ours.calls.iter().zip(&theirs.calls) {
            assert_eq!(
                shared_tokens((ours, a.id), (ours, c.id)),
                shared_tokens((theirs, b.id), (theirs, d.id))
            );
        }
    }
    assert_eq!(lost(&exported, "messages"), ours.messages.len() as u64);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["totals"]["combined_tokens"]["input"], ours.prompt_tokens());
    assert_eq!(document["totals"]["combined_tokens"]["output"], ours.output_tokens());
    assert_eq!(
        (&document["block_size"], &document["hash_id_scope"]),
        (&Value::from(64), &Value::from("local"))
    );
}

#[test]
fn sessions_are_documents_of_their_own() {
    let made = [0, 1].map(|at| session(at, Scope::Set, Sizes::Blocks(16), &[(0, vec![1; 5], 3, 9, (7, 8))]));
    let (text, exported) = export("kv-cache-tester", &made);
    assert_eq!((exported.documents, text.lines().count()), (2, 2));
    // Five blocks of 16 make one of 64, and 19 tokens without an id.
    let expected = r#"{"id":"s0","models":["unknown"],"block_size":64,"hash_id_scope":"local","requests":[{"t":0,"type":"n","model":"unknown","in":83,"out":9,"hash_ids":[0],"input_types":["text"],"output_types":[],"api_time":8e-6}],"totals":{"parent_tokens":{"input":83,"output":9},"subagent_tokens":{"input":0,"output":0},"combined_tokens":{"input":83,"output":9},"subagent_count":0}}"#;
    assert_eq!(text.lines().next().unwrap(), expected);
    assert_eq!(lost(&exported, "known sharing of sessions with others"), 2);
}

#[test]
fn larger_blocks_are_not_split() {
    let made = session(0, Scope::Set, Sizes::Blocks(512), &[(0, vec![1], 0, 1, (0, 0))]);
    let (text, exported) = export("kv-cache-tester", &[made]);
    assert_eq!((text.as_str(), exported.sessions), ("", 0));
    assert_eq!(lost(&exported, "sessions whose blocks would have to be split"), 1);
}

#[test]
fn calls_without_stamps_are_placed_by_their_pauses() {
    let mut made = session(
        0,
        Scope::Session,
        Sizes::Blocks(64),
        &[(0, vec![1], 0, 1, (0, 2_000_000)), (0, vec![1, 2], 0, 1, (500_000, 0))],
    );
    made.calls.iter_mut().for_each(|call| call.at_us = None);
    let (text, exported) = export("kv-cache-tester", &[made]);
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&document["requests"][0]["t"], &document["requests"][1]["t"]),
        (&Value::from(0), &Value::from(2.5))
    );
    assert_eq!(lost(&exported, "calls without a time stamp, placed by their pauses"), 2);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Out and in again: agents, sizes, times, the chain of each agent, and what prompts share in full blocks.
    #[test]
    fn sessions_come_back(calls in asked(3, true)) {
        let ours = session(0, Scope::Session, Sizes::Odd, &calls);
        let (text, _) = export("kv-cache-tester", std::slice::from_ref(&ours));
        let imported = import(text.as_bytes());
        prop_assert_eq!(&imported.skipped, &[]);
        let theirs = &imported.sessions[0];
        prop_assert_eq!(ours.calls.len(), theirs.calls.len());
        // Agents are numbered anew, in the order in which they begin.
        let mut agents = Vec::new();
        for call in ours.calls.iter().filter(|call| call.agent != 0) {
            if !agents.contains(&call.agent) {
                agents.push(call.agent);
            }
        }
        let number = |agent: u32| agents.iter().position(|known| *known == agent).map_or(0, |at| at as u32 + 1);
        for (a, b) in ours.calls.iter().zip(&theirs.calls) {
            prop_assert_eq!((number(a.agent), a.at_us), (b.agent, b.at_us));
            prop_assert_eq!((a.prompt_tokens, a.output()), (b.prompt_tokens, b.output()));
            prop_assert_eq!(&a.recorded, &b.recorded);
            // A call that begins before the end of the one before has no pause to give.
            if a.agent == 0 && agents.is_empty() {
                prop_assert_eq!((&a.after, a.delay_us), (&b.after, b.delay_us));
            }
            for (c, d) in ours.calls.iter().zip(&theirs.calls) {
                let shared = shared_tokens((&ours, a.id), (&ours, c.id)) / 64 * 64;
                prop_assert_eq!(shared, in_agent(theirs, b.id, d.id).unwrap_or(shared));
            }
        }
    }
}

/// What two prompts of one session share.
fn in_agent(session: &Session, a: u32, b: u32) -> Option<u64> {
    (a != b).then(|| shared_tokens((session, a), (session, b)))
}
