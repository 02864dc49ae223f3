//! Everything that is said about a trace or an outcome, computed in one place for simulated and
//! measured runs.

mod inspect;
mod summary;

pub use inspect::{InspectOptions, Inspection, LruRow, RecordedSums, Turns, inspect};
pub use summary::{PolicyMetrics, Predictions, Spread, compare, percentile, summarise};
