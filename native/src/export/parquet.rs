//! Parquet: a table with one call a row. Times are microseconds.

use super::columns::{Column, TableWriter};
use atr_core::export::{Documents, ExportError, Exported, Exporter, Set, lost};
use atr_core::trace::{Call, CallRole, Recorded, Session};
use parquet::errors::ParquetError;
use std::io;

/// What no row can say.
const LOST: &[lost::Fact] = &[lost::MESSAGES, lost::TOOLS, lost::IDENTITIES, lost::GRAPH];

pub(super) struct Parquet;

/// A call with its session.
type Row<'a> = (&'a Session, &'a Call);

fn recorded<T>(call: &Call, of: impl Fn(&Recorded) -> Option<T>) -> Option<T> {
    call.recorded.as_ref().and_then(of)
}

/// A role as it is written.
pub(super) fn role(role: CallRole) -> &'static str {
    match role {
        CallRole::Agent => "agent",
        CallRole::Subagent => "subagent",
        CallRole::Summariser => "summariser",
        CallRole::Reviewer => "reviewer",
    }
}

/// A column of them.
type Of<'a> = Column<'static, Row<'a>>;

/// The table's columns.
fn columns<'a>() -> Vec<Of<'a>> {
    vec![
        Of::text("session", |(session, _)| Some(session.id.clone())),
        Of::text("source", |(session, _)| Some(session.source.clone())),
        Of::text("harness", |(session, _)| Some(session.harness.clone()).filter(|name| !name.is_empty())),
        Of::text("counts_from", |(session, _)| {
            Some(session.counts_from.clone()).filter(|name| !name.is_empty())
        }),
        Of::int("call", |(_, call)| Some(call.id.into())),
        Of::int("agent", |(_, call)| Some(call.agent.into())),
        Of::text("role", |(_, call)| Some(role(call.role).to_owned())),
        Of::text("model", |(session, call)| session.models.get(call.model as usize).cloned()),
        Of::int("at_us", |(_, call)| call.at_us),
        Of::int("delay_us", |(_, call)| call.delay_us),
        Of::int("prompt_tokens", |(_, call)| Some(call.prompt_tokens.into())),
        Of::int("output_tokens", |(_, call)| call.output_tokens.map(u64::from)),
        Of::int("reasoning_tokens", |(_, call)| Some(call.reasoning_tokens.into())),
        Of::int("tools", |(_, call)| Some(call.tools.len() as u64)),
        Of::flag("estimated", |(_, call)| Some(call.estimated)),
        Of::int("recorded_ttft_us", |(_, call)| recorded(call, |r| r.ttft_us)),
        Of::int("recorded_e2e_us", |(_, call)| recorded(call, |r| r.e2e_us)),
        Of::int("recorded_cached_tokens", |(_, call)| recorded(call, |r| r.cached_tokens)),
        Of::int("recorded_cache_write_tokens", |(_, call)| recorded(call, |r| r.cache_write_tokens)),
        Of::int("recorded_output_tokens", |(_, call)| recorded(call, |r| r.output_tokens)),
        Of::real("recorded_cost_usd", |(_, call)| recorded(call, |r| r.cost_usd)),
        Of::text("session_exit", |(session, _)| session.outcome.as_ref().map(|outcome| outcome.exit.clone())),
        Of::flag("session_submitted", |(session, _)| {
            session.outcome.as_ref().map(|outcome| outcome.submitted)
        }),
        Of::flag("session_resolved", |(session, _)| {
            session.outcome.as_ref().and_then(|outcome| outcome.resolved)
        }),
        Of::real("session_cost_usd", |(session, _)| {
            session.outcome.as_ref().and_then(|outcome| outcome.cost_usd)
        }),
    ]
}

impl Exporter for Parquet {
    fn name(&self) -> &'static str {
        "parquet"
    }

    fn about(&self) -> &'static str {
        "Parquet: a table with one call a row"
    }

    fn ending(&self) -> &'static str {
        "parquet"
    }

    fn write(&self, set: &Set<'_>, to: &mut dyn Documents) -> Result<Exported, ExportError> {
        if let Some(asked) = set.block_tokens {
            let expected = "none: it has no blocks".to_owned();
            return Err(ExportError::Block { format: "parquet", asked, expected });
        }
        let bytes = table(set.sessions).map_err(io::Error::other)?;
        to.begin("calls")?.write_all(&bytes)?;
        let mut exported = Exported { documents: 1, ..Exported::default() };
        for session in set.sessions {
            exported.sessions += 1;
            exported.calls += session.calls.len() as u64;
            lost::count(&mut exported, session, LOST);
        }
        Ok(exported)
    }
}

