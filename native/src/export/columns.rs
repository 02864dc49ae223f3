//! Tables as Parquet: rows of any kind, a column by a name and a function.
//!
//! Numbers are 64 bits wide, and what is unknown is null. Columns are not compressed, so that no
//! reader lacks a codec.

use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;
use std::io::Write;
use std::sync::Arc;

/// Rows of a group.
pub(crate) const GROUP_ROWS: usize = 1 << 16;

/// A function of a row.
type Of<'f, R, T> = Box<dyn Fn(&R) -> Option<T> + 'f>;

/// Where a column's values come from.
pub(crate) enum Values<'f, R> {
    Text(Of<'f, R, String>),
    Int(Of<'f, R, u64>),
    Real(Of<'f, R, f64>),
    Flag(Of<'f, R, bool>),
}

/// A column.
pub(crate) struct Column<'f, R> {
    name: String,
    values: Values<'f, R>,
}

impl<'f, R> Column<'f, R> {
    pub(crate) fn text(name: impl Into<String>, of: impl Fn(&R) -> Option<String> + 'f) -> Self {
        Column { name: name.into(), values: Values::Text(Box::new(of)) }
    }

    pub(crate) fn int(name: impl Into<String>, of: impl Fn(&R) -> Option<u64> + 'f) -> Self {
        Column { name: name.into(), values: Values::Int(Box::new(of)) }
    }

    pub(crate) fn real(name: impl Into<String>, of: impl Fn(&R) -> Option<f64> + 'f) -> Self {
        Column { name: name.into(), values: Values::Real(Box::new(of)) }
    }

    pub(crate) fn flag(name: impl Into<String>, of: impl Fn(&R) -> Option<bool> + 'f) -> Self {
        Column { name: name.into(), values: Values::Flag(Box::new(of)) }
    }
}

/// A table that is written group by group.
pub(crate) struct TableWriter<W: Write + Send>(SerializedFileWriter<W>);

impl<W: Write + Send> TableWriter<W> {
    /// Begins a table of rows that are called `row`.
    ///
    /// # Errors
    /// When a name is not one, or nothing can be written.
    pub(crate) fn new<R>(to: W, row: &str, columns: &[Column<'_, R>]) -> Result<Self, ParquetError> {
        let column = |Column { name, values }: &Column<'_, R>| match values {
            Values::Text(_) => format!("OPTIONAL BYTE_ARRAY {name} (UTF8);"),
            Values::Int(_) => format!("OPTIONAL INT64 {name};"),
            Values::Real(_) => format!("OPTIONAL DOUBLE {name};"),
            Values::Flag(_) => format!("OPTIONAL BOOLEAN {name};"),
        };
        let names: String = columns.iter().map(column).collect();
        let schema = parse_message_type(&format!("message {row} {{ {names} }}"))?;
        let properties = WriterProperties::builder().set_created_by("atr-bench".to_owned()).build();
        Ok(TableWriter(SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties))?))
    }

    /// Writes rows, in as many groups as they take.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn rows<R>(&mut self, columns: &[Column<'_, R>], rows: &[R]) -> Result<(), ParquetError> {
        for rows in rows.chunks(GROUP_ROWS) {
            let mut group = self.0.next_row_group()?;
            for Column { values, .. } in columns {
                let Some(column) = group.next_column()? else { break };
                match values {
                    Values::Text(of) => fill::<ByteArrayType, R>(column, rows, |row| {
                        of(row).map(|text| ByteArray::from(text.into_bytes()))
                    }),
                    // Counts and times are bounded far below this.
                    Values::Int(of) => {
                        fill::<Int64Type, R>(column, rows, |row| of(row).and_then(|n| i64::try_from(n).ok()))
                    }
                    Values::Real(of) => fill::<DoubleType, R>(column, rows, of),
                    Values::Flag(of) => fill::<BoolType, R>(column, rows, of),
                }?;
            }
            group.close()?;
        }
        Ok(())
    }

    /// Ends the table and gives back what it was written to.
    ///
    /// # Errors
    /// Those of the writer.
    pub(crate) fn finish(self) -> Result<W, ParquetError> {
        self.0.into_inner()
    }
}

/// Writes a column of a group.
fn fill<T: DataType, R>(
    mut column: SerializedColumnWriter<'_>,
    rows: &[R],
    of: impl Fn(&R) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let mut values = Vec::with_capacity(rows.len());
    let mut there = Vec::with_capacity(rows.len());
    for row in rows {
        let value = of(row);
        there.push(i16::from(value.is_some()));
        values.extend(value);
    }
    column.typed::<T>().write_batch(&values, Some(&there), None)?;
    column.close()
}
