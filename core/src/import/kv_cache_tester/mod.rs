//! kv-cache-tester: real Claude Code traffic, anonymised to block ids of 64 tokens.
//!
//! One JSON document a trace. Ids are local to it, cover full blocks only, and say nothing across
//! models. Messages are not in the source; they are derived from how prompts grow ([`chain`]). When
//! calls start is in the source only as stamps; what waits for what is derived from them ([`graph`]).

mod chain;
mod graph;

use super::documents::each_document;
use super::head::Shape;
use super::json::{Fault, Ids, Num, Text, check_begin};
use super::list::List;
use super::names::{self, Models};
use super::{ImportError, Imported, Importer, Source};
use crate::trace::{Call, CallRole, Mark, Recorded, Scope, Session};
use chain::{Chains, Layout};
use graph::Stamp;
use std::io::BufRead;

/// Tokens of a block.
const BLOCK: u32 = 64;
/// A recording whose first prompt is longer than this began in mid-session.
const MID_SESSION_TOKENS: u32 = 60_000;
/// Microseconds of a second, the unit of every time in the source.
const SECOND: f64 = 1_000_000.0;

pub(super) struct KvCacheTester;

record! {
    /// One trace.
    Trace<'a> {
        "id" => id: Text<'a>,
        "block_size" => block: Num,
        "tool_tokens" => tools: Num,
        "system_tokens" => system: Num,
        "requests" => requests: List<Request<'a>>,
    } ignoring ["models", "hash_id_scope", "totals"]
}

record! {
    /// One request, or a sub-agent with requests of its own.
    Request<'a> {
        "t" => t: Num,
        "type" => kind: Text<'a>,
        "model" => model: Text<'a>,
        "in" => input: Num,
        "out" => output: Num,
        "hash_ids" => ids: Ids,
        "input_types" => input_types: List<Text<'a>>,
        "api_time" => api_time: Num,
        "think_time" => think_time: Num,
        "ttft" => ttft: Num,
        "duration_ms" => duration_ms: Num,
        "tool_tokens" => tools: Num,
        "system_tokens" => system: Num,
        "requests" => requests: List<Request<'a>>,
    } ignoring [
        "output_types", "stop", "agent_id", "subagent_type", "total_tokens", "tool_use_count", "status",
        "models",
    ]
}

/// One request that was understood, not yet placed in time.
struct Asked {
    stamp: Stamp,
    model: String,
    prompt_tokens: u32,
    output_tokens: u32,
    ids: Vec<u64>,
    /// Whether the new input came from a tool.
    from_tool: bool,
    ttft_us: Option<u64>,
}

impl Importer for KvCacheTester {
    fn name(&self) -> &'static str {
        "kv-cache-tester"
    }

    fn about(&self) -> &'static str {
        "kv-cache-tester traces of Claude Code: one JSON a session, with ids of 64-token blocks"
    }

    fn detect(&self, head: &[u8]) -> bool {
        Shape::of(head).is_some_and(|shape| {
            let blocks = shape.has_all(&["/block_size", "/hash_id_scope"]);
            let calls = shape.has_all(&["/requests/[]/hash_ids", "/requests/[]/in", "/requests/[]/t"]);
            // The header of another format has blocks too; a session has requests, seen or yet to come.
            (blocks && (shape.cut || shape.has("/requests"))) || calls
        })
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        check_begin(input, source)?;
        each_document(input, source, into, "trace", |document, _, into| trace(document, source, into))
    }
}

/// Reads one document and adds its session.
fn trace(document: &[u8], source: &Source<'_>, into: &mut Imported) -> Result<(), String> {
    let trace = serde_json::from_slice(document).map_err(|error| {
        let early = if error.is_eof() { " (the file ends early)" } else { "" };
        format!("expected a whole JSON trace: {error}{early}")
    })?;
    session(trace, source, into).map_err(|fault| fault.to_string())
}

/// Reads one trace and adds it.
fn session(trace: Trace<'_>, source: &Source<'_>, into: &mut Imported) -> Result<(), Fault> {
    into.unknown_keys += trace.unknown;
    if let Some(found) = trace.wrong.or(trace.requests.wrong) {
        return Err(Fault::new("requests", found, "an object with a list of requests"));
    }
    if let Some(found) = trace.block.whole("block_size", u64::MAX)?.filter(|found| *found != u64::from(BLOCK))
    {
        return Err(Fault::new("block_size", found, BLOCK));
    }
    let layout =
        Layout { tools: trace.tools.tokens("tool_tokens"), system: trace.system.tokens("system_tokens") };
    let mut layouts = vec![layout.or_none()];
    let mut asked = Vec::new();
    let mut sub_agents = Vec::new();
    for (place, request) in trace.requests.items.into_iter().enumerate() {
        into.unknown_keys += request.unknown;
        if request.kind.as_str() == "subagent" {
            sub_agents.push((place, request));
            continue;
        }
        match understood(request, 0) {
            Ok(call) => asked.push(call),
            Err(fault) => into.skip(source, format!("request {place}: {fault}")),
        }
    }
    for (place, sub_agent) in sub_agents {
        let agent = layouts.len() as u32;
        layouts.push(
            Layout {
                tools: sub_agent.tools.tokens("tool_tokens"),
                system: sub_agent.system.tokens("system_tokens"),
            }
            .or_none(),
        );
        let began = match graph::began(&asked, &sub_agent) {
            Ok(began) => began,
            Err(fault) => {
                into.skip(source, format!("request {place}: {fault}"));
                continue;
            }
        };
        for (inner, request) in sub_agent.requests.items.into_iter().enumerate() {
            into.unknown_keys += request.unknown;
            match understood(request, agent) {
                Ok(mut call) => {
                    call.stamp.at_us += began;
                    asked.push(call);
                }
                Err(fault) => into.skip(source, format!("request {place}, sub-agent's {inner}: {fault}")),
            }
        }
    }
    if asked.is_empty() {
        return Err(Fault::new("requests", "empty", "at least one usable request"));
    }
    let id = match trace.id.as_str() {
        "" => names::id_from_file(source.name),
        id => names::id(id),
    };
    into.push(source, assembled(id, asked, &layouts));
    Ok(())
}

