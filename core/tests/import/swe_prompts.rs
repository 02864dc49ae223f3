//! SWE-agent 1.x, the fork and retries: steps that repeat what was sent, times, summaries, reviews.

use super::swe_agent::*;
use super::{one, read, reasons, view_is_prompt};
use atr_core::trace::{CallRole, MessageKind, MessageRole, ToolUse};
use serde_json::{Value, json};

/// A step of 1.x: `key` holds `messages`.
fn sent(key: &str, messages: &[Value], response: &str, seconds: f64) -> Value {
    json!({"action": format!("do {response}"), "observation": format!("saw {response}"), "response": response,
        "thought": "", "state": {"open_file": "n/a", "working_dir": "/secret"}, "execution_time": seconds,
        key: messages, "extra_info": {}})
}

fn reply(content: &str) -> Value {
    replied(content, &format!("do {content}"))
}

fn config() -> Value {
    json!({"agent": {"name": "main", "model": {"name": "claude-3-7-sonnet-20250219"}, "type": "default"},
        "problem_statement": {"id": "proj__proj-7", "text": SECRET}})
}

fn newer(steps: &[Value], history: &[Value]) -> Value {
    json!({"trajectory": steps, "history": history, "environment": "main",
        "info": {"exit_status": "submitted", "swe_agent_version": "1.1.0", "model_stats": stats(0.0, 0, 0, 0)},
        "replay_config": config().to_string()})
}

fn joined(parts: &[&[Value]]) -> Vec<Value> {
    parts.concat()
}

#[test]
fn a_query_is_what_was_sent_word_for_word() {
    let base = [system(), task()];
    let masked = observed("Old environment output: (2 lines omitted)");
    let first = joined(&[&base, &[reply("a"), observed("saw a")]]);
    let second = joined(&[&base, &[reply("a"), masked, reply("b"), observed("saw b")]]);
    let steps = [
        sent("query", &base, "a", 0.25),
        sent("query", &first, "b", 1.5),
        sent("query", &second, "c", 0.125),
    ];
    let history = joined(&[&first, &[reply("b"), observed("saw b"), reply("c"), observed("saw c")]]);
    let session = one(&newer(&steps, &history));
    view_is_prompt(&session);
    assert_eq!(session.id, "proj__proj-7");
    assert_eq!(session.models, ["claude-3-7-sonnet-20250219"]);
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2, 3], vec![0, 1, 2, 4, 5, 6]]);
    assert_eq!(replies(&session), [2, 5, 7]);
    // The delay is what the tool took; the first has none, and nothing is known of the model's time.
    let delays: Vec<_> = session.calls.iter().map(|call| call.delay_us).collect();
    assert_eq!(delays, [None, Some(250 * MS), Some(1_500 * MS)]);
    assert!(session.calls.iter().all(|call| call.at_us.is_none() && call.recorded.is_none()));
    assert_eq!(session.calls[2].tools, [ToolUse { name: "bash".to_owned(), us: Some(125 * MS), ok: None }]);
    // The settings may be an object too, and the same comes out.
    let mut run = newer(&steps, &history);
    run["replay_config"] = config();
    assert_eq!(one(&run), session);
}

#[test]
fn replies_that_were_refused_are_calls_and_the_harness_s_own_ends_are_not() {
    let base = [system(), task()];
    let complaint = [
        entry("assistant", "assistant", "bad", json!({})),
        entry("user", "user", "no such command", json!({})),
    ];
    let again = joined(&[&base, &complaint]);
    let after = joined(&[&base, &[reply("good"), observed("saw good")]]);
    let mut end = sent("query", &[json!({})], "Exit due to cost limit", 0.0);
    end["action"] = json!("");
    let steps = [
        sent("query", &base, "bad", 0.0),
        sent("query", &again, "good", 0.5),
        sent("query", &after, "late", 0.25),
        end,
    ];
    let session = one(&newer(&steps, &joined(&[&after, &[reply("late"), observed("saw late")]])));
    view_is_prompt(&session);
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2, 3], vec![0, 1, 4, 5]]);
    assert_eq!(replies(&session), [2, 4, 6]);
    assert_eq!(session.messages[3].kind, MessageKind::Other, "no observation, so that it is never masked");
    // The refused reply ran nothing, so the next call followed at once.
    assert_eq!(session.calls[0].tools, []);
    assert_eq!(session.calls[1].delay_us, Some(0));
}

