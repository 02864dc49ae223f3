//! Agent Shapes: how the sessions of each harness look to a server, recorded and synthetic side by
//! side. The report comes when the section is near.

use crate::page::components::{Badge, Choice, FigureFrame, OwnedShapes, Shown};
use crate::page::context::context;
use crate::page::near::{Near, when_near};
use atr_core::figure::ShapesView;
use atr_core::report::{AgentShapes, Origin};
use atr_web::{shapes as told, words};
use leptos::html;
use leptos::prelude::*;
use std::rc::Rc;

/// What the parts of the section share.
#[derive(Clone, Copy)]
struct Part {
    near: Near<AgentShapes>,
    /// The harnesses that are shown; all where none is named.
    shown: Memo<Vec<String>>,
}

/// The section.
#[component]
pub(crate) fn AgentShapesPart() -> impl IntoView {
    let context = context();
    let section = NodeRef::<html::Section>::new();
    let near = when_near::<AgentShapes>(context, section, "shapes");
    let trouble = near.trouble;
    let shown = Memo::new(move |_| {
        let chosen = context.view.with(|view| view.harnesses.clone());
        near.loaded.with(|loaded| {
            loaded.as_ref().map(|loaded| told::known(&loaded.report, &chosen)).unwrap_or_default()
        })
    });
    let part = Part { near, shown };
    view! {
        <section class="part" id="shapes" aria-labelledby="shapes-title" node_ref=section>
            <h2 id="shapes-title">"What agents look like to a server"</h2>
            <div class="prose">
                <p>"Every harness has a shape: how many turns it takes, how fast its prompts grow, what they consist of, and how long it pauses. The shape decides which serving policy pays."</p>
                <p class="note">"Counted from the bundled traces, call by call. Each number stands with the sessions that it was counted from. Synthetic sessions are dashed and say so."</p>
            </div>
            {move || trouble.get().map(|why| view! { <p class="notice" role="alert">{format!("The shapes cannot be shown: {why}.")}</p> })}
            <Chips part />
            <Words part />
            {frame(part, "shapes-turns", 6, Signal::derive(|| ShapesView::Turns), None)}
            <Growth part />
            {frame(part, "shapes-parts", 8, Signal::derive(|| ShapesView::Parts), None)}
            {frame(part, "shapes-gaps", 9, Signal::derive(|| ShapesView::Gaps), None)}
            {frame(part, "shapes-tools", 10, Signal::derive(|| ShapesView::Tools), None)}
        </section>
    }
}

/// One view in its frame. All of them are one kind of figure.
fn frame(
    part: Part,
    name: &'static str,
    number: u32,
    view: Signal<ShapesView>,
    controls: Option<AnyView>,
) -> AnyView {
    let figure: Signal<Option<Shown>, LocalStorage> = Signal::derive_local(move || {
        let report = part.near.report()?;
        Some(Rc::new(OwnedShapes { report, view: view.get(), harnesses: part.shown.get() }) as Shown)
    });
    let badge = Signal::derive(|| Badge { origin: None, now: false });
    let source = part.near.source();
    view! { <FigureFrame name number figure badge source reserve=300>{controls}</FigureFrame> }.into_any()
}

#[component]
fn Growth(part: Part) -> impl IntoView {
    const NAMES: [(&str, &str); 2] =
        [("tokens", "Prompt tokens"), ("times", "Multiples of the first prompt")];
    let multiple = RwSignal::new(false);
    let view = Signal::derive(move || if multiple.get() { ShapesView::Multiple } else { ShapesView::Growth });
    let options = Signal::derive(|| NAMES.map(|(key, name)| (key.to_owned(), name.to_owned())).to_vec());
    let value = Signal::derive(move || NAMES[usize::from(multiple.get())].0.to_owned());
    let choose = Callback::new(move |name: String| multiple.set(name == NAMES[1].0));
    let controls = view! {
        <div class="controls"><Choice testid="select-growth" label="Shown" options value on_choose=choose /></div>
    };
    frame(part, "shapes-growth", 7, view, Some(controls.into_any()))
}

