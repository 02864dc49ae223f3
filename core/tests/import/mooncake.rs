//! Mooncake JSONL.

use super::{prompt, read, read_as, reasons};
use atr_core::trace::{Mark, Scope};

const LINES: &str = r#"{"timestamp": 0, "input_length": 1000, "output_length": 5, "hash_ids": [0, 1]}
{"timestamp": 3000, "input_length": 1024, "output_length": 6, "hash_ids": [0, 2]}
{"timestamp": 27482.5, "input_length": 513, "output_length": 0, "hash_ids": [0, 1]}
"#;

#[test]
fn each_line_is_a_session_of_one_call_and_ids_hold_across_the_file() {
    let imported = read(LINES.as_bytes());
    assert_eq!((imported.format, imported.sessions.len()), ("mooncake", 3));
    let ids: Vec<&str> = imported.sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(ids, ["mooncake-1", "mooncake-2", "mooncake-3"]);
    for session in &imported.sessions {
        assert_eq!((session.scope, session.block_tokens), (Scope::Set, Some(512)));
        assert_eq!((session.marks.as_slice(), session.turns()), (&[Mark::Sessionless][..], None));
    }
    let calls: Vec<_> = imported
        .sessions
        .iter()
        .map(|s| (s.calls[0].at_us, s.calls[0].prompt_tokens, s.calls[0].output()))
        .collect();
    assert_eq!(calls, [(Some(0), 1000, 5), (Some(3_000_000), 1024, 6), (Some(27_482_500), 513, 0)]);
    let prompts: Vec<_> =
        imported.sessions.iter().map(|session| prompt(session, &session.calls[0])).collect();
    assert_eq!(prompts[0], prompts[2], "equal blocks are equal, though the last is partial in both");
    assert_eq!(prompts[0][0], prompts[1][0]);
    assert_ne!(prompts[0][1], prompts[1][1]);
    assert_eq!(
        prompts[0].iter().map(|(_, tokens)| *tokens).collect::<Vec<_>>(),
        [512, 512],
        "blocks are nominal"
    );
}

#[test]
fn ids_cover_the_partial_block_too_or_the_line_is_skipped() {
    let bad = [
        (
            r#"{"timestamp":0,"input_length":1000,"output_length":5,"hash_ids":[0]}"#,
            "`hash_ids` is 1 ids, expected 2 for 1000 tokens",
        ),
        (r#"{"timestamp":0,"input_length":-1,"output_length":5,"hash_ids":[]}"#, "`input_length` is -1"),
        (
            r#"{"timestamp":0,"input_length":10,"output_length":4294967296,"hash_ids":[1]}"#,
            "`output_length` is 4294967296",
        ),
        (r#"{"timestamp":-3,"input_length":10,"output_length":4,"hash_ids":[1]}"#, "`timestamp` is -3"),
        (r#"{"timestamp":0,"output_length":4,"hash_ids":[1]}"#, "`input_length` is missing"),
        (r#"{"timestamp":0,"input_length":10,"output_length":4,"hash_ids":["a"]}"#, "`hash_ids` is a text"),
        (
            r#"{"timestamp":0,"input_length":10,"output_length":4,"hash_ids":[18446744073709551615]}"#,
            "`hash_ids` is 18446744073709551615",
        ),
        (r#"{"timestamp":0,"input_length":10,"outp"#, "no JSON: EOF"),
        ("[1, 2]", "`request` is a list"),
        ("plain text", "no JSON"),
    ];
    for (line, why) in bad {
        let imported = read(format!("{LINES}{line}\n\n{LINES}").as_bytes());
        let reasons = reasons(&imported);
        assert_eq!(imported.sessions.len(), 6, "{why}");
        assert!(
            reasons.len() == 1 && reasons[0].starts_with("line 4: ") && reasons[0].contains(why),
            "{why}: {reasons:?}"
        );
    }
}

#[test]
fn a_bad_first_line_hides_neither_the_format_nor_the_rest() {
    let imported = read(format!("{{\"timestamp\": 0, \"inp\n{LINES}").as_bytes());
    assert_eq!(imported.sessions.len(), 3);
    assert!(reasons(&imported)[0].starts_with("line 1: "));
}

#[test]
fn lines_of_one_session_are_its_turns() {
    let text = r#"{"timestamp":1000,"input_length":600,"output_length":4,"hash_ids":[1,2],"session_id":"u 7"}
{"timestamp":1500,"input_length":10,"output_length":1,"hash_ids":[1]}
{"timestamp":2000,"input_length":1100,"output_length":4,"hash_ids":[1,3,4],"session_id":"u 7","delay":250.5,"text":"x"}
{"input_length":1200,"output_length":4,"hash_ids":[1,3,5],"session_id":"u 7","delay":7}
{"timestamp":9000,"input_length":512,"output_length":4,"hash_ids":[1],"session_id":"v"}
{"timestamp":9600,"input_length":200,"output_length":4,"hash_ids":[1],"session_id":"v"}
"#;
    let imported = read_as("m.jsonl", text.as_bytes()).unwrap();
    assert_eq!((reasons(&imported).len(), imported.unknown_keys), (0, 1));
    let [u, single, v] = imported.sessions.as_slice() else { panic!("{} sessions", imported.sessions.len()) };
    assert_eq!((u.id.as_str(), u.turns(), u.marks.len()), ("u-7", Some(3), 0));
    assert_eq!((single.id.as_str(), single.turns()), ("mooncake-2", None));
    let times: Vec<_> = u.calls.iter().map(|call| (call.at_us, call.after.clone(), call.delay_us)).collect();
    assert_eq!(
        times,
        [
            (Some(1_000_000), vec![], None),
            (Some(2_000_000), vec![0], Some(250_500)),
            (None, vec![1], Some(7_000)),
        ]
    );
    // Blocks 1 and 3 are shared by the last two turns, block 1 by all prompts of the file.
    let shared = |a: &[(u64, u32)], b: &[(u64, u32)]| -> u32 {
        a.iter().zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.1).sum()
    };
    let turns: Vec<_> = u.calls.iter().map(|call| prompt(u, call)).collect();
    assert_eq!((shared(&turns[0], &turns[1]), shared(&turns[1], &turns[2])), (512, 1_024));
    assert_eq!(shared(&turns[2], &prompt(single, &single.calls[0])), 512);
    assert_eq!(v.marks, [Mark::Estimated, Mark::ContextDrop], "no delay: the pause holds the model's time");
    assert_eq!((v.calls[1].delay_us, v.calls[1].estimated), (Some(600_000), true));
}
