//! Results: what each policy does to the time to the first token, and how load and cache size change
//! that. Reports show at once; a moved control has the worker compute.

use super::live::{Live, SAMPLE_CALLS, Wish};
use crate::page::components::{
    Badge, Choice, FigureFrame, OwnedLatency, OwnedSweep, SetProgress, Shown, Slider, Source,
};
use crate::page::context::{Context, context};
use crate::page::reports;
use atr_core::figure::Quantity;
use atr_core::policy::{Arrivals, Scenario};
use atr_core::report::{Origin, Policies, Report, Sweep};
use atr_core::serve::{latency, route};
use atr_web::catalogue::SetEntry;
use atr_web::state::ViewState;
use atr_web::words;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::rc::Rc;
use std::sync::Arc;

const CONCURRENCY: [u32; 10] = [1, 2, 4, 8, 16, 32, 48, 64, 96, 128];
const KV_TOKENS: [u64; 8] = [32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152, 4_194_304];
const REPLICAS: [u32; 6] = [1, 2, 3, 4, 6, 8];

/// The reports of one set.
#[derive(Clone, Default)]
struct Published {
    policies: Option<(String, Arc<Report<Policies>>)>,
    sweep: Option<(String, Arc<Report<Sweep>>)>,
}

/// The second section.
#[component]
pub(crate) fn Results() -> impl IntoView {
    let context = context();
    let published = RwSignal::new(Published::default());
    let trouble = RwSignal::new(None::<String>);
    let set = Memo::new(move |_| result_set(context));
    load(context, set, published, trouble);
    let live = Live::new(context);
    let base = Memo::new(move |_| base(published));
    compute(context, set, base, live);
    let quantity = RwSignal::new(Quantity::TtftP95);
    view! {
        <section class="part" id="results" aria-labelledby="results-title">
            <h2 id="results-title">"What each policy costs"</h2>
            <div class="prose">
                <p>"The same calls, the same simulated servers. Only the policy differs. The figures show the committed report first. Move a control and this page computes them anew: a sample while you drag, the whole set when you rest."</p>
                <p class="note">"Every latency here is simulated. The profiles are estimated from published peaks of the hardware, not calibrated against a real server."</p>
            </div>
            {move || trouble.get().or_else(|| live.trouble.get()).map(|why| view! { <p class="notice" role="alert">{format!("{why}.")}</p> })}
            <Controls base />
            <SetProgress name=Signal::derive(move || is_live(context).then(|| set.get()).flatten()) />
            <p class="status" role="status" data-testid="results-status">{move || status(context, live, published)}</p>
            <LatencyRace live published />
            <SweepView live published quantity />
        </section>
    }
}

#[component]
fn LatencyRace(live: Live, published: RwSignal<Published>) -> impl IntoView {
    let context = context();
    let now = move || is_live(context) && live.compared.with(Option::is_some);
    let figure: Signal<Option<Shown>, LocalStorage> = Signal::derive_local(move || {
        let report = if now() {
            live.compared.with(|compared| compared.as_ref().map(|compared| Arc::new(compared.body.clone())))
        } else {
            published.with(|all| all.policies.as_ref().map(|(_, report)| Arc::new(report.body.clone())))
        };
        report.map(|report| Rc::new(OwnedLatency(report)) as Shown)
    });
    let badge = Signal::derive(move || Badge { origin: Some(Origin::Simulated), now: now() });
    let source = Signal::derive(move || {
        if now() {
            let json = live
                .compared
                .with(|one| one.as_ref().and_then(|one| serde_json::to_string_pretty(&one.body).ok()));
            Source { report: None, json, command: command(context) }
        } else {
            published
                .with(|all| {
                    all.policies.as_ref().map(|(path, report)| from_report(path, &report.provenance.command))
                })
                .unwrap_or_default()
        }
    });
    view! { <FigureFrame name="latency" number=3 figure badge source reserve=250>{()}</FigureFrame> }
}

