//! A point in time as logs write it: a number of seconds or parts of seconds, or a stamp.

use super::stamp;
use serde::de::{Deserializer, Visitor};
use std::fmt;

/// Microseconds since 1970, or since whatever the source counts from. `None` for what is no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct When(pub(super) Option<u64>);

/// Numbers from here on are milliseconds, microseconds, nanoseconds: as seconds they would lie more
/// than three thousand years ahead.
const UNITS: [(f64, f64); 3] = [(1e17, 1e-3), (1e14, 1.0), (1e11, 1e3)];

impl When {
    /// A number of seconds, milliseconds, microseconds or nanoseconds, by its size.
    pub(super) fn number(value: f64) -> When {
        let us = UNITS.iter().find(|(least, _)| value >= *least).map_or(1e6, |(_, us)| *us);
        let fits = value >= 0.0 && value * us < 1e18;
        When(fits.then(|| (value * us).round() as u64))
    }

    /// A stamp, or a number written as a text.
    pub(super) fn text(text: &str) -> When {
        match text.trim().parse::<f64>() {
            Ok(value) => When::number(value),
            Err(_) => When(stamp::iso_us(text)),
        }
    }
}

/// Microseconds of a time whose key says that it counts nanoseconds, whatever its size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Nanos(pub(super) Option<u64>);

impl Nanos {
    fn whole(ns: u64) -> Nanos {
        Nanos(Some(ns / 1_000 + u64::from(ns % 1_000 >= 500)))
    }

    fn number(ns: f64) -> Nanos {
        let fits = (0.0..1e21).contains(&ns);
        Nanos(fits.then(|| (ns * 1e-3).round() as u64))
    }

    /// A number written as a text, as the protocol writes it, or a stamp.
    fn text(text: &str) -> Nanos {
        let text = text.trim();
        match (text.parse::<u64>(), text.parse::<f64>()) {
            (Ok(ns), _) => Nanos::whole(ns),
            (_, Ok(ns)) => Nanos::number(ns),
            _ => Nanos(stamp::iso_us(text)),
        }
    }
}

/// Reads numbers and texts; everything else is no time.
macro_rules! read_time {
    ($type:ident, $whole:expr, $number:expr, $text:expr) => {
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Any;
                impl<'de> Visitor<'de> for Any {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a value")
                    }
                    fn visit_u64<E>(self, value: u64) -> Result<$type, E> {
                        Ok($whole(value))
                    }
                    fn visit_i64<E>(self, _: i64) -> Result<$type, E> {
                        Ok($type(None))
                    }
                    fn visit_f64<E>(self, value: f64) -> Result<$type, E> {
                        Ok($number(value))
                    }
                    fn visit_str<E>(self, text: &str) -> Result<$type, E> {
                        Ok($text(text))
                    }
                    otherwise!($type(None); unit bool seq map);
                }
                deserializer.deserialize_any(Any)
            }
        }
    };
}

read_time!(When, |value| When::number(value as f64), When::number, When::text);
read_time!(Nanos, Nanos::whole, Nanos::number, Nanos::text);

#[cfg(test)]
mod tests {
    use super::{Nanos, When};

    #[test]
    fn the_size_of_a_number_tells_its_unit() {
        let second = Some(1_763_719_200_000_000);
        for text in [
            "1763719200",
            "1763719200.0",
            "1763719200000",
            "1763719200000000",
            "1763719200000000000",
            "\"2025-11-21T10:00:00Z\"",
            "\"1763719200\"",
        ] {
            let when: When = serde_json::from_str(text).unwrap();
            assert_eq!(when.0, second, "{text}");
        }
        assert_eq!(serde_json::from_str::<When>("12.5").unwrap().0, Some(12_500_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["null", "-1", "true", "\"soon\"", "[1]", "{\"a\":1}", "1e300", "\"NaN\"", "\"inf\""] {
            assert_eq!(serde_json::from_str::<When>(text).unwrap().0, None, "{text}");
        }
    }

    #[test]
    fn a_stated_unit_is_not_guessed() {
        for (text, us) in [
            ("1763719200000000000", Some(1_763_719_200_000_000)),
            ("\"1763719200000000000\"", Some(1_763_719_200_000_000)),
            ("1763719200000000499", Some(1_763_719_200_000_000)),
            ("1763719200000000500", Some(1_763_719_200_000_001)),
            ("1.7637192e18", Some(1_763_719_200_000_000)),
            ("\"1.7637192e18\"", Some(1_763_719_200_000_000)),
            // By their size, these would be seconds, milliseconds and microseconds.
            ("0", Some(0)),
            ("1763719200", Some(1_763_719)),
            ("\"1763719200000\"", Some(1_763_719_200)),
            ("1763719200000000", Some(1_763_719_200_000)),
            ("18446744073709551615", Some(18_446_744_073_709_552)),
            ("\"2025-11-21T10:00:00Z\"", Some(1_763_719_200_000_000)),
            ("-1", None),
            ("\"-1\"", None),
            ("1e300", None),
            ("\"NaN\"", None),
            ("\"soon\"", None),
            ("null", None),
            ("[1]", None),
        ] {
            assert_eq!(serde_json::from_str::<Nanos>(text).unwrap().0, us, "{text}");
        }
    }
}
