//! OpenHands: rows, event lists, pairs; counts by response, condensations, delegates, endings.

use super::{one, read, read_as, reasons, view_is_prompt};
use atr_core::trace::{CallRole, MessageKind, MessageRole, Session, Tag, ToolUse};
use serde_json::{Value, json};

const SECRET: &str = "the secret of the well";
const MS: u64 = 1_000;

/// The stamp so many milliseconds after some noon.
fn stamp(ms: u64) -> String {
    format!("2025-04-30T12:{:02}:{:02}.{:03}000", ms / 60_000, ms / 1_000 % 60, ms % 1_000)
}

fn system(ms: u64) -> Value {
    json!({"id": 0, "timestamp": stamp(ms), "source": "agent", "message": SECRET, "action": "system",
        "args": {"content": "s".repeat(400), "tools": [{"type": "function", "function": {"name": SECRET}}]}})
}

fn task(id: u64, ms: u64) -> Value {
    json!({"id": id, "timestamp": stamp(ms), "source": "user", "action": "message", "message": SECRET,
        "args": {"content": "t".repeat(400), "image_urls": null, "wait_for_response": false}})
}

/// A command of the agent, of a response with these counts.
fn run(id: u64, ms: u64, response: &str, usage: Value) -> Value {
    json!({"id": id, "timestamp": stamp(ms), "source": "agent", "message": SECRET, "action": "run",
        "args": {"command": SECRET, "thought": SECRET},
        "tool_call_metadata": {"function_name": "execute_bash", "tool_call_id": "c", "total_calls_in_response": 1,
            "model_response": {"id": response, "model": "gpt-4o-2024-08-06", "usage": usage, "choices": [
                {"message": {"content": "a".repeat(40), "tool_calls": [
                    {"function": {"name": "execute_bash", "arguments": "b".repeat(28)}}]}}]}}})
}

fn ran(id: u64, ms: u64, cause: u64, code: i32) -> Value {
    json!({"id": id, "timestamp": stamp(ms), "source": "agent", "message": SECRET, "observation": "run", "cause": cause,
        "tool_call_metadata": {"function_name": "execute_bash", "tool_call_id": "c", "model_response": {"id": "r"}},
        "content": "o".repeat(200), "extras": {"command": SECRET, "metadata": {"exit_code": code}}})
}

fn finish(id: u64, ms: u64) -> Value {
    json!({"id": id, "timestamp": stamp(ms), "source": "agent", "action": "finish", "args": {"outputs": {}}})
}

