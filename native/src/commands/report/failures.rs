//! The report of kind `failures`: every known failure under every router.

use super::made::{Made, NARROW, WIDE, add_figure, add_report, provenance};
use anyhow::Context;
use atr_core::figure::{FailureFigure, Figure};
use atr_core::metrics;
use atr_core::policy::{self, EXHIBITS, Exhibit, Resolved, Scenario};
use atr_core::report::{Failure, Failures, Figures, Kind, Origin, Report};
use atr_core::serve::route::ROUTERS;

/// Makes the report.
pub(super) fn report(made: &mut Vec<Made>) -> anyhow::Result<()> {
    let exhibits = EXHIBITS.iter().map(failure).collect::<anyhow::Result<Vec<_>>>()?;
    let body = Failures { exhibits };
    let title = "Known failures of routers".to_owned();
    let report = Report::new(Origin::Simulated, title, provenance(Kind::Failures, Vec::new()), body);
    add_report("failures", &report, made)?;
    for failure in &report.body.exhibits {
        let figure = FailureFigure { failure };
        add_figure(figure.id(), &figure, WIDE, made)?;
        add_figure(&format!("{}-narrow", figure.id()), &figure, NARROW, made)?;
    }
    Ok(())
}

fn failure(exhibit: &Exhibit) -> anyhow::Result<Failure> {
    let mut both = Vec::new();
    let mut scenarios = None;
    for router in ROUTERS {
        let (calm, calm_set_up) = run(exhibit, false, router.name)?;
        let (failing, failing_set_up) = run(exhibit, true, router.name)?;
        both.push((router.name.to_owned(), [calm, failing]));
        // The router stands with its row.
        scenarios.get_or_insert([calm_set_up, failing_set_up].map(|mut set_up| {
            set_up.scenario.router = None;
            set_up
        }));
    }
    Ok(Failure::new(exhibit, scenarios.context("there is no router")?, both))
}

fn run(exhibit: &Exhibit, failing: bool, router: &str) -> anyhow::Result<(Figures, Resolved)> {
    let (sessions, scenario) = exhibit.make(failing);
    let scenario = Scenario { router: Some(router.to_owned()), ..scenario };
    let (resolved, runs) = policy::simulate(&sessions, &scenario)?;
    let rows = metrics::compare(&runs);
    let (run, row) = (runs.first().context("no policy ran")?, rows.first().context("no policy ran")?);
    Ok((Figures::new(run, row), resolved))
}
