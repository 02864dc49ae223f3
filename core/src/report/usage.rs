//! How busy a cluster was, from nothing but the calls' times.

use crate::trace::Outcome;

/// Share of the makespan during which a replica had at least one call to work on, mean over
/// replicas. `None` when nothing ran. A busy replica is not a saturated one: read it together with
/// the queueing time.
pub fn busy_share(outcome: &Outcome, replicas: u32) -> Option<f64> {
    let mut spans: Vec<(u32, u64, u64)> = outcome
        .calls
        .iter()
        .filter_map(|call| Some((call.replica?, call.admitted_us?, call.finished_us?)))
        .collect();
    spans.sort_unstable();
    let start =
        outcome.calls.iter().filter(|call| call.finished_us.is_some()).map(|c| c.scheduled_us).min()?;
    let end = spans.iter().map(|span| span.2).max()?;
    let mut busy: u64 = 0;
    let mut open: Option<(u32, u64)> = None;
    for (replica, from, to) in spans {
        let covered = match open {
            Some((same, until)) if same == replica => until,
            _ => from,
        };
        let begins = from.max(covered);
        busy += to.saturating_sub(begins);
        open = Some((replica, covered.max(to)));
    }
    let span = (end - start) as f64 * f64::from(replicas);
    (span > 0.0).then(|| busy as f64 / span)
}

#[cfg(test)]
mod tests {
    use super::busy_share;
    use crate::trace::{CallOutcome, Outcome};

    fn call(replica: u32, from: u64, to: u64) -> CallOutcome {
        CallOutcome {
            replica: Some(replica),
            scheduled_us: from,
            admitted_us: Some(from),
            finished_us: Some(to),
            ..CallOutcome::default()
        }
    }

    #[test]
    fn overlaps_count_once_and_idle_replicas_count() {
        let calls = vec![call(0, 0, 10), call(0, 5, 8), call(0, 6, 20), call(1, 90, 100)];
        let outcome = Outcome { calls, ..Outcome::default() };
        assert_eq!(busy_share(&outcome, 2), Some(30.0 / 200.0));
        assert_eq!(busy_share(&outcome, 3), Some(30.0 / 300.0));
    }

    #[test]
    fn nothing_that_ran_has_no_share() {
        assert_eq!(busy_share(&Outcome::default(), 1), None);
    }
}
