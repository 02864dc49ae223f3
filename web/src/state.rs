//! Everything that a reader can change and may want to link to, as one typed value that is written
//! into the address and read back from it. A bad value becomes a notice and its default, never a
//! blank page.

use atr_core::policy::{Arrivals, Scenario};

/// Light, dark, or as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeChoice {
    /// As the system says.
    #[default]
    System,
    /// Ink on paper.
    Light,
    /// Soft ink on near-black.
    Dark,
}

/// What the explorer's list is ordered by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortKey {
    /// The file's order.
    #[default]
    File,
    /// Number of calls.
    Calls,
    /// Prompt tokens of all calls.
    Prompt,
    /// Output tokens of all calls.
    Output,
    /// The longest prompt.
    Longest,
}

impl SortKey {
    /// All keys with their names in the address.
    pub const ALL: [(SortKey, &'static str); 5] = [
        (SortKey::File, "file"),
        (SortKey::Calls, "calls"),
        (SortKey::Prompt, "prompt"),
        (SortKey::Output, "output"),
        (SortKey::Longest, "longest"),
    ];
}

/// What the address says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ViewState {
    /// Colours.
    pub theme: ThemeChoice,
    /// The set of traces; the catalogue's first where absent.
    pub set: Option<String>,
    /// The session within the set; the set's own choice where absent.
    pub session: Option<String>,
    /// The call that is selected in all figures, from 0.
    pub call: Option<u32>,
    /// What the explorer's list is ordered by.
    pub sort: SortKey,
    /// Largest first.
    pub descending: bool,
    /// Shows only sessions whose id or marks contain this.
    pub filter: String,
    /// Sessions at a time.
    pub concurrency: Option<u32>,
    /// KV tokens of one replica.
    pub kv_tokens: Option<u64>,
    /// Engines.
    pub replicas: Option<u32>,
    /// Replaces each policy's router.
    pub router: Option<String>,
    /// The latency profile.
    pub profile: Option<String>,
    /// The harnesses whose shapes are shown; all where none is named.
    pub harnesses: Vec<String>,
}

/// Names that the address may use; they come from the registries.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Routers.
    pub routers: &'a [&'a str],
    /// Profiles.
    pub profiles: &'a [&'a str],
}

/// Most sessions at a time that the page simulates.
pub const MAX_CONCURRENCY: u32 = 1_024;
/// Most replicas that the page simulates.
pub const MAX_REPLICAS: u32 = 64;
/// Smallest and largest KV capacity that the page offers.
pub const KV_RANGE: (u64, u64) = (16_384, 1 << 26);
/// Longest text that the address may hold for one key.
const MAX_TEXT: usize = 200;

