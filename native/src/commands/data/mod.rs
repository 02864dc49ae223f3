//! `atr-bench data`: the bundled sets from their public sources, the same byte for byte every time.

mod index;
mod plans;
mod prompts;
mod raw;
mod sample;
mod synthetic;

use crate::commands::import::Solved;
use crate::input::{self, ReadOptions};
use crate::{output, tokens};
use anyhow::{Context, bail};
use atr_core::import::Imported;
use atr_core::trace::ndjson::Header;
use atr_core::trace::{Mark, Session};
use clap::Args;
use index::{Entry, Index};
use plans::{CLAUDE_CODE, GEMINI, PLANS, Plan};
use raw::Raw;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Arguments of `data`.
#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// Folder that holds the public sources, unpacked or as .tar.xz
    raw: PathBuf,
    /// Folder to write the sets to
    #[arg(long, value_name = "FOLDER", default_value = "data")]
    out: PathBuf,
}

/// The command that the sets name as theirs.
const COMMAND: &str = "atr-bench data RAW --out data";

/// Runs the command.
///
/// # Errors
/// When a source is missing or not what it should be, or a set cannot be written.
pub(crate) fn run(args: &DataArgs) -> anyhow::Result<ExitCode> {
    let mut raw = Raw::new(&args.raw);
    fs::create_dir_all(&args.out).with_context(|| format!("{}: cannot be made", args.out.display()))?;
    let mut sets = Vec::new();
    for plan in PLANS {
        output::progress(format_args!("deriving {}", plan.name));
        let imported = derive(plan, &mut raw)?;
        sets.push(save(plan, plan.name, &args.out, &imported.sessions)?);
        if plan.name == CLAUDE_CODE.name {
            sets.insert(0, sample::sample(&args.out, &imported.sessions)?);
        }
        if plan.name == GEMINI.name {
            let counter = tokens::load(tokens::DEFAULT)?;
            sets.extend(prompts::prompts(&args.out, &imported, counter.as_ref())?);
        }
    }
    output::progress("drawing synthetic");
    sets.push(synthetic::synthetic(&args.out)?);
    let index = Index { sets };
    output::write_file(
        &args.out.join("index.json"),
        &format!("{}\n", serde_json::to_string_pretty(&index)?),
    )?;
    output::write_file(&args.out.join("DATA.md"), &index::page(&index))?;
    Ok(ExitCode::SUCCESS)
}

/// Reads a set from its source. A bundled set is whole or not at all: what cannot be read is known
/// beforehand.
fn derive(plan: &Plan, raw: &mut Raw) -> anyhow::Result<Imported> {
    let paths: Vec<PathBuf> =
        plan.files.iter().map(|file| raw.find(plan.archive, file)).collect::<Result<_, _>>()?;
    let options = ReadOptions {
        counter: tokens::load(tokens::DEFAULT)?,
        format: plan.format.map(str::to_owned),
        keep_text: plan.name == GEMINI.name,
        ..ReadOptions::default()
    };
    let mut imported = input::read(&paths, &options)?;
    let expected = |why: &str| plan.unread.iter().any(|(part, ..)| why.contains(part));
    if let Some(other) = imported.skipped.iter().find(|skipped| !expected(&skipped.why)) {
        bail!(
            "{}: a record was skipped that is none of those expected: {}: {}",
            plan.name,
            other.file,
            other.why
        );
    }
    for (part, count, _) in plan.unread {
        let found = imported.skipped.iter().filter(|skipped| skipped.why.contains(part)).count();
        if found != *count {
            bail!("{}: {found} records were skipped because of `{part}`, expected {count}", plan.name);
        }
    }
    if let Some(file) = plan.resolved {
        let solved = Solved::read(&raw.beside(file))?;
        imported.sessions.iter_mut().for_each(|session| solved.mark(session));
    }
    for session in imported.sessions.iter_mut().filter(|_| !plan.harness.is_empty()) {
        plan.harness.clone_into(&mut session.harness);
    }
    Ok(imported)
}

/// Writes a set and says what is in it.
fn save(plan: &Plan, name: &'static str, folder: &Path, sessions: &[Session]) -> anyhow::Result<Entry> {
    let file = format!("{name}.ndjson.gz");
    let bytes = packed(plan, name, sessions.iter())?;
    let path = folder.join(&file);
    fs::write(&path, &bytes).with_context(|| format!("{}: cannot be written", path.display()))?;
    let calls = || sessions.iter().flat_map(|session| &session.calls);
    let cached: Vec<u64> = calls()
        .filter_map(|call| call.recorded.as_ref().and_then(|recorded| recorded.cached_tokens))
        .collect();
    let digest = Sha256::digest(&bytes);
    Ok(Entry {
        name,
        file,
        title: plan.title,
        harness: plan.harness,
        source: plan.source,
        revision: plan.revision,
        licence: plan.licence,
        command: COMMAND,
        kind: plan.kind,
        counts_from: counts_from(sessions),
        sessions: sessions.len() as u64,
        duplicates: sessions.iter().filter(|session| session.has(Mark::Duplicate)).count() as u64,
        calls: calls().count() as u64,
        prompt_tokens: sessions.iter().map(Session::prompt_tokens).sum(),
        output_tokens: sessions.iter().map(Session::output_tokens).sum(),
        recorded_cached_tokens: (!cached.is_empty()).then(|| cached.iter().sum()),
        bytes: bytes.len() as u64,
        sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        rule: None,
        recipe: None,
        incomplete: plan.incomplete,
        members: Vec::new(),
        left_out: plan.unread.iter().map(|(_, count, why)| format!("{count} {why}")).collect(),
        about: plan.about,
    })
}

/// Where counts come from, each way once.
fn counts_from(sessions: &[Session]) -> String {
    let ways: BTreeSet<&str> = sessions.iter().map(|session| session.counts_from.as_str()).collect();
    ways.into_iter().collect::<Vec<_>>().join(", ")
}

fn packed<'a>(
    plan: &Plan,
    name: &str,
    sessions: impl IntoIterator<Item = &'a Session>,
) -> anyhow::Result<Vec<u8>> {
    let header = Header {
        source: plan.source.to_owned(),
        revision: plan.revision.to_owned(),
        licence: plan.licence.to_owned(),
        command: COMMAND.to_owned(),
        kind: plan.kind.to_owned(),
        ..Header::named(name)
    };
    Ok(output::gzip(|out| output::set(out, &header, sessions))?)
}
