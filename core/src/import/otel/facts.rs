//! What a span says, under the names that conventions and instrumentations give it.

use super::attributes::{Attributes, Value};
use super::span::Span;
use crate::import::dialogue::Counts;
use crate::import::json::{Fault, Num};

/// What a span stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request to a model.
    Model,
    Tool,
    Agent,
    #[default]
    Other,
}

/// The facts of one span.
#[derive(Debug, Default)]
pub(super) struct Facts<'s> {
    pub(super) kind: Kind,
    pub(super) session: Option<&'s str>,
    pub(super) model: &'s str,
    pub(super) tool: &'s str,
    input: Num,
    output: Num,
    cached: Num,
    cache_write: Num,
    reasoning: Num,
    pub(super) ttft_s: Num,
    pub(super) e2e_s: Num,
    pub(super) cost: Num,
    /// JSON of messages, or plain texts.
    pub(super) instructions: Option<&'s str>,
    pub(super) tools: Vec<&'s str>,
    pub(super) prompt: Vec<&'s str>,
    pub(super) reply: Vec<&'s str>,
    /// Messages in attributes of their own: which one, which part of it, and its value.
    pub(super) asked: Vec<Piece<'s>>,
    pub(super) answered: Vec<Piece<'s>>,
}

/// One part of a message that has an attribute of its own.
#[derive(Debug)]
pub(super) struct Piece<'s> {
    pub(super) message: u32,
    pub(super) part: &'s str,
    pub(super) text: &'s str,
}

