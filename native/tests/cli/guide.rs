//! Figures in the guides are what the commands beside them give.

use super::harness::{json, root};

/// Rows of the guide's table of predictors: set, predictor, then covered, Kendall's tau, tokens cut, tokens wasted.
fn rows(guide: &str) -> Vec<Vec<String>> {
    let begins = guide.find("| set | predictor |").unwrap();
    let table = guide[begins..].lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells =
        |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect();
    table.map(cells).collect()
}

#[test]
fn the_table_of_predictors_is_what_simulate_says() {
    let guide = std::fs::read_to_string(root().join("docs/simulator.md")).unwrap();
    let rows = rows(&guide);
    assert_eq!(rows.len(), 8);
    for row in rows {
        let set = format!("data/{}.ndjson.gz", row[0]);
        let args = ["simulate", &set, "--policy", "max-token-prediction", "--predictor", &row[1], "--json"];
        let found = json(&args)["policies"][0]["predictions"].clone();
        let number = |key: &str| found[key].as_f64().unwrap();
        let said = |place: usize| -> f64 {
            row[place].replace([',', '%'], "").replace('−', "-").trim().parse().unwrap()
        };
        assert_eq!(format!("{:.1}", number("coverage") * 100.0), format!("{:.1}", said(2)), "{row:?}");
        assert_eq!(format!("{:.2}", number("kendall_tau")), format!("{:.2}", said(3)), "{row:?}");
        assert_eq!([number("truncated_tokens"), number("wasted_tokens")], [said(4), said(5)], "{row:?}");
    }
}
