//! The sets that runs are made over: as given, and drawn in other orders.

use super::{Setup, shuffled};
use crate::policy::{Arrivals, KeepAll, PolicyRun, Scenario, ScenarioError, simulate_policies};
use crate::trace::Session;

/// Is told what is done next, and how many simulations are done.
pub type Progress<'a> = dyn FnMut(&str, u64) + 'a;

/// Counts simulations and tells of them.
pub(super) struct Teller<'a, 'b> {
    pub(super) tell: &'a mut Progress<'b>,
    pub(super) simulations: u64,
}

impl Teller<'_, '_> {
    /// Before one is made.
    pub(super) fn next(&mut self, what: &str) {
        (self.tell)(what, self.simulations);
        self.simulations += 1;
    }
}

/// What draws of one scenario differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// Seed and order of sessions: each draw is a run of its own.
    Arrivals(u32),
    /// Sessions of the one run, as it arrives in one way only: the first draw is the whole, every two after it are its halves
    /// as this seed splits it.
    Halves(u32, u64),
}

/// Fewer sessions than this are not split.
const LEAST_SESSIONS: usize = 8;

impl Draws {
    /// So many of a scenario over so many sessions. What arrives as recorded arrives in one way only.
    pub fn of(given: &Scenario, sessions: usize, draws: u32) -> Self {
        match given.arrivals {
            Some(Arrivals::Recorded) if sessions < LEAST_SESSIONS => Draws::Arrivals(1),
            Some(Arrivals::Recorded) => Draws::Halves(draws.max(1), given.seed),
            _ => Draws::Arrivals(draws.max(1)),
        }
    }

    /// How many.
    pub fn count(self) -> u32 {
        match self {
            Draws::Arrivals(count) | Draws::Halves(count, _) => count,
        }
    }
}

/// A set with its prompts.
struct Bench {
    sessions: Vec<Session>,
    shelf: KeepAll,
}

/// A set in every order that was asked for so far.
pub(super) struct Benches(Vec<Bench>);

impl Benches {
    pub(super) fn new(sessions: Vec<Session>) -> Self {
        Benches(vec![Bench { sessions, shelf: KeepAll::default() }])
    }

    /// The sessions as given, and their prompts.
    pub(super) fn given(&mut self) -> (&[Session], &mut KeepAll) {
        let Bench { sessions, shelf } = &mut self.0[0];
        (sessions, shelf)
    }

    /// One set-up in a scenario; nothing where its context strategy cannot be applied. Another draw is another seed and another
    /// order of sessions.
    pub(super) fn run(
        &mut self,
        setup: &Setup,
        given: &Scenario,
        draw: u32,
    ) -> Result<Option<PolicyRun>, ScenarioError> {
        while self.0.len() <= draw as usize {
            let seed = given.seed.wrapping_add(self.0.len() as u64);
            let sessions = shuffled(&self.0[0].sessions, seed);
            self.0.push(Bench { sessions, shelf: KeepAll::default() });
        }
        let Bench { sessions, shelf } = &mut self.0[draw as usize];
        let seed = given.seed.wrapping_add(draw.into());
        let scenario = Scenario { seed, ..setup.scenario(given) };
        match simulate_policies(sessions, &scenario, &[setup.policy()], shelf) {
            Ok((_, mut runs)) => Ok(runs.pop().map(|run| PolicyRun { name: setup.name(), ..run })),
            Err(ScenarioError::NotApplicable(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
