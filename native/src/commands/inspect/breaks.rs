//! The report on prefix breaks: what became of the prompts, the causes, the sessions that lost most.

use crate::table::Table;
use crate::terminal::{bold, dim, lines, printable, shortened};
use crate::words::count;
use atr_core::figure::units::{grouped, percent};
use atr_core::metrics::breaks::{Break, Breaks, Cause, Ledger, Prompts, SessionBreaks};
use std::cmp::Reverse;

/// All of it, naming at most `most` sessions and as many breaks of each.
pub(super) fn text(found: &Breaks, most: usize, columns: usize) -> String {
    let mut text = String::from("\n");
    if found.ledger.prompt_tokens == 0 {
        let nothing = match found.unidentified {
            0 => "No prefix can break: the source knows single requests only, and nothing precedes them.",
            _ => "Prefix breaks cannot be judged: no prompt has an identity.",
        };
        return text + &lines(nothing, columns).join("\n") + "\n";
    }
    text.push_str(&ledger(&found.ledger, found.block_tokens));
    text.push('\n');
    if found.by_cause.is_empty() {
        text.push_str("No prefix broke: every prompt continues the one before.\n");
    } else {
        text.push_str(&causes(found, columns));
        text.push_str(&losers(found, most, columns));
    }
    text.push_str(&footnotes(found, columns));
    text
}

/// The sessions that lost most.
fn losers(found: &Breaks, most: usize, columns: usize) -> String {
    let mut text = String::new();
    let mut losers: Vec<&SessionBreaks> =
        found.sessions.iter().filter(|session| session.ledger.again_tokens > 0).collect();
    let all = losers.len();
    losers.sort_by_key(|session| Reverse(session.ledger.again_tokens));
    losers.truncate(most);
    for session in &losers {
        text.push('\n');
        text.push_str(&one(session, most, columns));
    }
    if all > losers.len() {
        let more = count((all - losers.len()) as u64, "more session");
        text.push_str(&dim(&format!("\n… {more} that lost something (--all)")));
        text.push('\n');
    }
    text
}

/// What stands behind a session's name.
fn mark(prompts: Prompts) -> &'static str {
    match prompts {
        Prompts::Recorded => "",
        Prompts::Text => " †",
        Prompts::Blocks => " ‡",
        Prompts::History => " *",
        Prompts::Either => " §",
    }
}

/// What is known of prompts that were not recorded message by message.
fn footnotes(found: &Breaks, columns: usize) -> String {
    let mut text = String::new();
    let mut add = |note: &str| {
        text.push('\n');
        lines(note, columns).iter().for_each(|line| text.push_str(&format!("{}\n", dim(line))));
    };
    for kind in Prompts::OTHERS {
        let n = found.sessions.iter().filter(|session| session.prompts == kind).count() as u64;
        if n > 0 {
            add(&format!("{} {}: {}", mark(kind).trim_start(), count(n, "session"), known(kind, found)));
        }
    }
    if found.unidentified > 0 {
        let sessions = count(found.unidentified, "more session");
        add(&format!("{sessions}: cannot be judged and not counted, no prompt has an identity."));
    }
    text
}

/// What prompts of one kind are, and what follows for their breaks.
fn known(prompts: Prompts, found: &Breaks) -> &'static str {
    match prompts {
        Prompts::Recorded => "prompts recorded.",
        Prompts::Text if found.by_cause.is_empty() => {
            "prompts recorded as texts, messages cut out of these here."
        }
        Prompts::Text => {
            "prompts recorded as texts, messages cut out of these here, and causes told from the messages."
        }
        Prompts::Blocks if found.by_cause.iter().any(|row| row.cause == Cause::Unknown) => {
            "prompts recorded as blocks, messages derived from how they grow: where a prompt changes \
             behind its tools and system prompt, the cause is unknown."
        }
        Prompts::Blocks => "prompts recorded as blocks, messages derived from how they grow.",
        Prompts::History => {
            "prompts reconstructed from a history, not recorded: what the harness changed or left out as \
             it sent them need not be in the source, so that more may have broken."
        }
        Prompts::Either => {
            "prompts equal to the history so far. SWE-agent 0.x records nothing else, later versions record \
             prompts, and the trace does not say which it was: more may have broken."
        }
    }
}

