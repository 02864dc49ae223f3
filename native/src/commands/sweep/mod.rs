//! `sweep`: a grid of set-ups over the same traces, on all cores, resumable, in shards that merge to
//! the same bytes.

mod alike;
mod best;
mod grid;
mod store;
mod values;
mod work;

use crate::args::InputArgs;
use crate::export::outcomes::{self, Varied};
use crate::output::{self, OutFile};
use crate::scenario::ScenarioArgs;
use crate::words::count;
use anyhow::Context;
use atr_core::figure::units;
use atr_core::policy::PolicyRun;
use atr_core::trace::Session;
use atr_core::trace::ndjson;
use best::{TableArgs, Wanted};
use grid::{Grid, GridArgs, Point, Points, Shard};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use store::{Header, Inputs, Row, Store};

/// Name and version of the file's format.
const SCHEMA: &str = "atr-sweep/1";

/// Arguments of `sweep`.
#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    after_help = help()
)]
pub(crate) struct SweepArgs {
    #[command(subcommand)]
    merge: Option<SweepCommand>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    grid: GridArgs,
    /// Append finished points here; what is there already is not run again.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Run one part of the points only: part I of N, from 0.
    #[arg(long, value_name = "I/N", value_parser = Shard::read)]
    shard: Option<Shard>,
    /// Points that run at the same time; default: one a core.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Write what happened to every call here, as a Parquet table a point.
    #[arg(long, value_name = "DIR")]
    outcomes: Option<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    scenario: ScenarioArgs,
}

/// Commands below `sweep`.
#[derive(clap::Subcommand, Debug)]
enum SweepCommand {
    /// Join the files of shards into the one that a single run writes.
    Merge(MergeArgs),
}

/// Arguments of `sweep merge`.
#[derive(clap::Args, Debug)]
struct MergeArgs {
    /// Files that `sweep --out` wrote.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Write the joined file here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
}

fn help() -> String {
    format!(
        "Every key of a scenario can vary: {}.\nThe other flags are those of `simulate`, whose help names policies and \
         parts.\n`docs/sweeps.md` describes grids, files and clusters.",
        grid::varying().collect::<Vec<_>>().join(", ")
    )
}

/// What `--json` prints. The last two are volatile and absent behind `merge`.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    header: &'a Header,
    rows: &'a [Row],
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    calls_per_s: Option<f64>,
}

/// Sweeps and prints, or merges.
///
/// # Errors
/// When the call is wrong, the traces cannot be read or results cannot be written.
pub(crate) fn run(args: &SweepArgs, json: bool) -> anyhow::Result<ExitCode> {
    if let Some(SweepCommand::Merge(merge)) = &args.merge {
        return merged(merge, json);
    }
    let wanted = args.table.wanted()?;
    let grid = Grid::new(&args.grid, &args.scenario.scenario()?)?;
    let folder = args.outcomes.as_deref().map(make_folder).transpose()?;
    let imported = args.input.read()?;
    let inputs = inputs(&imported.sessions)?;
    let Points { all: mut points, merged, left_out } = grid.points(&inputs.sha256)?;
    for (key, why) in left_out {
        output::note(format_args!("note: `{key}` is left out where nothing reads it: {why}"));
    }
    if merged > 0 {
        let all = count((points.len() + merged) as u64, "combination");
        output::note(format_args!("note: {all} come to {}", count(points.len() as u64, "point")));
    }
    let header = Header::new(&grid, &inputs, points.len(), args.shard.map(Shard::text))?;
    if let Some(shard) = args.shard {
        shard.keep(&mut points);
    }
    let table = |point: &Point<'_>| folder.map(|folder| folder.join(format!("{}.parquet", point.id)));
    let mut store = Results::open(args.out.as_deref(), header, &points)?;
    let left: Vec<&Point<'_>> = points
        .iter()
        .filter(|point| {
            !store.has(point.index)
                || table(point).is_some_and(|path| store.ran(point.index) && !path.exists())
        })
        .collect();
    let threads = args.threads.map_or_else(cores, usize::from);
    let all = count(points.len() as u64, "point");
    output::note(format_args!("{all}, {} of them to run, {threads} at a time", left.len()));
    let keep = |point: &Point<'_>, runs: &[PolicyRun]| match table(point) {
        None => Ok(()),
        Some(path) => outcomes::write(OutFile::create(&path)?, &varied(&grid, point), Some(&point.id), runs),
    };
    let begun = Instant::now();
    let calls = work::run(&imported.sessions, left, threads, &keep, |row| store.add(row))?;
    let wall_s = begun.elapsed().as_secs_f64();
    let (header, rows) = store.finish()?;
    let answer = Answer {
        header: &header,
        rows: &rows,
        wall_ms: Some(wall_s * 1e3),
        calls_per_s: Some(calls as f64 / wall_s.max(1e-9)),
    };
    // A part may happen to have bad points only; that must not have it run again and again.
    check(&rows, args.input.read.strict, args.shard.is_some())?;
    // Of a part nothing can be said: other parts may differ.
    if args.shard.is_none() {
        alike::tell(&rows)?;
    }
    print(&answer, &wanted, json)?;
    Ok(ExitCode::SUCCESS)
}

