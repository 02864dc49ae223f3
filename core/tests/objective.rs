//! The grammar of objectives and gates: what it takes, what it means, and what it says of anything else.
#![allow(clippy::unwrap_used)]

use atr_core::metrics::objective::{Bound, METRICS, Quantity, Statistic, gates, goals, objectives};
use atr_core::metrics::{PolicyMetrics, Spread, summarise};
use atr_core::trace::{Outcome, Workload};
use proptest::prelude::*;

fn row() -> PolicyMetrics {
    let spread = |from: f64| {
        Some(Spread { mean: from, p50: from + 1.0, p90: from + 2.0, p95: from + 3.0, p99: from + 4.0 })
    };
    PolicyMetrics {
        failed: 2,
        rejected: 3,
        hit_rate: Some(0.5),
        ceiling_hit_rate: Some(0.75),
        ttft_ms: spread(100.0),
        tpot_ms: spread(200.0),
        e2e_ms: spread(300.0),
        queue_ms: spread(400.0),
        job_split_ms: None,
        prompt_tokens: 4,
        prefill_tokens: 5,
        output_tokens: 6,
        makespan_ms: 7.0,
        utilisation: Some(0.25),
        preemptions: 8,
        regret: None,
        ..summarise("any", &Workload::default(), &Outcome::default(), &[])
    }
}

/// Every name stands for the key of the same name in what `--json` prints.
#[test]
fn names_are_the_keys_of_results() {
    let mut row = row();
    row.job_ms = row.ttft_ms;
    let json = serde_json::to_value(&row).unwrap();
    for metric in METRICS {
        let statistics = if metric.spread { Statistic::ALL.map(Some).to_vec() } else { vec![None] };
        for statistic in statistics {
            let quantity = Quantity { metric, statistic };
            let path = format!("/{}", quantity.to_string().replace('.', "/"));
            assert_eq!(quantity.of(&row), json.pointer(&path).unwrap().as_f64(), "{quantity}");
            assert_eq!(Quantity::parse(&quantity.to_string()).unwrap(), quantity);
        }
    }
}

#[test]
fn objectives_are_met_or_not() {
    let met = |text: &str| objectives(text).unwrap().iter().map(|one| one.met(&row())).collect::<Vec<_>>();
    assert_eq!(met("ttft_ms.p99<=104, ttft_ms.p99<104"), [Some(true), Some(false)]);
    assert_eq!(met("hit_rate >= 0.5,hit_rate>.5,failed<=1.5e0"), [Some(true), Some(false), Some(false)]);
    assert_eq!(met("job_ms.mean<=1"), [None], "nothing is known of jobs");
}

#[test]
fn gates_take_changes_of_the_other_run() {
    let holds = |text: &str, value, baseline| gates(text).unwrap()[0].holds(value, baseline);
    assert_eq!(holds("job_ms.p95>+10%", 111.0, Some(100.0)), Some(true));
    assert_eq!(holds("job_ms.p95>+10%", 110.0, Some(100.0)), Some(false));
    assert_eq!(holds("hit_rate<-2%", 0.48, Some(0.5)), Some(true));
    assert_eq!(holds("failed>+0%", 1.0, Some(0.0)), Some(true), "more than nothing is more");
    assert_eq!(holds("job_ms.p95>+10%", 1.0, None), None, "there is nothing to hold it against");
    assert_eq!(holds("job_ms.p95>10", 11.0, None), Some(true));
}

