//! Everything that is said about an outcome, computed in one place for simulated and measured runs.

mod summary;

pub use summary::{PolicyMetrics, Spread, common_calls, percentile, summarise};
