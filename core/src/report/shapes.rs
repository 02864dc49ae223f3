//! Agent shapes: how the sessions of each harness look, over all bundled sets, and how near the
//! synthetic ones come to the recorded.

use super::{Body, Kind, Origin, SetRef};
use crate::metrics::ks_distance;
use crate::metrics::rounded;
use crate::metrics::shapes::{LIFETIMES_SOURCE, Samples, SessionShare, Shapes, Variable};
use crate::trace::Session;
use serde::{Deserialize, Serialize};

/// The shapes of all harnesses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentShapes {
    /// The sets that were counted.
    pub sets: Vec<SetRef>,
    /// Sets that were not, and why.
    pub not_counted: Vec<NotCounted>,
    /// Where the lifetimes of caches come from, that gaps are held against.
    pub lifetimes_source: String,
    /// One a harness and origin, in the order of the sets; what was recorded before what was made.
    pub groups: Vec<ShapesGroup>,
    /// Distances between the recorded and the synthetic sessions of a harness that has both.
    pub fit: Vec<FitRow>,
    /// The same for what some sessions have and others have not.
    pub fit_shares: Vec<ShareRow>,
}

/// A set that says nothing about shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCounted {
    /// The set.
    pub name: String,
    /// Why.
    pub why: String,
}

/// The sessions of one harness and origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShapesGroup {
    /// The agent software.
    pub harness: String,
    /// `measured` for recorded sessions, `simulated` for synthetic ones.
    pub origin: Origin,
    /// Names of the sets that they come from.
    pub sets: Vec<String>,
    /// Their shapes.
    pub shapes: Shapes,
}

/// How far the synthetic sessions of a harness are from the recorded ones in one variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitRow {
    /// The agent software.
    pub harness: String,
    /// The variable.
    pub variable: Variable,
    /// Values of recorded sessions.
    pub measured_n: u64,
    /// Values of synthetic sessions.
    pub simulated_n: u64,
    /// The Kolmogorov-Smirnov distance between them: 0 for equal distributions, 1 for disjoint ones.
    pub ks_distance: f64,
}

/// How far the share of sessions that have something is from the recorded one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShareRow {
    /// The agent software.
    pub harness: String,
    /// What sessions have.
    pub share: SessionShare,
    /// Recorded sessions.
    pub measured_n: u64,
    /// Synthetic sessions.
    pub simulated_n: u64,
    /// Of the recorded sessions, those that have it.
    pub measured: f64,
    /// Of the synthetic ones.
    pub simulated: f64,
    /// The synthetic share less the recorded one.
    pub difference: f64,
}

/// A set to be counted.
#[derive(Clone, Debug)]
pub struct ShapesInput {
    /// What it is called.
    pub set: SetRef,
    /// Recorded or synthetic.
    pub origin: Origin,
    /// The harness of sessions that do not name theirs.
    pub harness: String,
    /// What it holds.
    pub sessions: Vec<Session>,
}

impl Body for AgentShapes {
    const KIND: Kind = Kind::Shapes;
}

impl AgentShapes {
    /// Of sets, in the order that groups shall have.
    pub fn new(inputs: &[ShapesInput], not_counted: Vec<NotCounted>) -> Self {
        let mut groups: Vec<(&str, Origin, Vec<String>, Vec<&Session>)> = Vec::new();
        for input in inputs {
            for session in &input.sessions {
                let harness = if session.harness.is_empty() { &input.harness } else { &session.harness };
                let known = groups.iter().position(|group| group.0 == harness && group.1 == input.origin);
                let at = known.unwrap_or_else(|| {
                    groups.push((harness, input.origin, Vec::new(), Vec::new()));
                    groups.len() - 1
                });
                let (_, _, sets, sessions) = &mut groups[at];
                if sets.last() != Some(&input.set.name) {
                    sets.push(input.set.name.clone());
                }
                sessions.push(session);
            }
        }
        groups.sort_by_key(|group| group.1 != Origin::Measured);
        let fit = groups
            .iter()
            .filter(|group| group.1 == Origin::Measured)
            .filter_map(|real| {
                let made = groups.iter().find(|other| other.1 == Origin::Simulated && other.0 == real.0)?;
                Some(fit(real.0, &real.3, &made.3))
            })
            .flatten()
            .collect();
        let groups: Vec<ShapesGroup> = groups
            .into_iter()
            .map(|(harness, origin, sets, sessions)| ShapesGroup {
                harness: harness.to_owned(),
                origin,
                sets,
                shapes: Shapes::of(&sessions),
            })
            .collect();
        AgentShapes {
            sets: inputs.iter().map(|input| input.set.clone()).collect(),
            not_counted,
            lifetimes_source: LIFETIMES_SOURCE.to_owned(),
            fit,
            fit_shares: fit_shares(&groups),
            groups,
        }
    }

    /// The group of a harness and origin.
    pub fn group(&self, harness: &str, origin: Origin) -> Option<&ShapesGroup> {
        self.groups.iter().find(|group| group.harness == harness && group.origin == origin)
    }
}

