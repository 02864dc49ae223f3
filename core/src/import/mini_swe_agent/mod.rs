//! mini-swe-agent: runs with their text, one JSON document a run.
//!
//! Three shapes: `mini-swe-agent-1` (usage and creation time inside the raw response),
//! `mini-swe-agent-1.1` (roles `tool` and `exit`, actions, return codes and stamps in `extra`), and
//! the bare list of messages of old files. Sizes come from the provider's totals, spread by a
//! tokenizer ([`sizes`]); times from stamps, and from a stated rate where there are none ([`times`]).
//! Texts are hashed, never written.

mod sizes;
mod talk;
mod times;

use super::exit;
use super::head::Shape;
use super::json::{Fault, Num, Text, read_document};
use super::list::List;
use super::names::{self, Models};
use super::{ImportError, Imported, Importer, Source};
use crate::trace::{
    Call, Ending, Mark, Message, MessageKind, Recorded, Run, Scope, Session, Tag, ToolUse, Transcript,
    TranscriptMessage,
};
use std::io::BufRead;
use talk::Said;

pub(super) struct MiniSweAgent;

record! {
    /// A run.
    Document<'a> {
        "info" => info: Info<'a>,
        "messages" => messages: List<Raw<'a>>,
        "instance_id" => instance: Text<'a>,
    } ignoring ["trajectory_format"]
}

record! {
    /// What the harness says about the whole run.
    Info<'a> {
        "exit_status" => exit: Text<'a>,
        "model_stats" => stats: Stats<'a>,
        "instance_id" => instance: Text<'a>,
        "config" => config: Config<'a>,
    } ignoring ["submission", "mini_version"]
}

record! {
    Stats<'a> { "instance_cost" => cost: Num } ignoring ["api_calls"]
}

record! {
    Config<'a> { "model" => model: ModelConfig<'a> }
    ignoring ["agent", "agent_type", "model_type", "environment", "environment_type"]
}

record! {
    /// All settings but the name are passed over.
    ModelConfig<'a> { "model_name" => name: Text<'a> }
    ignoring ["model_kwargs", "set_cache_control", "cost_tracking", "model_class", "litellm_model_registry",
        "format_error_template", "observation_template", "multimodal_regex", "action_regex"]
}

record! {
    /// One message, of any of the three shapes.
    Raw<'a> {
        "role" => role: Text<'a>,
        "content" => content: Text<'a>,
        "tool_calls" => tool_calls: List<ToolCall<'a>>,
        "extra" => extra: Extra<'a>,
        "object" => object: Text<'a>,
        "type" => kind: Text<'a>,
        "output" => output: Text<'a>,
        "model" => model: Text<'a>,
        "usage" => usage: Usage<'a>,
    } ignoring [
        "tool_call_id", "call_id", "id", "created_at", "status", "reasoning_content", "function_call",
        "provider_specific_fields", "thinking_blocks", "cache_control", "refusal", "timestamp",
    ]
}

record! {
    ToolCall<'a> { "function" => function: Function<'a> } ignoring ["id", "type", "index"]
}

record! {
    Function<'a> { "name" => name: Text<'a>, "arguments" => arguments: Text<'a> } ignoring []
}

record! {
    Extra<'a> {
        "response" => response: Response<'a>,
        "actions" => actions: List<Action<'a>>,
        "cost" => cost: Num,
        "timestamp" => timestamp: Num,
        "returncode" => returncode: Num,
        "exit_status" => exit: Text<'a>,
    } ignoring [
        "raw_output", "submission", "exception_info", "interrupt_type", "model_response", "exception_str",
        "traceback", "exception",
    ]
}

record! {
    Action<'a> {} ignoring ["command", "tool_call_id"]
}

record! {
    Response<'a> {
        "model" => model: Text<'a>,
        "created" => created: Num,
        "usage" => usage: Usage<'a>,
    } ignoring [
        "id", "provider", "object", "choices", "system_fingerprint", "service_tier", "output", "created_at",
        "vertex_ai_grounding_metadata", "vertex_ai_url_context_metadata", "vertex_ai_safety_results",
        "vertex_ai_citation_metadata",
    ]
}

record! {
    Usage<'a> {
        "prompt_tokens" => prompt: Num,
        "input_tokens" => input: Num,
        "completion_tokens" => completion: Num,
        "output_tokens" => output: Num,
        "prompt_tokens_details" => prompt_details: Details<'a>,
        "input_tokens_details" => input_details: Details<'a>,
        "completion_tokens_details" => completion_details: Details<'a>,
        "output_tokens_details" => output_details: Details<'a>,
        "cost" => cost: Num,
    } ignoring [
        "total_tokens", "is_byok", "cost_details", "cache_creation_input_tokens", "cache_read_input_tokens",
    ]
}

