//! Your Trace: files of any importable formats, read in the worker as one set, never sent anywhere.

use super::live::{Live, Wish, rejected};
use crate::page::components::{
    Badge, Facts, FigureFrame, OwnedLatency, SetProgress, Shown, Source, watch_sight,
};
use crate::page::context::{Context, context};
use crate::page::dom;
use crate::page::dropped::{Dropped, MAX_FILES, Named, chosen};
use crate::page::sets::{OWN, SetState};
use atr_core::metrics::Inspection;
use atr_core::policy::Scenario;
use atr_core::report::Origin;
use atr_web::protocol::{Computed, MAX_BYTES, Request, Response, SetView};
use atr_web::words;
use leptos::ev;
use leptos::html;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::rc::Rc;
use std::sync::Arc;
use wasm_bindgen::JsCast;
use web_sys::{DragEvent, HtmlInputElement};

/// The fourth section.
#[component]
pub(crate) fn YourTrace() -> impl IntoView {
    let context = context();
    let over = RwSignal::new(false);
    let take = move |files: Vec<Named>| {
        if files.len() >= MAX_FILES {
            let most = words::grouped(MAX_FILES as u64);
            let why = format!("Only the first {most} files are read; the command line reads any number.");
            context.notices.update(|all| all.push(why));
        }
        if !files.is_empty() {
            context.sets.read_own(files);
        }
    };
    listen_for_drops(context, over, take);
    // The program that reads is there before a file is: after that nothing is asked of anybody.
    let section = NodeRef::<html::Section>::new();
    let element = move || section.get().map(|section| (*section).clone());
    watch_sight(element, "200px", move |near| {
        if near {
            context.reader.wake();
        }
    });
    let pick = move |event: ev::Event| {
        let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
        if let Some(input) = input {
            take(chosen(input.files()));
            // So that the same file can be chosen again after it was changed.
            input.set_value("");
        }
    };
    view! {
        <section class="part" id="your-trace" aria-labelledby="your-trace-title" node_ref=section>
            <h2 id="your-trace-title">"Your trace"</h2>
            <div class="prose">
                <p>"What would each policy cost on your own agent's trace? The file is read by this page and stays in this browser: nothing is sent."</p>
                <p class="note">"Where a file has texts and no token counts, tokens are estimated from bytes, and the result says so. The command line counts with a real tokenizer."</p>
            </div>
            <div class="drop" class:over=over data-testid="drop-zone">
                <p class="file-buttons">
                    <label class="file-button">"Choose files"
                        <input type="file" multiple class="visually-hidden" data-testid="file-input" on:change=pick />
                    </label>
                    <label class="file-button">"Choose a folder"
                        <input type="file" class="visually-hidden" data-testid="folder-input" prop:webkitdirectory=true on:change=pick />
                    </label>
                    <span>"or drop them anywhere on this page."</span>
                </p>
                <p>{format!("Several files are read as one set, up to {} unpacked; .gz is unpacked here.", words::bytes(MAX_BYTES))}</p>
                <Formats />
            </div>
            <Outcome />
        </section>
    }
}

/// Takes what is dropped anywhere on the page.
fn listen_for_drops(context: Context, over: RwSignal<bool>, take: impl Fn(Vec<Named>) + Copy + 'static) {
    // A file that misses the zone must not replace the page.
    let hovering = window_event_listener(ev::dragover, move |event| {
        event.prevent_default();
        context.reader.wake();
        over.set(true);
    });
    let left = window_event_listener(ev::dragleave, move |event: DragEvent| {
        over.set(event.related_target().is_some());
    });
    let dropped = window_event_listener(ev::drop, move |event: DragEvent| {
        event.prevent_default();
        over.set(false);
        // A link or a text that is dragged over the page is no trace.
        let dropped = event.data_transfer().map(|data| Dropped::of(&data)).filter(|all| !all.is_empty());
        let Some(dropped) = dropped else { return };
        spawn_local(async move { take(dropped.files().await) });
        if let Some(section) = dom::element("your-trace") {
            section.scroll_into_view();
        }
    });
    on_cleanup(move || {
        hovering.remove();
        left.remove();
        dropped.remove();
    });
}

/// Narrower than this the list of formats begins folded.
const ROOMY: &str = "(min-width: 640px)";

/// What can be read.
#[component]
fn Formats() -> impl IntoView {
    let known = atr_core::import::formats();
    let count = words::plural(known.len() as u64, "format");
    let each = |(name, about)| view! { <div><dt>{name}</dt><dd>{about}</dd></div> };
    let known = known.into_iter().map(each).collect_view();
    view! {
        <details class="formats" data-testid="formats" open=dom::media(ROOMY)>
            <summary>{count}", told apart by content"</summary>
            <dl>{known}</dl>
        </details>
    }
}

#[component]
fn Outcome() -> impl IntoView {
    let context = context();
    let state = Memo::new(move |_| context.sets.state(OWN));
    move || match state.get() {
        None => ().into_any(),
        Some(SetState::Loading { .. }) => {
            view! { <SetProgress name=Signal::derive(|| Some(OWN.to_owned())) /> }.into_any()
        }
        Some(SetState::Failed(why)) => view! {
            <div class="notice" role="alert" data-testid="own-error">
                <p>{format!("Nothing of this can be used. {why}.")}</p>
            </div>
        }
        .into_any(),
        Some(SetState::Ready(held)) => view! { <Own held /> }.into_any(),
    }
}

