//! A list of a foreign document that may be something else instead.

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// The elements; none where there is no list.
#[derive(Clone, Debug)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// What stands there instead of a list. A missing or null list is an empty one.
    pub(super) wrong: Option<&'static str>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        List { items: Vec::new(), wrong: None }
    }
}

impl<T> List<T> {
    fn not(what: &'static str) -> Self {
        List { items: Vec::new(), wrong: Some(what) }
    }
}

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(PhantomData<T>);
        impl<'de, T: serde::Deserialize<'de>> Visitor<'de> for Any<T> {
            type Value = List<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(List { items, wrong: None })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<List<T>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(List::not("an object"))
            }
            fn visit_unit<E>(self) -> Result<List<T>, E> {
                Ok(List::default())
            }
            fn visit_bool<E>(self, _: bool) -> Result<List<T>, E> {
                Ok(List::not("true or false"))
            }
            fn visit_u64<E>(self, _: u64) -> Result<List<T>, E> {
                Ok(List::not("a number"))
            }
            fn visit_i64<E>(self, _: i64) -> Result<List<T>, E> {
                Ok(List::not("a number"))
            }
            fn visit_f64<E>(self, _: f64) -> Result<List<T>, E> {
                Ok(List::not("a number"))
            }
            fn visit_str<E>(self, _: &str) -> Result<List<T>, E> {
                Ok(List::not("a text"))
            }
        }
        deserializer.deserialize_any(Any(PhantomData))
    }
}
