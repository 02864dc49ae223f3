//! The values of turns as normal scores: what of them is trend, session and rest.

use super::joint::{self, Grouped, thousandths};
use super::observe::{Change, Seen, Turn};
use super::profile::{TREND_PARTS, TURN_VALUES, part_of};
use super::table::Table;

/// The values of turns by session, with the weight that makes every session count alike.
pub(super) struct TurnValues {
    /// By kind of value, session and turn.
    scores: [Vec<Vec<Option<f64>>>; TURN_VALUES],
    /// By kind of value; of input and delay, those where tools answer and those where a person does.
    pub(super) tables: [Option<Table>; TURN_VALUES],
    pub(super) person: [Option<Table>; TURN_VALUES],
    pub(super) trends: [Vec<i32>; TURN_VALUES],
    pub(super) analysed: [Grouped; TURN_VALUES],
}

/// Takes away what scores have in common at the same part of their sessions, every session counting
/// alike, and returns it in thousandths.
fn take_trend(scores: &mut [Vec<Option<f64>>]) -> Vec<i32> {
    let (mut sums, mut weights) = ([0.0; TREND_PARTS], [0.0; TREND_PARTS]);
    for session in scores.iter() {
        let weight = 1.0 / session.len().max(1) as f64;
        for (place, score) in (0..).zip(session) {
            let part = part_of(place, session.len() as u64);
            sums[part] += weight * score.unwrap_or(0.0);
            weights[part] += if score.is_some() { weight } else { 0.0 };
        }
    }
    let mean = |part: usize| if weights[part] > 0.0 { sums[part] / weights[part] } else { 0.0 };
    for session in scores.iter_mut() {
        let turns = session.len() as u64;
        for (place, score) in (0..).zip(session) {
            *score = score.map(|score| score - mean(part_of(place, turns)));
        }
    }
    (0..TREND_PARTS).map(|part| libm::round(mean(part) * 1_000.0) as i32).collect()
}

pub(super) const OUTPUT: usize = 0;
pub(super) const INPUT: usize = 1;
pub(super) const DELAY: usize = 2;

impl TurnValues {
    pub(super) fn of(seen: &[Seen<'_>]) -> TurnValues {
        let grew = |turn: &Turn| turn.step.filter(|step| !matches!(step.change, Change::Dropped(_)));
        let value = |kind: usize, turn: &Turn| match kind {
            OUTPUT => Some((turn.output_tokens.into(), false)),
            INPUT => grew(turn).map(|step| (step.input_tokens.into(), step.person)),
            DELAY => turn.step.and_then(|step| Some((step.delay_us?, step.person))),
            _ => turn.model_us.map(|us| (us, false)),
        };
        let mut tables = [None, None, None, None];
        let mut person = [None, None, None, None];
        let scores: [Vec<Vec<Option<f64>>>; TURN_VALUES] = std::array::from_fn(|kind| {
            let mut scores: Vec<Vec<Option<f64>>> =
                seen.iter().map(|seen| vec![None; seen.observed.main().count()]).collect();
            for (by_person, table) in [(false, &mut tables[kind]), (true, &mut person[kind])] {
                let mut places = Vec::new();
                let mut sample = Vec::new();
                for (number, seen) in seen.iter().enumerate() {
                    let values = seen.observed.main().enumerate().filter_map(|(place, turn)| {
                        let (value, whose) = value(kind, turn)?;
                        (whose == by_person).then_some((place, value))
                    });
                    let values: Vec<(usize, u64)> = values.collect();
                    let weight = 1.0 / values.len().max(1) as f64;
                    places.extend(values.iter().map(|(place, _)| (number, *place)));
                    sample.extend(values.iter().map(|(_, value)| (*value, weight)));
                }
                for ((number, place), score) in places.iter().zip(joint::scores(&sample)) {
                    scores[*number][*place] = Some(score);
                }
                *table = Table::weighted(sample);
            }
            scores
        });
        let mut scores = scores;
        let trends = scores.each_mut().map(|scores| take_trend(scores));
        let analysed = std::array::from_fn(|kind| joint::grouped(&scores[kind]));
        TurnValues { scores, tables, person, trends, analysed }
    }

    /// Correlation within a turn of what is left when each session's mean is taken away.
    pub(super) fn correlation(&self) -> Vec<Vec<i32>> {
        square(TURN_VALUES, |a, b| {
            let mut pairs = Vec::new();
            for (number, (left, right)) in self.scores[a].iter().zip(&self.scores[b]).enumerate() {
                let means = (self.analysed[a].means[number], self.analysed[b].means[number]);
                let (Some(mean_a), Some(mean_b)) = means else { continue };
                pairs.extend(
                    left.iter().zip(right).filter_map(|(x, y)| Some(((*x)? - mean_a, (*y)? - mean_b))),
                );
            }
            joint::correlation(&pairs)
        })
    }
}

/// A correlation matrix in thousandths from its entries above the diagonal.
pub(super) fn square(size: usize, entry: impl Fn(usize, usize) -> f64) -> Vec<Vec<i32>> {
    let cell = |a: usize, b: usize| if a == b { 1_000 } else { thousandths(entry(a.min(b), a.max(b))) };
    (0..size).map(|a| (0..size).map(|b| cell(a, b)).collect()).collect()
}
