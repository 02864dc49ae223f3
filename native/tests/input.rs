//! What the program does with files of every kind, good and bad, as its callers see it.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "a test that checks nothing must say so")]

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A folder of its own for one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("atr-input-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

fn import(arguments: &[&str], files: &[&Path], input: &[u8]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atr-bench"));
    command.arg("import").args(arguments).args(files).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses early does not read its input to the end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let done = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
}

/// The program must refuse these files for this reason.
fn refuses(arguments: &[&str], files: &[&Path], why: &[&str]) {
    let ran = import(arguments, files, b"");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
    for part in why {
        assert!(ran.err.contains(part), "expected `{part}` in: {}", ran.err);
    }
}

const LINE: &str = r#"{"timestamp": 5, "input_length": 700, "output_length": 5, "hash_ids": [0, 1]}"#;

fn lines(count: usize) -> String {
    format!("{LINE}\n").repeat(count)
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

/// Lines that do not pack well, so that a cut leaves some of them whole.
fn varied_lines(count: u64) -> String {
    let line = |n: u64| {
        let (a, b) =
            (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 30, n.wrapping_mul(0xd134_2543_de82_ef95) >> 30);
        format!(
            "{{\"timestamp\": {n}, \"input_length\": 1000, \"output_length\": 7, \"hash_ids\": [{a}, {b}]}}\n"
        )
    };
    (0..count).map(line).collect()
}

fn trace(id: &str) -> String {
    let ids: Vec<u32> = (1..=10).collect();
    format!(
        r#"{{"id":"{id}","block_size":64,"hash_id_scope":"local","tool_tokens":64,"system_tokens":64,
        "requests":[{{"t":0,"type":"n","model":"claude-x","in":640,"out":5,"hash_ids":{ids:?}}}]}}"#
    )
}

#[test]
fn a_set_written_is_the_set_read_and_the_same_every_time() {
    let folder = Folder::new();
    let raw = folder.file("raw.jsonl", varied_lines(50));
    let (first, second) = (folder.0.join("a.ndjson.gz"), folder.0.join("b.ndjson.gz"));
    for out in [&first, &second] {
        let ran = import(&["--name", "set", "--out", out.to_str().unwrap()], &[&raw], b"");
        assert_eq!((ran.code, ran.out.as_str()), (0, ""), "{}", ran.err);
        assert!(
            ran.err.contains("50 sessions, 50 calls, 50,000 prompt tokens, 350 output tokens"),
            "{}",
            ran.err
        );
    }
    let bytes = fs::read(&first).unwrap();
    assert_eq!(bytes, fs::read(&second).unwrap());
    assert_eq!(bytes[4..8], [0; 4], "no time stamp inside");
    let again = import(&[], &[&first], b"");
    let plain = import(&["--name", "set"], &[&raw], b"");
    assert_eq!(again.out, plain.out);
    assert!(again.out.starts_with(r#"{"schema":"atr-trace/1","name":"set""#));
}

#[test]
fn folders_are_read_in_name_order_and_other_files_named() {
    let folder = Folder::new();
    folder.file("b/2.json", trace("two"));
    folder.file("a/1.json", trace("one"));
    folder.file("b/10.json", trace("ten").replace("640", "641"));
    folder.file("LICENSE", "Permission is granted");
    folder.file(".hidden", "x");
    let ran = import(&["--json"], &[&folder.0], b"");
    let summary = ran.json();
    assert_eq!(
        (ran.code, &summary["sessions"], &summary["duplicates"]),
        (0, &3.into(), &1.into()),
        "{}",
        ran.err
    );
    assert_eq!((&summary["skipped"], &summary["format"]), (&1.into(), &"kv-cache-tester".into()));
    assert!(ran.err.contains("LICENSE: no known trace format; found `Permission is granted`"), "{}", ran.err);
    let ran = import(&[], &[&folder.0], b"");
    let ids: Vec<Value> = ran
        .out
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, ["one", "ten", "two"]);
    assert_eq!(import(&["--json", "--dedup"], &[&folder.0], b"").json()["sessions"], 2);
    assert_eq!(import(&["--json", "--strict"], &[&folder.0], b"").code, 1);
}

#[test]
fn standard_input_may_be_packed() {
    for bytes in [lines(3).into_bytes(), packed(&lines(3)), [packed(&lines(1)), packed(&lines(2))].concat()] {
        let ran = import(&["--json"], &[Path::new("-")], &bytes);
        assert_eq!((ran.code, &ran.json()["sessions"]), (0, &3.into()), "{}", ran.err);
    }
    let ran = import(&["--json"], &[Path::new("-")], b"");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("standard input: the file is empty"), "{}", ran.err);
}

