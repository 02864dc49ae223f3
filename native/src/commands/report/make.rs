//! Making reports: one function a kind. Nothing here knows the date or the machine.

use super::made::{Made, NARROW, WIDE, add_figure, add_report, provenance};
use super::set::read;
use super::{dispatch, failures, plan, probe, shapes};
use anyhow::Context;
use atr_core::figure::{Figure, LatencyFigure, Quantity, RaceFigure, StripsFigure, SweepFigure};
use atr_core::metrics;
use atr_core::policy;
use atr_core::report::{Kind, Lane, Origin, Policies, Published, Race, Report, Sweep, SweepPoint};
use std::path::Path;

/// Makes the reports of a kind with their figures.
pub(super) fn reports(kind: Kind, data: &Path, out: &Path, made: &mut Vec<Made>) -> anyhow::Result<()> {
    match kind {
        Kind::Policies => plan::SETS.iter().try_for_each(|set| policies(set, data, made)),
        Kind::Sweep => sweep(data, made),
        Kind::Race => race(data, made),
        Kind::Published => published(made),
        Kind::Shapes => shapes::report(data, made),
        Kind::Failures => failures::report(made),
        Kind::Dispatch => dispatch::report(data, made),
        Kind::Probe => probe::figures(out, made),
    }
}

fn policies(plan: &plan::SetPlan, data: &Path, made: &mut Vec<Made>) -> anyhow::Result<()> {
    let set = read(plan.name, data)?;
    let (resolved, runs) = policy::simulate(&set.sessions, &plan.scenario())?;
    let title = format!("{}: serving policies compared", plan.title);
    let body = Policies::new(set.of, resolved, &runs);
    let report = Report::new(Origin::Simulated, title, provenance(Kind::Policies, vec![set.input]), body);
    let name = format!("policies-{}", plan.name);
    add_report(&name, &report, made)?;
    add_figure(&format!("latency-{}", plan.name), &LatencyFigure { report: &report.body }, WIDE, made)
}

fn sweep(data: &Path, made: &mut Vec<Made>) -> anyhow::Result<()> {
    let set = read(plan::CLAUDE_CODE, data)?;
    let mut points = Vec::new();
    let mut first = None;
    for kv_tokens in plan::SWEEP_KV_TOKENS {
        for concurrency in plan::SWEEP_CONCURRENCY {
            let scenario = plan::sweep(concurrency, kv_tokens);
            let (resolved, runs) = policy::simulate(&set.sessions, &scenario)?;
            let rows = metrics::compare(&runs);
            points.extend(rows.iter().map(|row| SweepPoint::new(row, concurrency, kv_tokens)));
            first.get_or_insert(resolved);
        }
    }
    let scenario = first.context("the sweep has no points")?;
    let title = format!("{}: load, policy and cache size", set.of.title);
    let body = Sweep {
        sample: format!("all {} sessions", set.sessions.len()),
        set: set.of,
        concurrency: plan::SWEEP_CONCURRENCY.to_vec(),
        kv_tokens: plan::SWEEP_KV_TOKENS.to_vec(),
        policies: scenario.scenario.policies.clone(),
        scenario,
        points,
    };
    let report = Report::new(Origin::Simulated, title, provenance(Kind::Sweep, vec![set.input]), body);
    add_report("sweep", &report, made)?;
    for quantity in [Quantity::TtftP95, Quantity::HitRate, Quantity::JobP50] {
        let figure = SweepFigure { report: &report.body, quantity };
        add_figure(figure.id(), &figure, WIDE, made)?;
    }
    Ok(())
}

fn race(data: &Path, made: &mut Vec<Made>) -> anyhow::Result<()> {
    let mut set = read(plan::CLAUDE_CODE, data)?;
    set.sessions.retain(|session| session.id == plan::RACE_SESSION);
    let Some(session) = set.sessions.first() else {
        anyhow::bail!("`{}` has no session `{}`", set.of.path, plan::RACE_SESSION);
    };
    let (harness, name) = (session.harness.clone(), session.id.clone());
    let (scenario, runs) = policy::simulate(&set.sessions, &plan::race())?;
    let title = format!("{}: one session under each policy", set.of.title);
    let lanes = runs.iter().map(Lane::new).collect();
    let body = Race { set: set.of, session: name, harness, scenario, lanes };
    let report = Report::new(Origin::Simulated, title, provenance(Kind::Race, vec![set.input]), body);
    add_report("race", &report, made)?;
    let figure = RaceFigure::at_first_finish(&report.body);
    add_figure("race", &figure, WIDE, made)?;
    add_figure("race-narrow", &figure, NARROW, made)?;
    let lane = report.body.lane("prefix-aware-routing").or(report.body.lanes.first());
    if let Some(lane) = lane {
        let figure = StripsFigure {
            name: format!("session {}", report.body.session),
            cache: lane.policy.clone(),
            rows: lane.strips(),
            selected: None,
        };
        add_figure("strips", &figure, WIDE, made)?;
        add_figure("strips-narrow", &figure, NARROW, made)?;
    }
    Ok(())
}

fn published(made: &mut Vec<Made>) -> anyhow::Result<()> {
    let title = "Prefix caching as the original project published it".to_owned();
    let body = Published::original_project();
    let report = Report::new(Origin::Published, title, provenance(Kind::Published, Vec::new()), body);
    add_report("published", &report, made)
}
