//! What `synth` makes, fits and refuses.

use crate::harness::{Folder, TWO, fails, json, root, run};
use serde_json::Value;
use std::fs;

/// Bundled profiles and the sets that they are fitted to.
const FITTED: [(&str, &str); 2] = [
    ("claude-code", "data/claude-code.ndjson.gz"),
    ("mini-swe-agent", "data/mini-swe-agent-gemini3.ndjson.gz"),
];

#[test]
fn bundled_profiles_are_what_the_command_fits() {
    let folder = Folder::new("synth-fit");
    for (name, set) in FITTED {
        let out = folder.path(&format!("{name}.json"));
        let said = json(&["synth", "--fit", set, "--name", name, "--out", &out, "--json"]);
        assert_eq!(said["profile"], name);
        let committed = root().join(format!("core/src/synth/profiles/{name}.json"));
        assert!(
            fs::read(&out).unwrap() == fs::read(committed).unwrap(),
            "{name} differs; if the fit was meant to change, run `atr-bench synth --fit {set} --name {name} \
             --out core/src/synth/profiles/{name}.json`"
        );
    }
}

/// Samples of equal distribution, 360 sessions and some 400, stay below 0.12 in 99 of 100 cases. A model
/// of a few numbers may be off by a little more.
#[test]
fn what_is_made_is_like_what_was_fitted() {
    for (name, set) in FITTED {
        let answer = json(&[
            "synth",
            "--profile",
            name,
            "--sessions",
            "360",
            "--seed",
            "7",
            "--against",
            set,
            "--json",
        ]);
        let rows = answer["fit"]["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 9);
        for row in rows {
            let ks = row["ks"].as_f64().unwrap();
            assert!(ks < 0.13, "{name}: {} {ks}", row["name"]);
            assert!(
                row["real"]["n"].as_u64().unwrap() > 200 && row["synthetic"]["n"].as_u64().unwrap() > 200
            );
        }
    }
}

/// The other harness is no fit: the comparison can tell.
#[test]
fn another_harness_is_told_apart() {
    let (claude, mini) = (FITTED[0].0, FITTED[1].1);
    let answer = json(&["synth", "--profile", claude, "--sessions", "60", "--against", mini, "--json"]);
    let rows = answer["fit"]["rows"].as_array().unwrap();
    let first = rows.iter().find(|row| row["name"] == "first_prompt_tokens").unwrap();
    assert!(first["ks"].as_f64().unwrap() > 0.9, "{first}");
}

#[test]
fn a_seed_decides_every_byte_and_the_trace_says_what_it_is() {
    let folder = Folder::new("synth-seed");
    let made = |name: &str, seed: &str| {
        let out = folder.path(name);
        let args = [
            "synth",
            "--profile",
            "claude-code,mini-swe-agent",
            "--sessions",
            "7",
            "--seed",
            seed,
            "--out",
            &out,
        ];
        assert_eq!(run(&args).code, Some(0));
        fs::read_to_string(&out).unwrap()
    };
    let text = made("a.ndjson", "5");
    assert!(text == made("b.ndjson", "5") && text != made("c.ndjson", "6"));
    let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(header["kind"], "synthetic");
    assert_eq!(
        header["command"],
        "atr-bench synth --profile claude-code,mini-swe-agent --sessions 7 --seed 5"
    );
    let sessions: Vec<Value> = text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<&str> = sessions.iter().map(|session| session["id"].as_str().unwrap()).collect();
    // Seven in two parts: four and three.
    assert_eq!(
        (ids.len(), ids[3], ids[6]),
        (7, "synthetic-claude-code-0004", "synthetic-mini-swe-agent-0003")
    );
    assert!(sessions.iter().all(|session| session["source"] == "synthetic"));
}

#[test]
fn the_summary_says_what_inspect_finds() {
    let folder = Folder::new("synth-summary");
    let out = folder.path("made.ndjson.gz");
    let said = json(&["synth", "--profile", "mini-swe-agent", "--sessions", "12", "--out", &out, "--json"]);
    let found = json(&["inspect", &out, "--json"]);
    for key in ["sessions", "calls", "prompt_tokens", "output_tokens"] {
        assert_eq!(said[key], found[key], "{key}");
        assert_eq!(said["profiles"][0][key], found[key], "{key}");
    }
    assert_eq!((&said["kind"], &said["fit"]), (&Value::from("synthetic"), &Value::Null));
    assert_eq!((&found["skipped"], &found["duplicates"]), (&Value::from(0), &Value::from(0)));
}

#[test]
fn a_profile_may_be_a_file() {
    let folder = Folder::new("synth-file");
    let args = |profile| ["synth", "--profile", profile, "--sessions", "3", "--out", "-"];
    let bundled = run(&args("claude-code"));
    let file = run(&args("core/src/synth/profiles/claude-code.json"));
    let sessions = |text: &str| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!((bundled.code, sessions(&bundled.stdout).len()), (Some(0), 3));
    assert_eq!(sessions(&bundled.stdout), sessions(&file.stdout));
    let broken = folder.file("broken.json", b"{\"schema\":\"atr-profile/1\"}");
    let said = fails(&args(&broken), 1);
    assert!(said.contains("broken.json: expected a profile: missing field"), "{said}");
    let said = fails(&args("no-such-folder/x.json"), 1);
    assert!(said.contains("no-such-folder/x.json: cannot be read"), "{said}");
}

#[test]
fn wrong_calls_are_told_what_is_wrong() {
    for args in [
        &["synth"] as &[&str],
        &["synth", "--profile", "claude-code"],
        &["synth", "--profile", "claude-code", "--sessions", "0", "--json"],
        &["synth", "--profile", "claude-code", "--seed", "x", "--json"],
        &["synth", "--profile", "claude-code", "--out", "-", "--json"],
        &["synth", "--profile", "claude-code", "--name", "x", "--json"],
        &["synth", "--fit", TWO],
        &["synth", "--fit", TWO, "--name", "x"],
        &["synth", "--fit", TWO, "--name", "x", "--out", "-", "--json"],
        &["synth", "--fit", TWO, "--name", "x", "--profile", "claude-code", "--out", "-"],
        &["synth", "--fit", TWO, "--name", "x", "--against", TWO, "--out", "-"],
        &["synth", "--fit", TWO, "--name", "Not A Name", "--out", "-"],
    ] {
        fails(args, 2);
    }
    let said = fails(&["synth"], 2);
    assert!(said.contains("`--profile`") && said.contains("claude-code, mini-swe-agent"), "{said}");
    let said = fails(&["synth", "--profile", "papyrus", "--json"], 2);
    assert_eq!(
        said.trim(),
        "error: unknown profile `papyrus`, expected a file or one of: claude-code, mini-swe-agent"
    );
}

#[test]
fn too_little_to_fit_to_is_counted_and_leaves_no_file() {
    let folder = Folder::new("synth-little");
    let out = folder.path("out.json");
    let said = fails(&["synth", "--fit", TWO, "--name", "two", "--out", &out], 1);
    assert!(said.contains("2 given, of which 0 are single requests; expected at least 4"), "{said}");
    let said = fails(
        &["synth", "--fit", "data/mooncake-conversation.ndjson.gz", "--name", "moon", "--out", &out],
        1,
    );
    assert!(said.contains("12031 given, of which 12031 are single requests"), "{said}");
    assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 0);
}
