//! The least KV memory of a replica that finds a share of the ceiling: a search over the simulator.
//!
//! Cached blocks and running calls share a replica's memory, so a curve of cached blocks alone says too little. From its
//! figure on, memory is doubled or halved until the share holds on one side and not on the other, and the gap is
//! halved to a twentieth. More memory can find less; so the answer is the least from which on everything tried holds.

use serde::Serialize;
use std::collections::BTreeMap;

/// Gaps are halved until the larger side is at most so much of the smaller one.
const CLOSE: f64 = 1.05;
/// Most doublings or halvings of the first figure.
const MOST_DOUBLINGS: u32 = 24;
/// Most steps towards a memory that more adds nothing to.
const MOST_STEPS: u32 = 12;

/// What one memory gives.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tried {
    /// KV capacity of a replica.
    pub kv_tokens: u64,
    /// Share of the ceiling that is found.
    pub share_of_ceiling: f64,
    /// Calls that are not answered.
    pub failed: u64,
    /// Whether more memory would change nothing: nothing had to leave a cache, and nothing was too large.
    pub enough: bool,
}

/// The answer for one share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LeastMemory {
    /// The share.
    pub share_of_ceiling: f64,
    /// The least memory; nothing where no memory finds so much.
    pub kv_tokens: Option<u64>,
    /// Whether less memory held too, and more did not in between.
    pub not_monotone: bool,
}

/// What was tried of one set-up.
struct MemorySearch<'a, E> {
    block: u64,
    /// Fewest calls that any memory leaves without an answer.
    unanswerable: u64,
    /// A memory that more adds nothing to.
    most: u64,
    tried: BTreeMap<u64, Tried>,
    run: &'a mut dyn FnMut(u64) -> Result<Option<Tried>, E>,
}

impl<E> MemorySearch<'_, E> {
    /// Whole blocks, one at least.
    fn rounded(&self, kv_tokens: f64) -> u64 {
        ((kv_tokens / self.block as f64) as u64).max(1).saturating_mul(self.block)
    }

    fn ask(&mut self, kv_tokens: u64) -> Result<Option<Tried>, E> {
        if let Some(known) = self.tried.get(&kv_tokens) {
            return Ok(Some(*known));
        }
        let tried = (self.run)(kv_tokens)?;
        if let Some(tried) = tried {
            self.tried.insert(kv_tokens, tried);
        }
        Ok(tried)
    }

    /// A hit rate over fewer calls is no answer: as many must be answered as with any memory.
    fn holds(&self, tried: &Tried, share: f64) -> bool {
        tried.share_of_ceiling >= share && tried.failed <= self.unanswerable
    }

    /// Two memories that were tried for other shares, where they are close enough to begin with.
    fn known(&self, share: f64) -> (Option<u64>, Option<u64>) {
        let holds = self.tried.values().find(|tried| self.holds(tried, share)).map(|tried| tried.kv_tokens);
        let fails = holds.and_then(|holds| self.tried.range(..holds).next_back()).map(|(fails, _)| *fails);
        match (fails, holds) {
            (Some(fails), Some(holds)) if holds <= fails * 2 => (Some(fails), Some(holds)),
            _ => (None, None),
        }
    }

    /// Tries memories for one share, from `start` on; ends early where the set-up cannot be applied.
    fn search(&mut self, share: f64, start: u64) -> Result<(), E> {
        if let Some((fails, holds)) = self.bracket(share, start)?
            && let Some(least) = self.narrowed(share, fails, holds)?
        {
            // Whether more is never worse: some way above the answer.
            self.ask(self.rounded(least as f64 * 1.25))?;
        }
        Ok(())
    }

    /// A memory with which the share fails and one with which it holds, by doubling or halving; nothing where all that can be
    /// tried is on one side.
    fn bracket(&mut self, share: f64, start: u64) -> Result<Option<(u64, u64)>, E> {
        let (mut fails, mut holds) = self.known(share);
        let mut at = self.rounded(start as f64);
        for _ in 0..MOST_DOUBLINGS {
            if fails.is_some() && holds.is_some() {
                break;
            }
            let Some(tried) = self.ask(at)? else { return Ok(None) };
            if self.holds(&tried, share) {
                holds = Some(at);
            } else {
                fails = Some(at);
            }
            let stuck = if holds.is_some() { at == self.block } else { at >= self.most };
            if stuck {
                break;
            }
            at = if holds.is_some() { self.rounded(at as f64 / 2.0) } else { (at * 2).min(self.most) };
        }
        Ok(fails.zip(holds))
    }

    /// Halves the gap until it is close; gives the side that holds.
    fn narrowed(&mut self, share: f64, mut fails: u64, mut holds: u64) -> Result<Option<u64>, E> {
        while holds as f64 > fails as f64 * CLOSE && holds - fails > self.block {
            let middle = self.rounded(libm::sqrt(fails as f64 * holds as f64)).max(fails + self.block);
            if middle >= holds {
                break;
            }
            let Some(tried) = self.ask(middle)? else { return Ok(None) };
            if self.holds(&tried, share) { holds = middle } else { fails = middle }
        }
        Ok(Some(holds))
    }

    fn answer(&self, share: f64) -> LeastMemory {
        let all: Vec<&Tried> = self.tried.values().collect();
        let from_on = all.iter().rev().take_while(|tried| self.holds(tried, share)).last();
        let kv_tokens = from_on.map(|tried| tried.kv_tokens);
        let below = all.iter().filter(|tried| kv_tokens.is_none_or(|least| tried.kv_tokens < least));
        let not_monotone = below.into_iter().any(|tried| self.holds(tried, share));
        LeastMemory { share_of_ceiling: share, kv_tokens, not_monotone }
    }
}

/// For each share the least memory, and all that was tried. `shares` come with the figure to begin at, `here` is a
/// memory to look at in any case; `run` simulates, or says nothing where the set-up cannot be applied.
///
/// # Errors
/// Those of `run`.
pub fn least_memory<E>(
    shares: &[(f64, u64)],
    block: u32,
    here: u64,
    run: &mut dyn FnMut(u64) -> Result<Option<Tried>, E>,
) -> Result<(Vec<LeastMemory>, Vec<Tried>), E> {
    let block = u64::from(block.max(1));
    let mut search = MemorySearch { block, unanswerable: u64::MAX, most: 0, tried: BTreeMap::new(), run };
    // The most that can be answered, and found.
    let largest = shares.iter().map(|(_, start)| *start).fold(here, u64::max);
    search.most = search.rounded(largest as f64 * 2.0);
    let mut before: Option<Tried> = None;
    for _ in 0..MOST_STEPS {
        let Some(tried) = search.ask(search.most)? else { return Ok((Vec::new(), Vec::new())) };
        search.unanswerable = search.unanswerable.min(tried.failed);
        let same = |before: Tried| {
            before.failed == tried.failed
                && before.share_of_ceiling.total_cmp(&tried.share_of_ceiling).is_eq()
        };
        if tried.enough || before.is_some_and(same) {
            break;
        }
        before = Some(tried);
        search.most = search.most.saturating_mul(4);
    }
    search.ask(here)?;
    for &(share, start) in shares {
        search.search(share, start)?;
    }
    let found = shares.iter().map(|(share, _)| search.answer(*share)).collect();
    Ok((found, search.tried.into_values().collect()))
}