impl<'s> Facts<'s> {
    /// Reads a span and its events.
    pub(super) fn of(span: &'s Span<'_>) -> Facts<'s> {
        let mut facts = Facts::default();
        let (mut operation, mut named) = ("", "");
        for (key, value) in &span.attributes.0 {
            match key.as_ref() {
                "gen_ai.operation.name" => operation = value.text().unwrap_or_default(),
                "openinference.span.kind"
                | "traceloop.span.kind"
                | "llm.request.type"
                | "langfuse.observation.type" => {
                    named = value.text().unwrap_or_default();
                }
                key => facts.take(key, value),
            }
        }
        for event in &span.events.items {
            facts.event(event.name.as_str(), &event.attributes);
        }
        for pieces in [&mut facts.asked, &mut facts.answered] {
            pieces.sort_by_cached_key(rank);
        }
        facts.kind = kind(operation).or_else(|| kind(named)).unwrap_or_else(|| facts.guess(operation, named));
        facts
    }

    /// Without a name for it, a span with a model and counts is a request.
    fn guess(&self, operation: &str, named: &str) -> Kind {
        let counted = self.input != Num::Absent || self.output != Num::Absent;
        let request = operation.is_empty() && named.is_empty() && !self.model.is_empty() && counted;
        if request { Kind::Model } else { Kind::Other }
    }

    fn take(&mut self, key: &'s str, value: &'s Value<'_>) {
        let text = || value.text().unwrap_or_default();
        let set = |number: &mut Num| {
            if *number == Num::Absent {
                *number = value.number();
            }
        };
        match key {
            "gen_ai.request.model" | "llm.model_name" | "llm.request.model" => self.model = text(),
            "gen_ai.response.model" | "llm.response.model" if self.model.is_empty() => self.model = text(),
            "gen_ai.conversation.id" => self.session = value.text(),
            "session.id"
            | "gen_ai.session.id"
            | "langfuse.session.id"
            | "conversation.id"
            | "thread.id"
            | "traceloop.association.properties.session_id" => self.session = self.session.or(value.text()),
            "gen_ai.tool.name" | "tool.name" | "tool_name" | "traceloop.entity.name" => self.tool = text(),
            "gen_ai.usage.input_tokens"
            | "gen_ai.usage.prompt_tokens"
            | "llm.token_count.prompt"
            | "llm.usage.prompt_tokens" => set(&mut self.input),
            "gen_ai.usage.output_tokens"
            | "gen_ai.usage.completion_tokens"
            | "llm.token_count.completion"
            | "llm.usage.completion_tokens" => set(&mut self.output),
            "gen_ai.usage.cache_read.input_tokens"
            | "gen_ai.usage.cache_read_input_tokens"
            | "gen_ai.usage.cached_tokens"
            | "gen_ai.usage.input_cached_tokens"
            | "gen_ai.usage.details.cache_read_tokens"
            | "llm.token_count.prompt_details.cache_read" => {
                set(&mut self.cached);
            }
            "gen_ai.usage.cache_creation.input_tokens"
            | "gen_ai.usage.cache_creation_input_tokens"
            | "gen_ai.usage.details.cache_write_tokens"
            | "llm.token_count.prompt_details.cache_write" => {
                set(&mut self.cache_write);
            }
            "gen_ai.usage.reasoning.output_tokens"
            | "gen_ai.usage.reasoning_tokens"
            | "gen_ai.usage.reasoning_output_tokens"
            | "gen_ai.usage.details.reasoning_tokens"
            | "llm.token_count.completion_details.reasoning" => set(&mut self.reasoning),
            "gen_ai.response.time_to_first_chunk"
            | "gen_ai.server.time_to_first_token"
            | "gen_ai.latency.time_to_first_token" => set(&mut self.ttft_s),
            "gen_ai.latency.e2e" => set(&mut self.e2e_s),
            "gen_ai.usage.cost" | "llm.cost.total" | "operation.cost" => set(&mut self.cost),
            "gen_ai.system_instructions" => self.instructions = value.text(),
            "gen_ai.tool.definitions" | "llm.request.functions" => self.tools.extend(value.text()),
            "gen_ai.input.messages" | "gen_ai.prompt" => self.prompt.extend(value.text()),
            "gen_ai.output.messages" | "gen_ai.completion" => self.reply.extend(value.text()),
            key => self.indexed(key, value),
        }
    }

    /// Attributes with the number of a message in their name.
    fn indexed(&mut self, key: &'s str, value: &'s Value<'_>) {
        let Some(text) = value.text() else { return };
        let piece = |rest: &'s str| {
            let (number, part) = rest.split_once('.')?;
            Some(Piece {
                message: number.parse().ok()?,
                part: part.strip_prefix("message.").unwrap_or(part),
                text,
            })
        };
        if let Some(rest) = strip(key, ["gen_ai.prompt.", "llm.input_messages.", "llm.prompts."]) {
            self.asked.extend(piece(rest));
        } else if let Some(rest) =
            strip(key, ["gen_ai.completion.", "llm.output_messages.", "llm.completions."])
        {
            self.answered.extend(piece(rest));
        } else if key.starts_with("llm.tools.") || key.starts_with("llm.request.functions.") {
            self.tools.push(text);
        }
    }

    /// Events hold messages: whole prompts, or one message each.
    fn event(&mut self, name: &'s str, attributes: &'s Attributes<'_>) {
        let find = |names: &[&str]| {
            let found = attributes.0.iter().find(|(key, _)| names.contains(&key.as_ref()));
            found.and_then(|(_, value)| value.text())
        };
        let role = match name {
            "gen_ai.system.message" => "system",
            "gen_ai.user.message" => "user",
            "gen_ai.assistant.message" => "assistant",
            "gen_ai.tool.message" => "tool",
            "gen_ai.choice" => {
                self.reply.extend(find(&["message", "content", "gen_ai.event.content", "tool_calls"]));
                return;
            }
            _ => {
                let messages = |key: &str| {
                    matches!(
                        key,
                        "gen_ai.prompt"
                            | "gen_ai.input.messages"
                            | "gen_ai.completion"
                            | "gen_ai.output.messages"
                            | "gen_ai.system_instructions"
                            | "gen_ai.tool.definitions"
                    )
                };
                for (key, value) in attributes.0.iter().filter(|(key, _)| messages(key)) {
                    self.take(key, value);
                }
                return;
            }
        };
        let message = self.asked.last().map_or(0, |piece| piece.message + 1);
        self.asked.push(Piece { message, part: "role", text: role });
        if let Some(text) = find(&["content", "gen_ai.event.content", "tool_calls"]) {
            self.asked.push(Piece { message, part: "content", text });
        }
    }

    /// The counts of a request. The conventions count what was cached within the input; where that cannot
    /// be, it was counted apart.
    pub(super) fn counts(&self) -> Result<Option<Counts>, Fault> {
        let mut prompt = self.input.tokens_or_none("gen_ai.usage.input_tokens")?;
        let output = self.output.tokens_or_none("gen_ai.usage.output_tokens")?;
        let cached = self.cached.tokens_or_none("gen_ai.usage.cache_read.input_tokens")?;
        let cache_write = self.cache_write.tokens_or_none("gen_ai.usage.cache_creation.input_tokens")?;
        let reasoning = self.reasoning.tokens_or_none("gen_ai.usage.reasoning.output_tokens")?;
        let apart = cached.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
        if let Some(prompt) = prompt.as_mut().filter(|prompt| apart > **prompt) {
            *prompt = prompt.saturating_add(apart);
        }
        let prompt = prompt.filter(|&prompt| prompt > 0);
        let some = prompt.is_some() || output.unwrap_or(0) > 0;
        Ok(some.then_some(Counts { prompt, output, reasoning, cached, cache_write }))
    }
}

fn strip<'s>(key: &'s str, prefixes: [&str; 3]) -> Option<&'s str> {
    prefixes.iter().find_map(|prefix| key.strip_prefix(prefix))
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name.to_ascii_lowercase().as_str() {
        "chat" | "text_completion" | "generate_content" | "completion" | "responses" | "message" | "llm"
        | "generation" => Kind::Model,
        "execute_tool" | "tool" => Kind::Tool,
        "invoke_agent" | "agent" => Kind::Agent,
        "" => return None,
        _ => Kind::Other,
    })
}

/// By message; what it says before what it calls, a tool's name before its arguments.
fn rank(piece: &Piece<'_>) -> (u32, bool, u32, u8) {
    let number = piece.part.split('.').find_map(|word| word.parse().ok()).unwrap_or(0);
    let last = match piece.part.rsplit('.').next() {
        Some("name") => 0,
        Some("arguments") => 1,
        _ => 2,
    };
    (piece.message, piece.part.starts_with("tool_calls"), number, last)
}
