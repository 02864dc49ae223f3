//! Values of one key: how they are written, and which of the scenario's own kinds they are.
//!
//! A text is taken for the first of these that the scenario accepts under its key: null, a number or
//! another JSON value; a text; a list of texts parted by `+`. Arrivals are written as everywhere on
//! the command line. So a key that the scenario gains needs nothing here.

use crate::scenario as cli;
use anyhow::{Context, ensure};
use atr_core::policy::Scenario;
use serde::de::{self, Deserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

/// Most values of one key.
const MAX_VALUES: usize = 10_000;

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Written {
    /// A text that may stand for several values: `1..8x2`.
    Text(String),
    /// A JSON value, to be taken as it is.
    Json(Value),
}

impl Written {
    /// A list's items, or the one value. Texts keep their meaning.
    pub(super) fn items(value: Value) -> Vec<Written> {
        match value {
            Value::Array(items) => items.into_iter().map(Written::one).collect(),
            value => vec![Written::one(value)],
        }
    }

    fn one(value: Value) -> Written {
        match value {
            Value::String(text) => Written::Text(text),
            value => Written::Json(value),
        }
    }

    /// What stands behind `KEY=`: values parted by commas, or a JSON list where they hold commas.
    pub(super) fn list(text: &str) -> anyhow::Result<Vec<Written>> {
        if text.trim_start().starts_with('[') {
            let items: Vec<Value> = serde_json::from_str(text).context("expected a JSON list")?;
            return Ok(Written::items(Value::Array(items)));
        }
        let items: Vec<Written> = text.split(',').map(|item| Written::Text(item.trim().to_owned())).collect();
        ensure!(
            !items.contains(&Written::Text(String::new())),
            "an empty value, expected one between commas"
        );
        Ok(items)
    }
}

/// Names of all keys of a scenario, in its order.
pub(super) fn keys() -> &'static [&'static str] {
    struct Keys(&'static [&'static str]);
    impl<'de> Deserializer<'de> for &mut Keys {
        type Error = de::value::Error;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Self::Error> {
            Err(de::Error::custom("only the names of keys are asked for"))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Self::Error> {
            self.0 = fields;
            Err(de::Error::custom("only the names of keys are asked for"))
        }
        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let mut keys = Keys(&[]);
    // It always fails, behind having been told the names.
    let _ = <Scenario as serde::Deserialize>::deserialize(&mut keys);
    keys.0
}

/// The scenario with one key set, and the value as the scenario itself writes it.
pub(super) fn with(base: &Map<String, Value>, key: &str, value: Value) -> anyhow::Result<(Scenario, Value)> {
    let mut changed = base.clone();
    changed.insert(key.to_owned(), value.clone());
    let scenario: Scenario = serde_json::from_value(Value::Object(changed)).map_err(plain)?;
    let own = serde_json::to_value(&scenario)?.get(key).cloned();
    Ok((scenario, own.unwrap_or(value)))
}

/// What is expected, in our own words: a reader of JSON names the types of a language.
fn plain(error: serde_json::Error) -> anyhow::Error {
    let said = error.to_string();
    let Some((_, expected)) = said.rsplit_once("expected ").filter(|_| !said.starts_with("unknown")) else {
        return error.into();
    };
    anyhow::anyhow!(
        "expected {}",
        match expected {
            "u32" | "u64" => "a whole number that is not negative",
            "f64" => "a number",
            "a boolean" => "`true` or `false`",
            "a sequence" => "a list of names",
            other => other,
        }
    )
}

/// All values that a text or JSON value stands for, each as the scenario itself writes it.
pub(super) fn read(base: &Map<String, Value>, key: &str, written: &Written) -> anyhow::Result<Vec<Value>> {
    match written {
        Written::Json(value) => Ok(vec![with(base, key, value.clone())?.1]),
        Written::Text(text) => match range(text)? {
            Some(numbers) => {
                numbers.into_iter().map(|number| with(base, key, number).map(|(_, own)| own)).collect()
            }
            None => Ok(vec![one(base, key, text)?]),
        },
    }
}

fn one(base: &Map<String, Value>, key: &str, text: &str) -> anyhow::Result<Value> {
    let json = serde_json::from_str::<Value>(text).ok();
    if key == "arrivals" && json.is_none() {
        let arrivals = cli::arrivals(text).map_err(anyhow::Error::msg)?;
        return Ok(serde_json::to_value(arrivals)?);
    }
    let parts = text.split('+').map(|part| Value::String(part.trim().to_owned())).collect();
    let candidates = json.into_iter().chain([Value::String(text.to_owned()), Value::Array(parts)]);
    let mut first = None;
    for candidate in candidates {
        match with(base, key, candidate) {
            Ok((_, own)) => return Ok(own),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    Err(first.unwrap_or_else(|| anyhow::anyhow!("no value")))
}

/// `A..B`, `A..B+STEP` or `A..BxFACTOR`: both ends are in it, where they are met.
fn range(text: &str) -> anyhow::Result<Option<Vec<Value>>> {
    let Some((from, rest)) = text.split_once("..") else { return Ok(None) };
    let (to, step, grows) = match (rest.split_once('x'), rest.split_once('+')) {
        (Some((to, factor)), _) => (to, factor, true),
        (None, Some((to, step))) => (to, step, false),
        (None, None) => (rest, "1", false),
    };
    let least = if grows { 1.0 } else { 0.0 };
    let whole = (from.parse::<u64>(), to.parse::<u64>(), step.parse::<u64>());
    if let (Ok(from), Ok(to), Ok(step)) = whole {
        ensure!(from <= to, "`{text}` ends before it begins");
        ensure!(step as f64 > least && (from > 0 || !grows), "`{text}` does not grow");
        let next = |at: &u64| if grows { at.checked_mul(step) } else { at.checked_add(step) };
        let all = std::iter::successors(Some(from), next).take_while(|at| *at <= to);
        return bounded(text, all.map(Value::from)).map(Some);
    }
    let (Ok(from), Ok(to), Ok(step)) = (from.parse::<f64>(), to.parse::<f64>(), step.parse::<f64>()) else {
        return Ok(None);
    };
    ensure!(from <= to && to.is_finite(), "`{text}` ends before it begins");
    ensure!(step > least && (from > 0.0 || !grows), "`{text}` does not grow");
    let at = |nth: i32| if grows { from * step.powi(nth) } else { from + step * f64::from(nth) };
    let all = (0..).map(at).take_while(|at| *at <= to + to.abs() * 1e-9);
    bounded(text, all.map(|at| Value::from(rounded(at)))).map(Some)
}

/// Without the dust of binary fractions: twelve digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.11e}").parse().unwrap_or(number)
}

fn bounded(text: &str, values: impl Iterator<Item = Value>) -> anyhow::Result<Vec<Value>> {
    let values: Vec<Value> = values.take(MAX_VALUES + 1).collect();
    ensure!(values.len() <= MAX_VALUES, "`{text}` has more than {MAX_VALUES} values");
    Ok(values)
}

/// A value as people write it: `16`, `cache-aware`, `concurrency:8`, `naive+learned`.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "default".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join("+"),
        Value::Object(entries) => match entries.iter().next() {
            Some((name, Value::Object(inner))) if entries.len() == 1 => {
                format!("{name}:{}", inner.values().map(shown).collect::<Vec<_>>().join(","))
            }
            _ => value.to_string(),
        },
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn base() -> Map<String, Value> {
        match serde_json::to_value(Scenario::default()) {
            Ok(Value::Object(map)) => map,
            other => panic!("{other:?}"),
        }
    }

    fn values(key: &str, text: &str) -> Vec<Value> {
        let written = Written::list(text).unwrap();
        written.iter().flat_map(|item| read(&base(), key, item).unwrap()).collect()
    }

    fn wrong(key: &str, text: &str) -> String {
        let written = Written::list(text);
        let read = |items: Vec<Written>| items.iter().try_for_each(|item| read(&base(), key, item).map(drop));
        format!("{:#}", written.and_then(read).unwrap_err())
    }

    #[test]
    fn keys_are_those_of_the_scenario() {
        let all = keys();
        for key in base().keys() {
            assert!(all.contains(&key.as_str()), "{key}");
        }
        // One that is not written while it has its default.
        assert!(all.contains(&"staleness_us"));
        assert_eq!(all[0], "policies");
    }

    #[test]
    fn a_value_has_the_kind_of_its_key() {
        assert_eq!(values("replicas", "1, 2,4"), [json!(1), json!(2), json!(4)]);
        assert_eq!(values("speed", "1,0.5"), [json!(1.0), json!(0.5)]);
        assert_eq!(values("router", "null,round-robin"), [Value::Null, json!("round-robin")]);
        assert_eq!(
            values("router", r#"["cache-aware:threshold=0.3,abs=8"]"#),
            [json!("cache-aware:threshold=0.3,abs=8")]
        );
        assert_eq!(values("reserve", "true,false"), [json!(true), json!(false)]);
        assert_eq!(
            values("policies", "naive,naive+exact-prefix-cache"),
            [json!(["naive"]), json!(["naive", "exact-prefix-cache"])]
        );
        assert_eq!(
            values("arrivals", "recorded,poisson:2,null"),
            [json!("recorded"), json!({"poisson": {"per_s": 2.0}}), Value::Null]
        );
        assert_eq!(values("replay", "times"), [json!("times")]);
    }

    #[test]
    fn ranges_hold_their_ends() {
        assert_eq!(values("replicas", "1..3"), [json!(1), json!(2), json!(3)]);
        assert_eq!(values("kv_tokens", "16..100x2,7"), [json!(16), json!(32), json!(64), json!(7)]);
        assert_eq!(values("seed", "1..8+3"), [json!(1), json!(4), json!(7)]);
        assert_eq!(values("speed", "0.1..0.3+0.1"), [json!(0.1), json!(0.2), json!(0.3)]);
        assert_eq!(values("speed", "0.5..2x2"), [json!(0.5), json!(1.0), json!(2.0)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(wrong("replicas", "two"), "expected a whole number that is not negative");
        assert_eq!(wrong("replicas", "1.5"), "expected a whole number that is not negative");
        assert_eq!(wrong("reserve", "yes"), "expected `true` or `false`");
        assert_eq!(wrong("speed", "fast"), "expected a number");
        assert_eq!(wrong("replicas", "-1"), "expected a whole number that is not negative");
        assert!(wrong("replicas", "1,,2").contains("empty"));
        assert!(wrong("replicas", "4..1").contains("ends before it begins"));
        assert!(wrong("replicas", "1..4x1").contains("does not grow"));
        assert!(wrong("replicas", "0..4x2").contains("does not grow"));
        assert!(wrong("replicas", "1..4+0").contains("does not grow"));
        assert!(wrong("seed", "1..1000000").contains("more than 10000"));
        assert!(wrong("replay", "backwards").contains("times"));
        assert!(wrong("arrivals", "sometimes").contains("poisson:RATE"));
        assert!(wrong("router", "[1").contains("JSON list"));
    }

    #[test]
    fn values_are_shown_as_they_are_written() {
        for (key, text) in [
            ("arrivals", "concurrency:8"),
            ("policies", "naive+exact-prefix-cache"),
            ("router", "least-load"),
        ] {
            assert_eq!(values(key, text).iter().map(shown).collect::<Vec<_>>(), [text]);
        }
        assert_eq!(shown(&Value::Null), "default");
    }
}
