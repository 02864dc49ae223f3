//! What is timed and how often, and what of it a device has room for.

use super::room;
use super::shape::Shape;
use super::step::{Batch, Limits, Weights};
use crate::gpu::device::Device;
use crate::gpu::op::PAGE;
use crate::gpu::parts::Places;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Seconds: few points.
    Quick,
    /// Half a minute on an H200.
    Usual,
    /// Minutes: more points, each as often as any.
    Thorough,
}

/// The points of a run, and how often each is timed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Most times that each point is timed, after as many warm-ups as [`Plan::warm_ups`].
    pub(crate) repeats: usize,
    /// Fewest times, however long they take.
    pub(crate) least: usize,
    /// What each point may take beyond them.
    pub(crate) budget_us: f64,
    pub(crate) warm_ups: usize,
    pub(crate) copy_bytes: u64,
    /// Rows of the products.
    pub(crate) rows: Vec<u64>,
    /// New and cached tokens of a prompt.
    pub(crate) prefills: Vec<(u64, u64)>,
    /// Sequences, and tokens that each of them has.
    pub(crate) decodes: Vec<(u64, u64)>,
    /// Steps of several kinds of work, which no fit sees.
    pub(crate) mixed: Vec<Batch>,
    /// Empty kernels in a row.
    pub(crate) launches: usize,
    /// Points that memory has no room for.
    pub(crate) no_room: Vec<String>,
}

/// 1,024 tokens behind 8,192 and behind 24,576.
const WHOLE: [u64; 2] = [9_216, 25_600];
/// New tokens and prefixes whose prompts together take longer than all others: they are timed where there is time for it.
const LONG: u64 = 4_096 * 24_576;

impl Plan {
    /// As much as was asked for, of what a model's context holds.
    pub(crate) fn new(extent: Extent, context: u64) -> Plan {
        let mut plan = match extent {
            Extent::Quick => Plan {
                repeats: 5,
                least: 3,
                budget_us: 1e5,
                warm_ups: 2,
                copy_bytes: 1 << 30,
                rows: vec![1, 64, 2_048],
                prefills: pairs(&[256, 1_024, 4_096], &[0, 4_096]),
                decodes: pairs(&[1, 8, 32], &[1_024, 8_192]),
                mixed: mixed(&[1_024], &[8]),
                launches: 1_000,
                no_room: Vec::new(),
            },
            Extent::Usual => Plan { repeats: 15, least: 3, budget_us: 1e5, warm_ups: 2, ..Plan::all() },
            Extent::Thorough => Plan::all(),
        };
        if extent == Extent::Usual {
            // Prompts of 8,192 tokens stay without a prefix.
            plan.prefills.retain(|&(new, cached)| new * cached < LONG && (new < 8_192 || cached == 0));
            plan.mixed.retain(|batch| batch.prompts.iter().all(|&(new, _)| new < 4_096));
        }
        if extent != Extent::Quick {
            // Few new tokens behind a prefix, as a short result of a tool is.
            plan.prefills.extend([2_048, 8_192, 24_576].map(|cached| (16, cached)));
            // The prompts of some prefixes and what follows them, computed as a whole.
            plan.prefills.extend(WHOLE.map(|tokens| (tokens, 0)));
        }
        plan.prefills.retain(|(new, cached)| new + cached <= context);
        plan.decodes.retain(|&(_, tokens)| tokens <= context);
        plan.mixed.retain(|batch| batch.longest() <= context);
        plan
    }