/// The whole file.
fn table(sessions: &[Session]) -> Result<Vec<u8>, ParquetError> {
    let columns = columns();
    let rows: Vec<Row<'_>> =
        sessions.iter().flat_map(|session| session.calls.iter().map(move |call| (session, call))).collect();
    let mut writer = TableWriter::new(Vec::new(), "call", &columns)?;
    writer.rows(&columns, &rows)?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::super::columns::GROUP_ROWS;
    use super::*;
    use atr_core::trace::Scope;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    fn session(id: &str, calls: Vec<Call>) -> Session {
        Session {
            id: id.to_owned(),
            source: "hand".to_owned(),
            harness: String::new(),
            models: vec!["gpt-5".to_owned()],
            scope: Scope::Session,
            block_tokens: None,
            counts_from: "source".to_owned(),
            marks: Vec::new(),
            messages: Vec::new(),
            segments: Vec::new(),
            calls,
            outcome: None,
        }
    }

    #[test]
    fn rows_are_calls_and_unknown_is_null() {
        let recorded = Recorded { cost_usd: Some(0.25), ..Recorded::default() };
        let sessions = [
            session(
                "a",
                vec![
                    Call { prompt_tokens: 7, at_us: Some(5), ..Call::default() },
                    Call {
                        id: 1,
                        output_tokens: Some(9),
                        recorded: Some(recorded),
                        estimated: true,
                        ..Call::default()
                    },
                ],
            ),
            session("b", vec![Call { role: CallRole::Subagent, agent: 3, ..Call::default() }]),
        ];
        let bytes = table(&sessions).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let rows: Vec<Vec<(String, Field)>> = reader
            .get_row_iter(None)
            .unwrap()
            .map(|row| {
                row.unwrap().get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect()
            })
            .collect();
        let column = |name: &str| -> Vec<Field> {
            rows.iter().map(|row| row.iter().find(|(known, _)| known == name).unwrap().1.clone()).collect()
        };
        let text = |text: &str| Field::Str(text.to_owned());
        assert_eq!(rows[0].len(), columns().len());
        assert_eq!(column("session"), [text("a"), text("a"), text("b")]);
        assert_eq!(column("harness"), [Field::Null, Field::Null, Field::Null]);
        assert_eq!(column("counts_from"), [text("source"), text("source"), text("source")]);
        assert_eq!(column("model"), [text("gpt-5"), text("gpt-5"), text("gpt-5")]);
        assert_eq!(column("role"), [text("agent"), text("agent"), text("subagent")]);
        assert_eq!(column("agent"), [Field::Long(0), Field::Long(0), Field::Long(3)]);
        assert_eq!(column("at_us"), [Field::Long(5), Field::Null, Field::Null]);
        assert_eq!(column("prompt_tokens"), [Field::Long(7), Field::Long(0), Field::Long(0)]);
        assert_eq!(column("output_tokens"), [Field::Null, Field::Long(9), Field::Null]);
        assert_eq!(column("recorded_cost_usd"), [Field::Null, Field::Double(0.25), Field::Null]);
        assert_eq!(column("estimated"), [Field::Bool(false), Field::Bool(true), Field::Bool(false)]);
        assert_eq!(column("session_resolved"), [Field::Null, Field::Null, Field::Null]);
    }

    #[test]
    fn many_rows_make_several_groups_and_lose_none() {
        let calls = (0..GROUP_ROWS as u32 + 10).map(|id| Call { id, ..Call::default() }).collect();
        let bytes = table(&[session("long", calls)]).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        assert_eq!(
            (reader.num_row_groups(), reader.metadata().file_metadata().num_rows()),
            (2, i64::try_from(GROUP_ROWS).unwrap() + 10)
        );
    }
}
