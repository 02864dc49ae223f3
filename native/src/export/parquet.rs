//! Parquet: a table with one call a row.
//!
//! Numbers are 64 bits wide, times are microseconds, and what is unknown is null. Columns are not
//! compressed, so that no reader lacks a codec.

use atr_core::export::{Documents, ExportError, Exported, Exporter, Set, lost};
use atr_core::trace::{Call, CallRole, Recorded, Session};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use std::io;
use std::sync::Arc;

/// Rows of a group.
const GROUP_ROWS: usize = 1 << 16;
/// What no row can say.
const LOST: &[lost::Fact] = &[lost::MESSAGES, lost::TOOLS, lost::IDENTITIES, lost::GRAPH];

pub(super) struct Parquet;

/// Where a column's values come from.
enum Values {
    Text(fn(&Session, &Call) -> Option<String>),
    Int(fn(&Session, &Call) -> Option<u64>),
    Real(fn(&Session, &Call) -> Option<f64>),
    Flag(fn(&Session, &Call) -> Option<bool>),
}

use Values::{Flag, Int, Real, Text};

fn recorded<T>(call: &Call, of: impl Fn(&Recorded) -> Option<T>) -> Option<T> {
    call.recorded.as_ref().and_then(of)
}

fn role(call: &Call) -> &'static str {
    match call.role {
        CallRole::Agent => "agent",
        CallRole::Subagent => "subagent",
        CallRole::Summariser => "summariser",
        CallRole::Reviewer => "reviewer",
    }
}

/// The table's columns.
const COLUMNS: &[(&str, Values)] = &[
    ("session", Text(|session, _| Some(session.id.clone()))),
    ("source", Text(|session, _| Some(session.source.clone()))),
    ("harness", Text(|session, _| Some(session.harness.clone()).filter(|name| !name.is_empty()))),
    ("counts_from", Text(|session, _| Some(session.counts_from.clone()).filter(|name| !name.is_empty()))),
    ("call", Int(|_, call| Some(call.id.into()))),
    ("agent", Int(|_, call| Some(call.agent.into()))),
    ("role", Text(|_, call| Some(role(call).to_owned()))),
    ("model", Text(|session, call| session.models.get(call.model as usize).cloned())),
    ("at_us", Int(|_, call| call.at_us)),
    ("delay_us", Int(|_, call| call.delay_us)),
    ("prompt_tokens", Int(|_, call| Some(call.prompt_tokens.into()))),
    ("output_tokens", Int(|_, call| call.output_tokens.map(u64::from))),
    ("reasoning_tokens", Int(|_, call| Some(call.reasoning_tokens.into()))),
    ("tools", Int(|_, call| Some(call.tools.len() as u64))),
    ("estimated", Flag(|_, call| Some(call.estimated))),
    ("recorded_ttft_us", Int(|_, call| recorded(call, |r| r.ttft_us))),
    ("recorded_e2e_us", Int(|_, call| recorded(call, |r| r.e2e_us))),
    ("recorded_cached_tokens", Int(|_, call| recorded(call, |r| r.cached_tokens))),
    ("recorded_cache_write_tokens", Int(|_, call| recorded(call, |r| r.cache_write_tokens))),
    ("recorded_output_tokens", Int(|_, call| recorded(call, |r| r.output_tokens))),
    ("recorded_cost_usd", Real(|_, call| recorded(call, |r| r.cost_usd))),
    ("session_exit", Text(|session, _| session.outcome.as_ref().map(|outcome| outcome.exit.clone()))),
    ("session_submitted", Flag(|session, _| session.outcome.as_ref().map(|outcome| outcome.submitted))),
    ("session_resolved", Flag(|session, _| session.outcome.as_ref().and_then(|outcome| outcome.resolved))),
    ("session_cost_usd", Real(|session, _| session.outcome.as_ref().and_then(|outcome| outcome.cost_usd))),
];

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
    let column = |(name, values): &(&str, Values)| match values {
        Text(_) => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
        Int(_) => format!("OPTIONAL INT64 {name};"),
        Real(_) => format!("OPTIONAL DOUBLE {name};"),
        Flag(_) => format!("OPTIONAL BOOLEAN {name};"),
    };
    let columns: String = COLUMNS.iter().map(column).collect();
    let schema = parse_message_type(&format!("message call {{ {columns} }}"))?;
    let properties = WriterProperties::builder().set_created_by("atr-bench".to_owned()).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let rows: Vec<(&Session, &Call)> =
        sessions.iter().flat_map(|session| session.calls.iter().map(move |call| (session, call))).collect();
    for rows in rows.chunks(GROUP_ROWS) {
        let mut group = writer.next_row_group()?;
        for (_, values) in COLUMNS {
            let Some(column) = group.next_column()? else { break };
            match values {
                Text(of) => fill::<ByteArrayType>(column, rows, |s, c| {
                    of(s, c).map(|text| ByteArray::from(text.into_bytes()))
                }),
                // Counts and times are bounded far below this.
                Int(of) => {
                    fill::<Int64Type>(column, rows, |s, c| of(s, c).and_then(|n| i64::try_from(n).ok()))
                }
                Real(of) => fill::<DoubleType>(column, rows, of),
                Flag(of) => fill::<BoolType>(column, rows, of),
            }?;
        }
        group.close()?;
    }
    writer.into_inner()
}

/// Writes a column of a group.
fn fill<T: DataType>(
    mut column: SerializedColumnWriter<'_>,
    rows: &[(&Session, &Call)],
    of: impl Fn(&Session, &Call) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let mut values = Vec::with_capacity(rows.len());
    let mut there = Vec::with_capacity(rows.len());
    for (session, call) in rows {
        let value = of(session, call);
        there.push(i16::from(value.is_some()));
        values.extend(value);
    }
    column.typed::<T>().write_batch(&values, Some(&there), None)?;
    column.close()
}

#[cfg(test)]
mod tests {
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
        assert_eq!(rows[0].len(), COLUMNS.len());
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
