//! Known failures of routers: which routers fall, which suffer, which stand, and by how much.

use super::measure::Figures;
use super::verdict::{RouterRow, judged, rule};
use super::{Body, Kind};
use crate::policy::{Exhibit, Resolved};
use serde::{Deserialize, Serialize};

/// All failures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failures {
    /// One entry a failure.
    pub exhibits: Vec<Failure>,
}

/// One failure under every router.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Stable name.
    pub name: String,
    /// What it is called.
    pub title: String,
    /// How it comes about.
    pub mechanism: String,
    /// The set-up that is stood, and what is changed.
    pub set_ups: [String; 2],
    /// What the failure is about: a key of [`Figures`].
    pub measure: String,
    /// How routers are judged.
    pub rule: String,
    /// Both scenarios, defaults filled in; the router varies.
    pub scenarios: [Resolved; 2],
    /// One entry a router.
    pub routers: Vec<RouterRow>,
}

impl Body for Failures {
    const KIND: Kind = Kind::Failures;
}

impl Failure {
    /// From its exhibit and what came of each router in both set-ups.
    pub fn new(exhibit: &Exhibit, scenarios: [Resolved; 2], runs: Vec<(String, [Figures; 2])>) -> Self {
        Failure {
            name: exhibit.name.to_owned(),
            title: exhibit.title.to_owned(),
            mechanism: exhibit.mechanism.to_owned(),
            set_ups: [exhibit.calm.to_owned(), exhibit.failing.to_owned()],
            measure: exhibit.measure.key().to_owned(),
            rule: rule(exhibit.measure),
            scenarios,
            routers: judged(exhibit.measure, runs),
        }
    }
}
