//! Numbers as readers see them: short, with units, always in the same way.

/// A count with thin groups: `35 108`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count in few digits: `947`, `15.8 k`, `1.5 M`.
pub fn short(value: u64) -> String {
    const STEPS: [(f64, &str); 3] = [(1e9, " G"), (1e6, " M"), (1e3, " k")];
    let size = value as f64;
    // A value that would round up to the next unit is written in that unit.
    let step = STEPS.iter().find(|(unit, _)| size >= unit * 0.9995);
    match step {
        Some((unit, name)) => format!("{}{name}", digits(size / unit)),
        None => value.to_string(),
    }
}

/// A length of time given in milliseconds: `840 µs`, `56 ms`, `1.4 s`, `12 min`.
pub fn time_ms(ms: f64) -> String {
    match ms {
        x if !x.is_finite() => "unknown".to_owned(),
        x if x == 0.0 => "0 ms".to_owned(),
        x if x < 1.0 => format!("{} µs", digits(x * 1e3)),
        x if x < 999.5 => format!("{} ms", digits(x)),
        x if x < 120_000.0 => format!("{} s", digits(x / 1e3)),
        x if x < 7_200_000.0 => format!("{} min", digits(x / 60_000.0)),
        x => format!("{} h", digits(x / 3_600_000.0)),
    }
}

/// A length of time given in microseconds.
pub fn time_us(us: u64) -> String {
    time_ms(us as f64 / 1e3)
}

/// A share as per cent: `93.7 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// A file size: `37.2 MB`.
pub fn bytes(size: u64) -> String {
    if size < 1_000 { format!("{size} B") } else { format!("{}B", short(size)) }
}

/// `1 call`, `33 calls`.
pub fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", count(number)) }
}

/// Three digits, as far as they say something.
fn digits(value: f64) -> String {
    if value >= 99.95 {
        format!("{value:.0}")
    } else if value >= 9.995 {
        trim(&format!("{value:.1}"))
    } else {
        trim(&format!("{value:.2}"))
    }
}

fn trim(text: &str) -> String {
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000), "1,000");
        assert_eq!(count(35_108), "35,108");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn short_counts_round_into_the_next_unit() {
        assert_eq!(short(947), "947");
        assert_eq!(short(15_818), "15.8 k");
        assert_eq!(short(999_499), "999 k");
        assert_eq!(short(999_999), "1 M");
        assert_eq!(short(1_530_000), "1.53 M");
    }

    #[test]
    fn times_pick_their_unit() {
        assert_eq!(time_ms(0.0), "0 ms");
        assert_eq!(time_ms(0.84), "840 µs");
        assert_eq!(time_ms(56.04), "56 ms");
        assert_eq!(time_ms(999.7), "1 s");
        assert_eq!(time_ms(1_420.0), "1.42 s");
        assert_eq!(time_ms(452_000.0), "7.53 min");
        assert_eq!(time_ms(f64::NAN), "unknown");
    }

    #[test]
    fn sizes_and_plurals() {
        assert_eq!(bytes(612), "612 B");
        assert_eq!(bytes(37_200_000), "37.2 MB");
        assert_eq!(plural(1, "call"), "1 call");
        assert_eq!(plural(4_000, "call"), "4,000 calls");
        assert_eq!(percent(0.3736), "37.4 %");
    }
}
