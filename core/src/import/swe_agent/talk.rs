//! What was said: roles and kinds, texts as they were sent, tools and how they fared.

use super::raw::{Raw, Step};
use crate::import::dialogue::{Said, Tool};
use crate::import::json::{Fault, Text, Verbatim};
use crate::import::known;
use crate::trace::{MessageKind, MessageRole, Tag};
use std::borrow::Cow;

/// The tool that runs whatever is no command of the harness.
const SHELL: &str = "bash";

/// Commands that change a file.
const EDITS: &[&str] = &["edit", "insert", "str_replace_editor"];

/// What the answer to an edit contains when nothing was changed.
const REFUSALS: &[&str] =
    &["Your changes have NOT been applied", "edit was not applied", "No replacement was performed"];

/// How the harness begins the reply that it makes up when it ends a run.
const ENDINGS: &[&str] = &["Exit due to ", "exit due to ", "Exiting due to "];

/// What to know of the messages before one.
#[derive(Clone, Copy, Default)]
pub(super) struct Reading<'a> {
    /// Whether the model has replied, outside of demonstrations.
    replied: bool,
    /// The tool that the last reply asked for.
    tool: Option<&'a str>,
}

/// Reads one message.
pub(super) fn said<'a>(raw: &'a Raw<'_>, reading: &mut Reading<'a>) -> Result<Said<'a>, Fault> {
    if let Some(found) = raw.wrong {
        return Err(Fault::new("message", found, "an object"));
    }
    let demo = is_demo(raw);
    let replied = reading.replied;
    let observed = matches!(raw.kind.as_str(), "observation" | "");
    let (role, kind) = match raw.role.as_str() {
        "system" if !replied => (MessageRole::System, MessageKind::SystemPrompt),
        "system" => (MessageRole::System, MessageKind::Other),
        "user" if demo && raw.kind.as_str() != "observation" => (MessageRole::User, MessageKind::Other),
        "user" if !demo && !replied => (MessageRole::User, MessageKind::Task),
        "user" if observed => (MessageRole::User, MessageKind::Observation),
        "user" => (MessageRole::User, MessageKind::Other),
        "tool" | "function" => (MessageRole::Tool, MessageKind::Observation),
        "assistant" if is_summary(raw) => (MessageRole::Assistant, MessageKind::Summary),
        "assistant" => (MessageRole::Assistant, MessageKind::Action),
        _ => {
            return Err(Fault::new("role", "no role of this format", "system, user, assistant or tool"));
        }
    };
    let mut said = Said::new(role, kind, text(raw));
    match kind {
        MessageKind::Action => {
            reading.replied |= !demo;
            reading.tool = tool(raw);
        }
        MessageKind::Observation => said.tool = reading.tool.map(Cow::Borrowed),
        _ => {}
    }
    let failed = refused(said.tool.as_deref(), &said.text).then_some(Tag::Error);
    let tagged = |tag: &str| raw.tags.as_str().contains(tag);
    said.tags.extend(demo.then_some(Tag::Demo));
    said.tags.extend(tagged("\"keep_output\"").then_some(Tag::Keep));
    said.tags.extend(tagged("\"remove_output\"").then_some(Tag::Remove));
    said.tags.extend(failed);
    Ok(said)
}

pub(super) fn is_demo(raw: &Raw<'_>) -> bool {
    raw.demo.as_str() == "true" || raw.kind.as_str() == "demonstration"
}

/// Whether this is a reply that the model gave in this run.
pub(super) fn is_reply(raw: &Raw<'_>) -> bool {
    raw.role.as_str() == "assistant"
        && !is_demo(raw)
        && !is_summary(raw)
        && !made_up(&raw.content, &raw.action)
}

/// Whether the harness put this in the place of earlier turns.
fn is_summary(raw: &Raw<'_>) -> bool {
    raw.tags.as_str().contains("\"summary\"")
        || raw.kind.as_str() == "thought" && raw.content.as_str().starts_with("Checkpoint for the last ")
}

