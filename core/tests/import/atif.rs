//! ATIF: what a step stands for, counts, times, sub-agents, compactions, and what is wrong with files.

use super::{one, one_of, prompt, read, read_as, reasons, sizes, view_is_prompt};
use atr_core::trace::{Call, CallRole, Mark, MessageKind, MessageRole, Session, Tag};
use serde_json::{Value, json};

const EMBEDDED: &[u8] = include_bytes!("../../../fuzz/seeds/atif/embedded-synthetic.json");
const BEHIND: &[u8] = include_bytes!("../../../fuzz/seeds/atif/behind-synthetic.jsonl");

fn document(steps: &Value) -> Value {
    json!({"schema_version": "ATIF-v1.6", "session_id": "s", "agent": {"name": "claude-code", "version": "1",
        "model_name": "gpt-5"}, "steps": steps})
}

/// A step of the agent with counts.
fn replied(message: &str, prompt: u64, output: u64) -> Value {
    json!({"source": "agent", "message": message,
        "metrics": {"prompt_tokens": prompt, "completion_tokens": output}})
}

fn user(message: &str) -> Value {
    json!({"source": "user", "message": message})
}

fn kinds(session: &Session, call: usize) -> Vec<MessageKind> {
    let view = session.calls[call].view.iter().flat_map(|run| run.indices());
    view.map(|place| session.messages[place as usize].kind).collect()
}

fn counts(session: &Session) -> Vec<(u32, u32)> {
    session.calls.iter().map(|call| (call.prompt_tokens, call.output())).collect()
}

fn after(session: &Session) -> Vec<Vec<u32>> {
    session.calls.iter().map(|call| call.after.clone()).collect()
}

#[test]
fn a_step_of_the_agent_is_the_reply_to_a_call_over_all_before_it() {
    let session = one(&document(&json!([
        {"step_id": 1, "timestamp": "2026-01-01T00:00:01Z", "source": "system", "message": "You are brief."},
        {"step_id": 2, "timestamp": "2026-01-01T00:00:02Z", "source": "user", "message": "List it."},
        {"step_id": 3, "timestamp": "2026-01-01T00:00:05Z", "source": "agent", "message": "Looking",
            "tool_calls": [{"tool_call_id": "c", "function_name": "bash", "arguments": {"command":"ls"}}],
            "observation": {"results": [{"source_call_id": "c", "content": "a.txt b.txt"}]},
            "metrics": {"prompt_tokens": 100, "completion_tokens": 10, "cached_tokens": 40, "cost_usd": 0.01,
                "extra": {"thoughts_tokens": 4, "cache_creation_input_tokens": 60}}},
        {"step_id": 4, "timestamp": "2026-01-01T00:00:15Z", "source": "agent", "message": "Done.",
            "metrics": {"prompt_tokens": 150, "completion_tokens": 5}},
    ])));
    view_is_prompt(&session);
    assert_eq!(
        (session.id.as_str(), session.source.as_str(), session.harness.as_str()),
        ("s", "atif", "claude-code")
    );
    assert_eq!(session.models, ["gpt-5"]);
    assert_eq!(counts(&session), [(100, 10), (150, 5)]);
    // 14 bytes are 4 tokens; the task is the rest of 100. Then 50 more for `Lookingbash{"command":"ls"}`,
    // 27 bytes, and 11 bytes of result: 7 to 3. The last reply was in no prompt: 5 bytes.
    assert_eq!(sizes(&session), [4, 96, 35, 15, 2]);
    let kinds: Vec<_> = session.messages.iter().map(|message| (message.role, message.kind)).collect();
    assert_eq!(
        kinds,
        [
            (MessageRole::System, MessageKind::SystemPrompt),
            (MessageRole::User, MessageKind::Task),
            (MessageRole::Assistant, MessageKind::Action),
            (MessageRole::Tool, MessageKind::Observation),
            (MessageRole::Assistant, MessageKind::Action),
        ]
    );
    assert_eq!(session.messages[3].tool.as_deref(), Some("bash"));
    let [first, second] = session.calls.as_slice() else { panic!("two calls") };
    let recorded = first.recorded.as_ref().unwrap();
    assert_eq!((recorded.cached_tokens, recorded.cache_write_tokens), (Some(40), Some(60)));
    assert_eq!((recorded.cost_usd, recorded.e2e_us, first.reasoning_tokens), (Some(0.01), None, 4));
    assert_eq!((first.tools[0].name.as_str(), first.tools[0].us, first.tools[0].ok), ("bash", None, None));
    // Sent with the task's stamp. How long the tool ran is unknown: 5 tokens at 60 a second are 83,333 µs.
    assert_eq!((first.at_us, first.delay_us, first.estimated), (Some(0), None, false));
    assert_eq!((second.at_us, second.delay_us, second.estimated), (Some(12_916_667), Some(9_916_667), true));
    assert_eq!(second.recorded, None);
    assert_eq!(session.outcome, None);
}

