//! mini-swe-agent: three shapes, sizes from totals, times, endings, bad records.

use super::{one, prompt, read_as, view_is_prompt};
use atr_core::import::Source;
use atr_core::import::tokens::BytesPerToken;
use atr_core::trace::{Mark, MessageKind, MessageRole, Scope, Session, Tag, ToolUse};
use serde_json::{Value, json};

const SECRET: &str = "the secret of the well";
const S: u64 = 1_000_000;

pub(super) fn said(role: &str, content: &str) -> Value {
    json!({"role": role, "content": content})
}

/// A reply in format 1, with one command.
pub(super) fn reply(content: &str, created: u64, prompt: i64, output: i64, cached: Value) -> Value {
    json!({"role": "assistant", "content": format!("{content}\n```bash\nls\n```"), "extra": {"response": {
        "id": "gen-1", "provider": "Google", "model": "google/gemini-3-pro-preview", "created": created,
        "choices": [{"message": {"content": SECRET}}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output, "cost": 0.5,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": 3}}}}})
}

pub(super) fn observed(code: i32, text: &str) -> Value {
    said("user", &format!("<returncode>{code}</returncode>\n<output>\n{text}\n</output>"))
}

pub(super) fn run(messages: &[Value]) -> Value {
    json!({"info": {"exit_status": "Submitted", "submission": SECRET, "mini_version": "1.15.0",
                    "model_stats": {"instance_cost": 1.25, "api_calls": 2},
                    "config": {"agent": {"system_template": SECRET}, "model": {"model_name": "gpt-5"}}},
           "messages": messages, "trajectory_format": "mini-swe-agent-1", "instance_id": "proj__proj-1"})
}

/// 400 bytes: 100 tokens at four bytes each.
pub(super) fn text(seed: &str) -> String {
    seed.repeat(400 / seed.len())
}

pub(super) fn small() -> Vec<Value> {
    vec![
        said("system", &text("sys ")),
        said("user", &text("task")),
        reply("thought", 1_700_000_000, 300, 60, json!(0)),
        observed(0, &text("out ")),
        reply("more", 1_700_000_010, 500, 120, json!(256)),
        observed(1, "boom"),
    ]
}

pub(super) fn sizes(session: &Session) -> Vec<u32> {
    session.messages.iter().map(|message| message.tokens).collect()
}

#[test]
fn totals_are_the_provider_s_and_nothing_is_written_that_was_said() {
    let session = one(&run(&small()));
    view_is_prompt(&session);
    assert_eq!(
        (session.id.as_str(), session.scope, session.block_tokens),
        ("proj__proj-1", Scope::Set, None)
    );
    assert_eq!(session.counts_from, "source+bytes/4");
    assert_eq!(session.models, ["google/gemini-3-pro-preview"]);
    let calls: Vec<_> = session
        .calls
        .iter()
        .map(|c| (c.prompt_tokens, c.output(), c.reasoning_tokens, c.recorded.clone().unwrap().cached_tokens))
        .collect();
    assert_eq!(calls, [(300, 60, 3, Some(0)), (500, 120, 3, Some(256))]);
    assert_eq!(session.calls[1].recorded.as_ref().unwrap().cost_usd, Some(0.5));
    let written = serde_json::to_string(&session).unwrap();
    for word in ["secret", "thought", "boom", "sys ", "Google\""] {
        assert!(!written.contains(word), "{word} is in {written}");
    }
    let ending = session.outcome.unwrap();
    assert_eq!((ending.exit.as_str(), ending.submitted, ending.cost_usd), ("submitted", true, Some(1.25)));
}

#[test]
fn growth_is_spread_in_proportion_and_the_system_prompt_keeps_its_count() {
    let session = one(&run(&small()));
    // System 100 as counted; the task takes the rest of 300. The reply (22 bytes, 6 tokens) and the
    // observation (446 bytes, 112 tokens) share the growth of 200 as 6 to 112.
    assert_eq!(sizes(&session)[..4], [100, 200, 200 * 6 / 118, 200 - 200 * 6 / 118]);
    for call in &session.calls {
        let sum: u32 = prompt(&session, call).iter().map(|(_, tokens)| tokens).sum();
        assert_eq!(sum, call.prompt_tokens);
    }
    let kinds: Vec<_> = session.messages.iter().map(|m| (m.role, m.kind)).collect();
    use MessageKind::{Action, Observation, SystemPrompt, Task};
    use MessageRole::{Assistant, System, User};
    assert_eq!(
        kinds,
        [(System, SystemPrompt), (User, Task), (Assistant, Action), (User, Observation), (Assistant, Action)]
    );
    assert_eq!(session.calls.iter().map(|call| call.reply).collect::<Vec<_>>(), [Some(2), Some(4)]);
    assert_eq!((session.messages[3].lines, session.messages[3].words), (4, 103));
}

#[test]
fn counts_that_fall_are_clamped_to_half_and_made_up_for() {
    let mut messages = small();
    messages[4] = reply("more", 1_700_000_010, 280, 120, json!(0));
    messages.push(reply("last", 1_700_000_020, 500, 1, json!(0)));
    let session = one(&run(&messages));
    view_is_prompt(&session);
    // The tokenizer counts 6 + 112; the growth of -20 becomes 59.
    let sizes = sizes(&session);
    assert_eq!(sizes[2] + sizes[3], 59);
    let residual: Vec<bool> = session.messages.iter().map(|m| m.tags.contains(&Tag::Residual)).collect();
    assert_eq!(residual, [false, false, true, true, false, false, false]);
    assert_eq!(session.calls[1].prompt_tokens, 280, "the provider's count stays");
    assert_eq!(sizes[..6].iter().sum::<u32>(), 500, "the next growth makes up for it");
}

#[test]
fn equal_beginnings_share_across_runs_whatever_they_add() {
    let other = |task: &str, total: i64| {
        let mut messages = small();
        messages[1] = said("user", &text(task));
        messages[2] = reply("thought", 1, total, 60, json!(0));
        messages.truncate(3);
        run(&messages).to_string()
    };
    let mut into = atr_core::import::Imported::default();
    for (name, bytes) in [("a", other("same", 300)), ("b", other("else", 400)), ("c", other("same", 300))] {
        let source = Source { name, counter: &BytesPerToken::default(), keep_text: false };
        atr_core::import::by_name("mini-swe-agent")
            .unwrap()
            .read(&mut bytes.as_bytes(), &source, &mut into)
            .unwrap();
    }
    into.finish();
    let prompts: Vec<_> = into.sessions.iter().map(|session| prompt(session, &session.calls[0])).collect();
    assert_eq!(prompts[0][0], prompts[1][0], "the system prompt");
    assert_ne!(prompts[0][1].0, prompts[1][1].0, "another task");
    assert_eq!(prompts[0], prompts[2]);
    assert!(into.sessions[2].has(Mark::Duplicate));
}

#[test]
fn identity_is_exact_to_64_tokens_inside_a_message() {
    let task = |end: &str| {
        let mut messages = small();
        messages[1] = said("user", &format!("{}{end}", "x".repeat(1000)));
        run(&messages[..3]).to_string()
    };
    let mut into = atr_core::import::Imported::default();
    for end in ["one", "two"] {
        let source = Source { name: end, counter: &BytesPerToken::default(), keep_text: false };
        atr_core::import::by_name("mini-swe-agent")
            .unwrap()
            .read(&mut task(end).as_bytes(), &source, &mut into)
            .unwrap();
    }
    into.finish();
    let prompts: Vec<_> = into.sessions.iter().map(|session| prompt(session, &session.calls[0])).collect();
    let shared: u32 = prompts[0].iter().zip(&prompts[1]).take_while(|(a, b)| a == b).map(|(a, _)| a.1).sum();
    // 1,000 bytes are three whole chunks of 256 bytes; 251 counted tokens stand for 200.
    assert_eq!(shared, 100 + 200 * (3 * 64) / 251);
}

#[test]
fn whole_seconds_leave_model_time_to_a_stated_rate() {
    let session = one(&run(&small()));
    // 120 tokens at 60 a second are 2 s of the 10 s between the responses.
    assert_eq!((session.calls[0].delay_us, session.calls[0].at_us), (None, Some(0)));
    assert_eq!((session.calls[1].delay_us, session.calls[1].at_us), (Some(8 * S), Some(9 * S)));
    assert!(session.calls.iter().all(|call| call.estimated) && session.has(Mark::Estimated));
    assert_eq!(session.calls[1].recorded.as_ref().unwrap().e2e_us, None, "an estimate is not recorded");
    let mut messages = small();
    messages[4] = reply("more", 1_700_000_001, 500, 6_000, json!(0));
    let session = one(&run(&messages));
    assert_eq!((session.calls[1].delay_us, session.calls[1].at_us), (Some(0), Some(0)), "never negative");
}

#[test]
fn tools_are_read_from_return_codes() {
    let tool = |ok| vec![ToolUse { name: "bash".to_owned(), us: None, ok }];
    let session = one(&run(&small()));
    assert_eq!(session.calls[0].tools, tool(Some(true)));
    assert_eq!(session.calls[1].tools, tool(None), "what came after the last reply was never sent");
    assert_eq!(session.messages[3].tool.as_deref(), Some("bash"));
    let mut messages = small();
    messages[3] = observed(2, "no");
    assert_eq!(one(&run(&messages)).messages[3].tags, [Tag::Error]);
    assert_eq!(one(&run(&messages)).calls[0].tools, tool(Some(false)));
    // Without a command nothing ran, whatever the harness answers.
    messages[2]["content"] = json!("no command");
    messages[3] = said("user", "Please always provide one action");
    let session = one(&run(&messages));
    assert_eq!((session.calls[0].tools.len(), session.messages[3].tool.clone()), (0, None));
}

/// Format 1.1: roles `tool` and `exit`, actions, return codes and stamps.
pub(super) fn newer() -> Vec<Value> {
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

pub(super) fn newer_run() -> Value {
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
    let counts: Vec<_> = session.calls.iter().map(|c| (c.prompt_tokens, c.output(), c.tools.len())).collect();
    assert_eq!(counts, [(150, 20, 1), (200, 5, 0)]);
    assert_eq!(session.calls[0].recorded.as_ref().unwrap().cached_tokens, Some(64));
    assert_eq!(session.calls[1].delay_us, Some(2 * S));
}

#[test]
fn a_bare_list_is_counted_by_the_tokenizer_and_says_so() {
    let mut messages = small();
    messages.iter_mut().for_each(|message| drop(message.as_object_mut().unwrap().remove("extra")));
    let imported = read_as("runs/local.traj.json", Value::Array(messages).to_string().as_bytes()).unwrap();
    let session = &imported.sessions[0];
    view_is_prompt(session);
    assert_eq!((session.id.as_str(), session.counts_from.as_str()), ("local", "bytes/4"));
    assert_eq!(session.models, ["unknown"]);
    assert_eq!((session.calls[0].prompt_tokens, session.calls[1].prompt_tokens), (200, 200 + 6 + 112));
    assert_eq!(session.calls[0].output(), 6);
    assert!(
        session
            .calls
            .iter()
            .all(|c| c.estimated && c.recorded.is_none() && c.at_us.is_none() && c.delay_us.is_none())
    );
    assert_eq!(session.outcome, None);
}
