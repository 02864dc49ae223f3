//! From shapes to panels and bars.

use super::super::axis::ticks;
use super::super::bars::{Bars, Block, Fill, Row, Stretch};
use super::super::panels::{Axis, Curve, Panel, Panels};
use super::super::units;
use super::{Plot, ShapesFigure, ShapesView, all_uses, counted, ratio, sessions};
use crate::metrics::Distribution;
use crate::metrics::shapes::{BeyondRow, FEW_SESSIONS, Parts, Shapes, TurnRow, Variable};
use crate::report::{Origin, ShapesGroup};

/// Tools that have a bar of their own; the rest share one.
const TOOLS: usize = 6;
/// Left end of the axis of gaps: shorter ones stand there.
const LEAST_GAP_MS: f64 = 100.0;
/// Ticks of the axis of gaps: one a unit, so that all of them have room on the narrowest panel.
const GAP_TICKS: [(f64, &str); 5] =
    [(LEAST_GAP_MS, "0.1 s"), (1e3, "1 s"), (6e4, "1 min"), (3.6e6, "1 h"), (8.64e7, "1 d")];
/// Ticks of the axis of turns.
const TURN_TICKS: [u32; 10] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

impl ShapesFigure<'_> {
    #[inline]
    pub(super) fn plot(&self) -> Plot {
        match self.view {
            ShapesView::Growth | ShapesView::Multiple => Plot::Panels(self.growth()),
            ShapesView::Gaps => Plot::Panels(self.gaps()),
            ShapesView::Turns => Plot::Panels(self.turns()),
            ShapesView::Parts => Plot::Bars(self.parts()),
            ShapesView::Tools => Plot::Bars(self.tools()),
        }
    }

    /// One panel a harness, with a curve and a note for each of its groups that has one.
    #[inline]
    fn panels(
        &self,
        curve: &dyn Fn(&ShapesGroup) -> Option<Curve>,
        notes: &dyn Fn(&ShapesGroup) -> Vec<String>,
    ) -> Vec<Panel> {
        let of = |(harness, groups): (&str, Vec<&ShapesGroup>)| {
            let mut panel = Panel { title: harness.to_owned(), notes: Vec::new(), curves: Vec::new() };
            for group in groups {
                match curve(group) {
                    Some(curve) => {
                        panel.curves.push(curve);
                        panel.notes.extend(notes(group));
                    }
                    None => panel.notes.push(silent(group)),
                }
            }
            panel
        };
        self.harnesses().into_iter().map(of).collect()
    }

    #[inline]
    fn growth(&self) -> Panels {
        let multiple = self.view == ShapesView::Multiple;
        let value = |row: &TurnRow, place: usize| {
            let of = if multiple { &row.of_first } else { &row.prompt_tokens };
            of.get(place).map(|(_, value)| (row.turn as f64, *value))
        };
        let curve = |group: &ShapesGroup| {
            let rows = enough(&group.shapes);
            let line = |place: usize| rows.iter().filter_map(|row| value(row, place)).collect::<Vec<_>>();
            // The quantiles of a turn are 10, 25, 50, 75 and 90 %.
            let curve = Curve { origin: group.origin, points: line(2), low: line(0), high: line(4) };
            (!curve.points.is_empty()).then_some(curve)
        };
        let begun = |group: &ShapesGroup| group.shapes.by_turn.first().map_or(0, |row| row.n);
        let panels = self.panels(&curve, &|group| vec![sessions(group, begun(group), "session")]);
        let ends = panels.iter().flat_map(|panel| &panel.curves).flat_map(|curve| &curve.high);
        let (turn, high) = ends.fold((10.0_f64, 1.0_f64), |most, end| (most.0.max(end.0), most.1.max(end.1)));
        let text = |value: f64| match multiple {
            true => format!("{value} ×"),
            false => units::short(value as u64),
        };
        let y_ticks = ticks(high, 4).into_iter().map(|value| (value, text(value))).collect();
        let what = if multiple { "prompt over the first prompt" } else { "prompt tokens" };
        Panels {
            head: format!("{what}, by turn (log scale)"),
            panels,
            x: turn_axis(turn),
            y: Axis { low: 0.0, high: high * 1.04, log: false, ticks: y_ticks },
            rules: Vec::new(),
        }
    }

    #[inline]
    fn gaps(&self) -> Panels {
        let notes = |group: &ShapesGroup| {
            let Some(gaps) = group.shapes.variable(Variable::GapMs) else { return Vec::new() };
            let beyond = group.shapes.beyond.iter().flatten();
            let over =
                |row: &BeyondRow| format!("over {} {}", row.lifetime(), units::percent(Some(row.gaps_share)));
            vec![
                format!("{}, {}", sessions(group, group.shapes.sessions, "session"), counted(gaps.n, "gap")),
                beyond.map(over).collect::<Vec<_>>().join(", "),
            ]
        };
        let panels = self.panels(&|group| cumulative(group, Variable::GapMs), &notes);
        let most = self.groups().filter_map(|group| group.shapes.variable(Variable::GapMs)?.at(1.0));
        let high = most.fold(8.64e7, f64::max);
        let rules = self.groups().filter_map(|group| group.shapes.beyond.as_ref()).next();
        let named = |row: &BeyondRow| (row.lifetime_s as f64 * 1e3, row.lifetime());
        let ticks = GAP_TICKS.map(|(value, text)| (value, text.to_owned())).to_vec();
        Panels {
            head: "share of gaps up to a length (log scale)".to_owned(),
            panels,
            x: Axis { low: LEAST_GAP_MS, high, log: true, ticks },
            y: share_axis(),
            rules: rules.into_iter().flatten().map(named).collect(),
        }
    }

    #[inline]
    fn turns(&self) -> Panels {
        let notes = |group: &ShapesGroup| {
            let turns = group.shapes.variable(Variable::Turns);
            let median = turns.and_then(|turns| turns.at(0.5)).map(|median| format!(", median {median}"));
            let n = turns.map_or(0, |turns| turns.n);
            vec![format!("{}{}", sessions(group, n, "session"), median.unwrap_or_default())]
        };
        let panels = self.panels(&|group| cumulative(group, Variable::Turns), &notes);
        let most = self.groups().filter_map(|group| group.shapes.variable(Variable::Turns)?.at(1.0));
        let turn = most.fold(10.0, f64::max);
        Panels {
            head: "share of sessions with at most so many turns (log scale)".to_owned(),
            panels,
            x: turn_axis(turn),
            y: share_axis(),
            rules: Vec::new(),
        }
    }

    /// One block a harness, with the rows and notes of its groups.
    #[inline]
    fn blocks(&self, rows: &dyn Fn(&ShapesGroup) -> Vec<Row>) -> Vec<Block> {
        let of = |(harness, groups): (&str, Vec<&ShapesGroup>)| {
            let mut block = Block { title: harness.to_owned(), notes: Vec::new(), rows: Vec::new() };
            for group in groups {
                let own = rows(group);
                let n = group.shapes.sessions;
                block.notes.push(if own.is_empty() { silent(group) } else { sessions(group, n, "session") });
                block.rows.extend(own);
            }
            block
        };
        self.harnesses().into_iter().map(of).collect()
    }

    #[inline]
    fn parts(&self) -> Bars {
        let rows = |group: &ShapesGroup| {
            let row = |what: &str, parts: Option<Parts>| {
                let of = |parts: Parts| Row {
                    name: format!("{what}{}", suffix(group)),
                    stretches: stretches(parts),
                };
                parts.map(of)
            };
            let sent = row("all that is sent", group.shapes.sent);
            let added = row("what a turn adds", group.shapes.added);
            sent.into_iter().chain(added).collect()
        };
        let head = "share of the main agent's prompt tokens".to_owned();
        Bars { head, blocks: self.blocks(&rows), stacked: true }
    }

    #[inline]
    fn tools(&self) -> Bars {
        let rows = |group: &ShapesGroup| {
            let all = all_uses(&group.shapes);
            let bar = |name: &str, uses: u64| {
                let fill = if group.origin == Origin::Measured { Fill::Strong } else { Fill::Faint };
                let share = ratio(uses, all).unwrap_or(0.0);
                Row {
                    name: format!("{name}{}", suffix(group)),
                    stretches: vec![Stretch { share, name: "", fill }],
                }
            };
            let known = group.shapes.tools.iter().flatten();
            let (own, rest): (Vec<_>, Vec<_>) =
                known.enumerate().partition(|(place, tool)| *place < TOOLS && tool.name != "other");
            let mut rows: Vec<Row> = own.iter().map(|(_, tool)| bar(&tool.name, tool.uses)).collect();
            if !rest.is_empty() {
                rows.push(bar("all others", rest.iter().map(|(_, tool)| tool.uses).sum()));
            }
            rows
        };
        let head = "share of tool uses".to_owned();
        Bars { head, blocks: self.blocks(&rows), stacked: false }
    }
}

