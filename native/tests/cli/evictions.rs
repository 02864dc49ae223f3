//! Evictions over the bundled sets.

use atr_core::choice::choose;
use atr_core::metrics::{InspectOptions, Untimed};
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
    for (name, capacities) in [
        ("mooncake-conversation", [1_000_000, 10_000_000]),
        ("claude-code", [200_000, 2_000_000]),
        ("mini-swe-agent-gemini3", [50_000, 400_000]),
    ] {
        let sessions = set(name);
        for interleaved in [false, true] {
            let options = InspectOptions { interleaved, ..InspectOptions::default() };
            let untimed = Untimed::new(&sessions, &options).prompts_only();
            for kv_tokens in capacities {
                let found = EVICTIONS.iter().map(|member| {
                    let evict = untimed.eviction(&choose(EVICTIONS, member.name).unwrap(), kv_tokens);
                    (member.name, untimed.found(kv_tokens, evict))
                });
                let found: Vec<(&str, u64)> = found.collect();
                let best = found.iter().find(|(name, _)| *name == "belady").unwrap().1;
                assert!(found.iter().all(|&(_, tokens)| tokens <= best), "{name} at {kv_tokens}: {found:?}");
                assert!(best <= untimed.ceiling(), "{name}: a bound has a bound");
                if std::env::var_os("ATR_SHOW").is_some() {
                    eprintln!("{name} {interleaved} {kv_tokens} of {}: {found:?}", untimed.ceiling());
                }
            }
        }
    }
}
