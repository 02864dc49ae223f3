//! The grid: which keys of the scenario vary over which values, and the points that come of it.

use super::values::{self, Written};
use crate::args::WrongCall;
use anyhow::Context;
use atr_core::choice::did_you_mean;
use atr_core::policy::{Idle, Scenario, ScenarioError};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::Path;

/// Most points of a grid.
const MAX_POINTS: usize = 100_000;

/// Which grid, on the command line.
#[derive(clap::Args, Debug)]
pub(crate) struct GridArgs {
    /// Vary a key of the scenario: values parted by commas, ranges `1..8`, `8..64+8`, `1..64x2`,
    /// or a JSON list; may be given for several keys.
    #[arg(long, value_name = "KEY=VALUES")]
    over: Vec<String>,
    /// A TOML file with the grid: `[over]` holds lists of values by key, `[base]` values that do not vary.
    #[arg(long, value_name = "FILE")]
    grid: Option<std::path::PathBuf>,
}

/// What varies, around a scenario that does not.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    base: Map<String, Value>,
    /// In the order of the scenario's keys; the last varies fastest.
    over: Vec<(&'static str, Vec<Value>)>,
}

/// What varies at a point, by key in the order of the grid, without the keys that nothing reads there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place<'a>(pub(crate) Vec<(&'static str, Cow<'a, Value>)>);

/// One scenario of the grid.
#[derive(Clone, Debug)]
pub(crate) struct Point<'a> {
    /// A hash of the scenario, of the sessions and of the program's version.
    pub(crate) id: String,
    /// Its place in the grid.
    pub(crate) index: usize,
    /// What varies.
    pub(crate) place: Place<'a>,
    /// The whole of it, without the options that nothing reads.
    pub(crate) scenario: Scenario,
}

/// All points of a grid. Combinations of values that come to the same scenario are one point.
pub(crate) struct Points<'a> {
    pub(crate) all: Vec<Point<'a>>,
    /// Combinations that came to a point before them.
    pub(crate) merged: usize,
    /// Keys that were left out somewhere, with the first reason why.
    pub(crate) left_out: BTreeMap<&'static str, String>,
}

impl Serialize for Place<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(Some(self.0.len()))?;
        self.0.iter().try_for_each(|(key, value)| map.serialize_entry(key, &**value))?;
        map.end()
    }
}

/// The tables of a grid's file.
#[derive(Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GridFile {
    base: Map<String, Value>,
    over: Map<String, Value>,
}

