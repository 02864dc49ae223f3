//! Numbers as a reader wants them: grouped, with a unit, and no more digits than they deserve.

/// With thin groups: `15818` becomes `15,818`.
#[inline]
pub fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Short: `950`, `15.8 k`, `1.5 M`.
#[inline]
pub fn short(value: u64) -> String {
    let scaled = |by: f64, unit: &str| {
        let scaled = value as f64 / by;
        if scaled >= 99.95 { format!("{scaled:.0} {unit}") } else { trimmed(scaled, unit) }
    };
    match value {
        0..=999 => value.to_string(),
        1_000..=999_499 => scaled(1e3, "k"),
        999_500..=999_499_999 => scaled(1e6, "M"),
        _ => scaled(1e9, "G"),
    }
}

#[inline]
fn trimmed(value: f64, unit: &str) -> String {
    let text = format!("{value:.1}");
    format!("{} {unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// A time in milliseconds, in the unit that suits it: `0.42 ms`, `644 ms`, `1.23 s`, `12.5 min`.
#[inline]
pub fn time(ms: f64) -> String {
    match ms {
        ms if ms < 0.0005 => "0 ms".to_owned(),
        ms if ms < 9.995 => format!("{ms:.2} ms"),
        ms if ms < 99.95 => format!("{ms:.1} ms"),
        ms if ms < 999.5 => format!("{ms:.0} ms"),
        ms if ms < 9_995.0 => format!("{:.2} s", ms / 1e3),
        ms if ms < 99_950.0 => format!("{:.1} s", ms / 1e3),
        ms if ms < 600_000.0 => format!("{:.0} s", ms / 1e3),
        ms if ms < 5_999_000.0 => format!("{:.1} min", ms / 6e4),
        ms => format!("{:.1} h", ms / 3.6e6),
    }
}

/// A time in microseconds, as [`time`] writes it.
#[inline]
pub fn time_us(us: u64) -> String {
    time(us as f64 / 1e3)
}

/// A share as a percentage: `93.4 %`. Unknown is a dash.
#[inline]
pub fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

/// A time in milliseconds, as [`time`] writes it. Unknown is a dash.
#[inline]
pub fn known_time(ms: Option<f64>) -> String {
    ms.map_or_else(|| "–".to_owned(), time)
}

/// A count and what is counted: `1 call`, `2,146 calls`.
#[inline]
pub fn plural(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {one}s", grouped(number)) }
}

/// `a`, `a and b`, `a, b and c`.
#[inline]
pub fn listed<T: AsRef<str>>(all: &[T]) -> String {
    let mut text = String::new();
    for (place, one) in all.iter().enumerate() {
        text.push_str(match place {
            0 => "",
            place if place + 1 == all.len() => " and ",
            _ => ", ",
        });
        text.push_str(one.as_ref());
    }
    text
}

/// An estimate of a text's width in a quiet sans, for a size in CSS pixels: an average per
/// character, because a backend without fonts cannot measure.
#[inline]
pub fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | ';' | '|' | '\'' | '!' => 0.29,
            ' ' | 'f' | 't' | 'r' | '-' | '(' | ')' | '·' => 0.37,
            'm' | 'w' | 'M' | 'W' | '%' | '→' | '—' => 0.88,
            'A'..='Z' => 0.68,
            _ => 0.6,
        })
        .sum();
    em * size * if bold { 1.12 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            [0, 999, 1_000, 15_818, 1_234_567].map(grouped),
            ["0", "999", "1,000", "15,818", "1,234,567"]
        );
        assert_eq!(
            [950, 1_000, 15_818, 99_960, 999_500, 1_520_000, 2_000_000_000].map(short),
            ["950", "1 k", "15.8 k", "100 k", "1 M", "1.5 M", "2 G"]
        );
        assert_eq!(
            [0.0, 0.42, 644.0, 999.7, 1_234.0, 452_000.0, 900_000.0].map(time),
            ["0 ms", "0.42 ms", "644 ms", "1.00 s", "1.23 s", "452 s", "15.0 min"]
        );
        assert_eq!(percent(Some(0.93_44)), "93.4 %");
        assert_eq!(percent(None), "–");
        assert_eq!([Some(644.0), None].map(known_time), ["644 ms", "–"]);
        assert_eq!([0, 1, 4_000].map(|number| plural(number, "call")), ["0 calls", "1 call", "4,000 calls"]);
        let all = ["a", "b", "c"];
        assert_eq!([0, 1, 2, 3].map(|count| listed(&all[..count])), ["", "a", "a and b", "a, b and c"]);
    }
}
