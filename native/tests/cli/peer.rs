//! Hit rates beside those of another simulator, at equal capacity and arrivals: the guide's table, whose columns of DynoSim
//! are what its published benchmark printed, and whose columns of ours are held to `simulate`.

use super::harness::{json, number, root, table};

/// What may lie between.
const POINT: f64 = 1.0;
/// What may lie between where the router takes other numbers than DynoSim's.
const OTHER_NUMBERS: f64 = 2.0;
/// How many of the guide's rows there must be.
const SIZES: usize = 5;

#[test]
fn hit_rates_are_within_a_point_of_dynosim() {
    let guide = std::fs::read_to_string(root().join("docs/simulator.md")).unwrap();
    let rows = table(&guide, "| blocks a replica |");
    assert_eq!(rows.len(), SIZES);
    for row in rows {
        let cells: Vec<f64> = row.iter().map(|cell| number(cell)).collect();
        let [blocks, robin, our_robin, kv, books, reports] = cells[..].try_into().unwrap();
        let within = [
            ("round-robin", our_robin, robin, POINT),
            ("dynamo-kv", books, kv, POINT),
            ("dynamo-kv:reports", reports, kv, OTHER_NUMBERS),
        ];
        for (router, ours, theirs, most) in within {
            assert_eq!(
                format!("{:.2}", hit_rate(router, blocks)),
                format!("{ours:.2}"),
                "{router}, {blocks}"
            );
            assert!((ours - theirs).abs() < most, "{router}, {blocks}: {ours}, DynoSim {theirs}");
        }
    }
}

/// Percent, on 8 replicas of so many blocks of 512 tokens.
fn hit_rate(router: &str, blocks: f64) -> f64 {
    let tokens = (blocks * 512.0).to_string();
    let set = "data/mooncake-conversation.ndjson.gz";
    let cluster = ["--replicas", "8", "--kv-tokens", &tokens, "--router", router];
    let found =
        json(&[&["simulate", set, "--json", "--policy", "prefix-aware-routing"][..], &cluster].concat());
    let row = &found["policies"][0];
    assert_eq!((row["calls"].as_u64(), row["failed"].as_u64()), (Some(12_031), Some(0)));
    row["hit_rate"].as_f64().unwrap() * 100.0
}
