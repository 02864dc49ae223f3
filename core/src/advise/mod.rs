//! What to do about a trace: how far its traffic is from its ceiling, what to turn on first, how much memory
//! and how many replicas it needs, and the flags that set it up.
//!
//! [`run`] does the simulations. Everything that is said comes from small functions over their figures, one
//! file each, and every sentence carries the figures that it rests on.

mod asked;
mod bench;
mod capacity;
mod capacity_runs;
mod ceiling;
mod flags;
mod floor;
mod gain;
mod greedy;
mod jobs;
mod least_memory;
mod order;
mod page;
mod replicas;
mod resample;
mod risk;
mod runs;
mod sample;
mod setting;
mod setup;
mod units;

pub use asked::Options;
pub use bench::{Draws, Progress};
pub use capacity::{CapacityAdvice, CapacityFigures, CapacityRow, Memory, Point, capacity};
pub use ceiling::{CeilingAdvice, CeilingFigures, CeilingRow, ceiling};
pub use flags::{CANNOT, COMPONENTS, Component, Flag, flags, unset};
pub use gain::{Drawn, Gain, Glance, Ranking};
pub use greedy::{Levers, Runner, greedy};
pub use jobs::JobsAdvice;
pub use least_memory::{LeastMemory, Tried, least_memory};
pub use order::OrderAdvice;
pub use page::{Block, Part, parts};
pub use replicas::{Drop, Kept, Probe, ReplicaAdvice, Search, search};
pub use resample::Resampled;
pub use risk::{Difference, Risk};
pub use runs::run;
pub use sample::{Sample, shuffled, take};
pub use setting::{SettingAdvice, Strain};
pub use setup::{Lever, Setup};

use crate::metrics::objective::Condition;
use crate::policy::Resolved;
use crate::report::Origin;
use serde::Serialize;

/// A figure that a sentence rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Because {
    /// What was run or read for it.
    pub scenario: String,
    /// The figure, its unit in its name.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Where it comes from.
    pub origin: Origin,
}

/// Something said, and the figures that it rests on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sentence {
    /// What is said.
    pub text: String,
    /// What it rests on.
    pub because: Vec<Because>,
}

impl Sentence {
    /// A sentence that rests on nothing yet.
    pub fn new(text: impl Into<String>) -> Self {
        Sentence { text: text.into(), because: Vec::new() }
    }

    /// It rests on a simulated figure, where that is known.
    #[must_use]
    pub fn on(self, scenario: &str, metric: impl ToString, value: impl Into<Option<f64>>) -> Self {
        self.from(Origin::Simulated, scenario, metric, value)
    }

    /// It rests on what is counted in the trace.
    #[must_use]
    pub fn counted(self, metric: impl ToString, value: impl Into<Option<f64>>) -> Self {
        self.from(Origin::Trace, "trace", metric, value)
    }

    /// It rests on what was given, or is a default.
    #[must_use]
    pub fn given(self, metric: impl ToString, value: impl Into<Option<f64>>) -> Self {
        self.from(Origin::Given, "set-up", metric, value)
    }

    /// It rests on a figure of another origin, where that is known.
    #[must_use]
    pub fn from(
        mut self,
        origin: Origin,
        scenario: &str,
        metric: impl ToString,
        value: impl Into<Option<f64>>,
    ) -> Self {
        if let Some(value) = value.into() {
            let (scenario, metric) = (scenario.to_owned(), metric.to_string());
            self.because.push(Because { scenario, metric, value, origin });
        }
        self
    }
}

/// The latency model that all times rest on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProfileNote {
    /// Its name.
    pub name: String,
    /// Where its coefficients come from: `estimated`, `exact`, `probed` or `calibrated`.
    pub origin: String,
    /// The same in a sentence.
    pub source: String,
}

/// The set-up that flags and memory are said of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recommended {
    /// Its name.
    pub setup: String,
    /// Its replicas: the answer, or those that were given.
    pub replicas: u32,
}

/// All advice on one trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Advice {
    /// Simulated.
    pub origin: Origin,
    /// The latency model.
    pub profile: ProfileNote,
    /// The set-up that was given, with every default filled in.
    pub scenario: Resolved,
    /// What of the trace was simulated, where that was not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample: Option<Sample>,
    /// How many simulations it rests on.
    pub simulations: u64,
    /// What must hold.
    pub objectives: Vec<Condition>,
    /// What was simulated, and what tempers everything that is said of it.
    pub setting: SettingAdvice,
    /// How many sessions job times are over.
    pub jobs: JobsAdvice,
    /// How far the traffic is from its ceiling, and why.
    pub ceiling: CeilingAdvice,
    /// What to turn on, in which order.
    pub order: OrderAdvice,
    /// How much memory its ceiling needs.
    pub capacity: CapacityAdvice,
    /// How many replicas the objectives need; absent where there are none that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<ReplicaAdvice>,
    /// What the flags are of: a set-up by name, and its replicas.
    pub recommended: Recommended,
    /// What sets it up.
    pub flags: Vec<Flag>,
    /// What this trace cannot tell.
    pub cannot_say: Vec<Sentence>,
}
