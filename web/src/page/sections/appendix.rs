//! Data Appendix: every file that the paper rests on, with what is needed to check it.

use crate::page::context::context;
use atr_web::catalogue::{ReportEntry, SetEntry};
use atr_web::words;
use leptos::prelude::*;

/// The last section.
#[component]
pub(crate) fn Appendix() -> impl IntoView {
    let context = context();
    let sets = move || context.data.with(|data| data.sets.iter().map(set_row).collect_view());
    let reports = move || context.reports.with_value(|all| all.iter().map(report_row).collect_view());
    view! {
        <section class="part" id="appendix" aria-labelledby="appendix-title">
            <h2 id="appendix-title">"Data appendix"</h2>
            <p>"The traces hold counts, times, structure and identities, and no text. Each file names where it comes from and the command that makes it again, byte for byte; RAW stands for the folder that holds the public sources, which "<a href="./data/DATA.md">"DATA.md"</a>" lists."</p>
            <h3>"Traces"</h3>
            <div class="table-box" tabindex="0" role="region" aria-label="Trace files">
                <table data-testid="appendix-data">
                    <thead><tr>
                        <th scope="col">"Set"</th><th scope="col">"Sessions"</th><th scope="col">"Calls"</th><th scope="col">"Size"</th>
                        <th scope="col" class="text">"Kind"</th><th scope="col" class="text">"Source"</th><th scope="col" class="text">"Licence"</th>
                        <th scope="col" class="text">"Command and SHA-256"</th>
                    </tr></thead>
                    <tbody>{sets}</tbody>
                </table>
            </div>
            <h3>"Reports"</h3>
            <div class="table-box" tabindex="0" role="region" aria-label="Report files">
                <table data-testid="appendix-reports">
                    <thead><tr>
                        <th scope="col">"Report"</th><th scope="col" class="text">"Kind"</th><th scope="col" class="text">"Origin"</th><th scope="col">"Size"</th>
                        <th scope="col" class="text">"Command and SHA-256"</th>
                    </tr></thead>
                    <tbody>{reports}</tbody>
                </table>
            </div>
        </section>
    }
}

fn set_row(set: &SetEntry) -> impl IntoView + use<> {
    let name = if set.title.is_empty() { set.name.clone() } else { set.title.clone() };
    view! {
        <tr>
            <th scope="row"><a href=set.path() download="">{name}</a></th>
            <td>{words::grouped(set.sessions)}</td>
            <td>{words::grouped(set.calls)}</td>
            <td>{words::bytes(set.bytes)}</td>
            <td class="text">{set.kind.clone()}</td>
            <td class="text source">{format!("{} {}", set.source, set.revision)}</td>
            <td class="text">{set.licence.clone()}</td>
            <td class="hash"><code>{set.command.clone()}</code><br /><code>{set.sha256.clone()}</code></td>
        </tr>
    }
}

fn report_row(report: &ReportEntry) -> impl IntoView + use<> {
    let name = if report.title.is_empty() { report.path.clone() } else { report.title.clone() };
    view! {
        <tr>
            <th scope="row"><a href=report.path.clone() download="">{name}</a></th>
            <td class="text">{report.kind.clone()}</td>
            <td class="text"><span class="badge" data-origin=report.origin.clone()>{report.origin.clone()}</span></td>
            <td>{words::bytes(report.bytes)}</td>
            <td class="hash"><code>{report.command.clone()}</code><br /><code>{report.sha256.clone()}</code></td>
        </tr>
    }
}
