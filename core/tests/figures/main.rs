//! Figures as geometry: what is drawn is recorded instead of painted, and held against the data.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod made_up;
mod recorder;
mod roofline;
mod shapes;

use atr_core::figure::{Figure, LatencyFigure, Quantity, RaceFigure, Rgb, StripsFigure, SweepFigure, Theme};
use atr_core::report::{Policies, Race, StripRow, Sweep};
use recorder::{Drawn, record};

/// Nothing leaves the figure and no label is smaller than 11 CSS pixels. plotters moves what would
/// leave to the very edge, so the right and the bottom edge count as outside.
pub(crate) fn check_bounds(figure: &impl Figure) {
    for width in [320, 360, 480, 560, 640, 720, 880, 1_100] {
        let height = f64::from(figure.height(width));
        let inside = |x: f64, y: f64| x >= 0.0 && x < f64::from(width) && y >= 0.0 && y < height;
        for drawn in record(figure, width) {
            let good = match &drawn {
                Drawn::Rect { x, y, w, h, .. } => inside(*x, *y) && inside(x + w, y + h),
                Drawn::Path(points) => points.iter().all(|(x, y)| inside(*x, *y)),
                Drawn::Text { left, right, y, size, .. } => {
                    assert!(*size >= 11.0, "{} at {width}: {drawn:?}", figure.id());
                    inside(*left, y - size / 2.0) && inside(*right, y + size / 2.0)
                }
            };
            assert!(good, "{} at {width} × {height}: {drawn:?}", figure.id());
        }
        let table = figure.table();
        assert!(table.rows.iter().all(|row| row.len() == table.columns.len()));
    }
}

fn row(prompt_tokens: u64, cached_tokens: u64, output_tokens: u64, again_tokens: u64) -> StripRow {
    StripRow { prompt_tokens, cached_tokens, output_tokens, again_tokens, ..StripRow::default() }
}

fn strips() -> StripsFigure {
    let rows = vec![row(1_000, 0, 50, 0), row(2_000, 1_000, 10, 0), row(2_000, 500, 10, 1_500)];
    StripsFigure { name: "s".into(), cache: "a cache".into(), rows, selected: Some(1) }
}

#[test]
fn a_strip_is_as_wide_as_its_tokens() {
    let figure = strips();
    let (cached, computed) = (Theme::light().cached, Theme::light().computed);
    let rects: Vec<(f64, f64, f64, Rgb)> = record(&figure, 800)
        .into_iter()
        .filter_map(|drawn| match drawn {
            Drawn::Rect { x, y, w, colour, .. } => Some((x, y, w, colour)),
            _ => None,
        })
        .collect();
    // The key stands above; rows begin below it, all at the same left edge.
    let cached: Vec<_> = rects.iter().filter(|(_, y, _, colour)| *colour == cached && *y > 20.0).collect();
    assert_eq!(cached.len(), 2);
    assert_eq!(cached[0].0, cached[1].0);
    assert!((cached[0].2 / cached[1].2 - 2.0).abs() < 0.02, "1,000 cached tokens against 500: {cached:?}");
    let ground = computed.over(Theme::light().paper, 0.28);
    let fresh: Vec<_> = rects.iter().filter(|(_, y, _, colour)| *colour == ground && *y > 20.0).collect();
    assert_eq!(fresh.len(), 3);
    assert!((fresh[2].2 / fresh[0].2 - 1.5).abs() < 0.02, "1,500 computed tokens against 1,000: {fresh:?}");
    assert!((fresh[2].0 - (cached[1].0 + cached[1].2)).abs() < 0.2, "computed begins where cached ends");
}

#[test]
fn the_broken_row_says_what_it_costs() {
    let texts = |width| -> Vec<String> {
        let drawn = record(&strips(), width);
        drawn
            .into_iter()
            .filter_map(|d| if let Drawn::Text { text, .. } = d { Some(text) } else { None })
            .collect()
    };
    assert!(texts(800).contains(&"1,500 tokens again".to_owned()), "{:?}", texts(800));
    assert!(texts(340).contains(&"1.5 k again".to_owned()), "{:?}", texts(340));
    assert_eq!(
        strips().finding(),
        "At call 3 the prefix breaks: 1,500 of its 2,000 tokens are computed again."
    );
}

#[test]
fn a_row_is_found_by_its_height() {
    let figure = strips();
    let theme = Theme::light();
    let drawn = record(&figure, 800);
    let tops = drawn.iter().filter_map(|drawn| match drawn {
        Drawn::Rect { y, h, colour, .. } if *colour == theme.ink && *y > 20.0 => Some(y + h / 2.0),
        _ => None,
    });
    let rows: Vec<Option<usize>> = tops.map(|y| figure.row_at(y)).collect();
    assert_eq!(rows, [Some(0), Some(1), Some(2)]);
    assert_eq!(figure.row_at(2.0), None);
    assert_eq!(figure.row_at(10_000.0), None);
}

const SCENARIO: &str = r#"{"policies":["naive","prefix-aware-routing"],"replicas":2,"profile":"p","max_batch":1,
    "step_tokens":1,"max_tokens":1,"speed":1.0,"seed":1,"profile_origin":"estimated","context_tokens":9,"sessions":1,"calls":2}"#;
