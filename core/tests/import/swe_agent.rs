//! SWE-agent 0.x and demonstrations: the history says what was sent. Kinds, tools, windows, totals.
//! Expectations are counted by hand at four bytes a token.

use super::{one, prompt, read_as, view_is_prompt};
use atr_core::trace::{CallRole, Mark, MessageKind, MessageRole, Scope, Session, Tag, ToolUse};
use serde_json::{Value, json};

pub(super) const SECRET: &str = "the secret of the well";
pub(super) const MS: u64 = 1_000;

/// 400 bytes: 100 tokens.
pub(super) fn text(seed: &str) -> String {
    seed.repeat(400 / seed.len())
}

/// A message of a history. `extra` overrides and adds keys.
pub(super) fn entry(role: &str, kind: &str, content: &str, extra: Value) -> Value {
    let mut entry = json!({"role": role, "content": content, "agent": "main", "message_type": kind});
    entry.as_object_mut().unwrap().extend(extra.as_object().cloned().unwrap_or_default());
    entry
}

pub(super) fn system() -> Value {
    entry("system", "system_prompt", &text("sys "), json!({}))
}

pub(super) fn task() -> Value {
    entry("user", "observation", &text("task"), json!({}))
}

pub(super) fn replied(content: &str, action: &str) -> Value {
    entry("assistant", "action", content, json!({"thought": content, "action": action}))
}

pub(super) fn observed(content: &str) -> Value {
    entry("user", "observation", content, json!({}))
}

/// A step of 0.x.
pub(super) fn step(response: &str, action: &str, observation: &str) -> Value {
    json!({"action": action, "observation": observation, "response": response, "thought": SECRET,
        "state": "{\"open_file\": \"/the/secret/of/the/well.py\", \"working_dir\": \"/secret\"}\n"})
}

pub(super) fn stats(cost: f64, sent: u64, received: u64, calls: u64) -> Value {
    json!({"total_cost": 99.5, "instance_cost": cost, "tokens_sent": sent, "tokens_received": received, "api_calls": calls})
}

pub(super) fn run(trajectory: &[Value], history: &[Value], stats: Value) -> Value {
    json!({"environment": "swe_main", "trajectory": trajectory, "history": history,
        "info": {"exit_status": "submitted", "submission": SECRET, "model_stats": stats, "edited_files30": SECRET}})
}

/// Two turns: an edit that is refused, and the end.
fn old() -> Value {
    let refused = format!("Your changes have NOT been applied. {SECRET}");
    run(
        &[step("one", "edit 1:1\nx\nend_of_edit\n", &refused), step("twos", "submit\n", "")],
        &[
            system(),
            task(),
            replied("one", "edit 1:1\nx\nend_of_edit\n"),
            observed(&refused),
            replied("twos", "submit\n"),
        ],
        stats(1.25, 0, 0, 0),
    )
}

pub(super) fn views(session: &Session) -> Vec<Vec<u32>> {
    session.calls.iter().map(|call| call.view.iter().flat_map(|run| run.indices()).collect()).collect()
}

pub(super) fn replies(session: &Session) -> Vec<u32> {
    session.calls.iter().map(|call| call.reply.unwrap()).collect()
}

#[test]
fn prompts_are_the_history_before_each_reply_and_nothing_of_it_is_written() {
    let session = one(&old());
    view_is_prompt(&session);
    assert_eq!((session.scope, session.counts_from.as_str()), (Scope::Set, "bytes/4"));
    assert_eq!(
        (session.harness.as_str(), session.models.as_slice()),
        ("swe-agent", ["unknown".to_owned()].as_slice())
    );
    assert_eq!((views(&session), replies(&session)), (vec![vec![0, 1], vec![0, 1, 2, 3]], vec![2, 4]));
    // 100 + 100; then the reply of 3 bytes and the observation of 36 + 22.
    let prompts: Vec<u32> = session.calls.iter().map(|call| call.prompt_tokens).collect();
    assert_eq!(prompts, [200, 200 + 1 + 15]);
    assert_eq!(session.calls.iter().map(|call| call.output_tokens).collect::<Vec<_>>(), [Some(1), Some(1)]);
    use MessageKind::{Action, Observation, SystemPrompt, Task};
    let kinds: Vec<_> = session.messages.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [SystemPrompt, Task, Action, Observation, Action]);
    assert!(session.has(Mark::Estimated) && session.calls.iter().all(|call| call.recorded.is_none()));
    // 0.x knows no times at all.
    assert!(session.calls.iter().all(|call| call.at_us.is_none() && call.delay_us.is_none()));
    assert_eq!(session.calls[1].after, [0]);
    let written = serde_json::to_string(&session).unwrap();
    for word in ["secret", "sys ", "NOT been", "end_of_edit", ".py"] {
        assert!(!written.contains(word), "{word} is in {written}");
    }
}

