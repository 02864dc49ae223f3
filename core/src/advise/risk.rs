//! What others measured of the quality that a lossy context strategy costs.
//!
//! Solve rates on 500 SWE-bench Verified tasks, paired with the raw context, as The Complexity Trap
//! published them. Nothing of this is simulated here: a simulator of serving cannot see quality.

use super::Sentence;
use crate::report::Origin;
use serde::Serialize;

/// A published difference in solve rate to the raw context.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// The agent and the model.
    pub with: &'static str,
    /// Percentage points, of 500 tasks.
    pub points: f64,
    /// The published p value, where there is one.
    pub p: Option<f64>,
}

/// What is published of one kind of strategy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Risk {
    /// Published.
    pub origin: Origin,
    /// By whom.
    pub source: &'static str,
    /// Which strategy was measured.
    pub measured: &'static str,
    /// The numbers in that.
    #[serde(skip)]
    pub numbers: &'static [(&'static str, f64)],
    /// The differences.
    pub differences: &'static [Difference],
}

const SOURCE: &str =
    "The Complexity Trap: solve rates on 500 SWE-bench Verified tasks against the raw context";

/// In the source's name.
const TASKS: f64 = 500.0;

const MASKING: Risk = Risk {
    origin: Origin::Published,
    source: SOURCE,
    measured: "observation masking that keeps 10 (on OpenHands: its default) and moves with every turn",
    numbers: &[("observations kept", 10.0)],
    differences: &[
        Difference { with: "SWE-agent, Gemini 2.5 Flash", points: 2.8, p: Some(0.15) },
        Difference { with: "SWE-agent, Gemini 2.5 Flash thinking", points: -4.0, p: Some(0.041) },
        Difference { with: "SWE-agent, Qwen3-Coder 480B", points: 1.4, p: Some(0.39) },
        Difference { with: "SWE-agent, Qwen3-32B", points: -2.0, p: Some(0.21) },
        Difference { with: "SWE-agent, Qwen3-32B thinking", points: 1.6, p: Some(0.40) },
        // 23.4 against 34.6 %: the solve rates are published, their difference is computed.
        Difference { with: "OpenHands, Gemini 2.5 Flash", points: -11.2, p: None },
    ],
};

const SUMMARY: Risk = Risk {
    origin: Origin::Published,
    source: SOURCE,
    measured: "summaries of 21 turns that keep 10",
    numbers: &[("turns summed up", 21.0), ("turns kept", 10.0)],
    differences: &[
        Difference { with: "SWE-agent, Gemini 2.5 Flash", points: 3.2, p: Some(0.095) },
        Difference { with: "SWE-agent, Gemini 2.5 Flash thinking", points: -9.0, p: Some(0.001) },
        Difference { with: "SWE-agent, Qwen3-Coder 480B", points: 0.4, p: Some(0.87) },
        Difference { with: "SWE-agent, Qwen3-32B", points: -1.0, p: Some(0.62) },
        Difference { with: "SWE-agent, Qwen3-32B thinking", points: 1.8, p: Some(0.34) },
        Difference { with: "OpenHands, Gemini 2.5 Flash", points: 2.6, p: None },
    ],
};

/// What is published of the kind of a strategy; nothing where nothing is known.
pub(super) fn risk(context: &str) -> Option<Risk> {
    match context.split(':').next()? {
        "masking" => Some(MASKING),
        "summary" => Some(SUMMARY),
        _ => None,
    }
}

/// The warning that goes with a lossy strategy.
pub(super) fn warning(context: &str) -> Sentence {
    let lossy = format!("`{context}` is lossy: the model no longer sees what it masks or sums up");
    let Some(risk) = risk(context) else {
        let text = format!(
            "{lossy}. No effect on solve rates is published for it: measure yours before relying on it."
        );
        return Sentence::new(text).from(
            Origin::Published,
            context,
            "published differences in solve rate",
            0.0,
        );
    };
    let points = || risk.differences.iter().map(|one| one.points);
    let (least, most) = (points().fold(f64::INFINITY, f64::min), points().fold(f64::NEG_INFINITY, f64::max));
    let text = format!(
        "{lossy}. Published, not simulated: {least:+.1} to {most:+.1} points of solve rate over {} pairs of agent and \
         model ({}), measured for {}. Measure yours before relying on it.",
        risk.differences.len(),
        risk.source,
        risk.measured,
    );
    let of = |sentence: Sentence, what: &str, number: f64| {
        sentence.from(Origin::Published, "The Complexity Trap", what, number)
    };
    let sentence = of(Sentence::new(text), "pairs of agent and model", risk.differences.len() as f64);
    let sentence = of(sentence, "tasks", TASKS);
    let sentence = risk.numbers.iter().fold(sentence, |sentence, (what, number)| of(sentence, what, *number));
    risk.differences.iter().fold(sentence, |sentence, one| {
        sentence.from(Origin::Published, one.with, "solve_rate_points", one.points)
    })
}
