//! How busy a cluster was.

use crate::trace::Outcome;

/// Share of the makespan that the replicas spent in steps, mean over replicas; `None` when nothing
/// ran. A replica in a step is not a saturated one, for a step may take more calls in: read it
/// together with the queueing time.
pub fn busy_share(outcome: &Outcome, replicas: u32) -> Option<f64> {
    let finished = || outcome.calls.iter().filter(|call| call.finished_us.is_some());
    let start = finished().map(|call| call.scheduled_us).min()?;
    let end = finished().filter_map(|call| call.finished_us).max()?;
    let span = (end - start) as f64 * f64::from(replicas);
    (span > 0.0).then(|| outcome.counters.busy_us as f64 / span)
}

#[cfg(test)]
mod tests {
    use super::busy_share;
    use crate::trace::{CallOutcome, Counters, Outcome};

    #[test]
    fn the_share_is_of_the_makespan_of_all_replicas() {
        let call = |from, to| CallOutcome { scheduled_us: from, finished_us: to, ..CallOutcome::default() };
        let calls = vec![call(10, Some(50)), call(20, Some(110)), call(5, None)];
        let outcome = Outcome { calls, counters: Counters { busy_us: 60, ..Counters::default() } };
        assert_eq!(busy_share(&outcome, 1), Some(0.6));
        assert_eq!(busy_share(&outcome, 3), Some(0.2));
    }

    #[test]
    fn nothing_that_ran_has_no_share() {
        assert_eq!(busy_share(&Outcome::default(), 1), None);
    }
}
