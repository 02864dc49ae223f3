//! kv-cache-tester: messages derived from how prompts grow.

use super::kv_cache_tester::{request, trace, with};
use super::{one, prompt, read, view_is_prompt};
use atr_core::trace::{MessageKind, MessageRole, Session};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Kind, tokens and blocks of every message in a call's prompt.
fn view(session: &Session, call: usize) -> Vec<(MessageKind, u32, u32)> {
    let places = session.calls[call].view.iter().flat_map(|run| run.indices());
    places
        .map(|place| {
            let message = &session.messages[place as usize];
            let covered: u32 = message.parts.iter().map(|&part| session.segments[part as usize].tokens).sum();
            (message.kind, message.tokens, covered / 64)
        })
        .collect()
}

use MessageKind::{Action, Observation, Other, SystemPrompt, Task, Tools};

/// Ids given one by one.
fn asked(t: f64, tokens: u32, output: u32, ids: impl IntoIterator<Item = u32>) -> Value {
    let ids: Vec<u32> = ids.into_iter().collect();
    with(request(t, tokens, output, 1), json!({"hash_ids": ids}))
}

#[test]
fn a_block_that_straddles_two_messages_belongs_to_the_later() {
    let session = one(&trace(&[request(0.0, 300, 30, 1), request(1.0, 500, 1, 1)]));
    view_is_prompt(&session);
    // Borders at 100, 150, 300, 330, 500 tokens; blocks end at 64, 128, 192, 256, 320, 384, 448.
    assert_eq!(view(&session, 0), [(Tools, 100, 1), (SystemPrompt, 50, 1), (Task, 150, 2)]);
    assert_eq!(
        view(&session, 1),
        [(Tools, 100, 1), (SystemPrompt, 50, 1), (Task, 150, 2), (Action, 30, 1), (Observation, 170, 2)]
    );
    assert_eq!(session.calls[0].reply, Some(3), "the previous output became this message");
    assert_eq!(session.calls[1].reply, None, "nobody sent the last output again");
    assert_eq!(session.messages[3].role, MessageRole::Assistant);
    assert_eq!(session.messages[4].role, MessageRole::Tool);
}

#[test]
fn input_of_a_person_is_a_task() {
    let person = with(request(1.0, 500, 1, 1), json!({"input_types": ["text"]}));
    let session = one(&trace(&[request(0.0, 300, 30, 1), person]));
    assert_eq!(view(&session, 1)[4], (Task, 170, 2));
    assert_eq!(session.messages[4].role, MessageRole::User);
}

#[test]
fn output_that_is_not_sent_again_makes_a_smaller_reply() {
    let session = one(&trace(&[request(0.0, 300, 400, 1), request(1.0, 500, 1, 1)]));
    assert_eq!(view(&session, 1)[3..], [(Action, 200, 3)]);
    let session = one(&trace(&[request(0.0, 300, 400, 1), request(1.0, 300, 1, 1)]));
    assert_eq!(view(&session, 1), view(&session, 0), "no growth, no message");
    assert_eq!(session.calls[0].reply, None);
}

#[test]
fn a_first_prompt_shorter_than_the_layout_is_one_task() {
    let session = one(&trace(&[request(0.0, 149, 1, 1)]));
    assert_eq!(view(&session, 0), [(Task, 149, 2)]);
}

#[test]
fn an_early_edit_renews_the_messages_behind_it() {
    // Every id behind the first two blocks changes, and the prompt grows as usual.
    let session = one(&trace(&[
        asked(0.0, 300, 30, 1..5),
        asked(1.0, 500, 20, 1..8),
        asked(2.0, 600, 1, [1, 2].into_iter().chain(103..110)),
    ]));
    view_is_prompt(&session);
    assert_eq!(
        view(&session, 2),
        [
            (Tools, 100, 1),
            (SystemPrompt, 50, 1),
            (Task, 150, 2),
            (Action, 30, 1),
            (Observation, 170, 2),
            (Action, 20, 1),
            (Observation, 80, 1),
        ]
    );
    let shared = prompt(&session, &session.calls[2])
        .iter()
        .zip(prompt(&session, &session.calls[1]))
        .take_while(|(a, b)| **a == *b)
        .map(|(a, _)| a.1)
        .sum::<u32>();
    assert_eq!(shared, 128);
}

