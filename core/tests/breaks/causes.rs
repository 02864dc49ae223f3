//! One session for every cause, with tokens added up on paper.

use crate::made::{blocks, empty, push, worked};
use MessageKind::{Observation, Other, Summary, SystemPrompt, Task, Tools};
use atr_core::metrics::breaks::{Break, Cause, Ledger, breaks, session_breaks};
use atr_core::trace::{Mark, MessageKind, Session};

/// Two turns that continue each other, 800 and 1,320 tokens; the reply to the second has 30.
const FIRST: [(u32, &[u32], Option<u32>); 2] = [(0, &[0, 1, 2], Some(3)), (0, &[0, 1, 2, 3, 4], Some(5))];

/// The session's only break: call, place, cause, cost.
fn only(session: &Session) -> (u32, u64, Cause, u64) {
    let found = session_breaks(session, 1);
    assert_eq!(found.breaks.len(), 1, "{found:?}");
    let at = found.breaks[0];
    assert_eq!(found.ledger.again_tokens, at.again_tokens);
    (at.call, at.position_tokens, at.cause, at.again_tokens)
}

/// A third turn with this view, in which message 9 is new.
fn third(kind: MessageKind, tokens: u32, view: &[u32]) -> Session {
    worked(&[(kind, tokens)], &[FIRST[0], FIRST[1], (0, view, Some(7))])
}

#[test]
fn turns_that_continue_each_other_have_no_break() {
    let session = worked(&[], &[FIRST[0], FIRST[1], (0, &[0, 1, 2, 3, 4, 5, 6], None)]);
    let found = session_breaks(&session, 16);
    assert!(found.breaks.is_empty());
    // 820 and 1,350 tokens are in the cache, 51 and 84 whole blocks of 16.
    let expected = Ledger {
        prompt_tokens: 800 + 1_320 + 1_950,
        shared_tokens: 816 + 1_344,
        new_tokens: 800 + 500 + 600,
        again_tokens: 0,
        rounding_tokens: 4 + 6,
    };
    assert_eq!(found.ledger, expected);
}

#[test]
fn a_shorter_observation_in_its_place_is_masking() {
    let session = third(Observation, 15, &[0, 1, 2, 3, 9, 5, 6]);
    // The placeholder and the reply behind it; the newest observation would be computed anyway.
    assert_eq!(only(&session), (2, 820, Cause::Masking, 15 + 30));
    let expected = Ledger {
        prompt_tokens: 800 + 1_320 + 1_465,
        shared_tokens: 816 + 816,
        new_tokens: 800 + 500 + 600,
        again_tokens: 45,
        rounding_tokens: 4 + 4,
    };
    assert_eq!(session_breaks(&session, 16).ledger, expected);
}

#[test]
fn a_message_in_place_of_another_is_an_edit() {
    // 650 tokens stood behind place 700; that the new task is longer by 20 is no fault of the cache.
    assert_eq!(only(&third(Task, 120, &[0, 1, 9, 3, 4, 5, 6])), (2, 700, Cause::Edit, 650));
    // A longer observation is no mask.
    assert_eq!(only(&third(Observation, 501, &[0, 1, 2, 3, 9, 5, 6])), (2, 820, Cause::Edit, 530));
    // One message left out, one put in.
    assert_eq!(only(&third(Other, 1, &[0, 1, 2, 3, 5, 6])), (2, 820, Cause::Edit, 30));
    assert_eq!(only(&third(Other, 50, &[0, 1, 9, 2, 3, 4, 5, 6])), (2, 700, Cause::Edit, 650));
}

#[test]
fn another_system_prompt_is_volatile() {
    let session = third(SystemPrompt, 300, &[0, 9, 2, 3, 4, 5, 6]);
    assert_eq!(only(&session), (2, 400, Cause::VolatileSystemPrompt, 300 + 100 + 20 + 500 + 30));
}

#[test]
fn other_tools_are_a_schema_change() {
    let session = third(Tools, 390, &[9, 1, 2, 3, 4, 5, 6]);
    assert_eq!(only(&session), (2, 0, Cause::ToolSchemaChange, 390 + 300 + 100 + 20 + 500 + 30));
    let taken_away = third(Other, 1, &[1, 2, 3, 4, 5, 6]);
    assert_eq!(only(&taken_away), (2, 0, Cause::ToolSchemaChange, 300 + 100 + 20 + 500 + 30));
}

