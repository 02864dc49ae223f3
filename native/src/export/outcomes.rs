//! Outcomes of a simulation as Parquet: a row for every policy and call. `docs/sweeps.md` describes the columns.

use super::columns::{Column, GROUP_ROWS, TableWriter};
use super::parquet::role;
use crate::output::OutFile;
use atr_core::policy::PolicyRun;
use atr_core::trace::{CallOutcome, CallStatus, WorkCall, Workload};
use serde_json::Value;
use std::path::Path;

/// Whether a file of that name is a table.
pub(crate) fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "parquet")
}

/// A key that varies in a sweep: all its values, which decide the column's kind, and the one of this point.
pub(crate) struct Varied<'a> {
    pub(crate) key: &'static str,
    pub(crate) all: &'a [Value],
    pub(crate) value: &'a Value,
    /// The value as people write it.
    pub(crate) shown: String,
}

/// One call under one policy.
struct Row<'a> {
    policy: &'a str,
    work: &'a Workload,
    asked: &'a WorkCall,
    call: &'a CallOutcome,
    counted: bool,
}

fn status(status: CallStatus) -> &'static str {
    match status {
        CallStatus::Ok => "ok",
        CallStatus::Rejected => "rejected",
        CallStatus::Skipped => "skipped",
    }
}

/// Writes the runs of one point, or of a single simulation, which has no point.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(
    to: OutFile,
    varied: &[Varied<'_>],
    point: Option<&str>,
    runs: &[PolicyRun],
) -> anyhow::Result<()> {
    let columns = columns(varied, point);
    let mut writer = TableWriter::new(to, "outcome", &columns)?;
    let counted = counted(runs);
    let mut rows = Vec::with_capacity(GROUP_ROWS);
    for run in runs {
        let calls = run.workload.calls.iter().zip(&run.outcome.calls).zip(&counted);
        for ((asked, call), &counted) in calls {
            rows.push(Row { policy: &run.name, work: &run.workload, asked, call, counted });
            if rows.len() == GROUP_ROWS {
                writer.rows(&columns, &rows)?;
                rows.clear();
            }
        }
    }
    writer.rows(&columns, &rows)?;
    writer.finish()?.finish()
}

/// Which calls the figures cover: those that every policy finished.
fn counted(runs: &[PolicyRun]) -> Vec<bool> {
    let calls = runs.first().map_or(0, |run| run.outcome.calls.len());
    let finished = |place: usize| {
        runs.iter().all(|run| run.outcome.calls.get(place).is_some_and(|call| call.status == CallStatus::Ok))
    };
    (0..calls).map(finished).collect()
}

/// A column of them.
type Of<'f, 'a> = Column<'f, Row<'a>>;

fn columns<'f, 'a>(varied: &'f [Varied<'_>], point: Option<&'f str>) -> Vec<Of<'f, 'a>> {
    let mut columns = vec![
        Of::text("policy", |row| Some(row.policy.to_owned())),
        Of::text("point", move |_| point.map(str::to_owned)),
    ];
    columns.extend(varied.iter().map(|varied| {
        let name = format!("scenario_{}", varied.key);
        let (all, value) = (varied.all, varied.value);
        let every = |is: fn(&Value) -> bool| all.iter().all(|value| value.is_null() || is(value));
        if every(Value::is_u64) {
            Of::int(name, |_| value.as_u64())
        } else if every(Value::is_number) {
            Of::real(name, |_| value.as_f64())
        } else if every(Value::is_boolean) {
            Of::flag(name, |_| value.as_bool())
        } else {
            Of::text(name, |_| (!value.is_null()).then(|| varied.shown.clone()))
        }
    }));
    columns.extend([
        Of::text("session", |row| {
            row.work.sessions.get(row.asked.session as usize).map(|session| session.id.clone())
        }),
        Of::int("call", |row| Some(row.call.id.into())),
        Of::int("source_call", |row| row.asked.source_call.map(u64::from)),
        Of::text("model", |row| row.work.models.get(row.asked.model as usize).cloned()),
        Of::text("role", |row| Some(role(row.asked.role).to_owned())),
        Of::text("status", |row| Some(status(row.call.status).to_owned())),
        Of::flag("counted", |row| Some(row.counted)),
        Of::int("replica", |row| row.call.replica.map(u64::from)),
        Of::int("scheduled_us", |row| Some(row.call.scheduled_us)),
        Of::int("sent_us", |row| Some(row.call.sent_us)),
        Of::int("admitted_us", |row| row.call.admitted_us),
        Of::int("first_token_us", |row| row.call.first_token_us),
        Of::int("finished_us", |row| row.call.finished_us),
        Of::int("prompt_tokens", |row| Some(row.asked.prompt_tokens.into())),
        Of::int("max_tokens", |row| Some(row.asked.max_tokens.into())),
        Of::int("cached_device_tokens", |row| Some(row.call.cached_tokens.device)),
        Of::int("cached_host_tokens", |row| Some(row.call.cached_tokens.host)),
        Of::int("ceiling_tokens", |row| Some(row.call.ceiling_tokens)),
        Of::int("computed_tokens", |row| Some(row.call.computed_tokens)),
        Of::int("cache_write_tokens", |row| Some(row.call.cache_write_tokens)),
        Of::int("output_tokens", |row| Some(row.call.output_tokens)),
        Of::int("predicted_tokens", |row| row.call.predicted_tokens),
        Of::int("preemptions", |row| Some(row.call.preemptions.into())),
    ]);
    columns
}
