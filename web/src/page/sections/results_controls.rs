//! The controls of the results: load, cache, replicas, router, profile; all of them in the address.

use super::results_asked::{is_live, scenario};
use crate::page::components::{Choice, Slider};
use crate::page::context::context;
use atr_core::policy::{Arrivals, Scenario};
use atr_core::serve::{latency, route};
use atr_web::state::ViewState;
use atr_web::words;
use leptos::prelude::*;

const CONCURRENCY: [u32; 10] = [1, 2, 4, 8, 16, 32, 48, 64, 96, 128];
const KV_TOKENS: [u64; 8] = [32_768, 65_536, 131_072, 262_144, 524_288, 1_048_576, 2_097_152, 4_194_304];
const REPLICAS: [u32; 6] = [1, 2, 3, 4, 6, 8];

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

/// All controls. `base` is the scenario that holds while none is moved.
#[component]
pub(super) fn Controls(base: Memo<Scenario>) -> impl IntoView {
    let context = context();
    let profile_kv = Signal::derive(move || {
        let scenario = scenario(context, base);
        scenario
            .kv_tokens
            .or_else(|| latency::listed(&scenario.profile).map(|profile| profile.kv_tokens))
            .unwrap_or(KV_TOKENS[0])
    });
    let one_session = |sessions: u32| words::plural(sessions.into(), "session");
    let routers = Signal::derive(|| {
        let own = (String::new(), "each policy's own".to_owned());
        let all = route::NAMES.iter().map(|&name| (name.to_owned(), name.to_owned()));
        std::iter::once(own).chain(all).collect::<Vec<_>>()
    });
    let router = Signal::derive(move || context.view.with(|view| view.router.clone().unwrap_or_default()));
    let choose_router = Callback::new(move |name: String| {
        context.view.update(|view| view.router = (!name.is_empty()).then_some(name));
    });
    let profiles = Signal::derive(|| {
        latency::LISTED
            .iter()
            .map(|profile| (profile.name.to_owned(), format!("{} ({})", profile.title, profile.origin)))
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
