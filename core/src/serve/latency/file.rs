//! Reading profile files that people bring: every key is checked, and what is wrong is said with the key,
//! what was found and what is accepted.

use super::coefficients::Term;
use super::profile::{Costs, Profile, ProfileOrigin, SCHEMA};
use serde_json::Value;

/// Why a text is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// No JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// A value that is not accepted.
    #[error("`{key}` is {found}, expected {expected}")]
    Value {
        /// The key, with those above it.
        key: String,
        /// The value.
        found: String,
        /// What is accepted.
        expected: String,
    },
    /// A key that must be there.
    #[error("`{key}` is missing, expected {expected}")]
    Missing {
        /// The key, with those above it.
        key: String,
        /// What is accepted.
        expected: String,
    },
    /// A key that means nothing.
    #[error("unknown key `{key}`, expected one of: {known}")]
    Unknown {
        /// The key, with those above it.
        key: String,
        /// The accepted ones.
        known: String,
    },
}

/// What a key's value may be.
#[derive(Clone, Copy)]
enum Kind {
    Object,
    List,
    Text,
    OneOf(&'static [&'static str]),
    Above0,
    From0,
    /// Above 0, at most 1.
    Share,
    Whole,
    /// A number or null.
    Known,
}

/// A key, and whether it must be there when the object around it is.
struct Key(&'static str, Kind, bool);

const fn must(key: &'static str, kind: Kind) -> Key {
    Key(key, kind, true)
}

const fn may(key: &'static str, kind: Kind) -> Key {
    Key(key, kind, false)
}

const ORIGINS: &[&str] = &["estimated", "probed", "calibrated", "simulated"];

/// All keys, those of an object behind it.
const KEYS: &[Key] = &[
    must("schema", Kind::OneOf(&[SCHEMA])),
    must("name", Kind::Text),
    must("title", Kind::Text),
    must("origin", Kind::OneOf(ORIGINS)),
    must("source", Kind::Text),
    must("gpu", Kind::Object),
    must("gpu.name", Kind::Text),
    must("gpu.flops_per_s", Kind::Above0),
    must("gpu.bytes_per_s", Kind::Above0),
    must("gpu.memory_gb", Kind::Above0),
    may("gpu.host_gb_per_s", Kind::Above0),
    must("model", Kind::Object),
    must("model.name", Kind::Text),
    must("model.dtype", Kind::Text),
    must("model.params", Kind::Above0),
    must("model.layers", Kind::Whole),
    must("model.q_dim", Kind::Whole),
    must("model.weight_bytes", Kind::Above0),
    must("model.kv_bytes_per_token", Kind::Above0),
    must("model.context_tokens", Kind::Whole),
    may("model.context_note", Kind::Text),
    may("memory_share", Kind::Share),
    must("kv_tokens", Kind::Whole),
    must("costs", Kind::Object),
    may("costs.shares", Kind::Object),
    must("costs.shares.compute", Kind::Share),
    must("costs.shares.bandwidth", Kind::Share),
    must("costs.shares.step_overhead_us", Kind::From0),
    must("costs.shares.sequence_overhead_us", Kind::From0),
    may("costs.fitted", Kind::Object),
    must("costs.fitted.us_per", Kind::Object),
    must("costs.fitted.us_per.step", Kind::From0),
    must("costs.fitted.us_per.sequence", Kind::From0),
    must("costs.fitted.us_per.kv_token", Kind::From0),
    must("costs.fitted.us_per.prefill_token", Kind::From0),
    must("costs.fitted.us_per.attention_pair", Kind::From0),
    must("costs.fitted.us_per.prompt", Kind::From0),
    must("costs.fitted.of_peak", Kind::Object),
    must("costs.fitted.of_peak.prefill_compute", Kind::Known),
    must("costs.fitted.of_peak.attention_compute", Kind::Known),
    must("costs.fitted.of_peak.kv_bandwidth", Kind::Known),
    must("costs.fitted.of_peak.weights_bandwidth", Kind::Known),
    must("costs.fitted.terms", Kind::List),
    must("costs.fitted.points", Kind::Whole),
    must("costs.fitted.r2", Kind::Known),
    must("costs.fitted.residuals", Kind::Object),
    must("costs.fitted.residuals.mean", Kind::From0),
    must("costs.fitted.residuals.p50", Kind::From0),
    must("costs.fitted.residuals.p90", Kind::From0),
    must("costs.fitted.residuals.max", Kind::From0),
    may("costs.fitted.held_out", Kind::Object),
    must("costs.fitted.held_out.points", Kind::Whole),
    must("costs.fitted.held_out.errors", Kind::Object),
    must("costs.fitted.held_out.errors.mean", Kind::From0),
    must("costs.fitted.held_out.errors.p50", Kind::From0),
    must("costs.fitted.held_out.errors.p90", Kind::From0),
    must("costs.fitted.held_out.errors.max", Kind::From0),
    must("costs.fitted.from", Kind::Object),
    must("costs.fitted.from.command", Kind::Text),
    may("costs.fitted.from.machine", Kind::Text),
    may("costs.fitted.from.date", Kind::Text),
];

impl Kind {
    fn accepted(self) -> String {
        match self {
            Kind::Object => "an object".to_owned(),
            Kind::List => format!("a list with one entry for each of: {}", Term::known()),
            Kind::Text => "a text that is not empty".to_owned(),
            Kind::OneOf(known) => match known {
                [one] => format!("`{one}`"),
                _ => format!("one of: {}", known.join(", ")),
            },
            Kind::Above0 => "a number above 0".to_owned(),
            Kind::From0 => "a number from 0 on".to_owned(),
            Kind::Share => "a number above 0 and at most 1".to_owned(),
            Kind::Whole => "a whole number from 1 on".to_owned(),
            Kind::Known => "a number, or null where it is not known".to_owned(),
        }
    }

    fn takes(self, value: &Value) -> bool {
        let number = |accepts: &dyn Fn(f64) -> bool| value.as_f64().is_some_and(accepts);
        match self {
            Kind::Object => value.is_object(),
            Kind::List => value.as_array().is_some_and(|terms| terms.len() == Term::ALL.len()),
            Kind::Text => value.as_str().is_some_and(|text| !text.trim().is_empty()),
            Kind::OneOf(known) => value.as_str().is_some_and(|text| known.contains(&text)),
            Kind::Above0 => number(&|n| n > 0.0),
            Kind::From0 => number(&|n| n >= 0.0),
            Kind::Share => number(&|n| n > 0.0 && n <= 1.0),
            Kind::Whole => value.as_u64().is_some_and(|n| n >= 1),
            Kind::Known => value.is_null() || value.is_number(),
        }
    }
}

impl Profile {
    /// Reads a profile file.
    ///
    /// # Errors
    /// The first key that is missing, unknown or not as it must be.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let file: Value =
            serde_json::from_str(text).map_err(|error| ProfileError::Json(error.to_string()))?;
        if !file.is_object() {
            return Err(ProfileError::Json("expected an object at the top".to_owned()));
        }
        check_unknown("", &file)?;
        for key in KEYS {
            check(&file, key)?;
        }
        check_costs(&file)?;
        let profile: Profile =
            serde_json::from_value(file).map_err(|error| ProfileError::Json(error.to_string()))?;
        check_origin(&profile)?;
        Ok(profile)
    }
}