/// One switch a harness; none pressed shows all.
#[component]
fn Chips(part: Part) -> impl IntoView {
    let context = context();
    let chips = move || {
        part.near.loaded.with(|loaded| {
            let report = &loaded.as_ref()?.report;
            let chips = told::harnesses(report).into_iter().map(|name| {
                let sessions = report.group(&name, Origin::Measured).map(|group| group.shapes.sessions);
                let sessions = sessions.map(words::grouped).unwrap_or_default();
                let (own, label) = (name.clone(), name.clone());
                let pressed = move || part.shown.with(|shown| shown.contains(&own)).to_string();
                let flip = move |_| {
                    let mut shown = part.shown.get_untracked();
                    match shown.iter().position(|one| *one == name) {
                        Some(at) => drop(shown.remove(at)),
                        None => shown.push(name.clone()),
                    }
                    context.view.update(|view| view.harnesses = shown);
                };
                view! { <button class="chip" aria-pressed=pressed on:click=flip>{label}<span>{sessions}</span></button> }
            });
            Some(chips.collect_view())
        })
    };
    let all = move || part.shown.with(Vec::is_empty).to_string();
    view! {
        <div class="chips" role="group" aria-label="Harnesses shown, with their sessions" data-testid="shapes-chips">
            <button class="chip" aria-pressed=all on:click=move |_| context.view.update(|view| view.harnesses.clear())>"all"</button>
            {chips}
        </div>
    }
}

/// What the shapes mean, and the medians.
#[component]
fn Words(part: Part) -> impl IntoView {
    move || {
        part.near.loaded.with(|loaded| {
            let report = &loaded.as_ref()?.report;
            let shown = part.shown.get();
            let said = told::for_serving(report, &shown);
            let said = said.into_iter().map(|text| view! { <li>{text}</li> }).collect_view();
            let heads = told::SUMMARY.map(str::to_owned).to_vec();
            let rows = told::summary(report, &shown).into_iter().map(Vec::from).collect();
            let grounds = told::grounds(report, &shown).into_iter().map(Vec::from).collect();
            let ground_heads = told::GROUNDS.map(str::to_owned).to_vec();
            let ground_note = "Recorded: counted or timed by the source, call by call. A tokenizer's estimate: counted from the text, because the source counts nothing. Of recorded sums that a tokenizer divides, the sums are the source's and the parts are estimates. Marked calls have a time or a count that is an estimate.";
            let (fit_heads, fit_rows) = told::fit(report, &shown);
            let fit = (!fit_rows.is_empty()).then(|| {
                let note = "Kolmogorov-Smirnov distance between the recorded and the synthetic sessions of a harness: 0 is the same distribution, 1 no overlap; in brackets the values of either kind. Shares of sessions are subtracted: percentage points by which the synthetic share is larger, in brackets the recorded and the synthetic share.";
                view! { <div data-testid="shapes-fit">{table("How near the synthetic sessions come", note.to_owned(), fit_heads, fit_rows)}</div> }
            });
            Some(view! {
                <div class="prose"><ul class="said" data-testid="shapes-words">{said}</ul></div>
                <div data-testid="shapes-summary">{table("One line a harness", told::left_out(report), heads, rows)}</div>
                <div data-testid="shapes-grounds">{words_table("What is recorded and what is estimated", ground_note.to_owned(), ground_heads, grounds)}</div>
                {fit}
            })
        })
    }
}

fn table(title: &'static str, note: String, heads: Vec<String>, rows: Vec<Vec<String>>) -> AnyView {
    table_of("", title, note, heads, rows)
}

/// A table whose cells are words: they stand to the left and may break.
fn words_table(title: &'static str, note: String, heads: Vec<String>, rows: Vec<Vec<String>>) -> AnyView {
    table_of("text words", title, note, heads, rows)
}

fn table_of(
    class: &'static str,
    title: &'static str,
    note: String,
    heads: Vec<String>,
    rows: Vec<Vec<String>>,
) -> AnyView {
    let heads =
        heads.into_iter().map(|head| view! { <th scope="col" class=class>{head}</th> }).collect_view();
    let rows = rows.into_iter().map(|row| {
        let mut cells = row.into_iter();
        let first = cells.next().map(|cell| view! { <th scope="row">{cell}</th> });
        view! { <tr>{first}{cells.map(|cell| view! { <td class=class>{cell}</td> }).collect_view()}</tr> }
    });
    view! {
        <h3>{title}</h3>
        <div class="table-box" tabindex="0" role="region" aria-label=title>
            <table><thead><tr>{heads}</tr></thead><tbody>{rows.collect_view()}</tbody></table>
        </div>
        <p class="caption">{note}</p>
    }
    .into_any()
}
