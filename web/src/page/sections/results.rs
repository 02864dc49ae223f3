//! Results: what each policy does to the time to the first token, and how load and cache size change
//! that. Reports show at once; a moved control has the worker compute.

use super::live::{Live, Wish};
use super::policies::PolicyList;
use super::published::PublishedFigures;
use super::results_asked::{Published, is_live, result_set, scenario};
use super::results_controls::Controls;
use super::results_words::{
    command, computed_source, from_report, live_finding, profile_note, status, sweep_command,
};
use crate::page::components::{Badge, Choice, FigureFrame, OwnedLatency, OwnedSweep, SetProgress, Shown};
use crate::page::context::{Context, context};
use crate::page::reports;
use atr_core::figure::Quantity;
use atr_core::policy::Scenario;
use atr_core::report::{Origin, Policies, Sweep};
use atr_web::tables;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::rc::Rc;
use std::sync::Arc;

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
    let roofline = context.reports.with_value(|all| tables::roofline(all));
    view! {
        <section class="part" id="results" aria-labelledby="results-title">
            <h2 id="results-title">"What each policy costs"</h2>
            <div class="prose">
                <p>"The same calls, the same simulated servers. Only the policy differs. The figures show the committed report first. Move a control and this page computes them anew: a sample while you drag, the whole set when you rest."</p>
                <p class="note">{move || profile_note(&scenario(context, base))}</p>
            </div>
            <PolicyList />
            {move || trouble.get().or_else(|| live.trouble.get()).map(|why| view! { <p class="notice" role="alert">{format!("{why}.")}</p> })}
            <Controls base />
            <SetProgress name=Signal::derive(move || is_live(context).then(|| set.get()).flatten()) />
            <p class="status" role="status" data-testid="results-status">{move || status(context, live, published)}</p>
            <LatencyRace live published />
            <SweepView live published quantity />
            <PublishedFigures />
            <figure class="figure" data-testid="roofline" inner_html=roofline></figure>
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
            live.compared
                .with(|one| {
                    one.as_ref().map(|one| {
                        let limit = one.sample.then_some(one.sessions);
                        let scenario = &one.body.scenario.scenario;
                        computed_source(&one.body, command(&one.body.set, scenario, limit))
                    })
                })
                .unwrap_or_default()
        } else {
            published
                .with(|all| {
                    all.policies.as_ref().map(|(path, report)| from_report(path, &report.provenance.command))
                })
                .unwrap_or_default()
        }
    });
    view! { <FigureFrame name="latency" number=3 figure badge source reserve=250 /> }
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
            live.sweep
                .with(|one| {
                    one.as_ref().map(|one| {
                        let limit = one.sample.then_some(one.sessions);
                        computed_source(&one.body, sweep_command(&one.body, limit))
                    })
                })
                .unwrap_or_default()
        } else {
            published
                .with(|all| {
                    all.sweep.as_ref().map(|(path, report)| from_report(path, &report.provenance.command))
                })
                .unwrap_or_default()
        }
    });
    let finding = Signal::derive(move || {
        let own = || live.sweep.with(|one| one.as_ref().and_then(|one| live_finding(&one.body)));
        let drawn = || figure.with(|figure| figure.as_ref().map(|figure| figure.finding()));
        let latency = quantity.get() == Quantity::TtftP95;
        (now() && latency).then(own).flatten().or_else(drawn).unwrap_or_default()
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
        <FigureFrame name="sweep" number=4 figure finding badge source reserve=320>
            <div class="controls"><Choice testid="select-quantity" label="Shown" options value on_choose=choose /></div>
        </FigureFrame>
    }
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
