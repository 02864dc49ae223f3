//! Lenient JSON values: a field that holds something unexpected does not end the whole document.
//! It is kept as what was found, so that the record it belongs to can be skipped with a reason.

use super::{ImportError, Source};
use crate::trace::{MAX_TOKENS, MAX_US};
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::io::BufRead;

/// Largest single JSON document that is read into memory.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 1 << 30;

/// How much of it is read before it is looked at.
const PART_BYTES: u64 = 1 << 20;

/// Why a record cannot be used: which field, what was expected, what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` is {found}, expected {expected}")]
pub(super) struct Fault {
    field: &'static str,
    found: String,
    expected: String,
}

impl Fault {
    pub(super) fn new(field: &'static str, found: impl ToString, expected: impl ToString) -> Self {
        Fault { field, found: found.to_string(), expected: expected.to_string() }
    }
}

/// A number, or what stands in its place.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Num {
    /// Missing or null.
    #[default]
    Absent,
    Int(u64),
    Float(f64),
    /// Not a number: what it is instead.
    Wrong(&'static str),
}

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Num::Absent => f.write_str("missing"),
            Num::Int(value) => write!(f, "{value}"),
            Num::Float(value) => write!(f, "{value}"),
            Num::Wrong(what) => f.write_str(what),
        }
    }
}

impl Num {
    /// A whole number up to `limit`; `None` where it is missing.
    pub(super) fn whole(self, field: &'static str, limit: u64) -> Result<Option<u64>, Fault> {
        let value = match self {
            Num::Absent => return Ok(None),
            Num::Int(value) => Some(value),
            Num::Float(value) if value >= 0.0 && value <= limit as f64 && value.trunc() == value => {
                Some(value as u64)
            }
            _ => None,
        };
        match value {
            Some(value) if value <= limit => Ok(Some(value)),
            _ => Err(Fault::new(field, self, format_args!("a whole number from 0 to {limit}"))),
        }
    }

    /// A token count that must be there.
    pub(super) fn tokens(self, field: &'static str) -> Result<u32, Fault> {
        self.tokens_or_none(field)?
            .ok_or_else(|| Fault::new(field, self, format_args!("a whole number from 0 to {MAX_TOKENS}")))
    }

    /// A token count that may be missing.
    pub(super) fn tokens_or_none(self, field: &'static str) -> Result<Option<u32>, Fault> {
        Ok(self.whole(field, MAX_TOKENS.into())?.map(|value| value as u32))
    }

    /// A time given in units of `us` microseconds, rounded; `None` where it is missing.
    pub(super) fn time_us(self, field: &'static str, us: f64) -> Result<Option<u64>, Fault> {
        let value = match self {
            Num::Absent => return Ok(None),
            Num::Int(value) => value as f64 * us,
            Num::Float(value) => value * us,
            Num::Wrong(_) => f64::NAN,
        };
        if value >= 0.0 && value <= MAX_US as f64 {
            Ok(Some(value.round() as u64))
        } else {
            Err(Fault::new(field, self, format_args!("a time from 0 to {} s", MAX_US / 1_000_000)))
        }
    }

    /// A finite amount of at least 0; `None` where it is missing or is no such thing.
    pub(super) fn amount(self) -> Option<f64> {
        match self {
            Num::Int(value) => Some(value as f64),
            Num::Float(value) if value.is_finite() && value >= 0.0 => Some(value),
            _ => None,
        }
    }
}

impl<'de> serde::Deserialize<'de> for Num {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Num;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Num, E> {
                Ok(Num::Int(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Num, E> {
                Ok(Num::Float(value as f64))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Num, E> {
                Ok(Num::Float(value))
            }
            fn visit_unit<E>(self) -> Result<Num, E> {
                Ok(Num::Absent)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Num, E> {
                Ok(Num::Wrong("true or false"))
            }
            fn visit_str<E>(self, _: &str) -> Result<Num, E> {
                Ok(Num::Wrong("a text"))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Num, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Num::Wrong("a list"))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Num, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Num::Wrong("an object"))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A text; anything else reads as no text. A list of parts reads as the texts of its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text<'a>(pub(super) Option<Cow<'a, str>>);

impl Text<'_> {
    /// The text; empty where there is none.
    pub(super) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

record! {
    /// One part of a message's content.
    Part<'a> {
        "text" => text: Text<'a>,
        "content" => content: Text<'a>,
        "arguments" => arguments: Text<'a>,
    } ignoring []
}

impl<'de> serde::Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Borrowed(value))))
            }
            fn visit_str<E>(self, value: &str) -> Result<Text<'de>, E> {
                Ok(Text(Some(Cow::Owned(value.to_owned()))))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
                let mut joined: Option<String> = None;
                while let Some(part) = seq.next_element::<Part<'de>>()? {
                    for text in
                        [part.text, part.content, part.arguments].into_iter().filter_map(|text| text.0)
                    {
                        joined.get_or_insert_default().push_str(&text);
                    }
                }
                Ok(Text(joined.map(Cow::Owned)))
            }
            otherwise!(Text(None); unit bool number map);
        }
        deserializer.deserialize_any(Any)
    }
}

/// A value as it stands in the source, for what is sent as it is (arguments of tools, schemas).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verbatim<'a>(Option<&'a serde_json::value::RawValue>);

impl<'a> Verbatim<'a> {
    /// The JSON text; empty where there is none.
    pub(super) fn as_str(self) -> &'a str {
        self.0.map_or("", |value| value.get())
    }
}

