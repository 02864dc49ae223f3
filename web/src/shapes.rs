//! What the shapes of agents mean for whoever serves them, in sentences and in one table; every number
//! is the report's.

use crate::words::{grouped, percent, plural, short, time};
use atr_core::metrics::shapes::{Basis, FEW_SESSIONS, SessionShare, Shapes, Variable};
use atr_core::report::{AgentShapes, Origin, ShapesGroup, ShareRow};

/// Harnesses in the order of the report.
pub fn harnesses(report: &AgentShapes) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for group in &report.groups {
        if !names.contains(&group.harness) {
            names.push(group.harness.clone());
        }
    }
    names
}

/// Those of `chosen` that the report has.
pub fn known(report: &AgentShapes, chosen: &[String]) -> Vec<String> {
    harnesses(report).into_iter().filter(|name| chosen.contains(name)).collect()
}

/// The groups of these harnesses; all where none is named.
fn groups<'a>(report: &'a AgentShapes, chosen: &'a [String]) -> impl Iterator<Item = &'a ShapesGroup> {
    report.groups.iter().filter(move |group| chosen.is_empty() || chosen.contains(&group.harness))
}

fn median(shapes: &Shapes, variable: Variable) -> Option<f64> {
    shapes.variable(variable)?.at(0.5)
}

/// Sentences for whoever serves these harnesses. Each is about the recorded group that it is most true of.
pub fn for_serving(report: &AgentShapes, chosen: &[String]) -> Vec<String> {
    let most = |value: &dyn Fn(&Shapes) -> Option<f64>| {
        let recorded = groups(report, chosen)
            .filter(|group| group.origin == Origin::Measured && group.shapes.sessions >= FEW_SESSIONS);
        recorded.filter_map(|group| Some((group, value(&group.shapes)?))).max_by(|a, b| a.1.total_cmp(&b.1))
    };
    let said = [
        most(&times_sent).and_then(resent),
        most(&|shapes| shapes.added.map(|parts| parts.observation)).and_then(added),
        most(&|shapes| Some(shapes.beyond.as_ref()?.first()?.prompt_share)).and_then(forgotten),
        most(&|shapes| shapes.compactions.sessions_share).and_then(dropped),
        most(&|shapes| shapes.subagents.sessions_share).and_then(helped),
        few(report, chosen),
    ];
    said.into_iter().flatten().collect()
}

/// Prompt tokens of a session over the length of its longest prompt, both at the median.
fn times_sent(shapes: &Shapes) -> Option<f64> {
    let peak = median(shapes, Variable::PeakPromptTokens).filter(|peak| *peak > 0.0)?;
    Some(median(shapes, Variable::SessionPromptTokens)? / peak)
}

fn resent((group, times): (&ShapesGroup, f64)) -> Option<String> {
    let shapes = &group.shapes;
    Some(format!(
        "Half of the {} of {} send more than {} prompt tokens, though the median longest prompt has {}: {times:.0} \
         times as many. Without a prefix cache a server computes all of them.",
        plural(shapes.sessions, "session"),
        group.harness,
        short(median(shapes, Variable::SessionPromptTokens)? as u64),
        short(median(shapes, Variable::PeakPromptTokens)? as u64),
    ))
}

fn added((group, share): (&ShapesGroup, f64)) -> Option<String> {
    Some(format!(
        "The median turn of {} makes the prompt {} tokens longer, and {} of what turns add are observations. Only \
         that is new to a server that remembers.",
        group.harness,
        grouped(median(&group.shapes, Variable::GrowthTokens)? as u64),
        percent(Some(share)),
    ))
}

fn forgotten((group, share): (&ShapesGroup, f64)) -> Option<String> {
    let row = group.shapes.beyond.as_ref()?.first()?;
    let lifetime = row.lifetime();
    if row.gaps == 0 {
        return Some(format!(
            "No pause is longer than {lifetime}: a cache that keeps prompts so long loses none."
        ));
    }
    Some(format!(
        "{} of the pauses of {} are longer than {lifetime}. The calls after them bring {} of its prompt tokens, \
         which a cache of that lifetime has forgotten.",
        percent(Some(row.gaps_share)),
        group.harness,
        percent(Some(share)),
    ))
}

