//! Instructions that compute one number of others, thread by thread.

use crate::Half;

/// A number of up to three others; numbers narrower than 64 bits lie in the lower ones, above them are zeros.
pub(crate) type Compute = fn([u64; 3]) -> u64;

fn f(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn float(number: f32) -> u64 {
    u64::from(number.to_bits())
}

fn s(bits: u64) -> i32 {
    bits as i32
}

fn int(number: i32) -> u64 {
    u64::from(number as u32)
}

fn word(number: u32) -> u64 {
    u64::from(number)
}

/// Shifts of the width of the number or more leave nothing.
fn left32([a, b, _]: [u64; 3]) -> u64 {
    word((a as u32).checked_shl(b as u32).unwrap_or(0))
}

fn right32([a, b, _]: [u64; 3]) -> u64 {
    word((a as u32).checked_shr(b as u32).unwrap_or(0))
}

fn bits(number: f32, half: Half) -> u64 {
    u64::from(half.narrow(f64::from(number)))
}

/// `a` in the upper half, `b` in the lower.
fn packed(a: u64, b: u64, half: Half) -> u64 {
    bits(f(a), half) << 16 | bits(f(b), half)
}

/// The same of the upper and of the lower halves of words, rounded once.
fn pairs(words: [u64; 3], half: Half, of: fn([f64; 3]) -> f64) -> u64 {
    let one = |shift: u32| {
        let numbers = words.map(|word| half.widen((word >> shift) as u16));
        u64::from(half.narrow(of(numbers))) << shift
    };
    one(16) | one(0)
}

/// `length` bits of `a` into `b` from bit `start` on; `start` and `length` share the last number, eight bits each.
fn insert(a: u64, b: u64, start: u64, length: u64) -> u64 {
    let mask = if length >= 64 { u64::MAX } else { (1 << length) - 1 } << start;
    b & !mask | a << start & mask
}

/// Any function of three bits, bit by bit: its truth table is `table`.
fn logic(a: u64, b: u64, c: u64, table: u64) -> u64 {
    (0..32).fold(0, |out, bit| {
        let row = (a >> bit & 1) << 2 | (b >> bit & 1) << 1 | c >> bit & 1;
        out | (table >> row & 1) << bit
    })
}

/// Bytes of `a` and `b` picked by four bits each.
fn permuted(a: u64, b: u64, picks: u64) -> u64 {
    let bytes = a & 0xffff_ffff | b << 32;
    (0..4).fold(0, |out, byte| {
        let pick = picks >> (4 * byte) & 15;
        let found = bytes >> (8 * (pick & 7)) & 0xff;
        // The fourth bit repeats the sign instead.
        let found = if pick & 8 == 0 { found } else { (found >> 7) * 0xff };
        out | found << (8 * byte)
    })
}

/// An instruction of four numbers, the last of which stands in the text: `lop3` and `bfi`.
pub(crate) fn fixed(name: &str, last: [u64; 2]) -> Option<Box<dyn Fn([u64; 3]) -> u64>> {
    let [first, second] = last;
    Some(match name {
        "lop3.b32" => Box::new(move |[a, b, c]| logic(a, b, c, first)),
        "bfi.b32" | "bfi.b64" => Box::new(move |[a, b, _]| insert(a, b, first, second)),
        _ => return None,
    })
}

/// The instruction of this name; none where it is not known or no such.
pub(crate) fn compute(name: &str) -> Option<Compute> {
    integers(name).or_else(|| floats(name)).or_else(|| compared(name)).or_else(|| converted(name))
}

fn integers(name: &str) -> Option<Compute> {
    Some(match name {
        "mov.u16" | "mov.b16" | "mov.u32" | "mov.s32" | "mov.b32" | "mov.f32" | "mov.u64" | "mov.b64"
        | "mov.pred" => |[a, ..]| a,
        "add.s32" | "add.u32" => |[a, b, _]| word((a as u32).wrapping_add(b as u32)),
        "sub.s32" | "sub.u32" => |[a, b, _]| word((a as u32).wrapping_sub(b as u32)),
        "mul.lo.s32" | "mul.lo.u32" => |[a, b, _]| word((a as u32).wrapping_mul(b as u32)),
        "mul.hi.s32" => |[a, b, _]| int(((i64::from(s(a)) * i64::from(s(b))) >> 32) as i32),
        "mul.hi.u32" => |[a, b, _]| (a * b) >> 32,
        "mad.lo.s32" | "mad.lo.u32" => {
            |[a, b, c]| word((a as u32).wrapping_mul(b as u32).wrapping_add(c as u32))
        }
        "add.s64" | "add.u64" => |[a, b, _]| a.wrapping_add(b),
        "sub.s64" | "sub.u64" => |[a, b, _]| a.wrapping_sub(b),
        "mul.lo.s64" | "mul.lo.u64" => |[a, b, _]| a.wrapping_mul(b),
        "mad.lo.s64" | "mad.lo.u64" => |[a, b, c]| a.wrapping_mul(b).wrapping_add(c),
        "mul.wide.s32" => |[a, b, _]| (i64::from(s(a)) * i64::from(s(b))) as u64,
        "mul.wide.u32" => |[a, b, _]| a * b,
        "mad.wide.s32" => |[a, b, c]| ((i64::from(s(a)) * i64::from(s(b))) as u64).wrapping_add(c),
        "mad.wide.u32" => |[a, b, c]| (a * b).wrapping_add(c),
        "div.u32" | "div.u64" => |[a, b, _]| a.checked_div(b).unwrap_or(u64::MAX),
        "div.s32" => |[a, b, _]| int(s(a).checked_div(s(b)).unwrap_or(-1)),
        "rem.u32" | "rem.u64" => |[a, b, _]| a.checked_rem(b).unwrap_or(u64::MAX),
        "rem.s32" => |[a, b, _]| int(s(a).checked_rem(s(b)).unwrap_or(-1)),
        "min.s32" => |[a, b, _]| int(s(a).min(s(b))),
        "max.s32" => |[a, b, _]| int(s(a).max(s(b))),
        "min.u32" | "min.u64" => |[a, b, _]| a.min(b),
        "max.u32" | "max.u64" => |[a, b, _]| a.max(b),
        "min.s64" => |[a, b, _]| a.cast_signed().min(b.cast_signed()) as u64,
        "max.s64" => |[a, b, _]| a.cast_signed().max(b.cast_signed()) as u64,
        "neg.s32" => |[a, ..]| int(s(a).wrapping_neg()),
        "neg.s64" => |[a, ..]| a.cast_signed().wrapping_neg() as u64,
        "and.b16" | "and.b32" | "and.b64" | "and.pred" => |[a, b, _]| a & b,
        "or.b16" | "or.b32" | "or.b64" | "or.pred" => |[a, b, _]| a | b,
        "xor.b16" | "xor.b32" | "xor.b64" | "xor.pred" => |[a, b, _]| a ^ b,
        "not.b16" => |[a, ..]| !a & 0xffff,
        "not.b32" => |[a, ..]| !a & 0xffff_ffff,
        "not.b64" => |[a, ..]| !a,
        "not.pred" => |[a, ..]| a ^ 1,
        "shl.b32" => left32,
        "shr.u32" | "shr.b32" => right32,
        "shr.s32" => |[a, b, _]| int(s(a) >> b.min(31)),
        "shl.b64" => |[a, b, _]| a.checked_shl(b as u32).unwrap_or(0),
        "shr.u64" | "shr.b64" => |[a, b, _]| a.checked_shr(b as u32).unwrap_or(0),
        "shr.s64" => |[a, b, _]| (a.cast_signed() >> b.min(63)) as u64,
        "shl.b16" => |[a, b, _]| a.checked_shl(b as u32).unwrap_or(0) & 0xffff,
        "shr.u16" | "shr.b16" => |[a, b, _]| a.checked_shr(b as u32).unwrap_or(0),
        "prmt.b32" => |[a, b, c]| permuted(a, b, c),
        "selp.b16" | "selp.b32" | "selp.u32" | "selp.s32" | "selp.f32" | "selp.b64" | "selp.u64"
        | "selp.s64" => |[a, b, p]| if p == 0 { b } else { a },
        _ => return None,
    })
}

fn floats(name: &str) -> Option<Compute> {
    Some(match name {
        "add.f32" | "add.rn.f32" => |[a, b, _]| float(f(a) + f(b)),
        "sub.f32" | "sub.rn.f32" => |[a, b, _]| float(f(a) - f(b)),
        "mul.f32" | "mul.rn.f32" => |[a, b, _]| float(f(a) * f(b)),
        "fma.rn.f32" => |[a, b, c]| float(f(a).mul_add(f(b), f(c))),
        "div.rn.f32" | "div.approx.f32" => |[a, b, _]| float(f(a) / f(b)),
        "rcp.rn.f32" | "rcp.approx.f32" => |[a, ..]| float(1.0 / f(a)),
        "rsqrt.approx.f32" => |[a, ..]| float(1.0 / f(a).sqrt()),
        "ex2.approx.f32" | "ex2.approx.ftz.f32" => |[a, ..]| float(f(a).exp2()),
        // Where one is no number, the other one is taken: as in Rust.
        "max.f32" => |[a, b, _]| float(f(a).max(f(b))),
        "min.f32" => |[a, b, _]| float(f(a).min(f(b))),
        "neg.f32" => |[a, ..]| float(-f(a)),
        "abs.f32" => |[a, ..]| float(f(a).abs()),
        "sub.rn.f16x2" | "sub.f16x2" => |words| pairs(words, Half::Fp16, |[a, b, _]| a - b),
        "add.rn.f16x2" | "add.f16x2" => |words| pairs(words, Half::Fp16, |[a, b, _]| a + b),
        "mul.rn.f16x2" | "mul.f16x2" => |words| pairs(words, Half::Fp16, |[a, b, _]| a * b),
        "fma.rn.f16x2" => |words| pairs(words, Half::Fp16, |[a, b, c]| a * b + c),
        "fma.rn.bf16x2" => |words| pairs(words, Half::Bf16, |[a, b, c]| a * b + c),
        _ => return None,
    })
}

fn compared(name: &str) -> Option<Compute> {
    macro_rules! compare {
        ($of:expr) => {
            match name.split('.').nth(1)? {
                "eq" => |[a, b, _]| u64::from($of(a) == $of(b)),
                "ne" => |[a, b, _]| u64::from($of(a) != $of(b)),
                "lt" | "lo" => |[a, b, _]| u64::from($of(a) < $of(b)),
                "le" | "ls" => |[a, b, _]| u64::from($of(a) <= $of(b)),
                "gt" | "hi" => |[a, b, _]| u64::from($of(a) > $of(b)),
                "ge" | "hs" => |[a, b, _]| u64::from($of(a) >= $of(b)),
                _ => return None,
            }
        };
    }
    let (head, kind) = name.rsplit_once('.')?;
    if !head.starts_with("setp.") || head.matches('.').count() != 1 {
        return None;
    }
    let found: Compute = match kind {
        "s32" => compare!(s),
        "u32" | "b32" | "u16" | "b16" | "u64" | "b64" => compare!(|a: u64| a),
        "s64" => compare!(|a: u64| a.cast_signed()),
        "f32" => compare!(f),
        _ => return None,
    };
    Some(found)
}

fn converted(name: &str) -> Option<Compute> {
    Some(match name {
        "cvt.u64.u32" | "cvt.u32.u16" | "cvt.u64.u16" | "cvta.to.global.u64" | "cvta.global.u64"
        | "cvta.to.shared.u64" | "cvta.shared.u64" => |[a, ..]| a,
        "cvt.u32.u64" | "cvt.s32.s64" => |[a, ..]| a & 0xffff_ffff,
        "cvt.u16.u32" | "cvt.u16.u64" => |[a, ..]| a & 0xffff,
        "cvt.s64.s32" => |[a, ..]| i64::from(s(a)) as u64,
        "cvt.rn.f32.s32" => |[a, ..]| float(s(a) as f32),
        "cvt.rn.f32.u32" => |[a, ..]| float(a as u32 as f32),
        "cvt.f32.f16" => |[a, ..]| float(Half::Fp16.widen(a as u16) as f32),
        "cvt.f32.bf16" => |[a, ..]| float(Half::Bf16.widen(a as u16) as f32),
        "cvt.rn.bf16.f32" => |[a, ..]| bits(f(a), Half::Bf16),
        "cvt.rn.f16.f32" => |[a, ..]| bits(f(a), Half::Fp16),
        "cvt.rn.bf16x2.f32" => |[a, b, _]| packed(a, b, Half::Bf16),
        "cvt.rn.f16x2.f32" => |[a, b, _]| packed(a, b, Half::Fp16),
        _ => return None,
    })
}
