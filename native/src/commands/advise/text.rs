//! Advice on a page: a heading, a table and a few sentences for each question.

use crate::table::Table;
use crate::terminal::{bold, lines, pairs};
use atr_core::advise::{Advice, Gain, Glance, OrderAdvice, Probe, ReplicaAdvice, Sentence};
use atr_core::figure::units::{grouped, percent, time};

/// All of it.
pub(super) fn text(advice: &Advice, columns: usize) -> String {
    let mut text = said(&[head(advice)], columns);
    section(&mut text, "How far is this traffic from its ceiling?");
    text.push_str(&ceiling(advice));
    text.push_str(&said(&texts(&advice.ceiling.says), columns));
    section(&mut text, "What to turn on first?");
    text.push_str(&order(&advice.order));
    text.push_str(&said(&order_notes(&advice.order), columns));
    section(&mut text, "How much KV memory?");
    text.push_str(&capacity(advice));
    text.push_str(&said(&texts(&advice.capacity.says), columns));
    if let Some(found) = &advice.replicas {
        section(&mut text, "How many replicas?");
        text.push_str(&said(&[format!("Searched for `{}`.", found.setup)], columns));
        text.push_str(&replicas(found));
        text.push_str(&said(&texts(&found.says), columns));
    }
    section(&mut text, "What sets it up?");
    text.push_str(&flags(advice, columns));
    if !advice.cannot_say.is_empty() {
        section(&mut text, "What this cannot tell");
        text.push_str(&said(&texts(&advice.cannot_say), columns));
    }
    text
}

fn section(text: &mut String, title: &str) {
    text.push_str(&format!("\n{}\n", bold(title)));
}

fn texts(sentences: &[Sentence]) -> Vec<String> {
    sentences.iter().map(|sentence| sentence.text.clone()).collect()
}

/// Each as a paragraph of its own.
fn said(paragraphs: &[String], columns: usize) -> String {
    paragraphs.iter().map(|text| lines(text, columns).join("\n") + "\n").collect()
}

fn head(advice: &Advice) -> String {
    let scenario = &advice.scenario.scenario;
    format!(
        "Simulated: {} calls of {} sessions on {} replica{} of {} KV tokens, profile {} ({}: {}). No figure below is \
         measured.",
        grouped(advice.scenario.calls),
        grouped(advice.scenario.sessions),
        scenario.replicas,
        if scenario.replicas == 1 { "" } else { "s" },
        scenario.kv_tokens.map_or_else(|| "–".to_owned(), grouped),
        advice.profile.name,
        advice.profile.origin,
        advice.profile.source.trim_end_matches('.'),
    )
}

fn ms(time_ms: Option<f64>) -> String {
    time_ms.map_or_else(|| "–".to_owned(), time)
}

fn ceiling(advice: &Advice) -> String {
    let mut table = Table::new(&["policy", "hit rate", "ceiling", "of it", "TTFT mean", "job mean", "busy"]);
    for row in &advice.ceiling.policies {
        table.row(vec![
            row.name.clone(),
            percent(row.hit_rate),
            percent(row.ceiling_hit_rate),
            percent(row.share_of_ceiling),
            ms(row.ttft_mean_ms),
            ms(row.job_mean_ms),
            percent(row.utilisation),
        ]);
    }
    table.render()
}

fn order(order: &OrderAdvice) -> String {
    let mut table = Table::new(&["", "TTFT mean", "p95", "job mean", "hit rate", "prefill tokens"]);
    let mut row = |name: String, at: &Glance| {
        table.row(vec![
            name,
            ms(at.ttft_mean_ms),
            ms(at.ttft_p95_ms),
            ms(at.job_mean_ms),
            percent(at.hit_rate),
            grouped(at.prefill_tokens),
        ]);
    };
    let all: Vec<&Gain> = order.steps.iter().chain(&order.left).chain(&order.lossy).collect();
    if let Some(first) = all.first() {
        row(first.to.clone(), &first.before);
    }
    for (place, step) in (1..).zip(&order.steps) {
        row(format!("{place}. {}", step.lever), &step.after);
        for other in order.instead.iter().filter(|other| other.to == step.to) {
            row(format!("   or {}", other.lever), &other.after);
        }
    }
    for left in &order.left {
        row(format!("little gain: {}", left.lever), &left.after);
    }
    for lossy in &order.lossy {
        row(format!("lossy: {}", lossy.lever), &lossy.after);
    }
    table.render()
}

fn order_notes(order: &OrderAdvice) -> Vec<String> {
    let mut notes = vec![format!(
        "In the order of what they gain in `{}` (in mean TTFT where that hardly moves), each on top of those before it; \
         what gains little and what is lossy, each alone on top of all steps.",
        order.ranked_by
    )];
    let compared =
        |gain: &&Gain| order.steps.first().is_some_and(|first| gain.before.calls != first.before.calls);
    if let Some(gain) = order.steps.iter().chain(&order.left).chain(&order.lossy).find(compared) {
        notes.push(format!(
            "`{}` is compared over the {} calls that both sides finish.",
            gain.lever,
            grouped(gain.before.calls)
        ));
    }
    if order.steps.is_empty() {
        notes.extend(texts(&order.says).into_iter().take(1));
    }
    notes.extend(texts(&order.warnings));
    notes
}

fn capacity(advice: &Advice) -> String {
    let mut table =
        Table::new(&["of the ceiling", "KV tokens", "GiB", "replicas' worth", "if sessions came one by one"]);
    for row in &advice.capacity.rows {
        let gib = row.kv_bytes.map(|bytes| format!("{:.1}", bytes / f64::from(1 << 30)));
        table.row(vec![
            format!("{:.0} %", row.share_of_ceiling * 100.0),
            grouped(row.kv_tokens),
            gib.unwrap_or_else(|| "–".to_owned()),
            format!("{:.2}", row.replicas_worth),
            grouped(row.one_by_one_kv_tokens),
        ]);
    }
    table.render()
}

fn replicas(found: &ReplicaAdvice) -> String {
    let mut table = Table::new(&["replicas", "objective", "least", "median", "most", "draws that met it"]);
    let number =
        |value: f64| if value.abs() < 10.0 { format!("{value:.3}") } else { grouped(value.round() as u64) };
    for probe in &found.probes {
        for kept in &probe.kept {
            table.row(vec![
                probe.replicas.to_string(),
                kept.objective.to_string(),
                number(kept.least),
                number(kept.median),
                number(kept.most),
                of_draws(kept.met, probe),
            ]);
        }
    }
    table.render()
}

fn of_draws(met: u32, probe: &Probe) -> String {
    format!("{met} of {}", probe.draws)
}

fn flags(advice: &Advice, columns: usize) -> String {
    let mut text = String::new();
    let mut done: Vec<&str> = Vec::new();
    for flag in &advice.flags {
        if done.contains(&flag.component.name) {
            continue;
        }
        done.push(flag.component.name);
        text.push_str(&format!("{} (checked: {})\n", flag.component.name, flag.component.checked));
        let own = advice.flags.iter().filter(|other| other.component == flag.component);
        for other in own {
            let row = [("  ", format!("{}: {}", other.flag, other.sets))];
            text.push_str(&pairs(&row, columns));
        }
    }
    text
}