#[test]
fn messages_that_a_step_leaves_behind_are_the_next_prompt() {
    let base = [system(), task()];
    let one_turn = joined(&[&base, &[reply("a"), observed("saw a")]]);
    let two_turns = joined(&[&one_turn, &[reply("b"), observed("saw b")]]);
    let steps = [
        sent("messages", &one_turn, "a", 0.25),
        // Refused: nothing was left behind, and the next prompt shows the reply.
        sent("messages", &one_turn, "bad", 0.0),
        sent("messages", &two_turns, "b", 0.5),
        sent("messages", &joined(&[&two_turns, &[reply("c"), observed("saw c")]]), "c", 0.5),
    ];
    let session = one(&newer(&steps, &joined(&[&two_turns, &[reply("c"), observed("saw c")]])));
    view_is_prompt(&session);
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 5, 6]]);
    assert_eq!(replies(&session), [2, 4, 5, 7]);
}

#[test]
fn a_first_reply_may_be_refused() {
    let base = [system(), task()];
    let one_turn = joined(&[&base, &[reply("a"), observed("saw a")]]);
    let steps = [
        sent("messages", &base, "bad", 0.0),
        sent("messages", &one_turn, "a", 0.25),
        sent("messages", &joined(&[&one_turn, &[reply("b"), observed("saw b")]]), "b", 0.25),
    ];
    let session = one(&newer(&steps, &joined(&[&one_turn, &[reply("b"), observed("saw b")]])));
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2], vec![0, 1, 3, 4]]);
}

#[test]
fn messages_that_stop_before_the_reply_are_the_prompt_itself() {
    let base = [system(), task()];
    let one_turn = joined(&[&base, &[reply("a"), observed("saw a")]]);
    let two_turns = joined(&[&one_turn, &[reply("b"), observed("saw b")]]);
    let steps = [
        sent("messages", &base, "a", 0.25),
        sent("messages", &one_turn, "b", 0.25),
        sent("messages", &two_turns, "c", 0.25),
    ];
    let session = one(&newer(&steps, &two_turns));
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2, 3], vec![0, 1, 2, 3, 4, 5]]);
    assert_eq!(replies(&session), [2, 4, 6]);
}

#[test]
fn tool_calls_and_reasoning_are_sent_again_with_their_reply() {
    let calls = json!([{"id": "c", "type": "function", "function": {"name": "str_replace_editor", "arguments": "{\"path\": \"x\"}"}}]);
    let asks = entry(
        "assistant",
        "action",
        "abcd",
        json!({"action": "str_replace_editor view x", "tool_calls": calls,
        "thinking_blocks": [{"type": "thinking", "thinking": "hm hm hm", "signature": SECRET}]}),
    );
    let answer = json!({"role": "tool", "content": [{"type": "text", "text": "No replacement was performed"}], "agent": "main",
        "message_type": "observation", "tool_call_ids": ["c"], "cache_control": {"type": "ephemeral"}});
    let base = [system(), task()];
    let first = joined(&[&base, &[asks, answer]]);
    let mut steps = [sent("query", &base, "abcd", 0.5), sent("query", &first, "end", 0.5)];
    steps[0]["action"] = json!("str_replace_editor view x");
    steps[0]["observation"] = json!("No replacement was performed");
    let session = one(&newer(&steps, &first));
    view_is_prompt(&session);
    assert_eq!(views(&session), [vec![0, 1], vec![0, 1, 2, 3]]);
    // 8 bytes of reasoning, 4 of text, 18 of the name, 13 of arguments without their escapes: 43.
    assert_eq!((session.messages[2].tokens, session.calls[0].output()), (11, 11));
    assert_eq!(
        (session.messages[3].role, session.messages[3].kind),
        (MessageRole::Tool, MessageKind::Observation)
    );
    let tool = ToolUse { name: "str_replace_editor".to_owned(), us: Some(500 * MS), ok: Some(false) };
    assert_eq!(session.calls[0].tools, [tool]);
    // Received tokens leave out tool calls; sent ones hold.
    let mut run = newer(&steps, &first);
    run["info"]["model_stats"] = stats(0.5, 418, 1, 2);
    let session = one(&run);
    assert_eq!((session.counts_from.as_str(), session.calls[0].output()), ("source+bytes/4", 11));
    // Arguments may be JSON of their own.
    run["history"][2]["tool_calls"][0]["function"]["arguments"] = json!({"path": "xyzabcd"});
    run["trajectory"][1]["query"][2]["tool_calls"][0]["function"]["arguments"] = json!({"path": "xyzabcd"});
    // Then they are sent as they stand: 18 bytes and no space.
    assert_eq!(one(&run).messages[2].tokens, 12);
}

