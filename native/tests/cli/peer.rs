//! Hit rates beside those of another simulator, at equal capacity and arrivals.

use super::harness::json;

/// DynoSim on Mooncake's conversation trace: 8 replicas of 16,384 blocks of 512 tokens, arrivals as recorded, its default
/// time model. Round robin, and its KV router with default settings. The figures are the project's design's, run from the
/// published crates; docs/simulator.md says how to get them.
const DYNOSIM: [(&str, f64); 3] =
    [("round-robin", 0.137), ("dynamo-kv", 0.303), ("dynamo-kv:dynosim", 0.303)];
/// What may lie between.
const POINT: f64 = 0.01;

#[test]
fn hit_rates_are_within_a_point_of_dynosim() {
    for (router, theirs) in DYNOSIM {
        let found = json(&[
            "simulate",
            "data/mooncake-conversation.ndjson.gz",
            "--json",
            "--policy",
            "prefix-aware-routing",
            "--replicas",
            "8",
            "--kv-tokens",
            "8388608",
            "--router",
            router,
        ]);
        let row = &found["policies"][0];
        let ours = row["hit_rate"].as_f64().unwrap();
        assert_eq!((row["calls"].as_u64(), row["failed"].as_u64()), (Some(12_031), Some(0)));
        assert!((ours - theirs).abs() < POINT, "{router}: {ours}, DynoSim {theirs}");
    }
}
