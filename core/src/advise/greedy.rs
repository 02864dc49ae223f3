//! The search for what to turn on: levers one after the other, each held against what is on already.

use super::gain::{Gain, Ranking};
use super::order::{OrderAdvice, sentences, step};
use super::risk::warning;
use super::{Draws, Lever, Sentence, Setup};
use crate::policy::{PolicyRun, ScenarioError};

/// Everything that may be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levers {
    /// What changes nothing of what the model is told.
    pub lossless: Vec<Lever>,
    /// What no released engine has.
    pub research: Vec<Lever>,
    /// What changes what the model is told.
    pub lossy: Vec<Lever>,
    /// Set-ups that what comes out must not fall behind: those of the policies that are shown.
    pub known: Vec<Setup>,
}

/// Runs a set-up in a draw; nothing where it cannot be applied to the trace.
pub type Runner<'a> = dyn FnMut(&Setup, u32) -> Result<Option<PolicyRun>, ScenarioError> + 'a;

/// Turns lossless levers on, always the one that gains most, until none gains anything worth it in every draw; then
/// tries each other one on top. Steps compare the calls and sessions that both sides finished. The run of all steps, in
/// the first draw, comes with it.
///
/// One lever at a time leads nowhere where two are worth something only together, as a cache and the router that keeps
/// sessions on it. So where no single one gains, a cache is tried with each router; and where one of the known
/// set-ups still gains on what was found, the search goes on from there.
///
/// # Errors
/// Those of the runs.
pub fn greedy(
    base: &Setup,
    levers: &Levers,
    ranking: Ranking,
    draws: Draws,
    run: &mut Runner<'_>,
) -> Result<(OrderAdvice, Option<PolicyRun>), ScenarioError> {
    let mut advice = OrderAdvice::none(base, ranking, draws.count());
    let mut trials = Trials { ranking, draws, run };
    let Some(mut first) = trials.begun(base)? else { return Ok((advice, None)) };
    let mut latest: Option<SetupRuns> = None;
    let pairs = Lever::pairs(&levers.lossless);
    let mut known = levers.known.iter();
    loop {
        let current = latest.as_mut().unwrap_or(&mut first);
        let mut tried = trials.try_all(&levers.lossless, current)?;
        if !tried.leads() {
            tried.join(trials.try_all(&pairs, current)?);
        }
        if let Some((lever, gain, with)) = tried.best.take_if(|(_, gain, _)| gain.holds()) {
            advice.setup = lever.on(&advice.setup);
            let others = tried.others.into_iter().filter(|(other, _)| !other.fits(&advice.setup));
            advice.instead.extend(others.map(|(_, other)| Gain { equal: gain.is_like(&other), ..other }));
            advice.steps.push(gain);
            latest = Some(with);
            continue;
        }
        match trials.better(&mut known, &mut first, &mut latest)? {
            Some((gain, with)) => {
                (advice.setup, advice.steps, advice.instead) = (with.setup.clone(), vec![gain], Vec::new());
                latest = Some(with);
            }
            None => {
                advice.left = tried.gains();
                break;
            }
        }
    }
    let current = latest.as_mut().unwrap_or(&mut first);
    advice.research = trials.try_all(&levers.research, current)?.gains();
    advice.lossy = trials.try_all(&levers.lossy, current)?.gains();
    advice.evicted_blocks = advice.setup.cache.then_some(current.evicted());
    if let Some(last) = &mut latest {
        let all = Lever::Whole(advice.setup.clone());
        advice.total = Some(Gain { lever: "all steps".to_owned(), ..trials.gain(&all, &mut first, last)? });
    }
    advice.warnings = warnings(&advice.lossy);
    advice.says = sentences(&advice, ranking, draws);
    let last = latest.unwrap_or(first);
    Ok((advice, last.runs.into_iter().next()))
}

/// A set-up and its runs, draw by draw as far as they were needed.
struct SetupRuns {
    setup: Setup,
    runs: Vec<PolicyRun>,
}

impl SetupRuns {
    fn evicted(&self) -> u64 {
        self.runs[0].outcome.counters.evicted_blocks
    }
}

/// Levers tried on top of one set-up: the best with its runs, and the others.
#[derive(Default)]
struct LeversTried {
    best: Option<(Lever, Gain, SetupRuns)>,
    others: Vec<(Lever, Gain)>,
}

impl LeversTried {
    /// Whether the best is a step.
    fn leads(&self) -> bool {
        self.best.as_ref().is_some_and(|(_, gain, _)| gain.holds())
    }

    /// Of equals the first one stays the best.
    fn add(&mut self, lever: Lever, gain: Gain, with: SetupRuns) {
        if self.best.as_ref().is_some_and(|(_, best, _)| gain.order(best).is_ge()) {
            self.others.push((lever, gain));
        } else if let Some((lever, gain, _)) = self.best.replace((lever, gain, with)) {
            self.others.push((lever, gain));
        }
        self.others.sort_by(|(_, a), (_, b)| a.order(b));
    }

