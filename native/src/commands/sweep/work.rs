//! Running points on all cores. Sessions are shared, and prompts are made once for all points that ask
//! the same of the servers.

use super::grid::Point;
use super::store::Row;
use crate::progress::Progress;
use anyhow::Context;
use atr_core::metrics;
use atr_core::policy::{self, PolicyRun, Prompts, PromptsKey, ScenarioError, Shelf};
use atr_core::trace::Session;
use serde_json::value::to_raw_value;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};

/// Prompts that were used last, for all threads.
struct SharedShelf {
    kept: Mutex<VecDeque<(PromptsKey, Arc<OnceLock<Prompts>>)>>,
    /// Most that are kept.
    room: usize,
}

impl Shelf for &SharedShelf {
    fn prompts(&mut self, key: &PromptsKey, make: &dyn Fn() -> Prompts) -> Prompts {
        let slot = {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            let place = kept.iter().position(|(known, _)| known == key);
            let entry = place.and_then(|place| kept.remove(place));
            let entry = entry.unwrap_or_else(|| (key.clone(), Arc::default()));
            let slot = Arc::clone(&entry.1);
            kept.push_back(entry);
            if kept.len() > self.room {
                kept.pop_front();
            }
            slot
        };
        // Whoever asks for the same meanwhile waits here, and not for others.
        slot.get_or_init(make).clone()
    }
}

/// What is done with a point's runs before they are let go.
pub(crate) type Keep<'a> = dyn Fn(&Point<'_>, &[PolicyRun]) -> anyhow::Result<()> + Sync + 'a;

/// Runs points, and hands each finished one to `done` in the order in which they end. Returns how many
/// calls were simulated.
///
/// # Errors
/// Those of `keep` and `done`. What was done before stays done.
pub(crate) fn run(
    sessions: &[Session],
    mut points: Vec<&Point<'_>>,
    threads: usize,
    keep: &Keep<'_>,
    mut done: impl FnMut(Row) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    // Points over the same prompts one after the other.
    points.sort_by_cached_key(|point| {
        let s = &point.scenario;
        (s.block_tokens, s.max_tokens, s.share_system, s.context.clone(), s.cache.clone(), point.index)
    });
    let shelf = SharedShelf { kept: Mutex::default(), room: 2 * threads + 2 };
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (send, receive) = mpsc::channel();
    let mut simulated = 0;
    std::thread::scope(|scope| {
        for _ in 0..threads.min(points.len()) {
            let (send, points, next, stop, shelf) = (send.clone(), &points, &next, &stop, &shelf);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
                    if send.send(one(sessions, point, shelf, keep)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(send);
        let mut progress = Progress::new(points.len());
        let result = receive.iter().try_for_each(|made| {
            let (row, calls) = made?;
            simulated += calls;
            done(row)?;
            progress.step();
            anyhow::Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        result
    })?;
    Ok(simulated)
}

/// One point: its row, and how many calls were simulated for it.
fn one(
    sessions: &[Session],
    point: &Point<'_>,
    mut shelf: &SharedShelf,
    keep: &Keep<'_>,
) -> anyhow::Result<(Row, u64)> {
    let (id, index) = (point.id.clone(), point.index);
    let row =
        Row { id, index, point: to_raw_value(&point.place)?, scenario: None, policies: None, error: None };
    let checked = point.scenario.validate_on(sessions);
    match checked.and_then(|()| policy::simulate_from(sessions, &point.scenario, &mut shelf)) {
        Ok((resolved, runs)) => {
            keep(point, &runs).with_context(|| format!("point {}", point.id))?;
            let calls = runs.iter().map(|run| run.outcome.calls.len() as u64).sum();
            let scenario = Some(to_raw_value(&resolved)?);
            let policies = Some(to_raw_value(&metrics::compare(&runs))?);
            Ok((Row { scenario, policies, ..row }, calls))
        }
        Err(error @ ScenarioError::NoSessions) => Err(error.into()),
        // Each value is good, together they are not.
        Err(error) => Ok((Row { error: Some(error.to_string()), ..row }, 0)),
    }
}
