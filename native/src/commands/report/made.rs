//! What a report run makes: files of reports and figures, and where they say that they come from.

use super::svg;
use atr_core::figure::Figure;
use atr_core::report::{Body, Input, Kind, Provenance, Report};

/// Widths of the figures' files, in CSS pixels: for a desk and for a phone.
pub(super) const WIDE: u32 = 880;
pub(super) const NARROW: u32 = 340;

/// A file that a report run makes.
pub(super) struct Made {
    /// Below the folder of the reports.
    pub(super) path: String,
    pub(super) text: String,
}

pub(super) fn provenance(kind: Kind, inputs: Vec<Input>) -> Provenance {
    Provenance {
        command: format!("atr-bench report {} --data data --out reports", kind.name()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        inputs,
        machine: None,
        created: None,
    }
}

pub(super) fn add_report<B: Body>(
    name: &str,
    report: &Report<B>,
    made: &mut Vec<Made>,
) -> anyhow::Result<()> {
    made.push(Made { path: format!("{name}.json"), text: report.to_json()? });
    Ok(())
}

pub(super) fn add_figure(
    name: &str,
    figure: &impl Figure,
    width: u32,
    made: &mut Vec<Made>,
) -> anyhow::Result<()> {
    made.push(Made { path: format!("figures/{name}.svg"), text: svg::render(figure, width)? });
    Ok(())
}