#[test]
fn an_embedded_sub_agent_runs_between_two_calls_of_its_parent() {
    let session = one_of(EMBEDDED);
    view_is_prompt(&session);
    let agents: Vec<_> = session.calls.iter().map(|call| (call.agent, call.role)).collect();
    assert_eq!(
        agents,
        [(0, CallRole::Agent), (1, CallRole::Subagent), (0, CallRole::Agent), (0, CallRole::Agent)]
    );
    assert_eq!(after(&session), [vec![], vec![0], vec![0, 1], vec![2]]);
    // The last step stands for two calls: 201 and 31 tokens, 64 of them cached, in two.
    assert_eq!(counts(&session), [(2000, 60), (40, 9), (100, 15), (101, 16)]);
    let cached = |call: &Call| call.recorded.as_ref().and_then(|recorded| recorded.cached_tokens);
    assert_eq!(session.calls.iter().map(cached).collect::<Vec<_>>(), [Some(0), None, Some(32), Some(32)]);
    assert_eq!((session.calls[2].reply, session.calls[3].reply.is_some()), (None, true));
    // The helper is asked at second 5, of which the first is the start; 31 tokens take 516,666 µs.
    let at: Vec<_> = session.calls.iter().map(|call| call.at_us).collect();
    assert_eq!(at, [Some(0), Some(4_000_000), Some(32_483_334), None]);
    assert_eq!(session.models, ["gpt-5", "gpt-5-mini"]);
    // Tools and system prompt stay behind the compaction, the task does not. What the harness ran by
    // itself is sent, but no reply.
    use MessageKind::{Observation, Other, Summary, SystemPrompt, Task, Tools};
    assert_eq!(kinds(&session, 0), [Tools, SystemPrompt, Task]);
    assert_eq!(kinds(&session, 3), [Tools, SystemPrompt, Other, Summary, Other, Observation]);
    assert!(session.has(Mark::ContextDrop) && session.has(Mark::Estimated));
    // An image is taken for 1,600 tokens; all are spread over what the provider counts.
    let total: u32 = kinds(&session, 0).iter().zip(sizes(&session)).map(|(_, tokens)| tokens).sum();
    assert_eq!((total, sizes(&session)[1]), (2000, 6));
    let outcome = session.outcome.as_ref().unwrap();
    assert_eq!((outcome.exit.as_str(), outcome.cost_usd), ("unknown", Some(0.02)));
}

#[test]
fn a_sub_agent_s_document_may_follow_its_parent_s() {
    let imported = read(BEHIND);
    assert_eq!(imported.skipped, []);
    let [first, second] = imported.sessions.as_slice() else { panic!("two sessions") };
    assert_eq!((first.id.as_str(), second.id.as_str()), ("run-2", "run-3"));
    let roles: Vec<_> = first.calls.iter().map(|call| call.role).collect();
    assert_eq!(roles, [CallRole::Agent, CallRole::Summariser, CallRole::Agent]);
    assert_eq!(after(first), [vec![], vec![0], vec![0, 1]]);
    assert_eq!(counts(first), [(300, 20), (320, 8), (200, 5)]);
    assert_eq!(first.models, ["gpt-4o", "openai/gpt-4o"]);
    // The prompt got smaller behind the system's step: what was said before, but for the task, is gone.
    use MessageKind::{Action, Observation, Other, SystemPrompt, Task};
    assert_eq!(kinds(first, 1), [SystemPrompt, Task, Action, Observation, Other]);
    assert_eq!(kinds(first, 2), [SystemPrompt, Task, Other, Other]);
    assert!(!first.has(Mark::SubagentOnly));
    // Totals alone: 5 prompt tokens over a hidden one and `Count.`, 3 of output.
    assert_eq!((counts(second), second.calls[0].estimated), (vec![(5, 3)], true));

    // A list holds the same documents, and alone the sub-agent says that it is one.
    let lines: Vec<Value> = BEHIND
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let list = read(Value::Array(lines.clone()).to_string().as_bytes());
    assert_eq!(list.sessions, imported.sessions);
    let alone = one(&lines[1]);
    assert_eq!((alone.calls.len(), alone.calls[0].agent), (1, 0));
    assert!(alone.has(Mark::SubagentOnly) && alone.has(Mark::MidSession));
}

