//! Figures of the reports of kind `probe`. The reports themselves come from `atr-bench probe` on a GPU, and cannot be made
//! again elsewhere.

use super::made::{Made, NARROW, WIDE, add_figure};
use crate::output;
use anyhow::Context;
use atr_core::figure::RooflineFigure;
use atr_core::report::{Kind, Probe, load};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

/// Draws each that lies in the folder of the reports.
pub(super) fn figures(reports: &Path, made: &mut Vec<Made>) -> anyhow::Result<()> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(reports).into_iter().flatten().flatten().map(|e| e.path()).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "json"));
    files.sort();
    let mut found = false;
    for file in files {
        let name = file.display().to_string();
        let text = fs::read_to_string(&file).with_context(|| format!("cannot read `{name}`"))?;
        let kind = serde_json::from_str::<Value>(&text).ok().map(|report| report["kind"].clone());
        if kind.as_ref().and_then(Value::as_str) != Some(Kind::Probe.name()) {
            continue;
        }
        let report = load::<Probe>(&name, &text)?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let stem = format!("roofline-{}", stem.trim_start_matches("probe-"));
        let figure = RooflineFigure { report: &report.body };
        add_figure(&stem, &figure, WIDE, made)?;
        add_figure(&format!("{stem}-narrow"), &figure, NARROW, made)?;
        found = true;
    }
    if !found {
        output::progress(format_args!("no report of a probe: its measurement is still to come"));
    }
    Ok(())
}
