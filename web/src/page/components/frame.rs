//! The frame around every figure: its finding as headline, its origin, its controls, its canvas, how
//! to read it, and the ways to check it: table, data, drawing, link and command.

use super::{FigureCanvas, Shown};
use crate::page::context::context;
use crate::page::dom;
use atr_core::figure::Table;
use atr_core::report::Origin;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// Where a figure's numbers come from, as its badge says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Badge {
    /// Measured, simulated, published or estimated; absent for plain counts over a trace.
    pub(crate) origin: Option<Origin>,
    /// Whether this page computed them just now.
    pub(crate) now: bool,
}

/// What stands behind a figure.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Source {
    /// The report's file, relative to the page; absent for what the page computed.
    pub(crate) report: Option<String>,
    /// The same numbers as a JSON text, for what the page computed.
    pub(crate) json: Option<String>,
    /// The command that gives the same numbers.
    pub(crate) command: String,
}

impl Badge {
    fn origin(&self) -> &'static str {
        self.origin.map_or("computed", Origin::name)
    }

    fn text(&self) -> String {
        match (self.origin, self.now) {
            (Some(origin), true) => format!("computed now, {}", origin.name()),
            (Some(origin), false) => origin.name().to_owned(),
            (None, _) => "counted from the trace".to_owned(),
        }
    }
}

/// A figure with all that belongs to it.
#[component]
pub(crate) fn FigureFrame(
    /// For tests, and the figure's anchor: `figure-` and the name.
    name: &'static str,
    /// Its number in the paper.
    number: u32,
    /// The figure.
    figure: Signal<Option<Shown>, LocalStorage>,
    /// Its headline; the figure's finding where absent.
    #[prop(optional, into)]
    finding: Option<Signal<String>>,
    /// Where its numbers come from.
    badge: Signal<Badge>,
    /// What stands behind it.
    source: Signal<Source>,
    /// Height to keep free until it is there.
    reserve: u32,
    /// Clicks on the canvas.
    #[prop(optional)]
    on_pick: Option<Callback<(f64, f64)>>,
    /// Whether the page counts as ready once this is drawn.
    #[prop(optional)]
    first: bool,
    /// Its controls, above the canvas.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let anchor = format!("figure-{name}");
    let foot = anchor.clone();
    let headline = move || match finding {
        Some(finding) => finding.get(),
        None => figure.with(|figure| {
            figure.as_ref().map_or_else(|| "Not computed yet.".to_owned(), |figure| figure.finding())
        }),
    };
    let caption = move || figure.with(|figure| figure.as_ref().map(|figure| figure.caption()));
    let canvas = match on_pick {
        Some(on_pick) => view! { <FigureCanvas figure reserve on_pick first /> }.into_any(),
        None => view! { <FigureCanvas figure reserve first /> }.into_any(),
    };
    view! {
        <figure class="figure" id=anchor.clone() data-testid=anchor.clone()>
            <div class="figure-head">
                <h3><span class="figure-no">{format!("Figure {number}")}</span>{headline}</h3>
                <span class="badge" data-origin=move || badge.with(Badge::origin)>{move || badge.with(Badge::text)}</span>
            </div>
            {children.map(|children| children())}
            {canvas}
            <figcaption>{caption}</figcaption>
            <FigureFoot name figure source anchor=foot />
        </figure>
    }
}

