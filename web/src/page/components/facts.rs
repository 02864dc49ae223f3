//! A short row of named numbers.

use leptos::prelude::*;

/// Names and values, as a description list.
#[component]
pub(crate) fn Facts(
    /// In order.
    facts: Vec<(&'static str, String)>,
) -> impl IntoView {
    view! {
        <dl class="facts">
            {facts.into_iter().map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> }).collect_view()}
        </dl>
    }
}