impl Grid {
    /// Reads the grid around what the flags of a scenario say, and checks every value on its own.
    ///
    /// # Errors
    /// When the file cannot be read, or a key or a value is none of the scenario's.
    pub(crate) fn new(args: &GridArgs, flags: &Scenario) -> anyhow::Result<Self> {
        let mut grid = Grid { base: object(flags)?, over: Vec::new() };
        let defaults = object(&Scenario::default())?;
        let mut asked: Vec<(String, &'static str, Vec<Written>)> = Vec::new();
        if let Some(path) = &args.grid {
            let file = read_file(path)?;
            let at = path.display();
            for (key, value) in file.base {
                let place = format!("{at}: `base.{key}`");
                let key = known(&key).with_context(|| place.clone())?;
                grid.set(key, value, &defaults).with_context(|| place)?;
            }
            for (key, value) in file.over {
                let place = format!("{at}: `over.{key}`");
                let key = known(&key).with_context(|| place.clone())?;
                asked.push((place, key, Written::items(value)));
            }
        }
        for text in &args.over {
            let place = format!("`--over {text}`");
            let Some((key, list)) = text.split_once('=') else {
                return Err(WrongCall(format!("{place}: expected KEY=VALUES")).into());
            };
            let key = known(key.trim()).with_context(|| place.clone())?;
            asked.push((place.clone(), key, Written::list(list).map_err(wrong).context(place)?));
        }
        for (place, key, written) in asked {
            grid.vary(key, &written, &defaults).context(place)?;
        }
        let order = |key: &str| values::keys().iter().position(|known| *known == key);
        grid.over.sort_by_key(|(key, _)| order(key));
        grid.check_size()?;
        grid.check_idle(&defaults).context("at every point of the grid")?;
        Ok(grid)
    }

    /// Sets a key that does not vary. A flag that says something else is not overruled.
    fn set(&mut self, key: &'static str, value: Value, defaults: &Map<String, Value>) -> anyhow::Result<()> {
        let written = match value {
            Value::String(text) => Written::Text(text),
            value => Written::Json(value),
        };
        let [value] = &self.checked(key, &written)?[..] else {
            return Err(WrongCall("expected one value; several go under `[over]`".to_owned()).into());
        };
        if self.base.get(key) != defaults.get(key) && self.base.get(key) != Some(value) {
            return Err(WrongCall("a flag gives it another value".to_owned()).into());
        }
        self.base.insert(key.to_owned(), value.clone());
        Ok(())
    }

    fn vary(
        &mut self,
        key: &'static str,
        written: &[Written],
        defaults: &Map<String, Value>,
    ) -> anyhow::Result<()> {
        if self.over.iter().any(|(known, _)| *known == key) {
            return Err(
                WrongCall("the key varies already, expected its values in one list".to_owned()).into()
            );
        }
        if self.base.get(key) != defaults.get(key) {
            return Err(WrongCall(
                "the key is fixed by a flag or under `[base]`, expected one of both".to_owned(),
            )
            .into());
        }
        let mut all: Vec<Value> = Vec::new();
        for written in written {
            for value in self.checked(key, written)? {
                if all.contains(&value) {
                    let found = values::shown(&value);
                    return Err(
                        WrongCall(format!("`{found}` stands there twice, expected each value once")).into()
                    );
                }
                all.push(value);
            }
        }
        if all.is_empty() {
            return Err(WrongCall("no value, expected at least one".to_owned()).into());
        }
        self.over.push((key, all));
        Ok(())
    }

    /// Values of a key, each good on its own.
    fn checked(&self, key: &'static str, written: &Written) -> anyhow::Result<Vec<Value>> {
        let values = values::read(&self.base, key, written).map_err(|error| {
            let found = match written {
                Written::Text(text) => text.clone(),
                Written::Json(value) => value.to_string(),
            };
            wrong(error.context(format!("`{found}`")))
        })?;
        for value in &values {
            values::with(&self.base, key, value.clone())?.0.check_values()?;
        }
        Ok(values)
    }

    fn check_size(&self) -> anyhow::Result<()> {
        let sizes = self.over.iter().map(|(_, values)| values.len());
        match sizes.into_iter().try_fold(1usize, usize::checked_mul) {
            Some(points) if points <= MAX_POINTS => Ok(()),
            _ => Err(WrongCall(format!(
                "the grid has more than {MAX_POINTS} points, expected at most that many"
            ))
            .into()),
        }
    }

    /// The keys that vary, with their values.
    pub(crate) fn over(&self) -> &[(&'static str, Vec<Value>)] {
        &self.over
    }

    /// What varies, as JSON.
    pub(crate) fn varied(&self) -> impl Serialize + '_ {
        struct Over<'a>(&'a [(&'static str, Vec<Value>)]);
        impl Serialize for Over<'_> {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_map(self.0.iter().map(|(key, values)| (key, values)))
            }
        }
        Over(&self.over)
    }

    /// The scenario around which the grid varies, without the keys that vary.
    pub(crate) fn fixed(&self) -> Map<String, Value> {
        let mut fixed = self.base.clone();
        fixed.retain(|key, _| !self.over.iter().any(|(varied, _)| varied == key));
        fixed
    }

    fn size(&self) -> usize {
        self.over.iter().map(|(_, values)| values.len()).product()
    }

    /// Places of the values in their lists at a combination; the last key varies fastest.
    fn combination(&self, index: usize) -> Vec<usize> {
        let mut rest = index;
        let mut places: Vec<usize> = Vec::new();
        for (_, values) in self.over.iter().rev() {
            places.push(rest % values.len());
            rest /= values.len();
        }
        places.reverse();
        places
    }

    fn scenario(&self, places: &[usize]) -> anyhow::Result<Scenario> {
        let mut scenario = self.base.clone();
        let varied = self.over.iter().zip(places);
        scenario.extend(varied.map(|((key, values), &place)| ((*key).to_owned(), values[place].clone())));
        Ok(serde_json::from_value(Value::Object(scenario))?)
    }

    /// Refuses a value that nothing reads, wherever it stands.
    fn check_idle(&self, defaults: &Map<String, Value>) -> anyhow::Result<()> {
        let fixed = values::keys().iter().copied().filter(|key| {
            self.base.get(*key) != defaults.get(*key) && !self.over.iter().any(|(varied, _)| varied == key)
        });
        let fixed: Vec<&'static str> = fixed.collect();
        // By key and place of the value: nothing where something reads it, else why nothing does so far.
        let mut known: BTreeMap<(&'static str, usize), Option<Idle>> = BTreeMap::new();
        for index in 0..self.size() {
            let places = self.combination(index);
            let varied = self.over.iter().zip(&places).map(|((key, _), &place)| (*key, place));
            let here: Vec<(&'static str, usize)> = fixed.iter().map(|key| (*key, 0)).chain(varied).collect();
            if here.iter().all(|value| matches!(known.get(value), Some(None))) {
                continue;
            }
            let (_, idle) = self.scenario(&places)?.pruned();
            for value in here {
                match idle.iter().find(|idle| idle.key == value.0) {
                    Some(idle) => {
                        known.entry(value).or_insert_with(|| Some(idle.clone()));
                    }
                    None => {
                        known.insert(value, None);
                    }
                }
            }
        }
        match known.into_values().flatten().next() {
            Some(idle) => Err(ScenarioError::from(idle).into()),
            None => Ok(()),
        }
    }

    /// All points, the last key varying fastest.
    ///
    /// # Errors
    /// When a scenario cannot be written, which a checked grid's can.
    pub(crate) fn points(&self, inputs_sha256: &str) -> anyhow::Result<Points<'_>> {
        let mut points = Points { all: Vec::new(), merged: 0, left_out: BTreeMap::new() };
        let mut ids = HashSet::new();
        for index in 0..self.size() {
            let places = self.combination(index);
            let (scenario, idle) = self.scenario(&places)?.pruned();
            let id = id(inputs_sha256, &serde_json::to_string(&scenario)?);
            for idle in &idle {
                points.left_out.entry(idle.key).or_insert_with(|| idle.why.clone());
            }
            if !ids.insert(id.clone()) {
                points.merged += 1;
                continue;
            }
            let place = self.place(&places, &scenario, &idle)?;
            points.all.push(Point { id, index: points.all.len(), place, scenario });
        }
        Ok(points)
    }

    /// What varies at a point; of a key that is idle, what is left of its value, if anything is.
    fn place(&self, places: &[usize], left: &Scenario, idle: &[Idle]) -> anyhow::Result<Place<'_>> {
        let mut place = Vec::new();
        for ((key, values), &nth) in self.over.iter().zip(places) {
            if !idle.iter().any(|idle| idle.key == *key) {
                place.push((*key, Cow::Borrowed(&values[nth])));
            } else if let Some(value) = object(left)?.remove(*key)
                && Some(&value) != object(&Scenario::default())?.get(*key)
            {
                place.push((*key, Cow::Owned(value)));
            }
        }
        Ok(Place(place))
    }
}

fn id(inputs_sha256: &str, scenario: &str) -> String {
    let whole = [super::SCHEMA, env!("CARGO_PKG_VERSION"), inputs_sha256, scenario].join("\n");
    let hash = Sha256::digest(whole.as_bytes());
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn object(scenario: &Scenario) -> anyhow::Result<Map<String, Value>> {
    match serde_json::to_value(scenario)? {
        Value::Object(map) => Ok(map),
        other => anyhow::bail!("a scenario is an object, found {other}"),
    }
}

fn read_file(path: &Path) -> anyhow::Result<GridFile> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let parsed = toml::from_str(&text).map_err(|error| WrongCall(format!("{}: {error}", path.display())))?;
    Ok(parsed)
}

/// The key's own name.
fn known(key: &str) -> anyhow::Result<&'static str> {
    if let Some((_, instead)) = NOT_WRITTEN.iter().find(|(not, _)| *not == key) {
        return Err(WrongCall(format!("no file of a sweep holds it, expected `simulate {instead}`")).into());
    }
    varying().find(|known| *known == key).ok_or_else(|| {
        let known = varying().collect::<Vec<_>>().join(", ");
        WrongCall(format!("unknown key `{key}`{}, expected one of: {known}", did_you_mean(key, &known)))
            .into()
    })
}

