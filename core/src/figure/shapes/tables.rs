//! The numbers behind each view.

use super::super::{Table, units};
use super::{ShapesFigure, ShapesView, all_uses, ratio};
use crate::metrics::shapes::{Parts, Variable};
use crate::report::{Origin, ShapesGroup};

const UNKNOWN: &str = "–";

/// The rows of one group.
type Rows = fn(&ShapesGroup) -> Vec<Vec<String>>;

impl ShapesFigure<'_> {
    #[inline]
    pub(super) fn numbers(&self) -> Table {
        let (columns, rows): (&[&str], Rows) = match self.view {
            ShapesView::Turns => {
                (&["turns p10", "p50", "p90", "most", "with a compaction or reset", "with sub-agents"], turns)
            }
            ShapesView::Growth | ShapesView::Multiple => {
                (&["turn", "prompt tokens p10", "p50", "p90", "of the first p10", "p50", "p90"], growth)
            }
            ShapesView::Parts => {
                (&["of", "tokens", "system", "task", "output", "observations", "other"], parts)
            }
            ShapesView::Gaps => (
                &[
                    "gaps",
                    "p50",
                    "p90",
                    "p99",
                    "lifetime",
                    "gaps over it",
                    "sessions with one",
                    "prompt tokens after one",
                ],
                gaps,
            ),
            ShapesView::Tools => (&["tool", "uses", "share"], tools),
        };
        let head = ["harness", "kind", "sessions"].iter().chain(columns).map(|name| (*name).to_owned());
        let rows = self.groups().flat_map(|group| {
            let kind = if group.origin == Origin::Measured { "recorded" } else { "synthetic" };
            rows(group).into_iter().map(move |row| {
                // A turn's row brings the number of sessions that have the turn.
                let (n, row) = row
                    .split_first()
                    .map_or((String::new(), Vec::new()), |(n, row)| (n.clone(), row.to_vec()));
                [vec![group.harness.clone(), kind.to_owned(), n], row].concat()
            })
        });
        Table { columns: head.collect(), rows: rows.collect() }
    }
}

#[inline]
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| units::grouped(value.round() as u64))
}

#[inline]
fn n(group: &ShapesGroup) -> String {
    units::grouped(group.shapes.sessions)
}

#[inline]
fn turns(group: &ShapesGroup) -> Vec<Vec<String>> {
    let turns = group.shapes.variable(Variable::Turns);
    let at = |share: f64| number(turns.and_then(|turns| turns.at(share)));
    let with = units::percent(group.shapes.compactions.sessions_share);
    vec![vec![
        n(group),
        at(0.1),
        at(0.5),
        at(0.9),
        at(1.0),
        with,
        units::percent(group.shapes.subagents.sessions_share),
    ]]
}

#[inline]
fn growth(group: &ShapesGroup) -> Vec<Vec<String>> {
    let row = |row: &crate::metrics::shapes::TurnRow| {
        let tokens = |place: usize| number(row.prompt_tokens.get(place).map(|pair| pair.1));
        let times = |place: usize| {
            row.of_first.get(place).map_or_else(|| UNKNOWN.to_owned(), |pair| format!("{:.2}", pair.1))
        };
        vec![
            units::grouped(row.n),
            row.turn.to_string(),
            tokens(0),
            tokens(2),
            tokens(4),
            times(0),
            times(2),
            times(4),
        ]
    };
    group.shapes.by_turn.iter().map(row).collect()
}

#[inline]
fn parts(group: &ShapesGroup) -> Vec<Vec<String>> {
    let row = |what: &str, parts: Option<Parts>| {
        let share = |pick: fn(&Parts) -> f64| units::percent(parts.as_ref().map(pick));
        let tokens = parts.map_or_else(|| UNKNOWN.to_owned(), |parts| units::grouped(parts.tokens));
        vec![
            n(group),
            what.to_owned(),
            tokens,
            share(|parts| parts.system),
            share(|parts| parts.task),
            share(|parts| parts.output),
            share(|parts| parts.observation),
            share(|parts| parts.other),
        ]
    };
    vec![row("all that is sent", group.shapes.sent), row("what a turn adds", group.shapes.added)]
}

#[inline]
fn gaps(group: &ShapesGroup) -> Vec<Vec<String>> {
    let gaps = group.shapes.variable(Variable::GapMs);
    let at =
        |share: f64| gaps.and_then(|gaps| gaps.at(share)).map_or_else(|| UNKNOWN.to_owned(), units::time);
    let count = gaps.map_or_else(|| UNKNOWN.to_owned(), |gaps| units::grouped(gaps.n));
    let own = || vec![n(group), count.clone(), at(0.5), at(0.9), at(0.99)];
    let Some(beyond) = &group.shapes.beyond else {
        return vec![[own(), vec![UNKNOWN.to_owned(); 4]].concat()];
    };
    let row = |row: &crate::metrics::shapes::BeyondRow| {
        let share = |share: f64| units::percent(Some(share));
        let lifetime = row.lifetime();
        [own(), vec![lifetime, share(row.gaps_share), share(row.sessions_share), share(row.prompt_share)]]
            .concat()
    };
    beyond.iter().map(row).collect()
}

#[inline]
fn tools(group: &ShapesGroup) -> Vec<Vec<String>> {
    let all = all_uses(&group.shapes);
    let row = |tool: &crate::metrics::shapes::ToolRow| {
        vec![n(group), tool.name.clone(), units::grouped(tool.uses), units::percent(ratio(tool.uses, all))]
    };
    match &group.shapes.tools {
        Some(tools) => tools.iter().map(row).collect(),
        None => vec![vec![n(group), UNKNOWN.to_owned(), UNKNOWN.to_owned(), UNKNOWN.to_owned()]],
    }
}
