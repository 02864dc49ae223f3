//! Where a session's prompts stopped being continuations: each break leads to its call.

use atr_core::rank::rank;
use atr_web::protocol::SessionView;
use atr_web::{sentences, words};
use leptos::prelude::*;
use std::sync::Arc;

/// Breaks that are listed at first: the most expensive ones.
const FIRST_BREAKS: usize = 6;

/// The list. `select` opens a call.
#[component]
pub(super) fn BreakList(
    session: Signal<Option<Arc<SessionView>>>,
    call: Signal<Option<usize>>,
    select: Callback<usize>,
) -> impl IntoView {
    let all = RwSignal::new(false);
    let id = Memo::new(move |_| session.with(|session| session.as_ref().map(|session| session.id.clone())));
    Effect::new(move |_| {
        id.track();
        all.set(false);
    });
    let list = move || {
        session.with(|session| {
            let session = session.as_ref()?;
            let told = told(session)?;
            let chosen = chosen(session, all.get());
            let items = chosen.into_iter().map(|place| item(session, place, call, select)).collect_view();
            let count = broken(session).count();
            let more = (count > FIRST_BREAKS).then(|| {
                let turn = move |_| all.update(|all| *all = !*all);
                let text = if all.get() { "Show the most expensive only".to_owned() } else { format!("Show all {count}") };
                view! { <button data-testid="breaks-more" aria-expanded=all.get().to_string() on:click=turn>{text}</button> }
            });
            Some(view! {
                <h3>"Where the prefix broke"</h3>
                <p class="status">{told}</p>
                <ol class="breaks">{items}</ol>
                {more}
            })
        })
    };
    view! { <div class="told" data-testid="breaks">{list}</div> }
}

/// The places of calls whose prompts broke.
fn broken(session: &SessionView) -> impl Iterator<Item = usize> + '_ {
    (0..session.calls.len()).filter(|&place| session.calls[place].broke.is_some())
}

/// The breaks that are listed, in order of calls.
fn chosen(session: &SessionView, all: bool) -> Vec<usize> {
    let cost = |place: &usize| session.calls[*place].broke.as_ref().map_or(0, |broke| broke.again_tokens);
    let mut places: Vec<usize> = broken(session).collect();
    if !all {
        let dearest = rank(places.iter().map(|place| !cost(place)));
        let kept = &dearest[..dearest.len().min(FIRST_BREAKS)];
        places = (0..places.len()).filter(|at| kept.contains(at)).map(|at| places[at]).collect();
    }
    places
}

/// The session's breaks in one sentence; nothing for single requests and where identity is unknown.
fn told(session: &SessionView) -> Option<String> {
    let ledger = session.ledger.filter(|_| session.has_identity && session.calls.len() > 1)?;
    let count = broken(session).count() as u64;
    if count == 0 {
        return Some("Nowhere: every prompt continues the one before it.".to_owned());
    }
    let share = (ledger.prompt_tokens > 0).then(|| ledger.again_tokens as f64 / ledger.prompt_tokens as f64);
    Some(format!(
        "{} of {}. {} tokens are computed again because of that, {} of all that was sent.",
        words::plural(count, "time"),
        words::plural(session.calls.len() as u64, "call"),
        words::grouped(ledger.again_tokens),
        words::percent(share),
    ))
}

fn item(
    session: &SessionView,
    place: usize,
    call: Signal<Option<usize>>,
    select: Callback<usize>,
) -> Option<impl IntoView + use<>> {
    let broke = session.calls[place].broke.as_ref()?;
    let name = format!("Call {}", place + 1);
    let text = format!(
        ": {}, after {} tokens; {} computed again",
        sentences::cause(broke),
        words::grouped(broke.at_tokens),
        words::grouped(broke.again_tokens)
    );
    let current = move || (call.get() == Some(place)).then_some("step");
    Some(view! {
        <li><button class="link" aria-current=current on:click=move |_| select.run(place)>{name}</button>{text}</li>
    })
}
