//! What the shapes say: findings and captions, every number from the report.

use super::super::units;
use super::plots::enough;
use super::{ShapesFigure, ShapesView, all_uses, counted, ratio};
use crate::metrics::shapes::{Bases, Basis, FEW_SESSIONS, TurnRow, Variable};
use crate::report::{Origin, ShapesGroup};

/// A group and a value of it.
type Said<'a> = (&'a ShapesGroup, f64);

impl ShapesFigure<'_> {
    /// The groups with the least and the largest value.
    #[inline]
    fn range(&self, value: &dyn Fn(&ShapesGroup) -> Option<f64>) -> Option<(Said<'_>, Said<'_>)> {
        let all = || self.telling().filter_map(|group| Some((group, value(group)?)));
        Some((all().min_by(|a, b| a.1.total_cmp(&b.1))?, all().max_by(|a, b| a.1.total_cmp(&b.1))?))
    }

    #[inline]
    pub(super) fn told(&self) -> Option<String> {
        match self.view {
            ShapesView::Turns => self.told_turns(),
            ShapesView::Growth => {
                let long = |row: &TurnRow| row.prompt_at(0.5);
                self.told_growth(&long, &|tokens| units::short(tokens as u64), "tokens long")
            }
            ShapesView::Multiple => {
                let times = |row: &TurnRow| row.of_first.get(2).map(|pair| pair.1);
                self.told_growth(
                    &times,
                    &|times| format!("{times:.1}"),
                    "times as long as the session's first",
                )
            }
            ShapesView::Parts => self.told_parts(),
            ShapesView::Gaps => self.told_gaps(),
            ShapesView::Tools => self.told_tools(),
        }
    }

    #[inline]
    fn told_turns(&self) -> Option<String> {
        let at = |share: f64| move |group: &ShapesGroup| group.shapes.variable(Variable::Turns)?.at(share);
        let (_, longest) = self.range(&at(0.9))?;
        let medians = said(self.range(&at(0.5))?, &|turns| turns.to_string());
        Some(format!(
            "The median session takes {medians} turns; one in ten of {} takes more than {:.0}.",
            longest.0.harness, longest.1
        ))
    }

    /// At the last turn that every telling group has enough sessions for.
    #[inline]
    fn told_growth(
        &self,
        value: &dyn Fn(&TurnRow) -> Option<f64>,
        text: &dyn Fn(f64) -> String,
        what: &str,
    ) -> Option<String> {
        let last = |group: &ShapesGroup| enough(&group.shapes).last().map(|row| row.turn);
        let turn = self.telling().filter_map(last).min()?;
        let at = |group: &ShapesGroup| value(group.shapes.by_turn.iter().find(|row| row.turn == turn)?);
        Some(format!("At turn {turn} the median prompt is {} {what}.", said(self.range(&at)?, text)))
    }

    #[inline]
    fn told_parts(&self) -> Option<String> {
        let percent = |share: f64| units::percent(Some(share));
        let sent = self.range(&|group| group.shapes.sent.map(|parts| parts.observation))?;
        let output = self.range(&|group| group.shapes.sent.map(|parts| parts.output))?;
        Some(format!(
            "Of the prompt tokens sent, {} are observations and {} the model's own earlier output.",
            said(sent, &percent),
            said(output, &percent)
        ))
    }

    #[inline]
    fn told_gaps(&self) -> Option<String> {
        let row = |group: &ShapesGroup| group.shapes.beyond.as_ref()?.first().copied();
        let (_, most) = self.range(&|group| row(group).map(|row| row.gaps_share))?;
        let beyond = row(most.0)?;
        if beyond.gaps == 0 {
            return Some(format!("No pause of any harness is longer than {}.", beyond.lifetime()));
        }
        Some(format!(
            "A cache that forgets after {} has forgotten the prompt after {} of the pauses of {}, and at least once \
             in {} of its sessions.",
            beyond.lifetime(),
            units::percent(Some(beyond.gaps_share)),
            most.0.harness,
            units::percent(Some(beyond.sessions_share)),
        ))
    }

    #[inline]
    fn told_tools(&self) -> Option<String> {
        let first = |group: &ShapesGroup| {
            let tool = group.shapes.tools.as_ref()?.first()?;
            ratio(tool.uses, all_uses(&group.shapes))
        };
        let (_, most) = self.range(&first)?;
        let tool = most.0.shapes.tools.as_ref()?.first()?;
        let silent: Vec<&str> = self
            .telling()
            .filter(|group| group.shapes.tools.is_none())
            .map(|group| group.harness.as_str())
            .collect();
        let silent = if silent.is_empty() {
            String::new()
        } else {
            format!(" The source of {} names no tools.", silent.join(" and "))
        };
        Some(format!(
            "`{}` makes up {} of the {} of {}.{silent}",
            tool.name,
            units::percent(Some(most.1)),
            counted(all_uses(&most.0.shapes), "tool use"),
            most.0.harness,
        ))
    }

    #[inline]
    pub(super) fn method(&self) -> String {
        let estimated = self.estimated();
        let own = match self.view {
            ShapesView::Turns => "A turn is one call of the main agent. Turns are counted, not estimated. In the table, a \
                                  compaction or reset is a prompt of less than half the length of the one before, \
                                  which the next prompt does not undo."
                .to_owned(),
            ShapesView::Growth | ShapesView::Multiple => format!(
                "Line: the median over the sessions that reach a turn; band: from the 10th to the 90th percentile. \
                 A line ends where fewer than {FEW_SESSIONS} sessions go on. Recordings that begin in mid-session \
                 are left out. Long sessions may differ from short ones, so a line is not the path of one session.{}",
                self.grounds("Lengths of prompts", |bases| bases.prompts)
            ),
            ShapesView::Parts => format!(
                "Over the messages in the main agent's prompts: all of them, call by call, and those that a turn after \
                 the first reads for the first time.{}",
                self.grounds("Sizes of messages", |bases| bases.messages)
            ),
            ShapesView::Gaps => format!(
                "A gap is the time between the end of what a call waited for and the call. Dotted: how long providers \
                 keep a prompt cached after its last use ({}).{estimated}",
                self.report.lifetimes_source
            ),
            ShapesView::Tools => {
                "Tools whose names are not well known are counted among the others.".to_owned()
            }
        };
        let out: u64 = self.groups().map(|group| group.shapes.left_out.duplicates).sum();
        let out = if out > 0 { format!(" {} left out.", counted(out, "duplicate")) } else { String::new() };
        format!("{own}{out}")
    }

    /// What a count rests on in each recorded group, groups of the same ground together.
    #[inline]
    fn grounds(&self, what: &str, of: fn(&Bases) -> Basis) -> String {
        let mut said: Vec<(String, Vec<&str>)> = Vec::new();
        for group in self.groups().filter(|group| group.origin == Origin::Measured) {
            let Some(words) = of(&group.shapes.bases).words() else { continue };
            match said.iter_mut().find(|(known, _)| *known == words) {
                Some((_, names)) => names.push(&group.harness),
                None => said.push((words, vec![&group.harness])),
            }
        }
        let said: Vec<String> =
            said.into_iter().map(|(words, names)| format!("{words} ({})", names.join(", "))).collect();
        if said.is_empty() { String::new() } else { format!(" {what}: {}.", said.join("; ")) }
    }

    /// Which groups' times are estimates.
    #[inline]
    fn estimated(&self) -> String {
        let all = self.groups().filter(|group| group.shapes.estimated_calls * 2 > group.shapes.calls);
        let names: Vec<&str> = all.map(|group| group.harness.as_str()).collect();
        let rest = "times are recorded, or marked call by call where they are estimates";
        match names.is_empty() {
            true => format!(" {}{}.", rest[..1].to_uppercase(), &rest[1..]),
            false => {
                format!(" Most calls of {} have an estimated time; elsewhere {rest}.", names.join(" and "))
            }
        }
    }
}

/// One value, or the least and the largest with whose they are.
#[inline]
fn said((least, most): (Said<'_>, Said<'_>), text: &dyn Fn(f64) -> String) -> String {
    let (low, high) = (text(least.1), text(most.1));
    if std::ptr::eq(least.0, most.0) {
        format!("{low} ({})", least.0.harness)
    } else if low == high {
        low
    } else {
        format!("{low} ({}) to {high} ({})", least.0.harness, most.0.harness)
    }
}
