//! Advice as HTML: made where it is computed, so that the page carries neither its words nor its tables.

use crate::tables::{boxed, escape};
use crate::words;
use atr_core::advise::{Block, Part};

/// All parts below headings of the third level.
pub fn html(parts: &[Part]) -> String {
    parts.iter().map(part).collect()
}

fn part(part: &Part) -> String {
    let blocks: String = part.blocks.iter().map(|block| written(part.title, block)).collect();
    format!("<h3>{}</h3>{blocks}{}", escape(part.title), because(part))
}

fn written(title: &str, block: &Block) -> String {
    match block {
        Block::Say(text) => format!("<p>{}</p>", coded(text)),
        Block::Warn(text) => format!("<p class=\"notice\">{}</p>", coded(text)),
        Block::Table { heads, rows } => {
            let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
            let rows: String = rows.iter().map(|row| cells(row)).collect();
            boxed(title, "", "advice-table", &heads, &format!("<tbody>{rows}</tbody>"))
        }
        Block::Flags { title, flags } => {
            let each = |(flag, sets): &(String, String)| {
                format!("<dt><code>{}</code></dt><dd>{}</dd>", escape(flag), coded(sets))
            };
            let flags: String = flags.iter().map(each).collect();
            format!("<h4>{}</h4><dl class=\"flags\">{flags}</dl>", escape(title))
        }
    }
}

fn cells(row: &[String]) -> String {
    let mut row = row.iter();
    let head = row.next().map_or("", String::as_str);
    let rest: String = row.map(|cell| format!("<td>{}</td>", escape(cell))).collect();
    format!("<tr><th scope=\"row\">{}</th>{rest}</tr>", escape(head))
}

/// The figures that a part's sentences rest on, on demand.
fn because(part: &Part) -> String {
    if part.because.is_empty() {
        return String::new();
    }
    let rows: String = part
        .because
        .iter()
        .map(|one| {
            let figures = [one.metric.clone(), format!("{:.3}", one.value), one.origin.name().to_owned()];
            let figures = figures.map(|text| format!("<td>{}</td>", escape(&text)));
            format!("<tr><th scope=\"row\">{}</th>{}</tr>", escape(&one.scenario), figures.concat())
        })
        .collect();
    let count = words::plural(part.because.len() as u64, "figure");
    let label = format!("Figures behind: {}", part.title);
    let table = boxed(
        &label,
        "",
        "advice-because",
        &["Run", "Figure", "Value", "Origin"],
        &format!("<tbody>{rows}</tbody>"),
    );
    format!("<details><summary>{count} that this rests on</summary>{table}</details>")
}

/// A text whose names stand between backticks.
fn coded(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let part = |(place, part): (usize, &str)| match place % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    };
    parts.map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use atr_core::advise::Because;
    use atr_core::report::Origin;

    #[test]
    fn everything_is_text_and_names_are_code() {
        let because = Because {
            scenario: "a<b".to_owned(),
            metric: "ttft_ms.mean".to_owned(),
            value: 1.25,
            origin: Origin::Published,
        };
        let blocks = vec![
            Block::Warn("`a<b` & more".to_owned()),
            Block::Table {
                heads: vec![String::new(), "n".to_owned()],
                rows: vec![vec!["<i>".to_owned(), "1".to_owned()]],
            },
            Block::Flags { title: "vLLM".to_owned(), flags: vec![("--x".to_owned(), "`y`".to_owned())] },
        ];
        let html = html(&[Part { title: "How?", blocks, because: vec![because] }]);
        for expected in [
            "<h3>How?</h3><p class=\"notice\"><code>a&lt;b</code> &amp; more</p>",
            "<th scope=\"row\">&lt;i&gt;</th><td>1</td>",
            "<h4>vLLM</h4><dl class=\"flags\"><dt><code>--x</code></dt><dd><code>y</code></dd></dl>",
            "1 figure that this rests on",
            "<th scope=\"row\">a&lt;b</th><td>ttft_ms.mean</td><td>1.250</td><td>published</td>",
        ] {
            assert!(html.contains(expected), "{expected} in {html}");
        }
    }
}
