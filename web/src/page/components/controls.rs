//! Quiet controls: a slider over a list of values, and a choice.

use leptos::prelude::*;

/// A slider over `values`; says its value beside its label, while it is dragged.
#[component]
pub(crate) fn Slider(
    /// For tests.
    testid: &'static str,
    /// What it sets.
    label: &'static str,
    /// How many stops there are.
    stops: Signal<usize>,
    /// Which one holds.
    at: Signal<usize>,
    /// What a stop is called.
    name: Callback<usize, String>,
    /// The reader moves it.
    on_move: Callback<usize>,
) -> impl IntoView {
    let last = move || stops.get().saturating_sub(1);
    let fill = move || format!("{:.1}%", 100.0 * at.get() as f64 / last().max(1) as f64);
    view! {
        <div class="control">
            <label for=testid>{label}<output for=testid>{move || name.run(at.get())}</output></label>
            <input type="range" id=testid data-testid=testid min="0" max=last step="1"
                prop:value=move || at.get().to_string()
                aria-valuetext=move || name.run(at.get())
                style:--fill=fill
                on:input=move |event| {
                    if let Ok(stop) = event_target_value(&event).parse() {
                        on_move.run(stop);
                    }
                } />
        </div>
    }
}

/// A choice among few, each with its value and its name.
#[component]
pub(crate) fn Choice(
    /// For tests.
    testid: &'static str,
    /// What it sets.
    label: &'static str,
    /// Values and names.
    options: Signal<Vec<(String, String)>>,
    /// Which one holds.
    value: Signal<String>,
    /// The reader chooses.
    on_choose: Callback<String>,
) -> impl IntoView {
    let chosen = move |one: &str| value.with(|value| value == one);
    view! {
        <div class="control">
            <label for=testid>{label}</label>
            <select id=testid data-testid=testid on:change=move |event| on_choose.run(event_target_value(&event))>
                {move || options.get().into_iter().map(|(one, name)| {
                    let selected = chosen(&one);
                    view! { <option value=one selected=selected>{name}</option> }
                }).collect_view()}
            </select>
        </div>
    }
}