#[component]
fn FigureFoot(
    name: &'static str,
    figure: Signal<Option<Shown>, LocalStorage>,
    source: Signal<Source>,
    anchor: String,
) -> impl IntoView {
    let context = context();
    let open = RwSignal::new(false);
    let copied = RwSignal::new("");
    let table_id = format!("table-{name}");
    let controls = table_id.clone();
    let say = move |text: &'static str| {
        copied.set(text);
        set_timeout(move || copied.set(""), std::time::Duration::from_secs(3));
    };
    let save = move |kind: &'static str| {
        let Some(figure) = figure.get_untracked() else { return };
        let (ending, mime, text) = match kind {
            "csv" => ("csv", "text/csv", Ok(csv(&figure.table()))),
            _ => ("svg", "image/svg+xml", context.theme.with_untracked(|theme| figure.svg(960, theme))),
        };
        let saved = text.map(|text| dom::download(&format!("{name}.{ending}"), mime, &text).is_ok());
        if saved != Ok(true) {
            say("the file could not be made");
        }
    };
    let save_json = move |_| {
        let json = source.with_untracked(|source| source.json.clone());
        let saved =
            json.map(|json| dom::download(&format!("{name}.json"), "application/json", &json).is_ok());
        if saved != Some(true) {
            say("the file could not be made");
        }
    };
    let copy = move |text: String, done: &'static str| {
        spawn_local(async move {
            say(if dom::copy(&text).await { done } else { "this browser does not allow copying" });
        });
    };
    let link = move |_| copy(dom::link_to(&anchor), "link copied");
    let command = move |_| copy(source.with_untracked(|source| source.command.clone()), "command copied");
    view! {
        <div class="figure-foot">
            <button class="link" data-testid="table-view" aria-expanded=move || open.get().to_string()
                aria-controls=controls on:click=move |_| open.update(|open| *open = !*open)>"Table"</button>
            <button class="link" data-testid="download-csv" on:click=move |_| save("csv")>"CSV"</button>
            <button class="link" data-testid="download-svg" on:click=move |_| save("svg")>"SVG"</button>
            {move || source.with(|source| match (&source.report, &source.json) {
                (Some(path), _) => view! { <a data-testid="report-json" href=path.clone() download="">"Report"</a> }.into_any(),
                (None, Some(_)) => view! { <button class="link" data-testid="report-json" on:click=save_json>"JSON"</button> }.into_any(),
                _ => ().into_any(),
            })}
            <button class="link" data-testid="copy-link" on:click=link>"Copy link"</button>
            <span class="command">
                <button class="link" data-testid="copy-command" on:click=command>"Copy command"</button>
                <code>{move || source.with(|source| source.command.clone())}</code>
            </span>
            <span role="status">{move || copied.get()}</span>
        </div>
        // The rows exist only while somebody looks at them.
        <div id=table_id hidden=move || !open.get()>
            {move || open.get().then(|| figure.with(|figure| figure.as_ref().map(|figure| table_view(name, &figure.table()))))}
        </div>
    }
}

/// Rows of a table view that are shown; the CSV has all.
const MOST_ROWS: usize = 400;

fn table_view(name: &str, table: &Table) -> impl IntoView + use<> {
    let head = table.columns.iter().map(|cell| view! { <th scope="col">{cell.clone()}</th> }).collect_view();
    let rows = table.rows.iter().take(MOST_ROWS).map(|row| {
        let cells = row.iter().enumerate().map(|(place, cell)| {
            let cell = cell.clone();
            if place == 0 {
                view! { <th scope="row">{cell}</th> }.into_any()
            } else {
                view! { <td>{cell}</td> }.into_any()
            }
        });
        view! { <tr>{cells.collect_view()}</tr> }
    });
    let rows = rows.collect_view();
    let label = format!("Numbers of the figure {name}");
    let more = table.rows.len().saturating_sub(MOST_ROWS);
    view! {
        <div class="table-box" tabindex="0" role="region" aria-label=label>
            <table>
                <thead><tr>{head}</tr></thead>
                <tbody>{rows}</tbody>
            </table>
            {(more > 0).then(|| view! { <p class="caption">{format!("{more} more rows are in the CSV.")}</p> })}
        </div>
    }
}

/// The table as CSV: quoted where it must be.
fn csv(table: &Table) -> String {
    let line = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .map(|cell| {
                if cell.contains([',', '"', '\n']) {
                    format!("\"{}\"", cell.replace('"', "\"\""))
                } else {
                    cell.clone()
                }
            })
            .collect();
        cells.join(",") + "\n"
    };
    let mut text = line(&table.columns);
    table.rows.iter().for_each(|row| text.push_str(&line(row)));
    text
}
