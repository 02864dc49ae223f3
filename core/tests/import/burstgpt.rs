//! BurstGPT CSV, both releases.

use super::{read, reasons};
use atr_core::trace::Mark;

const SYNTHETIC: &[u8] = include_bytes!("../fixtures/import/burstgpt-synthetic.csv");

#[test]
fn the_older_release_has_single_requests() {
    let text = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n\
                5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,1087,230,1317,API log\n\
                46,ChatGPT,472,18,490,Conversation log\n";
    let imported = read(text.as_bytes());
    assert_eq!((imported.format, imported.unknown_keys, reasons(&imported).len()), ("burstgpt", 0, 0));
    let calls: Vec<_> = imported
        .sessions
        .iter()
        .map(|s| {
            let call = &s.calls[0];
            (s.id.as_str(), s.models[0].as_str(), call.at_us.unwrap(), call.prompt_tokens, call.output())
        })
        .collect();
    assert_eq!(
        calls,
        [
            ("burstgpt-2", "ChatGPT", 5_000_000, 472, 18),
            ("burstgpt-3", "GPT-4", 45_000_000, 1_087, 230),
            ("burstgpt-4", "ChatGPT", 46_000_000, 472, 18),
        ]
    );
    assert!(imported.sessions.iter().all(|session| session.marks == [Mark::Sessionless]));
}

#[test]
fn the_newer_release_has_conversations() {
    let imported = read(SYNTHETIC);
    assert_eq!(reasons(&imported), ["line 5: the request failed: `Response tokens` is 0"]);
    let ids: Vec<&str> = imported.sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["burstgpt-2", "burstgpt-session-7", "burstgpt-session-8", "burstgpt-8"]);
    let [single, seven, eight, _] = imported.sessions.as_slice() else { panic!() };
    assert_eq!((single.turns(), single.calls[0].recorded.as_ref().unwrap().e2e_us), (None, Some(2_000_000)));
    assert_eq!(
        (seven.turns(), seven.models.as_slice()),
        (Some(2), &["ChatGPT".to_owned(), "GPT-4".to_owned()][..])
    );
    // From 11.5 s, for 3.25 s: the next request at 20 s comes 5.25 s later.
    let second = &seven.calls[1];
    assert_eq!((second.model, second.after.as_slice(), second.delay_us), (1, &[0][..], Some(5_250_000)));
    assert_eq!((seven.marks.as_slice(), second.estimated), (&[][..], false));
    // Conversation 8 gives no length for its first request, so the pause holds it.
    assert_eq!(eight.marks, [Mark::Estimated]);
    assert_eq!((eight.calls[1].delay_us, eight.calls[1].estimated), (Some(7_000_000), true));
}

#[test]
fn equal_sizes_are_no_evidence_of_a_duplicate() {
    let text = "Timestamp,Session ID,Request tokens,Response tokens\n1,a,5,6\n2,b,5,6\n3,nan,5,6\n4,,5,6\n";
    let imported = read(text.as_bytes());
    assert_eq!(imported.sessions.len(), 4);
    assert!(imported.sessions.iter().all(|session| !session.has(Mark::Duplicate)));
    let turns: Vec<_> = imported.sessions.iter().map(atr_core::trace::Session::turns).collect();
    assert_eq!(turns, [Some(1), Some(1), None, None]);
}

#[test]
fn a_conversation_out_of_order_is_sorted_and_marked() {
    let text = "Timestamp,Session ID,Elapsed time,Request tokens,Response tokens\n9,a,1,5,6\n2,a,3,7,8\n";
    let imported = read(text.as_bytes());
    let session = &imported.sessions[0];
    assert_eq!(session.marks, [Mark::OutOfOrder]);
    let calls: Vec<_> =
        session.calls.iter().map(|call| (call.at_us, call.prompt_tokens, call.delay_us)).collect();
    assert_eq!(calls, [(Some(2_000_000), 7, None), (Some(9_000_000), 5, Some(4_000_000))]);
}

#[test]
fn bad_lines_are_named() {
    for (bad, why) in [
        ("-1,m,1,1", "`Timestamp` is -1"),
        (",m,1,1", "`Timestamp` is missing"),
        ("1,m,x,1", "`Request tokens` is a text"),
        ("1,m,1", "3 fields, expected 4"),
        ("1,m,0,0", "the request failed"),
    ] {
        let text = format!("Timestamp,Model,Request tokens,Response tokens\n1,m,1,1\n{bad}\n");
        let imported = read(text.as_bytes());
        assert_eq!(imported.sessions.len(), 1, "{bad}");
        let reasons = reasons(&imported);
        assert!(
            reasons.len() == 1 && reasons[0].starts_with("line 3: ") && reasons[0].contains(why),
            "{reasons:?}"
        );
    }
}