impl ViewState {
    /// Reads a query (without the question mark). Returns notices for what could not be used.
    pub fn parse(query: &str, known: Known<'_>) -> (ViewState, Vec<String>) {
        let mut state = ViewState::default();
        let mut notices = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (key, value) = (decode(key), decode(value));
            if let Err(expected) = state.set_key(&key, &value, known) {
                let shown: String = value.chars().take(40).collect();
                notices.push(format!(
                    "The address says `{key}={shown}`; expected {expected}. The default is used."
                ));
            }
        }
        (state, notices)
    }

    fn set_key(&mut self, key: &str, value: &str, known: Known<'_>) -> Result<(), String> {
        match key {
            "theme" => {
                self.theme = named(value, &[(ThemeChoice::Light, "light"), (ThemeChoice::Dark, "dark")])?;
            }
            "set" => self.set = Some(text(value)?),
            "session" => self.session = Some(text(value)?),
            "call" => self.call = Some(number(value, 1, u64::from(u32::MAX))? as u32 - 1),
            "sort" => {
                let plain = value.strip_prefix('-').unwrap_or(value);
                self.sort = named(plain, &SortKey::ALL)?;
                self.descending = plain.len() != value.len();
            }
            "filter" => self.filter = text(value)?,
            "concurrency" => self.concurrency = Some(number(value, 1, MAX_CONCURRENCY.into())? as u32),
            "kv" => self.kv_tokens = Some(number(value, KV_RANGE.0, KV_RANGE.1)?),
            "replicas" => self.replicas = Some(number(value, 1, MAX_REPLICAS.into())? as u32),
            "router" => self.router = Some(listed(value, known.routers)?),
            "profile" => self.profile = Some(listed(value, known.profiles)?),
            "harness" => {
                let names = text(value)?;
                self.harnesses =
                    names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            }
            // Keys of others (a tracker's, a later version's) are left alone.
            _ => {}
        }
        Ok(())
    }

    /// Writes the query, without the question mark; defaults are left out.
    pub fn query(&self) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        let mut put = |key, value: Option<String>| pairs.extend(value.map(|value| (key, value)));
        put("set", self.set.clone());
        put("session", self.session.clone());
        put("call", self.call.map(|call| (u64::from(call) + 1).to_string()));
        if self.sort != SortKey::File || self.descending {
            let name = SortKey::ALL.iter().find(|(key, _)| *key == self.sort).map_or("", |(_, name)| name);
            put("sort", Some(format!("{}{name}", if self.descending { "-" } else { "" })));
        }
        put("filter", (!self.filter.is_empty()).then(|| self.filter.clone()));
        put("concurrency", self.concurrency.map(|value| value.to_string()));
        put("kv", self.kv_tokens.map(|value| value.to_string()));
        put("replicas", self.replicas.map(|value| value.to_string()));
        put("router", self.router.clone());
        put("profile", self.profile.clone());
        put("harness", (!self.harnesses.is_empty()).then(|| self.harnesses.join(",")));
        put(
            "theme",
            match self.theme {
                ThemeChoice::System => None,
                ThemeChoice::Light => Some("light".to_owned()),
                ThemeChoice::Dark => Some("dark".to_owned()),
            },
        );
        let pairs: Vec<String> =
            pairs.iter().map(|(key, value)| format!("{key}={}", encode(value))).collect();
        pairs.join("&")
    }

    /// The scenario that the controls describe: `base` (a report's own) with what the reader changed.
    pub fn scenario(&self, base: &Scenario) -> Scenario {
        let mut scenario = base.clone();
        scenario.kv_tokens = self.kv_tokens.or(scenario.kv_tokens);
        scenario.replicas = self.replicas.unwrap_or(scenario.replicas);
        if let Some(sessions) = self.concurrency {
            scenario.arrivals = Some(Arrivals::Concurrency { sessions });
        }
        if self.router.is_some() {
            scenario.router.clone_from(&self.router);
        }
        if let Some(profile) = self.profile.as_ref().filter(|profile| **profile != base.profile) {
            scenario.profile.clone_from(profile);
            // The capacity belongs to the profile, unless the reader set it.
            scenario.kv_tokens = self.kv_tokens;
        }
        scenario
    }

    /// Whether the reader moved a control of the simulation.
    pub fn changes_scenario(&self) -> bool {
        self.concurrency.is_some()
            || self.kv_tokens.is_some()
            || self.replicas.is_some()
            || self.router.is_some()
            || self.profile.is_some()
    }
}

fn number(value: &str, least: u64, most: u64) -> Result<u64, String> {
    let wrong = || format!("a whole number from {least} to {most}");
    value.parse().ok().filter(|number| (least..=most).contains(number)).ok_or_else(wrong)
}

fn named<T: Copy>(value: &str, names: &[(T, &str)]) -> Result<T, String> {
    let found = names.iter().find(|(_, name)| *name == value);
    found.map(|(item, _)| *item).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
        format!("one of: {}", names.join(", "))
    })
}

fn listed(value: &str, names: &[&str]) -> Result<String, String> {
    let pairs: Vec<(&str, &str)> = names.iter().map(|name| (*name, *name)).collect();
    named(value, &pairs).map(str::to_owned)
}

fn text(value: &str) -> Result<String, String> {
    if value.len() <= MAX_TEXT { Ok(value.to_owned()) } else { Err(format!("at most {MAX_TEXT} bytes")) }
}