fn fit(harness: &str, measured: &[&Session], simulated: &[&Session]) -> Vec<FitRow> {
    let samples = |sessions: &[&Session]| Samples::of(sessions.iter().copied());
    let (measured, simulated) = (samples(measured), samples(simulated));
    let row = |variable| {
        let (a, b) = (measured.values(variable), simulated.values(variable));
        Some(FitRow {
            harness: harness.to_owned(),
            variable,
            measured_n: a.len() as u64,
            simulated_n: b.len() as u64,
            ks_distance: ks_distance(a, b)?,
        })
    };
    Variable::ALL.into_iter().filter_map(row).collect()
}

fn fit_shares(groups: &[ShapesGroup]) -> Vec<ShareRow> {
    let rows = |real: &ShapesGroup| {
        let same = |other: &&ShapesGroup| other.origin == Origin::Simulated && other.harness == real.harness;
        let made = groups.iter().find(same)?;
        let row = |share: SessionShare| {
            let (measured, simulated) = (share.of(&real.shapes)?, share.of(&made.shapes)?);
            Some(ShareRow {
                harness: real.harness.clone(),
                share,
                measured_n: real.shapes.sessions,
                simulated_n: made.shapes.sessions,
                measured,
                simulated,
                difference: rounded(simulated - measured),
            })
        };
        Some(SessionShare::ALL.map(row).into_iter().flatten().collect::<Vec<_>>())
    };
    groups.iter().filter(|group| group.origin == Origin::Measured).filter_map(rows).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str, origin: Origin, sessions: &[(&str, u32)]) -> ShapesInput {
        let session = |(harness, calls): &(&str, u32)| {
            let calls: Vec<String> = (0..*calls)
                .map(|id| format!(r#"{{"id":{id},"prompt":[],"prompt_tokens":9,"output_tokens":1}}"#))
                .collect();
            serde_json::from_str(&format!(
                r#"{{"id":"s","source":"t","harness":"{harness}","models":["m"],"scope":"session",
                    "counts_from":"source","segments":[],"calls":[{}]}}"#,
                calls.join(",")
            ))
            .unwrap()
        };
        let set = SetRef { name: name.to_owned(), title: name.to_owned(), path: format!("data/{name}") };
        ShapesInput {
            set,
            origin,
            harness: "other".to_owned(),
            sessions: sessions.iter().map(session).collect(),
        }
    }

    #[test]
    fn sessions_are_grouped_by_harness_and_origin() {
        let inputs = [
            input("made", Origin::Simulated, &[("a", 1), ("b", 2)]),
            input("one", Origin::Measured, &[("a", 3), ("", 1)]),
            input("two", Origin::Measured, &[("a", 5)]),
        ];
        let report = AgentShapes::new(&inputs, Vec::new());
        let groups: Vec<(&str, Origin, u64, Vec<&str>)> = report
            .groups
            .iter()
            .map(|group| {
                let sets = group.sets.iter().map(String::as_str).collect();
                (group.harness.as_str(), group.origin, group.shapes.sessions, sets)
            })
            .collect();
        assert_eq!(
            groups,
            [
                ("a", Origin::Measured, 2, vec!["one", "two"]),
                ("other", Origin::Measured, 1, vec!["one"]),
                ("a", Origin::Simulated, 1, vec!["made"]),
                ("b", Origin::Simulated, 1, vec!["made"]),
            ]
        );
    }

    #[test]
    fn only_a_harness_with_both_has_a_fit() {
        let inputs = [
            input("real", Origin::Measured, &[("a", 2), ("a", 4), ("c", 1)]),
            input("made", Origin::Simulated, &[("a", 3), ("b", 2)]),
        ];
        let fit = AgentShapes::new(&inputs, Vec::new()).fit;
        assert!(fit.iter().all(|row| row.harness == "a"));
        let turns = fit.iter().find(|row| row.variable == Variable::Turns).unwrap();
        // Up to 2 turns: half of the recorded, none of the synthetic.
        assert_eq!((turns.measured_n, turns.simulated_n, turns.ks_distance), (2, 1, 0.5));
        assert!(fit.iter().all(|row| row.variable != Variable::GapMs), "no times, no row");
    }

    /// Prompts of 9 tokens; the last of `dropping` has 4.
    #[test]
    fn shares_of_sessions_are_subtracted() {
        let dropping = |input: &mut ShapesInput, place: usize| {
            input.sessions[place].calls.last_mut().unwrap().prompt_tokens = 4;
        };
        let mut real = input("real", Origin::Measured, &[("a", 2), ("a", 2), ("a", 2), ("a", 2), ("c", 2)]);
        let mut made = input("made", Origin::Simulated, &[("a", 2), ("a", 2), ("b", 2)]);
        dropping(&mut real, 1);
        dropping(&mut made, 0);
        let shares = AgentShapes::new(&[real, made], Vec::new()).fit_shares;
        assert!(shares.iter().all(|row| row.harness == "a"), "{shares:?}");
        let row = shares.iter().find(|row| row.share == SessionShare::CompactionOrReset).unwrap();
        // One of four recorded, one of two synthetic.
        assert_eq!((row.measured_n, row.simulated_n), (4, 2));
        assert_eq!((row.measured, row.simulated, row.difference), (0.25, 0.5, 0.25));
    }
}
