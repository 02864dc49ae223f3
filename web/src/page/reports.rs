//! Reports: fetched, checked for schema and kind, and handed out as what they are.

use super::fetch;
use atr_core::report::{self, Body, Report};

/// Loads a report of a known kind.
pub(crate) async fn load<B: Body>(path: &str) -> Result<Report<B>, String> {
    let text = fetch::text(path).await.map_err(|error| error.to_string())?;
    report::load(path, &text).map_err(|error| error.to_string())
}
