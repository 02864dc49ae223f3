//! How many replicas the objectives need: a search over the simulator.
//!
//! Numbers are doubled until the objectives hold, and the gap is halved. That finds the least number only
//! if more replicas never hurt. They can: each has a cache of its own, and sessions that are spread find
//! less. So numbers around the answer are tried as well, what is found is the least number from which on
//! every number tried meets the objectives, and whatever contradicts the assumption is said.

use super::units::{bound, objective, replicas_of, value};
use super::{Resampled, Sentence};
use crate::figure::units::listed;
use crate::metrics::objective::Condition;
use crate::metrics::{PolicyMetrics, percentile};
use serde::Serialize;
use std::collections::BTreeMap;

/// How far a search goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Search {
    /// Most replicas that are tried.
    pub most_replicas: u32,
    /// Draws of arrivals for each number.
    pub draws: u32,
}

impl Default for Search {
    fn default() -> Self {
        Search { most_replicas: 64, draws: 3 }
    }
}

/// One objective over the draws of one number of replicas.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Kept {
    /// The objective.
    pub objective: Condition,
    /// Least value of its figure.
    pub least: f64,
    /// Median.
    pub median: f64,
    /// Most.
    pub most: f64,
    /// Draws that met it.
    pub met: u32,
}

/// One number of replicas.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// How many.
    pub replicas: u32,
    /// Draws that met every objective.
    pub met: u32,
    /// Of so many.
    pub draws: u32,
    /// Objective by objective.
    pub kept: Vec<Kept>,
}

impl Probe {
    fn holds(&self) -> bool {
        self.met == self.draws
    }
}

/// More replicas, and an objective that held does not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Drop {
    /// Here the objectives held.
    pub fewer: u32,
    /// Here they do not.
    pub more: u32,
}

/// How many replicas the objectives need.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReplicaAdvice {
    /// How far the search went.
    pub search: Search,
    /// What was run.
    pub setup: String,
    /// The answer; null when no number that was tried meets the objectives.
    pub replicas: Option<u32>,
    /// All numbers tried.
    pub probes: Vec<Probe>,
    /// Where more replicas were worse.
    pub not_monotone: Vec<Drop>,
    /// With the answer's replicas, how sure it is where there is one order of arrivals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resampled: Vec<Resampled>,
    /// Objectives that no number of replicas meets, and why.
    pub out_of_reach: Vec<Sentence>,
    /// What is said of it.
    pub says: Vec<Sentence>,
}

/// Searches. `run` answers for a number of replicas and a draw.
///
/// # Errors
/// Those of `run`.
pub fn search<E>(
    setup: &str,
    objectives: &[Condition],
    search: Search,
    run: &mut dyn FnMut(u32, u32) -> Result<PolicyMetrics, E>,
) -> Result<ReplicaAdvice, E> {
    let search = Search { most_replicas: search.most_replicas.max(1), draws: search.draws.max(1) };
    let mut tried: BTreeMap<u32, Probe> = BTreeMap::new();
    let mut ask = |replicas: u32| -> Result<bool, E> {
        if let Some(known) = tried.get(&replicas) {
            return Ok(known.holds());
        }
        let rows = (0..search.draws).map(|draw| run(replicas, draw)).collect::<Result<Vec<_>, E>>()?;
        let probe = probe(replicas, objectives, &rows);
        let holds = probe.holds();
        tried.insert(replicas, probe);
        Ok(holds)
    };
    let (mut fails, mut holds) = (0, 1);
    while !ask(holds)? && holds < search.most_replicas {
        fails = holds;
        holds = holds.saturating_mul(2).min(search.most_replicas);
    }
    if ask(holds)? {
        while holds - fails > 1 {
            let middle = fails + (holds - fails) / 2;
            if ask(middle)? { holds = middle } else { fails = middle }
        }
        // Whether more is never worse: beside the answer and at twice of it.
        for near in [holds.saturating_sub(2), holds + 1, holds + 2, holds.saturating_mul(2)] {
            if (1..=search.most_replicas).contains(&near) {
                ask(near)?;
            }
        }
    }
    let probes: Vec<Probe> = tried.into_values().collect();
    let above = probes.iter().rev().take_while(|probe| probe.holds()).last();
    let replicas = above.map(|probe| probe.replicas);
    let not_monotone = drops(&probes);
    let mut advice = ReplicaAdvice { replicas, probes, not_monotone, ..ReplicaAdvice::none(setup, search) };
    advice.says = says(&advice, objectives);
    Ok(advice)
}

impl ReplicaAdvice {
    /// Nothing was tried.
    pub fn none(setup: &str, search: Search) -> Self {
        ReplicaAdvice {
            search,
            setup: setup.to_owned(),
            replicas: None,
            probes: Vec::new(),
            not_monotone: Vec::new(),
            resampled: Vec::new(),
            out_of_reach: Vec::new(),
            says: Vec::new(),
        }
    }