#[test]
fn a_shorter_prompt_is_cut_at_the_last_shared_block() {
    let session = one(&trace(&[
        asked(0.0, 300, 30, 1..5),
        asked(1.0, 1000, 20, 1..16),
        asked(2.0, 400, 40, [1, 2, 3].into_iter().chain(103..106)),
        asked(3.0, 500, 1, [1, 2, 3].into_iter().chain(103..107)),
    ]));
    view_is_prompt(&session);
    // 192 tokens are shared: 42 of the task's 150. What replaced the rest is one new message.
    let cut = [(Tools, 100, 1), (SystemPrompt, 50, 1), (Task, 42, 1), (Other, 208, 3)];
    assert_eq!(view(&session, 2), cut);
    assert_eq!(session.calls[1].reply, None, "the output before is gone or inside the summary");
    assert_eq!(view(&session, 3)[..4], cut);
    assert_eq!(view(&session, 3)[4..], [(Action, 40, 0), (Observation, 60, 1)]);
}

#[test]
fn a_prompt_that_shares_nothing_starts_anew() {
    let session = one(&trace(&[asked(0.0, 300, 30, 1..5), asked(1.0, 128, 1, [90, 91])]));
    view_is_prompt(&session);
    assert_eq!(view(&session, 1), [(Other, 128, 2)]);
}

#[test]
fn equal_ids_under_another_model_share_nothing() {
    let other = with(request(1.0, 500, 5, 1), json!({"model": "claude-y"}));
    let session = one(&trace(&[request(0.0, 300, 30, 1), other, request(2.0, 400, 1, 1)]));
    view_is_prompt(&session);
    assert_eq!(session.models, ["claude-x", "claude-y"]);
    assert_eq!(view(&session, 1), [(Tools, 100, 1), (SystemPrompt, 50, 1), (Task, 350, 5)]);
    // The third call follows the first, not the second.
    assert_eq!(view(&session, 2)[3..], [(Action, 30, 1), (Observation, 70, 1)]);
    assert_eq!((session.calls[0].reply.is_some(), session.calls[1].reply), (true, None));
    assert_eq!(session.calls[2].after, [1], "but waits for the second");
}

#[test]
fn a_hashed_partial_block_belongs_to_the_last_message() {
    let session = one(&trace(&[asked(0.0, 300, 30, 1..6), asked(1.0, 500, 1, (1..5).chain(50..54))]));
    view_is_prompt(&session);
    assert_eq!(view(&session, 0)[2], (Task, 150, 3));
}

/// One step of an agent: how much of the prompt before is kept (in blocks), how much is added.
fn steps() -> impl Strategy<Value = Vec<(u32, u32, u32, bool)>> {
    let step = (prop_oneof![3 => Just(u32::MAX), 1 => 0_u32..20], 1_u32..400, 0_u32..200, any::<bool>());
    prop::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the prompts do, the messages of a call's view are its prompt, token by token.
    #[test]
    fn views_are_prompts(steps in steps()) {
        let (mut ids, mut tokens, mut fresh): (Vec<u32>, u32, u32) = (Vec::new(), 0, 1);
        let mut requests = Vec::new();
        for (number, (keep, added, output, other)) in steps.into_iter().enumerate() {
            let whole = keep == u32::MAX;
            ids.truncate(keep as usize);
            tokens = if whole { tokens + added } else { tokens.min(ids.len() as u32 * 64) + added };
            while (ids.len() as u32) < tokens / 64 {
                ids.push(fresh);
                fresh += 1;
            }
            let model = if other { "claude-y" } else { "claude-x" };
            requests.push(with(asked(number as f64, tokens, output, ids.clone()), json!({"model": model})));
        }
        let imported = read(trace(&requests).to_string().as_bytes());
        prop_assert!(imported.skipped.is_empty());
        let session = &imported.sessions[0];
        view_is_prompt(session);
        for call in &session.calls {
            let view = call.view.iter().flat_map(|run| run.indices());
            let sum: u32 = view.map(|place| session.messages[place as usize].tokens).sum();
            prop_assert_eq!(sum, call.prompt_tokens);
        }
    }
}
