//! kv-cache-tester: marks, times, sub-agents, bad records.

use super::{one, prompt, read, read_as, reasons, view_is_prompt};
use atr_core::import::ImportError;
use atr_core::trace::{Call, CallRole, Mark, Session};
use serde_json::{Value, json};

/// A request whose ids are `from..`, as many as its full blocks.
pub(super) fn request(t: f64, tokens: u32, output: u32, from: u32) -> Value {
    let ids: Vec<u32> = (from..from + tokens / 64).collect();
    json!({"t": t, "type": "n", "model": "claude-x", "in": tokens, "out": output, "hash_ids": ids,
           "input_types": ["tool_result"], "output_types": ["tool_use"], "stop": "tool_use"})
}

pub(super) fn with(mut request: Value, more: Value) -> Value {
    let Value::Object(more) = more else { panic!("an object") };
    request.as_object_mut().unwrap().extend(more);
    request
}

pub(super) fn trace(requests: &[Value]) -> Value {
    json!({"id": "trace_1", "models": ["claude-x"], "block_size": 64, "hash_id_scope": "local",
           "tool_tokens": 100, "system_tokens": 50, "requests": requests, "totals": {}})
}

fn sub_agent(t: f64, more: Value, requests: &[Value]) -> Value {
    let sub_agent = json!({"t": t, "type": "subagent", "agent_id": "a", "subagent_type": "Explore", "status": "completed",
        "models": ["claude-haiku"], "tool_tokens": 64, "system_tokens": 64, "requests": requests});
    with(sub_agent, more)
}

/// A call's agent, what it waits for, its delay and its time.
type Link = (u32, Vec<u32>, Option<u64>, Option<u64>);

fn links(session: &Session) -> Vec<Link> {
    let link = |call: &Call| (call.agent, call.after.clone(), call.delay_us, call.at_us);
    session.calls.iter().map(link).collect()
}

const S: u64 = 1_000_000;

#[test]
fn counts_are_the_source_s_and_ids_cover_full_blocks_only() {
    let session = one(&trace(&[request(0.0, 1000, 7, 1)]));
    assert_eq!((session.id.as_str(), session.harness.as_str()), ("trace_1", "claude-code"));
    assert_eq!(session.block_tokens, Some(64));
    let call = &session.calls[0];
    assert_eq!((call.prompt_tokens, call.output()), (1000, 7));
    let covered: u32 = prompt(&session, call).iter().map(|(_, tokens)| tokens).sum();
    assert_eq!(covered, 15 * 64, "the last 40 tokens have no identity");
    assert_eq!(session.marks, [Mark::DerivedMessages]);
    assert_eq!((call.after.len(), call.delay_us, call.at_us), (0, None, Some(0)));
}

#[test]
fn a_pause_counts_from_the_previous_end() {
    let session = one(&trace(&[
        with(request(0.0, 640, 1, 1), json!({"api_time": 5.5, "think_time": 0.0, "ttft": 1.25})),
        with(request(10.0, 704, 1, 1), json!({"api_time": 2.0, "think_time": 4.0})),
        with(request(20.0, 768, 1, 1), json!({"api_time": 1.0})),
        request(19.0, 832, 1, 1),
    ]));
    let recorded = session.calls[0].recorded.clone().unwrap();
    assert_eq!((recorded.e2e_us, recorded.ttft_us), (Some(5_500_000), Some(1_250_000)));
    assert_eq!(session.calls[2].recorded, None, "unknown is absent");
    let delays: Vec<_> = session.calls.iter().map(|call| (call.delay_us, call.estimated)).collect();
    // The request at 19 s comes before that at 20 s: 19 - 12 = 7 s after the second one's end.
    assert_eq!(delays, [(None, false), (Some(4 * S), false), (Some(7 * S), false), (Some(S), true)]);
    assert_eq!(session.marks, [Mark::Estimated, Mark::DerivedMessages, Mark::OutOfOrder]);
}

#[test]
fn a_pause_after_a_call_of_unknown_length_is_the_gap() {
    // The source then counts the pause from the end of the last call whose length it knows.
    let session = one(&trace(&[
        with(request(34.0, 640, 1, 1), json!({"api_time": 14.65})),
        with(request(56.0, 704, 1, 1), json!({"think_time": 7.0})),
        with(request(130.0, 768, 1, 1), json!({"api_time": 14.51, "think_time": 81.0})),
    ]));
    assert_eq!(session.calls[1].delay_us, Some(7 * S));
    assert_eq!(session.calls[2].delay_us, Some(74 * S));
    assert!(session.calls[2].estimated && session.has(Mark::Estimated));
    assert_eq!(session.calls[0].at_us, Some(0), "clocks begin at 0");
}

