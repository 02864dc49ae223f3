//! One session, call by call: its strips, and where a prompt left the one before it.

use atr_core::report::session_strips;
use atr_core::trace::{Call, CallRole, Run, Session};
use atr_web::protocol::{Break, CallView, SessionView};
use std::collections::BTreeMap;

/// Block size for sources that are exact to the token: what engines commonly use.
const ENGINE_BLOCK: u32 = 16;
/// Prompts of such sources are compared in chunks of this size.
const CHUNK_TOKENS: u32 = 64;

/// The session as the page shows it.
pub(crate) fn view(set: &str, session: &Session) -> SessionView {
    let block = session.block_tokens.unwrap_or(ENGINE_BLOCK);
    let mut last: BTreeMap<(u32, u32), &Call> = BTreeMap::new();
    let calls = session.calls.iter().map(|call| {
        let before = last.insert((call.agent, call.model), call);
        CallView {
            model: call.model,
            agent: if call.role == CallRole::Agent { 0 } else { call.agent.max(1) },
            recorded_cached: call.recorded.as_ref().and_then(|recorded| recorded.cached_tokens),
            tools: call.tools.iter().map(|tool| tool.name.clone()).collect(),
            messages: call.view.iter().map(|run| run.count).sum(),
            broke: before.and_then(|before| broke(session, before, call)),
        }
    });
    SessionView {
        set: set.to_owned(),
        id: session.id.clone(),
        harness: session.harness.clone(),
        models: session.models.clone(),
        counts_from: session.counts_from.clone(),
        block_tokens: session.block_tokens,
        marks: session.marks.clone(),
        exit: session.outcome.as_ref().map(|outcome| outcome.exit.clone()),
        resolved: session.outcome.as_ref().and_then(|outcome| outcome.resolved),
        strips: session_strips(session, block),
        calls: calls.collect(),
    }
}

/// Where `call` left the prompt of `before`, if it did so by more than the grain of the source.
fn broke(session: &Session, before: &Call, call: &Call) -> Option<Break> {
    let (shared, left_at) = common(session, &before.prompt, &call.prompt);
    let lost = u64::from(before.prompt_tokens).checked_sub(shared)?;
    let grain = session.block_tokens.unwrap_or(CHUNK_TOKENS);
    if lost <= grain.into() {
        return None;
    }
    let message = left_at.and_then(|segment| {
        let mut places = call.view.iter().flat_map(|run| run.indices()).zip(1_u32..);
        places.find_map(|(index, place)| {
            let message = session.messages.get(index as usize)?;
            message.parts.contains(&segment).then_some((place, message.role, message.kind, message.tokens))
        })
    });
    Some(Break { at_tokens: shared, lost_tokens: lost, message })
}

/// Tokens before two prompts part, and the second one's segment at that place.
fn common(session: &Session, a: &[Run], b: &[Run]) -> (u64, Option<u32>) {
    let mut first = a.iter().flat_map(|run| run.indices());
    let mut shared = 0;
    for index in b.iter().flat_map(|run| run.indices()) {
        if first.next() != Some(index) {
            return (shared, Some(index));
        }
        shared += session.segments.get(index as usize).map_or(0, |segment| u64::from(segment.tokens));
    }
    (shared, None)
}
