//! mini-swe-agent, format 1.1: roles `tool` and `exit`, actions, return codes and stamps.

use super::mini_swe_agent::{S, SECRET, run, said, text};
use super::{one, view_is_prompt};
use atr_core::trace::{MessageRole, Tag, ToolUse};
use serde_json::{Value, json};

/// Format 1.1: roles `tool` and `exit`, actions, return codes and stamps.
fn newer() -> Vec<Value> {
    let reply = |stamp: f64, prompt: u32, output: u32, commands: usize| {
        let calls: Vec<Value> =
            (0..commands).map(|_| json!({"id": "c", "type": "function", "function": {"name": "bash", "arguments": "{\"command\":\"ls\"}"}})).collect();
        let actions: Vec<Value> =
            (0..commands).map(|_| json!({"command": "ls", "tool_call_id": "c"})).collect();
        json!({"role": "assistant", "content": null, "tool_calls": calls, "extra": {"actions": actions, "cost": 0.25, "timestamp": stamp,
            "response": {"model": "claude-sonnet-4-5", "created": 5, "usage": {"prompt_tokens": prompt, "completion_tokens": output}}}})
    };
    let observed = |stamp: f64, code: i32| json!({"role": "tool", "tool_call_id": "c", "content": "out", "extra": {"returncode": code, "timestamp": stamp, "raw_output": SECRET}});
    vec![
        said("system", &text("sys ")),
        said("user", &text("task")),
        reply(1000.5, 250, 60, 1),
        observed(1003.0, 0),
        reply(1007.25, 300, 60, 2),
        observed(1008.0, -1),
        observed(1009.0, 0),
        reply(1010.0, 400, 60, 1),
        json!({"role": "exit", "content": SECRET, "extra": {"exit_status": "LimitsExceeded", "submission": ""}}),
    ]
}

fn newer_run() -> Value {
    let mut run = run(&newer());
    run["trajectory_format"] = json!("mini-swe-agent-1.1");
    run["info"]["exit_status"] = json!("LimitsExceeded");
    run
}

#[test]
fn stamps_tell_model_time_from_tool_time() {
    let session = one(&newer_run());
    view_is_prompt(&session);
    let times: Vec<_> = session
        .calls
        .iter()
        .map(|call| {
            (call.at_us, call.delay_us, call.recorded.as_ref().and_then(|r| r.e2e_us), call.estimated)
        })
        .collect();
    assert_eq!(
        times,
        [
            // 60 tokens at 60 a second: sent at 999.5 s.
            (Some(0), None, None, true),
            (Some(3_500_000), Some(2_500_000), Some(4_250_000), false),
            (Some(9_500_000), Some(1_750_000), Some(1_000_000), false),
        ]
    );
    let tool = |us, ok| ToolUse { name: "bash".to_owned(), us, ok };
    let tools: Vec<_> = session.calls.iter().map(|call| call.tools.clone()).collect();
    assert_eq!(
        tools,
        [
            vec![tool(Some(2_500_000), Some(true))],
            vec![tool(None, Some(false)), tool(None, Some(true))],
            vec![tool(None, None)],
        ]
    );
    assert_eq!(session.messages[3].role, MessageRole::Tool);
    assert_eq!(session.messages[5].tags, [Tag::Error]);
    assert_eq!(session.calls[0].recorded.as_ref().unwrap().cached_tokens, None, "unknown is not 0");
    let ending = session.outcome.unwrap();
    assert_eq!((ending.exit.as_str(), ending.submitted), ("exit_cost", false));
}

#[test]
fn the_exit_message_serves_where_the_run_says_nothing() {
    let mut run = newer_run();
    run["info"].as_object_mut().unwrap().remove("exit_status");
    assert_eq!(one(&run).outcome.unwrap().exit, "exit_cost");
}

#[test]
fn responses_of_the_newer_interface_are_replies_too() {
    let messages = [
        said("system", "s"),
        said("user", &text("task")),
        json!({"object": "response", "model": "gpt-5", "output": [{"type": "message", "content": [{"type": "output_text", "text": "hello"}]}],
               "usage": {"input_tokens": 150, "output_tokens": 20, "input_tokens_details": {"cached_tokens": 64}},
               "extra": {"actions": [{"command": "ls"}], "timestamp": 10.0}}),
        json!({"type": "function_call_output", "call_id": "c", "output": "out", "extra": {"returncode": 0, "timestamp": 12.0}}),
        json!({"object": "response", "model": "gpt-5", "output": [], "usage": {"input_tokens": 200, "output_tokens": 5}, "extra": {"timestamp": 13.0}}),
    ];
    let session = one(&run(&messages));
    assert_eq!(session.models, ["gpt-5"]);
    let counts: Vec<_> =
        session.calls.iter().map(|c| (c.prompt_tokens, c.output_tokens, c.tools.len())).collect();
    assert_eq!(counts, [(150, 20, 1), (200, 5, 0)]);
    assert_eq!(session.calls[0].recorded.as_ref().unwrap().cached_tokens, Some(64));
    assert_eq!(session.calls[1].delay_us, Some(2 * S));
}
