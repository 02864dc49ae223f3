//! Outcomes as files: one JSON line per call and policy. Every line says whether it was simulated or measured, so
//! that neither can be taken for the other.

use crate::args::WrongCall;
use crate::output::OutFile;
use anyhow::{Context, bail, ensure};
use atr_core::policy::PolicyRun;
use atr_core::report::Origin;
use atr_core::trace::{CallOutcome, Outcome};
use flate2::bufread::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// Bytes that begin a gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// One line.
#[derive(Serialize)]
struct LineOut<'a> {
    policy: &'a str,
    origin: Origin,
    #[serde(flatten)]
    call: &'a CallOutcome,
}

#[derive(Deserialize)]
struct LineIn {
    policy: String,
    origin: Option<Origin>,
    #[serde(flatten)]
    call: CallOutcome,
}

/// Writes what happened to each call under each policy.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(mut file: OutFile, origin: Origin, runs: &[PolicyRun]) -> anyhow::Result<()> {
    for run in runs {
        for call in &run.outcome.calls {
            serde_json::to_writer(&mut file, &LineOut { policy: &run.name, origin, call })?;
            file.write_all(b"\n")?;
        }
    }
    file.finish()
}

/// One policy's outcome out of a file.
pub(crate) struct Read {
    /// The policy.
    pub(crate) policy: String,
    /// `Measured` or `Simulated`.
    pub(crate) origin: Origin,
    /// What happened to each call, in the order of the workload.
    pub(crate) outcome: Outcome,
}

/// Reads the outcome of a policy; without a name, of the only one.
///
/// # Errors
/// When the file cannot be read, a line is no call of an outcome or does not say where it comes from, or the policy
/// is not there.
pub(crate) fn read(path: &Path, policy: Option<&str>) -> anyhow::Result<Read> {
    let name = path.display();
    let mut policies: BTreeMap<String, Vec<CallOutcome>> = BTreeMap::new();
    let mut origin: Option<Origin> = None;
    for (number, line) in (1u64..).zip(open(path)?.lines()) {
        let line = line.with_context(|| format!("{name}: cannot be read"))?;
        if line.trim().is_empty() {
            continue;
        }
        let line: LineIn = serde_json::from_str(&line)
            .with_context(|| format!("{name}: line {number}: no call of an outcome"))?;
        let said = match line.origin {
            Some(said @ (Origin::Measured | Origin::Simulated)) => said,
            Some(other) => bail!(
                "{name}: line {number}: `origin` is `{}`, expected `measured` or `simulated`",
                other.name()
            ),
            None => bail!("{name}: line {number}: `origin` is missing, expected `measured` or `simulated`"),
        };
        let first = *origin.get_or_insert(said);
        ensure!(
            first == said,
            "{name}: line {number}: `origin` is `{}`, expected `{}` as before",
            said.name(),
            first.name()
        );
        policies.entry(line.policy).or_default().push(line.call);
    }
    let Some(origin) = origin else { bail!("{name}: no calls") };
    let found = policies.keys().cloned().collect::<Vec<_>>().join(", ");
    let policy = match (policy, policies.first_key_value()) {
        (Some(policy), _) => policy.to_owned(),
        (None, Some((only, _))) if policies.len() == 1 => only.clone(),
        _ => {
            let why = format!("{name} has several policies, expected `--policy` with one of: {found}");
            return Err(WrongCall(why).into());
        }
    };
    let Some(mut calls) = policies.remove(&policy) else {
        return Err(WrongCall(format!("`--policy` is `{policy}`, expected one of {name}: {found}")).into());
    };
    calls.sort_by_key(|call| call.id);
    Ok(Read { policy, origin, outcome: Outcome { calls, ..Outcome::default() } })
}

/// Unpacks what is packed.
fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    let mut plain: Box<dyn BufRead> = if path == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        let file = File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?;
        Box::new(BufReader::with_capacity(1 << 16, file))
    };
    let head = plain.fill_buf().with_context(|| format!("{}: cannot be read", path.display()))?;
    Ok(if head.starts_with(&GZIP) { Box::new(BufReader::new(MultiGzDecoder::new(plain))) } else { plain })
}