impl<'de> serde::Deserialize<'de> for Verbatim<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Verbatim(Option::deserialize(deserializer)?))
    }
}

/// The text that a JSON text stands for, which is known to be JSON and so is not checked again; borrowed
/// where nothing in it is escaped. `None` for another value, and for half of a character.
pub(super) fn unquoted(json: &str) -> Option<Cow<'_, str>> {
    let mut rest = json.strip_prefix('"')?.strip_suffix('"')?;
    let mut text = String::new();
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        let stands_for = match rest.as_bytes().get(at + 1)? {
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
            // A number, and two of them may make one character.
            _ => return serde_json::from_str(json).ok(),
        };
        if text.is_empty() {
            text.reserve_exact(rest.len());
        }
        text.push_str(&rest[..at]);
        text.push(stands_for);
        rest = &rest[at + 2..];
    }
    if text.is_empty() {
        return Some(Cow::Borrowed(rest));
    }
    text.push_str(rest);
    Some(Cow::Owned(text))
}

/// Block ids of a prompt, or why they are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Ids {
    #[default]
    Absent,
    Good(Vec<u64>),
    /// What stands there instead.
    Wrong(Num),
}

impl Ids {
    /// The ids. A prompt without the field has none.
    pub(super) fn list(self, field: &'static str) -> Result<Vec<u64>, Fault> {
        match self {
            Ids::Good(ids) => Ok(ids),
            Ids::Absent => Err(Fault::new(field, "missing", "a list of block ids")),
            Ids::Wrong(found) => Err(Fault::new(field, found, "a list of whole numbers from 0")),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Ids;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ids, A::Error> {
                let mut ids = Vec::new();
                let mut wrong = None;
                while let Some(value) = seq.next_element::<Num>()? {
                    match value {
                        Num::Int(id) => ids.push(id),
                        other => wrong = wrong.or(Some(other)),
                    }
                }
                Ok(wrong.map_or(Ids::Good(ids), Ids::Wrong))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ids, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Ids::Wrong(Num::Wrong("an object")))
            }
            fn visit_unit<E>(self) -> Result<Ids, E> {
                Ok(Ids::Absent)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Ids, E> {
                Ok(Ids::Wrong(Num::Wrong("true or false")))
            }
            fn visit_str<E>(self, _: &str) -> Result<Ids, E> {
                Ok(Ids::Wrong(Num::Wrong("a text")))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Ids, E> {
                Ok(Ids::Wrong(Num::Int(value)))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Ids, E> {
                Ok(Ids::Wrong(Num::Float(value as f64)))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Ids, E> {
                Ok(Ids::Wrong(Num::Float(value)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// Looks at the first byte of what should be JSON.
pub(super) fn check_begin(input: &mut dyn BufRead, source: &Source<'_>) -> Result<(), ImportError> {
    let malformed = |why: String| ImportError::Malformed { file: source.name.to_owned(), why };
    let head = input.fill_buf().map_err(|error| malformed(format!("cannot be read: {error}")))?;
    match head.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None if head.is_empty() => Err(ImportError::Empty { file: source.name.to_owned() }),
        Some(b'{' | b'[') | None => Ok(()),
        Some(other) => {
            let found = (*other as char).escape_default();
            Err(malformed(format!("expected JSON that begins with `{{` or `[`, found `{found}`")))
        }
    }
}

/// Reads a whole JSON document into memory, after a look at its first byte.
pub(super) fn read_document(input: &mut dyn BufRead, source: &Source<'_>) -> Result<Vec<u8>, ImportError> {
    let malformed = |why: String| ImportError::Malformed { file: source.name.to_owned(), why };
    check_begin(input, source)?;
    let mut bytes = Vec::new();
    loop {
        let mut limited = std::io::Read::take(&mut *input, PART_BYTES);
        let before = bytes.len();
        std::io::Read::read_to_end(&mut limited, &mut bytes)
            .map_err(|error| malformed(format!("ends early after {} bytes: {error}", bytes.len())))?;
        if bytes.len() == before {
            return Ok(bytes);
        }
        // A hole in a file reads as zeros, and may be larger than any memory.
        if let Some(at) = memchr::memchr(0, &bytes[before..]) {
            return Err(malformed(format!("expected JSON, found a zero byte after {} bytes", before + at)));
        }
        if bytes.len() as u64 > MAX_DOCUMENT_BYTES {
            return Err(malformed(format!("longer than {MAX_DOCUMENT_BYTES} bytes, expected one trace")));
        }
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::unquoted;
    use std::borrow::Cow;

    #[test]
    fn half_a_character_and_other_values_are_no_text() {
        assert!(matches!(unquoted(r#""plain""#), Some(Cow::Borrowed("plain"))));
        assert_eq!(unquoted(r#""a\/\ud83d\ude42\u00e9""#).as_deref(), Some("a/🙂é"));
        for json in [r#""\ud83d""#, r#""a\n\ude42b""#, "12", "null", "[\"a\"]", "\""] {
            assert_eq!(unquoted(json), None, "{json}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_text_comes_back_as_serde_json_wrote_it(text in "([\u{0}-\u{7f}é🙂]|\\\\n|\\\\u0041){0,40}") {
            let json = serde_json::to_string(&text).unwrap();
            assert_eq!(unquoted(&json).as_deref(), Some(text.as_str()));
        }
    }
}
