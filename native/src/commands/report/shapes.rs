//! The report of kind `shapes`: over every set that the catalogue of bundled sets names.

use super::made::{Made, WIDE, add_figure, add_report, provenance};
use super::set::read_file;
use anyhow::Context;
use atr_core::figure::{Figure, ShapesFigure, ShapesView};
use atr_core::report::{AgentShapes, Kind, NotCounted, Origin, Report, ShapesInput};
use serde::Deserialize;
use std::fs;
use std::path::Path;

/// The catalogue of the bundled sets, as far as shapes need it.
#[derive(Deserialize)]
struct Index {
    sets: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
    file: String,
    title: String,
    harness: String,
    kind: String,
    /// How a part of another set was chosen.
    rule: Option<String>,
    /// Why its sessions do not show how an agent behaves.
    incomplete: Option<String>,
}

/// Makes the report.
pub(super) fn report(data: &Path, made: &mut Vec<Made>) -> anyhow::Result<()> {
    let path = data.join("index.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let index: Index =
        serde_json::from_str(&text).with_context(|| format!("`{}`: expected `sets`", path.display()))?;
    let (mut inputs, mut not_counted, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for entry in index.sets {
        if let Some(why) = why_not(&entry).map(str::to_owned) {
            not_counted.push(NotCounted { name: entry.name, why });
            continue;
        }
        let origin = origin(&entry)?;
        let set = read_file(&entry.name, &entry.title, &entry.file, data)?;
        files.push(set.input);
        inputs.push(ShapesInput { set: set.of, origin, harness: entry.harness, sessions: set.sessions });
    }
    let body = AgentShapes::new(&inputs, not_counted);
    let title = "Agent shapes: what agents ask of a server".to_owned();
    let report = Report::new(Origin::Measured, title, provenance(Kind::Shapes, files), body);
    add_report("shapes", &report, made)?;
    for view in ShapesView::ALL {
        let figure = ShapesFigure { report: &report.body, view, harnesses: &[] };
        add_figure(figure.id(), &figure, WIDE, made)?;
    }
    Ok(())
}

/// Why a set says nothing about shapes that another does not.
fn why_not(entry: &Entry) -> Option<&str> {
    match entry {
        Entry { incomplete: Some(why), .. } => Some(why),
        Entry { rule: Some(_), .. } => Some("a part of another set"),
        Entry { harness, kind, .. } if harness.is_empty() && kind == "real" => {
            Some("of no agent: single requests without sessions")
        }
        _ => None,
    }
}

fn origin(entry: &Entry) -> anyhow::Result<Origin> {
    match entry.kind.as_str() {
        "real" => Ok(Origin::Measured),
        "synthetic" => Ok(Origin::Simulated),
        other => {
            anyhow::bail!("the set `{}` is of the kind `{other}`, expected `real` or `synthetic`", entry.name)
        }
    }
}
