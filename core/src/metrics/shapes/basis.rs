//! What the numbers of a group rest on: the source's own counts, or estimates.

use crate::trace::{Call, Mark, Session};
use serde::{Deserialize, Serialize};

/// How many calls have a number from where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The source says it, call by call.
    pub recorded: u64,
    /// Derived from how prompts grow.
    pub derived: u64,
    /// A part of what the source recorded, divided in proportion to a tokenizer's counts.
    pub divided: u64,
    /// An estimate by a tokenizer or from bytes.
    pub estimated: u64,
    /// Nobody sent it: the session is synthetic.
    pub synthetic: u64,
}

/// What token counts rest on, by what is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bases {
    /// Lengths of prompts, and so what they grow by.
    pub prompts: Basis,
    /// Tokens generated.
    pub outputs: Basis,
    /// Sizes of the messages in prompts, observations among them.
    pub messages: Basis,
}

impl Bases {
    /// Of the calls of sessions.
    pub(super) fn of(sessions: &[&Session]) -> Bases {
        let mut bases = Bases::default();
        for session in sessions {
            let calls = session.calls.len() as u64;
            let messages = match session.counts_from.as_str() {
                "source" if session.has(Mark::DerivedMessages) => &mut bases.messages.derived,
                from => bases.messages.place(from, false),
            };
            *messages += calls;
            for call in &session.calls {
                let (prompt, output) = counted(session, call);
                *bases.prompts.place(&session.counts_from, prompt) += 1;
                *bases.outputs.place(&session.counts_from, output) += 1;
            }
        }
        bases
    }
}

/// Whether the source counts a call's prompt and its output. Where only totals come from it, no call
/// has a count of its own.
fn counted(session: &Session, call: &Call) -> (bool, bool) {
    let recorded = call.recorded.as_ref();
    // A call may be marked for its times alone: what the provider found cached tells that it counted.
    let usage = recorded.is_some_and(|recorded| recorded.cached_tokens.is_some());
    let prompt = session.counts_from == "source" || !call.estimated || usage;
    // What the source said of an output is kept beside it only where something else took its place.
    let replaced = call.estimated && recorded.is_some_and(|recorded| recorded.output_tokens.is_some());
    (prompt, prompt && !replaced)
}

impl Basis {
    /// Where a call of a session with these counts belongs.
    fn place(&mut self, counts_from: &str, counted: bool) -> &mut u64 {
        match counts_from {
            "synthetic" => &mut self.synthetic,
            "source" => &mut self.recorded,
            from if from.starts_with("source+") && counted => &mut self.recorded,
            from if from.starts_with("source+") => &mut self.divided,
            _ => &mut self.estimated,
        }
    }

    /// As readers are told: `recorded`, or each part with its share of the calls; `None` of no call.
    pub fn words(&self) -> Option<String> {
        let parts = [
            (self.recorded, "recorded"),
            (self.derived, "derived from how prompts grow"),
            (self.divided, "recorded sums divided by a tokenizer"),
            (self.estimated, "a tokenizer's estimate"),
            (self.synthetic, "synthetic"),
        ];
        let all: u64 = parts.iter().map(|(calls, _)| calls).sum();
        let some = || parts.iter().filter(|(calls, _)| *calls > 0);
        if some().count() <= 1 {
            return some().next().map(|(_, words)| (*words).to_owned());
        }
        let share = |calls: u64| format!("{:.1} %", calls as f64 * 100.0 / all as f64);
        let said: Vec<String> = some().map(|(calls, words)| format!("{} {words}", share(*calls))).collect();
        Some(said.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One session with calls of these lines.
    fn session(counts_from: &str, marks: &str, calls: &[&str]) -> Session {
        let call = |(id, rest): (usize, &&str)| {
            format!(r#"{{"id":{id},"prompt":[],"prompt_tokens":9,"output_tokens":1{rest}}}"#)
        };
        let calls: Vec<String> = calls.iter().enumerate().map(call).collect();
        serde_json::from_str(&format!(
            r#"{{"id":"s","source":"t","harness":"h","models":["m"],"scope":"session","marks":[{marks}],
                "counts_from":"{counts_from}","segments":[],"calls":[{}]}}"#,
            calls.join(",")
        ))
        .unwrap()
    }

    #[test]
    fn counts_are_told_apart_by_where_they_come_from() {
        let blocks = session("source", r#""derived_messages""#, &["", r#","estimated":true"#]);
        // By the provider; by it, but with an estimated time; of its totals only; a placeholder replaced.
        let totals = session(
            "source+tokenizer:t",
            "",
            &[
                "",
                r#","estimated":true,"recorded":{"cached_tokens":0}"#,
                r#","estimated":true"#,
                r#","estimated":true,"recorded":{"cached_tokens":4,"output_tokens":1}"#,
            ],
        );
        let counted = session("tokenizer:t", "", &[""]);
        let made = session("synthetic", "", &["", ""]);
        let bases = Bases::of(&[&blocks, &totals, &counted, &made]);
        let basis = |recorded, derived, divided, estimated| Basis {
            recorded,
            derived,
            divided,
            estimated,
            synthetic: 2,
        };
        assert_eq!(bases.prompts, basis(5, 0, 1, 1));
        assert_eq!(bases.outputs, basis(4, 0, 2, 1));
        assert_eq!(bases.messages, basis(0, 2, 4, 1));
    }

    #[test]
    fn one_ground_needs_no_share() {
        let words = |recorded, estimated| Basis { recorded, estimated, ..Basis::default() }.words();
        assert_eq!(words(0, 0), None);
        assert_eq!(words(3, 0).unwrap(), "recorded");
        assert_eq!(words(0, 3).unwrap(), "a tokenizer's estimate");
        assert_eq!(words(3, 1).unwrap(), "75.0 % recorded, 25.0 % a tokenizer's estimate");
    }
}
