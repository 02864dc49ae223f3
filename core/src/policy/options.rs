//! Whether every option of a scenario does something. One that nothing reads is refused, so that nobody takes a run for
//! one with it.
//!
//! Of several policies it is enough that one reads an option: that is what comparing them is for. A grid has scenarios in
//! which a key has nothing to do beside others in which it has; there it is left out ([`Scenario::pruned`]).
//!
//! An option that has its default is never in the way, and neither is one that a number makes pointless, such as the
//! router of a single replica: the scenario means what it says.

use super::{Arrivals, POLICIES, Policy, Scenario, ScenarioError, by_name};
use crate::choice::{About, Choice, choose};
use crate::context;
use crate::predict::PREDICTORS;
use crate::serve::cache::CACHES;
use crate::serve::evict::EVICTIONS;
use crate::serve::route::{self, ROUTERS, Sees};
use crate::serve::schedule::{self, SCHEDULERS};
use crate::trace::{Call, CallRole, Scope, Session};
use std::fmt::Display;

/// An option that nothing reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Idle {
    /// The key of the scenario.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// Why nothing reads it, and what is expected.
    pub why: String,
    /// The scenario without it.
    rest: Box<Scenario>,
}

impl From<Idle> for ScenarioError {
    fn from(idle: Idle) -> Self {
        ScenarioError::Idle { key: idle.key, found: idle.found, why: idle.why }
    }
}

/// A parameter of a member that another one of its parameters, or of the scenario's, makes idle.
struct Unread {
    key: &'static str,
    member: &'static str,
    param: &'static str,
    when: fn(&Choice, &Scenario) -> bool,
    why: &'static str,
}

/// Parameters that can be idle.
const UNREAD: &[Unread] = &[
    Unread {
        key: "router",
        member: "dynamo-kv",
        param: "host",
        when: |_, scenario| scenario.host_kv_tokens.is_none(),
        why: "nothing is kept in the host's memory, expected `host_kv_tokens`, too",
    },
    Unread {
        key: "router",
        member: "llm-d",
        param: "blocks",
        when: |choice, _| choice.get("prefix") <= 0.0,
        why: "`prefix` gives what is remembered no weight, expected it above 0",
    },
    Unread {
        key: "router",
        member: "llm-d",
        param: "deepest",
        when: |choice, _| choice.get("prefix") <= 0.0,
        why: "`prefix` gives what is remembered no weight, expected it above 0",
    },
    Unread {
        key: "cache",
        member: "slots",
        param: "similarity",
        when: |choice, _| choice.whole("slots") < 2,
        why: "there is one place to take, expected `slots` of at least 2",
    },
    Unread {
        key: "eviction",
        member: "ttl",
        param: "cold_s",
        when: |choice, _| choice.get("fixed_s") > 0.0,
        why: "`fixed_s` holds from the first call on, expected one of both",
    },
    Unread {
        key: "scheduler",
        member: "mlfq",
        param: "quantum",
        when: |choice, _| choice.whole("queues") < 2,
        why: "there is one queue to be in, expected `queues` of at least 2",
    },
    Unread {
        key: "scheduler",
        member: "mlfq",
        param: "growth",
        when: |choice, _| choice.whole("queues") < 3,
        why: "only the first queue has an end, expected `queues` of at least 3",
    },
];

/// Names of the policies that can run and are so, and what stands before them.
fn one_of(is: fn(&Policy) -> bool) -> String {
    let names = POLICIES.iter().filter(|policy| policy.ready && is(policy)).map(|policy| policy.name);
    format!("expected one of these policies, too: {}", names.collect::<Vec<_>>().join(", "))
}

fn quoted(text: Option<&str>) -> String {
    format!("`{}`", text.unwrap_or_default())
}

