//! What the kernels compute, again in double precision on the CPU, step by step as a textbook has it.

use super::op::PAGE;

/// Sum of squares turned into a norm: `x` over its root mean square, times `weight`.
pub(crate) fn norm(x: &[f64], weight: &[f64], eps: f64) -> Vec<f64> {
    let mean = x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean + eps).sqrt();
    x.iter().zip(weight).map(|(x, weight)| x * scale * weight).collect()
}

/// Rotary position of one head: its halves turned against each other.
pub(crate) fn rotary(head: &[f64], position: u64, base: f64) -> Vec<f64> {
    let half = head.len() / 2;
    let mut out = vec![0.0; head.len()];
    for i in 0..half {
        let (sine, cosine) = angle(position, i, half, base).sin_cos();
        out[i] = head[i] * cosine - head[half + i] * sine;
        out[half + i] = head[half + i] * cosine + head[i] * sine;
    }
    out
}

/// Angle of a position in one pair of a head.
pub(crate) fn angle(position: u64, pair: usize, half: usize, base: f64) -> f64 {
    position as f64 * base.powf(-(pair as f64) / half as f64)
}

/// `silu(gate) · up`.
pub(crate) fn silu(gate: &[f64], up: &[f64]) -> Vec<f64> {
    gate.iter().zip(up).map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up).collect()
}

/// `x` · `weight`ᵀ, both row by row.
pub(crate) fn product(x: &[f64], weight: &[f64], inner: usize) -> Vec<f64> {
    let rows = x.chunks_exact(inner);
    rows.flat_map(|x| weight.chunks_exact(inner).map(move |weight| dot(x, weight))).collect()
}

/// The weight at a place of packed ones.
pub(crate) fn unpacked(packed: &[u32], scales: &[f64], group: usize, place: usize) -> f64 {
    let bits = (packed[place / 8] >> (4 * (place % 8))) & 15;
    (f64::from(bits) - 8.0) * scales[place / group]
}

/// Keys or values of one KV head in pages.
#[derive(Clone, Copy)]
pub(crate) struct Pages<'a> {
    pub(crate) numbers: &'a [f64],
    /// Pages of the sequence, in order.
    pub(crate) table: &'a [u32],
    pub(crate) kv_heads: usize,
    pub(crate) kv_head: usize,
    pub(crate) dim: usize,
}

impl<'a> Pages<'a> {
    fn token(&self, token: usize) -> &'a [f64] {
        let page = self.table[token / PAGE as usize] as usize;
        let slot = (page * self.kv_heads + self.kv_head) * PAGE as usize + token % PAGE as usize;
        &self.numbers[slot * self.dim..][..self.dim]
    }
}

/// One query over the first `seen` tokens.
pub(crate) fn attention(query: &[f64], keys: Pages, values: Pages, seen: usize) -> Vec<f64> {
    let scale = 1.0 / (query.len() as f64).sqrt();
    let scores: Vec<f64> = (0..seen).map(|token| dot(query, keys.token(token)) * scale).collect();
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
    let sum: f64 = shares.iter().sum();
    let mut out = vec![0.0; query.len()];
    for (token, share) in shares.iter().enumerate() {
        for (out, value) in out.iter_mut().zip(values.token(token)) {
            *out += share / sum * value;
        }
    }
    out
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// ‖found − expected‖ over ‖expected‖; NaN where something is no number.
pub(crate) fn error(found: &[f64], expected: &[f64]) -> f64 {
    let square = |sum: f64, x: f64| sum + x * x;
    let difference = found.iter().zip(expected).map(|(found, expected)| found - expected).fold(0.0, square);
    (difference / expected.iter().copied().fold(0.0, square)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        assert!(error(found, expected) < 1e-12, "{found:?}, expected {expected:?}");
    }

    /// By hand: the mean square of 3 and 4 is 12.5.
    #[test]
    fn norms_are_those_of_a_hand() {
        let root = 12.5_f64.sqrt();
        close(&norm(&[3.0, 4.0], &[1.0, 2.0], 0.0), &[3.0 / root, 8.0 / root]);
    }

    /// A quarter of a turn swaps the halves; a turn keeps lengths.
    #[test]
    fn positions_turn_the_halves() {
        close(&rotary(&[1.0, 2.0], 0, 10_000.0), &[1.0, 2.0]);
        let (sine, cosine) = 1.0_f64.sin_cos();
        close(&rotary(&[1.0, 2.0], 1, 10_000.0), &[cosine - 2.0 * sine, 2.0 * cosine + sine]);
        assert_eq!(angle(100, 1, 2, 10_000.0), 1.0);
    }

    #[test]
    fn products_and_packed_weights_are_those_of_a_hand() {
        close(&product(&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], 2), &[11.0, 17.0]);
        assert_eq!(unpacked(&[0x0000_00f0], &[0.5], 128, 1), 3.5);
        assert_eq!(unpacked(&[0x0000_00f0], &[0.5], 128, 0), -4.0);
        close(&silu(&[0.0, 1.0], &[5.0, 2.0]), &[0.0, 2.0 / (1.0 + (-1.0_f64).exp())]);
    }

    /// Two tokens with equal keys weigh the same; the second page is found through the table.
    #[test]
    fn attention_reads_pages_through_the_table() {
        let mut keys = vec![0.0; 2 * 16];
        let mut values = vec![0.0; 2 * 16];
        // Token 16 is the first of the sequence's second page, which lies first in memory.
        (values[0], values[16]) = (6.0, 2.0);
        keys[0] = 2.0_f64.ln();
        let pages = |numbers| Pages { numbers, table: &[1, 0], kv_heads: 1, kv_head: 0, dim: 1 };
        close(&attention(&[1.0], pages(&keys), pages(&values), 1), &[2.0]);
        // Sixteen tokens of weight 1, one of weight 2: (2 + 2 · 6) / 18.
        close(&attention(&[1.0], pages(&keys), pages(&values), 17), &[14.0 / 18.0]);
    }

    #[test]
    fn what_is_no_number_is_no_small_error() {
        assert!(error(&[f64::NAN], &[1.0]).is_nan());
    }
}
