//! What the figures of the results are about: the set, what the controls ask, and the reports of it.

use crate::page::context::Context;
use atr_core::policy::Scenario;
use atr_core::report::{Policies, Report, Sweep};
use atr_web::state::ViewState;
use leptos::prelude::*;
use std::sync::Arc;

/// The reports of one set.
#[derive(Clone, Default)]
pub(super) struct Published {
    pub(super) policies: Option<(String, Arc<Report<Policies>>)>,
    pub(super) sweep: Option<(String, Arc<Report<Sweep>>)>,
}

/// Whether a control differs from its default.
pub(super) fn is_live(context: Context) -> bool {
    context.view.with(ViewState::changes_scenario)
}

/// The set of the figures: the address's where there is a report of it, else the first report's.
pub(super) fn result_set(context: Context) -> Option<String> {
    context.data.with(|data| {
        let chosen = context.view.with(|view| view.set.clone());
        let full = |name: &str| data.set(name).filter(|set| !set.is_sample()).map(|set| set.name.clone());
        chosen
            .as_deref()
            .and_then(full)
            .or_else(|| data.sets.iter().find(|set| !set.is_sample()).map(|set| set.name.clone()))
    })
}

/// What the controls ask, on top of what the report was made with.
pub(super) fn scenario(context: Context, base: Memo<Scenario>) -> Scenario {
    context.view.with(|view| base.with(|base| view.scenario(base)))
}