/// The value at a path; `None` where an object on the way is not there.
fn at<'v>(file: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(file, |value, key| value.get(key))
}

fn check(file: &Value, Key(path, kind, required): &Key) -> Result<(), ProfileError> {
    let around = path.rsplit_once('.').map_or(Some(file), |(around, _)| at(file, around));
    // What lies in an optional object is asked for only where that is.
    if around.is_none_or(Value::is_null) {
        return Ok(());
    }
    let key = (*path).to_owned();
    match at(file, path) {
        Some(Value::Null) | None if !required => Ok(()),
        Some(value) if kind.takes(value) => Ok(()),
        Some(value) => Err(ProfileError::Value { key, found: value.to_string(), expected: kind.accepted() }),
        None => Err(ProfileError::Missing { key, expected: kind.accepted() }),
    }
}

/// Refuses keys that mean nothing, which are mostly misspelt.
fn check_unknown(prefix: &str, value: &Value) -> Result<(), ProfileError> {
    let Some(object) = value.as_object() else { return Ok(()) };
    let within = |key: &Key| {
        let rest = key.0.strip_prefix(prefix)?;
        (!rest.contains('.')).then_some(rest)
    };
    for (key, value) in object {
        let path = format!("{prefix}{key}");
        if !KEYS.iter().any(|known| known.0 == path) {
            let known = KEYS.iter().filter_map(within).collect::<Vec<_>>().join(", ");
            return Err(ProfileError::Unknown { key: path, known });
        }
        check_unknown(&format!("{path}."), value)?;
    }
    Ok(())
}

/// Costs are given in one way, not in none and not in two that may contradict each other.
fn check_costs(file: &Value) -> Result<(), ProfileError> {
    let ways: Vec<&str> =
        file["costs"].as_object().into_iter().flatten().map(|(way, _)| way.as_str()).collect();
    if ways.len() == 1 {
        return Ok(());
    }
    let found = if ways.is_empty() { "empty".to_owned() } else { ways.join(" and ") };
    Err(ProfileError::Value {
        key: "costs".to_owned(),
        found,
        expected: "either shares or fitted".to_owned(),
    })
}

