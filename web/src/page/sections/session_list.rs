//! The list of a set's sessions: filtered, sorted, one chosen.

use crate::page::context::{Context, context};
use atr_core::rank::rank;
use atr_web::protocol::{SessionRow, SetView};
use atr_web::sentences;
use atr_web::state::{SortKey, ViewState};
use atr_web::words;
use leptos::prelude::*;
use std::sync::Arc;

/// Rows that are shown at first, and added by each request for more.
const MOST_ROWS: usize = 200;

/// The list. `chosen` is the session that is open.
#[component]
pub(super) fn SessionList(held: Arc<SetView>, chosen: Signal<Option<String>>) -> impl IntoView {
    let context = context();
    let all = held.clone();
    let rows = Memo::new(move |_| {
        context
            .view
            .with(|view| select(&all.sessions, view).into_iter().cloned().collect::<Vec<SessionRow>>())
    });
    let total = held.sessions.len();
    let single = held.is_sessionless();
    let thing = if single { "request" } else { "session" };
    let limit = RwSignal::new(MOST_ROWS);
    let found = move || rows.with(Vec::len);
    let counted = move || {
        let (found, shown) = (found(), found().min(limit.get()));
        let of = words::plural(total as u64, thing);
        if found == total {
            return format!("{} of {of} shown.", words::grouped(shown as u64));
        }
        format!(
            "{} of {} found among {of} shown.",
            words::grouped(shown as u64),
            words::grouped(found as u64)
        )
    };
    let more = move || {
        (found() > limit.get()).then(|| {
            let add = move |_| limit.update(|limit| *limit += MOST_ROWS);
            view! { <button data-testid="session-more" on:click=add>"Show more"</button> }
        })
    };
    view! {
        <div class="controls">
            <div class="control">
                <label for="session-filter">{format!("Find a {thing}")}</label>
                <input type="search" id="session-filter" data-testid="session-filter" placeholder="id, mark or result"
                    prop:value=move || context.view.with(|view| view.filter.clone())
                    on:input=move |event| context.view.update(|view| view.filter = event_target_value(&event)) />
            </div>
            <p class="status" role="status">{counted}</p>
        </div>
        <div class="sessions" tabindex="0" role="region" aria-label="Sessions of the set">
            <table data-testid="session-table">
                <thead><tr>{heads(context, single)}<th scope="col" class="text">"Marks"</th></tr></thead>
                <tbody>
                    {move || rows.with(|rows| rows.iter().take(limit.get()).map(|row| row_view(row, chosen)).collect_view())}
                </tbody>
            </table>
        </div>
        <div class="controls">{more}</div>
    }
}

/// The heads of the columns that sort, each a button.
fn heads(context: Context, single: bool) -> impl IntoView {
    let heads = [
        (SortKey::File, if single { "Request" } else { "Session" }),
        (SortKey::Calls, "Calls"),
        (SortKey::Prompt, "Prompt tokens"),
        (SortKey::Output, "Output tokens"),
        (SortKey::Longest, "Longest prompt"),
    ];
    let heads = heads.map(|(key, name)| {
        let sorted = move || {
            context.view.with(|view| match (view.sort == key, view.descending) {
                (true, true) => "descending",
                (true, false) => "ascending",
                _ => "none",
            })
        };
        let sort = move |_| {
            context.view.update(|view| {
                // The first click on a number shows the largest first.
                view.descending = if view.sort == key { !view.descending } else { key != SortKey::File };
                view.sort = key;
            });
        };
        let arrow = move || match sorted() {
            "descending" => " ↓",
            "ascending" => " ↑",
            _ => "",
        };
        view! { <th scope="col" aria-sort=sorted><button on:click=sort>{name}<span aria-hidden="true">{arrow}</span></button></th> }
    });
    heads.into_iter().collect_view()
}

fn row_view(row: &SessionRow, chosen: Signal<Option<String>>) -> impl IntoView + use<> {
    let context = context();
    let (id, target) = (row.id.clone(), row.id.clone());
    let own = row.id.clone();
    let selected = Memo::new(move |_| chosen.with(|chosen| chosen.as_ref() == Some(&own)));
    let open = move |_| {
        context.view.update(|view| {
            view.session = Some(target.clone());
            view.call = None;
        });
    };
    view! {
        <tr class:selected=selected>
            <th scope="row"><button aria-pressed=move || selected.get().to_string() on:click=open>{id}</button></th>
            <td>{words::grouped(row.calls)}</td>
            <td>{words::short(row.prompt_tokens)}</td>
            <td>{words::short(row.output_tokens)}</td>
            <td>{words::short(row.longest)}</td>
            <td class="text">{marks(row)}</td>
        </tr>
    }
}

/// The rows that the filter lets through, in the order that the state asks for.
fn select<'a>(rows: &'a [SessionRow], view: &ViewState) -> Vec<&'a SessionRow> {
    let wanted = view.filter.trim().to_lowercase();
    let fits = |row: &&SessionRow| {
        wanted.is_empty() || row.id.to_lowercase().contains(&wanted) || marks(row).contains(&wanted)
    };
    let found: Vec<&SessionRow> = rows.iter().filter(fits).collect();
    let size = |row: &SessionRow| match view.sort {
        SortKey::File => 0,
        SortKey::Calls => row.calls,
        SortKey::Prompt => row.prompt_tokens,
        SortKey::Output => row.output_tokens,
        SortKey::Longest => row.longest,
    };
    let key = |(place, row): (usize, &&SessionRow)| {
        let key = if view.sort == SortKey::File { place as u64 } else { size(row) };
        if view.descending { !key } else { key }
    };
    rank(found.iter().enumerate().map(key)).into_iter().map(|place| found[place]).collect()
}

/// What is unusual about a session, in words.
fn marks(row: &SessionRow) -> String {
    let mut words: Vec<&str> = row.marks.iter().map(|mark| sentences::mark(*mark)).collect();
    words.extend(row.resolved.map(|resolved| if resolved { "solved" } else { "not solved" }));
    words.join(", ")
}
