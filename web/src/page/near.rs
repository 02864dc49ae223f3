//! A report that comes when its section is near.

use super::components::{Source, watch_sight};
use super::context::Context;
use super::reports;
use super::sections::results_words::from_report;
use atr_core::report::Body;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// The body of a report, where it lies, and how it was made.
pub(crate) struct Loaded<B> {
    pub(crate) report: Arc<B>,
    pub(crate) source: Source,
}

impl<B> Clone for Loaded<B> {
    fn clone(&self) -> Self {
        Loaded { report: self.report.clone(), source: self.source.clone() }
    }
}

/// What came of it, or why nothing did.
pub(crate) struct Near<B: Send + Sync + 'static> {
    pub(crate) loaded: RwSignal<Option<Loaded<B>>>,
    pub(crate) trouble: RwSignal<Option<String>>,
}

impl<B: Send + Sync + 'static> Clone for Near<B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Send + Sync + 'static> Copy for Near<B> {}

impl<B: Send + Sync + 'static> Near<B> {
    /// The source of the report, for figures that show it.
    pub(crate) fn source(self) -> Signal<Source> {
        Signal::derive(move || {
            self.loaded.with(|loaded| loaded.as_ref().map(|loaded| loaded.source.clone()).unwrap_or_default())
        })
    }

    /// The report, once it has come.
    pub(crate) fn report(self) -> Option<Arc<B>> {
        self.loaded.with(|loaded| loaded.as_ref().map(|loaded| loaded.report.clone()))
    }
}

/// Loads the report of a kind once its section comes near.
pub(crate) fn when_near<B: Body + Send + Sync + 'static>(
    context: Context,
    section: NodeRef<html::Section>,
    kind: &'static str,
) -> Near<B> {
    let near = Near { loaded: RwSignal::new(None), trouble: RwSignal::new(None) };
    let asked = StoredValue::new(false);
    let path =
        context.reports.with_value(|all| all.iter().find(|one| one.kind == kind).map(|one| one.path.clone()));
    let element = move || section.get().map(|section| (*section).clone());
    watch_sight(element, "400px", move |is_near| {
        if !is_near || asked.get_value() {
            return;
        }
        asked.set_value(true);
        let Some(path) = path.clone() else {
            let why = format!("there is no report of kind `{kind}`; run `cargo xtask reports`");
            near.trouble.set(Some(why));
            return;
        };
        spawn_local(async move {
            match reports::load::<B>(&path).await {
                Ok(report) => near.loaded.set(Some(Loaded {
                    source: from_report(&path, &report.provenance.command),
                    report: Arc::new(report.body),
                })),
                Err(why) => near.trouble.set(Some(why)),
            }
        });
    });
    near
}
