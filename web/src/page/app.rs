//! The app: mounts over the static page, and lays its sections out.
//!
//! Hooks for tests, kept stable:
//! - `body[data-ready="true"]` once the first figures are drawn.
//! - Sections: `#overview`, `#results`, `#explorer`, `#shapes`, `#failures`, `#your-trace`, `#advice`, `#appendix`.
//! - Figures: `[data-testid="figure-race"]`, `figure-lane`, `figure-latency`, `figure-sweep`,
//!   `figure-strips`, `figure-shapes-turns`, `-growth`, `-parts`, `-gaps`, `-tools`, `figure-own-latency`; inside each `canvas`, `.badge[data-origin]`,
//!   `[data-testid="table-view"]`, `[data-testid="download-csv"]`, `download-svg`, `copy-link`.
//! - Race: `race-play`, `race-back`, `race-step`, `race-scrub`, `race-speed`, `race-status`; `select-lane`.
//! - Results: `slider-concurrency`, `slider-kv`, `slider-replicas`, `select-router`,
//!   `select-profile`, `select-quantity`, `results-reset`, `policies`, `published`, `roofline`, `results-status` (says `computed now`, the calls and the time taken).
//! - Explorer: `select-set`, `session-filter`, `session-table`, `session-more`, `session-summary` (live region),
//!   `turn-back`, `turn-next`, `turn-slider`. Appendix: `appendix-data`, `appendix-reports`.
//! - Agent Shapes: `shapes-chips`, `shapes-summary`, `shapes-words`, `select-growth`, `shapes-fit` (where there are synthetic sessions).
//! - Failures: `figure-failures`, `select-failure`, `failure-words`.
//! - Your Trace: `drop-zone`, `file-input`, `own-error`, `own-summary`, `own-explore`, `own-advise`.
//! - Advice: `advice-set`, `advice-profile`, `advice-replicas`, `advice-slo`, `advise` (stops, too), `advice-status` (live region), `advice`,
//!   `advice-error`; in it `advice-table`, `advice-because`.
//! - `theme-toggle`, `notice`, `worker-trouble`, `worker-restart`.

use super::context::Context;
use super::reports::{self, FirstRace};
use super::sections::{advice, appendix, explorer, failures, overview, results, shapes, your_trace};
use super::worker_client::WorkerStatus;
use super::{dom, theme};
use atr_web::catalogue::SetEntry;
use atr_web::state::ThemeChoice;
use atr_web::words;
use leptos::prelude::*;
use std::cell::Cell;
use std::rc::Rc;

/// Mounts the page.
pub(crate) fn start() {
    std::panic::set_hook(Box::new(|info| dom::report_crash(&info.to_string())));
    wasm_bindgen_futures::spawn_local(async { mount(reports::first_race().await) });
}

fn mount(first_race: Result<FirstRace, String>) {
    let Some(place) = dom::element("app") else { return };
    let text = dom::document().query_selector(".abstract").ok().flatten();
    let text = text.and_then(|abstract_| abstract_.text_content()).unwrap_or_default();
    // The static page gives way in the same task: nothing is painted in between.
    place.set_inner_html("");
    let started: Rc<Cell<Option<Context>>> = Rc::default();
    let hand_out = started.clone();
    leptos::mount::mount_to(place, move || {
        // Signals and effects need the owner that mounting creates.
        let context = Context::start(first_race);
        hand_out.set(Some(context));
        provide_context(context);
        view! { <App text /> }
    })
    .forget();
    let Some(context) = started.get() else { return };
    if let Some(place) = dom::element("bar-tools") {
        leptos::mount::mount_to(place, move || view! { <ThemeToggle context /> }).forget();
    }
    if let Some(place) = dom::element("byline") {
        leptos::mount::mount_to(place, move || view! { <Byline context /> }).forget();
    }
    keep_anchor();
}

/// The sections did not exist when the browser looked for the anchor.
fn keep_anchor() {
    let anchor = dom::anchor();
    if let Some(target) = dom::element(&anchor).filter(|_| !anchor.is_empty()) {
        target.scroll_into_view();
    }
}

#[component]
fn App(
    /// The abstract, as the static page words it.
    text: String,
) -> impl IntoView {
    view! {
        <Notices />
        {view! { <overview::Overview text /> }.into_any()}
        {results::Results().into_any()}
        {explorer::Explorer().into_any()}
        {shapes::AgentShapesPart().into_any()}
        {failures::FailureGallery().into_any()}
        {your_trace::YourTrace().into_any()}
        {advice::Advice().into_any()}
        {appendix::Appendix().into_any()}
    }
}

#[component]
fn Notices() -> impl IntoView {
    let context = super::context::context();
    let trouble = move || match context.worker.status.get() {
        WorkerStatus::Trouble(why) => Some(why),
        _ => None,
    };
    view! {
        {move || trouble().map(|why| view! {
            <div class="notice" role="alert" data-testid="worker-trouble">
                <p>{format!("Nothing is being computed at the moment: {why}.")}</p>
                <button data-testid="worker-restart" on:click=move |_| context.worker.restart()>"Start the worker again"</button>
            </div>
        })}
        <For each=move || context.notices.get() key=String::clone let:text>
            <div class="notice" role="status" data-testid="notice"><p>{text}</p></div>
        </For>
    }
}

#[component]
fn ThemeToggle(context: Context) -> impl IntoView {
    let dark = move || {
        let choice = context.view.with(|view| view.theme);
        context.theme.track();
        theme::is_dark(choice)
    };
    let flip = move |_| {
        let next = if dark() { ThemeChoice::Light } else { ThemeChoice::Dark };
        context.view.update(|view| view.theme = next);
    };
    view! {
        <button class="quiet" data-testid="theme-toggle" on:click=flip>
            {move || if dark() { "Light" } else { "Dark" }}
            <span class="visually-hidden">" colours"</span>
        </button>
    }
}

/// What the bundled data amounts to, from the catalogue.
#[component]
fn Byline(context: Context) -> impl IntoView {
    move || {
        context.data.with(|data| {
            let real: Vec<&SetEntry> =
                data.sets.iter().filter(|set| set.kind == "real" && !set.is_sample()).collect();
            let calls = words::plural(real.iter().map(|set| set.calls).sum(), "recorded model call");
            let sets = words::plural(real.len() as u64, "set");
            (!real.is_empty()).then(|| format!("{calls} in {sets} of real traces, replayed in your browser."))
        })
    }
}