/// One request as an agent's call, or what is wrong with it.
fn understood(request: Request<'_>, agent: u32) -> Result<Asked, Fault> {
    if let Some(found) = request.wrong {
        return Err(Fault::new("requests", found, "objects"));
    }
    let at_us =
        request.t.time_us("t", SECOND)?.ok_or_else(|| Fault::new("t", "missing", "a time in seconds"))?;
    let prompt_tokens = request.input.tokens("in")?;
    let output_tokens = request.output.tokens("out")?;
    let ids = request.ids.list("hash_ids")?;
    let (floor, ceil) = (prompt_tokens / BLOCK, prompt_tokens.div_ceil(BLOCK));
    if ids.len() as u64 != u64::from(floor) && ids.len() as u64 != u64::from(ceil) {
        let expected = format!("{floor} for {prompt_tokens} tokens in full blocks of {BLOCK}");
        return Err(Fault::new("hash_ids", format!("{} ids", ids.len()), expected));
    }
    let model = request.model.0.ok_or_else(|| Fault::new("model", "missing", "a text"))?;
    Ok(Asked {
        stamp: Stamp {
            agent,
            at_us,
            api_us: request.api_time.time_us("api_time", SECOND)?,
            think_us: request.think_time.time_us("think_time", SECOND)?,
        },
        model: model.into_owned(),
        prompt_tokens,
        output_tokens,
        ids,
        from_tool: request.input_types.items.iter().any(|kind| kind.as_str() == "tool_result"),
        ttft_us: request.ttft.time_us("ttft", SECOND)?,
    })
}

/// Puts the calls in time order, derives what waits for what and which messages there are.
fn assembled(id: String, mut asked: Vec<Asked>, layouts: &[Option<Layout<u32>>]) -> Session {
    let out_of_order = graph::sort(&mut asked);
    let links = graph::links(&asked);
    let mut models = Models::default();
    let mut chains = Chains::new(layouts);
    let mut calls: Vec<Call> = Vec::with_capacity(asked.len());
    for (place, (asked, link)) in asked.into_iter().zip(links).enumerate() {
        let model = models.index(&asked.model);
        let recorded = Recorded { ttft_us: asked.ttft_us, e2e_us: asked.stamp.api_us, ..Recorded::default() };
        let grown = chains.grow(place as u32, model, &asked);
        if let (Some(previous), Some(reply)) = (grown.previous, grown.reply) {
            calls[previous as usize].reply = Some(reply);
        }
        calls.push(Call {
            id: place as u32,
            agent: asked.stamp.agent,
            model,
            role: if asked.stamp.agent == 0 { CallRole::Agent } else { CallRole::Subagent },
            after: link.after,
            delay_us: link.delay_us,
            at_us: Some(asked.stamp.at_us),
            prompt: grown.prompt,
            prompt_tokens: asked.prompt_tokens,
            view: grown.view,
            output_tokens: Some(asked.output_tokens),
            estimated: link.estimated,
            recorded: (recorded != Recorded::default()).then_some(recorded),
            ..Call::default()
        });
    }
    let first = calls.iter().find(|call| call.agent == 0).map_or(0, |call| call.prompt_tokens);
    let marks = [
        (first > MID_SESSION_TOKENS, Mark::MidSession),
        (calls.iter().any(|call| call.estimated), Mark::Estimated),
        (true, Mark::DerivedMessages),
        (out_of_order, Mark::OutOfOrder),
        (chains.dropped, Mark::ContextDrop),
    ];
    let mut session = Session {
        id,
        source: "kv-cache-tester".to_owned(),
        harness: "claude-code".to_owned(),
        models: models.names,
        scope: Scope::Session,
        block_tokens: Some(BLOCK),
        counts_from: "source".to_owned(),
        marks: Vec::new(),
        messages: chains.messages,
        segments: chains.chunks,
        calls,
        outcome: None,
    };
    for (_, mark) in marks.into_iter().filter(|(holds, _)| *holds) {
        session.mark(mark);
    }
    session
}