fn dropped((group, share): (&ShapesGroup, f64)) -> Option<String> {
    let shapes = &group.shapes;
    let kept = shapes.compactions.remaining.as_ref().and_then(|kept| kept.at(0.5));
    let Some(kept) = kept else { return Some("No session has a compaction or reset.".to_owned()) };
    Some(format!(
        "{} of the {} of {} have a compaction or reset, {} in all. The median one keeps {} of the prompt; the \
         rest of what was cached is of no more use.",
        percent(Some(share)),
        plural(shapes.sessions, "session"),
        group.harness,
        grouped(shapes.compactions.count),
        percent(Some(kept)),
    ))
}

fn helped((group, share): (&ShapesGroup, f64)) -> Option<String> {
    let sub = group.shapes.subagents;
    (sub.sessions > 0).then(|| {
        format!(
            "{} of the sessions of {} start sub-agents, which send {} of its prompt tokens.",
            percent(Some(share)),
            group.harness,
            percent(sub.prompt_share)
        )
    })
}

/// Which harnesses have so few sessions that nothing general can be said of them.
fn few(report: &AgentShapes, chosen: &[String]) -> Option<String> {
    let few = groups(report, chosen).filter(|group| group.shapes.sessions < FEW_SESSIONS);
    let names: Vec<String> = few
        .map(|group| format!("{} of {}", plural(group.shapes.sessions, "session"), group.harness))
        .collect();
    (!names.is_empty()).then(|| {
        format!(
            "Only {} are here: what the figures show of so few holds for them alone.",
            names.join(" and ")
        )
    })
}

/// Heads of the summary.
pub const SUMMARY: [&str; 12] = [
    "Harness",
    "Kind",
    "Sessions",
    "Turns",
    "First prompt, tokens",
    "Growth a turn, tokens",
    "Output a call, tokens",
    "Observations a turn, tokens",
    "Gap",
    "With a compaction or reset",
    "With sub-agents",
    "Reasoning in the output",
];

/// One row a group: medians, and shares of sessions.
pub fn summary(report: &AgentShapes, chosen: &[String]) -> Vec<[String; 12]> {
    let row = |group: &ShapesGroup| {
        let shapes = &group.shapes;
        let known = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let number = |variable| known(median(shapes, variable).map(|value| grouped(value.round() as u64)));
        let few = if shapes.sessions < FEW_SESSIONS { " (few)" } else { "" };
        [
            group.harness.clone(),
            if group.origin == Origin::Measured { "recorded" } else { "synthetic" }.to_owned(),
            format!("{}{few}", grouped(shapes.sessions)),
            number(Variable::Turns),
            number(Variable::FirstPromptTokens),
            number(Variable::GrowthTokens),
            number(Variable::OutputTokens),
            number(Variable::ObservationTokens),
            known(median(shapes, Variable::GapMs).map(time)),
            percent(shapes.compactions.sessions_share),
            percent(shapes.subagents.sessions_share),
            percent(shapes.reasoning_share),
        ]
    };
    groups(report, chosen).map(row).collect()
}

/// What was left out, and which sets say nothing about shapes.
pub fn left_out(report: &AgentShapes) -> String {
    let sum = |pick: fn(&Shapes) -> u64| report.groups.iter().map(|group| pick(&group.shapes)).sum::<u64>();
    let sets: Vec<String> =
        report.not_counted.iter().map(|set| format!("{} ({})", set.name, set.why)).collect();
    format!(
        "Medians over the sessions of each harness, and shares of them. {} left out; {} in mid-session and \
         have no first prompt. Not counted: {}.",
        plural(sum(|shapes| shapes.left_out.duplicates), "duplicate"),
        plural(sum(|shapes| shapes.left_out.mid_session), "recording") + " begin",
        if sets.is_empty() { "none".to_owned() } else { sets.join(", ") },
    )
}