#[component]
fn SweepView(live: Live, published: RwSignal<Published>, quantity: RwSignal<Quantity>) -> impl IntoView {
    let context = context();
    let now = move || is_live(context) && live.sweep.with(Option::is_some);
    let figure: Signal<Option<Shown>, LocalStorage> = Signal::derive_local(move || {
        let report = if now() {
            live.sweep.with(|sweep| sweep.as_ref().map(|sweep| Arc::new(sweep.body.clone())))
        } else {
            published.with(|all| all.sweep.as_ref().map(|(_, report)| Arc::new(report.body.clone())))
        };
        report.map(|report| Rc::new(OwnedSweep { report, quantity: quantity.get() }) as Shown)
    });
    let badge = Signal::derive(move || Badge { origin: Some(Origin::Simulated), now: now() });
    let source = Signal::derive(move || {
        if now() {
            let json = live
                .sweep
                .with(|one| one.as_ref().and_then(|one| serde_json::to_string_pretty(&one.body).ok()));
            Source { report: None, json, command: command(context) }
        } else {
            published
                .with(|all| {
                    all.sweep.as_ref().map(|(path, report)| from_report(path, &report.provenance.command))
                })
                .unwrap_or_default()
        }
    });
    const NAMES: [(&str, &str); 3] =
        [("ttft", "Time to first token, p95"), ("hit", "Hit rate"), ("job", "Job time, median")];
    let name_of = |quantity| match quantity {
        Quantity::TtftP95 => "ttft",
        Quantity::HitRate => "hit",
        Quantity::JobP50 => "job",
    };
    let options = Signal::derive(|| NAMES.map(|(key, name)| (key.to_owned(), name.to_owned())).to_vec());
    let value = Signal::derive(move || name_of(quantity.get()).to_owned());
    let choose = Callback::new(move |name: String| {
        quantity.set(match name.as_str() {
            "hit" => Quantity::HitRate,
            "job" => Quantity::JobP50,
            _ => Quantity::TtftP95,
        });
    });
    view! {
        <FigureFrame name="sweep" number=4 figure badge source reserve=320>
            <div class="controls"><Choice testid="select-quantity" label="Shown" options value on_choose=choose /></div>
        </FigureFrame>
    }
}

/// A slider that moves one field of the state over a list of values.
fn slider<T: Copy + PartialOrd + Send + Sync + 'static>(
    (testid, label): (&'static str, &'static str),
    values: &'static [T],
    get: fn(&ViewState) -> Option<T>,
    usual: Signal<T>,
    put: fn(&mut ViewState, T),
    name: fn(T) -> String,
) -> impl IntoView {
    let context = context();
    let held = move || context.view.with(get).unwrap_or(usual.get());
    let at = Signal::derive(move || {
        let held = held();
        values.iter().rposition(|value| *value <= held).unwrap_or(0)
    });
    // A value between two stops (from the address) is named as it is.
    let shown = Callback::new(move |stop: usize| {
        if stop == at.get() {
            name(held())
        } else {
            values.get(stop).map_or_else(String::new, |value| name(*value))
        }
    });
    let on_move = Callback::new(move |stop: usize| {
        if let Some(value) = values.get(stop) {
            context.view.update(|view| put(view, *value));
        }
    });
    view! { <Slider testid label stops=Signal::derive(|| values.len()) at name=shown on_move /> }
}