#[test]
fn copied_steps_are_messages_and_no_calls() {
    let mut steps = [user("do it"), replied("first", 50, 5), user("go on"), replied("second", 80, 6)];
    steps[0]["is_copied_context"] = json!(true);
    steps[1]["is_copied_context"] = json!(true);
    let session = one(&document(&json!(steps)));
    assert_eq!(counts(&session), [(80, 6)]);
    use MessageKind::{Action, Other, SystemPrompt, Task};
    assert_eq!(kinds(&session, 0), [SystemPrompt, Task, Action, Other]);
    assert!(session.has(Mark::MidSession));
}

#[test]
fn a_reply_in_several_steps_is_one_call() {
    let tool = |id: &str, result: &str| {
        json!({"source": "agent", "message": "", "tool_calls":
            [{"tool_call_id": id, "function_name": "Bash", "arguments": {}}],
            "observation": {"results": [{"source_call_id": id, "content": result, "extra": {"is_error": id == "b"}}]}})
    };
    let steps = json!([
        user("go"),
        replied("I look.", 90, 30),
        tool("a", "one"),
        tool("b", "two"),
        replied("ok", 140, 3)
    ]);
    let session = one(&document(&steps));
    assert_eq!(counts(&session), [(90, 30), (140, 3)]);
    let tools: Vec<_> = session.calls[0].tools.iter().map(|tool| (tool.name.as_str(), tool.ok)).collect();
    assert_eq!(tools, [("Bash", Some(true)), ("Bash", Some(false))]);
    assert_eq!(session.messages.len(), 6, "hidden, task, one reply, two results, the last reply");
    assert_eq!(session.messages[4].tags, [Tag::Error]);
    // Where nothing is measured, every step of the agent is a call.
    let steps = json!([user("go"), tool("a", "one"), tool("b", "two")]);
    assert_eq!(one(&document(&steps)).calls.len(), 2);
    // What says that it is a call is one, measured or not.
    let mut said = tool("a", "one");
    said["llm_call_count"] = json!(1);
    assert_eq!(one(&document(&json!([user("go"), replied("x", 9, 1), said]))).calls.len(), 2);
}

#[test]
fn zeros_and_nulls_are_unknown() {
    let mut zero = replied("four", 0, 0);
    zero["metrics"]["cost_usd"] = json!(0.0);
    let mut step = document(&json!([user("go"), zero]));
    step["final_metrics"] =
        json!({"total_prompt_tokens": 0, "total_completion_tokens": 0, "total_cost_usd": 0});
    let session = one(&step);
    assert_eq!((session.calls[0].recorded.as_ref(), session.calls[0].estimated), (None, true));
    assert_eq!(session.outcome, None);
    assert_eq!(session.counts_from, "bytes/4");
    let nulls = json!({"schema_version": "ATIF-v1.7", "session_id": null, "trajectory_id": null, "notes": null,
        "agent": {"name": null, "version": null, "model_name": null, "tool_definitions": null, "extra": null},
        "final_metrics": null, "continued_trajectory_ref": null, "subagent_trajectories": null, "extra": null,
        "steps": [{"step_id": null, "timestamp": null, "source": "agent", "message": null, "model_name": null,
            "reasoning_effort": null, "reasoning_content": null, "tool_calls": null, "metrics": null,
            "observation": {"results": [{"source_call_id": null, "content": null, "subagent_trajectory_ref": null,
                "extra": null}]}, "is_copied_context": null, "llm_call_count": null, "extra": null}]});
    let session = one(&nulls);
    assert_eq!((session.id.as_str(), session.harness.as_str()), ("file", "atif"));
    assert_eq!(session.models, ["unknown"]);
    assert_eq!((session.calls[0].at_us, session.calls[0].recorded.as_ref()), (None, None));
    assert_eq!(read(nulls.to_string().as_bytes()).unknown_keys, 0);
}