    fn all() -> Plan {
        Plan {
            repeats: 15,
            least: 15,
            budget_us: 0.0,
            warm_ups: 3,
            copy_bytes: 4 << 30,
            rows: vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192],
            prefills: pairs(&[64, 256, 512, 1_024, 2_048, 4_096, 8_192], &[0, 2_048, 8_192, 24_576]),
            decodes: pairs(&[1, 2, 4, 8, 16, 32, 64, 128], &[512, 2_048, 8_192, 24_576]),
            mixed: mixed(&[1_024, 2_048, 4_096], &[8, 32]),
            launches: 2_000,
            no_room: Vec::new(),
        }
    }

    /// Every step, in the order in which they are timed.
    fn steps(&self) -> Vec<Batch> {
        let prompts = self.prefills.iter().map(|&(new, cached)| Batch::prompt(new, cached));
        let decodes = self.decodes.iter().map(|&(sequences, tokens)| Batch::decoding(sequences, tokens));
        prompts.chain(decodes).chain(self.mixed.iter().cloned()).collect()
    }

    /// What a model must have room for.
    pub(crate) fn limits(&self) -> Limits {
        let all = self.steps();
        let most = |of: fn(&Batch) -> u64| all.iter().map(of).max().unwrap_or(1);
        Limits {
            rows: self.rows.iter().copied().max().unwrap_or(1).max(most(Batch::rows)),
            batch: most(Batch::sequences),
            context: most(Batch::longest),
            pages: most(Batch::pages),
        }
    }

    /// Takes out what a model on this device will have no room for: first steps of so many rows that what stands between their
    /// pieces leaves none of them its pages, then steps of more pages than are left.
    ///
    /// # Errors
    /// When no step has room, or the device fails.
    pub(crate) fn cut(
        &mut self,
        device: &mut dyn Device,
        shape: &Shape,
        weights: Weights,
    ) -> anyhow::Result<()> {
        let (free, places) = (device.free_bytes()?, Places::of(device)?);
        let page_bytes = PAGE * shape.kv_bytes_per_token();
        let pages = loop {
            let limits = self.limits();
            let taken = room::bytes(shape, weights, &limits, places);
            let pages = room::for_pages(free).saturating_sub(taken) / page_bytes;
            let largest = self.steps().into_iter().filter(|batch| batch.rows() == limits.rows);
            if largest.map(|batch| batch.pages()).min().unwrap_or(1) <= pages {
                break pages;
            }
            let gb = |bytes: u64| bytes as f64 / 1e9;
            anyhow::ensure!(
                limits.rows > 1,
                "weights and room for a step take {:.1} GB, {:.1} GB are free",
                gb(taken),
                gb(free)
            );
            self.keep(|batch| batch.rows() < limits.rows);
            self.rows.retain(|&rows| rows < limits.rows);
        };
        self.keep(|batch| batch.pages() <= pages);
        Ok(())
    }

    /// Keeps some steps, and the names of the others.
    fn keep(&mut self, has_room: impl Fn(&Batch) -> bool) {
        let lost = self.steps().into_iter().filter(|batch| !has_room(batch));
        self.no_room.extend(lost.map(|batch| batch.to_string()).collect::<Vec<String>>());
        self.prefills.retain(|&(new, cached)| has_room(&Batch::prompt(new, cached)));
        self.decodes.retain(|&(sequences, tokens)| has_room(&Batch::decoding(sequences, tokens)));
        self.mixed.retain(|batch| has_room(batch));
    }

    /// How many points there are.
    pub(crate) fn points(&self, products: usize) -> usize {
        products * self.rows.len() + self.prefills.len() + self.decodes.len() + self.mixed.len()
    }
}

fn pairs(first: &[u64], second: &[u64]) -> Vec<(u64, u64)> {
    first.iter().flat_map(|&first| second.iter().map(move |&second| (first, second))).collect()
}

/// Two prompts of so many tokens, alone and behind a prefix; one of them beside so many sequences that decode.
fn mixed(prompts: &[u64], decoding: &[u64]) -> Vec<Batch> {
    let two = pairs(prompts, &[0, 8_192])
        .into_iter()
        .map(|prompt| Batch { prompts: vec![prompt; 2], ..Batch::default() });
    let beside = pairs(prompts, decoding).into_iter();
    let beside = beside.map(|(new, decoding)| Batch { prompts: vec![(new, 0)], decoding, context: 2_048 });
    two.chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_longer_than_the_models_context() {
        for extent in [Extent::Quick, Extent::Usual, Extent::Thorough] {
            let plan = Plan::new(extent, 8_192);
            assert!(plan.steps().iter().all(|batch| batch.longest() <= 8_192), "{extent:?}");
        }
        let plan = Plan::new(Extent::Usual, 8_192);
        assert!(plan.decodes.contains(&(128, 8_192)) && !plan.decodes.contains(&(1, 24_576)));
    }

    /// What a fit and the prefixes that are told of need is in every run but a quick one.
    #[test]
    fn the_usual_plan_is_a_part_of_the_thorough_one() {
        let [usual, all] = [Extent::Usual, Extent::Thorough].map(|extent| Plan::new(extent, 40_960));
        assert!(usual.steps().iter().all(|batch| all.steps().contains(batch)));
        for new in WHOLE {
            assert!(usual.prefills.contains(&(new, 0)) && usual.prefills.contains(&(1_024, new - 1_024)));
        }
        assert!(usual.prefills.contains(&(8_192, 0)) && !usual.prefills.contains(&(8_192, 2_048)));
    }
}
