//! From what happened to calls to what steps did and how long they took.
//!
//! An outcome says when each call was admitted, made its first token and ended, but not which steps were taken. What
//! is between two such instants of one replica is a *window*: the same calls run all through it. A window is used where
//! its work can be told exactly:
//!
//! - *decode*: every call of it decodes. As many steps were taken as each call made tokens, and the KV that was read
//!   follows from prompts and tokens. Where a call was alone from its first to its last token, that is its time per
//!   further token. Where several decode, their counts at the window's ends are read off their curves.
//! - *prefill*: one call, from its admission to its first token, or several that were admitted together and fit into
//!   one step, beside any that decode. Prompts are taken to be computed in chunks of what the step has room for.
//!
//! Where an outcome does not say when a call was admitted, as no client of a real server can, the call's prefill is used
//! only if it was alone on its replica from when it was sent: then it did not wait, and what lies between the client and
//! the engine counts into the constant terms. Windows of calls that were thrown out, that found part of their prompt on
//! the host, or that did not end well are left out, as are those whose calls made unequal numbers of tokens.

use super::{FitError, Point};
use crate::serve::latency::pairs;
use crate::trace::{CallOutcome, CallStatus, Outcome, Workload};
use serde::Serialize;

/// Calls that decode together may be this far apart in tokens: a client sees chunks, not steps.
const UNEVEN_TOKENS: f64 = 1.0;
/// The same as a share of the window's steps.
const UNEVEN_SHARE: f64 = 0.05;
/// An outcome whose prompts sum up to less or more than the workload's by this share belongs to another.
const PROMPT_SHARE: f64 = 0.1;

/// Windows that were left out, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// A call of it was thrown out, found tokens on the host, or did not end well.
    pub unclear_call: u64,
    /// A prefill that began or ended elsewhere, or several in more than one step.
    pub mixed_prefill: u64,
    /// It is not known when its call was admitted.
    pub unknown_queueing: u64,
    /// It is not known how many tokens its calls made: there are no curves.
    pub unknown_progress: u64,
    /// Its calls made unequal numbers of tokens.
    pub uneven_progress: u64,
}

/// What could be told of an outcome.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Observed {
    /// Work with times.
    #[serde(skip)]
    pub points: Vec<Point>,
    /// Of them, prefills.
    pub prefills: u64,
    /// Of them, stretches of decode steps.
    pub decodes: u64,
    /// Of all, those with one call alone on its replica.
    pub alone: u64,
    /// Calls that ended well.
    pub calls: u64,
    /// What was not used.
    pub left_out: LeftOut,
}

/// A call on a replica.
struct Live<'a> {
    out: &'a CallOutcome,
    start_us: u64,
    first_us: u64,
    end_us: u64,
    prompt_tokens: u64,
    /// Whether its start is its admission.
    admitted: bool,
    clear: bool,
}

/// Makes points of what happened. `step_tokens` is the most tokens that the engine took into a step.
///
/// # Errors
/// When the outcome does not belong to the workload.
pub fn observe(work: &Workload, outcome: &Outcome, step_tokens: u32) -> Result<Observed, FitError> {
    check_same(work, outcome)?;
    let mut observed = Observed::default();
    let mut replicas: Vec<Vec<Live<'_>>> = Vec::new();
    for out in &outcome.calls {
        let Some(live) = Live::new(out) else { continue };
        observed.calls += u64::from(out.status == CallStatus::Ok);
        // A server that is one endpoint has no numbers.
        let replica = out.replica.unwrap_or(0) as usize;
        if replicas.len() <= replica {
            replicas.resize_with(replica + 1, Vec::new);
        }
        replicas[replica].push(live);
    }
    for mut calls in replicas {
        calls.sort_by_key(|call| (call.start_us, call.out.id));
        windows(&calls, u64::from(step_tokens), &mut observed);
    }
    Ok(observed)
}

fn check_same(work: &Workload, outcome: &Outcome) -> Result<(), FitError> {
    let differ = |what, found, expected| Err(FitError::OtherTrace { what, found, expected });
    if outcome.calls.len() != work.calls.len() {
        return differ("its calls are", outcome.calls.len() as u64, work.calls.len() as u64);
    }
    let (mut found, mut expected) = (0, 0);
    for (place, (asked, out)) in (0..).zip(work.calls.iter().zip(&outcome.calls)) {
        if out.id != place {
            return differ("a call has the number", out.id.into(), place.into());
        }
        if out.status == CallStatus::Ok && out.preemptions == 0 {
            found += prompt_tokens(out);
            expected += u64::from(asked.prompt_tokens).max(1);
        }
    }
    // A real server counts a little otherwise than the trace.
    if found.abs_diff(expected) as f64 > PROMPT_SHARE * expected as f64 {
        return differ("its prompt tokens are", found, expected);
    }
    Ok(())
}

fn prompt_tokens(out: &CallOutcome) -> u64 {
    out.cached_tokens.device + out.cached_tokens.host + out.computed_tokens
}

impl<'a> Live<'a> {
    /// `None` for a call that never ran.
    fn new(out: &'a CallOutcome) -> Option<Self> {
        let ok = out.status == CallStatus::Ok;
        if !ok && out.admitted_us.is_none() {
            return None;
        }
        let whole = ok && out.first_token_us.is_some() && out.finished_us.is_some();
        Some(Live {
            out,
            start_us: out.admitted_us.unwrap_or(out.sent_us),
            first_us: out.first_token_us.unwrap_or(u64::MAX),
            end_us: out.finished_us.unwrap_or(u64::MAX),
            prompt_tokens: prompt_tokens(out),
            admitted: out.admitted_us.is_some(),
            clear: whole && out.preemptions == 0 && out.cached_tokens.host == 0,
        })
    }

