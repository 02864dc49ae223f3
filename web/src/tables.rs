//! The tables of the data appendix as HTML: they hold nothing that answers to the reader, and a string
//! weighs a tenth of a view in the program.

use crate::catalogue::{DataIndex, ReportEntry, SetEntry};
use crate::words;

/// Characters of a hash that are shown at first.
const SHORT_HASH: usize = 12;

/// The sets, a table for each kind.
pub fn sets(data: &DataIndex) -> String {
    let mut names: Vec<String> = Vec::new();
    for set in &data.sets {
        let group = set.group();
        if !names.contains(&group) {
            names.push(group);
        }
    }
    let table = |name: &String| {
        let rows: String = data.sets.iter().filter(|set| set.group() == *name).map(set_rows).collect();
        let label = format!("{} traces", escape(name));
        let heads = ["Set", "Sessions", "Calls", "Prompt tokens", "Size", "*Licence", "*SHA-256"];
        format!("<h3>{label}</h3>{}", boxed(&label, "sets", "", &heads, &rows))
    };
    names.iter().map(table).collect()
}

/// Sessions and calls by agent software.
pub fn harnesses(data: &DataIndex) -> String {
    let row = |(name, sets, sessions, calls): (String, u64, u64, u64)| {
        let name = if name.is_empty() { "none named".to_owned() } else { escape(&name) };
        let cells = [sets, sessions, calls].map(|number| format!("<td>{}</td>", words::grouped(number)));
        format!("<tr><th scope=\"row\">{name}</th>{}</tr>", cells.concat())
    };
    let rows: String = data.harnesses().into_iter().map(row).collect();
    let heads = ["Agent software", "Sets", "Sessions", "Calls"];
    let label = "Sessions and calls by agent software";
    boxed(label, "", "appendix-harnesses", &heads, &format!("<tbody>{rows}</tbody>"))
}

/// The reports.
pub fn reports(all: &[ReportEntry]) -> String {
    let rows: String = all.iter().map(report_row).collect();
    let heads = ["Report", "*Origin", "Size", "*Command", "*SHA-256"];
    boxed("Report files", "", "appendix-reports", &heads, &format!("<tbody>{rows}</tbody>"))
}

/// A table that scrolls for itself. A head that begins with `*` stands over words.
pub(crate) fn boxed(label: &str, class: &str, testid: &str, heads: &[&str], body: &str) -> String {
    let head = |name: &&str| match name.strip_prefix('*') {
        Some(name) => format!("<th scope=\"col\" class=\"text\">{name}</th>"),
        None => format!("<th scope=\"col\">{name}</th>"),
    };
    let heads: String = heads.iter().map(head).collect();
    format!(
        "<div class=\"table-box\" tabindex=\"0\" role=\"region\" aria-label=\"{label}\">\
         <table class=\"{class}\" data-testid=\"{testid}\"><thead><tr>{heads}</tr></thead>{body}</table></div>"
    )
}

/// A set: its numbers, and below them on demand how it came about.
fn set_rows(set: &SetEntry) -> String {
    let title = escape(set.title());
    let facts: String = provenance(set)
        .iter()
        .map(|(name, value)| format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value)))
        .collect();
    let rule = set.rule.as_ref().map(|rule| format!("<p>Rule: {}.</p>", escape(rule))).unwrap_or_default();
    let left_out: String =
        set.left_out.iter().map(|why| format!("<p>Left out: {}.</p>", escape(why))).collect();
    format!(
        "<tbody><tr><th scope=\"row\"><a href=\"{path}\" download=\"\">{title}</a></th><td>{sessions}</td><td>{calls}</td>\
         <td>{prompt}</td><td>{size}</td><td class=\"text\">{licence}</td><td class=\"hash\">{hash}</td></tr>\
         <tr class=\"about\"><td colspan=\"7\"><details><summary>Provenance<span class=\"visually-hidden\"> of {title}</span></summary>\
         <dl class=\"facts\">{facts}</dl>{rule}{left_out}<p><code>{command}</code></p></details></td></tr></tbody>",
        path = escape(&set.path()),
        sessions = words::grouped(set.sessions),
        calls = words::grouped(set.calls),
        prompt = words::short(set.prompt_tokens),
        size = words::bytes(set.bytes),
        licence = escape(&set.licence),
        hash = hash(set.title(), &set.sha256),
        command = escape(&set.command),
    )
}

fn provenance(set: &SetEntry) -> Vec<(&'static str, String)> {
    let harness = if set.harness.is_empty() { "none named" } else { &set.harness };
    let mut facts = vec![
        ("Kind", set.kind.clone()),
        ("Source", set.source.clone()),
        ("Revision", set.revision.clone()),
        ("Agent software", harness.to_owned()),
        ("Token counts", set.counts_from.clone()),
        ("Output tokens", words::short(set.output_tokens)),
        ("Duplicates", words::grouped(set.duplicates)),
        ("Bytes", words::grouped(set.bytes)),
    ];
    facts.extend(set.recorded_cached_tokens.map(|tokens| ("Recorded as cached", words::short(tokens))));
    facts
}