/// Holds what a profile says of its origin against what it holds.
fn check_origin(profile: &Profile) -> Result<(), ProfileError> {
    let wrong = |key: &str, found: String, expected: &str| {
        Err(ProfileError::Value { key: key.to_owned(), found, expected: expected.to_owned() })
    };
    let origin = profile.origin;
    let Costs::Fitted(fitted) = &profile.costs else {
        return if origin == ProfileOrigin::Estimated {
            Ok(())
        } else {
            wrong("origin", format!("`{origin}`"), "`estimated`, as costs are given by shares of peak")
        };
    };
    if origin == ProfileOrigin::Estimated {
        return wrong(
            "origin",
            "`estimated`".to_owned(),
            "`probed`, `calibrated` or `simulated`, as costs are fitted",
        );
    }
    for (place, term) in fitted.terms.iter().enumerate() {
        if Term::ALL[place] != term.term {
            let expected = format!("the terms in the order: {}", Term::known());
            return wrong(
                &format!("costs.fitted.terms[{place}].term"),
                format!("`{}`", term.term.name()),
                &expected,
            );
        }
    }
    let said = [("machine", &fitted.from.machine), ("date", &fitted.from.date)];
    for (key, value) in said {
        let key = format!("costs.fitted.from.{key}");
        match value {
            None if origin.is_measured() => {
                return Err(ProfileError::Missing {
                    key,
                    expected: format!("it said, as the profile is `{origin}`"),
                });
            }
            Some(value) if !origin.is_measured() => {
                return wrong(&key, format!("`{value}`"), "nothing, as no hardware was timed");
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GOOD: &str = include_str!("../profiles/h200-qwen3-8b.json");

    fn with(change: impl FnOnce(&mut Value)) -> Result<Profile, ProfileError> {
        let mut file: Value = serde_json::from_str(GOOD).unwrap();
        change(&mut file);
        Profile::from_json(&file.to_string())
    }

    #[test]
    fn every_wrong_value_is_named_with_its_key_and_what_is_accepted() {
        let wrong: &[(&str, Value, &str)] = &[
            ("/schema", json!("atr-profile/1"), "`schema` is \"atr-profile/1\", expected `atr-latency/1`"),
            ("/name", json!(" "), "`name` is \" \", expected a text that is not empty"),
            ("/origin", json!("guessed"), "expected one of: estimated, probed, calibrated, simulated"),
            ("/gpu/bytes_per_s", json!("fast"), "`gpu.bytes_per_s` is \"fast\", expected a number above 0"),
            ("/gpu", json!(3), "`gpu` is 3, expected an object"),
            ("/model/layers", json!(36.5), "`model.layers` is 36.5, expected a whole number from 1 on"),
            ("/kv_tokens", json!(0), "`kv_tokens` is 0, expected a whole number from 1 on"),
            (
                "/costs/shares/compute",
                json!(1.2),
                "`costs.shares.compute` is 1.2, expected a number above 0 and at most 1",
            ),
            (
                "/costs/shares/step_overhead_us",
                json!(-1),
                "`costs.shares.step_overhead_us` is -1, expected a number from 0 on",
            ),
            ("/memory_share", json!(0), "`memory_share` is 0"),
            (
                "/origin",
                json!("calibrated"),
                "`origin` is `calibrated`, expected `estimated`, as costs are given by shares",
            ),
        ];
        for (pointer, value, said) in wrong {
            let error = with(|file| *file.pointer_mut(pointer).unwrap() = value.clone()).unwrap_err();
            assert!(error.to_string().contains(said), "{pointer}: {error}");
        }
    }

    #[test]
    fn missing_and_unknown_keys_are_named() {
        for Key(path, _, required) in KEYS.iter().filter(|key| !key.0.starts_with("costs.fitted")) {
            let (around, last) = path.rsplit_once('.').unwrap_or(("", path));
            let around =
                if around.is_empty() { String::new() } else { format!("/{}", around.replace('.', "/")) };
            let read = with(|file| {
                file.pointer_mut(&around).unwrap().as_object_mut().unwrap().remove(last);
            });
            let said = read.map_err(|error| error.to_string());
            if *required {
                assert!(said.unwrap_err().starts_with(&format!("`{path}` is missing, expected ")), "{path}");
            } else if *path != "costs.shares" {
                assert!(said.is_ok(), "{path}");
            }
        }
        let error = with(|file| file["model"]["heads"] = json!(32)).unwrap_err().to_string();
        assert!(
            error.starts_with("unknown key `model.heads`, expected one of: name, dtype, params"),
            "{error}"
        );
        let error = with(|file| file["kv"] = json!(1)).unwrap_err().to_string();
        assert!(
            error.contains("`kv`, expected one of: schema, name") && !error.contains("gpu.name"),
            "{error}"
        );
    }

    #[test]
    fn costs_are_given_in_one_way() {
        let none = with(|file| file["costs"] = json!({})).unwrap_err().to_string();
        assert_eq!(none, "`costs` is empty, expected either shares or fitted");
        let both = with(|file| file["costs"]["fitted"] = json!(null)).unwrap_err().to_string();
        assert_eq!(both, "`costs` is fitted and shares, expected either shares or fitted");
    }

    #[test]
    fn what_is_no_json_says_where() {
        for bad in ["", "{", "[]", "{\"schema\": }"] {
            let error = Profile::from_json(bad).unwrap_err().to_string();
            assert!(error.starts_with("not JSON: "), "{error}");
        }
    }
}
