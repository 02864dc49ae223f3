//! kv-cache-tester: one JSON document a session, with ids of its full 64-token blocks.
//!
//! Ids are local to a document, and its clock begins at 0. What waits for what is not said: readers
//! take it from the stamps. Sub-agents are nested. A prompt's last, partial block has no id.

use super::blocks::Blocks;
use super::lost::{self, Fact};
use super::{Amount, Documents, ExportError, Exported, Exporter, Set};
use crate::trace::{Call, MessageKind, MessageRole, Session};
use serde::Serialize;

/// Tokens of a block.
const BLOCK: u32 = 64;
/// Microseconds of a second, the unit of the format's times.
const SECOND: u64 = 1_000_000;
/// What no document can say.
const LOST: &[Fact] = &[
    lost::HARNESS,
    lost::COUNTS,
    lost::MESSAGES,
    lost::TOOLS,
    lost::REASONING,
    lost::OUTPUTS,
    lost::CACHE,
    lost::COSTS,
    lost::ENDINGS,
    lost::UNKNOWN,
    lost::SHARING,
    lost::ROLES,
    lost::GRAPH,
];

pub(super) struct KvCacheTester;

/// One session.
#[derive(Serialize)]
struct Document<'a> {
    id: &'a str,
    models: &'a [String],
    block_size: u32,
    hash_id_scope: &'static str,
    #[serde(flatten)]
    layout: Layout,
    requests: Vec<Item<'a>>,
    totals: Totals,
}

/// How an agent's first prompt begins, where that is known.
#[derive(Default, Serialize)]
struct Layout {
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_tokens: Option<u32>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Item<'a> {
    Request(Request<'a>),
    SubAgent(SubAgent<'a>),
}

#[derive(Serialize)]
struct Request<'a> {
    t: Amount,
    #[serde(rename = "type")]
    kind: &'static str,
    model: &'a str,
    #[serde(rename = "in")]
    input: u32,
    #[serde(rename = "out")]
    output: u32,
    hash_ids: Vec<u64>,
    input_types: [&'static str; 1],
    output_types: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_time: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    think_time: Option<Amount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttft: Option<Amount>,
}

#[derive(Serialize)]
struct SubAgent<'a> {
    t: Amount,
    #[serde(rename = "type")]
    kind: &'static str,
    agent_id: String,
    total_tokens: u64,
    models: Vec<&'a str>,
    #[serde(flatten)]
    layout: Layout,
    requests: Vec<Request<'a>>,
}

/// Sums of tokens.
#[derive(Clone, Copy, Default, Serialize)]
struct Sum {
    input: u64,
    output: u64,
}

#[derive(Serialize)]
struct Totals {
    parent_tokens: Sum,
    subagent_tokens: Sum,
    combined_tokens: Sum,
    subagent_count: usize,
}

impl Exporter for KvCacheTester {
    fn name(&self) -> &'static str {
        "kv-cache-tester"
    }

    fn about(&self) -> &'static str {
        "kv-cache-tester JSON: one document a session, with ids of 64-token blocks"
    }

    fn ending(&self) -> &'static str {
        "json"
    }

    fn write(&self, set: &Set<'_>, to: &mut dyn Documents) -> Result<Exported, ExportError> {
        if let Some(asked) = set.block_tokens.filter(|asked| *asked != BLOCK) {
            let expected = BLOCK.to_string();
            return Err(ExportError::Block { format: "kv-cache-tester", asked, expected });
        }
        let mut exported = Exported::default();
        for session in set.sessions {
            let blocks = Blocks::new(BLOCK, false);
            if !blocks.fit(session) {
                exported.lose("sessions whose blocks would have to be split", 1);
                continue;
            }
            let out = to.begin(&session.id)?;
            serde_json::to_writer(&mut *out, &document(session, blocks, &mut exported))?;
            out.write_all(b"\n")?;
            exported.sessions += 1;
            exported.documents += 1;
            exported.calls += session.calls.len() as u64;
            lost::count(&mut exported, session, LOST);
        }
        Ok(exported)
    }
}

