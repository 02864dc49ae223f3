//! OpenTelemetry spans of model requests, tools and agents, in the GenAI conventions and those of the
//! common instrumentations.
//!
//! Spans come in the protocol's JSON (one document, or one a line as the collector's file exporter
//! writes), as a list, one a line, or one after the other as consoles print them. A session is a
//! conversation, else a trace. Attributes are an open set, so those that nobody knows are not counted.
//! A request without messages has counts and times only: its prompt is empty and has no identity.

mod attributes;
mod facts;
mod span;
mod tree;

use super::chat::{self, Held1, Reader};
use super::dialogue::threads::{self, Request};
use super::dialogue::{Asked, Dialogue, Said, Tool};
use super::head::Shape;
use super::held::Held;
use super::json::{Fault, Num, read_document};
use super::{ImportError, Imported, Importer, Source, names};
use crate::trace::{MessageKind, MessageRole};
use facts::{Facts, Kind, Piece};
use span::Span;
use std::io::BufRead;
use tree::Tree;

const NAME: &str = "otel";

pub(super) struct OpenTelemetry;

impl Importer for OpenTelemetry {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "OpenTelemetry GenAI spans: OTLP JSON, lists, lines"
    }

    fn detect(&self, head: &[u8]) -> bool {
        Shape::of(head).is_some_and(|shape| {
            let exported =
                shape.has("/resourceSpans") || shape.has("/resource_spans") || shape.has("/[]/resourceSpans");
            exported
                || ["", "/[]", "/spans/[]"].iter().any(|outer| {
                    let has = |path: &str| shape.has(&format!("{outer}{path}"));
                    let context = has("/context/trace_id") || has("/context/traceId");
                    let ids = (has("/traceId") || has("/trace_id")) && (has("/spanId") || has("/span_id"));
                    let spans = has("/attributes") || has("/parent_id") || has("/start_time");
                    (context || ids) && (spans || shape.cut)
                })
        })
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let bytes = read_document(input, source)?;
        let spans = spans(&bytes, source, into);
        if spans.is_empty() && into.skipped.is_empty() {
            let why = "without a span, expected spans with a trace and an id".to_owned();
            return Err(ImportError::Malformed { file: source.name.to_owned(), why });
        }
        let facts: Vec<Facts<'_>> = spans.iter().map(Facts::of).collect();
        let texts: Vec<Texts<'_>> = facts.iter().map(Texts::of).collect();
        let tree = Tree::of(&spans, &facts);
        let mut requests = Vec::new();
        let mut calls = Vec::new();
        for place in 0..spans.len() {
            if facts[place].kind != Kind::Model || tree.inside_request(place) {
                continue;
            }
            match request(&spans[place], &facts[place], &texts[place]) {
                Ok(request) => {
                    let (session, agent) = tree.whose(place);
                    requests.push(Request { session: Some(session), agent: Some(agent), ..request });
                    calls.push(place);
                }
                Err(fault) => into.skip(source, format!("span {place}: {fault}")),
            }
        }
        tools(&tree, &spans, &facts, &calls, &mut requests);
        if requests.is_empty() && into.skipped.is_empty() {
            let why = format!("{} spans, none of a request to a model", spans.len());
            return Err(ImportError::Malformed { file: source.name.to_owned(), why });
        }
        for thread in threads::sessions(requests) {
            let id = names::id_of_log(thread.id.as_deref().unwrap_or_default(), into.accepted() as u32);
            let mut dialogue = Dialogue::new(id, NAME);
            threads::converse(thread, &mut dialogue);
            dialogue.finish(NAME, source, into);
        }
        Ok(())
    }
}

/// All spans. Behind a broken value reading goes on with the next line that begins one.
fn spans<'a>(bytes: &'a [u8], source: &Source<'_>, into: &mut Imported) -> Vec<Span<'a>> {
    let (mut spans, mut from, mut number) = (Vec::new(), 0, 0);
    while from < bytes.len() {
        let mut values =
            serde_json::Deserializer::from_slice(&bytes[from..]).into_iter::<Held<'_, Span<'_>>>();
        let failed = loop {
            number += 1;
            match values.next() {
                None => break None,
                Some(Ok(Held::Here(span))) => span.flatten(&mut spans, &mut into.unknown_keys),
                Some(Ok(Held::List(list))) => {
                    for held in list {
                        if let Held::Here(span) = held {
                            span.flatten(&mut spans, &mut into.unknown_keys);
                        }
                    }
                }
                Some(Ok(_)) => {
                    into.skip(source, format!("value {number}: no span, expected an object or a list"));
                }
                Some(Err(error)) => break Some(error),
            }
        };
        let Some(error) = failed else { break };
        into.skip(source, format!("value {number}: no JSON: {error}"));
        let behind = from + values.byte_offset();
        let next =
            bytes[behind.min(bytes.len())..].windows(2).position(|pair| pair[0] == b'\n' && pair[1] == b'{');
        from = next.map_or(bytes.len(), |next| behind + next + 1);
    }
    spans
}

/// The messages of a request, as far as a span shows them.
#[derive(Default)]
struct Texts<'s> {
    instructions: Held1<'s>,
    prompt: Vec<Held1<'s>>,
    reply: Vec<Held1<'s>>,
}

impl<'s> Texts<'s> {
    fn of(facts: &Facts<'s>) -> Self {
        if facts.kind != Kind::Model {
            return Texts::default();
        }
        Texts {
            instructions: facts.instructions.map(messages).unwrap_or_default(),
            prompt: facts.prompt.iter().map(|text| messages(text)).collect(),
            reply: facts.reply.iter().map(|text| messages(text)).collect(),
        }
    }
}