    /// The answer, or where there is none the most replicas that were tried.
    pub(super) fn at(&self) -> Option<&Probe> {
        let answer = self.probes.iter().find(|probe| Some(probe.replicas) == self.replicas);
        answer.or(self.probes.last())
    }

    /// Says how sure it is; `one_order` where arrivals are as recorded, so that there is nothing to draw.
    #[must_use]
    pub fn with_uncertainty(mut self, resampled: Vec<Resampled>, one_order: bool) -> Self {
        self.resampled = resampled;
        if let Some(said) = self.at().map(|at| sure(&self, at, one_order)) {
            self.says.push(said);
        }
        self
    }
}

fn probe(replicas: u32, objectives: &[Condition], rows: &[PolicyMetrics]) -> Probe {
    let met = |row: &&PolicyMetrics| objectives.iter().all(|one| one.met(row) == Some(true));
    let kept = objectives.iter().filter_map(|&objective| {
        let mut values: Vec<f64> = rows.iter().filter_map(|row| objective.quantity.of(row)).collect();
        values.sort_unstable_by(f64::total_cmp);
        Some(Kept {
            objective,
            least: *values.first()?,
            median: percentile(&values, 0.5)?,
            most: *values.last()?,
            met: rows.iter().filter(|row| objective.met(row) == Some(true)).count() as u32,
        })
    });
    let met = rows.iter().filter(met).count() as u32;
    Probe { replicas, met, draws: rows.len() as u32, kept: kept.collect() }
}

/// Every number that fails although a smaller one holds, with the largest such.
fn drops(probes: &[Probe]) -> Vec<Drop> {
    let mut drops = Vec::new();
    let mut held = None;
    for probe in probes {
        match held {
            Some(fewer) if !probe.holds() => drops.push(Drop { fewer, more: probe.replicas }),
            _ if probe.holds() => held = Some(probe.replicas),
            _ => {}
        }
    }
    drops
}

fn says(advice: &ReplicaAdvice, objectives: &[Condition]) -> Vec<Sentence> {
    let all: Vec<String> = objectives.iter().map(objective).collect();
    let all = listed(&all);
    let mut says = Vec::new();
    says.push(match advice.at().filter(|_| advice.replicas.is_some()) {
        Some(at) => answered(advice, at, &all),
        None => unanswered(advice, &all),
    });
    for drop in &advice.not_monotone {
        let text = format!(
            "More is not always better here: {} meet the objectives, {} do not.",
            replicas_of(drop.fewer),
            drop.more
        );
        let probes = advice.probes.iter().filter(|probe| [drop.fewer, drop.more].contains(&probe.replicas));
        says.push(probes.fold(Sentence::new(text), |sentence, probe| rests(sentence, advice, probe)));
    }
    says
}

fn answered(advice: &ReplicaAdvice, at: &Probe, all: &str) -> Sentence {
    let meets = if at.replicas == 1 { "meets" } else { "meet" };
    let draws = match at.draws {
        1 => String::new(),
        draws => format!(" in {} of {draws} draws of arrivals", at.met),
    };
    let fewer = advice.probes.iter().rev().find(|probe| probe.replicas < at.replicas);
    let less = fewer.map_or_else(String::new, |fewer| {
        let verb = if fewer.replicas == 1 { "does" } else { "do" };
        format!(" {} {verb} not: {}.", replicas_of(fewer.replicas), ranges(fewer))
    });
    let text = format!(
        "{} {meets} {all}{draws}: {}.{less} Tried: {}; that more is never worse was checked on these alone.",
        replicas_of(at.replicas),
        ranges(at),
        tried(advice),
    );
    let sentence = rests(Sentence::new(text), advice, at);
    let sentence = fewer.into_iter().fold(sentence, |sentence, probe| rests(sentence, advice, probe));
    advice.probes.iter().fold(sentence, |sentence, probe| {
        sentence.given("replicas that are tried", f64::from(probe.replicas))
    })
}

fn tried(advice: &ReplicaAdvice) -> String {
    let tried: Vec<String> = advice.probes.iter().map(|probe| probe.replicas.to_string()).collect();
    tried.join(", ")
}

fn unanswered(advice: &ReplicaAdvice, all: &str) -> Sentence {
    let most = f64::from(advice.search.most_replicas);
    let Some(last) = advice.probes.last() else {
        return Sentence::new("Nothing was tried.").given("most replicas", most);
    };
    let text = format!(
        "No number of replicas up to {} that was tried ({}) meets {all} in every draw from there on; with {}: {}.{}",
        advice.search.most_replicas,
        tried(advice),
        last.replicas,
        ranges(last),
        if is_flat(advice) {
            " The last doubling changed nothing: more replicas will not do it."
        } else {
            ""
        },
    );
    let sentence = Sentence::new(text).given("most replicas", most);
    advice.probes.iter().fold(sentence, |sentence, probe| rests(sentence, advice, probe))
}

