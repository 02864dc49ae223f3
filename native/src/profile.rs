//! Latency profiles on the command line: names, and files that people bring.

use crate::args::WrongCall;
use anyhow::Context;
use atr_core::figure::units;
use atr_core::policy::ScenarioError;
use atr_core::serve::latency::{self, Profile};
use std::path::Path;

/// Whether a text that names no profile can only be meant as a file.
fn is_file(name: &str) -> bool {
    name.contains(['.', '/']) || Path::new(name).exists()
}

/// The profile of a file; `None` where the text is the name of one that comes along, or `linear:…`.
///
/// # Errors
/// When there is neither such a name nor such a file, or the file holds no profile.
pub(crate) fn own(name: &str) -> anyhow::Result<Option<Profile>> {
    if latency::by_name(name).is_some() {
        return Ok(None);
    }
    if let Some(numbers) = name.strip_prefix("linear:") {
        return Err(WrongCall(not_linear(name, numbers)).into());
    }
    if !is_file(name) {
        return Err(unknown(name).into());
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("{name}: cannot be read"))?;
    let profile = Profile::from_json(&text).with_context(|| name.to_owned())?;
    check_name(&profile.name).with_context(|| name.to_owned())?;
    Ok(Some(profile))
}

/// A profile with an accelerator and a model.
///
/// # Errors
/// As [`own`]; and when it is `linear:…`, which has neither.
pub(crate) fn load(name: &str) -> anyhow::Result<Profile> {
    if let Some(profile) = own(name)? {
        return Ok(profile);
    }
    latency::find(name).ok_or_else(|| {
        let why = format!("profile `{name}` has no accelerator and no model, expected one that has");
        WrongCall(why).into()
    })
}

/// What is wrong with the numbers of a `linear` profile.
fn not_linear(name: &str, numbers: &str) -> String {
    let numbers: Vec<&str> = numbers.split(',').map(str::trim).collect();
    let good = |ms: &str| ms.parse::<f64>().is_ok_and(|ms| ms.is_finite() && ms >= 0.0);
    let wrong = match numbers.iter().zip(["a_ms", "b_ms", "c_ms"]).find(|(ms, _)| !good(ms)) {
        Some((ms, which)) if numbers.len() == 3 => {
            format!("`{which}` is `{ms}`, expected a number of at least 0")
        }
        _ => {
            format!("{} given, expected three: a_ms,b_ms,c_ms", units::plural(numbers.len() as u64, "number"))
        }
    };
    format!("profile `{name}`: {wrong}")
}

fn unknown(name: &str) -> ScenarioError {
    let known = format!("{}, or a file", latency::known());
    ScenarioError::Unknown { what: "profile", found: name.to_owned(), known }
}

/// A name of one's own, which nobody can take for one that comes along.
///
/// # Errors
/// When it is another's, or no name.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let wrong = |expected: &str| Err(WrongCall(format!("`name` is `{name}`, expected {expected}")).into());
    if latency::by_name(name).is_some() {
        return wrong("another, as a profile that comes along is called so");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 80 || !name.chars().all(plain) {
        return wrong("at most 80 of: letters, digits, `-`, `_`, `.`");
    }
    Ok(())
}