/// Messages from their JSON, or a plain text.
fn messages(text: &str) -> Held1<'_> {
    let json = text.trim_start().starts_with(['[', '{']);
    let read = json.then(|| serde_json::from_str(text).ok()).flatten();
    read.unwrap_or(Held::Text(text.into()))
}

fn request<'s>(span: &'s Span<'_>, facts: &'s Facts<'s>, texts: &'s Texts<'s>) -> Result<Request<'s>, Fault> {
    let usage = facts.counts()?;
    let mut reader = Reader::default();
    for schemas in &facts.tools {
        reader.prompt.push(Said::new(MessageRole::System, MessageKind::Tools, *schemas));
    }
    reader.read(&texts.instructions, MessageRole::System);
    for messages in &texts.prompt {
        reader.read(messages, MessageRole::User);
    }
    if texts.prompt.is_empty() {
        pieces(&facts.asked, &mut reader, MessageRole::User);
    }
    let mut replies = texts.reply.iter().map(chat::reply);
    let (mut reply, mut tools) = replies.next().unwrap_or_default();
    if texts.reply.is_empty() {
        let mut answered = Reader::default();
        pieces(&facts.answered, &mut answered, MessageRole::Assistant);
        reply = answered.prompt.into_iter().next();
        tools = facts
            .answered
            .iter()
            .filter(|piece| is_tool_name(piece))
            .map(|piece| named(piece.text))
            .collect();
    }
    if reader.prompt.is_empty() && usage.as_ref().is_none_or(|usage| usage.prompt.is_none()) {
        let found = if span.ok() == Some(false) { "missing, and the request failed" } else { "missing" };
        return Err(Fault::new("gen_ai.usage.input_tokens", found, "counts or messages"));
    }
    let (sent_us, ended) = (span.started(), span.ended());
    let us = |number: Num| number.time_us("", 1e6).ok().flatten().filter(|&us| us > 0);
    let lasted = sent_us.zip(ended).and_then(|(sent, ended)| ended.checked_sub(sent)).filter(|&us| us > 0);
    let e2e_us = us(facts.e2e_s).or(lasted);
    let done_us = sent_us.zip(lasted.or(e2e_us)).map(|(sent, e2e)| sent.saturating_add(e2e));
    let asked = Asked {
        model: facts.model.into(),
        usage,
        sent_us,
        done_us,
        ttft_us: us(facts.ttft_s),
        e2e_us,
        tools,
        cost_usd: facts.cost.amount(),
        ..Asked::default()
    };
    Ok(Request { prompt: reader.finish(), reply, asked, ..Request::default() })
}

/// Messages whose parts have attributes of their own.
fn pieces<'s>(pieces: &'s [Piece<'s>], reader: &mut Reader<'s>, plain: MessageRole) {
    for message in pieces.chunk_by(|a, b| a.message == b.message) {
        let role = message.iter().find(|piece| piece.part == "role").map(|piece| piece.text);
        let role = role.and_then(super::dialogue::flat::role).unwrap_or(plain);
        let says = |piece: &&Piece<'_>| {
            let last = piece.part.rsplit('.').next().unwrap_or_default();
            matches!(piece.part, "content")
                || piece.part.contains("message_content.text")
                || piece.part.starts_with("tool_calls") && matches!(last, "name" | "arguments")
        };
        let mut texts = message.iter().filter(says).map(|piece| piece.text);
        let mut text = std::borrow::Cow::Borrowed(texts.next().unwrap_or_default());
        texts.for_each(|more| text.to_mut().push_str(more));
        reader.add(role, text);
    }
}

fn is_tool_name(piece: &Piece<'_>) -> bool {
    piece.part.starts_with("tool_calls") && piece.part.ends_with("name")
}

fn named(name: &str) -> Tool<'_> {
    Tool { name: name.into(), ..Tool::default() }
}

/// Spans of tools tell how long the tools of a reply ran: those of the latest request of their agent that
/// had ended when they began.
fn tools<'s>(
    tree: &Tree<'_>,
    spans: &'s [Span<'_>],
    facts: &'s [Facts<'_>],
    calls: &[usize],
    requests: &mut [Request<'s>],
) {
    let mut ends: std::collections::HashMap<(String, u32), Vec<(u64, usize)>> =
        std::collections::HashMap::new();
    for (request, &place) in calls.iter().enumerate() {
        if let Some(done) = requests[request].asked.done_us {
            ends.entry(tree.whose(place)).or_default().push((done, request));
        }
    }
    ends.values_mut().for_each(|ends| ends.sort_unstable());
    for place in (0..spans.len()).filter(|&place| facts[place].kind == Kind::Tool) {
        let Some(started) = spans[place].started() else { continue };
        let ends = ends.get(&tree.whose(place)).map(Vec::as_slice).unwrap_or_default();
        // Stamps of both sides are rounded.
        let behind = ends.partition_point(|(done, _)| *done <= started.saturating_add(1));
        let Some(&(_, request)) = behind.checked_sub(1).and_then(|last| ends.get(last)) else { continue };
        let us = spans[place].ended().and_then(|ended| ended.checked_sub(started));
        let tool = Tool { name: facts[place].tool.into(), us, ok: spans[place].ok() };
        let known = &mut requests[request].asked.tools;
        match known.iter_mut().find(|known| known.name == tool.name && known.us.is_none()) {
            Some(known) => *known = tool,
            None => known.push(tool),
        }
    }
}
