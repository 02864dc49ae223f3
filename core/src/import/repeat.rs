//! Sessions that equal an earlier one, told by 128 bits each, so that a stream of any length can be
//! checked. Among a million sessions two different ones collide with a chance of 1 in 10^26.

use crate::trace::{Mark, Scope, Segment, Session};
use std::collections::HashSet;

/// The sessions seen so far.
#[derive(Default)]
pub(super) struct Repeats {
    seen: HashSet<u128>,
}

impl Repeats {
    /// Marks a session that equals an earlier one in prompt runs, sizes and outputs, whatever its id.
    /// Where prompts have no identity, equal sizes say nothing.
    pub(super) fn mark(&mut self, session: &mut Session) {
        let comparable = !session.has(Mark::Sessionless) && !session.segments.is_empty();
        if comparable && !self.seen.insert(shape(session)) {
            session.mark(Mark::Duplicate);
        }
    }
}

/// A digest of what makes two sessions the same. Every list is preceded by its length. Where prompts are
/// equal as runs, they are equal if the segments in any of them are.
fn shape(session: &Session) -> u128 {
    let mut digest = Digest(0);
    digest.take(session.calls.len() as u64);
    for call in &session.calls {
        digest.take(u64::from(call.prompt_tokens) << 32 | u64::from(call.output()));
        digest.take(call.prompt.len() as u64);
        call.prompt.iter().for_each(|run| digest.take(u64::from(run.first) << 32 | u64::from(run.count)));
    }
    // Ids count only where they mean the same in both sessions.
    if session.scope == Scope::Set {
        sent(session).for_each(|segment| digest.take(segment.id));
    }
    digest.0 ^ u128::from(session.scope == Scope::Set)
}

/// The segments that are in any prompt, each once.
fn sent(session: &Session) -> impl Iterator<Item = &Segment> {
    // How many runs begin less how many end before each segment.
    let mut steps = vec![0_i64; session.segments.len() + 1];
    for run in session.calls.iter().flat_map(|call| &call.prompt).map(|run| run.indices()) {
        steps[run.start as usize] += 1;
        steps[run.end as usize] -= 1;
    }
    let mut covering = 0;
    session.segments.iter().zip(steps).filter_map(move |(segment, step)| {
        covering += step;
        (covering > 0).then_some(segment)
    })
}

/// A chain of multiplications and shifts over 128 bits, each of them reversible: two states that
/// differ go on differing under equal input.
struct Digest(u128);

impl Digest {
    fn take(&mut self, word: u64) {
        // An odd multiplier with good spectral properties, from the generator PCG-128.
        const MULTIPLIER: u128 = 0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645;
        let mixed = (self.0 ^ u128::from(word)).wrapping_add(1).wrapping_mul(MULTIPLIER);
        self.0 = mixed ^ (mixed >> 67);
    }
}