impl Scenario {
    /// Checks all that can be checked without a trace: numbers, names, and that every option does something.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn validate(&self) -> Result<(), ScenarioError> {
        self.check_values()?;
        self.idle().map_or(Ok(()), |idle| Err(idle.into()))
    }

    /// Checks every value on its own: numbers, and names with their parameters.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check_values(&self) -> Result<(), ScenarioError> {
        self.check()?;
        if self.policies.is_empty() {
            return Err(ScenarioError::range("policies", "empty", "at least one policy"));
        }
        for (place, name) in self.policies.iter().enumerate() {
            by_name(name)?;
            if self.policies[..place].contains(name) {
                return Err(ScenarioError::range("policies", format!("`{name}` twice"), "each policy once"));
            }
        }
        for (what, ..) in self.parts() {
            self.part(what)?;
        }
        let predictor = self.part("predictor")?.filter(|choice| choice.name() == "per-session");
        if let Some(choice) = predictor.filter(|choice| choice.whole("enough") > choice.whole("window")) {
            let expected = "`enough` of at most `window`: more ended calls of a session are not kept";
            return Err(ScenarioError::range("predictor", quoted(Some(&choice.text())), expected));
        }
        super::simulate::profile(self)?;
        match self.context.as_deref().filter(|name| context::by_name(name).is_none()) {
            Some(name) => Err(ScenarioError::unknown_context(name)),
            None => Ok(()),
        }
    }

    /// Checks what depends on the trace: that what an option is about is in it.
    ///
    /// # Errors
    /// The first option that finds nothing.
    pub fn validate_on(&self, sessions: &[Session]) -> Result<(), ScenarioError> {
        let idle = |key, found: &str, why: &str| {
            Err(ScenarioError::Idle { key, found: found.to_owned(), why: why.to_owned() })
        };
        if self.share_system && sessions.iter().all(|session| session.scope == Scope::Set) {
            let why = "equal ids mean equal content all over this trace, so that nothing has to be assumed";
            return idle("share_system", "true", why);
        }
        let Some(scheduler) = self.part("scheduler")?.filter(|scheduler| scheduler.name() == "priority")
        else {
            return Ok(());
        };
        let main_first = schedule::main_first(&scheduler);
        let mut calls = sessions.iter().flat_map(|session| &session.calls);
        let differs = |call: &Call| match main_first {
            true => call.role == CallRole::Subagent,
            false => context::priority(call) != 0,
        };
        if calls.any(differs) {
            return Ok(());
        }
        let why = match main_first {
            true => "no call of this trace is a sub-agent's, expected another scheduler",
            false => {
                "no call of this trace has a priority, expected `priority:main-first`, which goes by who asks, or another \
                 scheduler"
            }
        };
        idle("scheduler", &quoted(self.scheduler.as_deref()), why)
    }

    /// Options that a number leaves no choice to, in a sentence each: the scenario means what it says, but a run without
    /// them is the same.
    pub fn pointless(&self) -> Vec<String> {
        let options = [("router", self.router.is_some()), ("staleness_us", self.staleness_us > 0)];
        let given = options.iter().filter(|(_, given)| *given && self.replicas == 1);
        given
            .map(|(key, _)| format!("`{key}` changes nothing with one replica: there is no choice"))
            .collect()
    }

    /// The scenario without the options that nothing reads, and these.
    pub fn pruned(&self) -> (Scenario, Vec<Idle>) {
        let (mut scenario, mut all) = (self.clone(), Vec::new());
        while let Some(idle) = scenario.idle() {
            scenario = (*idle.rest).clone();
            all.push(idle);
        }
        (scenario, all)
    }

    /// The first option that nothing reads.
    pub fn idle(&self) -> Option<Idle> {
        let policies: Vec<&Policy> = self.policies.iter().filter_map(|name| by_name(name).ok()).collect();
        self.idle_beside_policies(&policies)
            .or_else(|| self.idle_in_time(&policies))
            .or_else(|| self.idle_parameter())
            .or_else(|| self.idle_alone())
    }

    /// Parts by key, with their families and the text that names them.
    fn parts(&self) -> [(&'static str, &'static [About], Option<&str>); 5] {
        [
            ("router", ROUTERS, self.router.as_deref()),
            ("cache", CACHES, self.cache.as_deref()),
            ("eviction", EVICTIONS, self.eviction.as_deref()),
            ("scheduler", SCHEDULERS, self.scheduler.as_deref()),
            ("predictor", PREDICTORS, self.predictor.as_deref()),
        ]
    }

    /// The part that stands under a key, where one does.
    fn part(&self, key: &str) -> Result<Option<Choice>, ScenarioError> {
        let named = self.parts().into_iter().find(|(what, ..)| *what == key);
        let Some((what, family, Some(text))) = named else { return Ok(None) };
        super::simulate::part(what, family, text).map(Some)
    }

    /// The same by name, where it can be read.
    fn named(&self, key: &str) -> &'static str {
        self.part(key).ok().flatten().map_or("", |choice| choice.name())
    }

    fn leave(&self, key: &'static str, found: impl Display, why: String, out: fn(&mut Scenario)) -> Idle {
        let mut rest = Box::new(self.clone());
        out(&mut rest);
        Idle { key, found: found.to_string(), why, rest }
    }

    /// Parts that none of the policies has a place for.
    fn idle_beside_policies(&self, policies: &[&Policy]) -> Option<Idle> {
        let caches = policies.iter().any(|policy| policy.cache);
        let predicts = policies.iter().any(|policy| policy.predict);
        let (caching, predicting) = (one_of(|policy| policy.cache), one_of(|policy| policy.predict));
        let none = |which: &str, expected: &str| format!("no policy here {which}, {expected}");
        if self.router.is_some() && !caches {
            let why = format!("naive keeps its own, {caching}");
            return Some(self.leave("router", quoted(self.router.as_deref()), why, |s| s.router = None));
        }
        // Places divide the memory whether or not anything is found in them.
        if self.cache.is_some() && !caches && self.named("cache") != "slots" {
            let found = quoted(self.cache.as_deref());
            return Some(self.leave("cache", found, none("keeps prefixes", &caching), |s| s.cache = None));
        }
        if self.eviction.is_some() {
            let found = quoted(self.eviction.as_deref());
            let out: fn(&mut Scenario) = |s| s.eviction = None;
            if !caches {
                return Some(self.leave("eviction", found, none("keeps prefixes", &caching), out));
            }
            if self.named("cache") == "slots" {
                let why = "a place of `slots` evicts what it held and nothing else, expected another cache";
                return Some(self.leave("eviction", found, why.to_owned(), out));
            }
        }
        if self.named("scheduler") == "shortest" && !predicts {
            let found = quoted(self.scheduler.as_deref());
            let why = none("predicts lengths", &predicting);
            return Some(self.leave("scheduler", found, why, |s| s.scheduler = None));
        }
        if self.predictor.is_some() && !predicts {
            let found = quoted(self.predictor.as_deref());
            let why = none("predicts lengths", &predicting);
            return Some(self.leave("predictor", found, why, |s| s.predictor = None));
        }
        if self.context.is_some() && policies.iter().all(|policy| policy.context == "raw") {
            let found = quoted(self.context.as_deref());
            let why = none("changes prompts", &one_of(|policy| policy.context != "raw"));
            return Some(self.leave("context", found, why, |s| s.context = None));
        }
        let tokens = self.host_kv_tokens.filter(|_| !caches)?;
        let why = none("keeps prefixes", &caching);
        Some(self.leave("host_kv_tokens", tokens, why, |s| s.host_kv_tokens = None))
    }

    /// What is about times and lengths.
    fn idle_in_time(&self, policies: &[&Policy]) -> Option<Idle> {
        let default = Scenario::default();
        if self.staleness_us > 0 {
            let routers = policies.iter().map(|policy| policy.router_in(self));
            let late = |router: &str| {
                let choice = choose(ROUTERS, router);
                choice.is_ok_and(|choice| !matches!(route::sees(&choice), Sees::Nothing | Sees::Future))
            };
            let mut names: Vec<&str> = routers.collect();
            if !names.iter().any(|router| late(router)) {
                names.dedup();
                let names: Vec<String> = names.iter().map(|name| quoted(Some(name))).collect();
                let why =
                    format!("{} sees nothing that can be late, expected another router", names.join(" or "));
                return Some(self.leave("staleness_us", self.staleness_us, why, |s| s.staleness_us = 0));
            }
        }
        let predicts = |policy: &&Policy| policy.predict;
        if self.reserve && policies.iter().all(predicts) {
            let why = "the policy reserves what it predicts, expected another one, too".to_owned();
            return Some(self.leave("reserve", true, why, |s| s.reserve = false));
        }
        if self.max_tokens != default.max_tokens && !self.reserve && !policies.iter().any(predicts) {
            let why = "no room is reserved for output and no length predicted, expected `reserve`, too";
            let out: fn(&mut Scenario) = |s| s.max_tokens = Scenario::default().max_tokens;
            return Some(self.leave("max_tokens", self.max_tokens, why.to_owned(), out));
        }
        let users = self.arrivals.filter(|arrivals| matches!(arrivals, Arrivals::Users { .. }))?;
        if self.speed.total_cmp(&default.speed).is_eq() {
            return None;
        }
        let why = format!(
            "users wait for their calls and for nothing that was recorded, expected other arrivals than `{users}`"
        );
        Some(self.leave("speed", self.speed, why, |s| s.speed = 1.0))
    }

    /// A parameter of a part beside others that leave it nothing to do.
    fn idle_parameter(&self) -> Option<Idle> {
        UNREAD.iter().find_map(|unread| {
            let choice = self.part(unread.key).ok()??;
            let rest = choice.clone().without(unread.param);
            if choice.name() != unread.member || rest == choice || !(unread.when)(&choice, self) {
                return None;
            }
            let found = format!("`{}` with `{}`", choice.text(), unread.param);
            let mut idle = self.leave(unread.key, found, unread.why.to_owned(), |_| {});
            let text = Some(rest.text());
            match unread.key {
                "router" => idle.rest.router = text,
                "cache" => idle.rest.cache = text,
                "eviction" => idle.rest.eviction = text,
                "scheduler" => idle.rest.scheduler = text,
                _ => idle.rest.predictor = text,
            }
            Some(idle)
        })
    }

    /// What only goes together with something else.
    fn idle_alone(&self) -> Option<Idle> {
        if let Some(rate) = self.host_gb_per_s.filter(|_| self.host_kv_tokens.is_none()) {
            let why = "nothing is kept in the host's memory, expected `host_kv_tokens`, too".to_owned();
            return Some(self.leave("host_gb_per_s", rate, why, |s| s.host_gb_per_s = None));
        }
        let own = self.own_profile.as_ref().filter(|own| own.name != self.profile)?;
        let why = format!("`profile` is `{}`, expected that name there", self.profile);
        Some(self.leave("own_profile", quoted(Some(&own.name)), why, |s| s.own_profile = None))
    }
}
