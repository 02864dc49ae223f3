//! The failure gallery: what routers are known to fall over, one failure at a time.

use crate::page::components::{Badge, Choice, FigureFrame, OwnedFailure, Shown};
use crate::page::context::context;
use crate::page::near::{Near, when_near};
use atr_core::report::{Failures, Origin};
use leptos::html;
use leptos::prelude::*;
use std::rc::Rc;

/// The section.
#[component]
pub(crate) fn FailureGallery() -> impl IntoView {
    let context = context();
    let section = NodeRef::<html::Section>::new();
    let near = when_near::<Failures>(context, section, "failures");
    let place = RwSignal::new(0usize);
    view! {
        <section class="part" id="failures" aria-labelledby="failures-title" node_ref=section>
            <h2 id="failures-title">"What routers fall over"</h2>
            <div class="prose">
                <p>"A router that serves one workload well can fall over another. Each failure below is a small made-up workload in two set-ups, before and when it goes wrong, with one thing changed between them, under every router. Before, no replica is near saturation. Verdicts compare a router with itself before and with the best router when it goes wrong."</p>
                <p class="note">"The workloads are synthetic and made to show the failure. How often it strikes depends on the traffic."</p>
            </div>
            {move || near.trouble.get().map(|why| view! { <p class="notice" role="alert">{format!("The failures cannot be shown: {why}.")}</p> })}
            {gallery(near, place)}
            {move || near.report().and_then(|report| {
                let failure = report.exhibits.get(place.get())?;
                Some(view! { <p class="prose note" data-testid="failure-words">{failure.mechanism.clone()}</p> })
            })}
        </section>
    }
}

fn gallery(near: Near<Failures>, place: RwSignal<usize>) -> AnyView {
    let figure: Signal<Option<Shown>, LocalStorage> = Signal::derive_local(move || {
        let report = near.report()?;
        let place = place.get().min(report.exhibits.len().checked_sub(1)?);
        Some(Rc::new(OwnedFailure { report, place }) as Shown)
    });
    let options = Signal::derive(move || {
        let report = near.report();
        let all = report.iter().flat_map(|report| &report.exhibits);
        all.map(|failure| (failure.name.clone(), failure.title.clone())).collect::<Vec<_>>()
    });
    let value = Signal::derive(move || {
        let name = near.report().and_then(|report| Some(report.exhibits.get(place.get())?.name.clone()));
        name.unwrap_or_default()
    });
    let choose = Callback::new(move |name: String| {
        let found = near.report().and_then(|report| report.exhibits.iter().position(|one| one.name == name));
        place.set(found.unwrap_or(0));
    });
    let badge = Signal::derive(|| Badge { origin: Some(Origin::Simulated), now: false });
    let controls = view! {
        <div class="controls"><Choice testid="select-failure" label="Failure" options value on_choose=choose /></div>
    };
    view! {
        <FigureFrame name="failures" number=11 figure badge source=near.source() reserve=490>{controls.into_any()}</FigureFrame>
    }
    .into_any()
}
