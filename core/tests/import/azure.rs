//! Azure LLM inference CSV.

use super::{read, read_as, reasons};
use atr_core::trace::{Mark, Scope};

const SYNTHETIC: &[u8] = include_bytes!("../fixtures/import/azure-synthetic.csv");

#[test]
fn each_line_is_one_call_without_a_prompt_that_anybody_could_share() {
    let imported = read(SYNTHETIC);
    assert_eq!((imported.format, reasons(&imported).len(), imported.unknown_keys), ("azure", 0, 0));
    let calls: Vec<_> = imported
        .sessions
        .iter()
        .map(|s| (s.id.as_str(), s.calls[0].at_us.unwrap(), s.calls[0].prompt_tokens, s.calls[0].output()))
        .collect();
    // 09:59:59.7 to 10:00:00.25 are 550 ms, to the next midnight 14 h more and 0.3 s;
    // what is below a microsecond is cut.
    let expected = [
        ("azure-2", 0, 120, 7),
        ("azure-3", 550_000, 2_048, 1),
        ("azure-4", 550_000, 3, 0),
        ("azure-6", 50_400_300_000, 10, 11),
    ];
    assert_eq!(calls, expected);
    for session in &imported.sessions {
        assert_eq!((session.scope, session.block_tokens), (Scope::Session, None));
        assert_eq!((session.marks.as_slice(), session.turns()), (&[Mark::Sessionless][..], None));
        assert!(session.segments.is_empty() && session.calls[0].prompt.is_empty());
    }
}

#[test]
fn spelling_of_the_table_does_not_matter() {
    let newer = "\u{feff}generated_tokens,Region,\"ContextTokens\",timestamp\r\n\
                 5,\"a,b\",100,2024-05-10 00:00:00.009930+00:00\r\n\r\n\
                 6,\"c\"\"d\",200,\"2024-05-10T01:00:01.009930+01:00\"\r\n";
    let imported = read_as("a.csv", newer.as_bytes()).unwrap();
    assert_eq!((imported.format, reasons(&imported).len()), ("azure", 0));
    let calls: Vec<_> = imported
        .sessions
        .iter()
        .map(|s| (s.calls[0].at_us.unwrap(), s.calls[0].prompt_tokens, s.calls[0].output()))
        .collect();
    assert_eq!(calls, [(0, 100, 5), (1_000_000, 200, 6)]);
    assert_eq!(imported.unknown_keys, 2, "one column that nobody knows, in two lines");
}

#[test]
fn an_older_line_is_kept_and_marked() {
    let text =
        "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:00:01.0,1,1\n2023-11-16 18:00:00.5,2,2\n";
    let imported = read(text.as_bytes());
    let early = &imported.sessions[1];
    assert_eq!(early.marks, [Mark::Estimated, Mark::OutOfOrder, Mark::Sessionless]);
    assert_eq!((early.calls[0].at_us, early.calls[0].estimated), (Some(0), true));
    assert!(!imported.sessions[0].calls[0].estimated);
}

#[test]
fn bad_lines_are_named_and_the_others_kept() {
    let good = "2023-11-16 18:17:03.9799600,4808,10";
    for (bad, why) in [
        ("2023-11-16 18:17:03.9799600,4808", "2 fields, expected 3"),
        ("2023-11-16 18:17:03.9799600,4808,10,1", "4 fields, expected 3"),
        ("2023-11-16 18:17:03,-1,10", "`ContextTokens` is -1"),
        ("2023-11-16 18:17:03,many,10", "`ContextTokens` is a text"),
        ("2023-11-16 18:17:03,,10", "`ContextTokens` is missing"),
        ("2023-11-16 18:17:03,5,1e12", "`GeneratedTokens` is 1000000000000"),
        ("2023-11-16 18:17:03,5,nan", "`GeneratedTokens` is a text"),
        ("2023-11-16 18:17:03,5,1.5", "`GeneratedTokens` is 1.5"),
        (",5,1", "`TIMESTAMP` is missing"),
        ("yesterday,5,1", "`TIMESTAMP` is something else"),
        ("9999-11-16 18:17:03,5,1", "`TIMESTAMP` is years from the first"),
    ] {
        let text = format!("TIMESTAMP,ContextTokens,GeneratedTokens\n{good}\n{bad}\n{good}\n");
        let imported = read(text.as_bytes());
        let reasons = reasons(&imported);
        assert_eq!(imported.sessions.len(), 2, "{bad}");
        assert!(
            reasons.len() == 1 && reasons[0].starts_with("line 3: ") && reasons[0].contains(why),
            "{bad}: {reasons:?}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_are_one_bad_line() {
    let mut bytes = b"TIMESTAMP,ContextTokens,GeneratedTokens\n\xff\xfe,1,1\n".to_vec();
    bytes.extend(b"2023-11-16 18:17:03,5,1\n");
    let imported = read(&bytes);
    assert_eq!(
        (imported.sessions.len(), reasons(&imported)),
        (1, vec!["line 2: no UTF-8 text, expected fields between commas"])
    );
}
