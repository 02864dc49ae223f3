//! What is said of sessions, calls and messages, in words. Where a source does not say something, the
//! sentence says that instead of a number.

use crate::protocol::{BreakView, CallView, MessageView, SessionView, SetView};
use crate::words;
use atr_core::report::StripRow;
use atr_core::trace::{CallRole, Mark, MessageKind, MessageRole, Tag};

/// A mark.
pub fn mark(mark: Mark) -> &'static str {
    match mark {
        Mark::MidSession => "begins mid-session",
        Mark::Duplicate => "duplicate",
        Mark::Estimated => "estimated",
        Mark::DerivedMessages => "messages derived",
        Mark::OutOfOrder => "was out of order",
        Mark::ContextDrop => "compaction or reset",
        Mark::Sessionless => "single requests",
        Mark::SubagentOnly => "sub-agent alone",
    }
}

/// What does not apply to a set, if anything.
pub fn set_limits(set: &SetView) -> Option<String> {
    let mut limits = Vec::new();
    if set.is_sessionless() {
        limits.push("It knows single requests only: turns, job times and context strategies do not apply.");
    }
    if !set.has_identity {
        limits.push("It does not say which parts of prompts are equal: no cache can be judged on it.");
    }
    (!limits.is_empty()).then(|| limits.join(" "))
}

/// Who makes a call, unless it is the main agent.
fn asker(call: &CallView) -> Option<String> {
    match call.role {
        CallRole::Agent => None,
        CallRole::Subagent => Some(format!("by sub-agent {}", call.agent)),
        CallRole::Summariser => Some("by a summariser".to_owned()),
        CallRole::Reviewer => Some("by a reviewer".to_owned()),
    }
}

/// The calls by who makes them: `33`, or `33, of these 12 by sub-agents and 1 by summarisers`.
pub fn calls(session: &SessionView) -> String {
    let all = words::grouped(session.calls.len() as u64);
    let count = |role| session.calls.iter().filter(|call| call.role == role).count() as u64;
    let others = [
        (CallRole::Subagent, "sub-agents"),
        (CallRole::Summariser, "summarisers"),
        (CallRole::Reviewer, "reviewers"),
    ];
    let others = others.map(|(role, name)| (count(role), name));
    let others: Vec<String> = others
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} by {name}", words::grouped(count)))
        .collect();
    if others.is_empty() { all } else { format!("{all}, of these {}", others.join(" and ")) }
}

/// One call in sentences.
pub fn call(session: &SessionView, place: usize) -> Option<String> {
    let (row, call) = (session.strips.get(place)?, session.calls.get(place)?);
    let mut text = if session.is_single() {
        format!(
            "A single request: {} prompt tokens, {} generated. Its source does not say what came before it.",
            words::grouped(row.prompt_tokens),
            words::grouped(row.output_tokens)
        )
    } else {
        sizes(session, place, row, call)
    };
    if call.estimated {
        text.push_str(" Its times or its output are estimates.");
    }
    if let Some(recorded) = call.recorded_cached {
        text.push_str(&format!(" The provider recorded {} cached.", words::grouped(recorded)));
    }
    if let Some(pause) = row.pause_us.filter(|pause| *pause > 0) {
        let about = if call.estimated { "about " } else { "" };
        text.push_str(&format!(" It came {about}{} after the call before it.", words::time_us(pause)));
    }
    match &call.broke {
        Some(broke) => text.push_str(&format!(" {}", broken(broke))),
        None if session.has_identity && call.follows => {
            text.push_str(" Its prompt continues the one before.");
        }
        None => {}
    }
    if !call.tools.is_empty() {
        let mut tools = call.tools.clone();
        tools.dedup();
        text.push_str(&format!(" Tools: {}.", tools.join(", ")));
    }
    Some(text)
}

fn sizes(session: &SessionView, place: usize, row: &StripRow, call: &CallView) -> String {
    let by = asker(call).map(|by| format!(", {by}")).unwrap_or_default();
    let cached = if session.has_identity {
        format!(
            "{} in the cache, {} computed",
            words::grouped(row.cached_tokens),
            words::grouped(row.prompt_tokens - row.cached_tokens.min(row.prompt_tokens))
        )
    } else {
        "of which nothing says what was sent before".to_owned()
    };
    format!(
        "Call {} of {}{by}: {} prompt tokens, {cached}, {} generated.",
        place + 1,
        session.calls.len(),
        words::grouped(row.prompt_tokens),
        words::grouped(row.output_tokens),
    )
}

/// Where a prefix broke, why, and what it cost.
pub fn broken(broke: &BreakView) -> String {
    let place = match &broke.message {
        Some((number, role, kind, tokens)) => format!(
            " at message {number} ({}, {} tokens)",
            kind_name(*role, *kind),
            words::grouped((*tokens).into())
        ),
        None => String::new(),
    };
    format!(
        "The prefix of call {} broke{place} after {} tokens: {}. {} tokens are computed again.",
        broke.before + 1,
        words::grouped(broke.at_tokens),
        cause(broke),
        words::grouped(broke.again_tokens),
    )
}

/// The cause in words.
pub fn cause(broke: &BreakView) -> &'static str {
    use atr_core::metrics::breaks::Cause;
    if broke.cause == Cause::Unknown { "why cannot be told from the source" } else { broke.cause.title() }
}

/// A message without its text: what it is, its size, and what is unusual about it.
pub fn message(message: &MessageView) -> String {
    let name = if message.hidden { "hidden message" } else { kind_name(message.role, message.kind) };
    let mut parts = vec![name.to_owned()];
    parts.extend(message.tool.clone());
    parts.push(words::plural(message.tokens.into(), "token"));
    if message.again {
        parts.push("sent before, its place changed".to_owned());
    }
    for tag in &message.tags {
        let said = match tag {
            Tag::Demo => "part of a demonstration",
            Tag::Keep => "always kept",
            Tag::Remove => "always removed",
            Tag::Error => "the tool failed",
            Tag::Residual => "its size is what the totals leave over",
        };
        parts.push(said.to_owned());
    }
    if message.hidden {
        parts.push("counted by the provider, not in the file".to_owned());
    }
    parts.join(", ")
}

/// What a message is.
fn kind_name(role: MessageRole, kind: MessageKind) -> &'static str {
    match (kind, role) {
        (MessageKind::SystemPrompt, _) => "system prompt",
        (MessageKind::Tools, _) => "tool schemas",
        (MessageKind::Task, _) => "task",
        (MessageKind::Action, _) => "action",
        (MessageKind::Observation, _) => "observation",
        (MessageKind::Summary, _) => "summary",
        (MessageKind::Other, MessageRole::System) => "system message",
        (MessageKind::Other, MessageRole::User) => "user message",
        (MessageKind::Other, MessageRole::Assistant) => "reply",
        (MessageKind::Other, MessageRole::Tool) => "tool result",
    }
}
