//! Hit rates beside those of another simulator, at equal capacity and arrivals.

use super::harness::json;

/// DynoSim on Mooncake's conversation trace: 8 replicas of 16,384 blocks of 512 tokens, arrivals as recorded, its default
/// time model. Round robin, and the mean of 8 runs of its KV router with default settings, run from the published crates;
/// docs/simulator.md says how. Behind that, what may lie between: more where the router here takes what engines report
/// instead of keeping books.
const DYNOSIM: [(&str, f64, f64); 3] =
    [("round-robin", 0.1373, 0.0005), ("dynamo-kv", 0.3005, 0.02), ("dynamo-kv:dynosim", 0.3005, 0.01)];

#[test]
fn hit_rates_are_near_those_of_dynosim() {
    for (router, theirs, between) in DYNOSIM {
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
        assert!((ours - theirs).abs() < between, "{router}: {ours}, DynoSim {theirs}");
    }
}
