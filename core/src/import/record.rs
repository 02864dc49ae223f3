//! Records of foreign JSON: known keys become fields, known but unused keys are passed over, and
//! unknown keys are counted, because they may hold content and must not go on unnoticed.

use serde::de::{DeserializeSeed, Deserializer, Visitor};
use std::fmt;

/// The keys of a record and what they stand for, with an index.
pub(super) struct Keys<K: 'static> {
    known: &'static [(&'static str, K)],
    /// Behind the slot of a key's hash, up to an empty one, the places of keys with that hash, from 1.
    places: [u8; SLOTS],
}

/// More than twice the keys of the largest record, and few enough for a place to be a byte.
const SLOTS: usize = 256;

impl<K> Keys<K> {
    pub(super) const fn of(known: &'static [(&'static str, K)]) -> Self {
        assert!(known.len() < SLOTS, "a record with too many keys");
        let (mut places, mut place) = ([0; SLOTS], 0);
        while place < known.len() {
            let mut slot = slot(known[place].0.as_bytes());
            while places[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            place += 1;
            places[slot] = place as u8;
        }
        Keys { known, places }
    }

    fn find(&self, key: &str) -> Option<&K> {
        let mut slot = slot(key.as_bytes());
        loop {
            let place = usize::from(self.places[slot]).checked_sub(1)?;
            let (known, stands_for) = &self.known[place];
            if *known == key {
                return Some(stands_for);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

/// From a key's length, its ends and its middle, in which names of keys differ.
const fn slot(key: &[u8]) -> usize {
    match key {
        [] => 0,
        [first, .., last] => {
            let hash = (key.len() % SLOTS * 7 + *first as usize) * 31 + key[key.len() / 2] as usize;
            (hash * 31 + *last as usize) % SLOTS
        }
        [only] => *only as usize,
    }
}

/// Reads an object's key and finds what it stands for among the known ones.
pub(super) struct KeyAmong<K: 'static>(pub(super) &'static Keys<K>);

impl<'de, K: Copy> DeserializeSeed<'de> for KeyAmong<K> {
    type Value = Option<K>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<K: Copy> Visitor<'_> for KeyAmong<K> {
    type Value = Option<K>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.find(key).copied())
    }
}

/// Declares a record that reads from any JSON value. Where that is no object, `wrong` says what it
/// is; `unknown` counts the keys that nobody knows.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident<'a> { $($key:literal => $field:ident : $type:ty),* $(,)? }
     ignoring [$($ignored:literal),* $(,)?]) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(super) struct $name<'a> {
            $(pub(super) $field: $type,)*
            /// What stands there instead of an object.
            #[allow(dead_code, reason = "where a record is optional, what is no object is as good as none")]
            pub(super) wrong: Option<&'static str>,
            /// Keys that are not known here.
            #[allow(dead_code, reason = "only the outer records are asked")]
            pub(super) unknown: u64,
            pub(super) lifetime: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> serde::Deserialize<'a> for $name<'a> {
            fn deserialize<D: serde::Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
                struct Any;
                impl<'a> serde::de::Visitor<'a> for Any {
                    type Value = $name<'a>;
                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }
                    fn visit_map<A: serde::de::MapAccess<'a>>(
                        self,
                        mut map: A,
                    ) -> Result<Self::Value, A::Error> {
                        #[derive(Clone, Copy)]
                        #[allow(non_camel_case_types, dead_code, reason = "named as the fields are")]
                        enum Key { $($field,)* Ignored }
                        const KEYS: &$crate::import::record::Keys<Key> = &$crate::import::record::Keys::of(
                            &[$(($key, Key::$field),)* $(($ignored, Key::Ignored),)*],
                        );
                        let mut record = $name::default();
                        while let Some(key) = map.next_key_seed($crate::import::record::KeyAmong(KEYS))? {
                            match key {
                                $(Some(Key::$field) => record.$field = map.next_value()?,)*
                                other => {
                                    record.unknown += u64::from(other.is_none());
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                }
                            }
                        }
                        Ok(record)
                    }
                    fn visit_seq<A: serde::de::SeqAccess<'a>>(
                        self,
                        mut seq: A,
                    ) -> Result<Self::Value, A::Error> {
                        while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
                        Ok($name { wrong: Some("a list"), ..$name::default() })
                    }
                    fn visit_unit<E>(self) -> Result<Self::Value, E> {
                        Ok($name { wrong: Some("null"), ..$name::default() })
                    }
                    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                        Ok($name { wrong: Some("true or false"), ..$name::default() })
                    }
                    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
                        Ok($name { wrong: Some("a number"), ..$name::default() })
                    }
                    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
                        Ok($name { wrong: Some("a number"), ..$name::default() })
                    }
                    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
                        Ok($name { wrong: Some("a number"), ..$name::default() })
                    }
                    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
                        Ok($name { wrong: Some("a text"), ..$name::default() })
                    }
                }
                deserializer.deserialize_any(Any)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::Keys;

    /// The last four are of one hash.
    const KNOWN: &[(&str, u8)] =
        &[("type", 0), ("", 1), ("abcde", 2), ("aacde", 3), ("aecbe", 4), ("axcye", 5)];

    #[test]
    fn a_key_is_found_whatever_others_share_its_hash() {
        let keys = Keys::of(KNOWN);
        for (key, stands_for) in KNOWN {
            assert_eq!(keys.find(key), Some(stands_for), "{key}");
        }
        for key in ["abcdf", "adcde", "typ", "types", "é", "t"] {
            assert_eq!(keys.find(key), None, "{key}");
        }
    }

    #[test]
    fn the_first_of_equal_keys_counts() {
        assert_eq!(Keys::of(&[("id", 1), ("id", 2)]).find("id"), Some(&1));
    }

    #[test]
    fn a_full_table_finds_the_few_that_are_not_in_it() {
        let names: Vec<(&'static str, usize)> =
            (0..255).map(|n| (Box::leak(format!("key{n}").into_boxed_str()) as &'static str, n)).collect();
        let keys = Keys::of(names.leak());
        assert!((0..255).all(|n| keys.find(&format!("key{n}")) == Some(&n)));
        assert_eq!(keys.find("key255"), None);
    }
}