#[test]
fn a_byte_order_mark_changes_nothing() {
    let folder = Folder::new();
    for (name, plain) in [("a.json", trace("one")), ("b.jsonl", lines(3))] {
        let marked = format!("\u{feff}{plain}");
        let expected = import(&["--name", "set"], &[&folder.file(name, &plain)], b"");
        for bytes in [marked.clone().into_bytes(), packed(&marked)] {
            let ran = import(&["--name", "set"], &[&folder.file(name, bytes)], b"");
            assert_eq!((ran.code, &ran.out, &ran.err), (0, &expected.out, &expected.err), "{name}");
        }
    }
    let file = folder.file("c.jsonl", format!("\u{feff}{}", lines(3)));
    let forced = import(&["--json", "--format", "mooncake"], &[&file], b"").json();
    assert_eq!((&forced["sessions"], &forced["skipped"]), (&3.into(), &0.into()));
    refuses(&[], &[&folder.file("mark.json", "\u{feff}")], &["mark.json: the file is empty"]);
}

#[test]
fn a_truncated_gz_keeps_the_sessions_before_the_cut() {
    let folder = Folder::new();
    let whole = packed(&varied_lines(20_000));
    assert!(whole.len() > 200_000, "the cut must lie behind the detected head");
    let file = folder.file("cut.jsonl.gz", &whole[..whole.len() / 2]);
    let ran = import(&["--json"], &[&file], b"");
    let summary = ran.json();
    let kept = summary["sessions"].as_u64().unwrap();
    assert_eq!((ran.code, &summary["skipped"]), (0, &1.into()), "{}", ran.err);
    assert!((5_000..15_000).contains(&kept), "{kept} sessions were before the cut");
    assert!(ran.err.contains("cut.jsonl.gz: line ") && ran.err.contains("ends early"), "{}", ran.err);
    assert_eq!(import(&["--strict"], &[&file], b"").code, 1);
    // A cut inside the head, and one that leaves nothing.
    let small = packed(&varied_lines(200));
    let ran = import(&["--json"], &[&folder.file("small.gz", &small[..small.len() - 30])], b"");
    assert!(ran.code == 0 && ran.json()["sessions"].as_u64().unwrap() > 50, "{}", ran.err);
    refuses(&[], &[&folder.file("bare.gz", &packed(&lines(1))[..12])], &["bare.gz: "]);
    let trace = packed(&trace("one"));
    refuses(&[], &[&folder.file("trace.gz", &trace[..trace.len() - 20])], &["trace.gz: ", "ends early"]);
}

#[test]
fn half_a_line_is_skipped_and_the_good_ones_kept() {
    let folder = Folder::new();
    let file = folder.file("half.jsonl", format!("{}{}", lines(4), &LINE[..40]));
    let ran = import(&["--json"], &[&file], b"");
    assert_eq!((ran.code, &ran.json()["sessions"], &ran.json()["skipped"]), (0, &4.into(), &1.into()));
    assert!(ran.err.contains("half.jsonl: line 5: no JSON: EOF"), "{}", ran.err);
}

#[test]
fn absurd_counts_are_skipped_and_alone_they_fail() {
    let folder = Folder::new();
    for (found, bad) in [("-700", LINE.replace("700", "-700")), ("7e300", LINE.replace("700", "7e300"))] {
        let why = format!(
            "`input_length` is {}, expected a whole number from 0 to 100000000",
            found.parse::<f64>().unwrap()
        );
        let ran = import(&["--json"], &[&folder.file("x.jsonl", format!("{LINE}\n{bad}\n"))], b"");
        assert_eq!((ran.code, &ran.json()["sessions"]), (0, &1.into()));
        assert!(ran.err.contains(&format!("line 2: {why}")), "{}", ran.err);
        refuses(&[], &[&folder.file("y.jsonl", &bad)], &["y.jsonl: line 1: ", &why]);
    }
}