#[component]
fn Controls(base: Memo<Scenario>) -> impl IntoView {
    let context = context();
    let profile_kv = Signal::derive(move || {
        let scenario = scenario(context, base);
        scenario
            .kv_tokens
            .or_else(|| latency::by_name(&scenario.profile).map(|profile| profile.kv_tokens))
            .unwrap_or(KV_TOKENS[0])
    });
    let one_session = |sessions: u32| words::plural(sessions.into(), "session");
    let routers = Signal::derive(|| {
        let own = (String::new(), "each policy's own".to_owned());
        let all = route::ROUTERS.iter().map(|router| (router.name.to_owned(), router.name.to_owned()));
        std::iter::once(own).chain(all).collect::<Vec<_>>()
    });
    let router = Signal::derive(move || context.view.with(|view| view.router.clone().unwrap_or_default()));
    let choose_router = Callback::new(move |name: String| {
        context.view.update(|view| view.router = (!name.is_empty()).then_some(name));
    });
    let profiles = Signal::derive(|| {
        latency::profiles()
            .into_iter()
            .map(|profile| (profile.name, format!("{} ({})", profile.title, profile.origin)))
            .collect::<Vec<_>>()
    });
    let profile = Signal::derive(move || scenario(context, base).profile);
    let choose_profile =
        Callback::new(move |name: String| context.view.update(|view| view.profile = Some(name)));
    let usual_load = Signal::derive(move || match base.with(|base| base.arrivals) {
        Some(Arrivals::Concurrency { sessions }) => sessions,
        _ => CONCURRENCY[4],
    });
    let usual_replicas = Signal::derive(move || base.with(|base| base.replicas));
    let reset = move |_| {
        context.view.update(|view| {
            view.concurrency = None;
            view.kv_tokens = None;
            view.replicas = None;
            view.router = None;
            view.profile = None;
        });
    };
    view! {
        <div class="controls set-up" role="group" aria-label="Set-up of the simulation">
            {slider(("slider-concurrency", "At a time"), &CONCURRENCY, |view| view.concurrency, usual_load, |view, value| view.concurrency = Some(value), one_session)}
            {slider(("slider-kv", "Cache of a replica"), &KV_TOKENS, |view| view.kv_tokens, profile_kv, |view, value| view.kv_tokens = Some(value), |tokens| format!("{} tokens", words::short(tokens)))}
            {slider(("slider-replicas", "Servers"), &REPLICAS, |view| view.replicas, usual_replicas, |view, value| view.replicas = Some(value), |replicas| words::plural(replicas.into(), "replica"))}
            <Choice testid="select-router" label="Router" options=routers value=router on_choose=choose_router />
            <Choice testid="select-profile" label="Hardware and model" options=profiles value=profile on_choose=choose_profile />
            <button data-testid="results-reset" disabled=move || !is_live(context) on:click=reset>"Back to the report"</button>
        </div>
    }
}

/// Whether a control differs from its default.
fn is_live(context: Context) -> bool {
    context.view.with(ViewState::changes_scenario)
}

/// The set of the figures: the address's where there is a report of it, else the first report's.
fn result_set(context: Context) -> Option<String> {
    context.data.with(|data| {
        let chosen = context.view.with(|view| view.set.clone());
        let full = |name: &str| data.set(name).filter(|set| !set.is_sample()).map(|set| set.name.clone());
        chosen
            .as_deref()
            .and_then(full)
            .or_else(|| data.sets.iter().find(|set| !set.is_sample()).map(|set| set.name.clone()))
    })
}

fn load(
    context: Context,
    set: Memo<Option<String>>,
    published: RwSignal<Published>,
    trouble: RwSignal<Option<String>>,
) {
    Effect::new(move |_| {
        let Some(set) = set.get() else { return };
        let find = |kind: &str| {
            context.reports.with_value(|all| {
                let mut of_kind = all.iter().filter(|one| one.kind == kind);
                let own = of_kind.clone().find(|one| one.set.as_ref() == Some(&set));
                // There is one sweep only; it says which set it is about.
                own.or_else(|| of_kind.next().filter(|_| kind == "sweep")).map(|one| one.path.clone())
            })
        };
        let (policies, sweep) = (find("policies"), find("sweep"));
        spawn_local(async move {
            let mut found = Published::default();
            if let Some(path) = policies {
                match reports::load::<Policies>(&path).await {
                    Ok(report) => found.policies = Some((path, Arc::new(report))),
                    Err(why) => trouble.set(Some(why)),
                }
            }
            if let Some(path) = sweep {
                match reports::load::<Sweep>(&path).await {
                    Ok(report) => found.sweep = Some((path, Arc::new(report))),
                    Err(why) => trouble.set(Some(why)),
                }
            }
            published.set(found);
        });
    });
}