#[test]
fn the_instance_s_cost_is_kept_and_the_batch_s_is_not() {
    let ending = one(&old()).outcome.unwrap();
    assert_eq!((ending.exit.as_str(), ending.submitted, ending.cost_usd), ("submitted", true, Some(1.25)));
    let mut run = old();
    run["info"]["model_stats"]["instance_cost"] = json!(0.0);
    run["info"]["exit_status"] = Value::Null;
    assert_eq!(one(&run).outcome, None, "zeros and null are unknown");
    run["info"]["exit_status"] = json!("submitted (exit_context)");
    let ending = one(&run).outcome.unwrap();
    assert_eq!((ending.exit.as_str(), ending.submitted, ending.cost_usd), ("exit_context", true, None));
}

#[test]
fn tools_are_commands_of_the_harness_or_the_shell_and_refused_edits_failed() {
    let session = one(&old());
    let tool = |name: &str, ok| ToolUse { name: name.to_owned(), us: None, ok };
    assert_eq!(session.calls[0].tools, [tool("edit", Some(false))]);
    assert_eq!(session.calls[1].tools, [tool("submit", None)]);
    assert_eq!(
        (session.messages[3].tool.as_deref(), session.messages[3].tags.as_slice()),
        (Some("edit"), [Tag::Error].as_slice())
    );
    // The same words are no failure of a tool that edits nothing.
    let mut run = old();
    run["trajectory"][0]["action"] = json!("cd /x && cat edit");
    run["history"][2]["action"] = json!("cd /x && cat edit");
    let session = one(&run);
    assert_eq!(session.calls[0].tools, [tool("bash", None)]);
    assert_eq!(session.messages[3].tags, []);
    run["trajectory"][0]["action"] = json!("");
    run["history"][2]["action"] = json!("");
    assert_eq!(one(&run).calls[0].tools, []);
}

#[test]
fn totals_are_trusted_where_they_are_of_the_same_calls() {
    let with = |stats: Value| {
        let mut run = old();
        run["info"]["model_stats"] = stats;
        one(&run)
    };
    // Counted are 200 + 216 = 416 sent and 2 received.
    let session = with(stats(0.5, 520, 3, 2));
    assert_eq!(session.counts_from, "source+bytes/4");
    assert_eq!(session.prompt_tokens(), 2 * (125 + 125) + 1 + 19, "a quarter more of every message, rounded");
    assert_eq!(session.output_tokens(), 3);
    for other in [stats(0.5, 520, 3, 3), stats(0.5, 0, 0, 2), stats(0.5, 5_200, 3, 2)] {
        assert_eq!(with(other).prompt_tokens(), 416, "re-queries, zeros or other counts");
    }
}

#[test]
fn demonstrations_are_sent_and_tagged_and_make_no_calls() {
    let mut run = old();
    let demo = |role, kind, content| entry(role, kind, content, json!({"is_demo": true, "action": "ls"}));
    let history = run["history"].as_array_mut().unwrap();
    history.insert(1, demo("user", "demonstration", "demo text"));
    history.insert(2, demo("assistant", "action", "demo reply"));
    history.insert(3, demo("user", "observation", "[File: /demo.py (1 lines total)]\n1:x"));
    let mut stranger = demo("user", "observation", "of another agent, which was filtered out");
    stranger["agent"] = json!("primary");
    history.insert(4, stranger);
    let session = one(&run);
    view_is_prompt(&session);
    assert_eq!(views(&session), [vec![0, 1, 2, 3, 4], vec![0, 1, 2, 3, 4, 5, 6]]);
    let demos: Vec<bool> = session.messages.iter().map(|message| message.tags.contains(&Tag::Demo)).collect();
    assert_eq!(demos, [false, true, true, true, false, false, false, false]);
    let kinds: Vec<_> = session.messages[1..5].iter().map(|message| message.kind).collect();
    use MessageKind::{Action, Observation, Other, Task};
    assert_eq!(kinds, [Other, Action, Observation, Task]);
    assert_eq!(session.messages[3].window, None, "a demonstration shows no file of the run");
}

#[test]
fn tags_become_those_of_history_processors() {
    let mut run = old();
    run["history"][3]["tags"] = json!(["keep_output"]);
    assert_eq!(one(&run).messages[3].tags, [Tag::Keep, Tag::Error]);
    run["history"][3]["tags"] = json!(["x", "remove_output"]);
    assert_eq!(one(&run).messages[3].tags, [Tag::Remove, Tag::Error]);
    for none in [json!(null), json!([]), json!("keep"), json!([{"type": "note"}])] {
        run["history"][3]["tags"] = none;
        assert_eq!(one(&run).messages[3].tags, [Tag::Error]);
    }
}

