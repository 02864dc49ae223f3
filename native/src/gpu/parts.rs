//! Into how many parts attention cuts contexts, so that a GPU is full of blocks.

use super::device::Device;
use super::op::PAGE;

/// New tokens' rows that a block of prefill attention takes: each query head of a KV head's group is a row.
pub(crate) const TILE_ROWS: u64 = 128;

/// Share of the fullest possible waves that is full enough: beyond it more parts only cost.
const FULL_ENOUGH: f64 = 0.85;
/// Waves beyond which contexts are not cut: their last one matters little. Room for parts rests on it.
const MOST_WAVES: u64 = 8;
/// Most parts: what joins them goes through them one after the other.
const MOST_PARTS: u64 = 128;
/// Least tokens of a part where one token is decoded: a page for each of a block's warps.
const DECODE_TOKENS: u64 = PAGE * 4;
/// Least tokens of a part of a prefix: what 128 rows write down for it is as much as 136 tokens' keys and values.
const PREFILL_TOKENS: u64 = 512;

/// The fewest parts whose waves are nearly as full as the fullest possible: of `uncut` blocks with nothing cut, of which a GPU
/// holds `at_once`, into at most `most` parts. A wave that is not full takes as long as one that is.
fn parts(uncut: u64, at_once: u64, most: u64) -> u64 {
    let (uncut, at_once) = (uncut.max(1), at_once.max(1));
    let most = most.min(MOST_WAVES * at_once / uncut).clamp(1, MOST_PARTS);
    let full = |parts: u64| {
        let blocks = uncut * parts;
        blocks as f64 / (blocks.div_ceil(at_once) * at_once) as f64
    };
    let fullest = (1..=most).map(full).fold(0.0, f64::max);
    (1..=most).find(|&parts| full(parts) >= FULL_ENOUGH * fullest).unwrap_or(1)
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

    /// Parts of a prompt's context: only a prefix is worth cutting. Rows without one see the fewer tokens the earlier they are,
    /// so that short blocks fill what long ones leave.
    pub(crate) fn of_prompt(self, (count, cached): (u64, u64), kv_heads: u64, group: u64) -> u64 {
        let blocks = (count * group).div_ceil(TILE_ROWS) * kv_heads;
        parts(blocks, self.prefill, 1 + cached / PREFILL_TOKENS)
    }

    /// Parts of the contexts of sequences that decode.
    pub(crate) fn of_decoding(self, batch: u64, kv_heads: u64, longest: u64) -> u64 {
        parts(batch * kv_heads, self.decode, longest / DECODE_TOKENS)
    }

    /// Rows of parts that must have room: those of `batch` sequences that are not cut, or as many waves of either kind as are.
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

    /// By hand. 8 blocks on 264 places: 33 parts fill all, 28 make 224 of 264 = 0.848, too few, and 29 make 232 = 0.879.
    /// 280 blocks take two waves that are 0.53 full; of 7 parts at most (eight waves) the
    /// fullest are 7, 0.928 (1,960 of 2,112): 0.85 of that is 0.789, which 3 have (840 of 1,056 = 0.795).
    #[test]
    fn parts_are_the_fewest_that_fill_a_gpu() {
        assert_eq!([parts(8, 264, 128), parts(280, 264, 12)], [29, 3]);
        assert_eq!([parts(264, 264, 128), parts(528, 264, 128), parts(2_048, 264, 128)], [1, 1, 1]);
        // 132 blocks fill half; 2 parts fill all.
        assert_eq!([parts(132, 264, 128), parts(132, 264, 1)], [2, 1]);
        // 100 of 264 = 0.38, 200 = 0.76, 300 of 528 = 0.57, …; 8 parts make 800 of 1,056 = 0.76, 5 make 500 of 528 = 0.95.
        assert_eq!(parts(100, 264, 5), 5);
    }

    #[test]
    fn what_is_not_known_or_not_there_is_not_cut() {
        assert_eq!([parts(0, 264, 0), parts(5, 0, 10), parts(1, 1, 128)], [1, 1, 1]);
    }

    /// By hand: 16 tokens of four heads each are 64 rows, a tile for each of 8 KV heads; 33 tokens have two tiles,
    /// 16 blocks, of which 15 parts make 240 of 264 = 0.909. 24,576 tokens may be cut into 49, 1,000 into 2. A whole prompt is
    /// never cut; 1,024 tokens make 32 tiles, 256 blocks.
    #[test]
    fn prompts_are_cut_where_few_rows_see_much() {
        let parts = |count, cached| H200.of_prompt((count, cached), 8, 4);
        assert_eq!([parts(16, 24_576), parts(32, 24_576), parts(33, 24_576)], [29, 29, 15]);
        assert_eq!([parts(16, 1_000), parts(16, 0), parts(100, 0), parts(8_192, 0)], [2, 1, 1, 1]);
        assert_eq!([parts(1_024, 24_576), parts(512, 24_576), parts(8_192, 24_576)], [1, 2, 1]);
    }

    /// By hand: 8 blocks on 396 places want 43 parts (344 of 396 = 0.869), and 250 tokens have three of 64; 64 sequences of
    /// 8 KV heads are 512 blocks, which take two waves (0.65): 2 parts 1,024 of 1,188 = 0.862.
    #[test]
    fn decoding_is_cut_as_far_as_pages_go() {
        let parts = |batch, longest| H200.of_decoding(batch, 8, longest);
        assert_eq!([parts(1, 8_192), parts(1, 250), parts(1, 10), parts(64, 8_192)], [43, 3, 1, 2]);
    }

    /// Whatever is cut has room: over all sizes that a probe may ask for.
    #[test]
    fn parts_never_need_more_room_than_there_is() {
        for group in [1, 4, 6, 16] {
            for places in [H200, Places { prefill: 82, decode: 164 }, Places { prefill: 1, decode: 1 }] {
                let room = places.rows(128, 8, group);
                for count in (1..300).chain((300..9_000).step_by(97)) {
                    for cached in [0, 2_048, 24_576, 100_000] {
                        let parts = places.of_prompt((count, cached), 8, group);
                        let rows = count * 8 * group * parts;
                        assert!(parts == 1 || rows <= room, "{count} behind {cached}: {rows} of {room}");
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
