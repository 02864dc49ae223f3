//! A figure's canvas: drawn anew whenever the figure, the width, the pixel ratio or the colours
//! change; never scaled.

use super::Shown;
use crate::page::{context::context, dom};
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::prelude::*;
use web_sys::{MouseEvent, ResizeObserver};

/// Below this width nothing can be read.
const LEAST_WIDTH: u32 = 200;

/// The canvas with what a screen reader says for it. `on_pick` gets clicks in CSS pixels.
#[component]
pub(crate) fn FigureCanvas(
    /// The figure; nothing is drawn before there is one.
    figure: Signal<Option<Shown>, LocalStorage>,
    /// Height to keep free until then.
    reserve: u32,
    /// Clicks, as (x, y).
    #[prop(optional)]
    on_pick: Option<Callback<(f64, f64)>>,
    /// Whether the page counts as ready once this is drawn.
    #[prop(optional)]
    first: bool,
) -> impl IntoView {
    let context = context();
    let holder = NodeRef::<html::Div>::new();
    let canvas = NodeRef::<html::Canvas>::new();
    let width = RwSignal::new(0_u32);
    let trouble = RwSignal::new(None::<String>);
    watch_width(holder, width);
    Effect::new(move |_| {
        let (Some(canvas), wide) = (canvas.get(), width.get()) else { return };
        if wide < LEAST_WIDTH {
            return;
        }
        let outcome = figure.with(|figure| {
            figure.as_ref().map(|figure| context.theme.with(|theme| figure.paint(&canvas, wide, theme)))
        });
        if let Some(outcome) = outcome {
            if trouble.with_untracked(Option::is_some) || outcome.is_err() {
                trouble.set(outcome.err());
            }
            if first {
                mark_ready();
            }
        }
    });
    let label = move || {
        figure.with(|figure| {
            figure.as_ref().map_or_else(|| "Figure, not computed yet".to_owned(), |figure| figure.finding())
        })
    };
    let pick = move |event: MouseEvent| {
        if let Some(on_pick) = on_pick {
            on_pick.run((event.offset_x().into(), event.offset_y().into()));
        }
    };
    let height = move || format!("{reserve}px");
    view! {
        <div class="canvas-box" node_ref=holder>
            <canvas node_ref=canvas role="img" aria-label=label style:height=height on:click=pick></canvas>
            {move || trouble.get().map(|why| view! { <p class="notice" role="alert">{format!("The figure cannot be drawn: {why}.")}</p> })}
        </div>
    }
}

/// Tells tests, and nobody else, that the first figure is on screen.
pub(crate) fn mark_ready() {
    if let Some(body) = dom::document().body() {
        // Fails for invalid attribute names only.
        let _ = body.set_attribute("data-ready", "true");
    }
}

fn watch_width(holder: NodeRef<html::Div>, width: RwSignal<u32>) {
    let watching = StoredValue::new_local(None::<(ResizeObserver, Closure<dyn FnMut()>)>);
    Effect::new(move |_| {
        let Some(element) = holder.get() else { return };
        let measure = {
            let element = element.clone();
            move || {
                let now = element.client_width().max(0) as u32;
                if width.get_untracked() != now {
                    width.set(now);
                }
            }
        };
        measure();
        let changed = Closure::<dyn FnMut()>::new(measure);
        // Without the observer the figure keeps its first width.
        if let Ok(observer) = ResizeObserver::new(changed.as_ref().unchecked_ref()) {
            observer.observe(&element);
            watching.set_value(Some((observer, changed)));
        }
    });
    on_cleanup(move || {
        watching.try_update_value(|watching| {
            if let Some((observer, _)) = watching.take() {
                observer.disconnect();
            }
        });
    });
}
