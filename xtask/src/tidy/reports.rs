//! Reports: each names its schema, kind, origin and command, and its kind has a published JSON Schema.

use super::tree::{Finding, TrackedFile, Tree};
use serde_json::Value;

const SCHEMA: &str = "atr-report/1";
const ORIGINS: [&str; 4] = ["measured", "simulated", "published", "estimated"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let reports = tree.files.iter().filter(|file| is_report(&file.path));
    reports.flat_map(|file| check_report(tree, file)).collect()
}

/// `reports/NAME.json`; figures and schemas lie deeper.
fn is_report(path: &str) -> bool {
    let inner = path.strip_prefix("reports/").unwrap_or_default();
    inner.ends_with(".json") && !inner.contains('/') && inner != "index.json"
}

fn check_report(tree: &Tree, file: &TrackedFile) -> Vec<Finding> {
    let report: Value = match serde_json::from_str(file.text.as_deref().unwrap_or_default()) {
        Ok(report) => report,
        Err(error) => return vec![file.finding(Some(error.line()), format!("is no JSON: {error}"))],
    };
    let mut findings = Vec::new();
    let mut expect = |good: bool, what: String| {
        if !good {
            findings.push(file.finding(None, what));
        }
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (schema, kind, origin) = (text(&report["schema"]), text(&report["kind"]), text(&report["origin"]));
    let command = text(&report["provenance"]["command"]);
    let schema_file = format!("reports/schema/{kind}.schema.json");
    expect(schema == SCHEMA, format!("`schema` is `{schema}`, expected `{SCHEMA}`"));
    expect(
        ORIGINS.contains(&origin.as_str()),
        format!("`origin` is `{origin}`, expected one of: {}", ORIGINS.join(", ")),
    );
    expect(
        command.starts_with("atr-bench "),
        format!("`provenance.command` is `{command}`, expected one of atr-bench"),
    );
    expect(tree.get(&schema_file).is_some(), format!("kind `{kind}` has no {schema_file}"));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"schema":"atr-report/1","kind":"race","origin":"simulated",
        "provenance":{"command":"atr-bench report race"}}"#;

    fn found(report: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("reports/a.json", report),
            ("reports/schema/race.schema.json", "{}"),
            ("reports/figures/a.json", "not looked at"),
        ]);
        check(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_good_report_passes() {
        assert_eq!(found(GOOD), Vec::<String>::new());
    }

    #[test]
    fn each_missing_part_is_found() {
        assert_eq!(
            found(&GOOD.replace("race", "rase")),
            ["reports/a.json: kind `rase` has no reports/schema/rase.schema.json"]
        );
        assert_eq!(
            found(&GOOD.replace("simulated", "guessed")),
            [
                "reports/a.json: `origin` is `guessed`, expected one of: measured, simulated, published, estimated"
            ]
        );
        assert_eq!(
            found(&GOOD.replace("atr-bench report race", "by hand")),
            ["reports/a.json: `provenance.command` is `by hand`, expected one of atr-bench"]
        );
        assert_eq!(
            found(&GOOD.replace("atr-report/1", "x")),
            ["reports/a.json: `schema` is `x`, expected `atr-report/1`"]
        );
        assert_eq!(found("{}").len(), 4);
        assert_eq!(found("{").len(), 1);
    }
}
