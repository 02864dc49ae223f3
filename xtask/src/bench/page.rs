//! What the built page measures of itself (`e2e/bench.mjs`), beside its budgets.

use super::{Native, Row};
use crate::shell::{Shell, read};
use crate::{browser, site, tools};
use anyhow::{Context, Result};
use serde_json::Value;

/// What the simulator must reach in the worker, as a share of native.
const WORKER_SHARE: f64 = 0.5;
/// What the page's files are called here; their budgets stand in `e2e/lib/budgets.mjs`.
const FILES: [(&str, &str); 5] = [
    ("app", "app wasm"),
    ("worker", "worker wasm"),
    ("reader", "reader wasm, fetched beside Your Trace"),
    ("adviser", "adviser wasm, fetched for Advice"),
    ("data", "first data"),
];
/// What the rows of the worker hold.
pub(super) const NOTE: &str = "\
native and page's worker, first run and fastest: what is asked is built, its prompts are laid into a tree, calls are simulated.
First run: of a fresh process or worker, time elapsed, the median. Fastest: of some after others; natively processor time, in the
worker time elapsed, for a browser tells no other. `with its table` is the latter until the page has the answer: metrics, JSON
and the way to the page come on top.";

/// Builds the page and measures it.
pub(super) fn rows(shell: &Shell, native: &Native) -> Result<Vec<Row>> {
    let browser = browser::ensure(shell)?;
    tools::page_tests(shell)?;
    site::build(shell)?;
    let said = read(shell.command("node").arg("e2e/bench.mjs").env("CHROMIUM", &browser.chromium))?;
    let said: Value = serde_json::from_str(&said).context("e2e/bench.mjs wrote no JSON")?;
    let mut rows = worker_rows(&said["worker"], native.cold, native.warm);
    rows.extend(slider_rows(&said["worker"]));
    rows.extend(size_rows(&said["sizes"]));
    rows.extend(load_rows(&said["first_load"]));
    Ok(rows)
}

/// The simulator in the worker, each row against native as it was measured there.
fn worker_rows(worker: &Value, cold: f64, warm: f64) -> Vec<Row> {
    let row = |key: &str, what: &str, native: Option<f64>| {
        let speed = worker[key].as_f64();
        let budget = native.map(|native| {
            let found = speed.map(|speed| format!("; found {:.2} x", speed / native)).unwrap_or_default();
            format!(">= {:.0} calls/s ({WORKER_SHARE} x native{found})", native * WORKER_SHARE)
        });
        Row {
            what: format!("simulator, page's worker, {what}"),
            found: speed.map_or("not available".to_owned(), |speed| format!("{speed:.0} calls/s")),
            budget: budget.unwrap_or("-".to_owned()),
            met: speed.zip(native).map(|(speed, native)| speed >= native * WORKER_SHARE),
        }
    };
    vec![
        row("first_calls_per_s", "first run, median", Some(cold)),
        row("warm_calls_per_s", "fastest run", Some(warm)),
        row("told_calls_per_s", "with its table", None),
    ]
}

/// What a reader waits for after a slider moved: all policies over a sample, then over the whole set.
fn slider_rows(worker: &Value) -> Vec<Row> {
    let row = |key: &str, what: &str, limit: f64| {
        let (calls, waited) = (worker[key]["calls"].as_u64(), worker[key]["waited_ms"].as_f64());
        Row {
            what: format!("in the page, all policies, {what}"),
            found: match (calls, waited) {
                (Some(calls), Some(waited)) => format!("{waited:.0} ms ({calls} calls)"),
                _ => "not available".to_owned(),
            },
            budget: format!("<= {limit:.0} ms"),
            met: waited.map(|waited| waited <= limit),
        }
    };
    vec![row("sample", "sample of claude-code", 100.0), row("whole", "all of claude-code", 1_500.0)]
}

