//! Reports: fetched, checked for schema and kind, and handed out as what they are.

use super::fetch;
use atr_core::report::{self, Body, Race, Report};
use std::sync::Arc;

/// Loads a report of a known kind.
pub(crate) async fn load<B: Body>(path: &str) -> Result<Report<B>, String> {
    let text = fetch::text(path).await.map_err(|error| error.to_string())?;
    report::load(path, &text).map_err(|error| error.to_string())
}

/// The race's report: where it lies and what it holds, or why it is not there.
#[derive(Clone)]
pub(crate) struct FirstRace {
    /// The file, relative to the page.
    pub(crate) path: String,
    /// The command that made it.
    pub(crate) command: String,
    /// The runs.
    pub(crate) race: Arc<Race>,
}

/// Loads the race before the page mounts, so that the static figure gives way to the live one at once.
pub(crate) async fn first_race() -> Result<FirstRace, String> {
    let entries = atr_web::catalogue::reports().map_err(|error| error.to_string())?;
    let Some(entry) = entries.into_iter().find(|entry| entry.kind == "race") else {
        return Err("there is no report of kind `race`; run `cargo xtask reports`".to_owned());
    };
    let report = load::<Race>(&entry.path).await?;
    Ok(FirstRace { path: entry.path, command: report.provenance.command, race: Arc::new(report.body) })
}
