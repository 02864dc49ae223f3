//! LMCache agent traces: texts and messages, threads of one session, the order of time.

use super::{one_of, read_as, reasons, sizes, view_is_prompt};
use atr_core::import::tokens::BytesPerToken;
use atr_core::import::{ImportError, Source, read_bytes};
use atr_core::trace::{CallRole, Mark, MessageKind, MessageRole, Session};
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &str = "the secret of the well";

fn line(at_us: u64, input: &str, output: &str) -> Value {
    json!({"timestamp": at_us, "input": input, "output": output, "session_id": "a1b2"})
}

fn file(lines: &[Value]) -> String {
    lines.iter().map(|line| line.to_string() + "\n").collect()
}

fn kinds(session: &Session) -> Vec<(MessageRole, MessageKind)> {
    session.messages.iter().map(|message| (message.role, message.kind)).collect()
}

#[test]
fn a_text_that_grows_is_split_into_what_was_sent_before_the_reply_and_what_is_new() {
    let task = "t".repeat(40);
    let first = format!("{task}\n\nreply one\n\nobserved");
    let second = format!("{first}\n\nmore");
    let lines = [
        line(1_760_428_436_000_000, &task, "reply one"),
        line(1_760_428_439_500_000, &first, SECRET),
        line(1_760_428_440_000_000, &second, ""),
    ];
    let session = one_of(file(&lines).as_bytes());
    view_is_prompt(&session);
    use MessageKind::{Action, Observation, Task};
    use MessageRole::{Assistant, User};
    // The second reply is not repeated, so it stands in no prompt.
    let expected =
        [(User, Task), (Assistant, Action), (User, Observation), (User, Observation), (Assistant, Action)];
    let mut found = kinds(&session);
    found.sort_by_key(|(role, kind)| (*role == Assistant, *kind != Task, *kind == Observation));
    let mut sorted = expected.to_vec();
    sorted.sort_by_key(|(role, kind)| (*role == Assistant, *kind != Task, *kind == Observation));
    assert_eq!(found, sorted);
    // 40 bytes; 2 + 9 and 10 bytes more; 6 bytes more: at four bytes a token, each rounded up.
    let prompts: Vec<u32> = session.calls.iter().map(|call| call.prompt_tokens).collect();
    assert_eq!(prompts, [10, 10 + 3 + 3, 10 + 3 + 3 + 2]);
    let outputs: Vec<Option<u32>> = session.calls.iter().map(|call| call.output_tokens).collect();
    // The first reply as it was sent again, with the two line ends before it; 22 bytes; not in the file.
    assert_eq!(outputs, [Some(3), Some(6), None]);
    let written = serde_json::to_value(&session).unwrap();
    assert_eq!(written["calls"][2].get("output_tokens"), None, "unknown is absent");
    assert_eq!(serde_json::from_value::<Session>(written).unwrap(), session);
    let at: Vec<Option<u64>> = session.calls.iter().map(|call| call.at_us).collect();
    assert_eq!(at, [Some(0), Some(3_500_000), Some(4_000_000)]);
    assert!(session.calls.iter().all(|call| call.delay_us.is_none()), "nothing says when a reply ended");
    assert!(session.calls.iter().all(|call| call.estimated));
    assert_eq!(
        (session.id.as_str(), session.counts_from.as_str(), session.harness.as_str()),
        ("a1b2", "bytes/4", "lmcache")
    );
    assert!(!serde_json::to_string(&session).unwrap().contains("secret"));
}

