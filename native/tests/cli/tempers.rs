//! What tempers figures: lengths and pauses that a trace does not say, calls that are not answered, traces that cannot be.

use crate::harness::{Folder, TWO, fails, json, root, run};
use serde_json::{Value, json};
use std::fs;

/// The small trace with its lines changed: the header, session `a` with two calls, session `b` with one.
fn changed(folder: &Folder, name: &str, change: impl Fn(&mut [Value])) -> String {
    let text = fs::read_to_string(root().join(TWO)).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    change(&mut lines);
    let text: String = lines.iter().map(|line| line.to_string() + "\n").collect();
    folder.file(name, text.as_bytes())
}

fn forget(call: &mut Value, key: &str) {
    assert!(call.as_object_mut().unwrap().remove(key).is_some(), "{key}");
}

/// By hand, 1 ms a step of `linear`: call 0 of `a` has 100 tokens and makes 3 in 100 + 2 ms. Without its length, only the
/// others count for E2E: 200 ms and 50 ms where nothing is cached.
#[test]
fn unknown_lengths_and_pauses_are_said_and_left_out() {
    let folder = Folder::new("unknown");
    let trace = changed(&folder, "unknown.ndjson", |lines| {
        forget(&mut lines[1]["calls"][0], "output_tokens");
        forget(&mut lines[1]["calls"][1], "delay_us");
    });
    let linear = ["--profile", "linear:0,1,1", "--max-batch", "1", "--arrivals", "concurrency:1"];
    let naive = [&["simulate", &trace, "--policy", "naive"], &linear[..]].concat();
    let found = json(&[&naive[..], &["--json"]].concat());
    assert_eq!(found["scenario"]["unknown"], json!({"output_tokens": 1, "delays": 1, "sessions": 1}));
    let row = &found["policies"][0];
    assert_eq!((&row["calls"], &row["e2e_ms"]["mean"]), (&json!(3), &json!(125.0)));
    let said = run(&naive).stdout;
    for expected in [
        "\n! Of 3 calls 1 have no known output and make no token, 1 wait for another without a known pause and follow at \
         once: job times of 1 of 2 sessions lack it.\n",
        "\n! TPOT, E2E and predictions are over 2 calls of known output.\n",
    ] {
        assert!(said.contains(expected), "{expected} in {said}");
    }
    let predicted = json(&["simulate", &trace, "--policy", "max-token-prediction", "--json"]);
    let predictions = &predicted["policies"][0]["predictions"];
    assert_eq!(
        predictions["under"].as_u64().unwrap() + predictions["covered"].as_u64().unwrap(),
        2,
        "a length that nobody knows tells nothing of a prediction"
    );
    let advice = run(&["advise", &trace]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(advice.contains("Of 3 calls 1 have no known output"), "{advice}");
    let whole = json(&["simulate", TWO, "--json"]);
    assert_eq!(whole["scenario"].get("unknown"), None);
    assert!(!run(&["simulate", TWO]).stdout.contains("! "));
}

/// A recorded time stands in for a pause only where times are replayed, and users pause for nothing recorded.
#[test]
fn a_pause_is_unknown_where_nothing_stands_in_for_it() {
    let folder = Folder::new("pauses");
    let trace = changed(&folder, "stamped.ndjson", |lines| {
        forget(&mut lines[1]["calls"][1], "delay_us");
        lines[1]["calls"][0]["at_us"] = json!(0);
        lines[1]["calls"][1]["at_us"] = json!(5_000_000);
    });
    let of = |more: &[&str]| {
        json(&[&["simulate", &trace, "--json"], more].concat())["scenario"]["unknown"].clone()
    };
    assert_eq!(of(&[])["delays"], 1);
    assert_eq!(of(&["--replay", "times"]), Value::Null);
    assert_eq!(of(&["--arrivals", "users:2,1"]), Value::Null);
}

/// The calls of `a` take 103 and 201 tokens in all, that of `b` 51: 160 tokens of memory refuse one, 96 the first and so
/// the one after it, 32 all.
#[test]
fn failed_calls_have_a_reason_and_are_not_counted_as_work() {
    let with =
        |kv_tokens: &str| run(&["simulate", TWO, "--policy", "naive", "--kv-tokens", kv_tokens]).stdout;
    let some = with("160");
    assert!(
        some.contains("\n! 1 of 3 calls (33.3 %) are not answered: 1 exceed a replica's 160 KV tokens.\n"),
        "{some}"
    );
    assert!(some.contains("\n2 answered calls in "), "{some}");
    let follow = with("96");
    assert!(
        follow.contains("2 of 3 calls (66.7 %) are not answered: 1 exceed a replica's 96 KV tokens, 1 come after such a call"),
        "{follow}"
    );
    let none = with("32");
    assert!(
        none.contains("3 of 3 calls (100.0 %) are not answered: 2 exceed a replica's 32 KV tokens"),
        "{none}"
    );
    assert!(none.contains("No call is answered: larger replicas or a longer context mend that."), "{none}");
    assert!(none.contains("0 answered calls in ") && none.contains(", 0 calls/s"), "{none}");
    assert!(with("4096").contains("3 answered calls in "));
    assert!(!with("4096").contains("not answered"));
}

/// The second call's two segments hold 200 tokens. A longer prompt has a tail without identity; a shorter one is none, with
/// blocks one that is short of a whole block; and nobody answers an empty one. A provider and a tokenizer may disagree.
#[test]
fn prompts_that_cannot_be_are_skipped_and_named() {
    let folder = Folder::new("lengths");
    let trace = |name: &str, tokens: u32, block: Option<u32>| {
        changed(&folder, name, |lines| {
            if name.starts_with("mixed") {
                lines[1]["counts_from"] = json!("source+tokenizer:any");
            }
            lines[1]["calls"][1]["prompt_tokens"] = json!(tokens);
            if let Some(block) = block {
                lines[1]["block_tokens"] = json!(block);
            }
        })
    };
    for (name, tokens, block) in
        [("a", 999, None), ("b", 200, None), ("mixed", 100, None), ("c", 151, Some(50)), ("d", 999, Some(50))]
    {
        let ran = run(&["simulate", &trace(&format!("{name}.ndjson"), tokens, block), "--policy", "naive"]);
        assert_eq!(ran.code, Some(0), "{tokens}: {}", ran.stderr);
        assert!(!ran.stderr.contains("skipped"), "{tokens}: {}", ran.stderr);
    }
    for (tokens, block, why) in [
        (
            5,
            None,
            "session `a`: call 1: `prompt_tokens` is 5, expected at least 200, as its segments hold 200",
        ),
        (199, None, "call 1: `prompt_tokens` is 199, expected at least 200"),
        (150, Some(50), "call 1: `prompt_tokens` is 150, expected at least 151, as its segments hold 200"),
        (0, None, "call 1: `prompt_tokens` is 0, expected at least 1"),
    ] {
        let bad = trace("bad.ndjson", tokens, block);
        let ran = run(&["simulate", &bad, "--policy", "naive"]);
        assert_eq!(ran.code, Some(0), "the other session is good: {}", ran.stderr);
        assert!(ran.stderr.contains(why), "{}", ran.stderr);
        assert!(fails(&["simulate", &bad, "--policy", "naive", "--strict"], 1).contains(why));
    }
}

/// With nothing cached, what is computed is what was sent.
#[test]
fn tokens_in_are_tokens_out() {
    let found = json(&["simulate", TWO, "--policy", "naive", "--json"]);
    let row = &found["policies"][0];
    assert_eq!((&row["prompt_tokens"], &row["prefill_tokens"]), (&json!(350), &json!(350)));
    assert_eq!(row["output_tokens"], 5);
}

/// Three sub-agents' calls come before the main agent's and run one at a time: by who asks, it waits for none but the first.
#[test]
fn sub_agents_wait_where_a_gateway_says_who_asks() {
    let folder = Folder::new("main-first");
    let call = |id: u32, role: &str, at_us: u64| {
        json!({"id": id, "role": role, "agent": u32::from(role != "agent"), "at_us": at_us, "prompt": [[id, 1]],
            "prompt_tokens": 100, "output_tokens": 1})
    };
    let line = json!({"id": "a", "source": "hand", "harness": "hand", "models": ["m"], "scope": "session",
        "counts_from": "source", "segments": [[0, 100], [1, 100], [2, 100], [3, 100]],
        "calls": [call(0, "subagent", 0), call(1, "subagent", 1), call(2, "subagent", 2), call(3, "agent", 3)]});
    let trace = folder.file(
        "agents.ndjson",
        format!("{{\"schema\":\"atr-trace/1\",\"name\":\"agents\",\"kind\":\"synthetic\"}}\n{line}\n")
            .as_bytes(),
    );
    let ttft = |scheduler: &str| {
        let out = folder.path("calls.ndjson");
        let args = ["simulate", &trace, "--policy", "naive", "--profile", "linear:0,1,1", "--max-batch", "1"];
        let more =
            ["--replay", "times", "--arrivals", "recorded", "--scheduler", scheduler, "--outcome", &out];
        let ran = run(&[&args[..], &more].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let calls = fs::read_to_string(&out).unwrap();
        let calls = calls.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        calls.map(|call| call["first_token_us"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ttft("fcfs"), [100_000, 200_000, 300_000, 400_000]);
    assert_eq!(ttft("priority:main-first"), [100_000, 300_000, 400_000, 200_000]);
    let none = fails(&["simulate", TWO, "--scheduler", "priority:main-first"], 2);
    assert!(none.contains("no call of this trace is a sub-agent's, expected another scheduler"), "{none}");
}
