//! Figures in the guides are what the commands beside them give.

use super::harness::{json, number, root, table};

#[test]
fn the_table_of_predictors_is_what_simulate_says() {
    let guide = std::fs::read_to_string(root().join("docs/simulator.md")).unwrap();
    // Set, predictor, covered, Kendall's tau, tokens cut, tokens wasted.
    let rows = table(&guide, "| set | predictor |");
    assert_eq!(rows.len(), 8);
    for row in rows {
        let set = format!("data/{}.ndjson.gz", row[0]);
        let args = ["simulate", &set, "--policy", "max-token-prediction", "--predictor", &row[1], "--json"];
        let found = json(&args)["policies"][0]["predictions"].clone();
        let ours = |key: &str| found[key].as_f64().unwrap();
        let said = |place: usize| number(&row[place]);
        assert_eq!(format!("{:.1}", ours("coverage") * 100.0), format!("{:.1}", said(2)), "{row:?}");
        assert_eq!(format!("{:.2}", ours("kendall_tau")), format!("{:.2}", said(3)), "{row:?}");
        assert_eq!([ours("truncated_tokens"), ours("wasted_tokens")], [said(4), said(5)], "{row:?}");
    }
}
