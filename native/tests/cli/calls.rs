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
    insta::assert_snapshot!(said(&["simulate", "no-such-file", "--router", "best"]), @"error: unknown router `best`, expected one of: round-robin, session-affinity, least-load, cache-aware");
    insta::assert_snapshot!(said(&["simulate", "no-such-file", "--context", "forget"]), @"error: unknown context strategy `forget`, expected one of: raw, masking:N, masking:N:POLLING");
    insta::assert_snapshot!(said(&["simulate", "no-such-file", "--policy", "learned"]), @"error: policy `learned` is not trained yet; leave it out or train it first");
    assert!(said(&["simulate", "no-such-file", "--profile", "abacus"]).contains("unknown profile `abacus`"));
    assert!(said(&["inspect", TWO, "--format", "papyrus"]).contains("mooncake"));
}

#[test]
fn a_range_error_names_the_key_and_the_value() {
    insta::assert_snapshot!(fails(&["simulate", TWO, "--block", "0"], 2), @"error: `block_tokens` is 0, expected at least 1");
    insta::assert_snapshot!(fails(&["simulate", TWO, "--kv-tokens", "8"], 2), @"error: `kv_tokens` is 8, expected at least one block of 16 tokens");
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
fn half(folder: &Folder) -> String {
    let whole = std::fs::read(crate::harness::root().join(TWO)).unwrap();
    folder.file("half.ndjson", &whole[..whole.len() - 60])
}

#[test]
fn good_sessions_survive_a_bad_one() {
    let folder = Folder::new("half");
    let half = half(&folder);
    let ran = run(&["inspect", &half, "--json"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&found["sessions"], &found["skipped"]), (&1.into(), &1.into()));
    assert!(ran.stderr.contains("half.ndjson") && ran.stderr.contains("line 3"), "{}", ran.stderr);
    let strict = fails(&["inspect", &half, "--strict"], 1);
    assert!(strict.contains("--strict"), "{strict}");
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