/// Percent-encodes everything but the characters that a query may hold as they are.
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b':' | b',' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Undoes [`encode`]; broken escapes stay as they are.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], escape.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: Known<'static> =
        Known { routers: &["round-robin", "cache-aware"], profiles: &["h200-qwen3-4b"] };

    fn full() -> ViewState {
        ViewState {
            theme: ThemeChoice::Dark,
            set: Some("claude-code".to_owned()),
            session: Some("django__django-11099 &=%ü".to_owned()),
            call: Some(17),
            sort: SortKey::Prompt,
            descending: true,
            filter: "compaction or reset".to_owned(),
            concurrency: Some(32),
            kv_tokens: Some(262_144),
            replicas: Some(4),
            router: Some("cache-aware".to_owned()),
            profile: Some("h200-qwen3-4b".to_owned()),
            harnesses: vec!["claude-code".to_owned(), "openhands".to_owned()],
        }
    }

    #[test]
    fn a_state_survives_the_address() {
        let (back, notices) = ViewState::parse(&full().query(), KNOWN);
        assert_eq!(back, full());
        assert!(notices.is_empty(), "{notices:?}");
    }

    #[test]
    fn defaults_leave_no_trace() {
        assert_eq!(ViewState::default().query(), "");
        assert_eq!(ViewState::parse("", KNOWN), (ViewState::default(), vec![]));
    }

    #[test]
    fn calls_count_from_one_in_the_address() {
        assert_eq!(ViewState { call: Some(0), ..ViewState::default() }.query(), "call=1");
        let (state, notices) = ViewState::parse("call=0", KNOWN);
        assert_eq!(state.call, None);
        assert_eq!(notices.len(), 1);
    }

    #[test]
    fn bad_values_give_notices_and_defaults() {
        let query = "concurrency=0&kv=12&replicas=many&router=magic&profile=&theme=sepia&sort=-size&call=-3";
        let (state, notices) = ViewState::parse(query, KNOWN);
        assert_eq!(state, ViewState::default());
        assert_eq!(notices.len(), 8);
        assert!(
            notices[3].contains("`router=magic`") && notices[3].contains("round-robin, cache-aware"),
            "{}",
            notices[3]
        );
    }

    #[test]
    fn good_values_beside_bad_ones_are_kept() {
        let (state, notices) = ViewState::parse("utm=x&replicas=2&replicas=999&kv=65536", KNOWN);
        assert_eq!((state.replicas, state.kv_tokens, notices.len()), (Some(2), Some(65_536), 1));
    }

    #[test]
    fn broken_escapes_are_text() {
        assert_eq!(decode("100%&%zz%4"), "100%&%zz%4");
        assert_eq!(decode("a+b%20c"), "a b c");
        assert_eq!(decode("%ff"), "\u{fffd}");
    }

    #[test]
    fn the_scenario_takes_what_is_set_and_keeps_the_rest() {
        let base = Scenario { replicas: 8, step_tokens: 4_096, ..Scenario::default() };
        let scenario = full().scenario(&base);
        assert_eq!((scenario.replicas, scenario.kv_tokens, scenario.step_tokens), (4, Some(262_144), 4_096));
        assert_eq!(scenario.arrivals, Some(Arrivals::Concurrency { sessions: 32 }));
        assert_eq!(ViewState::default().scenario(&base), base);
        assert!(full().changes_scenario() && !ViewState::default().changes_scenario());
    }

    #[test]
    fn another_profile_brings_its_own_capacity() {
        let base = Scenario { kv_tokens: Some(800_000), ..Scenario::default() };
        let other = ViewState { profile: Some("rtx3090-qwen3-4b-awq".to_owned()), ..ViewState::default() };
        assert_eq!(other.scenario(&base).kv_tokens, None);
        let both = ViewState { kv_tokens: Some(65_536), ..other };
        assert_eq!(both.scenario(&base).kv_tokens, Some(65_536));
    }
}
