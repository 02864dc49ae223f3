//! Order by numbers: one sort for all lists of the page, whose bytes are counted.

/// The places of a list in rising order of its keys; equal keys keep their order.
pub fn rank(keys: impl Iterator<Item = u64>) -> Vec<usize> {
    let mut pairs: Vec<(u64, usize)> = keys.zip(0..).collect();
    sort(&mut pairs);
    pairs.into_iter().map(|(_, place)| place).collect()
}

#[inline(never)]
fn sort(pairs: &mut [(u64, usize)]) {
    pairs.sort_unstable();
}

/// A number whose order is that of the float, by `f64::total_cmp`.
pub fn float_key(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 0 { bits | 1 << 63 } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_keep_their_order() {
        assert_eq!(rank([3, 1, 3, 0, 1].into_iter()), [3, 1, 4, 0, 2]);
    }

    #[test]
    fn floats_keep_their_order() {
        let values = [f64::NEG_INFINITY, -2.5, -0.0, 0.0, 1e-300, 7.0, f64::INFINITY, f64::NAN];
        assert!(values.map(float_key).is_sorted());
    }
}
