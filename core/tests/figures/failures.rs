//! Failures of routers, as the committed report has them.

use crate::check_bounds;
use crate::recorder::{Drawn, record};
use atr_core::figure::{FailureFigure, Figure, Rgb, Theme};
use atr_core::report::{Failures, Report, Verdict, load};

fn report() -> Report<Failures> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../reports/failures.json");
    load(path, &std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_failure_stays_within_its_bounds() {
    let report = report();
    report.body.exhibits.iter().for_each(|failure| check_bounds(&FailureFigure { failure }));
}

/// A row ends with its verdict, with an asterisk where that is close, and only what fell has the accent.
#[test]
fn a_row_says_what_became_of_its_router() {
    let mut report = report();
    let failure = &mut report.body.exhibits[0];
    let verdicts = [(Verdict::Falls, true), (Verdict::Suffers, false), (Verdict::Stands, true)];
    failure.routers.truncate(3);
    for (row, (verdict, close)) in failure.routers.iter_mut().zip(verdicts) {
        (row.verdict, row.close) = (verdict, close);
    }
    let figure = FailureFigure { failure };
    let theme = Theme::light();
    let drawn = record(&figure, 360);
    let words: Vec<&str> = drawn
        .iter()
        .filter_map(|drawn| match drawn {
            Drawn::Text { text, left, .. } if *left > 290.0 => Some(text.as_str()),
            _ => None,
        })
        .filter(|text| text.starts_with(['f', 's']))
        .collect();
    assert_eq!(words, ["falls*", "suffers", "stands*"]);
    // Of each row the value when it goes wrong, a square that is filled.
    let filled: Vec<Rgb> = drawn
        .windows(2)
        .filter_map(|pair| match pair {
            [Drawn::Rect { w, .. }, Drawn::Rect { y, w: after, colour, .. }]
                if *w < 7.0 && *after > 8.0 && *y > 50.0 =>
            {
                Some(*colour)
            }
            _ => None,
        })
        .collect();
    assert_eq!(filled, [theme.accent, theme.ink, theme.soft]);
    let first = failure.routers[0].router.clone();
    assert_eq!(figure.finding(), format!("{first} falls; of the other 2 routers 1 suffers, 1 stands."));
}
