//! From a dialogue to a session without content, and to a transcript with it.

use super::sizes::{Sized, outputs, sizes};
use super::{Asked, Dialogue, Said, Tool, order, text};
use crate::import::names::{self, Models, Tools};
use crate::import::tokens::TokenCounter;
use crate::trace::{
    Call, CallRole, Mark, Message, Recorded, Scope, Session, Tag, ToolUse, Transcript, TranscriptMessage,
};

/// What is the same for all calls of a session.
struct Made {
    sized: Sized,
    outputs: Vec<u32>,
    models: Models,
    tools: Tools,
}

pub(super) fn session(mut dialogue: Dialogue<'_>, format: &str, counter: &dyn TokenCounter) -> Session {
    order::sort(&mut dialogue);
    let sized = sizes(&dialogue, counter);
    let outputs = outputs(&dialogue, &sized);
    let mut made = Made { sized, outputs, models: Models::default(), tools: Tools::default() };
    let messages = messages(&dialogue.said, &made.sized, &mut made.tools);
    let times = order::times(&dialogue.asked);
    let model = match dialogue.model.as_ref() {
        "" => names::UNKNOWN,
        model => model,
    };
    let calls: Vec<Call> = (0_u32..)
        .zip(dialogue.asked.iter().zip(times))
        .map(|(id, (asked, time))| call(id, asked, time, model, &mut made))
        .collect();
    let counted = dialogue.totals.is_some() || dialogue.asked.iter().any(|asked| asked.usage.is_some());
    let counter = counter.name();
    let mut session = Session {
        id: dialogue.id,
        source: format.to_owned(),
        harness: dialogue.harness,
        models: made.models.names,
        scope: Scope::Set,
        block_tokens: None,
        counts_from: if counted { format!("source+{counter}") } else { counter },
        marks: Vec::new(),
        messages,
        segments: made.sized.chunks,
        calls,
        outcome: dialogue.outcome,
    };
    dialogue.marks.into_iter().for_each(|mark| session.mark(mark));
    if session.calls.iter().any(|call| call.estimated) {
        session.mark(Mark::Estimated);
    }
    if drops(&session.calls) {
        session.mark(Mark::ContextDrop);
    }
    session
}

/// Whether a prompt of the main agent is less than half of its last one for the same model.
fn drops(calls: &[Call]) -> bool {
    let mut latest: Vec<Option<u32>> = Vec::new();
    calls.iter().filter(|call| call.role == CallRole::Agent).any(|call| {
        let model = call.model as usize;
        latest.resize(latest.len().max(model + 1), None);
        let before = latest[model].replace(call.prompt_tokens);
        before.is_some_and(|before| call.prompt_tokens < before / 2)
    })
}

fn call(id: u32, asked: &Asked<'_>, time: order::Time, default_model: &str, made: &mut Made) -> Call {
    let usage = asked.usage.clone().unwrap_or_default();
    let recorded = Recorded {
        ttft_us: asked.ttft_us,
        e2e_us: asked.e2e_us,
        cached_tokens: usage.cached.map(u64::from),
        cache_write_tokens: usage.cache_write.map(u64::from),
        output_tokens: asked.written_output.map(u64::from),
        cost_usd: asked.cost_usd,
    };
    // What is neither counted nor shown is unknown: no reply is empty.
    let output_tokens = usage.output.or(Some(made.outputs[id as usize]).filter(|&counted| counted > 0));
    let after = asked.after.clone().unwrap_or_default();
    Call {
        id,
        agent: asked.agent,
        model: made.models.index(if asked.model.is_empty() { default_model } else { &asked.model }),
        role: asked.role,
        delay_us: if after.is_empty() { None } else { time.delay_us },
        after,
        at_us: time.at_us,
        prompt: made.sized.prompt(&asked.view),
        // Neither counted nor shown, it measures at least one token: no prompt is empty.
        prompt_tokens: usage
            .prompt
            .unwrap_or_else(|| made.sized.sum(&asked.view).clamp(1, u32::MAX.into()) as u32),
        view: asked.view.clone(),
        reply: asked.reply,
        output_tokens,
        // Where the provider counts more reasoning than output, it counts it apart from the output.
        reasoning_tokens: usage.reasoning.filter(|&reasoning| Some(reasoning) <= output_tokens).unwrap_or(0),
        tools: asked.tools.iter().map(|tool| tool_use(tool, &mut made.tools)).collect(),
        estimated: asked.estimated || usage.prompt.is_none() || usage.output.is_none(),
        recorded: (recorded != Recorded::default()).then_some(recorded),
    }
}

fn tool_use(tool: &Tool<'_>, tools: &mut Tools) -> ToolUse {
    ToolUse { name: tools.name(&tool.name), us: tool.us, ok: tool.ok }
}

fn messages(said: &[Said<'_>], sized: &Sized, tools: &mut Tools) -> Vec<Message> {
    let message = |(place, said): (usize, &Said<'_>)| Message {
        agent: said.agent,
        role: said.role,
        kind: said.kind,
        tokens: sized.tokens[place],
        parts: sized.parts[place].indices().collect(),
        tool: said.tool.as_deref().map(|tool| tools.name(tool)),
        lines: text::lines(&said.text),
        words: text::words(&said.text),
        path: said.path,
        window: said.window.clone(),
        tags: tags(said, sized.residual[place]),
    };
    said.iter().enumerate().map(message).collect()
}

/// The tags of a message, sorted.
fn tags(said: &Said<'_>, residual: bool) -> Vec<Tag> {
    let mut tags = said.tags.clone();
    tags.extend(residual.then_some(Tag::Residual));
    tags.sort_unstable();
    tags.dedup();
    tags
}

pub(super) fn transcript(dialogue: &Dialogue<'_>) -> Transcript {
    let mut tools = Tools::default();
    let message = |said: &Said<'_>| TranscriptMessage {
        agent: said.agent,
        role: said.role,
        kind: said.kind,
        text: said.text.clone().into_owned(),
        tool: said.tool.as_deref().map(|tool| tools.name(tool)),
        tags: tags(said, false),
    };
    Transcript { id: dialogue.id.clone(), messages: dialogue.said.iter().map(message).collect() }
}
