//! The policies in words, each with the hue that it has in every figure. The registry is the source.

use atr_core::policy::POLICIES;
use leptos::prelude::*;

/// All policies, those that cannot run yet included.
#[component]
pub(super) fn PolicyList() -> impl IntoView {
    let items = POLICIES.iter().map(|policy| {
        let hue = format!("var(--policy-{})", policy.name);
        view! {
            <div>
                <dt style:color=hue>{policy.name}</dt>
                <dd>{policy.about}{(!policy.ready).then_some(" (cannot run yet)")}</dd>
            </div>
        }
    });
    view! { <dl class="policies" data-testid="policies">{items.collect_view()}</dl> }
}
