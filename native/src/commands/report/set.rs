//! The bundled sets that reports are made from.

use super::plan;
use crate::input::{self, ReadOptions};
use crate::words::count;
use anyhow::Context;
use atr_core::report::{Input, SetRef};
use atr_core::trace::Session;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// A bundled set that was read.
pub(super) struct Set {
    pub(super) sessions: Vec<Session>,
    pub(super) of: SetRef,
    pub(super) input: Input,
}

pub(super) fn read(name: &str, data: &Path) -> anyhow::Result<Set> {
    let plan = plan::set(name).with_context(|| format!("no bundled set is called `{name}`"))?;
    read_file(name, plan.title, &format!("{name}.ndjson.gz"), data)
}

/// Reads a set's file, whole or not at all.
pub(super) fn read_file(name: &str, title: &str, file: &str, data: &Path) -> anyhow::Result<Set> {
    let path = data.join(file);
    let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let options = ReadOptions::default();
    let imported = input::read(&[path], &options)?;
    anyhow::ensure!(
        imported.skipped.is_empty(),
        "`{file}` has {}",
        count(imported.skipped_count(), "bad record")
    );
    // Committed files are named from the repository's root, wherever the set was read from.
    let path = format!("data/{file}");
    Ok(Set {
        sessions: imported.sessions,
        of: SetRef { name: name.to_owned(), title: title.to_owned(), path: path.clone() },
        input: Input { path, sha256: hex(&Sha256::digest(&bytes)) },
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
