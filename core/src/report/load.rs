//! Reading reports: the schema and the kind are checked before the body is.

use super::{
    AgentShapes, Body, Dispatch, Failures, Kind, Origin, Policies, Probe, Provenance, Published, Race,
    Report, SCHEMA, Sweep,
};
use serde::Deserialize;

/// Why a file is not the report that was expected.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Not JSON, or fields of the kind are missing or wrong.
    #[error("{name}: expected a report of kind `{kind}`, {source}")]
    Json {
        /// The file.
        name: String,
        /// What was expected.
        kind: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// Another schema.
    #[error("{name}: `schema` is `{found}`, expected `{SCHEMA}`")]
    Schema {
        /// The file.
        name: String,
        /// What stands there.
        found: String,
    },
    /// Another kind.
    #[error("{name}: `kind` is `{found}`, expected `{expected}`")]
    Kind {
        /// The file.
        name: String,
        /// What stands there.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// No figure may come from it.
    #[error("{name}: {why}")]
    Flawed {
        /// The file.
        name: String,
        /// Why.
        why: &'static str,
    },
}

#[derive(Deserialize)]
struct Head {
    schema: String,
    kind: String,
}

fn head(name: &str, text: &str) -> Result<Head, ReportError> {
    let head: Head = serde_json::from_str(text).map_err(|source| ReportError::Json {
        name: name.to_owned(),
        kind: "any",
        source,
    })?;
    if head.schema == SCHEMA {
        Ok(head)
    } else {
        Err(ReportError::Schema { name: name.to_owned(), found: head.schema })
    }
}

/// What stands around the body.
#[derive(Deserialize)]
struct Envelope {
    origin: Origin,
    title: String,
    provenance: Provenance,
}

/// Envelope and body are read one after the other from the same text: a flattened body would be
/// buffered, and its readers compiled twice.
fn body<B: Body>(name: &str, text: &str) -> Result<Report<B>, ReportError> {
    let wrong = |source| ReportError::Json { name: name.to_owned(), kind: B::KIND.name(), source };
    let Envelope { origin, title, provenance } = serde_json::from_str(text).map_err(wrong)?;
    let body: B = serde_json::from_str(text).map_err(wrong)?;
    match body.flaw() {
        Some(why) => Err(ReportError::Flawed { name: name.to_owned(), why }),
        None => Ok(Report::new(origin, title, provenance, body)),
    }
}

/// Reads a report of a known kind. `name` is what errors call it.
///
/// # Errors
/// When the text is not a report of this schema and kind.
pub fn load<B: Body>(name: &str, text: &str) -> Result<Report<B>, ReportError> {
    let head = head(name, text)?;
    if head.kind != B::KIND.name() {
        return Err(ReportError::Kind {
            name: name.to_owned(),
            found: head.kind,
            expected: B::KIND.name().to_owned(),
        });
    }
    body(name, text)
}

/// A report of whichever kind.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyReport {
    /// All policies on one set.
    Policies(Report<Policies>),
    /// Load × policy × cache size.
    Sweep(Report<Sweep>),
    /// One session under each policy.
    Race(Report<Race>),
    /// Figures that others published.
    Published(Report<Published>),
    /// The shapes of agents.
    Shapes(Report<AgentShapes>),
    /// Known failures of routers.
    Failures(Report<Failures>),
    /// Dispatch by times against dispatch by delays.
    Dispatch(Report<Dispatch>),
    /// A GPU.
    Probe(Report<Probe>),
}

/// Reads a report of any kind.
///
/// # Errors
/// When the text is not a report of this schema or its kind is unknown.
pub fn load_any(name: &str, text: &str) -> Result<AnyReport, ReportError> {
    let head = head(name, text)?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == head.kind);
    match kind {
        Some(Kind::Policies) => Ok(AnyReport::Policies(body(name, text)?)),
        Some(Kind::Sweep) => Ok(AnyReport::Sweep(body(name, text)?)),
        Some(Kind::Race) => Ok(AnyReport::Race(body(name, text)?)),
        Some(Kind::Published) => Ok(AnyReport::Published(body(name, text)?)),
        Some(Kind::Shapes) => Ok(AnyReport::Shapes(body(name, text)?)),
        Some(Kind::Failures) => Ok(AnyReport::Failures(body(name, text)?)),
        Some(Kind::Dispatch) => Ok(AnyReport::Dispatch(body(name, text)?)),
        Some(Kind::Probe) => Ok(AnyReport::Probe(body(name, text)?)),
        None => Err(ReportError::Kind {
            name: name.to_owned(),
            found: head.kind,
            expected: Kind::ALL.map(Kind::name).join("`, `"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: &str = r#"{"schema":"atr-report/1","kind":"published","origin":"published","title":"t",
        "provenance":{"command":"c","version":"v","inputs":[]},"source":"s","setup":"u","cuts":[],"notes":[]}"#;

    #[test]
    fn a_report_loads_as_its_kind_only() {
        assert!(load::<Published>("p.json", PUBLISHED).is_ok());
        let error = load::<Race>("p.json", PUBLISHED).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "p.json: `kind` is `published`, expected `race`");
        assert!(matches!(load_any("p.json", PUBLISHED), Ok(AnyReport::Published(_))));
    }

    #[test]
    fn another_schema_is_named() {
        let text = PUBLISHED.replace("atr-report/1", "atr-report/9");
        let error = load_any("p.json", &text).map(|_| ()).unwrap_err().to_string();
        assert_eq!(error, "p.json: `schema` is `atr-report/9`, expected `atr-report/1`");
    }

    #[test]
    fn an_unknown_kind_lists_the_known_ones() {
        let text = PUBLISHED.replace(r#""kind":"published""#, r#""kind":"poem""#);
        let error = load_any("p.json", &text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`poem`") && error.contains("`sweep`"), "{error}");
    }

    #[test]
    fn a_missing_field_is_named() {
        let text = PUBLISHED.replace(r#","cuts":[]"#, "");
        let error = load_any("p.json", &text).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("`cuts`"), "{error}");
    }
}
