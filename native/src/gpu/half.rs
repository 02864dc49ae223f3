//! Numbers of two bytes on the CPU.

use super::sizes::Half;
use half::{bf16, f16};

/// What two bytes stand for.
pub(crate) fn widen(bits: u16, half: Half) -> f64 {
    match half {
        Half::Bf16 => bf16::from_bits(bits).to_f64(),
        Half::Fp16 => f16::from_bits(bits).to_f64(),
    }
}

/// The nearest number of two bytes; ties go to the even one. Numbers too large become infinite.
pub(crate) fn narrow(number: f64, half: Half) -> u16 {
    match half {
        Half::Bf16 => bf16::from_f64(number).to_bits(),
        Half::Fp16 => f16::from_f64(number).to_bits(),
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