fn report_row(report: &ReportEntry) -> String {
    let name = if report.title.is_empty() { &report.path } else { &report.title };
    format!(
        "<tr><th scope=\"row\"><a href=\"{path}\" download=\"\">{title}</a></th>\
         <td class=\"text\"><span class=\"badge\" data-origin=\"{origin}\">{origin}</span></td><td>{size}</td>\
         <td class=\"command-cell\"><code>{command}</code></td><td class=\"hash\">{hash}</td></tr>",
        path = escape(&report.path),
        title = escape(name),
        origin = escape(&report.origin),
        size = words::bytes(report.bytes),
        command = escape(&report.command),
        hash = hash(name, &report.sha256),
    )
}

/// A hash: its beginning at a glance, the whole on demand, marked by one click for copying.
fn hash(of: &str, sha256: &str) -> String {
    let short: String = sha256.chars().take(SHORT_HASH).collect();
    format!(
        "<details><summary><span class=\"visually-hidden\">SHA-256 of {}: </span><code>{}…</code></summary>\
         <code class=\"whole\">{}</code></details>",
        escape(of),
        escape(&short),
        escape(sha256)
    )
}

/// The place of the roofline: drawn where a GPU was measured, else what is to come and how it is made.
pub fn roofline(reports: &[ReportEntry]) -> String {
    let head = |badge: &str| {
        format!(
            "<div class=\"figure-head\"><h3>What a GPU reaches</h3><span class=\"badge\" {badge}</span></div>"
        )
    };
    // Numbers of two bytes before packed ones, whose products are no engine's.
    let probes = reports.iter().filter(|report| report.kind == "probe");
    let Some(report) = probes.min_by_key(|report| !report.title.contains(" in bf16 ")) else {
        return head("data-origin=\"pending\">measured: to come")
            + "<p>No GPU has been measured yet. On one, <code>atr-bench probe --out reports/probe-h200.json</code> measures and \
               <code>atr-bench report probe</code> draws its roofline.</p>";
    };
    let name =
        report.path.trim_start_matches("reports/").trim_start_matches("probe-").trim_end_matches(".json");
    format!(
        "{}<img src=\"./reports/figures/roofline-{}.svg\" alt=\"{title}\"><figcaption>{title}. One mark a size, medians. \
         Lines: the fastest product and the copy that were measured, dashed what the maker states.</figcaption>",
        head("data-origin=\"measured\">measured"),
        escape(name),
        title = escape(&report.title),
    )
}

/// A text as HTML, inside an element or between double quotes.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, kind: &str) -> SetEntry {
        let text = |text: &str| text.to_owned();
        SetEntry {
            name: text(name),
            file: format!("{name}.gz"),
            kind: text(kind),
            sha256: "ab".repeat(32),
            sessions: 2,
            ..SetEntry::default()
        }
    }

    #[test]
    fn what_a_catalogue_says_stays_text() {
        let mut odd = set("odd", "real");
        odd.title = "<b onclick=\"x\">&".to_owned();
        odd.left_out = vec!["2 records < 1 token".to_owned()];
        let html = sets(&DataIndex { sets: vec![odd] });
        assert!(!html.contains("<b ") && html.contains("&lt;b onclick=&quot;x&quot;&gt;&amp;"), "{html}");
        assert!(html.contains("Left out: 2 records &lt; 1 token."), "{html}");
    }

    #[test]
    fn the_roofline_is_drawn_only_where_it_was_measured() {
        let report = |kind: &str| ReportEntry {
            kind: kind.to_owned(),
            path: format!("reports/{kind}-h200.json"),
            title: "Qwen3-4B on <H200>".to_owned(),
            ..ReportEntry::default()
        };
        let pending = roofline(&[report("race")]);
        assert!(
            pending.contains("measured: to come") && pending.contains("atr-bench probe --out"),
            "{pending}"
        );
        assert!(!pending.contains("<img") && !pending.contains("data-origin=\"measured\""), "{pending}");
        let drawn = roofline(&[report("race"), report("probe")]);
        assert!(drawn.contains("src=\"./reports/figures/roofline-h200.svg\""), "{drawn}");
        assert!(drawn.contains("Qwen3-4B on &lt;H200&gt;") && !drawn.contains("to come"), "{drawn}");
        let [mut packed, mut whole] = [report("probe"), report("probe")];
        (packed.title, packed.path) = ("X in w4 on Y".to_owned(), "reports/probe-a.json".to_owned());
        (whole.title, whole.path) = ("X in bf16 on Y".to_owned(), "reports/probe-b.json".to_owned());
        let drawn = roofline(&[packed.clone(), whole]);
        assert!(drawn.contains("roofline-b.svg"), "{drawn}");
        assert!(roofline(&[packed]).contains("roofline-a.svg"));
    }

    #[test]
    fn kinds_stand_in_tables_of_their_own_and_hashes_are_whole() {
        let data = DataIndex { sets: vec![set("a", "real"), set("s", "synthetic"), set("b", "real")] };
        let html = sets(&data);
        assert_eq!(html.matches("<table").count(), 2);
        let at = |text: &str| html.find(text).unwrap();
        assert!(at("data/a.gz") < at("data/b.gz") && at("data/b.gz") < at("data/s.gz"));
        assert_eq!(html.matches(&"ab".repeat(32)).count(), 3);
    }

    #[test]
    fn a_sample_does_not_count_again() {
        let mut sample = set("sample", "real");
        sample.members = vec!["x".to_owned()];
        let data =
            DataIndex { sets: vec![sample, set("a", "real"), set("b", "real"), set("s", "synthetic")] };
        assert_eq!(data.harnesses(), [(String::new(), 2, 4, 0)]);
    }
}