#[test]
fn a_call_longer_than_the_gap_delays_nothing() {
    let session =
        one(&trace(&[with(request(0.0, 640, 1, 1), json!({"api_time": 50.0})), request(3.0, 704, 1, 1)]));
    assert_eq!(session.calls[1].delay_us, Some(0));
}

#[test]
fn sub_agents_that_the_main_agent_waits_for_are_stamped_at_their_end() {
    // Two of them run side by side from 10 s, right after the call that asks for them.
    let inner = |n| {
        [
            with(request(0.0, 256, 1, n), json!({"api_time": 2.0})),
            with(request(5.0, 320, 1, n), json!({"api_time": 3.0})),
        ]
    };
    let session = one(&trace(&[
        with(request(0.0, 640, 1, 1), json!({"api_time": 9.5})),
        sub_agent(30.0, json!({"duration_ms": 20_000}), &inner(500)),
        sub_agent(22.0, json!({"duration_ms": 12_000}), &inner(600)),
        with(request(31.0, 704, 1, 1), json!({"think_time": 21.5, "api_time": 1.0})),
    ]));
    view_is_prompt(&session);
    assert_eq!(
        links(&session),
        [
            (0, vec![], None, Some(0)),
            (1, vec![0], Some(500_000), Some(10 * S)),
            (2, vec![0], Some(500_000), Some(10 * S)),
            (1, vec![1], Some(3 * S), Some(15 * S)),
            (2, vec![2], Some(3 * S), Some(15 * S)),
            // Joins: 31 s is 13 s after their end at 18 s, whatever the pause since the call at 9.5 s.
            (0, vec![0, 3, 4], Some(13 * S), Some(31 * S)),
        ]
    );
    let roles: Vec<CallRole> = session.calls.iter().map(|call| call.role).collect();
    use CallRole::{Agent, Subagent};
    assert_eq!(roles, [Agent, Subagent, Subagent, Subagent, Subagent, Agent]);
    assert_eq!(session.turns(), Some(2));
}

#[test]
fn another_sub_agent_s_calls_do_not_date_a_sub_agent() {
    // The first one's last call ends at 12 s, close before the second one's stamp of 13 s.
    let inner = |n| {
        let call = |t| with(request(t, 256, 1, n), json!({"api_time": 2.0}));
        [call(0.0), call(8.0)]
    };
    let session = one(&trace(&[
        with(request(0.0, 640, 1, 1), json!({"api_time": 1.5})),
        sub_agent(14.0, json!({"duration_ms": 12_000}), &inner(500)),
        sub_agent(13.0, json!({"duration_ms": 11_000}), &inner(600)),
    ]));
    let times: Vec<_> = session.calls.iter().map(|call| (call.agent, call.at_us)).collect();
    let expected = [(0, 0), (1, 2), (2, 2), (1, 10), (2, 10)];
    assert_eq!(times, expected.map(|(agent, at)| (agent, Some(at * S))));
}

#[test]
fn sub_agents_beside_the_main_agent_are_stamped_at_their_start() {
    let inner = [
        with(request(0.0, 256, 1, 500), json!({"api_time": 2.0})),
        with(request(40.0, 320, 1, 500), json!({"api_time": 2.0})),
    ];
    for more in
        [json!({"duration_ms": null, "status": "async_launched"}), json!({"duration_ms": 9_000}), json!({})]
    {
        let session = one(&trace(&[
            with(request(0.0, 640, 1, 1), json!({"api_time": 9.5})),
            sub_agent(10.0, more, &inner),
            with(request(20.0, 704, 1, 1), json!({"api_time": 1.0})),
            with(request(53.0, 768, 1, 1), json!({"api_time": 1.0})),
        ]));
        let expected = [
            (0, vec![], None, Some(0)),
            (1, vec![0], Some(500_000), Some(10 * S)),
            (0, vec![0], Some(10_500_000), Some(20 * S)),
            (1, vec![1], Some(38 * S), Some(50 * S)),
            (0, vec![2, 3], Some(S), Some(53 * S)),
        ];
        assert_eq!(links(&session), expected);
    }
}