    /// With those of another list.
    fn join(&mut self, more: LeversTried) {
        self.others.extend(more.others);
        if let Some((lever, gain, with)) = more.best {
            self.add(lever, gain, with);
        }
    }

    /// All, the best first.
    fn gains(self) -> Vec<Gain> {
        let best = self.best.map(|(_, gain, _)| gain);
        best.into_iter().chain(self.others.into_iter().map(|(_, gain)| gain)).collect()
    }
}

/// Makes runs and compares them.
struct Trials<'a, 'b> {
    ranking: Ranking,
    draws: Draws,
    run: &'a mut Runner<'b>,
}

impl Trials<'_, '_> {
    /// A set-up in the first draw.
    fn begun(&mut self, setup: &Setup) -> Result<Option<SetupRuns>, ScenarioError> {
        let run = (self.run)(setup, 0)?;
        Ok(run.map(|run| SetupRuns { setup: setup.clone(), runs: vec![run] }))
    }

    /// Makes the run of a draw, where draws are runs.
    fn draw(&mut self, of: &mut SetupRuns, draw: u32) -> Result<(), ScenarioError> {
        while matches!(self.draws, Draws::Arrivals(_)) && of.runs.len() <= draw as usize {
            let run = (self.run)(&of.setup, of.runs.len() as u32)?;
            of.runs.push(run.ok_or(ScenarioError::NoSessions)?);
        }
        Ok(())
    }

    /// What one gains on the other, and what is said of it.
    fn gain(
        &mut self,
        lever: &Lever,
        without: &mut SetupRuns,
        with: &mut SetupRuns,
    ) -> Result<Gain, ScenarioError> {
        let gain = self.compared(lever, without, with)?;
        Ok(Gain { says: step(&gain, self.ranking), ..gain })
    }

    /// In every draw, as long as it gains.
    fn compared(
        &mut self,
        lever: &Lever,
        without: &mut SetupRuns,
        with: &mut SetupRuns,
    ) -> Result<Gain, ScenarioError> {
        let names = (lever, without.setup.name(), with.setup.name());
        let mut gain = Gain::first(names, self.ranking, &without.runs[0], &with.runs[0]);
        if !gain.holds() {
            return Ok(gain);
        }
        for draw in 1..self.draws.count() {
            self.draw(without, draw)?;
            self.draw(with, draw)?;
            let at = |of: &SetupRuns| (draw as usize).min(of.runs.len() - 1);
            let runs = (&without.runs[at(without)], &with.runs[at(with)]);
            gain.again(self.draws, self.ranking, runs.0, runs.1);
        }
        Ok(gain)
    }

    /// Every lever that fits and can do anything, on top of a set-up.
    fn try_all(&mut self, levers: &[Lever], current: &mut SetupRuns) -> Result<LeversTried, ScenarioError> {
        let pressed = current.evicted() > 0;
        let setup = current.setup.clone();
        let fits = |lever: &&Lever| lever.fits(&setup) && (pressed || !lever.needs_pressure());
        let mut tried = LeversTried::default();
        for lever in levers.iter().filter(fits) {
            let Some(mut with) = self.begun(&lever.on(&setup))? else { continue };
            let gain = self.gain(lever, current, &mut with)?;
            tried.add(lever.clone(), gain, with);
        }
        Ok(tried)
    }

    /// The next of the known set-ups that gains on what was found, as one step from where everything began.
    fn better<'k>(
        &mut self,
        known: &mut impl Iterator<Item = &'k Setup>,
        first: &mut SetupRuns,
        latest: &mut Option<SetupRuns>,
    ) -> Result<Option<(Gain, SetupRuns)>, ScenarioError> {
        for setup in known {
            let found = latest.as_mut().unwrap_or(first);
            if *setup == found.setup {
                continue;
            }
            let Some(mut with) = self.begun(setup)? else { continue };
            let lever = Lever::Whole(setup.clone());
            if self.gain(&lever, found, &mut with)?.holds() {
                return Ok(Some((self.gain(&lever, first, &mut with)?, with)));
            }
        }
        Ok(None)
    }
}

/// One warning for each kind of lossy lever.
fn warnings(lossy: &[Gain]) -> Vec<Sentence> {
    let kind = |gain: &Gain| gain.lever.split(':').next().unwrap_or_default().to_owned();
    let mut warned: Vec<String> = Vec::new();
    let mut says = Vec::new();
    for gain in lossy {
        if !warned.contains(&kind(gain)) {
            warned.push(kind(gain));
            says.push(warning(&gain.lever));
        }
    }
    says
}
