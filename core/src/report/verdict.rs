//! What became of a router in a failure: judged by the figure that the failure is about and by the mean time to first token,
//! each against the same router when calm and against the best router in the same failing set-up.
//!
//! Either alone misleads. Against itself alone a router that was always bad does well, and one that everybody's harder set-up
//! hits no harder than others does badly; against the best alone a router falls that nothing happened to. The oracle is no
//! reference: nobody can run it.

use super::measure::Figures;
use crate::choice;
use crate::policy::Measure;
use crate::serve::route::{ROUTERS, Sees, sees};
use serde::{Deserialize, Serialize};

/// From so many times worse on it is as if half of the replicas were gone: at equal work each call then has half the room, half
/// the compute. That is what nobody would run with.
const FALLS: f64 = 2.0;
/// From so many times worse on it is as if one replica in five were gone, which whoever pays for them would look into.
const SUFFERS: f64 = 1.25;
/// A verdict is close when it would be another with everything this much better or worse.
const CLOSE: f64 = 0.05;
/// A hit rate below this finds nothing; shares of nothing say nothing.
const LEAST_HITS: f64 = 1e-3;

/// What became of a router, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Little happened.
    Stands,
    /// Clearly worse than when calm and than the best, or far worse than one of them and not clearly better than the other.
    Suffers,
    /// Far worse than when calm and than the best.
    Falls,
}

impl Verdict {
    /// In a word.
    #[inline]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Stands => "stands",
            Verdict::Suffers => "suffers",
            Verdict::Falls => "falls",
        }
    }
}

/// How many times worse one figure of a router is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worse {
    /// Its key.
    pub figure: String,
    /// Than the same router's when calm.
    pub than_calm: f64,
    /// Than that of the best router in the failing set-up.
    pub than_best: f64,
}

/// One router in both set-ups.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RouterRow {
    /// The router.
    pub router: String,
    /// Where nothing is wrong.
    pub calm: Figures,
    /// Where something is.
    pub failing: Figures,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether the verdict lies near a threshold.
    pub close: bool,
    /// By what it was judged: of the two figures the one with the worse verdict.
    pub worse: Worse,
}

impl Worse {
    fn verdict(&self, by: f64) -> Verdict {
        let less = self.than_calm.min(self.than_best) * by;
        let more = self.than_calm.max(self.than_best) * by;
        if less >= FALLS {
            Verdict::Falls
        } else if less >= SUFFERS || (more >= FALLS && less >= 1.0 / SUFFERS) {
            Verdict::Suffers
        } else {
            Verdict::Stands
        }
    }
}

impl Measure {
    /// How many times worse `figures` are than `than`; 1 where either is unknown.
    fn worse(self, figures: &Figures, than: &Figures) -> f64 {
        let (Some(this), Some(that)) = (self.of(figures), self.of(than)) else { return 1.0 };
        match self {
            Measure::HitRate => that.max(LEAST_HITS) / this.max(LEAST_HITS),
            Measure::TtftMean | Measure::TtftP99 => this / that,
        }
    }
}

/// The rule in words.
pub(super) fn rule(measure: Measure) -> String {
    format!(
        "Judged by {} and by {}, each as how many times worse than the same router's before and than the best router's when it \
         goes wrong (the oracle aside). A router falls from {FALLS} times worse than both; it suffers from {SUFFERS} times \
         worse than both, or from {FALLS} times worse than one unless {SUFFERS} times better than the other; else it stands. An \
         asterisk: another verdict with all of it {:.0} % better or worse",
        measure.words(),
        Measure::TtftMean.words(),
        CLOSE * 100.0
    )
}

/// Judges all routers of a failure by their figures in both set-ups.
pub(super) fn judged(measure: Measure, runs: Vec<(String, [Figures; 2])>) -> Vec<RouterRow> {
    let measures = [measure, Measure::TtftMean];
    let best = measures.map(|one| {
        let real = runs.iter().filter(|(router, _)| can_be_run(router)).map(|(_, [_, failing])| failing);
        real.reduce(|best, other| if one.worse(other, best) < 1.0 { other } else { best }).cloned()
    });
    let judge = |(router, [calm, failing]): (String, [Figures; 2])| {
        let worse = [0, 1].map(|place| Worse {
            figure: measures[place].key().to_owned(),
            than_calm: measures[place].worse(&failing, &calm),
            than_best: best[place].as_ref().map_or(1.0, |best| measures[place].worse(&failing, best)),
        });
        let verdict = |by| worse[0].verdict(by).max(worse[1].verdict(by));
        let close = verdict(1.0 + CLOSE) != verdict(1.0) || verdict(1.0 / (1.0 + CLOSE)) != verdict(1.0);
        let by_second = worse[1].verdict(1.0) > worse[0].verdict(1.0);
        let verdict = verdict(1.0);
        let [first, second] = worse;
        RouterRow { router, calm, failing, verdict, close, worse: if by_second { second } else { first } }
    };
    runs.into_iter().map(judge).collect()
}

/// Whether somebody could run it: it does not know the future.
fn can_be_run(router: &str) -> bool {
    choice::choose(ROUTERS, router).map_or(true, |choice| sees(&choice) != Sees::Future)
}
