//! How sessions arrive, as a scenario names it: `recorded`, `poisson:RATE` and so on.

use super::ScenarioError;
use crate::serve::{self, ArrivalPlan};
use crate::trace::Workload;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How sessions (or, for sources without sessions, calls) arrive.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// At the recorded times; sessions whose clocks all begin at 0 then start together.
    Recorded,
    /// Independent, at a mean rate.
    Poisson {
        /// Sessions per second.
        per_s: f64,
    },
    /// At a mean rate, with gaps of a gamma distribution.
    Gamma {
        /// Sessions per second.
        per_s: f64,
        /// Below 1, burstier than `poisson`; above 1, more even. vLLM's benchmark calls it burstiness.
        shape: f64,
    },
    /// At equal gaps.
    Constant {
        /// Sessions per second.
        per_s: f64,
    },
    /// A fixed number at a time: the next session starts when one ends.
    Concurrency {
        /// How many at a time.
        sessions: u32,
    },
    /// A fixed number of users, each with one session at a time. A user's calls start `users / per_s` seconds apart,
    /// or later where what they wait for takes longer; recorded delays do not count.
    Users {
        /// How many users.
        users: u32,
        /// Calls that all of them together start in a second, if none is late.
        per_s: f64,
    },
}

/// The accepted forms, for help texts and errors.
pub const ARRIVALS: &str = "`recorded`, `poisson:RATE`, `gamma:RATE,SHAPE`, `constant:RATE`, `concurrency:N` or \
                            `users:N,RATE` (rates per second)";

impl fmt::Display for Arrivals {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Arrivals::Recorded => write!(to, "recorded"),
            Arrivals::Poisson { per_s } => write!(to, "poisson:{per_s}"),
            Arrivals::Gamma { per_s, shape } => write!(to, "gamma:{per_s},{shape}"),
            Arrivals::Constant { per_s } => write!(to, "constant:{per_s}"),
            Arrivals::Concurrency { sessions } => write!(to, "concurrency:{sessions}"),
            Arrivals::Users { users, per_s } => write!(to, "users:{users},{per_s}"),
        }
    }
}

impl FromStr for Arrivals {
    type Err = ScenarioError;

    /// Reads one of the forms. Whether its numbers make sense is checked with the scenario.
    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let wrong = || ScenarioError::range("arrivals", format!("`{text}`"), ARRIVALS);
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| wrong());
        let count = |text: &str| text.trim().parse::<u32>().map_err(|_| wrong());
        let (name, values) = text.split_once(':').unwrap_or((text, ""));
        let values: Vec<&str> = if values.is_empty() { Vec::new() } else { values.split(',').collect() };
        match (name, values.as_slice()) {
            ("recorded", []) => Ok(Arrivals::Recorded),
            ("poisson", [per_s]) => Ok(Arrivals::Poisson { per_s: number(per_s)? }),
            ("gamma", [per_s, shape]) => Ok(Arrivals::Gamma { per_s: number(per_s)?, shape: number(shape)? }),
            ("constant", [per_s]) => Ok(Arrivals::Constant { per_s: number(per_s)? }),
            ("concurrency", [sessions]) => Ok(Arrivals::Concurrency { sessions: count(sessions)? }),
            ("users", [users, per_s]) => Ok(Arrivals::Users { users: count(users)?, per_s: number(per_s)? }),
            _ => Err(wrong()),
        }
    }
}

impl Arrivals {
    /// Checks its numbers.
    ///
    /// # Errors
    /// When one makes no sense.
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let wrong = |expected: &str| Err(ScenarioError::range("arrivals", self, expected));
        match *self {
            Arrivals::Poisson { per_s }
            | Arrivals::Constant { per_s }
            | Arrivals::Gamma { per_s, .. }
            | Arrivals::Users { per_s, .. }
                if !positive(per_s) =>
            {
                wrong("a finite rate above 0")
            }
            Arrivals::Gamma { shape, .. } if !positive(shape) => wrong("a finite shape above 0"),
            Arrivals::Concurrency { sessions: 0 } => wrong("at least 1 session at a time"),
            Arrivals::Users { users: 0, .. } => wrong("at least 1 user"),
            _ => Ok(()),
        }
    }

    /// With everything random drawn.
    pub(super) fn plan(&self, work: &Workload, speed: f64, seed: u64) -> ArrivalPlan {
        let sessions = work.sessions.len();
        match *self {
            Arrivals::Recorded => serve::recorded(work, speed),
            Arrivals::Poisson { per_s } => serve::poisson(sessions, per_s, seed),
            Arrivals::Gamma { per_s, shape } => serve::gamma(sessions, per_s, shape, seed),
            Arrivals::Constant { per_s } => serve::constant(sessions, per_s),
            Arrivals::Concurrency { sessions } => ArrivalPlan::Concurrency(sessions),
            Arrivals::Users { users, per_s } => serve::users(users, per_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back() {
        for text in
            ["recorded", "poisson:0.5", "gamma:2,0.25", "constant:3", "concurrency:16", "users:8,0.125"]
        {
            let arrivals: Arrivals = text.parse().unwrap();
            assert_eq!((arrivals.to_string().as_str(), arrivals.check()), (text, Ok(())));
            let json = serde_json::to_string(&arrivals).unwrap();
            assert_eq!(serde_json::from_str::<Arrivals>(&json).unwrap(), arrivals);
        }
    }

    #[test]
    fn a_wrong_form_lists_the_right_ones() {
        for text in
            ["", "now", "recorded:1", "poisson", "poisson:fast", "gamma:2", "users:2.5,1", "concurrency:-1"]
        {
            let error = text.parse::<Arrivals>().unwrap_err().to_string();
            assert_eq!(error, format!("`arrivals` is `{text}`, expected {ARRIVALS}"));
        }
    }

    #[test]
    fn a_wrong_number_is_named_with_what_is_right() {
        let says = |text: &str| text.parse::<Arrivals>().unwrap().check().unwrap_err().to_string();
        assert_eq!(says("poisson:0"), "`arrivals` is poisson:0, expected a finite rate above 0");
        assert_eq!(says("constant:-1"), "`arrivals` is constant:-1, expected a finite rate above 0");
        assert_eq!(says("gamma:inf,1"), "`arrivals` is gamma:inf,1, expected a finite rate above 0");
        assert_eq!(says("gamma:1,NaN"), "`arrivals` is gamma:1,NaN, expected a finite shape above 0");
        assert_eq!(says("users:0,1"), "`arrivals` is users:0,1, expected at least 1 user");
        assert_eq!(says("users:4,0"), "`arrivals` is users:4,0, expected a finite rate above 0");
        assert_eq!(
            says("concurrency:0"),
            "`arrivals` is concurrency:0, expected at least 1 session at a time"
        );
    }
}
