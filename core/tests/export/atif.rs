//! ATIF: the rules of the format by hand, and a small document that was written down beforehand.

use super::made::{Sizes, asked, session};
use super::{export, export_with, import, lost};
use atr_core::trace::{
    Call, Ending, Mark, Message, MessageKind, MessageRole, Recorded, Run, Scope, Session, ToolUse,
    Transcript, TranscriptMessage,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Whether an object has only these keys, the first `required` of them in any case.
fn keys(value: &Value, required: usize, known: &[&str]) {
    let object = value.as_object().unwrap_or_else(|| panic!("an object, not {value}"));
    for key in object.keys() {
        assert!(known.contains(&key.as_str()), "`{key}` is no key of the format: {value}");
    }
    for key in &known[..required] {
        assert!(object.contains_key(*key), "`{key}` is missing: {value}");
    }
}

/// Holds a document against the rules of version 1.4.
fn follows_the_rules(document: &Value) {
    keys(document, 4, &["schema_version", "session_id", "agent", "steps", "final_metrics", "extra"]);
    assert_eq!(document["schema_version"], "ATIF-v1.4");
    assert!(document["session_id"].as_str().is_some_and(|id| !id.is_empty()));
    keys(&document["agent"], 2, &["name", "version", "model_name"]);
    let steps = document["steps"].as_array().unwrap();
    assert!(!steps.is_empty());
    for (place, step) in steps.iter().enumerate() {
        let common = ["step_id", "source", "message", "observation", "extra"];
        let agents = ["model_name", "tool_calls", "metrics"];
        assert_eq!(step["step_id"], place + 1, "steps count from 1");
        assert!(step["message"].is_string());
        match step["source"].as_str() {
            Some("agent") => keys(step, 3, &[&common[..], &agents[..]].concat()),
            Some("system") => keys(step, 3, &common),
            Some("user") => keys(step, 3, &["step_id", "source", "message", "extra"]),
            other => panic!("no source: {other:?}"),
        }
        let mut calls = Vec::new();
        for call in step["tool_calls"].as_array().into_iter().flatten() {
            keys(call, 3, &["tool_call_id", "function_name", "arguments"]);
            assert!(call["arguments"].is_object());
            calls.push(call["tool_call_id"].as_str().unwrap());
        }
        let results = step.get("observation").map(|observation| {
            keys(observation, 1, &["results"]);
            observation["results"].as_array().unwrap()
        });
        for result in results.into_iter().flatten() {
            keys(result, 0, &["source_call_id", "content", "subagent_trajectory_ref"]);
            if let Some(id) = result.get("source_call_id") {
                assert!(calls.contains(&id.as_str().unwrap()), "{id} is no call of step {}", place + 1);
            }
            for reference in result["subagent_trajectory_ref"].as_array().into_iter().flatten() {
                keys(reference, 1, &["session_id"]);
            }
        }
        if let Some(metrics) = step.get("metrics") {
            keys(metrics, 2, &["prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd", "extra"]);
            let cached = metrics.get("cached_tokens").map_or(0, |cached| cached.as_u64().unwrap());
            assert!(cached <= metrics["prompt_tokens"].as_u64().unwrap(), "cached is a part of the prompt");
        }
    }
    let last = &document["final_metrics"];
    keys(
        last,
        0,
        &[
            "total_prompt_tokens",
            "total_completion_tokens",
            "total_cached_tokens",
            "total_cost_usd",
            "total_steps",
        ],
    );
    let sum = |key: &str| steps.iter().filter_map(|step| step["metrics"][key].as_u64()).sum::<u64>();
    assert_eq!(last["total_prompt_tokens"], sum("prompt_tokens"));
    assert_eq!(last["total_completion_tokens"], sum("completion_tokens"));
    assert_eq!(last["total_steps"], steps.len());
}

fn documents(text: &str) -> Vec<Value> {
    let documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    documents.iter().for_each(follows_the_rules);
    documents
}

fn message(role: MessageRole, kind: MessageKind, tokens: u32) -> Message {
    Message {
        agent: 0,
        role,
        kind,
        tokens,
        parts: Vec::new(),
        tool: None,
        lines: 0,
        words: 0,
        path: None,
        window: None,
        tags: Vec::new(),
    }
}

/// System prompt, task, reply with a tool, its answer, a second reply.
fn small() -> Session {
    let call = |id: u32, count: u32, reply: u32| Call {
        id,
        after: id.checked_sub(1).into_iter().collect(),
        view: vec![Run { first: 0, count }],
        reply: Some(reply),
        ..Call::default()
    };
    let tool = ToolUse { name: "bash".to_owned(), us: Some(1_500), ok: None };
    let recorded = Recorded { cached_tokens: Some(99), cost_usd: Some(0.5), ..Recorded::default() };
    Session {
        id: "small".to_owned(),
        source: "test".to_owned(),
        harness: "mini".to_owned(),
        models: vec!["gpt-5".to_owned()],
        scope: Scope::Session,
        block_tokens: None,
        counts_from: "source".to_owned(),
        marks: vec![Mark::Estimated],
        messages: vec![
            message(MessageRole::System, MessageKind::SystemPrompt, 10),
            message(MessageRole::User, MessageKind::Task, 20),
            message(MessageRole::Assistant, MessageKind::Action, 5),
            message(MessageRole::User, MessageKind::Observation, 7),
            message(MessageRole::Assistant, MessageKind::Action, 6),
        ],
        segments: Vec::new(),
        calls: vec![
            Call {
                at_us: Some(0),
                prompt_tokens: 30,
                output_tokens: Some(8),
                reasoning_tokens: 3,
                tools: vec![tool],
                recorded: Some(recorded),
                ..call(0, 2, 2)
            },
            Call {
                at_us: Some(2_000_000),
                delay_us: Some(1_500),
                prompt_tokens: 42,
                output_tokens: Some(6),
                estimated: true,
                ..call(1, 4, 4)
            },
        ],
        outcome: Some(Ending {
            exit: "submitted".to_owned(),
            submitted: true,
            resolved: Some(false),
            cost_usd: Some(0.75),
        }),
    }
}

#[test]
fn a_small_session_is_the_document_that_the_format_asks_for() {
    let (text, exported) = export("atif", &[small()]);
    let expected = json!({
        "schema_version": "ATIF-v1.4",
        "session_id": "small",
        "agent": {"name": "mini", "version": "unknown", "model_name": "gpt-5"},
        "steps": [
            {"step_id": 1, "source": "system", "message": "", "extra": {"kind": "system_prompt", "tokens": 10}},
            {"step_id": 2, "source": "user", "message": "", "extra": {"kind": "task", "tokens": 20}},
            {
                "step_id": 3,
                "source": "agent",
                "message": "",
                "model_name": "gpt-5",
                "tool_calls": [{"tool_call_id": "call_3_1", "function_name": "bash", "arguments": {}}],
                "observation": {"results": [{"source_call_id": "call_3_1", "content": ""}]},
                "metrics": {
                    "prompt_tokens": 30,
                    "completion_tokens": 8,
                    "cached_tokens": 30,
                    "cost_usd": 0.5,
                    "extra": {"reasoning_tokens": 3},
                },
                "extra": {
                    "tokens": 5, "at_us": 0, "result_tokens": [7], "result_roles": ["user"], "tool_us": [1_500],
                },
            },
            {
                "step_id": 4,
                "source": "agent",
                "message": "",
                "model_name": "gpt-5",
                "metrics": {"prompt_tokens": 42, "completion_tokens": 6},
                "extra": {"tokens": 6, "at_us": 2_000_000, "delay_us": 1_500, "estimated": true},
            },
        ],
        "final_metrics": {
            "total_prompt_tokens": 72, "total_completion_tokens": 14, "total_cost_usd": 0.75, "total_steps": 4,
        },
        "extra": {
            "source": "test",
            "counts_from": "source",
            "marks": ["estimated"],
            "outcome": {"exit": "submitted", "submitted": true, "resolved": false},
        },
    });
    assert_eq!(documents(&text), [expected]);
    assert_eq!(lost(&exported, "messages without their text"), 5);
    assert_eq!(lost(&exported, "cached tokens in excess of their prompts"), 1);
    assert_eq!((lost(&exported, "messages that no step shows"), exported.calls), (0, 2));
}

#[test]
fn texts_stand_where_they_were_said() {
    let texts = ["sys", "do it", "ls", "a.txt", "done"];
    let session = small();
    let messages = session.messages.iter().zip(texts).map(|(message, text)| TranscriptMessage {
        agent: 0,
        role: message.role,
        kind: message.kind,
        text: text.to_owned(),
        tool: None,
        tags: Vec::new(),
    });
    let mut transcript = Transcript { id: session.id.clone(), messages: messages.collect() };
    let sessions = [session];
    let (text, exported) = export_with("atif", &sessions, std::slice::from_ref(&transcript), None);
    let document = &documents(&text)[0];
    let said: Vec<&str> =
        document["steps"].as_array().unwrap().iter().map(|step| step["message"].as_str().unwrap()).collect();
    assert_eq!(said, ["sys", "do it", "ls", "done"]);
    assert_eq!(document["steps"][2]["observation"]["results"][0]["content"], "a.txt");
    assert_eq!(lost(&exported, "messages without their text"), 0);
    // A transcript of something else is not guessed into place.
    transcript.messages.pop();
    let (text, exported) = export_with("atif", &sessions, &[transcript], None);
    assert!(!text.contains("do it"));
    assert_eq!(lost(&exported, "texts that do not fit their session"), 1);
}

#[test]
fn a_prompt_that_changed_is_counted_and_its_new_end_is_shown() {
    let mut session = small();
    // The task comes back as another message; the observation is new.
    session.messages.push(message(MessageRole::User, MessageKind::Summary, 4));
    session.calls[1].view =
        vec![Run { first: 0, count: 1 }, Run { first: 5, count: 1 }, Run { first: 2, count: 2 }];
    let (text, exported) = export("atif", &[session]);
    let document = &documents(&text)[0];
    assert_eq!(document["steps"].as_array().unwrap().len(), 4);
    assert_eq!(document["steps"][2]["extra"]["result_tokens"], json!([7]));
    assert_eq!(lost(&exported, "changes of what an agent's prompt had before"), 1);
    assert_eq!(lost(&exported, "messages that no step shows"), 1);
}

#[test]
fn sub_agents_have_documents_that_their_parent_names() {
    let imported = import(include_bytes!("../fixtures/import/claude-code.json"));
    let (text, exported) = export("atif", &imported.sessions);
    let documents = documents(&text);
    let ids: Vec<&str> = documents.iter().map(|document| document["session_id"].as_str().unwrap()).collect();
    assert_eq!((documents.len(), exported.documents), (3, 3));
    let mut named = Vec::new();
    for step in documents[0]["steps"].as_array().unwrap() {
        for result in step["observation"]["results"].as_array().into_iter().flatten() {
            for reference in result["subagent_trajectory_ref"].as_array().into_iter().flatten() {
                named.push(reference["session_id"].as_str().unwrap());
            }
        }
    }
    assert_eq!(named, ids[1..]);
    let total = |key: &str| documents.iter().map(|d| d["final_metrics"][key].as_u64().unwrap()).sum::<u64>();
    assert_eq!(total("total_prompt_tokens"), imported.sessions[0].prompt_tokens());
    assert_eq!(total("total_completion_tokens"), imported.sessions[0].output_tokens());
}

#[test]
fn a_run_with_texts_keeps_them_only_when_they_are_given() {
    let imported = import(include_bytes!("../fixtures/import/run.traj.json"));
    let (without, _) = export("atif", &imported.sessions);
    documents(&without);
    assert!(!without.contains("calc.py"));
    let (with, exported) = export_with("atif", &imported.sessions, &imported.transcripts, None);
    let document = &documents(&with)[0];
    assert_eq!(lost(&exported, "messages without their text"), 0);
    let task = document["steps"].as_array().unwrap().iter().find(|step| step["source"] == "user").unwrap();
    assert!(task["message"].as_str().unwrap().contains("calc.py"), "{document}");
    let agents =
        document["steps"].as_array().unwrap().iter().filter(|step| step["source"] == "agent").count();
    assert_eq!(agents, imported.sessions[0].calls.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the session, its documents keep the rules and its sums.
    #[test]
    fn documents_keep_the_rules(calls in asked(4, true)) {
        let made = session(0, Scope::Session, Sizes::Odd, &calls);
        let (text, exported) = export("atif", std::slice::from_ref(&made));
        let documents = documents(&text);
        prop_assert_eq!(exported.documents as usize, documents.len());
        let prompts: u64 =
            documents.iter().map(|document| document["final_metrics"]["total_prompt_tokens"].as_u64().unwrap()).sum();
        prop_assert_eq!(prompts, made.prompt_tokens());
        let steps: usize = documents.iter().map(|document| document["steps"].as_array().unwrap().len()).sum();
        prop_assert_eq!(steps, made.calls.len());
    }
}
