//! A session as strips: one row a call, its prompt split into what an earlier call of the same
//! session had already sent and what is new to the server.

use crate::trace::{CallRole, Session};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// One call as a strip.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripRow {
    /// 0 is the main agent.
    pub agent: u32,
    /// Time since the call before it, where known.
    pub pause_us: Option<u64>,
    /// Length of the prompt.
    pub prompt_tokens: u64,
    /// Of these, found in a cache.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub output_tokens: u64,
    /// Tokens computed again although the call before it had sent as many: the prefix broke.
    pub again_tokens: u64,
}

/// A break smaller than this share of the prompt is the rounding to whole blocks.
const BREAK_SHARE: f64 = 0.05;

/// Fills `again_tokens`: what a call computes although the agent's call before it was that long.
pub(super) fn mark_again(rows: &mut [StripRow]) {
    let mut last: HashMap<u32, u64> = HashMap::new();
    for row in rows {
        let before = last.insert(row.agent, row.prompt_tokens).unwrap_or(0);
        let again = before.min(row.prompt_tokens).saturating_sub(row.cached_tokens);
        let floor = (row.prompt_tokens as f64 * BREAK_SHARE) as u64;
        row.again_tokens = if again > floor { again } else { 0 };
    }
}

/// What an infinite cache, empty before the session, would find of each call: the longest prefix
/// that an earlier prompt or reply under the same model left, in whole blocks.
pub fn session_strips(session: &Session, block_tokens: u32) -> Vec<StripRow> {
    let block = u64::from(block_tokens.max(1));
    let mut known: HashMap<(u32, u64), u32> = HashMap::new();
    let mut nodes: u32 = session.models.len() as u32;
    let mut rows = Vec::with_capacity(session.calls.len());
    for call in &session.calls {
        let reply = call.reply.and_then(|reply| session.messages.get(reply as usize));
        let prompt = call.prompt.iter().flat_map(|run| run.indices());
        let reply = reply.into_iter().flat_map(|message| message.parts.iter().copied());
        let (mut node, mut matched, mut fresh) = (call.model, 0_u64, false);
        let prompt_segments = prompt.clone().count();
        for (place, index) in prompt.chain(reply).enumerate() {
            let Some(segment) = session.segments.get(index as usize) else { break };
            let next = *known.entry((node, segment.id)).or_insert_with(|| {
                fresh = true;
                nodes += 1;
                nodes
            });
            if !fresh && place < prompt_segments {
                matched += u64::from(segment.tokens);
            }
            node = next;
        }
        let prompt_tokens = u64::from(call.prompt_tokens);
        let matched = matched.min(prompt_tokens);
        rows.push(StripRow {
            agent: u32::from(call.role != CallRole::Agent) * call.agent.max(1),
            pause_us: call.delay_us,
            prompt_tokens,
            cached_tokens: if matched == prompt_tokens { matched } else { matched / block * block },
            output_tokens: call.output().into(),
            again_tokens: 0,
        });
    }
    mark_again(&mut rows);
    rows
}

#[cfg(test)]
mod tests {
    use super::session_strips;
    use crate::trace::Session;

    fn session(prompts: &[(&str, u32)]) -> Session {
        let calls: Vec<String> = prompts
            .iter()
            .enumerate()
            .map(|(id, (runs, tokens))| {
                format!(r#"{{"id":{id},"prompt":{runs},"prompt_tokens":{tokens},"output_tokens":1}}"#)
            })
            .collect();
        let text = format!(
            r#"{{"id":"s","source":"t","harness":"h","models":["m"],"scope":"session","counts_from":"source",
                "segments":[[0,100],[1,100],[2,100],[3,100]],"calls":[{}]}}"#,
            calls.join(",")
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn growth_is_cached_and_a_changed_head_is_not() {
        let rows =
            session_strips(&session(&[("[[0,2]]", 200), ("[[0,3]]", 300), ("[[0,1],[2,1],[3,1]]", 300)]), 1);
        let cached: Vec<u64> = rows.iter().map(|row| row.cached_tokens).collect();
        assert_eq!(cached, [0, 200, 100]);
        let again: Vec<u64> = rows.iter().map(|row| row.again_tokens).collect();
        assert_eq!(again, [0, 0, 200], "the third call sends as much as the second but shares 100 only");
    }

    #[test]
    fn shared_tokens_round_down_to_whole_blocks() {
        let rows = session_strips(&session(&[("[[0,2]]", 200), ("[[0,3]]", 300)]), 64);
        assert_eq!(rows[1].cached_tokens, 192);
    }
}