#[test]
fn steps_are_taken_in_the_order_of_their_numbers() {
    let mut steps = [replied("b", 40, 2), user("a"), replied("c", 60, 3)];
    for (step, number) in steps.iter_mut().zip([2, 1, 3]) {
        step["step_id"] = json!(number);
    }
    let session = one(&document(&json!(steps)));
    assert_eq!(counts(&session), [(40, 2), (60, 3)]);
    assert_eq!(kinds(&session, 0), [MessageKind::SystemPrompt, MessageKind::Task]);
}

#[test]
fn what_is_hidden_measures_what_the_first_prompt_has_beside_its_text() {
    let session = one(&document(&json!([user("four byt"), replied("x", 1_000, 1)])));
    assert_eq!(sizes(&session)[..2], [998, 2]);
    assert_eq!(session.messages[0].tags, [Tag::Residual]);
    let with_tools = |text: &str| {
        let mut document =
            document(&json!([{"source": "system", "message": text}, user("a"), replied("x", 60, 1)]));
        document["agent"]["tool_definitions"] = json!([{"type": "function", "function": {"name": "bash"}}]);
        one(&document)
    };
    let [a, b] = ["You are A.", "You are B."].map(with_tools);
    assert_eq!(kinds(&a, 0)[0], MessageKind::Tools);
    let shared = |session: &Session| prompt(session, &session.calls[0])[0];
    assert_eq!(shared(&a), shared(&b), "equal schemas are equal content in all sessions");
}

#[test]
fn agents_that_name_each_other_are_each_read_once() {
    let named = |own: &str, other: &str| {
        let mut step = replied("x", 30, 3);
        step["observation"] =
            json!({"results": [{"content": "r", "subagent_trajectory_ref": [{"session_id": other}]}]});
        let mut document = document(&json!([user("go"), step, replied("y", 60, 2)]));
        document["session_id"] = json!(own);
        document
    };
    let text = format!("{}\n{}\n{}", named("a", "b"), named("b", "a"), named("c", "c"));
    let imported = read(text.as_bytes());
    assert_eq!(imported.skipped, []);
    let calls: Vec<_> =
        imported.sessions.iter().map(|session| (session.id.as_str(), session.calls.len())).collect();
    assert_eq!(calls, [("a", 4), ("c", 2)]);
    assert_eq!(after(&imported.sessions[0]), [vec![], vec![0], vec![1], vec![0, 2]]);
    // Embedded and named by nobody: it waits for nobody.
    let mut alone = named("d", "x");
    let mut sub = named("e", "y");
    sub["trajectory_id"] = json!("t");
    alone["subagent_trajectories"] = json!([sub]);
    let session = one(&alone);
    assert_eq!(after(&session), [vec![], vec![0], vec![], vec![2]]);
    assert_eq!(session.calls.iter().map(|call| call.agent).collect::<Vec<_>>(), [0, 0, 1, 1]);
}

#[test]
fn chains_of_sub_agents_are_read_however_long_they_are() {
    let link = |number: u32| {
        let mut step = replied("x", 30, 3);
        let next = (number + 1).to_string();
        step["observation"] = json!({"results": [{"subagent_trajectory_ref": {"session_id": next}}]});
        let mut document = document(&json!([user("go"), step]));
        document["session_id"] = json!(number.to_string());
        document.to_string()
    };
    let text: Vec<String> = (0..2_000).map(link).collect();
    let session = one_of(text.join("\n").as_bytes());
    assert_eq!(session.calls.len(), 2_000);
    assert_eq!(session.calls[30].after, [29]);
}