#[test]
fn a_circle_in_our_own_format_is_found() {
    let folder = Folder::new();
    let good = import(&[], &[&folder.file("a.json", trace("one"))], b"").out;
    let circle =
        good.lines().nth(1).unwrap().replace(r#""calls":[{"id":0"#, r#""calls":[{"id":0,"after":[0]"#);
    assert_ne!(circle, good.lines().nth(1).unwrap());
    let ran = import(&["--json"], &[&folder.file("both.ndjson", format!("{good}{circle}\n"))], b"");
    assert_eq!((ran.code, &ran.json()["sessions"]), (0, &1.into()));
    assert!(ran.err.contains("line 3: session `one`: call 0: `after` forms a cycle"), "{}", ran.err);
    let header = good.lines().next().unwrap();
    refuses(
        &[],
        &[&folder.file("only.ndjson", format!("{header}\n{circle}\n"))],
        &["line 2", "forms a cycle"],
    );
}

#[test]
fn files_that_are_no_traces_are_refused() {
    let folder = Folder::new();
    let known = "expected one of: atr, kv-cache-tester, ";
    refuses(&[], &[&folder.file("empty.json", "")], &["empty.json: the file is empty, expected a trace"]);
    refuses(&[], &[&folder.file("blank.json", " \n \n")], &["blank.json: the file is empty"]);
    refuses(
        &[],
        &[&folder.file("a.csv", "TIMESTAMP,ContextTokens\n1,2\n")],
        &["a.csv: ", "found `TIMESTAMP,ContextTokens`", known],
    );
    refuses(&[], &[&folder.file("a.json", r#"{"hello": 1}"#)], &["a.json: ", known]);
    refuses(&[], &[&folder.0.join("missing.json")], &["missing.json: cannot be read", "No such file"]);
    let right = folder.file("right.json", trace("one"));
    for (format, why) in
        [("mooncake", "no JSON"), ("mini-swe-agent", "without a reply"), ("atr", "expected a header")]
    {
        refuses(&["--format", format], &[&right], &["right.json: ", why]);
    }
    assert_eq!(import(&["--json", "--format", "kv-cache-tester"], &[&right], b"").code, 0);
    let ran = import(&["--format", "cvs"], &[&right], b"");
    assert_eq!(ran.code, 2, "a name that does not exist is a wrong call");
    assert!(ran.err.contains("unknown format `cvs`"), "{}", ran.err);
}

#[test]
fn folders_without_a_trace_are_refused() {
    let folder = Folder::new();
    let empty = folder.0.join("empty");
    fs::create_dir(&empty).unwrap();
    refuses(&[], &[&empty], &["empty: no file in it, expected at least one trace"]);
    folder.file("notes/a.txt", "hello");
    folder.file("notes/b.txt", "world");
    refuses(&[], &[&folder.0.join("notes")], &["notes: none of the 2 files holds a readable trace", "a.txt"]);
}

#[test]
fn two_gigabytes_of_nothing_are_refused_at_once() {
    let folder = Folder::new();
    let path = folder.0.join("sparse.json");
    File::create(&path).unwrap().set_len(2 << 30).unwrap();
    for arguments in [
        &[][..],
        &["--format", "kv-cache-tester"],
        &["--format", "mini-swe-agent"],
        &["--format", "atr"],
        &["--format", "mooncake"],
    ] {
        let start = Instant::now();
        refuses(arguments, &[&path], &["sparse.json: "]);
        assert!(start.elapsed() < Duration::from_secs(5), "{arguments:?} took {:?}", start.elapsed());
    }
    refuses(&[], &[&path], &["found binary data"]);
}

#[cfg(unix)]
#[test]
fn files_that_may_not_be_read_are_named() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let closed = folder.file("closed.json", trace("one"));
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&closed).is_ok() {
        println!("skipped: this user may read every file, so a refusal cannot be seen");
        return;
    }
    refuses(&[], &[&closed], &["closed.json: cannot be read: Permission denied"]);
    let open = folder.file("open.json", trace("two"));
    let ran = import(&["--json"], &[&closed, &open], b"");
    assert_eq!((ran.code, &ran.json()["skipped"]), (0, &1.into()), "{}", ran.err);
}

#[test]
fn resolved_flags_reach_their_sessions() {
    let folder = Folder::new();
    let files = [folder.file("a.json", trace("one")), folder.file("b.json", trace("two"))];
    let flags = folder.file("flags.json", r#"{"one": true, "three": false}"#);
    let ran = import(&["--resolved", flags.to_str().unwrap()], &[&files[0], &files[1]], b"");
    let outcomes: Vec<Value> = ran
        .out
        .lines()
        .skip(1)
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["outcome"].clone())
        .collect();
    assert_eq!(outcomes[0], serde_json::json!({"exit": "unknown", "submitted": false, "resolved": true}));
    assert_eq!(outcomes[1], Value::Null);
    let bad = folder.file("bad.json", r#"{"one": "yes"}"#);
    refuses(
        &["--resolved", bad.to_str().unwrap()],
        &[&files[0]],
        &["bad.json: expected a JSON object of session ids"],
    );
}

#[cfg(unix)]
#[test]
fn a_device_is_written_to_and_not_replaced() {
    let folder = Folder::new();
    let file = folder.file("a.json", trace("one"));
    // A link, so that nothing worse than the link can be lost.
    let link = folder.0.join("null");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    let ran = import(&["--out", link.to_str().unwrap()], &[&file], b"");
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink(), "the link is still there");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 2, "and nothing beside it");
}

#[test]
fn where_all_are_duplicates_the_set_is_empty_and_keeps_its_header() {
    let folder = Folder::new();
    let files = [folder.file("a.json", trace("one")), folder.file("b.json", trace("two"))];
    let both = import(&["--name", "both"], &[&files[0], &files[1]], b"").out;
    let lines: Vec<&str> = both.lines().collect();
    assert!(lines[2].contains(r#""marks":["duplicate""#), "{}", lines[2]);
    let second = folder.file("second.ndjson", format!("{}\n{}\n", lines[0], lines[2]));
    let ran = import(&["--dedup"], &[&second], b"");
    assert_eq!((ran.code, ran.out.lines().collect::<Vec<_>>()), (0, vec![lines[0]]), "{}", ran.err);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = Folder::new();
    let file = folder.file("a.jsonl", varied_lines(20_000));
    let mut child = Command::new(env!("CARGO_BIN_EXE_atr-bench"))
        .args([Path::new("import"), &file])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
