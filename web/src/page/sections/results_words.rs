//! What the results say in words: what was computed from what, and the command that computes the same.

use super::live::{Live, SAMPLE_CALLS, SWEEP_CONCURRENCY, rejected};
use super::results_asked::{Published, is_live, result_set};
use crate::page::components::Source;
use crate::page::context::Context;
use atr_core::policy::{Arrivals, Scenario};
use atr_core::report::{SetRef, Sweep};
use atr_core::serve::latency;
use atr_web::words;
use leptos::prelude::*;

/// What stands in the figures now, and what it was computed from.
pub(super) fn status(context: Context, live: Live, published: RwSignal<Published>) -> String {
    if !is_live(context) {
        return published.with(|all| match &all.policies {
            Some((_, report)) => format!(
                "From the report: {} of {}, {}. {}",
                words::plural(report.body.scenario.calls, "call"),
                report.body.set.title,
                arrivals(&report.body.scenario.scenario),
                rejected(&report.body).unwrap_or_default(),
            ),
            None => String::new(),
        });
    }
    let busy = if live.busy.get() { " Computing on." } else { "" };
    let wanted = result_set(context);
    live.compared.with(|compared| match compared {
        None => "Waiting for the traces.".to_owned(),
        Some(one) => {
            let part = if wanted.as_ref() != Some(&one.body.set.name) {
                " (a small set, until the whole one is here)".to_owned()
            } else if one.sample {
                format!(" (a sample of at most {} calls)", words::grouped(SAMPLE_CALLS))
            } else {
                " (the whole set)".to_owned()
            };
            format!(
                "Computed now, simulated: {} of {} from {}{part}, in {}. {}{busy}",
                words::plural(one.calls, "call"),
                words::plural(one.sessions, "session"),
                one.body.set.title,
                words::time(one.took_ms),
                rejected(&one.body).unwrap_or_default(),
            )
        }
    })
}

fn arrivals(scenario: &Scenario) -> String {
    match scenario.arrivals {
        Some(Arrivals::Concurrency { sessions }) => {
            format!("{} at a time", words::plural(sessions.into(), "session"))
        }
        Some(Arrivals::Poisson { .. }) => "Poisson arrivals".to_owned(),
        _ => "arrivals as recorded".to_owned(),
    }
}

/// What the page computed.
pub(super) fn computed_source(body: &impl serde::Serialize, command: String) -> Source {
    Source { report: None, json: serde_json::to_string_pretty(body).ok(), command }
}

/// What a report holds.
pub(crate) fn from_report(path: &str, command: &str) -> Source {
    Source { report: Some(path.to_owned()), json: None, command: command.to_owned() }
}

/// The command that computes natively what the page computes now, over the first `limit` sessions
/// where the page took a sample.
pub(super) fn command(set: &SetRef, scenario: &Scenario, limit: Option<u64>) -> String {
    let mut text = format!("atr-bench simulate {}", set.path);
    let mut put = |flag: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!(" --{flag} {value}"));
        }
    };
    put(
        "arrivals",
        match scenario.arrivals {
            Some(Arrivals::Concurrency { sessions }) => Some(format!("concurrency:{sessions}")),
            Some(Arrivals::Poisson { per_s }) => Some(format!("poisson:{per_s}")),
            _ => None,
        },
    );
    put("kv-tokens", scenario.kv_tokens.map(|tokens| tokens.to_string()));
    put("replicas", Some(scenario.replicas.to_string()));
    put("router", scenario.router.clone());
    put("profile", Some(scenario.profile.clone()));
    put("speed", scenario.speed.total_cmp(&1.0).is_ne().then(|| scenario.speed.to_string()));
    put("limit", limit.map(|sessions| sessions.to_string()));
    text
}

/// The same for every load of the sweep.
pub(super) fn sweep_command(sweep: &Sweep, limit: Option<u64>) -> String {
    let scenario = Scenario { arrivals: None, ..sweep.scenario.scenario.clone() };
    let loads: Vec<String> = SWEEP_CONCURRENCY.iter().map(u32::to_string).collect();
    let one = command(&sweep.set, &scenario, limit);
    format!("for n in {}; do {one} --arrivals concurrency:$n; done", loads.join(" "))
}

/// What a live sweep shows at its highest load; it has one cache size, so nothing is compared with that.
pub(super) fn live_finding(sweep: &Sweep) -> Option<String> {
    let load = *sweep.concurrency.last()?;
    let at = |policy: &str| {
        let point = sweep.points.iter().find(|one| one.policy == policy && one.concurrency == load)?;
        Some(point.ttft_ms?.p95)
    };
    let best = sweep.policies.iter().filter_map(|name| Some((name, at(name)?)));
    let (name, best) = best.min_by(|a, b| a.1.total_cmp(&b.1))?;
    let naive = at("naive").map(|ms| format!("; under naive it is {}", words::time(ms))).unwrap_or_default();
    Some(format!(
        "With {} at a time, the 95th percentile of the time to first token is {} under {name}{naive}.",
        words::plural(load.into(), "session"),
        words::time(best),
    ))
}

/// Where the latencies come from: the profile says it of itself.
pub(super) fn profile_note(scenario: &Scenario) -> String {
    let profile = latency::listed(&scenario.profile);
    let said = profile.map(|profile| {
        format!(" Profile {} ({}): {}.", profile.title, profile.origin, profile.source.trim_end_matches('.'))
    });
    format!("Every latency here is simulated.{}", said.unwrap_or_default())
}
