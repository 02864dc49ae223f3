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
}

impl Kind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Kind; 4] = [Kind::Policies, Kind::Sweep, Kind::Race, Kind::Published];

    /// Name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Policies => "policies",
            Kind::Sweep => "sweep",
            Kind::Race => "race",
            Kind::Published => "published",
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
}

impl Origin {
    /// Name in files and on badges.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Measured => "measured",
            Origin::Simulated => "simulated",
            Origin::Published => "published",
            Origin::Estimated => "estimated",
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
}

/// A report: the envelope and the body of its kind, in one JSON object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}
