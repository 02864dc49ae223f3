//! The public sources whole, where the folder named by `ATR_RAW` holds them.
#![allow(clippy::print_stdout, reason = "a test that checks nothing must say so")]

use super::{read_as, view_is_prompt};
use atr_core::import::Imported;
use std::path::{Path, PathBuf};

/// A folder of the public sources; says so where there is none.
pub(super) fn raw(inside: &str) -> Option<PathBuf> {
    let found =
        std::env::var_os("ATR_RAW").map(|raw| Path::new(&raw).join(inside)).filter(|path| path.exists());
    if found.is_none() {
        println!("skipped: ATR_RAW names no folder with `{inside}`, so the public source was not checked");
    }
    found
}

pub(super) fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let mut inside: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inside.sort();
    for path in inside {
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

pub(super) fn import(path: &Path) -> Imported {
    let imported = import_some(path);
    assert_eq!(imported.skipped, [], "{}", path.display());
    imported
}

/// Where some of a file is left out.
fn import_some(path: &Path) -> Imported {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    read_as(&name, &std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn claude_code_traces_keep_every_count() {
    let Some(folder) = raw("kv-cache-tester/traces") else { return };
    let mut paths = Vec::new();
    files(&folder, ".json", &mut paths);
    assert!(!paths.is_empty());
    for path in paths {
        let imported = import(&path);
        let document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let session = &imported.sessions[0];
        let totals = &document["totals"]["combined_tokens"];
        assert_eq!(Some(session.prompt_tokens()), totals["input"].as_u64(), "{}", session.id);
        assert_eq!(Some(session.output_tokens()), totals["output"].as_u64(), "{}", session.id);
        assert_eq!(imported.unknown_keys, 0);
        view_is_prompt(session);
        for call in &session.calls {
            let view = call.view.iter().flat_map(|run| run.indices());
            let sum: u64 = view.map(|place| u64::from(session.messages[place as usize].tokens)).sum();
            assert_eq!(sum, u64::from(call.prompt_tokens), "{}: call {}", session.id, call.id);
        }
    }
}

#[test]
fn recorded_cached_tokens_are_the_source_s() {
    let Some(folder) = raw("mini-swe-agent-gemini3") else { return };
    let mut paths = Vec::new();
    files(&folder, ".traj.json", &mut paths);
    assert!(!paths.is_empty());
    let (mut ours, mut theirs) = ([0_u64; 4], [0_u64; 4]);
    for path in paths {
        let imported = import(&path);
        view_is_prompt(&imported.sessions[0]);
        for call in imported.sessions.iter().flat_map(|session| &session.calls) {
            let cached = call.recorded.as_ref().and_then(|recorded| recorded.cached_tokens);
            let counts = [
                cached.unwrap(),
                call.prompt_tokens.into(),
                call.output().into(),
                call.reasoning_tokens.into(),
            ];
            ours.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
        let document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        for message in document["messages"].as_array().unwrap() {
            let usage = &message["extra"]["response"]["usage"];
            let counts = [
                &usage["prompt_tokens_details"]["cached_tokens"],
                &usage["prompt_tokens"],
                &usage["completion_tokens"],
                &usage["completion_tokens_details"]["reasoning_tokens"],
            ];
            let mut counts = counts.map(|count| count.as_u64().unwrap_or(0));
            // One provider counts reasoning apart from the output.
            if counts[3] > counts[2] {
                counts[3] = 0;
            }
            theirs.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        }
    }
    assert_eq!(ours, theirs);
}

#[test]
fn an_infinite_cache_finds_what_mooncake_is_known_for() {
    let Some(path) = raw("mooncake/conversation_trace.jsonl") else { return };
    let imported = import(&path);
    let mut seen = std::collections::BTreeSet::new();
    let (mut hit, mut asked) = (0_u64, 0_u64);
    for session in &imported.sessions {
        let call = &session.calls[0];
        let segments =
            || call.prompt.iter().flat_map(|run| run.indices()).map(|at| session.segments[at as usize]);
        let known: u64 = segments().take_while(|s| seen.contains(&s.id)).map(|s| u64::from(s.tokens)).sum();
        hit += known.min(call.prompt_tokens.into());
        asked += u64::from(call.prompt_tokens);
        seen.extend(segments().map(|segment| segment.id));
    }
    assert_eq!(
        (imported.sessions.len(), format!("{:.4}", hit as f64 / asked as f64)),
        (12_031, "0.3736".to_owned())
    );
}

#[test]
fn azure_requests_keep_every_count() {
    // Rows, tokens and the last stamp less the first, by `awk -F, 'NR>1{n++;c+=$2;g+=$3}'` over the
    // published file: 18:17:03.97996 to 19:14:19.928016 are 57 min 15.948056 s.
    let Some(path) = raw("azure/AzureLLMInferenceTrace_code.csv") else { return };
    let imported = import(&path);
    let sum = |count: fn(&atr_core::trace::Session) -> u64| imported.sessions.iter().map(count).sum::<u64>();
    assert_eq!(imported.sessions.len(), 8_819);
    assert_eq!(sum(atr_core::trace::Session::prompt_tokens), 18_059_974);
    assert_eq!(sum(atr_core::trace::Session::output_tokens), 245_896);
    assert_eq!(imported.sessions.last().unwrap().calls[0].at_us, Some(3_435_948_056));
}

/// Sums over the evaluation's `token_usages`, joined with the actions by `response_id` (Python, by hand).
#[test]
fn openhands_runs_keep_every_count() {
    let Some(folder) = raw("openhands") else { return };
    let imported = import_some(&folder.join("multi_swe_bench_examples/output.jsonl"));
    assert_eq!(imported.sessions.len(), 3);
    let calls = || imported.sessions.iter().flat_map(|session| &session.calls);
    assert_eq!(calls().count(), 105);
    assert_eq!(calls().map(|call| u64::from(call.prompt_tokens)).sum::<u64>(), 1_913_342);
    assert_eq!(calls().map(|call| u64::from(call.output())).sum::<u64>(), 13_341);
    let e2e_us: u64 = calls().filter_map(|call| call.recorded.as_ref()?.e2e_us).sum();
    assert_eq!(e2e_us / 1_000_000, 348);
    // 34 latencies against 33 usages and events, and 50 against 49.
    let untold = imported.skipped.iter().map(|skipped| skipped.why.as_str());
    let expected = [(2, 34), (3, 50)].map(|(run, of)| {
        format!("run {run}: 1 of {of} calls in `metrics` have no event, expected one for each")
    });
    assert_eq!(untold.collect::<Vec<_>>(), expected);
    imported.sessions.iter().for_each(view_is_prompt);
    let mut paths = Vec::new();
    files(&folder.join("runtime_trajs"), ".json", &mut paths);
    let calls = |path: &PathBuf| import(path).sessions[0].calls.len();
    assert_eq!(paths.iter().map(calls).collect::<Vec<_>>(), [2, 5, 3, 4]);
}

#[test]
fn lmcache_traces_all_come_in() {
    // Counted by a script apart from this code: lines; every prompt in pieces, where each is what the
    // longest prompt before it that it begins with leaves over, parted behind the reply where it is
    // repeated; replies; prompts that begin with no other. All in bytes, four a token, rounded up by piece.
    // Of tau-bench's 471 lines, 106 with 24,390 and 4,767 tokens begin with the greeting that a simulated
    // user answers; 283 of the others show no reply.
    for (folder, expected) in
        [("miniswe", (20, 402, 2_420_418, 45_891, 20)), ("taubench", (24, 365, 54_310, 5_453, 24))]
    {
        let tau = folder == "taubench";
        let Some(folder) = raw(&format!("lmcache-agent-trace/{folder}")) else { return };
        let mut paths = Vec::new();
        files(&folder, ".jsonl", &mut paths);
        let mut found = (0, 0, 0, 0, 0);
        let mut unknown = 0;
        for path in paths.iter().filter(|path| path.metadata().unwrap().len() > 0) {
            let imported = import_some(path);
            let users = imported.skipped.iter().filter(|left| left.why.contains("of a simulated user"));
            assert_eq!(
                (imported.sessions.len(), imported.unknown_keys, imported.skipped.len(), users.count()),
                if tau { (1, 0, 1, 1) } else { (1, 0, 0, 0) },
                "{}",
                path.display()
            );
            let session = &imported.sessions[0];
            view_is_prompt(session);
            found.0 += 1;
            found.1 += session.calls.len();
            found.2 += session.prompt_tokens();
            found.3 += session.output_tokens();
            unknown += session.calls.iter().filter(|call| call.output_tokens.is_none()).count();
            found.4 += session.calls.iter().map(|call| call.agent).max().unwrap() + 1;
        }
        assert_eq!(found, expected);
        assert_eq!(unknown, if tau { 283 } else { 0 });
    }
}