/// A turn of the fork.
fn counted(messages: &[Value], response: &str, raw: u64, cached: u64, output: u64, reasoning: u64) -> Value {
    let mut step = sent("messages", messages, response, 0.5);
    step["turn_statistics"] = json!({"cost": 0.25, "inference_time": 1234.5678, "internal_reasoning": SECRET,
        "tokens": {"raw_input": raw, "cached_input": cached, "output": output, "internal_reasoning": reasoning}});
    step
}

/// Two turns, a summary of the first, a third turn.
fn fork() -> Value {
    let base = [system(), task()];
    let one_turn = joined(&[&base, &[reply("a"), observed("saw a")]]);
    let checkpoint = json!({"role": "assistant", "content": "Checkpoint for the last 1 turns:\nall is well",
        "message_type": "thought", "tags": [{"type": "summary"}]});
    let summed = joined(&[&base, &[checkpoint, reply("b"), observed("saw b")]]);
    let steps = [
        counted(&one_turn, "a", 200, 0, 7, 3),
        counted(&summed, "b", 30, 180, 9, 0),
        counted(&joined(&[&summed, &[reply("c"), observed("saw c")]]), "c", 40, 200, 11, 0),
    ];
    let history = joined(&[&one_turn, &[reply("b"), observed("saw b"), reply("c"), observed("saw c")]]);
    let mut run = newer(&steps, &history);
    run["summaries"] = json!([{"summary": "all is well",
        "context": [{"role": "system", "content": "sum up"}, {"role": "user", "content": text("turn")}],
        "statistics": {"cost": 0.125, "inference_time": 10.0, "internal_reasoning": null,
            "tokens": {"raw_input": 110, "cached_input": 0, "output": 5, "internal_reasoning": 0}}}]);
    run["info"]["model_stats"] = Value::Null;
    run["info"]["agent_model_stats"] = json!({"instance_cost": 0.75, "api_calls": 3, "tokens": {}});
    run["info"]["summary_model_stats"] = json!({"instance_cost": 0.125, "api_calls": 1, "tokens": {}});
    run
}

#[test]
fn the_fork_s_statistics_are_each_call_s() {
    let session = one(&fork());
    view_is_prompt(&session);
    let counts: Vec<_> =
        session.calls.iter().map(|call| (call.prompt_tokens, call.output(), call.reasoning_tokens)).collect();
    // Reasoning is counted apart from the output.
    assert_eq!(counts, [(200, 10, 3), (210, 9, 0), (110, 5, 0), (240, 11, 0)]);
    let recorded = session.calls[1].recorded.clone().unwrap();
    assert_eq!(
        (recorded.e2e_us, recorded.cached_tokens, recorded.cost_usd),
        (Some(1_234_568), Some(180), Some(0.25))
    );
    assert!(session.calls.iter().all(|call| !call.estimated));
    assert_eq!(session.outcome.unwrap().cost_usd, Some(0.875), "agent and summariser");
}

#[test]
fn a_summary_is_a_call_between_the_turns_that_it_stands_between() {
    let session = one(&fork());
    let roles: Vec<_> =
        session.calls.iter().map(|call| (call.role, call.agent, call.after.clone())).collect();
    use CallRole::{Agent, Summariser};
    assert_eq!(
        roles,
        [(Agent, 0, vec![]), (Agent, 0, vec![0]), (Summariser, 1, vec![1]), (Agent, 0, vec![2])]
    );
    let delays: Vec<_> = session.calls.iter().map(|call| call.delay_us).collect();
    assert_eq!(delays, [None, Some(500 * MS), Some(500 * MS), Some(0)]);
    let kinds: Vec<_> = session.calls[3]
        .view
        .iter()
        .flat_map(|run| run.indices())
        .map(|at| session.messages[at as usize].kind)
        .collect();
    use MessageKind::{Action, Observation, Summary, SystemPrompt, Task};
    assert_eq!(kinds, [SystemPrompt, Task, Summary, Action, Observation]);
    assert_eq!(session.turns(), Some(3));
    // Where nothing was asked there is no call.
    let mut run = fork();
    run["summaries"][0]["context"] = json!([]);
    assert_eq!(one(&run).calls.len(), 3);
}

