//! How far a set of traces is: progress with a number, or why it did not come.

use crate::page::context::context;
use crate::page::sets::SetState;
use atr_web::words;
use leptos::prelude::*;

/// Shows nothing for a set that is there.
#[component]
pub(crate) fn SetProgress(
    /// The set.
    name: Signal<Option<String>>,
) -> impl IntoView {
    let context = context();
    let state = move || name.get().and_then(|name| context.sets.state(&name).map(|state| (name, state)));
    move || match state() {
        Some((name, SetState::Loading { stage, done, total })) => view! {
            <div class="status" role="status">
                {loading_text(&name, &stage, done, total)}
                <progress aria-label="Progress" max=total.max(done) value=done></progress>
            </div>
        }
        .into_any(),
        Some((name, SetState::Failed(why))) => view! {
            <div class="notice" role="alert">
                <p>{format!("The set `{name}` is not there: {why}.")}</p>
                <button on:click=move |_| context.sets.forget(&name)>"Try again"</button>
            </div>
        }
        .into_any(),
        _ => ().into_any(),
    }
}

fn loading_text(name: &str, stage: &str, done: u64, total: u64) -> String {
    let of = if total > 0 { format!(" of {}", words::bytes(total)) } else { String::new() };
    format!("{name}: {stage}, {}{of}", words::bytes(done))
}
