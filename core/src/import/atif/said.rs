//! What the messages, replies and results of steps come to.

use super::counts;
use super::raw::{Answer, Content, Step, ToolCall};
use crate::import::dialogue::Said;
use crate::import::json::{Num, Text};
use crate::trace::{MessageKind, MessageRole, Tag};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use std::borrow::Cow;

/// A message of a step. One that this project wrote without its text has a size only.
pub(super) fn message<'a>(step: &'a Step<'a>, ours: bool, role: MessageRole, usual: MessageKind) -> Said<'a> {
    let kind = word(&step.extra.kind).filter(|_| ours).unwrap_or(usual);
    let said = Said { media: media(&step.message), ..Said::new(role, kind, text(&step.message)) };
    sized(said, step.extra.tokens, ours)
}

/// The result of a tool.
pub(super) fn answer<'a>(step: &'a Step<'a>, result: &'a Answer<'a>, place: usize, ours: bool) -> Said<'a> {
    let role = step.extra.result_roles.items.get(place).and_then(word).filter(|_| ours);
    let tool = tool_of(step, result).map(|call| call.name.as_str()).filter(|name| !name.is_empty());
    let failed = counts::succeeded(result) == Some(false);
    let said = Said {
        media: media(&result.content),
        tool: tool.map(Cow::Borrowed),
        tags: if failed { vec![Tag::Error] } else { Vec::new() },
        ..Said::new(role.unwrap_or(MessageRole::Tool), MessageKind::Observation, text(&result.content))
    };
    sized(said, step.extra.result_tokens.items.get(place).copied().unwrap_or_default(), ours)
}

/// The tool that a result answers: by the call's id, or the only one that there is.
fn tool_of<'a>(step: &'a Step<'a>, result: &Answer<'_>) -> Option<&'a ToolCall<'a>> {
    let calls = &step.tool_calls.items;
    let id = result.call.as_str();
    if !id.is_empty() {
        return calls.iter().find(|call| call.id.as_str() == id);
    }
    calls.first().filter(|first| calls.iter().all(|call| call.name.as_str() == first.name.as_str()))
}

fn sized(said: Said<'_>, stated: Num, ours: bool) -> Said<'_> {
    let tokens = stated.tokens_or_none("tokens").ok().flatten().filter(|_| ours);
    let hidden = tokens.is_some() && said.text.is_empty() && said.media.is_empty();
    Said { tokens, hidden, ..said }
}

/// What the results of a system's step are.
pub(super) fn kind(step: &Step<'_>) -> MessageKind {
    match step.extra.context.kind.as_str() {
        "compaction" | "summarization" | "summary" => MessageKind::Summary,
        _ => MessageKind::Other,
    }
}

/// What is sent again of a reply: its text, and the tools with their arguments.
pub(super) fn reply<'a>(step: &'a Step<'a>) -> Cow<'a, str> {
    let mut said = text(&step.message);
    for call in &step.tool_calls.items {
        let said = said.to_mut();
        said.push_str(call.name.as_str());
        said.push_str(call.arguments.as_str());
    }
    said
}

/// Whether there is anything.
pub(super) fn is_media_or_text(content: &Content<'_>) -> bool {
    content.each().iter().any(|part| !text_of(part).is_empty() || medium_of(part).is_some())
}

/// A word of our own.
fn word<'de, T: Deserialize<'de>>(text: &Text<'_>) -> Option<T> {
    let words: StrDeserializer<'_, Error> = text.as_str().into_deserializer();
    T::deserialize(words).ok()
}

fn text<'a>(content: &'a Content<'a>) -> Cow<'a, str> {
    let mut joined = Cow::Borrowed("");
    for text in content.each().iter().map(text_of) {
        match joined.is_empty() {
            true => joined = Cow::Borrowed(text),
            false => joined.to_mut().push_str(text),
        }
    }
    joined
}

fn media<'a>(content: &'a Content<'a>) -> Vec<Cow<'a, str>> {
    content.each().iter().filter_map(medium_of).map(Cow::Borrowed).collect()
}

fn text_of<'a>(part: &'a Content<'_>) -> &'a str {
    part.text().or_else(|| part.here().map(|part| part.text.as_str())).unwrap_or_default()
}

/// Where an image or a sound lies, else its data.
fn medium_of<'a>(part: &'a Content<'_>) -> Option<&'a str> {
    let source = &part.here()?.source;
    [&source.path, &source.data].map(Text::as_str).into_iter().find(|data| !data.is_empty())
}
