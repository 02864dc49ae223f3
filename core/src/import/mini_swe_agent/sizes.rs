//! Message sizes where the provider reports only totals: what a tokenizer counts, scaled to them.
//!
//! The system prompt keeps the tokenizer's count, so that it is the same in every run of a set. What
//! a prompt has grown by is spread over the new messages in proportion to the tokenizer's counts, and
//! inside a message over its chunks. A growth of less than half of what the tokenizer counts (the
//! provider's counts sometimes fall while messages only grow) is taken as that half, and the messages
//! are tagged as residual; the next growth makes up for it. Nothing goes negative.

use super::talk::Said;
use crate::import::HASHED_IDS;
use crate::import::tokens::TokenCounter;
use crate::trace::{MessageKind, MessageRole, Run, Segment};

/// Tokens of a chunk: identity is exact to this length.
const CHUNK: u32 = 64;

/// Sizes and chunks of a run's messages, by message.
pub(super) struct Sized {
    pub(super) chunks: Vec<Segment>,
    /// Its chunks.
    pub(super) parts: Vec<Run>,
    /// What it is taken to measure.
    pub(super) tokens: Vec<u32>,
    /// What the tokenizer counts.
    pub(super) counted: Vec<u32>,
    pub(super) residual: Vec<bool>,
    /// Chunks, and tokens, of the messages before it.
    pub(super) chunks_before: Vec<u32>,
    pub(super) sum_before: Vec<u32>,
}

/// Measures every message.
pub(super) fn sizes(said: &[Said<'_>], counter: &dyn TokenCounter) -> Sized {
    let pieces: Vec<Vec<(&str, u32)>> = said.iter().map(|said| pieces(&said.text, counter)).collect();
    let counted: Vec<u32> =
        pieces.iter().map(|pieces| pieces.iter().map(|(_, tokens)| tokens).sum()).collect();
    let (tokens, residual) = spread_growth(said, &counted);
    let mut sized = Sized {
        chunks: Vec::new(),
        parts: Vec::new(),
        counted: std::iter::zip(&counted, said)
            .map(|(&n, said)| if said.text.is_empty() { 0 } else { n })
            .collect(),
        residual,
        chunks_before: Vec::new(),
        sum_before: Vec::new(),
        tokens,
    };
    let mut sum = 0_u32;
    for (place, pieces) in pieces.iter().enumerate() {
        let first = sized.chunks.len() as u32;
        sized.chunks_before.push(first);
        sized.sum_before.push(sum);
        let mut hash = Hash::new(said[place].role);
        let weights: Vec<u32> = pieces.iter().map(|(_, tokens)| *tokens).collect();
        for ((text, _), tokens) in pieces.iter().zip(spread(&weights, sized.tokens[place])) {
            hash.take(text.as_bytes());
            sized.chunks.push(Segment { id: hash.id(), tokens });
        }
        sized.parts.push(Run { first, count: pieces.len() as u32 });
        sum = sum.saturating_add(sized.tokens[place]);
    }
    sized
}

/// Pieces of at most [`CHUNK`] tokens. Even an empty message is one piece of one token: the frame
/// around a message is never free.
fn pieces<'a>(text: &'a str, counter: &dyn TokenCounter) -> Vec<(&'a str, u32)> {
    let mut pieces = counter.split(text, CHUNK);
    if pieces.is_empty() {
        pieces.push(("", 1));
    }
    for (_, tokens) in &mut pieces {
        *tokens = (*tokens).max(1);
    }
    pieces
}

/// Sizes that add up to the provider's prompt totals wherever that is possible.
fn spread_growth(said: &[Said<'_>], counted: &[u32]) -> (Vec<u32>, Vec<bool>) {
    let mut tokens = counted.to_vec();
    let mut residual = vec![false; said.len()];
    // The messages up to here have their size.
    let mut done = 0;
    for (place, message) in said.iter().enumerate() {
        let Some(reply) = &message.reply else { continue };
        if let Some(total) = reply.usage.as_ref().and_then(|usage| usage.prompt) {
            let fixed = |place: usize| said[place].kind == MessageKind::SystemPrompt;
            let spreads: Vec<usize> = (done..place).filter(|&place| !fixed(place)).collect();
            let weights: Vec<u32> = spreads.iter().map(|&place| counted[place]).collect();
            let known: u64 =
                (0..place).filter(|place| !spreads.contains(place)).map(|p| u64::from(tokens[p])).sum();
            let least = weights.iter().map(|&n| u64::from(n)).sum::<u64>().div_ceil(2);
            let growth = u64::from(total).saturating_sub(known);
            for (&place, size) in spreads.iter().zip(spread(&weights, growth.max(least) as u32)) {
                tokens[place] = size;
                residual[place] = growth < least;
            }
        }
        done = place;
    }
    (tokens, residual)
}

/// Splits `total` in proportion to the weights, adding up exactly.
fn spread(weights: &[u32], total: u32) -> impl Iterator<Item = u32> {
    let all: u64 = weights.iter().map(|&weight| u64::from(weight)).sum::<u64>().max(1);
    let (mut weight, mut given) = (0_u64, 0_u64);
    weights.iter().map(move |&next| {
        weight += u64::from(next);
        let upto = (u128::from(weight) * u128::from(total) / u128::from(all)) as u64;
        let share = upto - given;
        given = upto;
        share as u32
    })
}

/// Identity of a text from its message's start: equal beginnings have equal ids, everywhere.
struct Hash(u64);

impl Hash {
    fn new(role: MessageRole) -> Self {
        let mut hash = Hash(0xcbf2_9ce4_8422_2325);
        hash.take(&[role as u8]);
        hash
    }

    /// FNV-1a, 64 bits.
    fn take(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn id(&self) -> u64 {
        // The finaliser of SplitMix64: FNV alone leaves the top bits weak.
        let mut id = self.0;
        id = (id ^ (id >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        id = (id ^ (id >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (id ^ (id >> 31)) | HASHED_IDS
    }
}