/// Distances of the synthetic sessions: heads, and one row a variable.
pub fn fit(report: &AgentShapes, chosen: &[String]) -> (Vec<String>, Vec<Vec<String>>) {
    let shown = |name: &String| chosen.is_empty() || chosen.contains(name);
    let names: Vec<String> = harnesses(report)
        .into_iter()
        .filter(|name| shown(name) && report.fit.iter().any(|row| row.harness == *name))
        .collect();
    let row = |variable: Variable| {
        let cell = |name: &String| {
            let row = report.fit.iter().find(|row| row.harness == *name && row.variable == variable);
            row.map_or_else(
                || "–".to_owned(),
                |row| {
                    format!("{:.2} ({} / {})", row.ks_distance, short(row.measured_n), short(row.simulated_n))
                },
            )
        };
        std::iter::once(variable.title().to_owned()).chain(names.iter().map(cell)).collect()
    };
    let share = |share: SessionShare| {
        let cell = |name: &String| {
            let row = report.fit_shares.iter().find(|row| row.harness == *name && row.share == share);
            row.map_or_else(|| "–".to_owned(), difference)
        };
        std::iter::once(share.title().to_owned()).chain(names.iter().map(cell)).collect()
    };
    let all = || Variable::ALL.into_iter().map(row).chain(SessionShare::ALL.into_iter().map(share));
    let rows = if names.is_empty() { Vec::new() } else { all().collect() };
    (std::iter::once("Variable".to_owned()).chain(names.iter().cloned()).collect(), rows)
}

/// `+9.2 points (18.3 % / 27.5 %)`: by how much the synthetic share differs, and both.
fn difference(row: &ShareRow) -> String {
    let (measured, simulated) = (percent(Some(row.measured)), percent(Some(row.simulated)));
    format!("{:+.1} points ({measured} / {simulated})", row.difference * 100.0)
}

/// Heads of what numbers rest on.
pub const GROUNDS: [&str; 6] =
    ["Harness", "Turns", "Prompts and their growth", "Output", "Observations", "Gaps"];