#[test]
fn lines_out_of_time_order_are_sorted_and_the_session_says_so() {
    let lines = [line(3, "abcdefgh", ""), line(1, "ab", ""), line(2, "abcd", "")];
    let session = one_of(file(&lines).as_bytes());
    assert!(session.has(Mark::OutOfOrder));
    assert_eq!(sizes(&session), [1, 1, 1], "ab, cd, efgh");
    assert_eq!(session.calls.iter().map(|call| call.prompt_tokens).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn prompts_that_do_not_continue_each_other_are_of_two_agents() {
    // Two agents in one session; the one that asks more often is the main one.
    let lines = [
        line(1, "Hello", "Hi, a task"),
        line(2, "Hi, a task", ""),
        line(3, "Hi, a task", "done?"),
        line(4, "Hello done?", "yes"),
        line(5, "Hi, a task yes", ""),
    ];
    let session = one_of(file(&lines).as_bytes());
    view_is_prompt(&session);
    let agents: Vec<_> =
        session.calls.iter().map(|call| (call.agent, call.role, call.after.clone())).collect();
    use CallRole::{Agent, Subagent};
    assert_eq!(
        agents,
        [
            (1, Subagent, vec![]),
            (0, Agent, vec![0]),
            (0, Agent, vec![1]),
            (1, Subagent, vec![0, 2]),
            (0, Agent, vec![2, 3])
        ]
    );
}

#[test]
fn a_simulated_user_is_no_agent() {
    const GREETING: &str = "Hi! How can I help you today?";
    let played = [
        line(1, GREETING, "Hi, a task"),
        line(2, "Hi, a task", ""),
        line(3, "Hi, a task", "done?"),
        line(4, &format!("{GREETING} done?"), "yes"),
        line(5, "Hi, a task yes", ""),
    ];
    let imported = read_as("a.jsonl", file(&played).as_bytes()).unwrap();
    assert_eq!(
        reasons(&imported),
        ["session `a1b2`: 2 calls of a simulated user, expected calls of an agent"]
    );
    let calls: Vec<_> = imported.sessions[0]
        .calls
        .iter()
        .map(|call| (call.agent, call.role, call.after.clone(), call.at_us))
        .collect();
    use CallRole::Agent;
    assert_eq!(
        calls,
        [(0, Agent, vec![], Some(0)), (0, Agent, vec![0], Some(1)), (0, Agent, vec![1], Some(3))]
    );
    // Who only greets, with nobody else in the session, is the agent.
    let alone = read_as("a.jsonl", file(&played[..1]).as_bytes()).unwrap();
    assert_eq!((reasons(&alone).len(), alone.sessions[0].calls.len()), (0, 1));
}

#[test]
fn the_marks_of_chat_templates_part_a_text_into_roles() {
    let system = "<|im_start|>system\nBe brief.<|im_end|>\n";
    let user = "<|im_start|>user\nAdd [INST] <b>1</b> and 2.<|im_end|>\n";
    let reply = "<|im_start|>assistant\n3<|im_end|>\n";
    let tool = "<|im_start|>tool\nok<|im_end|>\n";
    let invites = "<|im_start|>assistant\n";
    let lines = [
        line(1, &format!("{system}{user}{invites}"), "3"),
        line(2, &format!("{system}{user}{reply}{tool}{invites}"), ""),
    ];
    let session = one_of(file(&lines).as_bytes());
    view_is_prompt(&session);
    use MessageKind::{Action, Observation, SystemPrompt, Task};
    use MessageRole::{Assistant, System, Tool, User};
    assert_eq!(
        kinds(&session),
        [(System, SystemPrompt), (User, Task), (Assistant, Action), (Tool, Observation)]
    );
    assert_eq!(session.calls[0].reply, Some(2));
    let tokens = |text: &str| text.len().div_ceil(4) as u32;
    assert_eq!(sizes(&session), [system, user, reply, tool].map(tokens));
}

#[test]
fn templates_of_other_models_are_known_too() {
    for (text, roles) in [
        (
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
            "su",
        ),
        ("<s>[INST] U [/INST] A</s>[INST] V [/INST]", "uau"),
        (
            "<bos><start_of_turn>user\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>user\nV<end_of_turn>\n<start_of_turn>model\n",
            "uau",
        ),
        (
            "<｜begin▁of▁sentence｜>S<｜User｜>U<｜Assistant｜>A<｜end▁of▁sentence｜><｜User｜>V<｜Assistant｜><think>\n",
            "suau",
        ),
        (
            "[gMASK]<sop><|system|>\nS<|user|>\nU<|assistant|>\n<think></think>\nA<|observation|>\nO<|assistant|>",
            "suat",
        ),
        ("<|start|>system<|message|>S<|end|><|start|>user<|message|>U<|end|><|start|>assistant", "su"),
        ("<|user|> is no template when it <|im_start|> begins late", "u"),
        ("plain text with <|im_start|>user inside", "u"),
    ] {
        let session = one_of(file(&[line(1, text, "")]).as_bytes());
        let found: String = session
            .messages
            .iter()
            .map(|message| match message.role {
                MessageRole::System => 's',
                MessageRole::User => 'u',
                MessageRole::Assistant => 'a',
                MessageRole::Tool => 't',
            })
            .collect();
        assert_eq!(found, roles, "{text}");
    }
}

#[test]
fn collections_with_messages_bring_counts_and_pauses() {
    let call = |messages: Value, output: u64, gap: f64| json!({"session_id": "swebench__a__b-1__minimax", "model": "minimax-m2.5", "input": messages, "output_length": output, "pre_gap": gap});
    let system = json!({"role": "system", "content": "You are OpenHands agent, and more."});
    let user = json!({"role": "user", "content": "Fix it."});
    let reply = json!({"role": "assistant", "content": "", "tool_calls": [{"id": "c1", "type": "function",
        "function": {"name": "execute_bash", "arguments": "{\"command\":\"ls\"}"}}]});
    let result = json!({"role": "tool", "content": "a b", "tool_call_id": "c1", "name": "execute_bash"});
    let lines = [call(json!([system, user]), 120, 0.0), call(json!([system, user, reply, result]), 60, 0.5)];
    let session = one_of(file(&lines).as_bytes());
    view_is_prompt(&session);
    assert_eq!((session.harness.as_str(), session.models[0].as_str()), ("openhands", "minimax-m2.5"));
    assert_eq!(
        session.calls.iter().map(|call| call.output_tokens).collect::<Vec<_>>(),
        [Some(120), Some(60)]
    );
    // 120 tokens at 60 a second, then the pause.
    assert_eq!((session.calls[1].at_us, session.calls[1].delay_us), (Some(2_500_000), Some(500_000)));
    assert_eq!(session.calls[0].reply, Some(2), "the next prompt shows the reply");
    assert_eq!(session.messages[3].tool.as_deref(), Some("execute_bash"));
}

#[test]
fn bad_lines_are_named_and_the_rest_is_kept() {
    let good = line(1, "in", "out").to_string();
    let lines = [
        r#"{"timestamp": 1, "input": null, "output": null, "session_id": "a"}"#,
        r#"{"timestamp": -5, "input": "x", "output": "y", "session_id": "a"}"#,
        r#"{"timestamp": 1e300, "input": "x", "output": "y", "session_id": "a"}"#,
        r#"{"timestamp": 1, "input": 7, "output": "y", "session_id": "a"}"#,
        r#"{"timestamp": 1, "input": "x", "output": "y", "session_id": null}"#,
        "[]",
        "42",
        r#"{"timestamp": 1, "input": "x", "out"#,
    ];
    let imported = read_as("x.jsonl", format!("{good}\n\n{}", lines.join("\n")).as_bytes()).unwrap();
    assert_eq!(imported.sessions.len(), 1);
    let reasons = reasons(&imported);
    assert_eq!(reasons.len(), lines.len(), "{reasons:?}");
    for (reason, part) in reasons.iter().zip([
        "line 3: `input` is neither a text nor a list, expected the prompt",
        "line 4: `timestamp` is -5",
        "line 5: `timestamp` is",
        "line 6: `input` is neither",
        "line 7: `session_id` is no text",
        "line 8: `request` is a list, expected an object",
        "line 9: `request` is a number",
        "line 10: no JSON: EOF",
    ]) {
        assert!(reason.starts_with(part), "{reason} for {part}");
    }
}

#[test]
fn an_empty_file_is_said_to_be_empty_and_empty_prompts_do_no_harm() {
    assert!(matches!(read_as("x.jsonl", b""), Err(ImportError::Empty { .. })));
    let session = one_of(file(&[line(1, "", ""), line(2, "", "x"), line(3, "y", "")]).as_bytes());
    assert_eq!(session.calls.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_messages_of_a_view_are_the_prompt(
        lines in proptest::collection::vec(("[ab]{0,6}", "[ab ]{0,3}", proptest::bool::ANY), 1..12)
    ) {
        // Prompts that go on with the one before, with or without its reply, among others.
        let (mut before, mut prompts, mut file) = (String::new(), Vec::new(), String::new());
        for (at, (text, reply, goes_on)) in (1_u64..).zip(&lines) {
            let prompt = if *goes_on { format!("{before}{text}") } else { text.clone() };
            file += &(line(at, &prompt, reply).to_string() + "\n");
            before = format!("{prompt}{reply}");
            prompts.push(prompt);
        }
        let source = Source { name: "x", counter: &BytesPerToken::default(), keep_text: true };
        let imported = read_bytes(file.as_bytes(), &source).unwrap();
        let (session, transcript) = (&imported.sessions[0], &imported.transcripts[0]);
        view_is_prompt(session);
        for (call, prompt) in session.calls.iter().zip(&prompts) {
            let view = call.view.iter().flat_map(|run| run.indices());
            let joined: String = view.map(|place| transcript.messages[place as usize].text.as_str()).collect();
            prop_assert_eq!(&joined, prompt);
        }
    }
}
