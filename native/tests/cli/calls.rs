//! Right and wrong calls: help, exit codes, messages, pipes and interrupts.

use crate::harness::{Folder, TWO, command, fails, run, run_with};
use std::io::Read;
use std::process::Stdio;

#[test]
fn help_is_stable() {
    for (name, args) in [
        ("help", &["--help"] as &[&str]),
        ("help-inspect", &["inspect", "--help"]),
        ("help-simulate", &["simulate", "--help"]),
        ("help-calibrate", &["calibrate", "--help"]),
        ("help-report", &["report", "--help"]),
    ] {
        let ran = run(args);
        assert_eq!(ran.code, Some(0));
        insta::assert_snapshot!(name, ran.stdout);
    }
}

#[test]
fn the_help_lists_every_policy_and_says_which_cannot_run() {
    let help = run(&["simulate", "--help"]).stdout;
    for policy in atr_core::policy::POLICIES {
        assert!(help.contains(policy.name), "{}", policy.name);
    }
    assert!(help.split_whitespace().collect::<Vec<_>>().join(" ").contains("not trained yet"));
}

#[test]
fn wrong_calls_exit_with_2() {
    for args in [
        &[] as &[&str],
        &["fly"],
        &["inspect"],
        &["inspect", TWO, "--block", "0"],
        &["inspect", "data/mooncake-conversation.ndjson.gz", "--block", "700"],
        &[
            "simulate",
            "data/mooncake-conversation.ndjson.gz",
            "--limit",
            "9",
            "--policy",
            "prompt-compaction",
        ],
        &["import", TWO, "--tokenizer", "gpt2000"],
        &["inspect", TWO, "--kv-tokens", "0"],
        &["inspect", TWO, "--order", "sideways"],
        &["simulate", TWO, "--arrivals", "sometimes"],
        &["simulate", TWO, "--arrivals", "poisson:0"],
        &["simulate", TWO, "--arrivals", "concurrency:0"],
        &["simulate", TWO, "--replay", "backwards"],
        &["simulate", TWO, "--replicas", "0"],
        &["simulate", TWO, "--replicas", "-3"],
        &["simulate", TWO, "--speed", "0"],
        &["simulate", TWO, "--speed", "NaN"],
        &["simulate", TWO, "--limit", "0"],
        &["simulate", TWO, "--profile", "linear:1,2"],
        &["simulate", TWO, "--profile", "linear:100,1,10"],
        &["simulate", TWO, "--policy", ""],
        &["simulate", TWO, "--policy", "naive,naive"],
        &["simulate", TWO, "--json", "--outcome", "-"],
        &["simulate", TWO, "--tokenizer", "gpt2000"],
        &["simulate", TWO, "--format", "papyrus"],
        &["report"],
        &["report", "poem"],
        &["report", "race", "--all"],
        &["completions", "dos"],
    ] {
        fails(args, 2);
    }
}

#[test]
fn an_unknown_name_is_said_with_its_key_and_the_accepted_ones() {
    let said = |args: &[&str]| fails(args, 2);
    insta::assert_snapshot!(said(&["simulate", "no-such-file", "--policy", "naive,fast"]), @"error: unknown policy `fast`, expected one of: naive, exact-prefix-cache, prefix-aware-routing, prompt-compaction, max-token-prediction, learned");
    let routers = atr_core::choice::known(atr_core::serve::route::ROUTERS);
    let expected = format!("error: unknown router `best`, expected one of: {routers}\n");
    assert_eq!(said(&["simulate", "no-such-file", "--router", "best"]), expected);
    insta::assert_snapshot!(said(&["simulate", "no-such-file", "--context", "forget"]), @"error: unknown context strategy `forget`, expected one of: raw, masking:N, masking:N:POLLING (whole numbers of at least 1)");
    insta::assert_snapshot!(said(&["simulate", "no-such-file", "--policy", "learned"]), @"error: policy `learned` is not trained yet; leave it out or train it first");
    assert!(said(&["simulate", "no-such-file", "--profile", "abacus"]).contains("unknown profile `abacus`"));
    assert!(said(&["inspect", TWO, "--format", "papyrus"]).contains("mooncake"));
}

