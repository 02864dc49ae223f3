//! Evictions over the bundled sets.

use atr_core::choice::choose;
use atr_core::metrics::{InspectOptions, Untimed};
use atr_core::policy::{Arrivals, Scenario, simulate};
use atr_core::serve::evict::EVICTIONS;
use atr_core::trace::{Session, ndjson};
use std::io::{BufReader, Read};

fn set(name: &str) -> Vec<Session> {
    let path = format!("{}/../data/{name}.ndjson.gz", env!("CARGO_MANIFEST_DIR"));
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut text).unwrap();
    let mut input = BufReader::new(text.as_slice());
    let (_, reader) = ndjson::Reader::open(&mut input).unwrap();
    reader.map(Result::unwrap).collect()
}

/// Belady's rule is a bound: nothing finds more, at any capacity, in any order of calls.
#[test]
fn nothing_finds_more_than_belady_in_real_sets() {
    for (name, interleaved, capacities) in [
        ("mooncake-conversation", false, &[1_000_000, 10_000_000][..]),
        ("mini-swe-agent-gemini3", true, &[200_000][..]),
        ("lmcache-mini-swe-agent", true, &[200_000][..]),
    ] {
        let options = InspectOptions { interleaved, ..InspectOptions::default() };
        let untimed = Untimed::new(&set(name), &options).prompts_only();
        for &kv_tokens in capacities {
            let found = EVICTIONS.iter().map(|member| {
                let evict = untimed.eviction(&choose(EVICTIONS, member.name).unwrap(), kv_tokens);
                (member.name, untimed.found(kv_tokens, evict))
            });
            let found: Vec<(&str, u64)> = found.collect();
            let best = found.iter().find(|(name, _)| *name == "belady").unwrap().1;
            assert!(found.iter().all(|&(_, tokens)| tokens <= best), "{name} at {kv_tokens}: {found:?}");
            assert!(best <= untimed.ceiling(), "{name}: a bound has a bound");
        }
    }
}

/// On a timed run, too, where one call comes after the other and has nothing to decode: what is found does not change who
/// comes next.
#[test]
fn one_call_at_a_time_nothing_finds_more_than_belady_in_real_sets() {
    for (name, kv_tokens) in [("claude-code", 100_000), ("lmcache-mini-swe-agent", 60_000)] {
        let mut sessions = set(name);
        sessions.truncate(20);
        for call in sessions.iter_mut().flat_map(|session| &mut session.calls) {
            call.after = call.id.checked_sub(1).into_iter().collect();
            call.output_tokens = Some(1);
        }
        let found = EVICTIONS.iter().map(|member| {
            let scenario = Scenario {
                policies: vec!["exact-prefix-cache".into()],
                arrivals: Some(Arrivals::Concurrency { sessions: 1 }),
                eviction: Some(member.name.to_owned()),
                kv_tokens: Some(kv_tokens),
                max_batch: 1,
                max_tokens: 1,
                ..Scenario::default()
            };
            let (_, runs) = simulate(&sessions, &scenario).unwrap();
            let outcome = &runs[0].outcome;
            assert!(outcome.counters.evicted_blocks > 0, "{name}: {} has nothing to do", member.name);
            (member.name, outcome.calls.iter().map(|call| call.cached_tokens.device).sum::<u64>())
        });
        let found: Vec<(&str, u64)> = found.collect();
        let best = found.iter().find(|(name, _)| *name == "belady").unwrap().1;
        assert!(found.iter().all(|&(_, tokens)| tokens <= best), "{name}: {found:?}");
        assert!(found.iter().any(|&(_, tokens)| tokens < best), "{name} tells none apart: {found:?}");
    }
}
