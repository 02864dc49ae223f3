//! The file that a sweep leaves: a line that says what was asked, then a line a point.
//!
//! Finished points are appended in the order in which they end. A restart reads what is there, drops a
//! last line that was cut, and goes on; at the end the lines are put in the order of the grid, so that
//! the file depends on nothing but the grid, the sessions and the version. Figures are carried as the
//! text that was written, since reading a number may change its last digit.

use super::grid::{Grid, Place, Point};
use crate::args::WrongCall;
use crate::output::{self, OutFile};
use anyhow::{Context, bail, ensure};
use atr_core::report::Origin;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The sessions of a sweep. Their hash is that of the sessions as they were read, whatever file they came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Inputs {
    /// SHA-256 of the sessions in this project's own format.
    pub(crate) sha256: String,
    pub(crate) sessions: u64,
    pub(crate) calls: u64,
}

/// What was asked: the first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    schema: String,
    pub(crate) origin: Origin,
    version: String,
    pub(crate) inputs: Inputs,
    /// Points of the whole grid.
    pub(crate) points: usize,
    base: Box<RawValue>,
    over: Box<RawValue>,
    /// Which part of the points the file holds; absent where it holds all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
}

/// What a point came to: every further line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Row {
    /// Hash of the scenario, the sessions and the version.
    pub(crate) id: String,
    /// Place in the grid.
    pub(crate) index: usize,
    /// The keys that vary.
    pub(crate) point: Box<RawValue>,
    /// The scenario with every default filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scenario: Option<Box<RawValue>>,
    /// The figures of each policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) policies: Option<Box<RawValue>>,
    /// Why the point cannot be run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Header {
    /// Of a grid over these sessions.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub(crate) fn new(
        grid: &Grid,
        inputs: &Inputs,
        points: usize,
        shard: Option<String>,
    ) -> anyhow::Result<Self> {
        Ok(Header {
            schema: super::SCHEMA.to_owned(),
            origin: Origin::Simulated,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            inputs: inputs.clone(),
            points,
            base: to_raw_value(&grid.fixed())?,
            over: to_raw_value(&grid.varied())?,
            shard,
        })
    }

    /// In what this differs from another file's, shards apart.
    fn difference(&self, other: &Header) -> Option<&'static str> {
        let parts = [
            ("version", self.version == other.version),
            ("sessions", self.inputs == other.inputs),
            ("grid", self.over.get() == other.over.get() && self.points == other.points),
            ("base", self.base.get() == other.base.get()),
        ];
        parts.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
    }
}

impl Row {
    /// The row at its place in a grid, which may have grown since it was made.
    fn moved(self, index: usize, place: &Place<'_>) -> anyhow::Result<Row> {
        Ok(Row { index, point: to_raw_value(place)?, ..self })
    }
}

/// A file that was read.
pub(crate) struct Held {
    pub(crate) header: Header,
    pub(crate) rows: Vec<Row>,
    /// Bytes of whole lines.
    whole: u64,
    /// Whether a last line was cut.
    pub(crate) torn: bool,
}

/// Reads a file of a sweep; `None` where nothing whole was written yet.
///
/// # Errors
/// When it is none, or a line in it is broken.
pub(crate) fn read(mut file: &File, path: &Path) -> anyhow::Result<Option<Held>> {
    let at = path.display();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(|| format!("cannot read `{at}`"))?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
    let torn = whole < bytes.len();
    if whole == 0 {
        // Only a beginning of the first line may be replaced, not somebody's text.
        let begin = format!("{{\"schema\":\"{}\"", super::SCHEMA);
        let common = bytes.len().min(begin.len());
        ensure!(
            bytes[..common] == begin.as_bytes()[..common],
            "`{at}` is no file of a sweep and is left as it is"
        );
        return Ok(None);
    }
    bytes.truncate(whole);
    let text = std::str::from_utf8(&bytes).with_context(|| format!("`{at}` is no file of a sweep"))?;
    let mut lines = text.lines().zip(1..);
    let (first, _) = lines.next().context("no line")?;
    let header: Header = serde_json::from_str(first)
        .ok()
        .filter(|header: &Header| header.schema == super::SCHEMA)
        .with_context(|| {
            format!("`{at}`: line 1: expected `\"schema\":\"{}\"`: no file of a sweep", super::SCHEMA)
        })?;
    let mut rows = Vec::new();
    for (line, number) in lines {
        let row: Row = serde_json::from_str(line).with_context(|| {
            format!("`{at}`: line {number}: no point of a sweep; without the line it is run again")
        })?;
        rows.push(row);
    }
    Ok(Some(Held { header, rows, whole: whole as u64, torn }))
}

/// The open file of a running sweep, held against a second one.
pub(crate) struct Store {
    file: File,
    path: PathBuf,
    header: Header,
    rows: BTreeMap<usize, Row>,
}

