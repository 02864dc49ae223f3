//! `linear:a_ms,b_ms,c_ms`: first token after a + b · computed tokens, every further one c later; to be
//! used with one call at a time. Exact by definition, which is what makes it good for checking by hand.

use super::coefficients::{Coefficients, whole};
use super::profile::{Compiled, ProfileOrigin, pcie_5};

/// Room that no trace fills.
const WITHOUT_LIMIT: u64 = 1_000_000_000;

/// What a token takes in Qwen3-4B: taken for a profile that knows no model.
const KV_BYTES: f64 = 147_456.0;

/// Reads the three numbers. `None` where they are not three finite numbers from 0 on.
pub(super) fn read(numbers: &str) -> Option<Compiled> {
    let ms: Vec<f64> = numbers.split(',').map(|n| n.trim().parse().ok()).collect::<Option<_>>()?;
    let [a, b, c] = ms[..] else { return None };
    if [a, b, c].iter().any(|ms| !ms.is_finite() || *ms < 0.0) {
        return None;
    }
    let ps = |ms: f64| whole(ms * 1e9);
    Some(Compiled {
        coefficients: Coefficients {
            prompt: ps(a),
            prefill_token: ps(b),
            sequence: ps(c),
            ..Coefficients::default()
        },
        kv_tokens: WITHOUT_LIMIT,
        context_tokens: WITHOUT_LIMIT,
        origin: ProfileOrigin::Exact,
        single: true,
        kv_bytes_per_token: KV_BYTES,
        host_gb_per_s: pcie_5(),
    })
}