fn ledger(ledger: &Ledger, block_tokens: u32) -> String {
    let mut table = Table::new(&["prompt tokens", "tokens", "share"]);
    let share = |tokens: u64| percent(Some(tokens as f64 / ledger.prompt_tokens.max(1) as f64));
    let rounding = format!("computed again: rounding to blocks of {}", grouped(block_tokens.into()));
    for (name, tokens) in [
        ("found where an earlier call left them", ledger.shared_tokens),
        ("new", ledger.new_tokens),
        ("computed again: the prefix broke", ledger.again_tokens),
        (rounding.as_str(), ledger.rounding_tokens),
        ("all", ledger.prompt_tokens),
    ] {
        table.row(vec![name.into(), grouped(tokens), share(tokens)]);
    }
    table.render()
}

/// A row for every cause that made something to be computed again.
fn causes(found: &Breaks, columns: usize) -> String {
    let mut table = Table::new(&["why", "breaks", "sessions", "tokens again", "share"]);
    let costly = |cause: Option<Cause>| {
        let of = |session: &SessionBreaks| {
            let costly = session.breaks.iter().filter(|at| at.again_tokens > 0);
            costly.filter(|at| cause.is_none_or(|cause| at.cause == cause)).count() as u64
        };
        let each = found.sessions.iter().map(of).filter(|&n| n > 0);
        [each.clone().sum(), each.count() as u64].map(grouped)
    };
    let mut row = |name: &str, cause: Option<Cause>, again_tokens: u64, share: Option<f64>| {
        let [breaks, sessions] = costly(cause);
        table.row(vec![name.to_owned(), breaks, sessions, grouped(again_tokens), small(share)]);
    };
    for cause in found.by_cause.iter().filter(|row| row.again_tokens > 0) {
        row(cause.cause.title(), Some(cause.cause), cause.again_tokens, cause.prompt_share);
    }
    let again_tokens = found.ledger.again_tokens;
    let share = again_tokens as f64 / found.ledger.prompt_tokens.max(1) as f64;
    row("all", None, again_tokens, Some(share));
    let mut text = table.render();
    let free = found.free();
    if free > 0 {
        let note = format!("{} cost nothing: no token was computed again.", count(free, "more break"));
        lines(&note, columns).iter().for_each(|line| text.push_str(&format!("{}\n", dim(line))));
    }
    text
}

/// Two digits where one would be none.
fn small(share: Option<f64>) -> String {
    match share {
        Some(share) if share > 0.0 && share < 0.01 => format!("{:.2} %", share * 100.0),
        share => percent(share),
    }
}

/// A session and its most expensive breaks, in order of calls.
fn one(session: &SessionBreaks, most: usize, columns: usize) -> String {
    let of = session.ledger.again_tokens as f64 / session.ledger.prompt_tokens.max(1) as f64;
    let mut worst: Vec<&Break> = session.breaks.iter().filter(|at| at.again_tokens > 0).collect();
    let free = session.breaks.len() - worst.len();
    let about = format!(
        "{} in {}, {} of its prompt tokens computed again",
        count(worst.len() as u64, "break"),
        count(session.calls, "call"),
        small(Some(of))
    );
    let mark = mark(session.prompts);
    let name = shortened(&printable(&session.id), columns - 2 - mark.chars().count());
    let mut text = format!("{}{mark}\n{}\n", bold(&name), lines(&about, columns).join("\n"));
    worst.sort_by_key(|at| Reverse(at.again_tokens));
    let rest = worst.split_off(worst.len().min(most));
    worst.sort_by_key(|at| at.call);
    let mut table = Table::new(&["why", "call", "prompt", "breaks at", "tokens again"]);
    for at in &worst {
        let agent = if at.agent == 0 { String::new() } else { format!(", agent {}", at.agent) };
        table.row(vec![
            format!("{}{agent}", at.cause.title()),
            grouped(u64::from(at.call) + 1),
            grouped(at.prompt_tokens),
            grouped(at.position_tokens),
            grouped(at.again_tokens),
        ]);
    }
    text.push_str(&table.render());
    let mut more = Vec::new();
    if !rest.is_empty() {
        let hidden = rest.iter().map(|at| at.again_tokens).sum();
        more.push(format!("{}, {} again", count(rest.len() as u64, "more break"), count(hidden, "token")));
    }
    if free > 0 {
        more.push(format!("{} at no cost", count(free as u64, "more break")));
    }
    if !more.is_empty() {
        text.push_str(&dim(&format!("… {}", more.join("; "))));
        text.push('\n');
    }
    text
}
