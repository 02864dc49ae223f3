//! How members of a family are named with their parameters: `NAME`, `NAME:PRESET`,
//! `NAME:KEY=VALUE,…` or both, `NAME:PRESET,KEY=VALUE`.
//!
//! What a member is called and takes is plain data, apart from the code that makes it, so that a page
//! can list what it does not carry.

mod near;

pub use near::did_you_mean;

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
    /// Whether it counts something: fractions are refused.
    pub whole: bool,
    /// Least and most that is accepted.
    pub range: (f64, f64),
}

impl Param {
    /// What is accepted, for errors.
    fn expected(&self) -> String {
        let kind = if self.whole { "a whole number" } else { "a number" };
        let (least, most) = self.range;
        format!("{kind} from {} to {}", short(least), short(most))
    }
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

    /// Presets and parameters with their defaults.
    fn parts(&self) -> impl Iterator<Item = String> {
        let presets = self.presets.iter().map(|preset| preset.name.to_owned());
        presets.chain(self.params.iter().map(|param| format!("{}={}", param.key, param.default)))
    }

    /// The same, for help texts.
    pub fn accepted(&self) -> String {
        let all: Vec<String> = self.parts().collect();
        if all.is_empty() { "no parameters".to_owned() } else { all.join(", ") }
    }
}

/// The names of a family's members, for who lists them and is to carry nothing else.
pub const fn names<const N: usize>(family: &[About]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut place = 0;
    while place < N {
        names[place] = family[place].name;
        place += 1;
    }
    names
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
    #[error("`{found}`{}, expected one of: {known}", did_you_mean(found, known))]
    Name {
        /// The name.
        found: String,
        /// The accepted ones.
        known: String,
    },
    /// The member has no such preset or parameter.
    #[error("`{name}` takes no `{found}`{}, expected {}", did_you_mean(found, known), some_of(known))]
    Part {
        /// The member.
        name: &'static str,
        /// What was found.
        found: String,
        /// The accepted ones.
        known: String,
    },
    /// A value that the parameter does not take.
    #[error("`{name}`: `{key}` is {found}, expected {expected}")]
    Range {
        /// The member.
        name: &'static str,
        /// The parameter.
        key: &'static str,
        /// The value.
        found: String,
        /// What is accepted.
        expected: String,
    },
    /// Parts that do not go together.
    #[error("`{name}`: {why}")]
    Together {
        /// The member.
        name: &'static str,
        /// What is wrong with them, and what is expected.
        why: String,
    },
}

/// The accepted parts of a member, for errors.
fn some_of(known: &str) -> String {
    if known.is_empty() { "the name alone".to_owned() } else { format!("some of: {known}") }
}

/// A number without a row of zeros.
fn short(number: f64) -> String {
    let power = format!("{number:e}");
    let plain = number.to_string();
    if plain.len() > 5 && power.len() < 5 { power } else { plain }
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
    let (mut preset, mut given) = (None, Vec::new());
    for part in parts.into_iter().flat_map(|parts| parts.split(',')) {
        choice.apply(part.trim(), &mut preset, &mut given)?;
    }
    Ok(choice)
}

