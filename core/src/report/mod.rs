//! Reports: results that are kept, with what is needed to trust them and to make them again.
//!
//! Every report is one JSON file with the same envelope: which schema and kind it is, where its
//! figures come from ([`Origin`]), which command made it from which inputs ([`Provenance`]), and
//! then the body of its kind. Simulated reports hold no dates and no machine, so that they rebuild
//! byte for byte.

mod dispatch;
mod envelope;
mod failures;
mod load;
mod measure;
mod policies;
mod probe;
mod published;
mod race;
mod shapes;
mod strips;
mod sweep;
mod verdict;

pub use dispatch::{Dispatch, DispatchLoad, DispatchRun, DispatchSet, DispatchTails, Tails};
pub use envelope::{Body, Input, Kind, Origin, Provenance, Report, SCHEMA, SetRef, join_numbers};
pub use failures::{Failure, Failures};
pub use load::{AnyReport, ReportError, load, load_any};
pub use measure::Figures;
pub use policies::Policies;
pub use probe::{
    Checked, FitOfKind, Launches, Measured, MixedStep, Peaks, Probe, Probed, ProbedGpu, ProbedModel, Times,
    UnderLoad,
};
pub use published::{Published, PublishedCut};
pub use race::{Lane, Race, RaceCall};
pub use shapes::{AgentShapes, FitRow, NotCounted, ShapesGroup, ShapesInput, ShareRow};
pub use strips::{StripRow, session_strips};
pub use sweep::{Sweep, SweepPoint};
pub use verdict::{RouterRow, Verdict, Worse};