/// What draws are read at.
const CONFIDENCE: f64 = 0.95;

/// How sure the answer is: what the draws can tell, or what drawing sessions again tells where there is one.
fn sure(advice: &ReplicaAdvice, at: &Probe, one_order: bool) -> Sentence {
    if at.draws > 1 {
        return sure_of_draws(advice, at);
    }
    let one = if one_order { "there is one order of arrivals" } else { "arrivals were drawn once" };
    if advice.resampled.is_empty() {
        let text = format!("How sure: {one} and there is too little to draw again, so no spread is stated.");
        return rests(Sentence::new(text), advice, at);
    }
    let each: Vec<String> = advice.resampled.iter().map(drawn_again).collect();
    let text = format!(
        "How sure: {one}. Drawing its sessions again, {}. What other sessions would have done to queues is left out of that.",
        listed(&each)
    );
    let sentence = Sentence::new(text).given("share of draws between the percentiles", 0.9);
    advice.resampled.iter().fold(sentence, |sentence, one| {
        let sentence = sentence.given("draws of sessions", f64::from(one.draws));
        let scenario = format!("{}, {} replicas, sessions drawn again", advice.setup, at.replicas);
        sentence
            .on(&scenario, format!("{} (5th percentile)", one.objective.quantity), one.p5)
            .on(&scenario, format!("{} (95th percentile)", one.objective.quantity), one.p95)
            .on(&scenario, format!("draws of {} that meet {}", one.draws, one.objective), f64::from(one.met))
    })
}

/// What several draws of arrivals can tell.
fn sure_of_draws(advice: &ReplicaAdvice, at: &Probe) -> Sentence {
    // If a smaller share of draws met it, all of so many would in fewer than one case of twenty.
    let least = libm::pow(0.05, 1.0 / f64::from(at.draws));
    let alike = at.kept.iter().all(|kept| kept.least.total_cmp(&kept.most).is_eq());
    let text = if alike {
        format!(
            "How sure: the {} draws of arrivals do not differ in these figures, so nothing is known of their spread.",
            at.draws
        )
    } else if at.met == at.draws {
        format!(
            "How sure: {} draws that all meet it say, at 95 % confidence, only that more than {:.0} % of such draws do; \
             59 would say 95 %. A draw is another order of sessions and another seed of the same trace, not another trace.",
            at.draws,
            least * 100.0,
        )
    } else {
        format!("How sure: {} of {} draws of arrivals meet all of it.", at.met, at.draws)
    };
    rests(Sentence::new(text), advice, at)
        .given("confidence", CONFIDENCE)
        .given("share of draws that so many say at least", least)
        .given("draws that would say as much as the confidence", 59.0)
}

fn drawn_again(one: &Resampled) -> String {
    let quantity = one.objective.quantity;
    format!(
        "`{quantity}` lies between {} and {} in 90 % of {} draws and meets its bound in {}",
        value(quantity, one.p5),
        value(quantity, one.p95),
        one.draws,
        one.met,
    )
}

/// Whether the last two numbers tried hardly differ in what is not met.
fn is_flat(advice: &ReplicaAdvice) -> bool {
    let [.., before, last] = &advice.probes[..] else { return false };
    let unmet = before.kept.iter().zip(&last.kept).filter(|(_, last)| last.met < advice.search.draws);
    let moved =
        |(was, is): (&Kept, &Kept)| (was.median - is.median).abs() / was.median.abs().max(f64::MIN_POSITIVE);
    unmet.map(moved).all(|moved| moved < 0.01)
}

fn ranges(probe: &Probe) -> String {
    let one = |kept: &Kept| {
        let name = kept.objective.quantity;
        let (least, median, most) =
            (value(name, kept.least), value(name, kept.median), value(name, kept.most));
        if probe.draws == 1 || least == most {
            format!("`{name}` is {median}")
        } else {
            format!("`{name}` is {median} ({least} to {most})")
        }
    };
    probe.kept.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn rests(sentence: Sentence, advice: &ReplicaAdvice, probe: &Probe) -> Sentence {
    let scenario = format!("{}, {} replicas", advice.setup, probe.replicas);
    let sentence = sentence
        .given("replicas that are tried", f64::from(probe.replicas))
        .given("draws", f64::from(probe.draws))
        .on(&scenario, "draws that meet all", f64::from(probe.met));
    probe.kept.iter().fold(sentence, |sentence, kept| {
        let sentence = bound(sentence, &kept.objective);
        let name = kept.objective.quantity;
        sentence
            .on(&scenario, format!("{name} (least)"), kept.least)
            .on(&scenario, format!("{name} (median)"), kept.median)
            .on(&scenario, format!("{name} (most)"), kept.most)
    })
}
