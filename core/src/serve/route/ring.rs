//! A consistent-hash ring: each replica stands at many points, a key belongs to the next point after it.

/// The finaliser of SplitMix64.
pub(super) fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Points and the replicas that stand there, in order.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    points: Vec<(u64, u32)>,
}

impl Ring {
    /// A ring on which each replica stands at `each` points.
    pub(super) fn new(replicas: u32, each: u64) -> Self {
        let point = |replica: u32, number| (mix(mix(u64::from(replica) + 1) ^ number), replica);
        let mut points: Vec<_> =
            (0..replicas).flat_map(|replica| (0..each).map(move |number| point(replica, number))).collect();
        points.sort_unstable();
        Ring { points }
    }

    /// The replica that a key belongs to.
    pub(super) fn find(&self, key: u64) -> u32 {
        let place = mix(key);
        let next = self.points.partition_point(|&(point, _)| point < place);
        self.points.get(next).or(self.points.first()).map_or(0, |&(_, replica)| replica)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_the_next_point_and_the_last_to_the_first() {
        let ring = Ring { points: vec![(mix(1), 7), (u64::MAX - 1, 8)] };
        assert_eq!(ring.find(1), 7);
        let after = (0..).find(|&key| mix(key) > mix(1) && mix(key) < u64::MAX - 1).unwrap();
        assert_eq!(ring.find(after), 8);
        let past = Ring { points: vec![(0, 7)] };
        assert_eq!(past.find(1), 7);
    }

    #[test]
    fn keys_spread_and_few_move_when_a_replica_comes() {
        let (before, after) = (Ring::new(4, 150), Ring::new(5, 150));
        let mut counts = [0; 4];
        let mut moved = 0;
        for key in 0..10_000 {
            counts[before.find(key) as usize] += 1;
            let now = after.find(key);
            if now != before.find(key) {
                assert_eq!(now, 4, "only to the one that came");
                moved += 1;
            }
        }
        assert!(counts.iter().all(|count| (1_900..3_200).contains(count)), "{counts:?}");
        assert!((1_300..2_700).contains(&moved), "{moved}");
    }
}
