//! The report of kind `dispatch`: the same sessions by recorded times and by recorded delays.

use super::made::{Made, add_report, provenance};
use super::plan;
use super::set::read;
use anyhow::Context;
use atr_core::policy::{self, PolicyRun, Replay, Resolved};
use atr_core::report::{Dispatch, DispatchLoad, DispatchSet, Kind, Origin, Report};
use atr_core::trace::Session;
use std::path::Path;

/// Makes the report.
pub(super) fn report(data: &Path, made: &mut Vec<Made>) -> anyhow::Result<()> {
    let (mut sets, mut inputs) = (Vec::new(), Vec::new());
    for (name, rates) in plan::DISPATCH {
        let set = read(name, data)?;
        let (mut loads, mut first) = (Vec::new(), None);
        for per_s in rates {
            let (scenario, times) = run(&set.sessions, per_s, Replay::Times)?;
            let (_, delays) = run(&set.sessions, per_s, Replay::Delays)?;
            loads.push(DispatchLoad::new(per_s, times, delays).context("a policy gave no row")?);
            first.get_or_insert(scenario);
        }
        let scenario = first.context("the comparison of dispatch has no loads")?;
        inputs.push(set.input);
        sets.push(DispatchSet { set: set.of, scenario, loads });
    }
    let title = "Dispatch by recorded times and by recorded delays".to_owned();
    let body = Dispatch { sets };
    let report = Report::new(Origin::Simulated, title, provenance(Kind::Dispatch, inputs), body);
    add_report("dispatch", &report, made)
}

fn run(sessions: &[Session], per_s: f64, replay: Replay) -> anyhow::Result<(Resolved, PolicyRun)> {
    let (resolved, runs) = policy::simulate(sessions, &plan::dispatch(per_s, replay))?;
    Ok((resolved, runs.into_iter().next().context("no policy ran")?))
}