/// The scenario that holds while no control is moved: the report's.
fn base(published: RwSignal<Published>) -> Scenario {
    published
        .with(|all| all.policies.as_ref().map(|(_, report)| report.body.scenario.scenario.clone()))
        .unwrap_or_default()
}

fn scenario(context: Context, base: Memo<Scenario>) -> Scenario {
    context.view.with(|view| base.with(|base| view.scenario(base)))
}

/// Wishes whatever the controls say, as soon as the set is there.
fn compute(context: Context, set: Memo<Option<String>>, base: Memo<Scenario>, live: Live) {
    let scenario = Memo::new(move |_| scenario(context, base));
    Effect::new(move |_| {
        let scenario = scenario.get();
        let Some(name) = set.get() else { return };
        if !is_live(context) {
            return;
        }
        let Some(entry) = context.data.with(|data| data.set(&name).cloned()) else { return };
        let held = context.sets.ready(&name);
        if held.is_none() {
            context.sets.ensure(entry);
        }
        // The small set stands in until the whole one is there.
        let first =
            context.first_set().and_then(|first| context.sets.ready(&first).map(|view| (first, view)));
        if let Some((name, view)) = held.map(|view| (name, view)).or(first) {
            let sweep = view.sessions.iter().any(|session| session.turns.is_some());
            live.wish(Wish { set: name, scenario, sweep });
        }
    });
}

fn status(context: Context, live: Live, published: RwSignal<Published>) -> String {
    if !is_live(context) {
        return published.with(|all| match &all.policies {
            Some((_, report)) => format!(
                "From the report: {} of set {}, {} at a time.",
                words::plural(report.body.scenario.calls, "call"),
                report.body.set.name,
                arrivals(&report.body.scenario.scenario),
            ),
            None => String::new(),
        });
    }
    let busy = if live.busy.get() { " Computing on." } else { "" };
    live.compared.with(|compared| match compared {
        None => "Waiting for the traces.".to_owned(),
        Some(one) => format!(
            "Computed now, simulated: {} of {} from set {}{}, in {}.{busy}",
            words::plural(one.calls, "call"),
            words::plural(one.sessions, "session"),
            one.body.set.name,
            if one.sample {
                format!(" (a sample of at most {} calls)", words::grouped(SAMPLE_CALLS))
            } else {
                " (the whole set)".to_owned()
            },
            words::time(one.took_ms),
        ),
    })
}

fn arrivals(scenario: &Scenario) -> String {
    match scenario.arrivals {
        Some(Arrivals::Concurrency { sessions }) => words::plural(sessions.into(), "session"),
        Some(Arrivals::Poisson { .. }) => "Poisson arrivals".to_owned(),
        _ => "arrivals as recorded".to_owned(),
    }
}

fn from_report(path: &str, command: &str) -> Source {
    Source { report: Some(path.to_owned()), json: None, command: command.to_owned() }
}

/// The command that computes natively what the page computes now.
fn command(context: Context) -> String {
    let set = result_set(context).unwrap_or_default();
    let path = context.data.with(|data| data.set(&set).map_or(set.clone(), SetEntry::path));
    let mut text = format!("atr-bench simulate {path}");
    context.view.with(|view| {
        let mut put = |flag: &str, value: Option<String>| {
            if let Some(value) = value {
                text.push_str(&format!(" --{flag} {value}"));
            }
        };
        put("arrivals", view.concurrency.map(|sessions| format!("concurrency:{sessions}")));
        put("kv-tokens", view.kv_tokens.map(|tokens| tokens.to_string()));
        put("replicas", view.replicas.map(|replicas| replicas.to_string()));
        put("router", view.router.clone());
        put("profile", view.profile.clone());
    });
    text
}
