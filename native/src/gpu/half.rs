//! Numbers of two bytes on the CPU.

use super::source::Half;

/// What two bytes stand for.
pub(crate) fn widen(bits: u16, half: Half) -> f64 {
    match half {
        Half::Bf16 => f64::from(f32::from_bits(u32::from(bits) << 16)),
        Half::Fp16 => {
            let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            sign * match exponent {
                0 => fraction * 2.0_f64.powi(-24),
                31 if fraction == 0.0 => f64::INFINITY,
                31 => f64::NAN,
                _ => (1024.0 + fraction) * 2.0_f64.powi(exponent - 25),
            }
        }
    }
}

/// The nearest number of two bytes; ties go to the even one. Numbers too large become infinite.
pub(crate) fn narrow(number: f64, half: Half) -> u16 {
    match half {
        Half::Bf16 => {
            let bits = (number as f32).to_bits();
            if number.is_nan() {
                return 0x7fff;
            }
            let rounded = bits + 0x7fff + (bits >> 16 & 1);
            (rounded >> 16) as u16
        }
        Half::Fp16 => {
            let sign = if number.is_sign_negative() { 0x8000 } else { 0 };
            let size = number.abs();
            if number.is_nan() {
                return 0x7fff;
            }
            if size >= 65_520.0 {
                return sign | 0x7c00;
            }
            let exponent = if size < 2.0_f64.powi(-14) { -14 } else { size.log2().floor() as i32 };
            let steps = (size / 2.0_f64.powi(exponent - 10)).round_ties_even() as u16;
            // Below 1,024 steps it is subnormal; 2,048 carry into the exponent by themselves.
            if steps < 1_024 { sign | steps } else { sign | ((((exponent + 14) as u16) << 10) + steps) }
        }
    }
}

/// As bytes in memory.
pub(crate) fn to_bytes(numbers: &[f64], half: Half) -> Vec<u8> {
    numbers.iter().flat_map(|&number| narrow(number, half).to_le_bytes()).collect()
}

/// From bytes in memory.
pub(crate) fn from_bytes(bytes: &[u8], half: Half) -> Vec<f64> {
    bytes.chunks_exact(2).map(|two| widen(u16::from_le_bytes([two[0], two[1]]), half)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_back() {
        for half in [Half::Bf16, Half::Fp16] {
            for bits in 0..=u16::MAX {
                let number = widen(bits, half);
                assert!(number.is_nan() || narrow(number, half) == bits, "{bits:#x} in {half:?}");
            }
        }
    }

    #[test]
    fn ties_go_to_the_even_number() {
        assert_eq!(narrow(1.0 + 2.0_f64.powi(-11), Half::Fp16), 0x3c00);
        assert_eq!(narrow(1.0 + 3.0 * 2.0_f64.powi(-11), Half::Fp16), 0x3c02);
        assert_eq!(narrow(1.0 + 2.0_f64.powi(-8), Half::Bf16), 0x3f80);
        assert_eq!(narrow(1.0 + 3.0 * 2.0_f64.powi(-8), Half::Bf16), 0x3f82);
        assert_eq!([narrow(65_519.0, Half::Fp16), narrow(-65_520.0, Half::Fp16)], [0x7bff, 0xfc00]);
    }
}
