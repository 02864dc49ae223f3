//! Whether a key that varies changed anything. Which options do nothing is known beforehand of those that nothing reads;
//! of a seed where nothing is drawn, only the figures tell.

use super::store::Row;
use crate::output;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Names, on standard error, the keys that changed nothing.
///
/// # Errors
/// When a row does not hold what a sweep writes.
pub(super) fn tell(rows: &[Row]) -> anyhow::Result<()> {
    for key in unchanging(rows)? {
        output::note(format_args!(
            "note: `{key}` changed nothing: points that differ in it alone have the same figures"
        ));
    }
    Ok(())
}

/// Keys by which points differ, and of which no two points that differ in one alone have other figures.
fn unchanging(rows: &[Row]) -> anyhow::Result<BTreeSet<String>> {
    let mut ran: Vec<(Map<String, Value>, &str)> = Vec::new();
    for row in rows {
        if let Some(policies) = &row.policies {
            ran.push((serde_json::from_str(row.point.get())?, policies.get()));
        }
    }
    let keys: BTreeSet<String> = ran.iter().flat_map(|(point, _)| point.keys().cloned()).collect();
    Ok(keys.into_iter().filter(|key| same_figures(&ran, key)).collect())
}

/// Whether there are points that differ in the key alone, and all such have the same figures.
fn same_figures(ran: &[(Map<String, Value>, &str)], key: &str) -> bool {
    let mut by_rest: BTreeMap<String, &str> = BTreeMap::new();
    let mut pairs = false;
    for (point, figures) in ran.iter().filter(|(point, _)| point.contains_key(key)) {
        let rest: Vec<(&String, &Value)> = point.iter().filter(|(other, _)| *other != key).collect();
        if let Some(first) = by_rest.insert(format!("{rest:?}"), figures) {
            if first != *figures {
                return false;
            }
            pairs = true;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    fn row(point: Value, figures: Option<u64>) -> Row {
        let raw = |value: &Value| to_raw_value(value).unwrap();
        let policies = figures.map(|figure| raw(&json!([figure])));
        Row { id: String::new(), index: 0, point: raw(&point), scenario: None, policies, error: None }
    }

    fn found(rows: &[Row]) -> Vec<String> {
        unchanging(rows).unwrap().into_iter().collect()
    }

    #[test]
    fn a_key_that_changes_nothing_is_named() {
        let mut rows = vec![
            row(json!({"seed": 1, "replicas": 1}), Some(5)),
            row(json!({"seed": 2, "replicas": 1}), Some(5)),
            row(json!({"seed": 1, "replicas": 2}), Some(7)),
            row(json!({"seed": 2, "replicas": 2}), Some(7)),
        ];
        assert_eq!(found(&rows), ["seed"]);
        rows.push(row(json!({"seed": 3, "replicas": 2}), Some(8)));
        assert_eq!(found(&rows), [""; 0], "one difference is enough");
    }

    #[test]
    fn where_nothing_can_be_compared_nothing_is_said() {
        let rows = [
            row(json!({"seed": 1, "replicas": 1}), Some(5)),
            row(json!({"seed": 2, "replicas": 2}), Some(5)),
            row(json!({"seed": 2, "replicas": 1}), None),
            // Nothing reads the seed here.
            row(json!({"replicas": 1}), Some(5)),
        ];
        assert_eq!(found(&rows), [""; 0]);
    }
}