fn usage(prompt: u64, output: u64) -> Value {
    json!({"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output})
}

/// Two commands and the end.
fn small() -> Vec<Value> {
    vec![
        system(0),
        task(1, 100),
        run(2, 3_100, "r1", usage(400, 30)),
        ran(3, 3_600, 2, 0),
        run(4, 6_000, "r2", usage(500, 20)),
        ran(5, 6_250, 4, 127),
        finish(6, 9_000),
    ]
}

fn row(history: &[Value]) -> Value {
    json!({"instance_id": "proj__proj-1", "instruction": SECRET, "history": history, "error": null,
        "metadata": {"agent_class": "CodeActAgent", "llm_config": {"model": "openai/my-gpt-4o", "api_key": SECRET}},
        "metrics": {"accumulated_cost": 0.5, "costs": [], "token_usages": [], "response_latencies": []},
        "test_result": {"git_patch": SECRET, "report": {"resolved": true}}})
}

fn kinds(session: &Session) -> Vec<MessageKind> {
    session.messages.iter().map(|message| message.kind).collect()
}

fn views(session: &Session) -> Vec<Vec<u32>> {
    session.calls.iter().map(|call| call.view.iter().flat_map(|run| run.indices()).collect()).collect()
}

#[test]
fn actions_reply_and_observations_are_sent() {
    use MessageKind::{Action, Observation, SystemPrompt, Task, Tools};
    let session = one(&row(&small()));
    view_is_prompt(&session);
    assert_eq!((session.id.as_str(), session.harness.as_str()), ("proj__proj-1", "openhands"));
    assert_eq!(
        kinds(&session),
        [Tools, SystemPrompt, Task, Action, Observation, Action, Observation, Action]
    );
    assert_eq!(views(&session), [vec![0, 1, 2], vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4, 5, 6]]);
    let counts: Vec<_> = session.calls.iter().map(|call| (call.prompt_tokens, call.output())).collect();
    // The last call has no counts: its messages' sizes. 40 + 12 + 28 bytes and 200 bytes follow the second prompt.
    assert_eq!(counts[..2], [(400, 30), (500, 20)]);
    assert_eq!(counts[2].0, 500 + 20 + 50);
    assert_eq!(session.models, ["gpt-4o-2024-08-06"], "calls without a name go to the model of the others");
    let outcome = session.outcome.unwrap();
    assert_eq!((outcome.exit.as_str(), outcome.submitted), ("submitted", true));
    assert_eq!((outcome.resolved, outcome.cost_usd), (Some(true), Some(0.5)));
    assert!(!format!("{:?}", session.messages).contains(SECRET));
}

#[test]
fn times_are_those_of_events() {
    let session = one(&row(&small()));
    let times: Vec<_> = session.calls.iter().map(|call| (call.at_us, call.delay_us)).collect();
    // Sent when the latest message was there; nothing passes between an observation and the next call.
    assert_eq!(
        times,
        [(Some(0), None), (Some(3_500 * MS), Some(500 * MS)), (Some(6_150 * MS), Some(250 * MS))]
    );
    let bash = |ms, ok| vec![ToolUse { name: "execute_bash".to_owned(), us: Some(ms * MS), ok: Some(ok) }];
    assert_eq!(session.calls[0].tools, bash(500, true));
    assert_eq!(session.calls[1].tools, bash(250, false));
    assert_eq!(session.messages[6].tags, [Tag::Error]);
    assert_eq!(session.messages[4].tool.as_deref(), Some("execute_bash"));
    assert_eq!(session.messages[4].role, MessageRole::Tool);
}

#[test]
fn metrics_are_joined_by_their_response() {
    let mut history = small();
    for event in [2, 4] {
        history[event]["tool_call_metadata"]["model_response"]["usage"] = Value::Null;
    }
    let mut row = row(&history);
    let entry = |id: &str, prompt: u64, read: u64| {
        json!({"model": "openai/my-gpt-4o", "prompt_tokens": prompt, "completion_tokens": 9, "cache_read_tokens": read,
            "cache_write_tokens": 0, "response_id": id})
    };
    row["metrics"]["token_usages"] =
        json!([entry("other", 7, 0), entry("r2", 600, 384), entry("r1", 450, 0)]);
    row["metrics"]["response_latencies"] = json!([{"latency": 1.5, "response_id": "r2"}]);
    row["metrics"]["costs"] = json!([{"cost": 0.1}, {"cost": 0.2}, {"cost": 0.3}]);
    let session = one(&row);
    let found = |call: usize| {
        let recorded = session.calls[call].recorded.clone().unwrap();
        (session.calls[call].prompt_tokens, recorded.cached_tokens, recorded.e2e_us, recorded.cost_usd)
    };
    assert_eq!(found(0), (450, Some(0), None, Some(0.3)));
    assert_eq!(found(1), (600, Some(384), Some(1_500 * MS), Some(0.2)));
    // Sent 1.5 s before 6.0 s, which is 0.9 s after the observation.
    assert_eq!(session.calls[1].delay_us, Some(1_400 * MS));
    row["metrics"]["token_usages"][1]["cache_read_tokens"] = json!(0);
    let session = one(&row);
    let cached: Vec<_> =
        session.calls.iter().map(|call| call.recorded.clone().and_then(|r| r.cached_tokens)).collect();
    assert_eq!(cached, [None, None, None], "a cache that never held anything was not reported");
}

#[test]
fn actions_of_one_response_are_one_call() {
    let mut history = small();
    history.insert(3, run(20, 3_150, "r1", usage(400, 30)));
    history.insert(5, ran(21, 3_900, 20, 1));
    let session = one(&row(&history));
    assert_eq!(session.calls.len(), 3);
    let tools: Vec<_> = session.calls[0].tools.iter().map(|tool| (tool.us, tool.ok)).collect();
    assert_eq!(tools, [(Some(500 * MS), Some(true)), (Some(750 * MS), Some(false))]);
    assert_eq!(views(&session)[1], [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_condensation_changes_the_view() {
    let mut history = small();
    let condensed = json!({"id": 30, "timestamp": stamp(6_500), "source": "agent", "action": "condensation",
        "args": {"forgotten_event_ids": [2, 3], "summary": "z".repeat(80), "summary_offset": 2}});
    history.insert(6, condensed);
    let mut row = row(&history);
    let session = one(&row);
    view_is_prompt(&session);
    assert_eq!(views(&session)[2], [0, 1, 2, 7, 5, 6]);
    assert_eq!((session.messages[7].kind, session.messages[7].tokens), (MessageKind::Summary, 20));
    assert_eq!(session.calls.len(), 3, "nothing says that a model wrote it");
    let entry =
        |id: &str, prompt: u64| json!({"prompt_tokens": prompt, "completion_tokens": 9, "response_id": id});
    row["metrics"]["token_usages"] = json!([entry("r1", 400), entry("r2", 500), entry("condenser", 777)]);
    let session = one(&row);
    let roles: Vec<_> = session.calls.iter().map(|call| (call.role, call.prompt_tokens)).collect();
    assert_eq!(roles[2], (CallRole::Summariser, 777));
    assert_eq!((session.calls[3].role, &session.calls[3].after), (CallRole::Agent, &vec![1, 2]));
    assert_eq!(session.turns(), Some(3));
}

#[test]
fn forgotten_events_may_be_a_range() {
    let mut history = small();
    let condensed = json!({"id": 30, "timestamp": stamp(6_500), "source": "agent", "action": "condensation",
        "args": {"forgotten_events_start_id": 2, "forgotten_events_end_id": 4, "summary": null}});
    history.insert(6, condensed);
    assert_eq!(views(&one(&row(&history)))[2], [0, 1, 2, 6]);
}

#[test]
fn a_delegate_works_on_its_own_prompt() {
    let delegate = |mut event: Value, action: &str| {
        event["action"] = json!(action);
        event
    };
    let mut history = small()[..4].to_vec();
    history.push(delegate(run(4, 6_000, "r2", usage(500, 20)), "delegate"));
    history.push(task(5, 6_100));
    history.push(run(6, 8_000, "r3", usage(90, 20)));
    history.push(
        json!({"id": 7, "timestamp": stamp(9_000), "source": "agent", "observation": "delegate", "cause": 4,
        "content": "d".repeat(40), "extras": {}}),
    );
    history.push(finish(8, 10_000));
    let session = one(&row(&history));
    view_is_prompt(&session);
    let calls: Vec<_> =
        session.calls.iter().map(|call| (call.agent, call.role, call.after.clone())).collect();
    assert_eq!(
        calls,
        [
            (0, CallRole::Agent, vec![]),
            (0, CallRole::Agent, vec![0]),
            (1, CallRole::Subagent, vec![1]),
            (0, CallRole::Agent, vec![1, 2]),
        ]
    );
    // Of 90 tokens 100 are the task's by bytes: nothing is left for what is hidden.
    assert_eq!(views(&session)[2].len(), 2);
}

#[test]
fn lists_pairs_and_wrappers_hold_the_same_run() {
    let list = Value::Array(small());
    let expected = one(&row(&small())).calls;
    assert_eq!(one(&list).id, "file");
    assert_eq!(one(&list).calls, expected);
    for key in ["history", "trajectory", "events"] {
        assert_eq!(one(&json!({key: small()})).calls, expected, "{key}");
    }
    let pairs: Vec<Value> = small().chunks(2).map(|pair| json!(pair)).collect();
    assert_eq!(one(&json!({"history": pairs})).calls, expected);
}

#[test]
fn rows_are_read_one_by_one_and_a_broken_one_costs_only_itself() {
    let mut second = row(&small());
    second["instance_id"] = json!("proj__proj-2");
    let file = format!(
        "{}\n{}\n{}\n{}",
        row(&small()),
        json!({"instance_id": "x", "metadata": {"agent_class": "C", "llm_config": {}}, "history": []}),
        second,
        &row(&small()).to_string()[..300]
    );
    let imported = read(file.as_bytes());
    assert_eq!(imported.sessions.len(), 2);
    let reasons = reasons(&imported);
    assert_eq!(reasons[0], "run 2: `history` is without events, expected a list of events");
    assert!(reasons[1].starts_with("run 4: expected a whole JSON run: EOF"), "{}", reasons[1]);
}

#[test]
fn what_is_no_event_is_named() {
    let mut history = small();
    history.insert(1, json!(null));
    history.insert(2, json!({"id": 9, "source": "user"}));
    history[4]["tool_call_metadata"]["model_response"]["usage"]["prompt_tokens"] = json!(-4);
    let imported = read(row(&history).to_string().as_bytes());
    let reasons = reasons(&imported);
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert_eq!(reasons[0], "run 1: 1 entries of `history` are no events");
    assert_eq!(reasons[1], "run 1: event 1: `event` is neither, expected an action or an observation");
    assert!(reasons[2].starts_with("run 1: event 3: `usage.prompt_tokens` is -4"), "{}", reasons[2]);
    let only_user = read_as("x.json", row(&small()[..2]).to_string().as_bytes()).err().unwrap().to_string();
    assert_eq!(only_user, "x.json: `history` is without an action of the agent, expected at least one");
}

#[test]
fn errors_decide_how_a_run_ended() {
    for (error, exit) in [
        ("RuntimeError: Agent reached maximum iteration in headless mode.", "exit_steps"),
        ("RuntimeError: Agent reached maximum budget for conversation", "exit_cost"),
        ("AgentStuckInLoopError: Agent got stuck in a loop", "exit_error"),
        ("litellm.ContextWindowExceededError", "exit_context"),
    ] {
        let mut row = row(&small()[..6]);
        row["error"] = json!(error);
        let outcome = one(&row).outcome.unwrap();
        assert_eq!((outcome.exit.as_str(), outcome.submitted), (exit, false), "{error}");
    }
}

#[test]
fn a_billed_call_without_an_event_is_counted_and_named() {
    let latency = |id: &str| json!({"model": "m", "latency": 1.5, "response_id": id});
    let used = |id: &str| json!({"response_id": id, "prompt_tokens": 90, "completion_tokens": 9});
    let untold = |latencies: &[&str], usages: &[&str], history: &[Value]| {
        let mut row = row(history);
        row["metrics"]["response_latencies"] = latencies.iter().copied().map(latency).collect();
        row["metrics"]["token_usages"] = usages.iter().copied().map(used).collect();
        let imported = read(row.to_string().as_bytes());
        let why = reasons(&imported).join("; ");
        (imported.sessions[0].calls.len(), why)
    };
    let named = small();
    assert_eq!(untold(&["r1", "r2"], &["r1", "r2"], &named[..6]), (2, String::new()));
    // Thrown away between the two that have events: one has a latency alone, one both.
    let why = "run 1: 2 of 4 calls in `metrics` have no event, expected one for each".to_owned();
    assert_eq!(untold(&["r1", "lost", "gone", "r2"], &["r1", "gone", "r2"], &named[..6]), (2, why));
    // An end that names no response may be the third call.
    assert_eq!(untold(&["r1", "r2", "r3"], &["r1", "r2", "r3"], &named), (3, String::new()));
}
