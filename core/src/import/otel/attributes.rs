//! Attributes of spans and events, in both forms in which they are written.

use crate::import::json::{Num, Text, Verbatim, unquoted};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Names and values, in file order.
#[derive(Debug, Default)]
pub(super) struct Attributes<'a>(pub(super) Vec<(Cow<'a, str>, Value<'a>)>);

/// The value of an attribute.
#[derive(Debug, Default)]
pub(super) enum Value<'a> {
    #[default]
    None,
    Text(Cow<'a, str>),
    Number(f64),
    /// A list or an object, as it stands.
    Json(&'a str),
}

impl Value<'_> {
    /// A text, or the JSON of a list or object.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Json(json) => Some(json),
            Value::None | Value::Number(_) => None,
        }
    }

    /// A number, or one written as a text.
    pub(super) fn number(&self) -> Num {
        let value = match self {
            Value::Number(value) => Some(*value),
            Value::Text(text) => text.trim().parse::<f64>().ok(),
            Value::None | Value::Json(_) => None,
        };
        value.map_or(Num::Absent, Num::Float)
    }
}

record! {
    /// A name and its value in the protocol's JSON.
    Pair<'a> {
        "key" => key: Text<'a>,
        "value" => value: Typed<'a>,
    } ignoring []
}

record! {
    /// A value in the protocol's JSON, under the name of its type.
    Typed<'a> {
        "stringValue" => text: Text<'a>,
        "intValue" => int: Verbatim<'a>,
        "doubleValue" => double: Verbatim<'a>,
        "string_value" => text_snake: Text<'a>,
        "int_value" => int_snake: Verbatim<'a>,
        "double_value" => double_snake: Verbatim<'a>,
    } ignoring ["boolValue", "arrayValue", "kvlistValue", "bytesValue", "bool_value", "array_value", "kvlist_value"]
}

impl<'a> Typed<'a> {
    fn value(self) -> Value<'a> {
        if let Some(text) = self.text.0.or(self.text_snake.0) {
            return Value::Text(text);
        }
        let numbers = [self.int, self.double, self.int_snake, self.double_snake];
        let number = numbers.iter().map(|number| number.as_str()).find(|number| !number.is_empty());
        number.map_or(Value::None, plain)
    }
}

/// A value of plain JSON.
fn plain(json: &str) -> Value<'_> {
    match json.as_bytes().first() {
        Some(b'"') => unquoted(json).map_or(Value::None, Value::Text),
        Some(b'[' | b'{') => Value::Json(json),
        _ => json.parse().map_or(Value::None, Value::Number),
    }
}

/// A name that is borrowed where it can be.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Quoted<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Attributes<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Attributes<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(Quoted(key)) = map.next_key()? {
                    let value: Verbatim<'de> = map.next_value()?;
                    found.push((key, plain(value.as_str())));
                }
                Ok(Attributes(found))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::new();
                while let Some(pair) = seq.next_element::<Pair<'de>>()? {
                    found.extend(pair.key.0.map(|key| (key, pair.value.value())));
                }
                Ok(Attributes(found))
            }
            otherwise!(Attributes::default(); unit bool number str);
        }
        deserializer.deserialize_any(Either)
    }
}