fn merged(args: &MergeArgs, json: bool) -> anyhow::Result<ExitCode> {
    let wanted = args.table.wanted()?;
    let (header, rows) = store::merge(&args.files, args.out.as_deref())?;
    let answer = Answer { header: &header, rows: &rows, wall_ms: None, calls_per_s: None };
    check(&rows, false, false)?;
    alike::tell(&rows)?;
    if args.out.as_deref() != Some(Path::new("-")) {
        print(&answer, &wanted, json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Fails when no point could be run, or one could not and that matters.
fn check(rows: &[Row], strict: bool, part: bool) -> anyhow::Result<()> {
    let failed: Vec<(&Row, &str)> =
        rows.iter().filter_map(|row| Some((row, row.error.as_deref()?))).collect();
    let Some((row, why)) = failed.first() else { return Ok(()) };
    let (bad, all) = (failed.len(), count(rows.len() as u64, "point"));
    anyhow::ensure!(
        !strict && (part || bad < rows.len()),
        "{bad} of {all} cannot be run; the first, {}: {why}",
        row.point
    );
    Ok(())
}

fn print(answer: &Answer<'_>, wanted: &Wanted, json: bool) -> anyhow::Result<()> {
    if json {
        return output::emit_json(answer);
    }
    let mut text = best::render(answer.header, answer.rows, wanted)?;
    if let (Some(wall_ms), Some(rate)) = (answer.wall_ms, answer.calls_per_s) {
        let calls = (rate * wall_ms / 1e3).round() as u64;
        text.push_str(&format!(
            "{} in {}, {} calls/s.\n",
            count(calls, "simulated call"),
            units::time(wall_ms),
            units::grouped(rate as u64)
        ));
    }
    Ok(output::emit(&text)?)
}

/// Where rows go: to a file, or nowhere but the answer.
enum Results {
    File(Box<Store>),
    Memory(Box<Header>, Vec<Row>),
}

impl Results {
    fn open(out: Option<&Path>, header: Header, points: &[Point<'_>]) -> anyhow::Result<Self> {
        Ok(match out {
            Some(path) => Results::File(Box::new(Store::open(path, header, points)?)),
            None => Results::Memory(Box::new(header), Vec::new()),
        })
    }

    fn has(&self, index: usize) -> bool {
        matches!(self, Results::File(store) if store.has(index))
    }

    fn ran(&self, index: usize) -> bool {
        matches!(self, Results::File(store) if store.ran(index))
    }

    fn add(&mut self, row: Row) -> anyhow::Result<()> {
        match self {
            Results::File(store) => store.add(row),
            Results::Memory(_, rows) => {
                rows.push(row);
                Ok(())
            }
        }
    }

    fn finish(self) -> anyhow::Result<(Header, Vec<Row>)> {
        match self {
            Results::File(store) => store.finish(),
            Results::Memory(header, mut rows) => {
                rows.sort_by_key(|row| row.index);
                Ok((*header, rows))
            }
        }
    }
}

fn make_folder(path: &Path) -> anyhow::Result<&Path> {
    std::fs::create_dir_all(path).with_context(|| format!("cannot make `{}`", path.display()))?;
    Ok(path)
}

fn varied<'a>(grid: &'a Grid, point: &'a Point<'_>) -> Vec<Varied<'a>> {
    let one = |(key, all): &'a (&'static str, Vec<Value>)| {
        let here = point.place.0.iter().find(|(known, _)| known == key);
        let value = here.map_or(&Value::Null, |(_, value)| &**value);
        Varied { key, all, value, shown: values::shown(value) }
    };
    grid.over().iter().map(one).collect()
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What the sessions are, by their content.
fn inputs(sessions: &[Session]) -> anyhow::Result<Inputs> {
    struct Hash(Sha256);
    impl Write for Hash {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.update(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hash = io::BufWriter::with_capacity(1 << 16, Hash(Sha256::new()));
    sessions.iter().try_for_each(|session| ndjson::write_session(&mut hash, session))?;
    let hash = hash.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(Inputs {
        sha256: hash.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        sessions: sessions.len() as u64,
        calls: sessions.iter().map(|session| session.calls.len() as u64).sum(),
    })
}
