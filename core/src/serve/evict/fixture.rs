//! Small workloads for the tests of evictions.

use super::{About, Choice, Eviction, Leaf, Memory, Use};
use crate::choice;
use crate::serve::latency::Coefficients;
use crate::serve::memory::Order;
use crate::serve::prefix::PrefixTree;
use crate::trace::{CallRole, Run, Start, WorkCall, WorkSession, Workload};
use crate::trace::{Scope, Segment};

/// Calls given as (session, segments of the prompt); segments have four tokens. A session's calls stand side by side, and
/// each waits for the one before.
pub(in crate::serve) fn workload(calls: &[(u32, &[u32])]) -> Workload {
    let sessions = calls.iter().map(|&(session, _)| session + 1).max().unwrap_or(0);
    let segments = calls.iter().flat_map(|&(_, prompt)| prompt).max().map_or(0, |&most| most + 1);
    let call = |(id, &(session, prompt)): (u32, &(u32, &[u32]))| {
        let mut runs = Vec::new();
        prompt.iter().for_each(|&segment| Run::push(&mut runs, segment));
        let before = id.checked_sub(1).filter(|&before| calls[before as usize].0 == session);
        WorkCall {
            id,
            session,
            source_call: Some(id),
            model: 0,
            role: CallRole::Agent,
            prompt: runs,
            reply: Vec::new(),
            prompt_tokens: 4 * prompt.len() as u32,
            output_tokens: 1,
            max_tokens: 1,
            start: Start { after: before.into_iter().collect(), delay_us: 0, at_us: id.into() },
            priority: 0,
            predict_key: 0,
            new_tokens: 0,
        }
    };
    let session = |number: u32| {
        let first = calls.iter().position(|&(session, _)| session == number).unwrap_or(0) as u32;
        let count = calls.iter().filter(|&&(session, _)| session == number).count() as u32;
        WorkSession { id: number.to_string(), calls: Run { first, count }, sessionless: false, start_us: 0 }
    };
    Workload {
        calls: (0..).zip(calls).map(call).collect(),
        segments: (0..segments).map(|id| Segment { id: id.into(), tokens: 4 }).collect(),
        sessions: (0..sessions).map(session).collect(),
        models: vec!["m".to_owned()],
        predict_keys: vec!["tool".to_owned()],
        scope: Scope::Set,
        block_tokens: None,
        unknown_outputs: Vec::new(),
    }
}

/// A cache of 100 blocks in front of `work`; a token costs 10 and a pair 1.
pub(in crate::serve) fn memory<'a>(work: &'a Workload, tree: &'a PrefixTree, order: &'a [u32]) -> Memory<'a> {
    Memory {
        work,
        tree,
        costs: Coefficients { prefill_token: 10, attention_pair: 1, ..Coefficients::default() },
        capacity_blocks: 100,
        host_blocks: 0,
        max_batch: 4,
        reuse: true,
        order: Order::Given(order),
        speed: 1.0,
    }
}

/// A member of the family by its text.
pub(super) fn chosen(family: &'static [About], text: &str) -> Choice {
    choice::choose(family, text).unwrap()
}

/// A leaf of one block where a call's prompt ends, let go at the given stamp and time.
pub(super) fn leaf(tree: &PrefixTree, call: u32, stamp: u64, at: u64) -> Leaf {
    Leaf { node: tree.prompt(call), stamp, blocks: 1, last: Use { call, at }, ..Leaf::default() }
}

/// All that is left, by the stamps of the offers.
pub(super) fn drain(evict: &mut dyn Eviction, now: u64) -> Vec<u64> {
    std::iter::from_fn(|| evict.next(now)).map(|(_, stamp)| stamp).collect()
}