    /// Tokens that it had made at a time not before its first.
    fn made(&self, at_us: u64) -> Option<f64> {
        if at_us >= self.end_us {
            return Some(self.out.output_tokens as f64);
        }
        if at_us == self.first_us {
            return Some(self.out.output_tokens.min(1) as f64);
        }
        let curve = self.out.curve.as_deref()?;
        let after = curve.partition_point(|corner| corner[0] <= at_us);
        let [from_us, from] = *curve.get(after.checked_sub(1)?)?;
        let Some(&[to_us, to]) = curve.get(after) else { return Some(from as f64) };
        let share = (at_us - from_us) as f64 / (to_us - from_us) as f64;
        Some(from as f64 + (to as f64 - from as f64) * share)
    }
}

/// Goes through the windows of one replica.
fn windows(calls: &[Live<'_>], step_tokens: u64, observed: &mut Observed) {
    let mut instants: Vec<u64> =
        calls.iter().flat_map(|call| [call.start_us, call.first_us, call.end_us]).collect();
    instants.sort_unstable();
    instants.dedup();
    let (mut next, mut running) = (0, Vec::<&Live<'_>>::new());
    for pair in instants.windows(2) {
        let window = Window { from_us: pair[0], to_us: pair[1], step_tokens };
        running.retain(|call| call.end_us > window.from_us);
        while let Some(call) = calls.get(next).filter(|call| call.start_us <= window.from_us) {
            running.extend((call.end_us > window.from_us).then_some(call));
            next += 1;
        }
        if running.is_empty() || window.to_us == u64::MAX {
            continue;
        }
        let left_out = &mut observed.left_out;
        match window.point(&running) {
            Ok(point) => {
                observed.prefills += u64::from(point.prefill_tokens > 0.0);
                observed.decodes += u64::from(point.prefill_tokens == 0.0);
                observed.alone += u64::from(running.len() == 1);
                observed.points.push(point);
            }
            Err(Reason::UnclearCall) => left_out.unclear_call += 1,
            Err(Reason::MixedPrefill) => left_out.mixed_prefill += 1,
            Err(Reason::UnknownQueueing) => left_out.unknown_queueing += 1,
            Err(Reason::UnknownProgress) => left_out.unknown_progress += 1,
            Err(Reason::UnevenProgress) => left_out.uneven_progress += 1,
        }
    }
}

/// Why a window is not used.
enum Reason {
    UnclearCall,
    MixedPrefill,
    UnknownQueueing,
    UnknownProgress,
    UnevenProgress,
}

struct Window {
    from_us: u64,
    to_us: u64,
    step_tokens: u64,
}

impl Window {
    /// What was done in it by the calls that ran all through it.
    fn point(&self, running: &[&Live<'_>]) -> Result<Point, Reason> {
        if running.iter().any(|call| !call.clear) {
            return Err(Reason::UnclearCall);
        }
        let (decoding, prefilling): (Vec<&Live<'_>>, Vec<&Live<'_>>) =
            running.iter().partition(|call| call.first_us <= self.from_us);
        let mut point = Point { us: (self.to_us - self.from_us) as f64, ..Point::default() };
        let expected = if prefilling.is_empty() {
            None
        } else {
            self.prefill(&prefilling, decoding.len() as u64, &mut point)?;
            Some(point.steps)
        };
        self.decode(&decoding, expected, &mut point)?;
        Ok(point)
    }

    fn prefill(&self, calls: &[&Live<'_>], decoding: u64, point: &mut Point) -> Result<(), Reason> {
        if calls.iter().any(|call| !call.admitted) && calls.len() as u64 + decoding > 1 {
            return Err(Reason::UnknownQueueing);
        }
        let whole = calls.iter().all(|call| call.start_us == self.from_us && call.first_us == self.to_us);
        let room = self.step_tokens.saturating_sub(decoding);
        let computed: u64 = calls.iter().map(|call| call.out.computed_tokens).sum();
        if !whole || room == 0 || computed == 0 || (calls.len() > 1 && computed > room) {
            return Err(Reason::MixedPrefill);
        }
        for call in calls {
            let mut held = call.out.cached_tokens.device;
            while held < call.prompt_tokens {
                let chunk = room.min(call.prompt_tokens - held);
                point.attention_pairs += pairs(chunk, held) as f64;
                held += chunk;
            }
        }
        point.steps = computed.div_ceil(room) as f64;
        point.prefill_tokens = computed as f64;
        point.prompts = calls.len() as f64;
        Ok(())
    }

    /// `expected` is how many steps there were, where that is known.
    fn decode(&self, calls: &[&Live<'_>], expected: Option<f64>, point: &mut Point) -> Result<(), Reason> {
        if calls.is_empty() {
            return Ok(());
        }
        let mut made = Vec::with_capacity(calls.len());
        for call in calls {
            let before = call.made(self.from_us).ok_or(Reason::UnknownProgress)?;
            let after = call.made(self.to_us).ok_or(Reason::UnknownProgress)?;
            made.push((call.prompt_tokens as f64 + before, after - before));
        }
        let mean = made.iter().map(|(_, tokens)| tokens).sum::<f64>() / made.len() as f64;
        let steps = expected.unwrap_or(mean);
        let apart = UNEVEN_TOKENS.max(UNEVEN_SHARE * steps);
        if steps <= 0.0 || made.iter().any(|(_, tokens)| (tokens - steps).abs() > apart) {
            return Err(Reason::UnevenProgress);
        }
        point.steps = steps;
        for (kv, tokens) in made {
            point.sequences += tokens;
            // The first token of the window reads what is held and itself.
            point.kv_tokens += tokens * kv + tokens * (tokens - 1.0) / 2.0;
        }
        Ok(())
    }
}