#[test]
fn what_cannot_be_used_is_named_and_the_rest_is_kept() {
    let mut cached = replied("a", 10, 1);
    cached["metrics"]["cached_tokens"] = json!(11);
    let mut many = replied("b", 20, 1);
    many["llm_call_count"] = json!(1_000_000);
    let mut negative = replied("c", 20, 1);
    negative["metrics"]["prompt_tokens"] = json!(-3);
    let strange = json!({"source": "oracle SECRET", "message": "x"});
    let document = document(&json!([user("go"), cached, many, negative, strange, 7]));
    let imported = read(document.to_string().as_bytes());
    assert_eq!(
        reasons(&imported),
        [
            "trajectory 1: step 2: `metrics.cached_tokens` is 11, expected at most the 10 of the prompt",
            "trajectory 1: step 3: `llm_call_count` is 1000000, expected a whole number from 0 to 64",
            "trajectory 1: step 4: `metrics.prompt_tokens` is -3, expected a whole number from 0 to 100000000",
            "trajectory 1: step 5: `source` is of no known name, expected system, user or agent",
            "trajectory 1: step 6: `step` is a number, expected an object",
        ]
    );
    assert_eq!(imported.sessions[0].calls.len(), 3);
    assert_eq!(imported.sessions[0].calls[0].recorded, None);
}

#[test]
fn files_without_a_call_say_why() {
    let why = |text: &str| {
        let imported = read_as("f.json", text.as_bytes()).unwrap();
        assert_eq!(imported.sessions, []);
        reasons(&imported).join("; ")
    };
    let head = r#"{"schema_version":"ATIF-v1.4","session_id":"s","agent":{"name":"a","version":"1"}"#;
    assert_eq!(
        why(&format!("{head}}}")),
        "trajectory 1: `steps` is missing or empty, expected a list of steps"
    );
    assert_eq!(
        why(&format!("{head},\"steps\":{{}}}}")),
        "trajectory 1: `steps` is an object, expected a list of steps"
    );
    let said = document(&json!([user("go")])).to_string();
    assert_eq!(why(&said), "trajectory 1: `steps` is without a call of the agent, expected at least one");
    let cut = &said[..said.len() - 10];
    assert!(why(cut).starts_with("trajectory 1: expected a whole JSON trajectory: EOF"), "{}", why(cut));
    // What was good before is kept.
    let good = document(&json!([user("go"), replied("x", 9, 1)])).to_string();
    let imported = read(format!("{good}\n{cut}").as_bytes());
    assert_eq!((imported.sessions.len(), imported.skipped.len()), (1, 1));
}

#[test]
fn unknown_keys_are_counted_and_extras_are_not() {
    let mut step = replied("x", 9, 1);
    step["mood"] = json!("SECRET");
    step["extra"] = json!({"anything": "SECRET"});
    step["metrics"]["tempo"] = json!(1);
    let mut document = document(&json!([user("go"), step]));
    document["owner"] = json!("SECRET");
    assert_eq!(read(document.to_string().as_bytes()).unknown_keys, 3);
}

#[test]
fn nothing_of_the_text_is_kept() {
    let text = "SECRET";
    let mut step = replied(text, 90, 9);
    step["model_name"] = json!("SECRET model");
    step["reasoning_content"] = json!(text);
    step["tool_calls"] = json!([{"tool_call_id": text, "function_name": text, "arguments": {text: text}}]);
    step["observation"] = json!({"results": [{"source_call_id": text, "content": [{"type": "text", "text": text},
        {"type": "image", "source": {"media_type": text, "path": text}}], "extra": {text: text},
        "subagent_trajectory_ref": [{"session_id": text, "trajectory_path": text}]}]});
    step["extra"] = json!({"kind": text, text: text});
    let mut document = document(&json!([{"source": "system", "message": text}, user(text), step]));
    document["agent"] =
        json!({"name": text, "version": text, "tool_definitions": [text], "extra": {text: text}});
    document["notes"] = json!(text);
    document["extra"] =
        json!({"source": text, "counts_from": text, "marks": [text], "outcome": {"exit": text}});
    let session = one(&document);
    let written = serde_json::to_string(&session).unwrap();
    assert!(!written.contains(text), "{written}");
}