const SET: &str = r#"{"name":"n","title":"Test set","path":"data/n.ndjson.gz"}"#;

fn race() -> Race {
    let call = |at: u64, first: u64, end: u64, prompt: u64, cached: u64| {
        format!(
            r#"{{"source_call":0,"role":"agent","status":"ok","replica":0,"pause_us":0,"scheduled_us":{at},
            "admitted_us":{at},"first_token_us":{first},"finished_us":{end},"prompt_tokens":{prompt},
            "cached_tokens":{cached},"computed_tokens":{},"output_tokens":5}}"#,
            prompt - cached
        )
    };
    let naive = [call(0, 1_000_000, 1_500_000, 1_000, 0), call(1_500_000, 3_500_000, 4_000_000, 2_000, 0)];
    let routed =
        [call(0, 1_000_000, 1_500_000, 1_000, 0), call(1_500_000, 2_500_000, 3_000_000, 2_000, 1_000)];
    let text = format!(
        r#"{{"set":{SET},"session":"s","harness":"h","scenario":{SCENARIO},"lanes":[
            {{"policy":"naive","calls":[{}]}},{{"policy":"prefix-aware-routing","calls":[{}]}}]}}"#,
        naive.join(","),
        routed.join(",")
    );
    serde_json::from_str(&text).unwrap()
}

/// Width of what a lane shows, by lane from the top.
fn lane_widths(race: &Race, t_us: u64) -> Vec<f64> {
    let theme = Theme::light();
    let ground = theme.computed.over(theme.paper, 0.28);
    let mut lanes: Vec<(f64, f64)> = Vec::new();
    for drawn in record(&RaceFigure { race, t_us }, 1_000) {
        if let Drawn::Rect { y, w, h, colour, .. } = drawn {
            let bar = h > 15.0 && (colour == theme.cached || colour == ground);
            if bar {
                match lanes.iter_mut().find(|lane| lane.0 == y) {
                    Some(lane) => lane.1 += w,
                    None => lanes.push((y, w)),
                }
            }
        }
    }
    lanes.into_iter().map(|lane| lane.1).collect()
}

#[test]
fn a_lane_shows_what_was_worked_through_at_that_moment() {
    let race = race();
    let end = lane_widths(&race, race.end_us());
    let full = end[0];
    assert!((end[1] - full).abs() < 0.3, "both lanes end at 3,000 tokens: {end:?}");
    // At 0.5 s half of the first prompt is computed: 500 of 3,000 tokens, in both lanes.
    for width in lane_widths(&race, 500_000) {
        assert!((width / full - 500.0 / 3_000.0).abs() < 0.002, "{width} of {full}");
    }
    // At 2 s naive has a quarter of the second prompt; the other found 1,000 and has half of the rest.
    let two = lane_widths(&race, 2_000_000);
    assert!((two[0] / full - 1_500.0 / 3_000.0).abs() < 0.002, "{two:?} of {full}");
    assert!((two[1] / full - 2_500.0 / 3_000.0).abs() < 0.002, "{two:?} of {full}");
}

#[test]
fn a_lane_never_shrinks() {
    let race = race();
    let mut before = vec![0.0, 0.0];
    for t_us in (100_000..=race.end_us()).step_by(100_000) {
        let now = lane_widths(&race, t_us);
        assert!(now.iter().zip(&before).all(|(now, before)| *now >= before - 0.11), "{before:?} {now:?}");
        before = now;
    }
}

#[test]
fn the_race_is_told_from_its_data() {
    let race = race();
    let figure = RaceFigure::at_first_finish(&race);
    assert_eq!(figure.t_us, 3_000_000);
    assert_eq!(
        figure.finding(),
        "When prefix-aware-routing has answered all 2 calls, after 3.00 s, naive has answered 1 of 2."
    );
    assert_eq!(figure.table().rows[1][7], "33.3 %");
}