#[test]
fn a_range_error_names_the_key_and_the_value() {
    insta::assert_snapshot!(fails(&["simulate", TWO, "--block", "0"], 2), @"error: `--block` is 0, expected at least 1");
    let linear = |numbers: &str| fails(&["simulate", TWO, "--profile", &format!("linear:{numbers}")], 2);
    insta::assert_snapshot!(linear("-1,2,3"), @"error: profile `linear:-1,2,3`: `a_ms` is `-1`, expected a number of at least 0");
    insta::assert_snapshot!(linear("1,2,x"), @"error: profile `linear:1,2,x`: `c_ms` is `x`, expected a number of at least 0");
    insta::assert_snapshot!(linear("1,2"), @"error: profile `linear:1,2`: 2 numbers given, expected three: a_ms,b_ms,c_ms");
    let late = fails(&["simulate", TWO, "--policy", "naive", "--staleness-ms", "100"], 2);
    assert!(late.contains("`--staleness-ms` is 100 and does nothing here"), "{late}");
    insta::assert_snapshot!(fails(&["simulate", TWO, "--kv-tokens", "8"], 2), @"error: `--kv-tokens` is 8, expected at least one block of 16 tokens");
}

#[test]
fn work_that_fails_exits_with_1_and_names_the_file() {
    let folder = Folder::new("bad-input");
    let cases = [
        folder.path("missing.json"),
        folder.file("empty.json", b""),
        folder.file("text.json", b"all work and no play\n"),
        folder.file("cut.ndjson.gz", &[0x1f, 0x8b, 8, 0, 0]),
        folder.file("header.ndjson", b"{\"schema\":\"atr-trace/1\",\"name\":\"x\"}\n"),
    ];
    for path in &cases {
        for name in ["inspect", "simulate"] {
            let said = fails(&[name, path], 1);
            let file = path.rsplit('/').next().unwrap();
            assert!(said.contains(file), "{name} {file}: {said}");
        }
    }
    let nothing = Folder::new("no-trace");
    assert!(fails(&["inspect", nothing.0.to_str().unwrap()], 1).starts_with("error: "));
}

/// The second session is cut in the middle.
pub(crate) fn half() -> Vec<u8> {
    let whole = std::fs::read(crate::harness::root().join(TWO)).unwrap();
    whole[..whole.len() - 60].to_vec()
}