record! {
    Details<'a> {
        "cached_tokens" => cached: Num,
        "reasoning_tokens" => reasoning: Num,
    } ignoring [
        "audio_tokens", "video_tokens", "image_tokens", "text_tokens", "accepted_prediction_tokens",
        "rejected_prediction_tokens", "cache_creation_tokens", "cache_creation_token_details",
    ]
}

impl Importer for MiniSweAgent {
    fn name(&self) -> &'static str {
        "mini-swe-agent"
    }

    fn about(&self) -> &'static str {
        "mini-swe-agent trajectories (formats 1 and 1.1, and bare message lists)"
    }

    fn detect(&self, head: &[u8]) -> bool {
        let Some(shape) = Shape::of(head) else { return false };
        if shape.has("/trajectory") || shape.has("/history") {
            return false;
        }
        let named = shape.text("/trajectory_format").is_some_and(|name| name.starts_with("mini-swe-agent"));
        let run = shape.has_all(&["/messages/[]/role", "/messages/[]/content", "/info"]);
        let marked = shape.has("/info/mini_version") || shape.has("/info/model_stats/instance_cost");
        // A long submission may hide everything but the beginning of `info`.
        let begun = shape.cut && shape.first_key.as_deref() == Some("info") && shape.has("/info/exit_status");
        named || marked && (run || shape.cut) || begun || is_bare_list(&shape, head)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let malformed = |why| ImportError::Malformed { file: source.name.to_owned(), why };
        let bytes = read_document(input, source)?;
        let whole = |error| malformed(format!("expected a whole JSON run: {error}"));
        let document = if bytes.trim_ascii_start().first() == Some(&b'[') {
            let messages = serde_json::from_slice(&bytes).map_err(whole)?;
            Document { messages, ..Document::default() }
        } else {
            serde_json::from_slice(&bytes).map_err(whole)?
        };
        run(&document, source, into).map_err(|fault| malformed(fault.to_string()))
    }
}

/// Whether this is a list of nothing but messages that speak of shell blocks or return codes.
fn is_bare_list(shape: &Shape, head: &[u8]) -> bool {
    let foreign = ["/[]/agent", "/[]/message_type", "/[]/source", "/[]/action", "/[]/observation"];
    let sign = |sign: &[u8]| head.windows(sign.len()).any(|part| part == sign);
    shape.text("/[]/role") == Some("system")
        && shape.has("/[]/content")
        && !foreign.iter().any(|path| shape.has(path))
        && (sign(b"<returncode>") || sign(b"```bash") || sign(b"```mswea_bash_command"))
}

/// Reads one run and adds it.
fn run(document: &Document<'_>, source: &Source<'_>, into: &mut Imported) -> Result<(), Fault> {
    let wrong = document.wrong.or(document.messages.wrong);
    if let Some(found) = wrong {
        return Err(Fault::new("messages", found, "a list of messages"));
    }
    let (mut said, mut exit_status) = (Vec::new(), document.info.exit.0.as_deref());
    for (place, raw) in document.messages.items.iter().enumerate() {
        into.unknown_keys += talk::unknown(raw);
        match talk::said(raw, &said, |why| into.skip(source, format!("message {place}: {why}"))) {
            Ok(Some(message)) => said.push(message),
            Ok(None) => exit_status = exit_status.or(raw.extra.exit.0.as_deref()),
            Err(fault) => into.skip(source, format!("message {place}: {fault}")),
        }
    }
    into.unknown_keys += document.unknown + document.info.unknown;
    let Some(last) = said.iter().rposition(|message| message.reply.is_some()) else {
        return Err(Fault::new("messages", "without a reply of a model", "at least one"));
    };
    let ids = [&document.instance, &document.info.instance];
    let id = match ids.into_iter().find(|id| !id.as_str().is_empty()) {
        Some(id) => names::id(id.as_str()),
        None => names::id_from_file(source.name),
    };
    let text = source.keep_text.then(|| transcript(&id, &said));
    // What came after the last reply was never sent.
    said.truncate(last + 1);
    let outcome = exit_status
        .map(|status| Ending { cost_usd: document.info.stats.cost.amount(), ..exit::ending(status) })
        .or_else(|| {
            let cost_usd = document.info.stats.cost.amount()?;
            Some(Ending { cost_usd: Some(cost_usd), ..exit::ending("") })
        });
    let default_model = document.info.config.model.name.as_str();
    if into.push(source, session(id, &said, default_model, outcome, source)) {
        into.transcripts.extend(text);
    }
    Ok(())
}

