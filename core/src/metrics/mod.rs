//! Everything that is said about a trace or an outcome, computed in one place for simulated and
//! measured runs.

pub mod breaks;
mod curve;
mod distribution;
mod fit;
mod inspect;
mod job;
pub mod objective;
mod predictions;
pub mod shapes;
mod summary;
mod untimed;

pub use curve::{Curve, Knot, curve_over, miss_ratio_curve};
pub(crate) use distribution::rounded;
pub use distribution::{Distribution, ks_distance};
pub use fit::{CEILING, FIT_BLOCK_TOKENS, Fit, FitRow, FitShare, fit};
pub use inspect::{Inspection, LruRow, RecordedSums, Turns, inspect};
pub use job::{JobParts, JobSplit};
pub use predictions::{Predictions, kendall_tau};
pub use summary::{PolicyMetrics, Regrets, Spread, compare, known_outputs, percentile, summarise};
pub(crate) use summary::{answered, calls_of, e2e_us, job_us, jobs, queue_us, tpot_ms, ttft_us};
pub use untimed::{InspectOptions, Untimed};