#[test]
fn a_summary_is_a_compaction_and_so_is_less_than_half() {
    let grown: (u32, &[u32], Option<u32>) = (0, &[0, 1, 2, 3, 4, 5, 6], Some(7));
    let fourth =
        |kind, tokens, view| worked(&[(kind, tokens)], &[FIRST[0], FIRST[1], grown, (0, view, None)]);
    // The summary and the action that was kept; the last observation is new.
    let summary = fourth(Summary, 1_000, &[0, 1, 2, 9, 7, 8]);
    assert_eq!(only(&summary), (3, 800, Cause::Compaction, 1_000 + 40));
    // 850 of 1,950 tokens: what became of the rest cannot be told, so all of it counts.
    assert_eq!(only(&fourth(Other, 50, &[0, 1, 2, 9])), (3, 800, Cause::Compaction, 50));
    // Three messages and more that are dropped without a summary.
    assert_eq!(only(&fourth(Other, 1, &[0, 1, 2, 6, 7, 8])), (3, 800, Cause::Compaction, 600 + 40));
}

#[test]
fn another_model_finds_nothing_and_the_first_one_finds_its_own() {
    let switched: (u32, &[u32], Option<u32>) = (1, &[0, 1, 2, 3, 4, 5, 6], Some(7));
    let back: (u32, &[u32], Option<u32>) = (0, &[0, 1, 2, 3, 4, 5, 6, 7, 8], None);
    let found = session_breaks(&worked(&[], &[FIRST[0], FIRST[1], switched, back]), 1);
    let told: Vec<_> = found.breaks.iter().map(|at| (at.call, at.cause, at.again_tokens)).collect();
    // The first model has 1,350 of the 1,990 tokens that the second one had.
    assert_eq!(told, [(2, Cause::ModelChange, 1_350), (3, Cause::ModelChange, 640)]);
    assert_eq!(found.ledger.new_tokens, 800 + 500 + 600 + 200);
}

#[test]
fn two_agents_do_not_break_each_other() {
    let mut session = worked(&[(Task, 70)], &[FIRST[0], (0, &[9], None), FIRST[1]]);
    session.calls[1].agent = 1;
    assert!(session_breaks(&session, 1).breaks.is_empty());
}

#[test]
fn a_short_request_aside_breaks_nothing() {
    let aside: (u32, &[u32], Option<u32>) = (0, &[9], None);
    let session = worked(&[(Other, 90)], &[FIRST[0], FIRST[1], aside, (0, &[0, 1, 2, 3, 4, 5, 6], None)]);
    assert!(session_breaks(&session, 1).breaks.is_empty());
    // Without a way back it is a reset.
    let reset = worked(&[(Other, 90)], &[FIRST[0], FIRST[1], aside]);
    assert_eq!(only(&reset), (2, 0, Cause::Compaction, 90));
}

#[test]
fn a_prompt_cut_short_computes_nothing_again() {
    let session = worked(&[], &[FIRST[0], FIRST[1], (0, &[0, 1, 2, 3], None)]);
    let found = session_breaks(&session, 16);
    assert!(found.breaks.is_empty());
    assert_eq!((found.ledger.again_tokens, found.ledger.new_tokens), (0, 800 + 500));
}

#[test]
fn reasoning_that_is_not_sent_again_is_no_break() {
    let mut session = worked(&[], &[FIRST[0], FIRST[1]]);
    session.calls[0].reasoning_tokens = 1;
    let found = session_breaks(&session, 1);
    assert!(found.breaks.is_empty());
    assert_eq!(found.ledger.new_tokens, 800 + 520, "the reply stands elsewhere than it was generated");
}

#[test]
fn without_messages_the_cause_is_unknown() {
    let mut session = empty(&[100, 50, 60, 70]);
    push(&mut session, 0, &[0, 1, 2], 210, None);
    push(&mut session, 0, &[0, 3, 2], 230, None);
    assert_eq!(only(&session), (1, 100, Cause::Unknown, 110));
}