#[test]
fn what_is_wrong_is_named_with_what_is_right() {
    let says = |text: &str| objectives(text).unwrap_err().to_string();
    for (text, expected) in [
        ("", "an empty condition, expected for example `ttft_ms.p99<=800`"),
        ("ttft_ms.p99<=1,,", "an empty condition, expected for example `ttft_ms.p99<=800`"),
        (
            "ttft_ms.p99",
            "`ttft_ms.p99` compares nothing, expected `<=`, `<`, `>=` or `>` as in `ttft_ms.p99<=800`",
        ),
        (
            "ttft_ms.p99=8",
            "`ttft_ms.p99=8` compares nothing, expected `<=`, `<`, `>=` or `>` as in `ttft_ms.p99<=800`",
        ),
        (
            "ttft_ms<=8",
            "`ttft_ms` has several numbers, expected one of: ttft_ms.mean, ttft_ms.p50, ttft_ms.p90, ttft_ms.p95, ttft_ms.p99",
        ),
        (
            "hit_rate>=80",
            "`hit_rate>=80` is about a share, expected a number from 0 to 1, such as 0.8 for 80 %",
        ),
        (
            "ttft_ms.p98<=8",
            "`ttft_ms` with `p98`, expected one of: mean, p50, p90, p95, p99 as in `ttft_ms.p99`",
        ),
        ("hit_rate.p50>=1", "`hit_rate` with `p50`, expected `hit_rate` alone: it is one number"),
        (
            "job_ms.p95<=+10%",
            "`job_ms.p95<=+10%` is a change, expected a number: an objective looks at one run alone",
        ),
    ] {
        assert_eq!(says(text), expected, "{text}");
    }
    let unknown = says("ttft.p99<=8");
    assert!(
        unknown.starts_with(
            "unknown metric `ttft` (did you mean `ttft_ms`?), expected one of: ttft_ms, tpot_ms"
        ),
        "{unknown}"
    );
    for bad in ["", "x", "-5", "+5", "5%", "nan", "inf", "1e999", "+nan%", "--5%", "= 8", "8 ms", "+%"] {
        let found = says(&format!("ttft_ms.p50<={bad}"));
        assert!(found.contains("is no bound, expected a number that is not negative"), "{bad}: {found}");
    }
}

/// What advice is asked to reach is better than what there is, once, and can be moved. Gates may still ask anything.
#[test]
fn goals_are_better_figures() {
    let fine = "ttft_ms.p99<=800,ttft_ms.mean<300,hit_rate>=0.5,job_ms.p95<=1,utilisation<=0.8,preemptions<=0,makespan_ms<9";
    assert_eq!(goals(fine).unwrap(), objectives(fine).unwrap());
    let moving = "ttft_ms, tpot_ms, e2e_ms, queue_ms, job_ms, hit_rate, prefill_tokens, makespan_ms, utilisation, preemptions";
    for (text, expected) in [
        (
            "ttft_ms.p99>=800",
            "`ttft_ms.p99>=800` asks for a worse figure, expected `ttft_ms.p99<=` a number: less of it is better".to_owned(),
        ),
        (
            "hit_rate<0.9",
            "`hit_rate<0.9` asks for a worse figure, expected `hit_rate>=` a number: more of it is better".to_owned(),
        ),
        (
            "ttft_ms.p99<=800,job_ms.p50<=1,ttft_ms.p99<=900",
            "`ttft_ms.p99` has two bounds, `ttft_ms.p99<=800` and `ttft_ms.p99<=900`, expected one".to_owned(),
        ),
        (
            "failed<=0",
            format!("`failed<=0` is about what no lever and no number of replicas moves, expected one of: {moving}"),
        ),
        (
            "calls>=3000",
            format!("`calls>=3000` is about what no lever and no number of replicas moves, expected one of: {moving}"),
        ),
    ] {
        assert_eq!(goals(text).unwrap_err().to_string(), expected, "{text}");
        assert!(objectives(text).is_ok() && gates(text).is_ok(), "{text}");
    }
    let contradiction = goals("ttft_ms.p99<=800,ttft_ms.p99>=900").unwrap_err().to_string();
    assert!(contradiction.contains("asks for a worse figure"), "{contradiction}");
    assert!(goals("ttft_ms.p99<=+10%").is_err() && goals("hit_rate>=80").is_err());
}

proptest! {
    /// What is written is read as it was meant, and nothing at all makes it fail otherwise than in words.
    #[test]
    fn conditions_read_back(metric in 0..METRICS.len(), statistic in 0usize..5, number in 0.0f64..1e9, percent in -90i32..90, sign in 0usize..4) {
        let name = METRICS[metric].name;
        let dot = if METRICS[metric].spread { format!(".{}", Statistic::ALL[statistic].name()) } else { String::new() };
        let sign = ["<=", "<", ">=", ">"][sign];
        let text = format!("{name}{dot}{sign}{number},{name}{dot}{sign}{percent:+}%");
        let read = gates(&text).unwrap();
        prop_assert_eq!(read[0].bound, Bound::Number(number));
        prop_assert_eq!(read[1].bound, Bound::Change(percent.into()));
        let again = format!("{},{}", read[0], read[1]);
        prop_assert_eq!(gates(&again).unwrap(), read);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        let _ = gates(&text);
        let _ = objectives(&format!("ttft_ms.p99<={text}"));
    }
}
