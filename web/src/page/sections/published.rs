//! What others published, quoted beside our own figures and never mixed with them.

use crate::page::context::context;
use crate::page::reports;
use atr_core::report::{Published, Report};
use atr_web::words;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The published figures as a table with its badge and its source.
#[component]
pub(super) fn PublishedFigures() -> impl IntoView {
    let context = context();
    let report = RwSignal::new(None::<(String, Report<Published>)>);
    let trouble = RwSignal::new(None::<String>);
    let path = context
        .reports
        .with_value(|all| all.iter().find(|one| one.kind == "published").map(|one| one.path.clone()));
    if let Some(path) = path {
        spawn_local(async move {
            match reports::load::<Published>(&path).await {
                Ok(loaded) => report.set(Some((path, loaded))),
                Err(why) => trouble.set(Some(why)),
            }
        });
    }
    view! {
        {move || trouble.get().map(|why| view! { <p class="notice" role="alert">{format!("{why}.")}</p> })}
        {move || report.with(|report| report.as_ref().map(|(path, report)| table(path, report)))}
    }
}

fn table(path: &str, report: &Report<Published>) -> impl IntoView + use<> {
    let body = &report.body;
    let rows = body.cuts.iter().map(|cut| {
        view! {
            <tr>
                <th scope="row">{cut.engine.clone()}</th>
                <td>{words::time(cut.naive_ttft_ms)}</td>
                <td>{words::time(cut.shared_prefix_ttft_ms)}</td>
                <td>{format!("{} %", cut.cut_percent)}</td>
                <td>{format!("{} %", cut.cut_percent_from_times)}</td>
            </tr>
        }
    });
    let notes = body.notes.iter().map(|note| view! { <p>{note.clone()}</p> }).collect_view();
    view! {
        <figure class="figure" data-testid="published">
            <div class="figure-head">
                <h3><span class="figure-no">"Table 1"</span>{report.title.clone()}</h3>
                <span class="badge" data-origin=report.origin.name()>{report.origin.name()}</span>
            </div>
            <div class="table-box" tabindex="0" role="region" aria-label="Published figures">
                <table>
                    <thead><tr>
                        <th scope="col">"Engine"</th><th scope="col">"Without reuse"</th>
                        <th scope="col">"Shared prefix"</th><th scope="col">"Cut, as published"</th>
                        <th scope="col">"Cut, from these times"</th>
                    </tr></thead>
                    <tbody>{rows.collect_view()}</tbody>
                </table>
            </div>
            <figcaption>
                <p>{format!("{}. Source: {}.", body.setup, body.source)}</p>
                {notes}
            </figcaption>
            <div class="figure-foot"><a href=path.to_owned() download="">"Report"</a><code>{report.provenance.command.clone()}</code></div>
        </figure>
    }
}
