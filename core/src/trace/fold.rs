//! Folding: from many small chunks to the fewest segments that keep every sharing.
//!
//! An importer writes a session whose segments are still chunks: blocks of the source, or hashes of
//! 64 tokens of text. A chunk list may name the same id several times. Folding joins neighbours
//! that always occur together, in every prompt of the set, and never cross the border of a
//! message. What two prompts shared before, they share after, to the chunk.

use super::{Run, Scope, Segment, Session};
use std::collections::HashMap;

/// Folds a whole set. Sessions of scope `set` are folded together, the others each on its own.
/// Ids become dense, in order of first appearance, so that the same input gives the same bytes.
pub fn fold(sessions: &mut [Session]) {
    let mut shared = Folder::default();
    for session in sessions.iter().filter(|s| s.scope == Scope::Set) {
        shared.learn(session);
    }
    for session in sessions.iter_mut() {
        if session.scope == Scope::Set {
            shared.apply(session);
        } else {
            fold_one(session);
        }
    }
}

/// Folds one session whose ids are local.
pub fn fold_one(session: &mut Session) {
    let mut folder = Folder::default();
    folder.learn(session);
    folder.apply(session);
}

/// What stands before (or behind) a chunk wherever it occurs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Neighbour {
    Unseen,
    Always(u32),
    /// Different neighbours, or the border of a prompt or message.
    Border,
}

impl Neighbour {
    fn meet(&mut self, other: Neighbour) {
        *self = match (*self, other) {
            (Neighbour::Unseen, seen) => seen,
            (Neighbour::Always(a), Neighbour::Always(b)) if a == b => Neighbour::Always(a),
            _ => Neighbour::Border,
        };
    }
}

/// Learns which chunks always stand together, then rewrites sessions.
#[derive(Default)]
struct Folder {
    /// Chunk identity to chunk number. Equal ids of unequal length are different chunks.
    numbers: HashMap<(u64, u32), u32>,
    before: Vec<Neighbour>,
    behind: Vec<Neighbour>,
    /// First chunk of a segment to the segment's dense id.
    dense: HashMap<u32, u64>,
}

impl Folder {
    fn number(&mut self, chunk: Segment) -> u32 {
        let next = self.before.len() as u32;
        let number = *self.numbers.entry((chunk.id, chunk.tokens)).or_insert(next);
        if number == next {
            self.before.push(Neighbour::Unseen);
            self.behind.push(Neighbour::Unseen);
        }
        number
    }

    fn learn(&mut self, session: &Session) {
        let cuts = cuts(session);
        let numbers: Vec<u32> = session.segments.iter().map(|&chunk| self.number(chunk)).collect();
        for (at, &number) in numbers.iter().enumerate() {
            let before = if cuts[at] { Neighbour::Border } else { Neighbour::Always(numbers[at - 1]) };
            let behind = if cuts[at + 1] { Neighbour::Border } else { Neighbour::Always(numbers[at + 1]) };
            self.before[number as usize].meet(before);
            self.behind[number as usize].meet(behind);
        }
    }

    fn apply(&mut self, session: &mut Session) {
        let numbers: Vec<u32> = session.segments.iter().map(|&chunk| self.number(chunk)).collect();
        let mut folded: Vec<Segment> = Vec::new();
        // For each chunk, the segment it opens; `None` inside a segment.
        let mut opens: Vec<Option<u32>> = Vec::with_capacity(numbers.len());
        let mut place: HashMap<u64, u32> = HashMap::new();
        let mut growing = None;
        for (at, &number) in numbers.iter().enumerate() {
            let apart = at == 0
                || self.before[number as usize] == Neighbour::Border
                || self.behind[numbers[at - 1] as usize] == Neighbour::Border;
            if apart {
                let next = self.dense.len() as u64;
                let id = *self.dense.entry(number).or_insert(next);
                let fresh = !place.contains_key(&id);
                let index = *place.entry(id).or_insert(folded.len() as u32);
                if fresh {
                    folded.push(Segment { id, tokens: 0 });
                }
                opens.push(Some(index));
                growing = fresh.then_some(index as usize);
            } else {
                opens.push(None);
            }
            if let Some(index) = growing {
                folded[index].tokens += session.segments[at].tokens;
            }
        }
        for call in &mut session.calls {
            let mut runs = Vec::new();
            let chunks = call.prompt.iter().flat_map(|run| run.indices());
            chunks
                .filter_map(|chunk| opens[chunk as usize])
                .for_each(|segment| Run::push(&mut runs, segment));
            call.prompt = runs;
        }
        for message in &mut session.messages {
            message.parts = message.parts.iter().filter_map(|&chunk| opens[chunk as usize]).collect();
        }
        session.segments = folded;
    }
}

/// Places of the chunk list where a prompt run or a message begins or ends. Has one entry more than
/// there are chunks.
fn cuts(session: &Session) -> Vec<bool> {
    let count = session.segments.len();
    let mut cuts = vec![false; count + 1];
    cuts[0] = true;
    cuts[count] = true;
    for run in session.calls.iter().flat_map(|call| &call.prompt) {
        let range = run.indices();
        cuts[range.start as usize] = true;
        cuts[range.end as usize] = true;
    }
    for message in &session.messages {
        let mut previous = None;
        for &part in &message.parts {
            if previous != Some(part) {
                cuts[part as usize] = true;
            }
            previous = Some(part + 1);
        }
        if let Some(end) = previous {
            cuts[end as usize] = true;
        }
        for pair in message.parts.windows(2).filter(|pair| pair[1] != pair[0] + 1) {
            cuts[pair[0] as usize + 1] = true;
        }
    }
    cuts
}
