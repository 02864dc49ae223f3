//! The roofline: places held against rates that are known.

use crate::check_bounds;
use crate::made_up::probe;
use crate::recorder::{Drawn, record};
use atr_core::figure::{Figure, RooflineFigure};
use atr_core::report::Peaks;

#[test]
fn rooflines_stay_within_their_area() {
    let mut report = probe().body;
    check_bounds(&RooflineFigure { report: &report });
    report.peaks.stated_flops_per_s = None;
    check_bounds(&RooflineFigure { report: &report });
    report.results.products.clear();
    report.results.decode_attention.clear();
    check_bounds(&RooflineFigure { report: &report });
    for list in [
        &mut report.results.prefill_attention,
        &mut report.results.prefill_graphs,
        &mut report.results.decode_graphs,
    ] {
        list.clear();
    }
    check_bounds(&RooflineFigure { report: &report });
}

/// Corners of the roofs, the measured one first.
fn roofs(drawn: &[Drawn]) -> Vec<Vec<(f64, f64)>> {
    let paths = drawn.iter().filter_map(|drawn| match drawn {
        Drawn::Path(points) if points.len() == 3 && points[1].1 == points[2].1 => Some(points.clone()),
        _ => None,
    });
    paths.collect()
}

/// The middle of each circle of the plot: the products, after the one of the key.
fn products(drawn: &[Drawn]) -> Vec<(f64, f64)> {
    let circles = drawn.iter().filter_map(|drawn| match drawn {
        Drawn::Path(points) if points.len() == 2 && (points[1].0 - points[0].0 - 5.2).abs() < 0.1 => {
            Some(((points[0].0 + points[1].0) / 2.0, (points[0].1 + points[1].1) / 2.0))
        }
        _ => None,
    });
    circles.collect()
}

/// Products of 1, 10, 100 and 1,000 operations a byte lie on the roof: equal steps to the right, equal steps up to the
/// ridge at 100, then level.
#[test]
fn what_is_on_the_roof_is_drawn_on_it() {
    let mut report = probe().body;
    report.peaks = Peaks { stated_flops_per_s: None, stated_bytes_per_s: None, ..report.peaks };
    let drawn = record(&RooflineFigure { report: &report }, 880);
    let points = products(&drawn);
    assert_eq!(points.len(), 4, "{points:?}");
    let roof = &roofs(&drawn)[0];
    let near = |a: (f64, f64), b: (f64, f64)| (a.0 - b.0).abs() < 0.3 && (a.1 - b.1).abs() < 0.3;
    assert!(near(points[2], roof[1]), "the ridge: {points:?} {roof:?}");
    let step = (points[1].0 - points[0].0, points[1].1 - points[0].1);
    assert!(step.0 > 20.0 && step.1 < -20.0, "{step:?}");
    assert!(near((points[1].0 + step.0, points[1].1 + step.1), points[2]), "{points:?}");
    assert!(near((points[2].0 + step.0, points[2].1), points[3]), "{points:?}");
}

#[test]
fn words_and_table_say_what_was_measured() {
    let report = probe().body;
    let figure = RooflineFigure { report: &report };
    assert_eq!(
        figure.finding(),
        "Tiny in bf16 on Made Up: attention reaches 100.0 % of the measured matrix rate in prefill and 100.0 % of the \
         measured bandwidth in decoding."
    );
    assert!(figure.caption().starts_with("Measured (probe, random weights)"), "{}", figure.caption());
    let rows = figure.table().rows;
    // Four products and one of each other kind that is drawn; the copy computes nothing.
    assert_eq!(rows.len(), 8);
    assert_eq!(rows[3], ["qkv", "1", "0", "1000.0", "100.0", "100", "10.0 ms"]);
}