fn document<'a>(session: &'a Session, mut blocks: Blocks, exported: &mut Exported) -> Document<'a> {
    let at_us = times(session, exported);
    let root = blocks.root();
    let mut requests: Vec<(u64, Item<'a>)> = Vec::new();
    let mut sub_agents: Vec<(u64, u32, SubAgent<'a>)> = Vec::new();
    for call in &session.calls {
        let ids = blocks.prompt(root, session, call);
        let at = at_us[call.id as usize];
        if call.agent == 0 {
            requests.push((at, Item::Request(request(session, call, at, ids))));
            continue;
        }
        let place = sub_agents.iter().position(|(_, agent, _)| *agent == call.agent).unwrap_or_else(|| {
            sub_agents.push((at, call.agent, sub_agent(session, call.agent, at)));
            sub_agents.len() - 1
        });
        let (began, _, nested) = &mut sub_agents[place];
        nested.requests.push(request(session, call, at.saturating_sub(*began), ids));
    }
    let subagent_count = sub_agents.len();
    requests.extend(sub_agents.into_iter().map(|(began, _, nested)| (began, Item::SubAgent(nested))));
    requests.sort_by_key(|(at, _)| *at);
    let sum = |of: &dyn Fn(&Call) -> bool| {
        let calls = session.calls.iter().filter(|call| of(call));
        calls.fold(Sum::default(), |sum, call| Sum {
            input: sum.input + u64::from(call.prompt_tokens),
            output: sum.output + u64::from(call.output()),
        })
    };
    Document {
        id: &session.id,
        models: &session.models,
        block_size: BLOCK,
        hash_id_scope: "local",
        layout: layout(session, 0),
        requests: requests.into_iter().map(|(_, item)| item).collect(),
        totals: Totals {
            parent_tokens: sum(&|call| call.agent == 0),
            subagent_tokens: sum(&|call| call.agent != 0),
            combined_tokens: sum(&|_| true),
            subagent_count,
        },
    }
}

/// When each call is sent, from the session's start. Where the trace gives only pauses, what it is
/// known to wait for decides.
fn times(session: &Session, exported: &mut Exported) -> Vec<u64> {
    let start = session.calls.iter().filter_map(|call| call.at_us).min().unwrap_or(0);
    let mut at_us: Vec<u64> = Vec::with_capacity(session.calls.len());
    let mut derived = 0;
    for call in &session.calls {
        at_us.push(call.at_us.map_or_else(
            || {
                derived += 1;
                let end = |earlier: &u32| {
                    let took = session.calls.get(*earlier as usize).and_then(took_us);
                    at_us.get(*earlier as usize).map_or(0, |at| at + took.unwrap_or(0))
                };
                call.after.iter().map(end).max().unwrap_or(0) + call.delay_us.unwrap_or(0)
            },
            |us| us - start,
        ));
    }
    exported.lose("calls without a time stamp, placed by their pauses", derived);
    at_us
}

fn took_us(call: &Call) -> Option<u64> {
    call.recorded.as_ref().and_then(|recorded| recorded.e2e_us)
}

fn request<'a>(session: &'a Session, call: &Call, at_us: u64, hash_ids: Vec<u64>) -> Request<'a> {
    let last = call.view.last().and_then(|run| run.indices().next_back());
    let last = last.and_then(|last| session.messages.get(last as usize));
    let from_tool = last
        .is_some_and(|message| message.role == MessageRole::Tool || message.kind == MessageKind::Observation);
    let own = |earlier: &u32| {
        session.calls.get(*earlier as usize).is_some_and(|earlier| earlier.agent == call.agent)
    };
    let paced = call.after.len() == 1 && call.after.iter().all(own) && !call.estimated;
    let seconds = |us| Amount::of(us, SECOND);
    Request {
        t: seconds(at_us),
        kind: "n",
        model: session.models.get(call.model as usize).map_or("unknown", String::as_str),
        input: call.prompt_tokens,
        output: call.output(),
        hash_ids,
        input_types: [if from_tool { "tool_result" } else { "text" }],
        output_types: if call.tools.is_empty() { Vec::new() } else { vec!["tool_use"] },
        api_time: took_us(call).map(seconds),
        think_time: call.delay_us.filter(|_| paced).map(seconds),
        ttft: call.recorded.as_ref().and_then(|recorded| recorded.ttft_us).map(seconds),
    }
}

fn sub_agent(session: &Session, agent: u32, at_us: u64) -> SubAgent<'_> {
    let calls = || session.calls.iter().filter(|call| call.agent == agent);
    let mut models: Vec<u32> = calls().map(|call| call.model).collect();
    models.sort_unstable();
    models.dedup();
    SubAgent {
        t: Amount::of(at_us, SECOND),
        kind: "subagent",
        agent_id: format!("agent_{agent:03}"),
        total_tokens: calls().map(|call| u64::from(call.prompt_tokens) + u64::from(call.output())).sum(),
        models: models.iter().filter_map(|at| session.models.get(*at as usize)).map(String::as_str).collect(),
        layout: layout(session, agent),
        requests: Vec::new(),
    }
}

/// Tool schemas and system prompt at the beginning of an agent's first prompt.
fn layout(session: &Session, agent: u32) -> Layout {
    let first = session.calls.iter().find(|call| call.agent == agent);
    let Some(first) = first.filter(|call| !call.view.is_empty()) else { return Layout::default() };
    let messages = || {
        let view = first.view.iter().flat_map(|run| run.indices());
        view.filter_map(|at| session.messages.get(at as usize))
    };
    let tokens = |kind| {
        messages()
            .take_while(|m| m.role == MessageRole::System)
            .filter(|m| m.kind == kind)
            .map(|m| m.tokens)
            .sum()
    };
    Layout {
        tool_tokens: Some(tokens(MessageKind::Tools)),
        system_tokens: Some(tokens(MessageKind::SystemPrompt)),
    }
}