#[test]
fn windows_name_the_lines_that_are_shown() {
    let paged = "[File: /secret/a.py (983 lines total)]\n(98 more lines above)\n99:def f():\n100:    1: 2\n101:\n(882 more lines below)\n(Open file: /secret/a.py)";
    let again = "text before\n[File: /secret/b (x).py (2 lines total)]\r\n1:a\r\n2:b\r\n7:c\r\n";
    let other = "[File: /secret/a.py (983 lines total)]\n";
    let part =
        "Here's the result of running `cat -n` on a snippet of /secret/b (x).py:\r\n    41\tx\r\n    42\ty\n";
    let none = "[File: /secret/a.py (many lines total)]\n1:x";
    let mut history = vec![system(), task()];
    let mut steps = Vec::new();
    for shown in [paged, again, other, part, none, "plain", "end"] {
        history.extend([replied(shown, "open x"), observed(shown)]);
        steps.push(step(shown, "open x", shown));
    }
    let session = one(&run(&steps, &history, stats(0.0, 0, 0, 0)));
    let windows: Vec<_> = session
        .messages
        .iter()
        .filter(|message| message.role == MessageRole::User)
        .skip(1)
        .map(|message| {
            (message.path, message.window.as_ref().map(|shown| (shown.path, shown.first_line, shown.lines)))
        })
        .collect();
    assert_eq!(
        windows,
        [
            (Some(0), Some((0, 99, 3))),
            (Some(1), Some((1, 1, 2))),
            (Some(0), Some((0, 1, 0))),
            (Some(1), Some((1, 41, 2))),
            (None, None),
            (None, None),
        ]
    );
    assert!(!serde_json::to_string(&session).unwrap().contains("secret"));
}

#[test]
fn agents_that_a_command_started_are_agents_of_their_own() {
    let of = |agent: &str, role: &str, content: &str| json!({"role": role, "content": content, "agent": agent, "action": "ls"});
    let history = [
        of("primary", "system", "sys"),
        of("primary", "user", "task"),
        of("primary", "assistant", "ask the helper"),
        of("helper", "system", "sub"),
        of("helper", "user", "subtask"),
        of("helper", "assistant", "first"),
        of("helper", "user", "seen"),
        of("helper", "assistant", "second"),
        of("helper", "system", "sub"),
        of("helper", "user", "another"),
        of("helper", "assistant", "third"),
        of("primary", "user", "what the helper found"),
        of("primary", "assistant", "done"),
    ];
    let steps = [step("ask the helper", "ls", "found"), step("done", "ls", "")];
    let session = one(&run(&steps, &history, stats(0.0, 0, 0, 0)));
    view_is_prompt(&session);
    let calls: Vec<_> =
        session.calls.iter().map(|call| (call.agent, call.role, call.after.clone())).collect();
    use CallRole::{Agent, Subagent};
    assert_eq!(
        calls,
        [
            (0, Agent, vec![]),
            (1, Subagent, vec![0]),
            (1, Subagent, vec![1]),
            (2, Subagent, vec![2]),
            (0, Agent, vec![3]),
        ]
    );
    assert_eq!(views(&session), [vec![0, 1], vec![3, 4], vec![3, 4, 5, 6], vec![8, 9], vec![0, 1, 2, 11]]);
    assert_eq!(session.turns(), Some(2));
    // The same system prompt is the same content, whichever agent sends it.
    assert_eq!(prompt(&session, &session.calls[1])[0], prompt(&session, &session.calls[3])[0]);
}

#[test]
fn a_history_alone_is_a_run_and_so_is_a_bare_list() {
    let history = json!([
        system(),
        task(),
        replied("one", "ls"),
        observed("out"),
        replied("two", "submit"),
        observed("x")
    ]);
    let expected = views(&one(&json!({"history": history})));
    assert_eq!(expected, [vec![0, 1], vec![0, 1, 2, 3]]);
    for run in [
        history.clone(),
        json!({"history": history, "trajectory": null, "info": null, "replay_config": null}),
    ] {
        let session = one(&run);
        assert_eq!((views(&session), session.outcome), (expected.clone(), None));
    }
    let imported = read_as("runs/some__thing-1.traj", history.to_string().as_bytes()).unwrap();
    assert_eq!(imported.sessions[0].id, "some__thing-1");
}

#[test]
fn a_step_whose_reply_the_history_lacks_is_a_call_all_the_same() {
    let mut run = old();
    run["trajectory"].as_array_mut().unwrap().insert(1, step("removed by hand", "ls", "x"));
    run["trajectory"].as_array_mut().unwrap().push(step("last", "submit", ""));
    let session = one(&run);
    view_is_prompt(&session);
    let base = vec![0, 1, 2, 3];
    assert_eq!(views(&session), [vec![0, 1], base.clone(), base, vec![0, 1, 2, 3, 5]]);
    assert_eq!(replies(&session), [2, 4, 5, 6]);
}

#[test]
fn what_the_harness_said_as_it_ended_the_run_is_no_reply() {
    let mut run = old();
    let said = "Exit due to cost limit";
    run["trajectory"].as_array_mut().unwrap().push(step(said, "exit_cost", "Exited (autosubmitted)"));
    run["history"].as_array_mut().unwrap().extend([observed("out"), replied(said, "exit_cost")]);
    assert_eq!(views(&one(&run)).len(), 2);
    // A model may say the same before it does something.
    run["trajectory"][2]["action"] = json!("ls");
    run["history"][6]["action"] = json!("ls");
    assert_eq!(views(&one(&run)).len(), 3);
}
