//! Into how many splits attention cuts contexts, so that a GPU is full of blocks.

use super::device::Device;
use super::op::PAGE;
use super::sizes::{DECODE_WARPS, TILE_ROWS};

/// Share of the best possible that is good enough: beyond it more splits only cost.
const GOOD_ENOUGH: f64 = 0.85;
/// Waves beyond which contexts are not cut: their last one matters little. Room for what splits come to rests on it.
const MOST_WAVES: u64 = 8;
/// Most splits: what combines them goes through them one after the other.
const MOST_SPLITS: u64 = 128;
/// Least tokens of a split of a prefix: what 128 rows write down for it is as much as 136 tokens' keys and values.
const PREFILL_TOKENS: u64 = 512;

/// Most splits of `uncut` blocks, of which a GPU holds `at_once`, where there is work for `most`.
fn bounded(uncut: u64, at_once: u64, most: u64) -> u64 {
    most.min(MOST_WAVES * at_once / uncut).clamp(1, MOST_SPLITS)
}

/// The fewest splits whose waves are nearly as full as the fullest possible: of `uncut` blocks with nothing cut, of which a GPU
/// holds `at_once`, into at most `most` splits. A wave that is not full takes as long as one that is.
fn by_waves(uncut: u64, at_once: u64, most: u64) -> u64 {
    let (uncut, at_once) = (uncut.max(1), at_once.max(1));
    let most = bounded(uncut, at_once, most);
    let full = |splits: u64| {
        let blocks = uncut * splits;
        blocks as f64 / (blocks.div_ceil(at_once) * at_once) as f64
    };
    let fullest = (1..=most).map(full).fold(0.0, f64::max);
    (1..=most).find(|&splits| full(splits) >= GOOD_ENOUGH * fullest).unwrap_or(1)
}

/// The fewest splits that take nearly as few rounds as can be, one wave after the other: in a round each warp of a block takes a
/// page of the block's split, and splits of so many pages differ by one page at most.
fn by_rounds(uncut: u64, at_once: u64, pages: u64) -> u64 {
    let (uncut, at_once) = (uncut.max(1), at_once.max(1));
    // A page for each warp is the least that a split is worth.
    let most = bounded(uncut, at_once, pages.div_ceil(DECODE_WARPS));
    let rounds = |splits: u64| {
        let waves = (uncut * splits).div_ceil(at_once);
        (waves * pages.div_ceil(splits).div_ceil(DECODE_WARPS)) as f64
    };
    let fewest = (1..=most).map(rounds).fold(f64::INFINITY, f64::min);
    (1..=most).find(|&splits| GOOD_ENOUGH * rounds(splits) <= fewest).unwrap_or(1)
}

/// Blocks of each kind of attention that a GPU holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) prefill: u64,
    pub(crate) decode: u64,
}

impl Places {
    /// Those of a device.
    ///
    /// # Errors
    /// When it does not say.
    pub(crate) fn of(device: &mut dyn Device) -> anyhow::Result<Places> {
        let all = u64::from(device.about().multiprocessors);
        let mut places = |kernel| anyhow::Ok(all * device.blocks_at_once(kernel)?);
        Ok(Places { prefill: places("prefill")?, decode: places("decode")? })
    }

    /// Splits of a prompt's context: only a prefix is worth cutting. Rows without one see the fewer tokens the earlier they are,
    /// so that short blocks fill what long ones leave.
    pub(crate) fn of_prompt(self, (count, cached): (u64, u64), kv_heads: u64, group: u64) -> u64 {
        let blocks = (count * group).div_ceil(TILE_ROWS) * kv_heads;
        by_waves(blocks, self.prefill, 1 + cached / PREFILL_TOKENS)
    }

    /// Splits of the contexts of sequences that decode.
    pub(crate) fn of_decoding(self, batch: u64, kv_heads: u64, longest: u64) -> u64 {
        by_rounds(batch * kv_heads, self.decode, longest.div_ceil(PAGE))
    }