/// What each variable of the recorded groups rests on: the source's own numbers, or estimates.
pub fn grounds(report: &AgentShapes, chosen: &[String]) -> Vec<[String; 6]> {
    let said = |basis: Basis| basis.words().unwrap_or_else(|| "–".to_owned());
    let row = |group: &ShapesGroup| {
        let shapes = &group.shapes;
        let gaps = match (shapes.variable(Variable::GapMs), shapes.estimated_calls) {
            (None, _) => "not recorded".to_owned(),
            (Some(_), 0) => "recorded".to_owned(),
            (Some(_), estimated) => {
                let share = estimated as f64 / shapes.calls as f64;
                format!("calls marked as estimates: {}", percent(Some(share)))
            }
        };
        let bases = shapes.bases;
        let turns = "recorded".to_owned();
        [group.harness.clone(), turns, said(bases.prompts), said(bases.outputs), said(bases.messages), gaps]
    };
    groups(report, chosen).filter(|group| group.origin == Origin::Measured).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use atr_core::report::{SetRef, ShapesInput};
    use atr_core::trace::Session;

    /// Sessions of three turns, the last behind a long pause.
    fn input(harness: &str, origin: Origin, count: usize, pause_s: u64) -> ShapesInput {
        let text = format!(
            r#"{{"id":"s","source":"t","harness":"{harness}","models":["m"],"scope":"session","counts_from":"source",
                "messages":[{{"role":"user","kind":"task","tokens":100,"parts":[]}},
                            {{"role":"tool","kind":"observation","tokens":300,"parts":[]}}],"segments":[],"calls":[
                {{"id":0,"prompt":[],"prompt_tokens":100,"view":[[0,1]],"output_tokens":7}},
                {{"id":1,"after":[0],"delay_us":1000000,"prompt":[],"prompt_tokens":400,"view":[[0,2]],"output_tokens":7}},
                {{"id":2,"after":[1],"delay_us":{},"prompt":[],"prompt_tokens":100,"view":[[0,1]],"output_tokens":7}}]}}"#,
            pause_s * 1_000_000
        );
        let session: Session = serde_json::from_str(&text).unwrap();
        let set = SetRef { name: "n".to_owned(), title: "t".to_owned(), path: "data/n".to_owned() };
        ShapesInput { set, origin, harness: String::new(), sessions: vec![session; count] }
    }

    #[test]
    fn sentences_are_about_the_group_that_they_are_most_true_of() {
        let inputs = [
            input("a", Origin::Measured, 10, 1),
            input("b", Origin::Measured, 10, 301),
            input("c", Origin::Measured, 1, 9_000),
        ];
        let report = AgentShapes::new(&inputs, Vec::new());
        let said = for_serving(&report, &[]);
        // 600 tokens sent, the longest prompt has 400; drops to a quarter.
        assert!(
            said[0].contains("more than 600 prompt tokens") && said[0].contains("has 400: 2 times"),
            "{}",
            said[0]
        );
        assert!(said[1].contains("300 tokens longer, and 100.0 %"), "{}", said[1]);
        // One of two pauses; 100 of the 500 tokens behind pauses.
        assert!(said[2].starts_with("50.0 % of the pauses of b are longer than 5 min."), "{}", said[2]);
        assert!(said[2].contains("bring 20.0 %"), "{}", said[2]);
        assert!(
            said[3].contains("compaction or reset, 10 in all") && said[3].contains("keeps 25.0 %"),
            "{}",
            said[3]
        );
        assert_eq!(
            said[4],
            "Only 1 session of c are here: what the figures show of so few holds for them alone."
        );
        let one = for_serving(&report, &["a".to_owned()]);
        assert!(one[2].starts_with("No pause is longer than"), "{}", one[2]);
    }

    #[test]
    fn the_bundled_report_can_be_told() {
        let text = include_str!("../../reports/shapes.json");
        let report = atr_core::report::load::<AgentShapes>("shapes.json", text).unwrap().body;
        assert!(for_serving(&report, &[]).len() >= 4);
        assert_eq!(summary(&report, &[]).len(), report.groups.len());
        for name in harnesses(&report) {
            let one = [name.clone()];
            assert!(summary(&report, &one).iter().all(|row| row[0] == name));
            assert_eq!(known(&report, &["nobody".to_owned(), name.clone()]), one);
        }
    }

    #[test]
    fn each_variable_says_what_it_rests_on() {
        let mut guessed = input("b", Origin::Measured, 1, 1);
        guessed.sessions[0].counts_from = "tokenizer:t".to_owned();
        guessed.sessions[0].calls[1].estimated = true;
        let inputs = [input("a", Origin::Measured, 1, 1), guessed, input("a", Origin::Simulated, 1, 1)];
        let rows = grounds(&AgentShapes::new(&inputs, Vec::new()), &[]);
        assert_eq!(rows[0], ["a", "recorded", "recorded", "recorded", "recorded", "recorded"]);
        let guess = "a tokenizer's estimate";
        assert_eq!(rows[1], ["b", "recorded", guess, guess, guess, "calls marked as estimates: 33.3 %"]);
        assert_eq!(rows.len(), 2, "nobody recorded what is synthetic");
    }

    #[test]
    fn distances_stand_where_there_are_both() {
        let inputs = [
            input("a", Origin::Measured, 2, 1),
            input("a", Origin::Simulated, 3, 1),
            input("b", Origin::Measured, 2, 1),
        ];
        let (heads, rows) = fit(&AgentShapes::new(&inputs, Vec::new()), &[]);
        assert_eq!(heads, ["Variable", "a"]);
        assert_eq!(rows[0], ["turns", "0.00 (2 / 3)"]);
        // Every session drops to a quarter, recorded or not.
        let share = |rows: &[Vec<String>]| {
            let row = rows.iter().find(|row| row[0] == "sessions with a compaction or reset");
            row.map(|row| row[1].clone()).unwrap()
        };
        assert_eq!(share(&rows), "+0.0 points (100.0 % / 100.0 %)");
        let mut steady = inputs.clone();
        for session in &mut steady[1].sessions[1..] {
            session.calls[2].prompt_tokens = 500;
        }
        let (_, rows) = fit(&AgentShapes::new(&steady, Vec::new()), &[]);
        assert_eq!(share(&rows), "-66.7 points (100.0 % / 33.3 %)");
        let (_, none) = fit(&AgentShapes::new(&inputs[..1], Vec::new()), &[]);
        assert!(none.is_empty());
    }
}