#[component]
fn Own(held: Arc<SetView>) -> impl IntoView {
    let context = context();
    let inspected = RwSignal::new(None::<Arc<Computed<Inspection>>>);
    let live = Live::new(context);
    let sweep = false;
    live.wish(Wish { set: OWN.to_owned(), scenario: Scenario::default(), sweep });
    spawn_local(async move {
        let answer = context.worker.ask(Request::Inspect { set: OWN.to_owned() }).await;
        if let Ok(Response::Inspect(computed)) = answer {
            inspected.set(Some(Arc::new(computed)));
        }
    });
    let figure: Signal<Option<Shown>, LocalStorage> = Signal::derive_local(move || {
        let body = live.compared.with(|one| one.as_ref().map(|one| one.body.clone()))?;
        Some(Rc::new(OwnedLatency(Arc::new(body))) as Shown)
    });
    let badge = Signal::derive(|| Badge { origin: Some(Origin::Simulated), now: true });
    let path = held.path.clone();
    let source = Signal::derive(move || Source {
        report: None,
        json: live
            .compared
            .with(|one| one.as_ref().and_then(|one| serde_json::to_string_pretty(&one.body).ok())),
        command: format!("atr-bench simulate {path}"),
    });
    let explore = move |_| {
        context.view.update(|view| {
            view.set = Some(OWN.to_owned());
            view.session = None;
            view.call = None;
            view.filter.clear();
        });
        if let Some(section) = dom::element("explorer") {
            section.scroll_into_view();
        }
    };
    let advise = move |_| {
        context.advised.set(Some(OWN.to_owned()));
        if let Some(section) = dom::element("advice") {
            section.scroll_into_view();
        }
    };
    let dropped = match held.unknown_keys {
        0 => String::new(),
        keys => format!(" {} dropped.", words::plural(keys, "unknown key")),
    };
    let read = format!(
        "{}: read as {}, {} in {}. Token counts: {}.{dropped}",
        held.file,
        formats(&held.formats),
        words::bytes(held.bytes),
        words::time(held.took_ms),
        held.counts_from.join(", ")
    );
    view! {
        <div data-testid="own-summary">
            <p class="status read" role="status">{read}</p>
            <Skipped held=held.clone() />
            {move || inspected.with(|one| one.as_ref().map(|one| view! { <Facts facts=facts(one) /> }))}
            <p><button class="primary" data-testid="own-explore" on:click=explore>"Step through its sessions"</button>" "<button data-testid="own-advise" on:click=advise>"Ask what to turn on"</button></p>
            {move || live.compared.with(|one| one.as_ref().and_then(|one| rejected(&one.body))).map(|text| view! { <p class="status">{text}</p> })}
            {move || live.trouble.get().map(|why| view! { <p class="notice" role="alert">{format!("It cannot be simulated: {why}.")}</p> })}
            <FigureFrame name="own-latency" number=12 figure badge source reserve=250 />
        </div>
    }
}

#[component]
fn Skipped(held: Arc<SetView>) -> impl IntoView {
    let (count, first) = held.skipped.clone();
    (count > 0).then(|| {
        let shown = first.len() as u64;
        let list = first.into_iter().map(|why| view! { <li>{why}</li> }).collect_view();
        view! {
            <div class="notice" role="status">
                <p>{format!("{} left out; the rest is used.", words::plural(count, "record"))}</p>
                <ul>{list}</ul>
                {(count > shown).then(|| view! { <p>{format!("{} more.", words::grouped(count - shown))}</p> })}
            </div>
        }
    })
}

/// `mooncake`, or `swe-agent (3 files) and mooncake (1 file)`.
fn formats(all: &[(String, u64)]) -> String {
    match all {
        [(format, 1)] => format.clone(),
        all => {
            let named = all.iter().map(|(name, files)| format!("{name} ({})", words::plural(*files, "file")));
            named.collect::<Vec<_>>().join(" and ")
        }
    }
}

fn facts(computed: &Computed<Inspection>) -> Vec<(&'static str, String)> {
    let one = &computed.body;
    let mut facts = vec![
        ("Sessions", words::grouped(one.sessions)),
        ("Calls", words::grouped(one.calls)),
        ("Prompt tokens", words::short(one.prompt_tokens)),
        ("Output tokens", words::short(one.output_tokens)),
        ("Ceiling of the hit rate", words::percent(one.ceiling_hit_rate)),
    ];
    if let Some(turns) = &one.turns {
        facts.push(("Turns, median", format!("{:.0}", turns.p50)));
        facts.push(("Turns, most", words::grouped(turns.max)));
    }
    if one.duplicates > 0 {
        facts.push(("Duplicates", words::grouped(one.duplicates)));
    }
    if let Some(recorded) = &one.recorded {
        facts.extend(recorded.cached_tokens.map(|tokens| ("Recorded as cached", words::short(tokens))));
        facts.extend(recorded.cost_usd.map(|cost| ("Recorded cost", format!("{cost:.2} USD"))));
    }
    facts
}