/// Bytes against their budgets; the same that the page tests assert.
fn size_rows(sizes: &Value) -> Vec<Row> {
    let row = |(key, what): (&str, &str)| {
        let kb = |of: &str| sizes[key][of].as_f64().map(|bytes| bytes / 1e3);
        let (raw, brotli, budget) = (kb("raw"), kb("brotli"), kb("budget"));
        Row {
            what: format!("page bytes, {what}"),
            found: match (raw, brotli) {
                (Some(raw), Some(brotli)) => format!("{brotli:.1} ({raw:.0} raw) KB"),
                (None, Some(brotli)) => format!("{brotli:.1} KB"),
                _ => "not available".to_owned(),
            },
            budget: budget.map_or("-".to_owned(), |budget| format!("<= {budget:.0} KB brotli")),
            met: brotli.zip(budget).map(|(brotli, budget)| brotli <= budget),
        }
    };
    FILES.into_iter().map(row).collect()
}

/// The first load on a simulated phone.
fn load_rows(load: &Value) -> Vec<Row> {
    let row = |what: &str, key: &str, limit: f64, unit: &str, digits: usize| Row {
        what: format!("first load, simulated phone, {what}"),
        found: load[key]
            .as_f64()
            .map_or("not available".to_owned(), |found| format!("{found:.digits$}{unit}")),
        budget: format!("<= {limit}{unit}"),
        met: load[key].as_f64().map(|found| found <= limit),
    };
    let ready = Row {
        what: "first load, simulated phone, figures drawn".to_owned(),
        found: load["ready_ms"].as_f64().map_or("not available".to_owned(), |found| format!("{found:.0} ms")),
        budget: "-".to_owned(),
        met: None,
    };
    vec![
        row("largest paint", "lcp_ms", 1_500.0, " ms", 0),
        row("blocked", "blocked_ms", 50.0, " ms", 0),
        row("layout shift", "shift", 0.02, "", 3),
        ready,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_worker_is_held_to_what_was_measured_alike() {
        let worker = json!({"first_calls_per_s": 50.0, "warm_calls_per_s": 99.0, "told_calls_per_s": 7.0});
        let met = |rows: &[Row]| rows.iter().map(|row| row.met).collect::<Vec<_>>();
        assert_eq!(met(&worker_rows(&worker, 100.0, 200.0)), [Some(true), Some(false), None]);
        assert_eq!(met(&worker_rows(&worker, 101.0, 198.0)), [Some(false), Some(true), None]);
        assert_eq!(worker_rows(&Value::Null, 100.0, 200.0)[0].found, "not available");
    }

    #[test]
    fn the_wait_after_a_slider_is_judged() {
        let worker = json!({"sample": {"calls": 4_990, "waited_ms": 100.4}, "whole": {"calls": 50_000, "waited_ms": 900.0}});
        let rows = slider_rows(&worker);
        assert_eq!(rows.iter().map(|row| row.met).collect::<Vec<_>>(), [Some(false), Some(true)]);
        assert_eq!(rows[0].found, "100 ms (4990 calls)");
    }

    #[test]
    fn sizes_are_judged_by_the_budgets_that_come_with_them() {
        let size = |brotli: u64, budget: u64| json!({"raw": 900_000, "brotli": brotli, "budget": budget});
        let sizes = json!({
            "app": size(350_001, 350_000), "worker": size(250_000, 250_000), "reader": size(400_001, 400_000),
            "adviser": size(300_001, 300_000), "data": {"brotli": 1000, "budget": 150_000},
        });
        let rows = size_rows(&sizes);
        assert_eq!(
            rows.iter().map(|row| row.met).collect::<Vec<_>>(),
            [Some(false), Some(true), Some(false), Some(false), Some(true)]
        );
        assert_eq!([&rows[3].budget, &rows[4].found], ["<= 300 KB brotli", "1.0 KB"]);
        let rows = size_rows(&Value::Null);
        assert!(rows.iter().all(|row| row.met.is_none() && row.found == "not available"));
    }

    #[test]
    fn a_load_over_its_limit_is_said() {
        let rows = load_rows(&json!({"lcp_ms": 1499.6, "blocked_ms": 51.0, "shift": 0.0, "ready_ms": 9.0}));
        assert_eq!(
            rows.iter().map(|row| row.met).collect::<Vec<_>>(),
            [Some(true), Some(false), Some(true), None]
        );
    }
}