#[test]
fn blocks_tell_the_head_and_nothing_behind_it() {
    // 420 tokens are 6 blocks and 36 tokens that no hash covers; the next prompt computes these again.
    let first: (u32, &[u32]) = (420, &[0, 1, 2, 3, 4, 5]);
    let grown: (u32, &[u32]) = (500, &[0, 1, 2, 3, 4, 5, 6]);
    let ledger = session_breaks(&blocks(&[first, grown]), 64).ledger;
    let parts = (ledger.shared_tokens, ledger.new_tokens, ledger.again_tokens, ledger.rounding_tokens);
    assert_eq!(parts, (384, 420 + 80, 0, 36));
    // From the fourth block on, inside the system prompt: all but the last turn of 80 tokens.
    let system = blocks(&[first, grown, (580, &[0, 1, 2, 7, 8, 9, 10, 11, 12])]);
    assert_eq!(only(&system), (2, 192, Cause::VolatileSystemPrompt, 500 - 192));
    let tools = blocks(&[first, grown, (580, &[0, 7, 8, 9, 10, 11, 12, 13, 14])]);
    assert_eq!(only(&tools), (2, 64, Cause::ToolSchemaChange, 500 - 64));
    // The block from 320 on is the task's.
    let task = blocks(&[first, grown, (580, &[0, 1, 2, 3, 4, 7, 8, 9, 10])]);
    assert_eq!(only(&task), (2, 320, Cause::Unknown, 500 - 320));
    let less = blocks(&[first, grown, (200, &[0, 1, 7])]);
    assert_eq!(only(&less), (2, 128, Cause::Compaction, 72));
}

#[test]
fn a_change_in_the_last_block_of_a_prompt_is_rounding() {
    let session = blocks(&[(420, &[0, 1, 2, 3, 4, 5]), (500, &[0, 1, 2, 3, 4, 6, 7])]);
    let found = session_breaks(&session, 64);
    assert!(found.breaks.is_empty());
    assert_eq!((found.ledger.rounding_tokens, found.ledger.new_tokens), (100, 420 + 80));
}

#[test]
fn causes_add_up_over_the_set() {
    let masked = third(Observation, 15, &[0, 1, 2, 3, 9, 5, 6]);
    let volatile = third(SystemPrompt, 300, &[0, 9, 2, 3, 4, 5, 6]);
    let mut single = empty(&[100]);
    push(&mut single, 0, &[0], 100, None);
    single.mark(Mark::Sessionless);
    let found = breaks(&[masked.clone(), volatile, single, masked], 16);
    let rows: Vec<_> =
        found.by_cause.iter().map(|row| (row.cause, row.breaks, row.sessions, row.again_tokens)).collect();
    assert_eq!(rows, [(Cause::VolatileSystemPrompt, 1, 1, 950), (Cause::Masking, 2, 2, 90)]);
    assert_eq!((found.count(), found.sessions.len(), found.sessionless), (3, 3, 1));
    let prompt_tokens = 2 * (800 + 1_320 + 1_465) + 800 + 1_320 + 1_950;
    assert_eq!(found.ledger.prompt_tokens, prompt_tokens);
    assert_eq!(found.by_cause[1].prompt_share, Some(90.0 / prompt_tokens as f64));
    let json = serde_json::to_value(&found).unwrap();
    assert_eq!(json["sessions"][0]["breaks"][0]["cause"], "masking");
    assert_eq!(json["sessions"][0]["prompt_tokens"], 3_585);
    assert_eq!(serde_json::from_value::<atr_core::metrics::breaks::Breaks>(json).unwrap(), found);
    let expected = Break {
        call: 2,
        agent: 0,
        before: 1,
        prompt_tokens: 1_465,
        position_tokens: 820,
        cause: Cause::Masking,
        again_tokens: 45,
    };
    assert_eq!(found.sessions[2].breaks, [expected]);
}

#[test]
fn sessions_without_an_identified_prompt_are_counted_apart() {
    let known = third(SystemPrompt, 300, &[0, 9, 2, 3, 4, 5, 6]);
    let mut bare = known.clone();
    bare.calls.iter_mut().for_each(|call| {
        call.prompt.clear();
        call.view.clear();
    });
    let mut single = bare.clone();
    single.mark(Mark::Sessionless);
    let alone = breaks(std::slice::from_ref(&known), 1);
    let all = breaks(&[bare, known, single], 1);
    assert_eq!((all.sessionless, all.unidentified, all.sessions.len()), (1, 1, 1));
    assert_eq!((all.ledger, all.by_cause), (alone.ledger, alone.by_cause));
}