impl Choice {
    /// Takes one part behind the colon. `preset` and `given` hold what stood before it.
    fn apply<'t>(
        &mut self,
        part: &'t str,
        preset: &mut Option<&'t str>,
        given: &mut Vec<&'t str>,
    ) -> Result<(), ChoiceError> {
        let about = self.about;
        let name = about.name;
        let known = || about.parts().collect::<Vec<_>>().join(", ");
        let none = || ChoiceError::Part { name, found: part.to_owned(), known: known() };
        let together = |why: String| ChoiceError::Together { name, why };
        if part.is_empty() {
            return Err(together(format!(
                "nothing stands behind `:` or `,`, expected {}",
                some_of(&known())
            )));
        }
        let Some((key, value)) = part.split_once('=').map(|(key, value)| (key.trim(), value.trim())) else {
            if let Some(param) = about.params.iter().find(|param| param.key == part) {
                return Err(together(format!(
                    "`{part}` has no value, expected `{part}=` and {}",
                    param.expected()
                )));
            }
            let found = about.presets.iter().find(|preset| preset.name == part).ok_or_else(none)?;
            if let Some(before) = preset.replace(part) {
                return Err(together(format!(
                    "found the presets `{before}` and `{part}`, expected one of them"
                )));
            }
            if let Some(before) = given.first() {
                let why = format!("the preset `{part}` stands behind `{before}`, expected it first");
                return Err(together(why));
            }
            for &(key, value) in found.values {
                self.set(key, value).ok_or_else(none)?;
            }
            return Ok(());
        };
        let param = about.params.iter().find(|param| param.key == key).ok_or_else(none)?;
        if given.contains(&key) {
            return Err(together(format!("`{key}` is given twice, expected once")));
        }
        given.push(key);
        let (least, most) = param.range;
        let fits = |number: &f64| {
            (least..=most).contains(number)
                && (!param.whole || libm::floor(*number).total_cmp(number).is_eq())
        };
        let number = value.parse().ok().filter(fits).ok_or_else(|| {
            let found = if value.is_empty() { "empty".to_owned() } else { format!("`{value}`") };
            ChoiceError::Range { name, key: param.key, found, expected: param.expected() }
        })?;
        self.set(key, number).ok_or_else(none)
    }

    fn set(&mut self, key: &str, value: f64) -> Option<()> {
        let place = self.about.params.iter().position(|param| param.key == key)?;
        *self.values.get_mut(place)? = value;
        Some(())
    }

    /// The same with a parameter's default.
    #[must_use]
    pub fn without(mut self, key: &str) -> Self {
        let default = self.about.params.iter().find(|param| param.key == key).map(|param| param.default);
        default.and_then(|default| self.set(key, default));
        self
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
        debug_assert!(
            self.about.params.iter().all(|param| param.whole || param.key != key),
            "`{key}` is no count"
        );
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

    const SHARE: Param =
        Param { key: "share", about: "a share", default: 0.5, whole: false, range: (0.0, 1.0) };
    const CALLS: Param =
        Param { key: "calls", about: "a count", default: 32.0, whole: true, range: (1.0, 1e9) };
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

    fn says(text: &str) -> String {
        choose(FAMILY, text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        assert_eq!(says("poor"), "`poor`, expected one of: plain, rich");
        assert_eq!(says("plane"), "`plane` (did you mean `plain`?), expected one of: plain, rich");
        assert_eq!(says("plain:x=1"), "`plain` takes no `x=1`, expected the name alone");
        assert_eq!(says("rich:new"), "`rich` takes no `new`, expected some of: old, share=0.5, calls=32");
        assert_eq!(
            says("rich:call=3"),
            "`rich` takes no `call=3` (did you mean `calls`?), expected some of: old, share=0.5, calls=32"
        );
        assert_eq!(says("rich:share=x"), "`rich`: `share` is `x`, expected a number from 0 to 1");
        assert_eq!(says("rich:share=1.5"), "`rich`: `share` is `1.5`, expected a number from 0 to 1");
        assert_eq!(says("rich:share=NaN"), "`rich`: `share` is `NaN`, expected a number from 0 to 1");
        assert_eq!(says("rich:share="), "`rich`: `share` is empty, expected a number from 0 to 1");
        assert_eq!(
            says("rich:share"),
            "`rich`: `share` has no value, expected `share=` and a number from 0 to 1"
        );
        assert_eq!(says("rich:calls=2.5"), "`rich`: `calls` is `2.5`, expected a whole number from 1 to 1e9");
        assert_eq!(says("rich:calls=-1"), "`rich`: `calls` is `-1`, expected a whole number from 1 to 1e9");
        assert_eq!(choose(FAMILY, "rich:calls=1e3").unwrap().whole("calls"), 1_000, "a whole number");
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        assert_eq!(says("rich:calls=3,calls=4"), "`rich`: `calls` is given twice, expected once");
        assert_eq!(
            says("rich:old,new2"),
            "`rich` takes no `new2`, expected some of: old, share=0.5, calls=32"
        );
        assert_eq!(says("rich:old,old"), "`rich`: found the presets `old` and `old`, expected one of them");
        assert_eq!(
            says("rich:calls=3,old"),
            "`rich`: the preset `old` stands behind `calls`, expected it first"
        );
        let nothing = "`rich`: nothing stands behind `:` or `,`, expected some of: old, share=0.5, calls=32";
        assert_eq!([says("rich:"), says("rich:old,"), says("rich:,old")], [nothing; 3]);
    }

    #[test]
    fn a_parameter_can_be_taken_back() {
        let choice = choose(FAMILY, "rich:old").unwrap();
        assert_eq!(choice.clone().without("share").text(), "rich:calls=64");
        assert_eq!(choice.clone().without("none"), choice);
    }
}