impl Store {
    /// Opens the file, or makes it, and takes over what it holds of these points.
    ///
    /// # Errors
    /// When it holds anything else, another sweep is writing it, or it cannot be written.
    pub(crate) fn open(path: &Path, header: Header, points: &[Point<'_>]) -> anyhow::Result<Self> {
        let at = path.display();
        if path == Path::new("-") || path.extension().is_some_and(|end| end == "gz") {
            return Err(WrongCall(format!(
                "`--out {at}`: expected a plain file, to which points can be appended"
            ))
            .into());
        }
        let cannot = || format!("cannot write `{at}`");
        let mut options = File::options();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("`{at}` is being written by another sweep"),
            // A file system without locks has nobody to ask.
            Err(TryLockError::Error(_)) => {}
        }
        let held = read(&file, path)?;
        if held.as_ref().is_some_and(|held| held.torn) {
            output::note(format_args!("`{at}`: the last line was cut and is dropped"));
        }
        let whole = held.as_ref().map_or(0, |held| held.whole);
        file.set_len(whole).with_context(cannot)?;
        file.seek(SeekFrom::Start(whole)).with_context(cannot)?;
        let mut store = Store { file, path: path.to_owned(), header, rows: BTreeMap::new() };
        match held {
            None => store.append_line(&serde_json::to_string(&store.header)?)?,
            Some(held) => store.take(held, points)?,
        }
        Ok(store)
    }

    /// Takes over what is there, as long as nothing of it would be lost.
    fn take(&mut self, held: Held, points: &[Point<'_>]) -> anyhow::Result<()> {
        let at = self.path.display();
        let by_id: BTreeMap<&str, &Point<'_>> =
            points.iter().map(|point| (point.id.as_str(), point)).collect();
        for row in held.rows {
            let Some(point) = by_id.get(row.id.as_str()) else {
                let why = held.header.difference(&self.header).unwrap_or("shard");
                bail!(
                    "`{at}` holds a point that is not asked for (the {why} differs): expected a new file, or one of the same sweep"
                );
            };
            self.rows.insert(point.index, row.moved(point.index, &point.place)?);
        }
        Ok(())
    }

    /// Whether a point is there.
    pub(crate) fn has(&self, index: usize) -> bool {
        self.rows.contains_key(&index)
    }

    /// Whether a point is there with figures.
    pub(crate) fn ran(&self, index: usize) -> bool {
        self.rows.get(&index).is_some_and(|row| row.error.is_none())
    }

    /// Writes a finished point down.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn add(&mut self, row: Row) -> anyhow::Result<()> {
        self.append_line(&serde_json::to_string(&row)?)?;
        self.rows.insert(row.index, row);
        Ok(())
    }

    fn append_line(&mut self, line: &str) -> anyhow::Result<()> {
        let bytes = format!("{line}\n");
        self.file
            .write_all(bytes.as_bytes())
            .with_context(|| format!("cannot write `{}`", self.path.display()))
    }

    /// Puts the lines in the order of the grid.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn finish(self) -> anyhow::Result<(Header, Vec<Row>)> {
        let rows: Vec<Row> = self.rows.into_values().collect();
        write(&self.path, &self.header, &rows)?;
        Ok((self.header, rows))
    }
}

/// Writes a whole file.
fn write(path: &Path, header: &Header, rows: &[Row]) -> anyhow::Result<()> {
    let mut file = OutFile::create(path)?;
    serde_json::to_writer(&mut file, header)?;
    file.write_all(b"\n")?;
    for row in rows {
        serde_json::to_writer(&mut file, row)?;
        file.write_all(b"\n")?;
    }
    file.finish()
}

/// Joins the files of shards: all points of their grid, in its order.
///
/// # Errors
/// When a file is of another sweep, two disagree on a point, or points are missing.
pub(crate) fn merge(files: &[PathBuf], out: Option<&Path>) -> anyhow::Result<(Header, Vec<Row>)> {
    let mut all: Option<(&Path, Header)> = None;
    let mut rows: BTreeMap<usize, Row> = BTreeMap::new();
    for path in files {
        let at = path.display();
        let file = File::open(path).with_context(|| format!("cannot read `{at}`"))?;
        let held =
            read(&file, path)?.with_context(|| format!("`{at}` is empty, expected a file of a sweep"))?;
        match &all {
            None => all = Some((path, Header { shard: None, ..held.header })),
            Some((first, header)) => {
                if let Some(what) = header.difference(&held.header) {
                    bail!("`{at}` is of another sweep than `{}`: the {what} differs", first.display());
                }
            }
        }
        for row in held.rows {
            let same = |known: &Row| serde_json::to_string(known).ok() == serde_json::to_string(&row).ok();
            match rows.get(&row.index) {
                Some(known) if !same(known) => {
                    bail!(
                        "`{at}`: point {} (`{}`) has other figures than in a file before",
                        row.index,
                        row.id
                    )
                }
                Some(_) => {}
                None => drop(rows.insert(row.index, row)),
            }
        }
    }
    let (_, header) = all.context("no file, expected at least one")?;
    let missing: Vec<usize> = (0..header.points).filter(|index| !rows.contains_key(index)).collect();
    if let Some(first) = missing.first() {
        bail!(
            "{} of {} points are missing, the first is point {first}: a shard is not there or not finished",
            missing.len(),
            header.points
        );
    }
    let rows: Vec<Row> = rows.into_values().collect();
    ensure!(rows.len() == header.points, "a file holds points beyond the grid's {}", header.points);
    if let Some(path) = out {
        write(path, &header, &rows)?;
    }
    Ok((header, rows))
}