    /// Rows of splits that must have room: those of `batch` sequences that are not cut, or as many waves of either kind as are.
    pub(crate) fn rows(self, batch: u64, kv_heads: u64, group: u64) -> u64 {
        let cut = (self.prefill * TILE_ROWS).max(self.decode * group);
        (batch * kv_heads * group).max(MOST_WAVES * cut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An H200: 132 multiprocessors, each with two blocks of prefill or three of decoding.
    const H200: Places = Places { prefill: 264, decode: 396 };

    /// By hand. 8 blocks on 264 places: 33 splits fill all, 28 make 224 of 264 = 0.848, too few, and 29 make 232 = 0.879.
    /// 280 blocks take two waves that are 0.53 full; of 7 splits at most (eight waves) the
    /// fullest are 7, 0.928 (1,960 of 2,112): 0.85 of that is 0.789, which 3 have (840 of 1,056 = 0.795).
    #[test]
    fn splits_are_the_fewest_that_fill_a_gpu() {
        assert_eq!([by_waves(8, 264, 128), by_waves(280, 264, 12)], [29, 3]);
        assert_eq!([264, 528, 2_048].map(|uncut| by_waves(uncut, 264, 128)), [1, 1, 1]);
        // 132 blocks fill half; 2 splits fill all.
        assert_eq!([by_waves(132, 264, 128), by_waves(132, 264, 1)], [2, 1]);
        // 100 of 264 = 0.38, 200 = 0.76, 300 of 528 = 0.57, …; 8 splits make 800 of 1,056 = 0.76, 5 make 500 of 528 = 0.95.
        assert_eq!(by_waves(100, 264, 5), 5);
    }

    #[test]
    fn what_is_not_known_or_not_there_is_not_cut() {
        assert_eq!([by_waves(0, 264, 0), by_waves(5, 0, 10), by_waves(1, 1, 128)], [1, 1, 1]);
        assert_eq!([by_rounds(0, 264, 0), by_rounds(5, 0, 0), by_rounds(1, 1, 128)], [1, 1, 1]);
    }

    /// By hand: 16 tokens of four heads each are 64 rows, a tile for each of 8 KV heads; 33 tokens have two tiles,
    /// 16 blocks, of which 15 splits make 240 of 264 = 0.909. 24,576 tokens may be cut into 49, 1,000 into 2. A whole prompt is
    /// never cut; 1,024 tokens make 32 tiles, 256 blocks.
    #[test]
    fn prompts_are_cut_where_few_rows_see_much() {
        let splits = |count, cached| H200.of_prompt((count, cached), 8, 4);
        assert_eq!([splits(16, 24_576), splits(32, 24_576), splits(33, 24_576)], [29, 29, 15]);
        assert_eq!([splits(16, 1_000), splits(16, 0), splits(100, 0), splits(8_192, 0)], [2, 1, 1, 1]);
        assert_eq!([splits(1_024, 24_576), splits(512, 24_576), splits(8_192, 24_576)], [1, 2, 1]);
    }

    /// By hand, with 8 blocks on 396 places. 512 tokens are 32 pages: 8 splits of four, a round; 7 would have five, two. 2,048 are 128
    /// pages, 32 splits; 31 would need two rounds. 8,192 are 512 pages: up to 49 splits are one wave, in which 43 have 12 pages, three
    /// rounds, and none of more waves has fewer. 250 tokens are 16 pages, four splits. 64 sequences of 8 KV heads are 512
    /// blocks: uncut two waves of 128 rounds, 2 splits three of 64 = 192, 3 four of 43 = 172, the fewest: 0.85 · 192 is fewer still.
    #[test]
    fn decoding_is_cut_by_the_rounds_of_its_pages() {
        let splits = |batch, longest| H200.of_decoding(batch, 8, longest);
        assert_eq!([splits(1, 512), splits(1, 2_048), splits(1, 8_192)], [8, 32, 43]);
        assert_eq!([splits(1, 250), splits(1, 10), splits(64, 8_192)], [4, 1, 2]);
    }

    /// Rounds of the longest warp of so many splits, counted page by page as the kernel deals them, and pages of the shortest split.
    fn dealt(pages: u64, splits: u64) -> (u64, u64) {
        let bounds = |split: u64| pages * split / splits..pages * (split + 1) / splits;
        let of_warp = |split, warp| bounds(split).skip(warp).step_by(DECODE_WARPS as usize).count() as u64;
        let warps = 0..DECODE_WARPS as usize;
        let rounds = (0..splits).flat_map(|split| warps.clone().map(move |warp| of_warp(split, warp))).max();
        let shortest = (0..splits).map(|split| bounds(split).count() as u64).min();
        (rounds.unwrap(), shortest.unwrap())
    }

    /// No split is empty, and no other number of splits that has room takes a fifth fewer rounds.
    #[test]
    fn no_split_is_empty_and_rounds_are_nearly_the_fewest() {
        let places = Places { prefill: 82, decode: 164 };
        for (at_once, of) in [(396, H200), (164, places), (1, Places { prefill: 1, decode: 1 })] {
            for batch in [1_u64, 2, 3, 8, 17, 32, 64, 128] {
                for longest in (1..40_u64).chain([250, 512, 777, 2_048, 8_192, 24_576]) {
                    let (pages, uncut) = (longest.div_ceil(PAGE), batch * 8);
                    let cost = |splits: u64| (uncut * splits).div_ceil(at_once) * dealt(pages, splits).0;
                    let splits = of.of_decoding(batch, 8, longest);
                    let shortest = dealt(pages, splits).1;
                    assert!(shortest > 0, "{batch} of {longest} tokens: {splits} splits of {pages} pages");
                    let least = (1..=bounded(uncut, at_once, pages)).map(cost).min().unwrap();
                    let most = 1.2 * least as f64;
                    assert!(
                        cost(splits) as f64 <= most,
                        "{batch} of {longest} tokens: {splits} splits, {least}"
                    );
                }
            }
        }
    }

    /// Whatever is cut has room: over all sizes that a probe may ask for.
    #[test]
    fn splits_never_need_more_room_than_there_is() {
        for group in [1, 4, 6, 16] {
            for places in [H200, Places { prefill: 82, decode: 164 }, Places { prefill: 1, decode: 1 }] {
                let room = places.rows(128, 8, group);
                for count in (1..300).chain((300..9_000).step_by(97)) {
                    for cached in [0, 2_048, 24_576, 100_000] {
                        let splits = places.of_prompt((count, cached), 8, group);
                        let rows = count * 8 * group * splits;
                        assert!(splits == 1 || rows <= room, "{count} behind {cached}: {rows} of {room}");
                    }
                }
                for batch in 1..=128 {
                    let rows = batch * 8 * group * places.of_decoding(batch, 8, 24_576);
                    assert!(rows <= room, "{batch}: {rows} of {room}");
                }
            }
        }
    }
}