/// Keys that say what is kept of a run, which a sweep does not write, and where it is written.
const NOT_WRITTEN: [(&str, &str); 2] = [("decisions", "--decisions FILE"), ("curves", "--outcome FILE")];

/// Keys that a grid may name.
pub(crate) fn varying() -> impl Iterator<Item = &'static str> {
    values::keys().iter().copied().filter(|key| NOT_WRITTEN.iter().all(|(not, _)| not != key))
}

fn wrong(error: anyhow::Error) -> anyhow::Error {
    WrongCall(format!("{error:#}")).into()
}

/// A part of the points: the `nth` of `of`. Points are dealt by their hashes, so that every part has its
/// share of the slow ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shard {
    nth: usize,
    of: usize,
}

impl Shard {
    /// Reads `i/n`, counted from 0.
    ///
    /// # Errors
    /// When it is not that.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let wrong = || "expected `I/N` with I from 0 to N - 1".to_owned();
        let (nth, of) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Shard { nth: nth.parse().map_err(|_| wrong())?, of: of.parse().map_err(|_| wrong())? };
        if shard.nth < shard.of { Ok(shard) } else { Err(wrong()) }
    }

    /// Keeps its own points.
    pub(crate) fn keep(self, points: &mut Vec<Point<'_>>) {
        let mut order: Vec<String> = points.iter().map(|point| point.id.clone()).collect();
        order.sort_unstable();
        points.retain(|point| order.binary_search(&point.id).is_ok_and(|rank| rank % self.of == self.nth));
    }

    /// As it is written.
    pub(crate) fn text(self) -> String {
        format!("{}/{}", self.nth, self.of)
    }
}