/// Whether a prompt holds this summary.
pub(super) fn shows(prompt: &[&Raw<'_>], summary: &str) -> bool {
    !summary.is_empty() && prompt.iter().any(|raw| is_summary(raw) && raw.content.as_str().ends_with(summary))
}

/// Whether the harness itself said this as it ended the run: no model was asked, or its reply is lost.
pub(super) fn made_up(content: &Text<'_>, action: &Text<'_>) -> bool {
    let action = action.as_str().trim();
    (action.is_empty() || action.starts_with("exit_"))
        && ENDINGS.iter().any(|ending| content.as_str().starts_with(ending))
}

/// The text that is sent again: reasoning that goes with it, content, and the tool calls.
fn text<'a>(raw: &'a Raw<'_>) -> Cow<'a, str> {
    if raw.tool_calls.items.is_empty() && raw.thinking.items.is_empty() {
        return Cow::Borrowed(raw.content.as_str());
    }
    let mut text = String::new();
    raw.thinking.items.iter().for_each(|thinking| text.push_str(thinking.text.as_str()));
    text.push_str(raw.content.as_str());
    for call in &raw.tool_calls.items {
        text.push_str(call.function.name.as_str());
        text.push_str(&arguments(call.function.arguments));
    }
    Cow::Owned(text)
}

/// Arguments of a tool call, which are JSON within a text, or JSON.
fn arguments(arguments: Verbatim<'_>) -> Cow<'_, str> {
    let raw = arguments.as_str();
    match serde_json::from_str::<Text<'_>>(raw) {
        Ok(Text(Some(text))) => text,
        _ => Cow::Borrowed(raw),
    }
}

/// The tool that a reply asks for.
fn tool<'a>(raw: &'a Raw<'_>) -> Option<&'a str> {
    match raw.tool_calls.items.first() {
        Some(call) => Some(call.function.name.as_str()).filter(|name| !name.is_empty()),
        None => command(raw.action.as_str()),
    }
}

/// The harness's command that an action begins with; all else is for the shell.
fn command(action: &str) -> Option<&str> {
    let first = action.split_whitespace().next()?;
    Some(if known::SWE_AGENT.contains(&first) { first } else { SHELL })
}

/// The tools that ran on a reply. One that stands for several calls gives no time to any of them.
pub(super) fn tools<'a>(
    reply: Option<&'a Raw<'_>>,
    action: &'a str,
    observation: &str,
    us: Option<u64>,
) -> Vec<Tool<'a>> {
    let names: Vec<&str> = match reply.map(|reply| reply.tool_calls.items.as_slice()) {
        Some(calls @ [_, ..]) => calls.iter().map(|call| call.function.name.as_str()).collect(),
        _ => command(action).into_iter().collect(),
    };
    let tool = |name| Tool { name: Cow::Borrowed(name), us: None, ok: None };
    let mut tools: Vec<Tool<'_>> = names.into_iter().map(tool).collect();
    if let [only] = tools.as_mut_slice() {
        only.us = us;
        only.ok = refused(Some(&only.name), observation).then_some(false);
    }
    tools
}

fn refused(tool: Option<&str>, observation: &str) -> bool {
    tool.is_some_and(|tool| EDITS.contains(&tool)) && REFUSALS.iter().any(|text| observation.contains(text))
}

/// For every step the reply of the history that it led to. Steps whose reply was asked for again, and the
/// last one of some versions, have none.
pub(super) fn pair(steps: &[Step<'_>], replies: &[&Raw<'_>]) -> Vec<Option<usize>> {
    /// Replies that an edited history may have more than the steps say.
    const AHEAD: usize = 4;
    let mut next = 0;
    let pair = |step: &Step<'_>| {
        let action = |raw: &Raw<'_>| !step.action.as_str().is_empty() && raw.action == step.action;
        let ahead = || (next..replies.len()).take(AHEAD);
        let found = ahead()
            .find(|&at| {
                replies[at].content.as_str() == step.response.as_str() && !step.response.as_str().is_empty()
            })
            .filter(|&at| replies[at].action.0.is_none() || replies[at].action == step.action)
            .or_else(|| ahead().next().filter(|&at| action(replies[at])))?;
        next = found + 1;
        Some(found)
    };
    steps.iter().map(pair).collect()
}

/// The reply of a step that no history repeats.
pub(super) fn reply_of<'a>(step: &'a Step<'_>) -> Said<'a> {
    Said::new(MessageRole::Assistant, MessageKind::Action, step.response.as_str())
}
