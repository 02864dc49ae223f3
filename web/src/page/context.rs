//! What every part of the page shares: the state in the address, the catalogue, the sets, the
//! worker and the colours.

use super::reports::FirstRace;
use super::sets::Sets;
use super::worker_client::{ADVISER, READER, WORKER, WorkerClient};
use super::{dom, fetch, theme};
use atr_core::figure::Theme;
use atr_core::serve::{latency, route};
use atr_web::catalogue::{DataIndex, ReportEntry};
use atr_web::protocol::SessionView;
use atr_web::state::{Known, ThemeChoice, ViewState};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;
use wasm_bindgen::prelude::*;

/// The shared context. A handle: copying it is free.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    /// What the address says.
    pub(crate) view: RwSignal<ViewState>,
    /// What could not be used of it, and other things that a reader should know.
    pub(crate) notices: RwSignal<Vec<String>>,
    /// The bundled sets.
    pub(crate) data: RwSignal<DataIndex>,
    /// The bundled reports.
    pub(crate) reports: StoredValue<Vec<ReportEntry>>,
    /// The sets that the worker holds or will hold.
    pub(crate) sets: Sets,
    /// The race's report.
    pub(crate) first_race: StoredValue<Result<FirstRace, String>>,
    /// The session that is looked at, once the worker has described it.
    pub(crate) session: RwSignal<Option<Arc<SessionView>>>,
    /// The worker.
    pub(crate) worker: WorkerClient,
    /// Reads the files that the reader chooses, and keeps their texts.
    pub(crate) reader: WorkerClient,
    /// Advises, and may be stopped.
    pub(crate) adviser: WorkerClient,
    /// The set that advice is asked for, where it is not the first one.
    pub(crate) advised: RwSignal<Option<String>>,
    /// The colours that hold now.
    pub(crate) theme: RwSignal<Theme>,
}

impl Context {
    /// Reads the address and starts the worker.
    pub(crate) fn start(first_race: Result<FirstRace, String>) -> Self {
        let profiles: Vec<String> = latency::LISTED.iter().map(|profile| profile.name.to_owned()).collect();
        let profiles: Vec<&str> = profiles.iter().map(String::as_str).collect();
        let routers = route::NAMES;
        let (state, notices) =
            ViewState::parse(&dom::query(), Known { routers: &routers, profiles: &profiles });
        theme::apply(state.theme);
        let colours = theme::read(theme::is_dark(state.theme));
        let worker = WorkerClient::asleep(WORKER);
        worker.wake();
        let reader = WorkerClient::asleep(READER);
        let mut notices = notices;
        let reports = atr_web::catalogue::reports().unwrap_or_else(|error| {
            notices.push(format!("The list of reports could not be read: {error}."));
            Vec::new()
        });
        let data = RwSignal::new(DataIndex::default());
        let context = Context {
            view: RwSignal::new(state),
            notices: RwSignal::new(notices),
            data,
            reports: StoredValue::new(reports),
            sets: Sets::new(worker, reader, data),
            first_race: StoredValue::new(first_race),
            session: RwSignal::new(None),
            worker,
            reader,
            adviser: WorkerClient::asleep(ADVISER),
            advised: RwSignal::new(None),
            theme: RwSignal::new(colours),
        };
        context.follow_address();
        context.follow_system();
        context.load_catalogue();
        context
    }

    /// The set that is looked at: the address's, else the catalogue's first.
    pub(crate) fn set_name(self) -> Option<String> {
        self.view
            .with(|view| view.set.clone())
            .or_else(|| self.data.with(|data| data.first().map(|set| set.name.clone())))
    }

    /// The first-load set: small, and there at once.
    pub(crate) fn first_set(self) -> Option<String> {
        self.data.with(|data| data.first().map(|set| set.name.clone()))
    }

    fn follow_address(self) {
        Effect::new(move |_| {
            let query = self.view.with(ViewState::query);
            if query != dom::query() {
                dom::replace_query(&query);
            }
        });
        let choice = Memo::new(move |_| self.view.with(|view| view.theme));
        Effect::new(move |before: Option<()>| {
            let choice = choice.get();
            if before.is_some() {
                theme::apply(choice);
                self.theme.set(theme::read(theme::is_dark(choice)));
            }
        });
    }

    /// Redraws when the system changes its colours or its pixel ratio.
    fn follow_system(self) {
        let reread = move || {
            let now = theme::read(theme::is_dark(self.view.with_untracked(|view| view.theme)));
            if self.theme.with_untracked(|theme| *theme != now) {
                self.theme.set(now);
            }
        };
        if let Ok(Some(list)) = dom::window().match_media("(prefers-color-scheme: dark)") {
            let changed = Closure::<dyn Fn()>::new(reread);
            list.set_onchange(Some(changed.as_ref().unchecked_ref()));
            // Lives as long as the page; so does the list that calls it.
            changed.forget();
            std::mem::forget(list);
        }
        let handle = window_event_listener(leptos::ev::resize, move |_| reread());
        std::mem::forget(handle);
        // Paper is light, whatever the screen is.
        let before = window_event_listener(leptos::ev::beforeprint, move |_| {
            theme::apply(ThemeChoice::Light);
            self.theme.set(theme::read(false));
        });
        let after = window_event_listener(leptos::ev::afterprint, move |_| {
            theme::apply(self.view.with_untracked(|view| view.theme));
            reread();
        });
        std::mem::forget((before, after));
    }

    fn load_catalogue(self) {
        spawn_local(async move {
            match index::<DataIndex>("./data/index.json").await {
                Ok(data) => self.data.set(data),
                Err(why) => self
                    .notices
                    .update(|all| all.push(format!("The list of traces could not be read: {why}"))),
            }
        });
    }
}

async fn index<T: serde::de::DeserializeOwned>(path: &str) -> Result<T, String> {
    let text = fetch::text(path).await.map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map_err(|error| format!("`{path}`: {error}"))
}

/// The context, from anywhere below the app.
pub(crate) fn context() -> Context {
    expect_context::<Context>()
}