#[test]
fn sub_agents_share_nothing_with_their_parent_and_have_their_own_prefix() {
    let session = one(&trace(&[
        with(request(0.0, 640, 1, 1), json!({"api_time": 1.0})),
        sub_agent(2.0, json!({}), &[request(0.0, 640, 1, 1)]),
    ]));
    view_is_prompt(&session);
    let sizes: Vec<(u32, u32)> = session.messages.iter().map(|m| (m.agent, m.tokens)).collect();
    assert_eq!(sizes, [(0, 100), (0, 50), (0, 490), (1, 64), (1, 64), (1, 512)]);
}

#[test]
fn a_sub_agent_that_ends_with_the_next_call_makes_no_circle() {
    let session = one(&trace(&[
        with(request(0.0, 640, 1, 1), json!({"api_time": 1.0})),
        sub_agent(5.0, json!({}), &[request(0.0, 256, 1, 500)]),
        request(5.0, 704, 1, 1),
    ]));
    assert!(atr_core::trace::validate(&session).is_ok());
    assert_eq!(session.calls.iter().map(|call| call.agent).collect::<Vec<_>>(), [0, 0, 1]);
}

#[test]
fn long_first_prompts_and_drops_are_marked() {
    assert!(!one(&trace(&[request(0.0, 60_000, 1, 1)])).has(Mark::MidSession));
    assert!(one(&trace(&[request(0.0, 60_001, 1, 1)])).has(Mark::MidSession));
    let drop =
        |tokens| one(&trace(&[request(0.0, 1280, 1, 1), request(1.0, tokens, 1, 1)])).has(Mark::ContextDrop);
    assert!(drop(639) && !drop(640));
}

#[test]
fn equal_sessions_are_duplicates_whatever_their_id() {
    let bytes =
        |id: &str, output| with(trace(&[request(0.0, 640, output, 1)]), json!({"id": id})).to_string();
    let imported = read([bytes("a", 1), bytes("b", 2), bytes("c", 1)].join("\n").as_bytes());
    let marked: Vec<bool> = imported.sessions.iter().map(|session| session.has(Mark::Duplicate)).collect();
    assert_eq!(marked, [false, false, true]);
}

#[test]
fn bad_requests_are_skipped_with_a_reason_and_the_rest_is_kept() {
    let bad = [
        (json!({"in": -5}), "`in` is -5, expected a whole number from 0 to 100000000"),
        (json!({"in": 1e15}), "`in` is 1000000000000000, expected"),
        (json!({"in": "many"}), "`in` is a text, expected"),
        (json!({"in": null}), "`in` is missing, expected"),
        (json!({"out": 1.5}), "`out` is 1.5, expected"),
        (json!({"t": null}), "`t` is missing, expected a time in seconds"),
        (json!({"t": -1}), "`t` is -1, expected a time"),
        (json!({"api_time": 1e300}), "`api_time` is"),
        (json!({"api_time": []}), "`api_time` is a list"),
        (json!({"model": null}), "`model` is missing"),
        (json!({"hash_ids": [1, 2]}), "`hash_ids` is 2 ids, expected 10 for 640 tokens"),
        (json!({"hash_ids": [1, -2]}), "`hash_ids` is -2, expected"),
        (json!({"hash_ids": {"a": 1}}), "`hash_ids` is an object"),
        (json!({"hash_ids": null}), "`hash_ids` is missing"),
    ];
    for (change, why) in bad {
        let document =
            trace(&[request(0.0, 640, 1, 1), with(request(1.0, 640, 1, 1), change), request(2.0, 704, 1, 1)]);
        let imported = read(document.to_string().as_bytes());
        let reasons = reasons(&imported);
        assert_eq!(reasons.len(), 1, "{why}");
        assert!(reasons[0].starts_with("request 1: ") && reasons[0].contains(why), "{why}: {reasons:?}");
        assert_eq!(imported.sessions[0].calls.len(), 2, "{why}");
    }
    let imported = read(trace(&[request(0.0, 640, 1, 1), json!(7)]).to_string().as_bytes());
    assert_eq!(reasons(&imported), ["request 1: `requests` is a number, expected objects"]);
}

