//! The catalogue of bundled files: `data/index.json` and `reports/index.json`. What a file says is
//! taken as it is; what it does not say is absent, never made up.

use serde::Deserialize;

/// The bundled sets of traces.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct DataIndex {
    /// The sets, first the one that the page starts with.
    #[serde(default)]
    pub sets: Vec<SetEntry>,
}

/// One bundled set.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SetEntry {
    /// Short name.
    pub name: String,
    /// Name for readers.
    pub title: String,
    /// The file, relative to the page.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
    /// Sessions in it.
    pub sessions: u64,
    /// Calls in it.
    pub calls: u64,
    /// Prompt tokens of all calls.
    pub prompt_tokens: u64,
    /// Where the raw data was published.
    pub source: String,
    /// Its revision there.
    pub revision: String,
    /// Licence of the raw data.
    pub licence: String,
    /// The command that derived the set.
    pub command: String,
    /// `real` or `synthetic`.
    pub kind: String,
    /// Whether the page loads it at once.
    pub first: bool,
}

/// The reports.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct ReportIndex {
    /// All of them.
    #[serde(default)]
    pub reports: Vec<ReportEntry>,
}

/// One report.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ReportEntry {
    /// The file, relative to the page.
    pub path: String,
    /// What it holds.
    pub kind: String,
    /// `measured`, `simulated`, `published` or `estimated`.
    pub origin: String,
    /// What it is called.
    pub title: String,
    /// The command that made it.
    pub command: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
}

impl DataIndex {
    /// The set that the page starts with.
    pub fn first(&self) -> Option<&SetEntry> {
        self.sets.iter().find(|set| set.first).or_else(|| self.sets.first())
    }

    /// A set by name.
    pub fn set(&self, name: &str) -> Option<&SetEntry> {
        self.sets.iter().find(|set| set.name == name)
    }
}
