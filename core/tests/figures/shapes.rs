//! The figures of shapes: small multiples and bars held against the numbers that they show.

use crate::check_bounds;
use crate::recorder::{Drawn, record};
use atr_core::figure::{Figure, ShapesFigure, ShapesView, Theme};
use atr_core::metrics::shapes::Shapes;
use atr_core::report::{AgentShapes, NotCounted, Origin, SetRef, ShapesInput};
use atr_core::trace::Session;

/// A session of `turns` prompts that grow from 1,000 tokens by 500 each, with these gaps in seconds.
fn session(harness: &str, turns: u32, gaps_s: &[u64], tool: Option<&str>) -> Session {
    let calls: Vec<String> = (0..turns)
        .map(|id| {
            let gap = gaps_s.get(id as usize % gaps_s.len().max(1)).filter(|_| id > 0);
            let times = gap.map(|s| format!(r#""after":[{}],"delay_us":{},"#, id - 1, s * 1_000_000));
            let tools = tool.map(|tool| format!(r#""tools":[{{"name":"{tool}"}}],"#));
            format!(
                r#"{{"id":{id},{}{}"prompt":[],"prompt_tokens":{},"view":[[0,{}]],"output_tokens":100}}"#,
                times.unwrap_or_default(),
                tools.unwrap_or_default(),
                1_000 + id * 500,
                1 + 2 * id
            )
        })
        .collect();
    let message = |role: &str, kind: &str, tokens: u32| {
        format!(r#"{{"role":"{role}","kind":"{kind}","tokens":{tokens},"parts":[]}}"#)
    };
    let mut messages = vec![message("system", "system_prompt", 1_000)];
    for _ in 0..turns {
        messages.push(message("assistant", "action", 100));
        messages.push(message("tool", "observation", 400));
    }
    let text = format!(
        r#"{{"id":"s","source":"t","harness":"{harness}","models":["m"],"scope":"session","counts_from":"source",
            "messages":[{}],"segments":[],"calls":[{}]}}"#,
        messages.join(","),
        calls.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

fn input(name: &str, origin: Origin, sessions: Vec<Session>) -> ShapesInput {
    let set = SetRef { name: name.to_owned(), title: name.to_owned(), path: format!("data/{name}") };
    ShapesInput { set, origin, harness: String::new(), sessions }
}

/// Twenty sessions of `long` with 20 turns and pauses, twelve of `short` with 10 and none, three of
/// `rare`, and synthetic ones of `long` with 40.
fn report() -> AgentShapes {
    let many =
        |count, harness: &str, turns, gaps: &[u64], tool| vec![session(harness, turns, gaps, tool); count];
    let real = [
        many(20, "long", 20, &[1, 10, 400, 4_000], None),
        many(12, "short", 10, &[2], Some("bash")),
        many(3, "rare", 30, &[], Some("str_replace_based_edit_tool")),
    ]
    .concat();
    let inputs = [
        input("real", Origin::Measured, real),
        input("made", Origin::Simulated, many(15, "long", 40, &[5], Some("Read"))),
    ];
    AgentShapes::new(&inputs, vec![NotCounted { name: "n".into(), why: "w".into() }])
}

fn figure(report: &AgentShapes, view: ShapesView) -> ShapesFigure<'_> {
    ShapesFigure { report, view, harnesses: &[] }
}

fn texts(drawn: &[Drawn]) -> Vec<&str> {
    drawn
        .iter()
        .filter_map(|d| if let Drawn::Text { text, .. } = d { Some(text.as_str()) } else { None })
        .collect()
}

#[test]
fn every_view_stays_within_its_bounds() {
    let report = report();
    for view in ShapesView::ALL {
        check_bounds(&figure(&report, view));
        let one = ["rare".to_owned()];
        check_bounds(&ShapesFigure { harnesses: &one, ..figure(&report, view) });
        let none = AgentShapes { groups: Vec::new(), ..report.clone() };
        assert!(figure(&none, view).finding().starts_with("No recorded group"));
        assert!(figure(&none, view).table().rows.is_empty());
    }
}

#[test]
fn findings_are_told_from_the_shapes_of_large_recorded_groups() {
    let report = report();
    let finding = |view| figure(&report, view).finding();
    assert_eq!(
        finding(ShapesView::Turns),
        "The median session takes 10 (short) to 20 (long) turns; one in ten of long takes more than 20."
    );
    // Turn 10 is the last that all large groups reach: 1,000 + 9 × 500 tokens.
    assert_eq!(finding(ShapesView::Growth), "At turn 10 the median prompt is 5.5 k tokens long.");
    assert_eq!(
        finding(ShapesView::Multiple),
        "At turn 10 the median prompt is 5.5 times as long as the session's first."
    );
    // 19 gaps in turn 10, 400, 4,000 and 1 s: 5 of 400 s and 5 of 4,000 s.
    assert_eq!(
        finding(ShapesView::Gaps),
        "A cache that forgets after 5 min has forgotten the prompt after 52.6 % of the pauses of long, and at least \
         once in 100.0 % of its sessions."
    );
    assert_eq!(
        finding(ShapesView::Tools),
        "`bash` makes up 100.0 % of the 120 tool uses of short. The source of long names no tools."
    );
}

#[test]
fn few_sessions_are_said_to_be_few() {
    let report = report();
    for view in ShapesView::ALL {
        let drawn = record(&figure(&report, view), 880);
        let said: Vec<&str> = texts(&drawn).into_iter().filter(|text| text.contains("too few")).collect();
        assert_eq!(said.len(), 1, "{view:?}: {said:?}");
        assert!(said[0].starts_with("3 sessions, too few to judge"), "{view:?}: {said:?}");
    }
}

#[test]
fn only_the_chosen_harnesses_are_drawn() {
    let report = report();
    let one = ["short".to_owned()];
    let chosen = ShapesFigure { harnesses: &one, ..figure(&report, ShapesView::Turns) };
    let drawn = record(&chosen, 880);
    assert!(texts(&drawn).contains(&"short") && !texts(&drawn).contains(&"long"));
    assert_eq!(chosen.table().rows.len(), 1);
    assert!(chosen.height(880) < figure(&report, ShapesView::Turns).height(880));
}

#[test]
fn parts_are_as_wide_as_their_shares() {
    let report = report();
    let theme = Theme::light();
    let one = ["short".to_owned()];
    let drawn = record(&ShapesFigure { harnesses: &one, ..figure(&report, ShapesView::Parts) }, 700);
    let bar = |colour| -> Vec<(f64, f64)> {
        let rects = drawn.iter().filter_map(|drawn| match drawn {
            // The key's swatches are lower than bars.
            Drawn::Rect { x, w, h, colour: own, .. } if *own == colour && *h > 15.0 => Some((*x, *w)),
            _ => None,
        });
        rects.collect()
    };
    let (system, output, observed) =
        (bar(theme.soft), bar(theme.accent.over(theme.paper, 0.3)), bar(theme.accent));
    // Sent in ten turns: 10 × 1,000 of the system prompt, 45 × 100 of output and 45 × 400 of observations.
    let whole = 32_500.0;
    for (found, tokens) in [(system[0], 10_000.0), (output[0], 4_500.0), (observed[0], 18_000.0)] {
        assert!((found.1 / 698.0 - tokens / whole).abs() < 0.003, "{found:?}: {tokens} of {whole}");
    }
    assert!((output[0].0 - (system[0].0 + system[0].1 + 1.0)).abs() < 0.2, "stretches follow each other");
    // What turns add: a fifth output, the rest observations; the second bar has no system prompt.
    assert!((output[1].1 / observed[1].1 - 0.25).abs() < 0.01, "{output:?} {observed:?}");
}

#[test]
fn a_gap_curve_passes_its_shares_at_the_right_places() {
    let report = report();
    let one = ["short".to_owned()];
    let drawn = record(&ShapesFigure { harnesses: &one, ..figure(&report, ShapesView::Gaps) }, 700);
    let x = |name: &str| {
        drawn.iter().find_map(|drawn| match drawn {
            Drawn::Text { text, left, right, .. } if text == name => Some((left + right) / 2.0),
            _ => None,
        })
    };
    let (one_s, one_min, five_min) = (x("1 s").unwrap(), x("1 min").unwrap(), x("5 min").unwrap());
    let decade = (one_min - one_s) / 60_f64.log10();
    assert!(
        (five_min - one_s - decade * 300_f64.log10()).abs() < 0.5,
        "a log axis: {one_s} {one_min} {five_min}"
    );
    // All gaps are 2 s: the curve rises between the edges of that bin, 2 and 3 s.
    let curve = drawn.iter().find_map(|drawn| match drawn {
        Drawn::Path(points)
            if points.len() == 2
                && (points[0].1 - points[1].1).abs() > 100.0
                && points[0].0 < points[1].0 =>
        {
            Some(points.clone())
        }
        _ => None,
    });
    let curve = curve.unwrap();
    for (point, seconds) in curve.iter().zip([2.0_f64, 3.0]) {
        assert!(
            (point.0 - one_s - decade * seconds.log10()).abs() < 0.5,
            "{curve:?} from {one_s}, a decade {decade}"
        );
    }
}

#[test]
fn every_unit_of_time_is_named_on_every_panel_at_any_width() {
    let report = report();
    // Harnesses with gaps, and those without: each has a panel with the whole axis.
    for width in [288, 328, 560, 620, 700, 860, 880, 1_100] {
        let drawn = record(&figure(&report, ShapesView::Gaps), width);
        let count = |name: &str| texts(&drawn).into_iter().filter(|text| *text == name).count();
        for name in ["0.1 s", "1 s", "1 min", "1 d"] {
            assert_eq!(count(name), 3, "{name} at {width}");
        }
        // Once on the axis and once as the name of a lifetime.
        assert_eq!(count("1 h"), 6, "1 h at {width}");
    }
}

#[test]
fn captions_say_what_is_recorded_and_what_is_estimated() {
    let mut estimated = session("guessed", 3, &[1], None);
    estimated.counts_from = "tokenizer:t".to_owned();
    let mut inputs = vec![input("made", Origin::Simulated, vec![session("long", 4, &[5], None)])];
    inputs.push(input("real", Origin::Measured, vec![session("long", 4, &[5], None), estimated]));
    let report = AgentShapes::new(&inputs, Vec::new());
    let caption = |view| figure(&report, view).caption();
    let said = "Lengths of prompts: recorded (long); a tokenizer's estimate (guessed).";
    assert!(caption(ShapesView::Growth).contains(said), "{}", caption(ShapesView::Growth));
    assert!(caption(ShapesView::Multiple).contains(said));
    assert!(
        caption(ShapesView::Parts)
            .contains("Sizes of messages: recorded (long); a tokenizer's estimate (guessed).")
    );
    assert!(caption(ShapesView::Turns).contains("compaction or reset"));
    let columns = figure(&report, ShapesView::Turns).table().columns;
    assert!(columns.contains(&"with a compaction or reset".to_owned()), "{columns:?}");
}

#[test]
fn synthetic_sessions_are_dashed_beside_the_recorded() {
    let report = report();
    let both = record(&figure(&report, ShapesView::Turns), 880);
    assert!(
        texts(&both).contains(&"synthetic") && texts(&both).contains(&"synthetic: 15 sessions, median 40")
    );
    let real = AgentShapes {
        groups: report.groups.iter().filter(|group| group.origin == Origin::Measured).cloned().collect(),
        ..report.clone()
    };
    let alone = record(&figure(&real, ShapesView::Turns), 880);
    assert!(!texts(&alone).contains(&"synthetic"));
    let strokes = |drawn: &[Drawn]| drawn.iter().filter(|drawn| matches!(drawn, Drawn::Path(_))).count();
    assert!(strokes(&both) > strokes(&alone) + 8, "the second curve is cut into strokes");
}

#[test]
fn the_table_has_every_group_with_its_number_of_sessions() {
    let report = report();
    let table = figure(&report, ShapesView::Turns).table();
    let heads: Vec<[&str; 3]> =
        table.rows.iter().map(|row| [0, 1, 2].map(|cell| row[cell].as_str())).collect();
    assert_eq!(
        heads,
        [
            ["long", "recorded", "20"],
            ["short", "recorded", "12"],
            ["rare", "recorded", "3"],
            ["long", "synthetic", "15"]
        ]
    );
    let unknown = figure(&report, ShapesView::Gaps).table();
    let rare = unknown.rows.iter().find(|row| row[0] == "rare").unwrap();
    assert_eq!(rare[3], "–", "no times, no zeros: {rare:?}");
    assert_eq!(Shapes::of(&[]).sessions, 0);
}