#[test]
fn bad_sub_agents_are_skipped_too() {
    let inner = [request(0.0, 256, 1, 500), with(request(1.0, 256, 1, 500), json!({"out": -1}))];
    let document = trace(&[
        request(0.0, 640, 1, 1),
        sub_agent(1.0, json!({}), &inner),
        sub_agent(2.0, json!({"t": "x"}), &inner),
    ]);
    let imported = read(document.to_string().as_bytes());
    let reasons = reasons(&imported);
    assert!(reasons[0].starts_with("request 1, sub-agent's 1: `out` is -1"), "{reasons:?}");
    assert!(reasons[1].starts_with("request 2: `t` is a text"), "{reasons:?}");
    assert_eq!(imported.sessions[0].calls.len(), 2);
}

#[test]
fn traces_of_another_kind_give_a_reason() {
    let error = |document: &Value| match read_as("t.json", document.to_string().as_bytes()) {
        Err(ImportError::Malformed { file, why }) => format!("{file}: {why}"),
        other => panic!("expected a malformed file, found {:?}", other.map(|imported| imported.sessions)),
    };
    assert_eq!(
        error(&with(trace(&[request(0.0, 640, 1, 1)]), json!({"block_size": 16}))),
        "t.json: `block_size` is 16, expected 64"
    );
    assert!(error(&trace(&[])).contains("at least one usable request"));
    assert!(error(&with(trace(&[]), json!({"requests": 3}))).contains("`requests` is a number"));
}

#[test]
fn a_cut_file_keeps_what_was_whole() {
    let whole = trace(&[request(0.0, 640, 1, 1)]).to_string();
    let imported = read(format!("{whole}\n{}", &whole[..whole.len() / 2]).as_bytes());
    assert_eq!(imported.sessions.len(), 1);
    assert!(reasons(&imported)[0].contains("ends early"), "{:?}", imported.skipped);
    let error = read_as("half.json", &whole.as_bytes()[..whole.len() / 2]).err().unwrap().to_string();
    assert!(error.starts_with("half.json: expected a whole JSON trace: EOF"), "{error}");
}

#[test]
fn traces_one_behind_the_other_are_read_one_by_one() {
    let whole = trace(&[request(0.0, 640, 1, 1)]);
    let pretty = serde_json::to_string_pretty(&whole).unwrap();
    let bad = with(whole.clone(), json!({"block_size": 16}));
    let imported = read(format!("{bad}{whole}\n{pretty}\nnoise\n{bad}{whole}").as_bytes());
    assert_eq!(imported.sessions.len(), 3);
    let reasons = reasons(&imported);
    assert!(reasons[0].starts_with("trace 4: expected a whole JSON trace"), "{reasons:?}");
    let block = "`block_size` is 16, expected 64";
    assert_eq!(reasons[1..], [format!("trace 5: {block}").as_str(), block]);
    let blank = super::read_as("t.json", b"");
    assert!(matches!(blank, Err(ImportError::Empty { .. })));
    let forced = atr_core::import::by_name("kv-cache-tester").unwrap();
    let source = atr_core::import::Source {
        name: "t.json",
        counter: &atr_core::import::tokens::BytesPerToken::default(),
        keep_text: false,
    };
    let read = forced.read(&mut &b" \n "[..], &source, &mut atr_core::import::Imported::default());
    assert!(matches!(read, Err(ImportError::Empty { .. })));
}

#[test]
fn unknown_keys_are_counted_and_dropped() {
    let document = with(
        trace(&[with(request(0.0, 640, 1, 1), json!({"prompt_text": "SECRET"}))]),
        json!({"note": "SECRET"}),
    );
    let imported = read(document.to_string().as_bytes());
    assert_eq!(imported.unknown_keys, 2);
    assert!(!serde_json::to_string(&imported.sessions).unwrap().contains("SECRET"));
}

#[test]
fn names_and_ids_cannot_carry_content() {
    let document = with(
        trace(&[with(request(0.0, 640, 1, 1), json!({"model": "my secret"}))]),
        json!({"id": "a secret / b"}),
    );
    let session = one(&document);
    assert_eq!(
        (session.id.as_str(), session.models.as_slice()),
        ("a-secret---b", &["model-0".to_owned()][..])
    );
}

#[test]
fn without_an_id_the_file_s_name_serves() {
    let document = with(trace(&[request(0.0, 640, 1, 1)]), json!({"id": null}));
    let imported = read_as("runs/trace_0042.json.gz", document.to_string().as_bytes()).unwrap();
    assert_eq!(imported.sessions[0].id, "trace_0042");
}
