//! Figures in the guides are what the commands beside them give, versions what the advice names.

use super::harness::{json, number, root, table};
use atr_core::advise::{COMPONENTS, Flag, Setup, flags};
use atr_core::policy::Scenario;
use atr_core::serve::route::ROUTERS;

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

/// The flags of everything that advice can propose.
fn all_flags() -> Vec<Flag> {
    let bare = Setup { cache: true, ..Setup::default() };
    let routers = ROUTERS.iter().map(|router| Setup { router: Some(router.name.to_owned()), ..bare.clone() });
    let other = Setup {
        eviction: Some("lfu".to_owned()),
        host_kv_tokens: Some(1 << 20),
        context: Some("masking:10:10".to_owned()),
        predict: true,
        ..bare.clone()
    };
    let scenario = Scenario { kv_tokens: Some(1 << 20), block_tokens: Some(16), ..Scenario::default() };
    let slots = Scenario { cache: Some("slots".to_owned()), ..scenario.clone() };
    let all = routers.chain([other]).flat_map(|setup| flags(&setup, &scenario, None));
    all.chain(flags(&bare, &slots, None)).collect()
}

#[test]
fn the_guide_names_the_versions_that_flags_were_checked_for() {
    let guide = std::fs::read_to_string(root().join("docs/advise.md")).unwrap();
    let said = COMPONENTS.map(|one| vec![one.name.to_owned(), one.checked.to_owned()]);
    assert_eq!(table(&guide, "| component | checked |"), said);
    let flags = all_flags();
    for flag in &flags {
        assert!(COMPONENTS.contains(&flag.component), "{flag:?}");
    }
    for one in COMPONENTS {
        assert!(flags.iter().any(|flag| flag.component == one), "nothing is ever said of {}", one.name);
    }
}
