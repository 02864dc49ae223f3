//! The envelope that all reports share.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The schema name that every report carries.
pub const SCHEMA: &str = "atr-report/1";

/// What a report is about, and so what its body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// All policies on one set under one scenario.
    Policies,
    /// Load × policy × cache size.
    Sweep,
    /// One session replayed under each policy, call by call.
    Race,
    /// Figures that others published.
    Published,
    /// How the sessions of each harness look.
    Shapes,
    /// Known failures of routers.
    Failures,
    /// Dispatch by times against dispatch by delays.
    Dispatch,
    /// A GPU, measured with random weights.
    Probe,
}

impl Kind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Kind; 8] = [
        Kind::Policies,
        Kind::Sweep,
        Kind::Race,
        Kind::Published,
        Kind::Shapes,
        Kind::Failures,
        Kind::Dispatch,
        Kind::Probe,
    ];

    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Policies => "policies",
            Kind::Sweep => "sweep",
            Kind::Race => "race",
            Kind::Published => "published",
            Kind::Shapes => "shapes",
            Kind::Failures => "failures",
            Kind::Dispatch => "dispatch",
            Kind::Probe => "probe",
        }
    }
}

/// Where a report's figures come from. The four are never mixed in one figure without saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// On a real server.
    Measured,
    /// By the serving simulator.
    Simulated,
    /// By somebody else, quoted.
    Published,
    /// From published peaks and stated shares of them.
    Estimated,
    /// Of a trace itself: counted in it, whatever serves it.
    Trace,
    /// Of the set-up: given by who asks, or its default.
    Given,
}

impl Origin {
    /// Name in files and on badges.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Measured => "measured",
            Origin::Simulated => "simulated",
            Origin::Published => "published",
            Origin::Estimated => "estimated",
            Origin::Trace => "trace",
            Origin::Given => "given",
        }
    }
}

/// One file that a report was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Where it is, relative to the repository.
    pub path: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// How to make a report again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The command.
    pub command: String,
    /// The version of the program.
    pub version: String,
    /// The files read.
    pub inputs: Vec<Input>,
    /// The machine, for measured reports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine: Option<String>,
    /// The date, for measured reports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// The set of traces that a report is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetRef {
    /// Its name.
    pub name: String,
    /// What a reader calls it.
    pub title: String,
    /// Its file, relative to the repository.
    pub path: String,
}

/// The part of a report that depends on its kind.
pub trait Body: Serialize + DeserializeOwned {
    /// The kind.
    const KIND: Kind;

    /// Why no figure may come from it, although it can be read.
    fn flaw(&self) -> Option<&'static str> {
        None
    }
}

/// A report: the envelope and the body of its kind, in one JSON object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report<B> {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What the body holds.
    pub kind: Kind,
    /// Where the figures come from.
    pub origin: Origin,
    /// What the report is called.
    pub title: String,
    /// How to make it again.
    pub provenance: Provenance,
    /// The rest.
    #[serde(flatten)]
    pub body: B,
}

impl<B: Body> Report<B> {
    /// A report of the current schema.
    pub fn new(origin: Origin, title: String, provenance: Provenance, body: B) -> Self {
        Report { schema: SCHEMA.to_owned(), kind: B::KIND, origin, title, provenance, body }
    }

    /// The bytes of the report's file.
    ///
    /// # Errors
    /// When a number cannot be written as JSON.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(join_numbers(&serde_json::to_string_pretty(self)?, LINE))
    }
}

/// Longest line that numbers are joined to.
const LINE: usize = 110;

/// Puts lists of numbers, and lists of such lists, on one line where they fit into `width`.
pub fn join_numbers(pretty: &str, width: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    // Open lists: the line that each begins at, and whether it has held numbers only.
    let mut open: Vec<(usize, bool)> = Vec::new();
    for line in pretty.lines() {
        let text = line.trim_start();
        let mut number = text.trim_end_matches(',').parse::<f64>().is_ok();
        if text.ends_with('[') {
            open.push((lines.len(), true));
            lines.push(line.to_owned());
            continue;
        }
        lines.push(line.to_owned());
        if text.starts_with(']')
            && let Some((first, numbers)) = open.pop()
        {
            let items: Vec<&str> = lines[first + 1..].iter().map(|line| line.trim_start()).collect();
            let joined = format!("{}{}", lines[first], items.join(" ").replace(" ]", "]"));
            number = numbers && joined.len() <= width && joined.trim_start().starts_with('[');
            if numbers && joined.len() <= width {
                lines.truncate(first);
                lines.push(joined);
            }
        }
        if let Some((_, numbers)) = open.last_mut() {
            *numbers &= number;
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::{LINE, join_numbers};

    #[test]
    fn lists_of_numbers_take_one_line() {
        let value = serde_json::json!({
            "a": [[0.5, 1], [1.0, 2]], "b": [{"c": [1, 2, null]}, {"d": [-3]}], "e": "[", "f": [], "g": ["1"],
        });
        let text = join_numbers(&serde_json::to_string_pretty(&value).unwrap(), LINE);
        let expected = "{\n  \"a\": [[0.5, 1], [1.0, 2]],\n  \"b\": [\n    {\n      \"c\": [\n        1,\n        2,\n        \
                        null\n      ]\n    },\n    {\n      \"d\": [-3]\n    }\n  ],\n  \"e\": \"[\",\n  \"f\": [],\n  \
                        \"g\": [\n    \"1\"\n  ]\n}\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn long_lists_keep_their_lines_and_every_value() {
        let value = serde_json::json!({"a": (0..200).map(|n| vec![n, n * n]).collect::<Vec<_>>()});
        let text = join_numbers(&serde_json::to_string_pretty(&value).unwrap(), LINE);
        assert_eq!(text.lines().count(), 204);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