fn session(
    id: String,
    said: &[Said<'_>],
    default_model: &str,
    outcome: Option<Ending>,
    source: &Source<'_>,
) -> Session {
    let sized = sizes::sizes(said, source.counter);
    let clock = times::clock(said);
    let mut models = Models::default();
    let mut calls: Vec<Call> = Vec::new();
    for (place, message) in said.iter().enumerate() {
        let Some(reply) = &message.reply else { continue };
        let number = calls.len();
        let time = clock[number];
        let usage = reply.usage.clone().unwrap_or_default();
        let recorded = Recorded {
            e2e_us: time.e2e_us,
            cached_tokens: usage.cached.map(u64::from),
            cost_usd: reply.cost_usd,
            ..Recorded::default()
        };
        let output_tokens = usage.output.unwrap_or(sized.counted[place]);
        let model =
            [reply.model.as_str(), default_model, names::UNKNOWN].into_iter().find(|name| !name.is_empty());
        calls.push(Call {
            id: number as u32,
            model: models.index(model.unwrap_or(names::UNKNOWN)),
            after: number.checked_sub(1).map(|before| before as u32).into_iter().collect(),
            delay_us: if number == 0 { None } else { time.delay_us },
            at_us: time.at_us,
            prompt: vec![Run { first: 0, count: sized.chunks_before[place] }],
            prompt_tokens: usage.prompt.unwrap_or(sized.sum_before[place]),
            view: vec![Run { first: 0, count: place as u32 }],
            reply: Some(place as u32),
            output_tokens,
            // Where the provider counts more reasoning than output, it counts it apart from the output.
            reasoning_tokens: usage.reasoning.filter(|&reasoning| reasoning <= output_tokens).unwrap_or(0),
            tools: tools(&said[place + 1..], reply.actions, time.tool_us),
            estimated: time.estimated || usage.prompt.is_none() || usage.output.is_none(),
            recorded: (recorded != Recorded::default()).then_some(recorded),
            ..Call::default()
        });
    }
    let from_source = said.iter().filter_map(|message| message.reply.as_ref()).any(|r| r.usage.is_some());
    let counter = source.counter.name();
    let mut session = Session {
        id,
        source: "mini-swe-agent".to_owned(),
        harness: "mini-swe-agent".to_owned(),
        models: models.names,
        scope: Scope::Set,
        block_tokens: None,
        counts_from: if from_source { format!("source+{counter}") } else { counter },
        marks: Vec::new(),
        messages: messages(said, &sized),
        segments: sized.chunks,
        calls,
        outcome,
    };
    if session.calls.iter().any(|call| call.estimated) {
        session.mark(Mark::Estimated);
    }
    session
}

fn messages(said: &[Said<'_>], sized: &sizes::Sized) -> Vec<Message> {
    let message = |(place, said): (usize, &Said<'_>)| Message {
        agent: 0,
        role: said.role,
        kind: said.kind,
        tokens: sized.tokens[place],
        parts: sized.parts[place].indices().collect(),
        tool: said.tool.then(|| names::tool("bash", 0)),
        lines: said.text.lines().count() as u32,
        words: said.text.split_whitespace().count() as u32,
        path: None,
        window: None,
        tags: tags(said, sized.residual[place]),
    };
    said.iter().enumerate().map(message).collect()
}

fn tags(said: &Said<'_>, residual: bool) -> Vec<Tag> {
    let holds = [(said.ok == Some(false), Tag::Error), (residual, Tag::Residual)];
    holds.into_iter().filter(|(holds, _)| *holds).map(|(_, tag)| tag).collect()
}

/// One `bash` per action, with what its observation says of it.
fn tools(behind: &[Said<'_>], actions: usize, us: Option<u64>) -> Vec<ToolUse> {
    let mut observed = behind.iter().take_while(|said| said.reply.is_none());
    let mut tools: Vec<ToolUse> = (0..actions)
        .map(|_| ToolUse {
            name: names::tool("bash", 0),
            us: None,
            ok: observed.next().and_then(|said| said.ok),
        })
        .collect();
    if let [only] = tools.as_mut_slice() {
        only.us = us;
    }
    tools
}

fn transcript(id: &str, said: &[Said<'_>]) -> Transcript {
    let message = |said: &Said<'_>| TranscriptMessage {
        agent: 0,
        role: said.role,
        kind: said.kind,
        text: said.text.clone().into_owned(),
        tool: (said.kind == MessageKind::Observation && said.tool).then(|| names::tool("bash", 0)),
        tags: tags(said, false),
    };
    Transcript { id: id.to_owned(), messages: said.iter().map(message).collect() }
}