#[test]
fn good_sessions_survive_a_bad_one() {
    let folder = Folder::new("half");
    let half = folder.file("half.ndjson", &half());
    let ran = run(&["inspect", &half, "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["sessions"], &found["skipped"]), (&1.into(), &1.into()));
    assert!(ran.stderr.contains("half.ndjson") && ran.stderr.contains("line 3"), "{}", ran.stderr);
    let strict = fails(&["inspect", &half, "--strict"], 1);
    assert!(strict.contains("error: 1 skipped record and `--strict` is given; the first: "), "{strict}");
}

#[test]
fn a_strict_import_writes_all_or_nothing() {
    let folder = Folder::new("strict");
    let half = folder.file("half.ndjson", &half());
    let out = folder.path("out.ndjson");
    for more in [&["--out", &out] as &[&str], &[], &["--json"], &["--out", &out, "--json"]] {
        let said = fails(&[&["import", &half, "--strict"], more].concat(), 1);
        let why = said.lines().last().unwrap();
        assert!(why.starts_with("error: 1 skipped record and `--strict` is given; the first: "), "{said}");
        assert!(why.contains("half.ndjson: line 3: "), "{said}");
        let left: Vec<_> = std::fs::read_dir(&folder.0).unwrap().map(|file| file.unwrap().path()).collect();
        assert_eq!(left.len(), 1, "only what was there before: {left:?}");
    }
    let loose = run(&["import", &half]);
    assert_eq!((loose.code, loose.stdout.lines().count()), (Some(0), 2), "{}", loose.stderr);
    // Where nothing is skipped, the same comes out with it as without.
    let strict = run(&["import", TWO, "--strict"]);
    assert_eq!((strict.code, &strict.stdout), (Some(0), &run(&["import", TWO]).stdout), "{}", strict.stderr);
    let count = |name: &std::ffi::OsStr| name.to_string_lossy().contains(&strict.pid.to_string());
    let held =
        std::env::temp_dir().read_dir().unwrap().filter(|file| count(&file.as_ref().unwrap().file_name()));
    assert_eq!(held.count(), 0, "what waited for the end is gone");
}

#[test]
fn a_count_of_one_is_no_plural() {
    let folder = Folder::new("plural");
    let one = std::fs::read_to_string(crate::harness::root().join(TWO)).unwrap();
    let one: String =
        one.lines().enumerate().filter(|(n, _)| *n != 1).map(|(_, l)| format!("{l}\n")).collect();
    let one = folder.file("one.ndjson", one.as_bytes());
    let said = run(&["import", &one]).stderr;
    assert!(said.contains("atr: 1 session, 1 call, 50 prompt tokens, 1 output token; "), "{said}");
    let said = run(&["simulate", &one]).stdout;
    assert!(said.starts_with("simulated: 1 call of 1 session, ") && said.contains(" 1 replica, "), "{said}");
    let said = run(&["synth", "--profile", "claude-code", "--sessions", "1", "--json"]).stderr;
    assert!(said.starts_with("1 synthetic session, "), "{said}");
}

#[test]
fn an_unknown_format_says_what_can_be_done() {
    let folder = Folder::new("unknown-format");
    let text = folder.file("text.json", b"all work and no play\n");
    let said = fails(&["inspect", &text], 1);
    let names = said.split_once("expected one of: ").unwrap().1;
    assert!(names.contains("mooncake, ") && names.contains("; `--format NAME` reads it as"), "{said}");
    let table = folder.path("calls.parquet");
    assert_eq!(run(&["import", TWO, "--to", "parquet", "--out", &table]).code, Some(0));
    for more in [&[] as &[&str], &["--format", "mooncake"]] {
        let said = fails(&[&["inspect", &table], more].concat(), 1);
        assert!(
            said.contains("calls.parquet: found Parquet, which is only written (`import --to parquet`)"),
            "{said}"
        );
        assert!(said.contains("expected one of: atr, "), "{said}");
    }
}

#[test]
fn a_newer_trace_names_its_version() {
    let folder = Folder::new("newer");
    let newer = folder.file("newer.ndjson", b"{\"schema\":\"atr-trace/2\",\"title\":\"x\"}\n{}\n");
    let said = fails(&["inspect", &newer], 1);
    assert!(said.contains("found the schema `atr-trace/2`, expected `atr-trace/1`"), "{said}");
}

/// Commands that read traces take the same options in the same words.
#[test]
fn options_of_reading_are_the_same_everywhere() {
    let told = |command: &str, option: &str| {
        let help = run(&[command, "--help"]).stdout;
        let at = help.find(&format!("      {option}")).unwrap_or_else(|| panic!("{command} has no {option}"));
        let rest = &help[at + 6..];
        let end = rest.find("\n      --").unwrap_or(rest.len());
        rest[..end].split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for option in ["--format", "--tokenizer", "--strict", "--dedup"] {
        let expected = told("inspect", option);
        for command in ["import", "simulate"] {
            assert_eq!(told(command, option), expected);
        }
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let bytes = std::fs::read(crate::harness::root().join(TWO)).unwrap();
    let ran = run_with(&["inspect", "-", "--json"], &bytes);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout, run(&["inspect", TWO, "--json"]).stdout);
}

#[test]
fn a_reader_that_goes_away_is_success() {
    for args in [&["inspect", TWO] as &[&str], &["simulate", TWO, "--json"], &["completions", "bash"]] {
        let mut child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}: {said}");
        assert_eq!(said, "", "{args:?}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_and_leaves_no_half_file() {
    let folder = Folder::new("interrupt");
    let out = folder.path("out.ndjson");
    // It waits for standard input, which stays open.
    let mut child = command(&["simulate", "-", "--outcome", &out])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let open = child.stdin.take();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let killed = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(open);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);
}

#[test]
fn nothing_is_coloured_where_nobody_looks() {
    for args in [&["inspect", TWO] as &[&str], &["simulate", TWO], &["--help"]] {
        assert!(!run(args).stdout.contains('\u{1b}'), "{args:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, Some(0));
        assert!(ran.stdout.contains("simulate"), "{shell}");
    }
}
