//! Trace Explorer: every bundled session, and the reader's own, down to the single call.

use super::session_list::SessionList;
use super::session_steps::SessionSteps;
use crate::page::components::SetProgress;
use crate::page::context::{Context, context};
use crate::page::sets::OWN;
use atr_web::catalogue::SetEntry;
use atr_web::protocol::{Request, Response, SessionView};
use atr_web::{sentences, words};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// The third section.
#[component]
pub(crate) fn Explorer() -> impl IntoView {
    let context = context();
    let set = Memo::new(move |_| context.set_name());
    let session = context.session;
    let trouble = RwSignal::new(None::<String>);
    ensure(context, set);
    open(context, set, session, trouble);
    let value = Signal::derive(move || set.get().unwrap_or_default());
    let choose = Callback::new(move |name: String| {
        context.view.update(|view| {
            view.set = Some(name);
            view.session = None;
            view.call = None;
            view.filter.clear();
        });
    });
    let held = Memo::new(move |_| set.get().and_then(|name| context.sets.ready(&name)));
    let chosen =
        Signal::derive(move || session.with(|session| session.as_ref().map(|session| session.id.clone())));
    let file = Signal::derive(move || file(context, set.get().as_deref()));
    view! {
        <section class="part" id="explorer" aria-labelledby="explorer-title">
            <h2 id="explorer-title">"Trace Explorer"</h2>
            <div class="prose">
                <p>"Every session that this paper rests on. Choose one, and step through its calls with the arrow keys. Each row is the prompt of one call. Solid: a server that forgets nothing would have it already. Hatched: it must be computed."</p>
                <p class="note">"A long hatched stretch in the middle of a session means that the prefix broke: something early in the prompt changed, and everything behind it lost its place in the cache."</p>
            </div>
            <div class="controls"><SetChoice testid="select-set" value on_choose=choose /></div>
            <SetProgress name=Signal::derive(move || set.get()) />
            {move || held.get().and_then(|held| sentences::set_limits(&held)).map(|text| view! { <p class="notice" data-testid="set-limits">{text}</p> })}
            {move || held.get().map(|held| view! { <SessionList held chosen /> })}
            {move || trouble.get().map(|why| view! { <p class="notice" role="alert">{format!("The session cannot be shown: {why}.")}</p> })}
            <SessionSteps name="strips" number=5 session=session.into() file />
        </section>
    }
}

/// Fetches the chosen set; says so where a link points to a file that only its reader has.
fn ensure(context: Context, set: Memo<Option<String>>) {
    Effect::new(move |_| {
        let Some(name) = set.get() else { return };
        let known = context.data.with(|data| (!data.sets.is_empty(), data.set(&name).cloned()));
        match known {
            (_, Some(entry)) => {
                // Tracked, so that a restarted worker gets its sets again.
                if context.sets.state(&name).is_none() {
                    context.sets.ensure(entry);
                }
            }
            (true, None) if name == OWN && context.sets.state(OWN).is_some() => {}
            (true, None) => {
                let why = if name == OWN {
                    "This link points to a trace of somebody's own. It never left their browser; drop the file below to see it.".to_owned()
                } else {
                    format!(
                        "The address names the set `{name}`, which this paper does not have. The first one is shown."
                    )
                };
                context.notices.update(|all| all.push(why));
                context.view.update(|view| {
                    view.set = None;
                    view.session = None;
                });
            }
            (false, None) => {}
        }
    });
}

/// Asks for the chosen session, whenever the choice changes.
fn open(
    context: Context,
    set: Memo<Option<String>>,
    session: RwSignal<Option<Arc<SessionView>>>,
    trouble: RwSignal<Option<String>>,
) {
    let wanted = Memo::new(move |_| {
        let set = set.get()?;
        context.sets.ready(&set)?;
        Some((set, context.view.with(|view| view.session.clone())))
    });
    Effect::new(move |_| {
        let Some((set, id)) = wanted.get() else { return };
        spawn_local(async move {
            let request = Request::Session { set, session: id.clone() };
            match context.worker.ask(request).await {
                Ok(Response::Session(view)) => {
                    if let Some(id) = id.filter(|id| *id != view.id) {
                        let why =
                            format!("The set `{}` has no session `{id}`. `{}` is shown.", view.set, view.id);
                        context.notices.update(|all| all.push(why));
                    }
                    trouble.set(None);
                    session.set(Some(Arc::new(*view)));
                }
                Ok(_) => trouble.set(Some("the worker answered something else".to_owned())),
                Err(error) => trouble.set(Some(error.to_string())),
            }
        });
    });
}

/// The sets in groups: the kinds of the catalogue, then the reader's own.
fn groups(context: Context) -> Vec<(String, Vec<(String, String)>)> {
    let mut groups: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut put =
        |group: String, option: (String, String)| match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, options)) => options.push(option),
            None => groups.push((group, vec![option])),
        };
    context.data.with(|data| {
        for set in &data.sets {
            let calls = words::plural(set.calls, "call");
            let text = format!("{} ({calls}, {})", set.title(), words::bytes(set.bytes));
            put(set.group(), (set.name.clone(), text));
        }
    });
    if let Some(own) = context.sets.ready(OWN) {
        let text = format!("{} ({})", own.file, words::plural(own.calls(), "call"));
        put("Your trace".to_owned(), (OWN.to_owned(), text));
    }
    groups
}

/// A choice among all sets.
#[component]
pub(super) fn SetChoice(
    /// For tests.
    testid: &'static str,
    /// The set that holds.
    value: Signal<String>,
    /// The reader chooses.
    on_choose: Callback<String>,
) -> impl IntoView {
    let context = context();
    let option = move |(name, text): (String, String)| {
        let selected = value.with(|value| *value == name);
        view! { <option value=name selected=selected>{text}</option> }
    };
    let options = move || {
        let group = |(name, options): (String, Vec<(String, String)>)| {
            view! { <optgroup label=name>{options.into_iter().map(option).collect_view()}</optgroup> }
        };
        groups(context).into_iter().map(group).collect_view()
    };
    view! {
        <div class="control set-choice">
            <label for=testid>"Set of traces"</label>
            <select id=testid data-testid=testid on:change=move |event| on_choose.run(event_target_value(&event))>
                {options}
            </select>
        </div>
    }
}

/// The file of a set, as the command line would name it.
fn file(context: Context, set: Option<&str>) -> String {
    let Some(set) = set else { return String::new() };
    let own = context.sets.ready(OWN).filter(|_| set == OWN).map(|own| own.path.clone());
    own.or_else(|| context.data.with(|data| data.set(set).map(SetEntry::path)))
        .unwrap_or_else(|| set.to_owned())
}