/// What stands where a group has no values.
#[inline]
fn silent(group: &ShapesGroup) -> String {
    format!("{}: not recorded", sessions(group, group.shapes.sessions, "session"))
}

/// What tells a synthetic row from a recorded one.
#[inline]
fn suffix(group: &ShapesGroup) -> &'static str {
    if group.origin == Origin::Measured { "" } else { ", synthetic" }
}

#[inline]
fn stretches(parts: Parts) -> Vec<Stretch> {
    let stretch = |share, name, fill| Stretch { share, name, fill };
    vec![
        stretch(parts.system + parts.task, "system and task", Fill::Dark),
        stretch(parts.output, "output", Fill::Pale),
        stretch(parts.observation, "observations", Fill::Strong),
        stretch(parts.other, "other", Fill::Faint),
    ]
}

/// The turns that enough sessions have; all of them where there never were enough.
#[inline]
pub(super) fn enough(shapes: &Shapes) -> Vec<&TurnRow> {
    let all = shapes.by_turn.first().is_none_or(|row| row.n < FEW_SESSIONS);
    shapes.by_turn.iter().take_while(|row| all || row.n >= FEW_SESSIONS).collect()
}

/// The share of values up to each edge of the histogram.
#[inline]
fn cumulative(group: &ShapesGroup, variable: Variable) -> Option<Curve> {
    let of: &Distribution = group.shapes.variable(variable)?;
    let mut below = 0;
    let mut points = Vec::with_capacity(of.histogram.len());
    for &(edge, count) in &of.histogram {
        points.push((edge, below as f64 / of.n as f64));
        below += count;
    }
    Some(Curve { origin: group.origin, points, low: Vec::new(), high: Vec::new() })
}

#[inline]
fn turn_axis(most: f64) -> Axis {
    let ticks = TURN_TICKS.map(|turn| (f64::from(turn), turn.to_string()));
    let ticks = ticks.into_iter().filter(|(turn, _)| *turn <= most).collect();
    Axis { low: 1.0, high: most, log: true, ticks }
}

#[inline]
fn share_axis() -> Axis {
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (share, format!("{:.0} %", share * 100.0)));
    Axis { low: 0.0, high: 1.0, log: false, ticks: ticks.to_vec() }
}
