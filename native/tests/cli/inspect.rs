//! What `inspect` shows: the report, the breaks, and how both fit a terminal.

use crate::harness::{TWO, command, fails, json, run};
use serde_json::{Value, json};

/// Three sessions of our own: masked after two turns; a changed system prompt, a compaction and a
/// change of models; plain growth.
const BROKEN: &str = "native/tests/cli/fixtures/broken-synthetic.ndjson";

/// A session for every way in which prompts are not recorded message by message. The first goes back
/// to an earlier prompt, which costs nothing.
const TOLD: &str = "native/tests/cli/fixtures/told-synthetic.ndjson";

fn shown(args: &[&str], columns: &str) -> String {
    let output = command(args).env("COLUMNS", columns).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_report_is_readable() {
    insta::assert_snapshot!("inspect-report", run(&["inspect", BROKEN, "--kv-tokens", "8000,40000"]).stdout);
    insta::assert_snapshot!("inspect-breaks", run(&["inspect", BROKEN, "--breaks"]).stdout);
    insta::assert_snapshot!("inspect-breaks-top", run(&["inspect", BROKEN, "--breaks", "--top", "1"]).stdout);
}

#[test]
fn what_is_not_recorded_is_marked() {
    insta::assert_snapshot!("inspect-breaks-told", run(&["inspect", TOLD, "--breaks"]).stdout);
    let found = json(&["inspect", TOLD, "--breaks", "--json"]);
    let prompts: Vec<&Value> =
        found["breaks"]["sessions"].as_array().unwrap().iter().map(|session| &session["prompts"]).collect();
    assert_eq!(prompts, ["history", "text", "either", "blocks"]);
    let recorded = run(&["inspect", BROKEN, "--breaks"]).stdout;
    assert!(!recorded.contains("reconstructed") && !recorded.contains(['*', '†', '‡', '§']), "{recorded}");
}

#[test]
fn a_cache_is_not_judged_on_prompts_of_unknown_identity() {
    let folder = crate::harness::Folder::new("no-identity");
    let log = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,4808,10\n";
    let path = folder.file("azure-synthetic.csv", log.as_bytes());
    let shown = run(&["inspect", &path, "--kv-tokens", "64000"]).stdout;
    let rates: Vec<&str> = shown.lines().filter(|line| line.contains(", shared")).collect();
    assert_eq!(rates.len(), 2, "{shown}");
    assert!(rates.iter().all(|line| line.ends_with("–")), "{shown}");
    assert!(shown.contains("no cache can be judged"), "{shown}");
    assert!(!run(&["inspect", TWO]).stdout.contains("no cache can be judged"));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let sets = [TWO, BROKEN, TOLD, "data/sample.ndjson.gz", "data/mooncake-conversation.ndjson.gz"];
    for set in sets {
        for columns in ["72", "80", "100"] {
            for more in [&[] as &[&str], &["--breaks"], &["--breaks", "--all"], &["--kv-tokens", "1000000"]] {
                let text = shown(&[&["inspect", set], more].concat(), columns);
                let widest = text.lines().max_by_key(|line| line.chars().count()).unwrap();
                assert!(widest.chars().count() <= columns.parse().unwrap(), "{set} {more:?}: {widest}");
                assert!(!text.contains('\u{1b}'), "{set}: nothing is emphasised in a pipe");
                assert!(text.lines().all(|line| line.trim_end() == line), "{set}: no blanks at ends");
            }
        }
    }
}

#[test]
fn a_width_that_is_none_is_80() {
    let expected = run(&["inspect", BROKEN]).stdout;
    for columns in ["80", "0", "wide", "-3", ""] {
        assert_eq!(shown(&["inspect", BROKEN], columns), expected, "COLUMNS={columns}");
    }
}

#[test]
fn breaks_are_counted_by_hand() {
    let found = json(&["inspect", BROKEN, "--breaks", "--block", "1", "--json"]);
    assert_eq!(found["sessions"], 3, "the fixed keys stay");
    let breaks = &found["breaks"];
    let masked = &breaks["sessions"][0];
    // 8,000 and the reply of 200 are shared; the mask of 15 and the reply of 300 behind it are not.
    let expected = json!([{"call": 2, "agent": 0, "before": 1, "prompt_tokens": 14_515, "position_tokens": 8_200,
        "cause": "masking", "again_tokens": 315}]);
    assert_eq!(masked["breaks"], expected);
    // In the second session the system prompt changes behind the tools: of 13,200 tokens and a reply of
    // 300 all but 4,000 stood behind it. Of its last prompt another model has nothing.
    let told: Vec<(&Value, &Value)> = breaks["sessions"][1]["breaks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|at| (&at["cause"], &at["again_tokens"]))
        .collect();
    let expected = [("volatile_system_prompt", 9_500), ("compaction", 900), ("model_change", 7_910)]
        .map(|(cause, tokens)| (json!(cause), json!(tokens)));
    assert_eq!(told, expected.iter().map(|(cause, tokens)| (cause, tokens)).collect::<Vec<_>>());
    assert_eq!(breaks["sessions"][2]["breaks"], json!([]));
    let n = |key: &str| breaks[key].as_u64().unwrap();
    assert_eq!(n("again_tokens"), 315 + 9_500 + 900 + 7_910);
    assert_eq!(n("rounding_tokens"), 0);
    let parts = n("shared_tokens") + n("new_tokens") + n("again_tokens") + n("rounding_tokens");
    assert_eq!((n("prompt_tokens"), parts), (131_560, 131_560));
    assert!(json(&["inspect", BROKEN, "--json"]).get("breaks").is_none(), "only where they are asked for");
}

/// Real sessions: a harness that only appends, one whose blocks tell little, and single requests.
#[test]
fn bundled_sets_break_as_their_sources_do() {
    let of = |set: &str| json(&["inspect", set, "--breaks", "--json"])["breaks"].clone();
    let mini = of("data/mini-swe-agent-gemini3.ndjson.gz");
    assert_eq!((&mini["by_cause"], &mini["again_tokens"]), (&json!([]), &json!(0)));
    let sample = of("data/sample.ndjson.gz");
    let causes = sample["by_cause"].as_array().unwrap();
    assert!(!causes.is_empty());
    let can_be_told =
        ["compaction", "volatile_system_prompt", "tool_schema_change", "model_change", "unknown"];
    assert!(causes.iter().all(|row| can_be_told.contains(&row["cause"].as_str().unwrap())), "{causes:?}");
    let mooncake = of("data/mooncake-conversation.ndjson.gz");
    assert_eq!((&mooncake["sessionless"], &mooncake["sessions"]), (&json!(12_031), &json!([])));
    for breaks in [mini, sample] {
        for session in breaks["sessions"].as_array().unwrap() {
            let n = |key: &str| session[key].as_u64().unwrap();
            let parts = n("shared_tokens") + n("new_tokens") + n("again_tokens") + n("rounding_tokens");
            assert_eq!(parts, n("prompt_tokens"), "{}", session["id"]);
        }
    }
}

#[test]
fn breaks_have_their_own_wrong_calls() {
    for args in [
        &["inspect", TWO, "--top", "3"] as &[&str],
        &["inspect", TWO, "--all"],
        &["inspect", TWO, "--breaks", "--all", "--top", "3"],
        &["inspect", TWO, "--breaks", "--top", "some"],
        &["inspect", TWO, "--breaks", "--top", "-1"],
    ] {
        fails(args, 2);
    }
    assert!(fails(&["inspect", "no-such-file.ndjson", "--breaks"], 1).contains("no-such-file.ndjson"));
}

#[test]
fn a_session_that_is_not_there_is_named() {
    let said = fails(&["inspect", "--session", "nope", TWO], 1);
    assert_eq!(said.trim(), "error: no session is called `nope`; the first of 2 sessions is `a`");
    // Also where others are found.
    assert!(fails(&["inspect", "--session", "a", "--session", "nope", TWO], 1).contains("`nope`"));
    assert_eq!(json(&["inspect", "--session", "b", TWO, "--json"])["sessions"], 1);
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    let folder = crate::harness::Folder::new("steer");
    let text = std::fs::read_to_string(crate::harness::root().join(TWO)).unwrap();
    let path = folder.file("steer.ndjson", text.replace("\"two\"", "\"t\\u001b[2Jwo\"").as_bytes());
    let shown = run(&["inspect", &path]).stdout;
    assert!(shown.contains("t\u{fffd}[2Jwo") && !shown.contains('\u{1b}'), "{shown}");
}