fn spread(mean: f64) -> String {
    let (p50, p90, p95, p99) = (mean * 0.8, mean * 1.5, mean * 2.0, mean * 3.0);
    format!(r#"{{"mean":{mean},"p50":{p50},"p90":{p90},"p95":{p95},"p99":{p99}}}"#)
}

fn policies(means: &[(&str, f64)]) -> Policies {
    let rows: Vec<String> = means
        .iter()
        .map(|(name, mean)| {
            format!(
                r#"{{"name":"{name}","calls":1234,"failed":0,"rejected":0,"skipped":0,"hit_rate":0.5,"ceiling_hit_rate":0.9,
                "ttft_ms":{},"tpot_ms":null,"e2e_ms":null,"queue_ms":null,"job_ms":null,"prompt_tokens":1,
                "prefill_tokens":1,"output_tokens":1,"makespan_ms":1.0,"utilisation":0.5,"preemptions":0}}"#,
                spread(*mean)
            )
        })
        .collect();
    serde_json::from_str(&format!(r#"{{"set":{SET},"scenario":{SCENARIO},"policies":[{}]}}"#, rows.join(",")))
        .unwrap()
}

#[test]
fn latency_names_the_best_and_what_it_saves() {
    let report =
        policies(&[("naive", 800.0), ("exact-prefix-cache", 600.0), ("prefix-aware-routing", 200.0)]);
    assert_eq!(
        LatencyFigure { report: &report }.finding(),
        "On Test set, prefix-aware-routing cuts the mean time to first token from 800 ms to 200 ms, by 75.0 %."
    );
    let lossy = policies(&[("naive", 800.0), ("exact-prefix-cache", 600.0), ("prompt-compaction", 10.0)]);
    let figure = LatencyFigure { report: &lossy };
    assert!(
        figure.finding().contains("exact-prefix-cache cuts"),
        "lossy policies make no headline: {}",
        figure.finding()
    );
    assert!(figure.caption().contains("prompt-compaction leaves out"), "{}", figure.caption());
    let worse = policies(&[("naive", 800.0), ("exact-prefix-cache", 900.0)]);
    assert_eq!(
        LatencyFigure { report: &worse }.finding(),
        "On Test set, no policy cuts naive's mean time to first token of 800 ms; the nearest is \
         exact-prefix-cache with 900 ms."
    );
}

#[test]
fn latency_bars_begin_at_zero() {
    let report = policies(&[("naive", 800.0), ("prefix-aware-routing", 200.0)]);
    let colours = Theme::light();
    let bar = |drawn: &[Drawn], name: &str| {
        let pale = colours.policy(name).colour.over(colours.paper, 0.35);
        drawn.iter().find_map(|drawn| match drawn {
            Drawn::Rect { x, w, colour, .. } if *colour == pale => Some((*x, x + w)),
            _ => None,
        })
    };
    let drawn = record(&LatencyFigure { report: &report }, 800);
    let (naive, routed) = (bar(&drawn, "naive").unwrap(), bar(&drawn, "prefix-aware-routing").unwrap());
    // p50 and p95 of naive are four times those of the other: one zero fits both.
    let zero = (4.0 * routed.0 - naive.0) / 3.0;
    assert!(((naive.1 - zero) / (routed.1 - zero) - 4.0).abs() < 0.02, "{naive:?} {routed:?}");
}

fn sweep() -> Sweep {
    let mut points = Vec::new();
    for kv in [100_000_u64, 800_000] {
        for load in [1_u32, 8, 64] {
            for (policy, base) in [("naive", 900.0), ("prefix-aware-routing", 90.0)] {
                let ttft = spread(base * f64::from(load) * if kv > 100_000 { 0.5 } else { 1.0 });
                points.push(format!(
                    r#"{{"kv_tokens":{kv},"concurrency":{load},"policy":"{policy}","calls":9,"failed":0,"hit_rate":0.5,
                    "ceiling_hit_rate":0.9,"ttft_ms":{ttft},"job_ms":{ttft},"utilisation":null}}"#
                ));
            }
        }
    }
    serde_json::from_str(&format!(
        r#"{{"set":{SET},"sample":"all sessions","scenario":{SCENARIO},"concurrency":[1,8,64],"kv_tokens":[100000,800000],
        "policies":["naive","prefix-aware-routing"],"points":[{}]}}"#,
        points.join(",")
    ))
    .unwrap()
}

#[test]
fn the_sweep_is_told_at_its_highest_load() {
    let report = sweep();
    // p95 is twice the mean: 2 × 90 ms × 64 loads, and half of it with the large cache.
    assert_eq!(
        SweepFigure { report: &report, quantity: Quantity::TtftP95 }.finding(),
        "With 64 sessions at a time under prefix-aware-routing, a cache of 800 k instead of 100 k tokens takes the \
         95th percentile of the time to first token from 11.5 s to 5.76 s; naive has 57.6 s with the larger."
    );
}

#[test]
fn every_figure_stays_within_its_bounds_at_every_width() {
    let (race, report, sweep) =
        (race(), policies(&[("naive", 800.0), ("max-token-prediction", 200.0)]), sweep());
    check_bounds(&strips());
    check_bounds(&RaceFigure { race: &race, t_us: 0 });
    check_bounds(&RaceFigure::at_first_finish(&race));
    check_bounds(&RaceFigure::at_end(&race));
    check_bounds(&LatencyFigure { report: &report });
    for quantity in [Quantity::TtftP95, Quantity::HitRate, Quantity::JobP50] {
        check_bounds(&SweepFigure { report: &sweep, quantity });
    }
}

#[test]
fn long_and_empty_sessions_can_be_drawn() {
    let rows: Vec<StripRow> =
        (1..=1_000).map(|n| row(n * 100, n * 99, 10, if n % 300 == 0 { n } else { 0 })).collect();
    let long = StripsFigure { rows, ..strips() };
    check_bounds(&long);
    assert!(long.height(800) < 2_200, "a thousand rows stay readable: {}", long.height(800));
    let none = StripsFigure { rows: Vec::new(), selected: None, ..strips() };
    check_bounds(&none);
    check_bounds(&StripsFigure { rows: vec![row(0, 0, 0, 0)], selected: None, ..strips() });
}
