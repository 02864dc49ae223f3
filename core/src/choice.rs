//! How members of a family are named with their parameters: `NAME`, `NAME:PRESET`,
//! `NAME:KEY=VALUE,…` or both, `NAME:PRESET,KEY=VALUE`.
//!
//! What a member is called and takes is plain data, apart from the code that makes it, so that a page
//! can list what it does not carry.

use std::fmt::Write as _;

/// A number that a member takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Param {
    /// Name, its unit included.
    pub key: &'static str,
    /// One line for help texts.
    pub about: &'static str,
    /// What holds where nothing is said.
    pub default: f64,
    /// Least and most that is accepted.
    pub range: (f64, f64),
}

/// Values that somebody published together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    /// Name.
    pub name: &'static str,
    /// Who uses them.
    pub source: &'static str,
    /// Parameters that differ from the default.
    pub values: &'static [(&'static str, f64)],
}

/// A member of a family, as a registry lists it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct About {
    /// Name on the command line and in results.
    pub name: &'static str,
    /// One line for help texts and the page.
    pub about: &'static str,
    /// Numbers that it takes.
    pub params: &'static [Param],
    /// Named sets of them.
    pub presets: &'static [Preset],
}

impl About {
    /// A member without parameters.
    pub const fn plain(name: &'static str, about: &'static str) -> Self {
        About { name, about, params: &[], presets: &[] }
    }

    /// Presets and parameters with their defaults, for help texts and errors.
    pub fn accepted(&self) -> String {
        let presets = self.presets.iter().map(|preset| preset.name.to_owned());
        let params = self.params.iter().map(|param| format!("{}={}", param.key, param.default));
        let all: Vec<String> = presets.chain(params).collect();
        if all.is_empty() { "no parameters".to_owned() } else { all.join(", ") }
    }
}

/// A member with a value for each of its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    about: &'static About,
    values: Vec<f64>,
}

/// Why a text names no member.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ChoiceError {
    /// No member of that name.
    #[error("`{found}`, expected one of: {known}")]
    Name {
        /// The name.
        found: String,
        /// The accepted ones.
        known: String,
    },
    /// The member has no such preset or parameter, or it is no number.
    #[error("`{name}` with `{found}`, expected one of: {known}")]
    Part {
        /// The member.
        name: &'static str,
        /// What was found.
        found: String,
        /// The accepted ones.
        known: String,
    },
    /// A number outside of its range.
    #[error("`{name}` with `{key}={found}`, expected {least} to {most}")]
    Range {
        /// The member.
        name: &'static str,
        /// The parameter.
        key: &'static str,
        /// The value.
        found: f64,
        /// Least that is accepted.
        least: f64,
        /// Most that is accepted.
        most: f64,
    },
}

/// The accepted names, for help texts and errors.
pub fn known(family: &[About]) -> String {
    family.iter().map(|member| member.name).collect::<Vec<_>>().join(", ")
}

/// Reads a name with its parameters.
///
/// # Errors
/// When no member is called so, or it does not take what is given.
pub fn choose(family: &'static [About], text: &str) -> Result<Choice, ChoiceError> {
    let (name, parts) = text.split_once(':').map_or((text, None), |(name, parts)| (name, Some(parts)));
    let about = family
        .iter()
        .find(|member| member.name == name.trim())
        .ok_or_else(|| ChoiceError::Name { found: name.to_owned(), known: known(family) })?;
    let mut choice = Choice { about, values: about.params.iter().map(|param| param.default).collect() };
    for part in parts.into_iter().flat_map(|parts| parts.split(',')) {
        choice.apply(part.trim())?;
    }
    Ok(choice)
}

impl Choice {
    fn apply(&mut self, part: &str) -> Result<(), ChoiceError> {
        let about = self.about;
        let wrong =
            || ChoiceError::Part { name: about.name, found: part.to_owned(), known: about.accepted() };
        let Some((key, value)) = part.split_once('=') else {
            let preset = about.presets.iter().find(|preset| preset.name == part).ok_or_else(wrong)?;
            for &(key, value) in preset.values {
                self.set(key, value).ok_or_else(wrong)?;
            }
            return Ok(());
        };
        let value: f64 = value.parse().map_err(|_| wrong())?;
        let param = about.params.iter().find(|param| param.key == key).ok_or_else(wrong)?;
        let (least, most) = param.range;
        if !(least..=most).contains(&value) {
            return Err(ChoiceError::Range { name: about.name, key: param.key, found: value, least, most });
        }
        self.set(key, value).ok_or_else(wrong)
    }

    fn set(&mut self, key: &str, value: f64) -> Option<()> {
        let place = self.about.params.iter().position(|param| param.key == key)?;
        *self.values.get_mut(place)? = value;
        Some(())
    }

    /// The member's name.
    pub fn name(&self) -> &'static str {
        self.about.name
    }

    /// What the registry says of it.
    pub fn about(&self) -> &'static About {
        self.about
    }

    /// The value of a parameter; not a number where the member has none of that name.
    pub fn get(&self, key: &str) -> f64 {
        let place = self.about.params.iter().position(|param| param.key == key);
        place.and_then(|place| self.values.get(place)).copied().unwrap_or(f64::NAN)
    }

    /// The value of a parameter that counts something.
    pub fn whole(&self, key: &str) -> u64 {
        libm::round(self.get(key)) as u64
    }

    /// The name with every parameter that differs from its default: reads back as the same choice.
    pub fn text(&self) -> String {
        let mut text = self.name().to_owned();
        let mut mark = ':';
        for (param, value) in self.about.params.iter().zip(&self.values) {
            if value.total_cmp(&param.default).is_ne() {
                let _ = write!(text, "{mark}{}={value}", param.key);
                mark = ',';
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Param = Param { key: "share", about: "a share", default: 0.5, range: (0.0, 1.0) };
    const CALLS: Param = Param { key: "calls", about: "a count", default: 32.0, range: (1.0, 1e9) };
    const FAMILY: &[About] = &[
        About::plain("plain", "takes nothing"),
        About {
            name: "rich",
            about: "takes two",
            params: &[SHARE, CALLS],
            presets: &[Preset {
                name: "old",
                source: "an older version",
                values: &[("share", 0.3), ("calls", 64.0)],
            }],
        },
    ];

    #[test]
    fn presets_and_values_are_taken_in_order() {
        let choice = choose(FAMILY, "rich:old,calls=7").unwrap();
        assert_eq!((choice.get("share"), choice.whole("calls")), (0.3, 7));
        assert_eq!(choose(FAMILY, &choice.text()).unwrap(), choice);
        assert_eq!(choose(FAMILY, "rich").unwrap().text(), "rich");
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        let says = |text| choose(FAMILY, text).unwrap_err().to_string();
        assert_eq!(says("poor"), "`poor`, expected one of: plain, rich");
        assert_eq!(says("plain:x=1"), "`plain` with `x=1`, expected one of: no parameters");
        assert_eq!(says("rich:new"), "`rich` with `new`, expected one of: old, share=0.5, calls=32");
        assert_eq!(says("rich:share=x"), "`rich` with `share=x`, expected one of: old, share=0.5, calls=32");
        assert_eq!(says("rich:share=1.5"), "`rich` with `share=1.5`, expected 0 to 1");
        assert_eq!(says("rich:share=NaN"), "`rich` with `share=NaN`, expected 0 to 1");
    }
}