#[test]
fn statistics_of_zeros_are_unknown() {
    let mut run = fork();
    for step in run["trajectory"].as_array_mut().unwrap() {
        step["turn_statistics"] = json!({"cost": 0, "inference_time": 0,
            "tokens": {"raw_input": 0, "cached_input": 0, "output": 0, "internal_reasoning": null}});
        step["execution_time"] = json!(0.0);
    }
    let session = one(&run);
    let turns: Vec<_> = session.calls.iter().filter(|call| call.role == CallRole::Agent).collect();
    assert!(turns.iter().all(|call| call.recorded.is_none() && call.estimated && call.delay_us.is_none()));
    assert_eq!(turns[0].prompt_tokens, 200);
    assert_eq!(turns[0].tools.len(), 1, "times of zero throughout say nothing");
    assert_eq!(turns[0].tools[0].us, None);
}

/// Two attempts, each reviewed twice, and a choice.
fn retries() -> Value {
    let base = [system(), task()];
    let attempt = |response: &str, exit: &str| {
        let history = joined(&[&base, &[reply(response), observed("out")]]);
        json!({"trajectory": [sent("query", &base, response, 0.5)], "history": history, "environment": "main", "replay_config": null,
            "info": {"exit_status": exit, "model_stats": stats(0.25, 200, 1, 1),
                "review": {"accept": 0.5, "outputs": ["four", "score: 8"], "messages": [
                    {"role": "system", "content": "judge"}, {"role": "user", "content": text(response)}]}}})
    };
    let attempts = [attempt("left", "exit_cost"), attempt("rite", "submitted")];
    let mut run = attempts[1].clone();
    run["attempts"] = json!(attempts);
    let info = run["info"].as_object_mut().unwrap();
    info.insert("best_attempt_idx".to_owned(), json!(1));
    info.insert("rloop_model_stats".to_owned(), stats(0.5, 1, 1, 5));
    info.insert("model_stats".to_owned(), stats(1.0, 0, 0, 7));
    info.insert(
        "chooser".to_owned(),
        json!({"chosen_idx": 1, "response": "1", "preselector_output": null,
        "messages": [{"role": "system", "content": "choose"}, {"role": "user", "content": "which?"}]}),
    );
    run["replay_config"] = json!({"agent": {"type": "retry",
        "agent_configs": [{"model": {"name": "gpt-4o"}}, {"model": {"name": "claude-sonnet-4"}}],
        "retry_loop": {"type": "score", "model": {"name": "o3-mini"}}}});
    run
}

#[test]
fn attempts_follow_one_another_and_reviews_stand_between() {
    let session = one(&retries());
    view_is_prompt(&session);
    use CallRole::{Agent, Reviewer};
    let calls: Vec<_> = session
        .calls
        .iter()
        .map(|call| (call.role, call.agent, session.models[call.model as usize].as_str(), call.prompt_tokens))
        .collect();
    assert_eq!(
        calls,
        [
            (Agent, 0, "gpt-4o", 200),
            (Reviewer, 1, "o3-mini", 102),
            (Reviewer, 1, "o3-mini", 102),
            (Agent, 0, "claude-sonnet-4", 200),
            (Reviewer, 1, "o3-mini", 102),
            (Reviewer, 1, "o3-mini", 102),
            (Reviewer, 1, "unknown", 4),
        ]
    );
    let after: Vec<_> = session.calls.iter().map(|call| call.after.clone()).collect();
    assert_eq!(after, [vec![], vec![0], vec![1], vec![2], vec![3], vec![4], vec![5]]);
    assert_eq!(views(&session)[0], views(&session)[3], "both attempts begin with the same words");
    let ending = session.outcome.unwrap();
    assert_eq!((ending.exit.as_str(), ending.cost_usd), ("submitted", Some(1.0)));
}

#[test]
fn a_file_saved_between_attempts_holds_attempts_only() {
    let run = json!({"attempts": retries()["attempts"]});
    let session = one(&run);
    assert_eq!(session.calls.len(), 6);
    let ending = session.outcome.unwrap();
    assert_eq!((ending.exit.as_str(), ending.cost_usd), ("submitted", Some(0.5)));
}

#[test]
fn stand_ins_for_a_model_name_none() {
    for name in ["human", "human_thought", "replay", "instant_empty_submit"] {
        let mut run = newer(&[sent("query", &[system(), task()], "a", 0.5)], &[]);
        run["replay_config"] = json!({"agent": {"model": {"name": name}}});
        assert_eq!(one(&run).models, ["unknown"], "{name}");
    }
}

#[test]
fn a_step_without_the_messages_that_its_version_writes_is_named() {
    let steps = [sent("query", &[system(), task()], "a", 0.5), sent("query", &[], "b", 0.5)];
    let imported = read(newer(&steps, &[]).to_string().as_bytes());
    assert_eq!(reasons(&imported), ["step 1: `query` is empty, expected the messages that were sent"]);
    assert_eq!(imported.sessions[0].calls.len(), 1);
}
