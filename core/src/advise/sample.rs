//! A part of a set that stands for it where the whole would take too long, and other orders of it.

use crate::synth::Chance;
use crate::trace::Session;
use serde::Serialize;

/// What of a set was simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sample {
    /// Sessions taken.
    pub sessions: u64,
    /// Of so many.
    pub of_sessions: u64,
    /// Their calls.
    pub calls: u64,
    /// Of so many.
    pub of_calls: u64,
}

/// At least one session and at most `calls` calls, as far as whole sessions allow it: the first ones where
/// `contiguous`, so that the recorded rate stays what it was, else every so many-th. Nothing where all fit.
pub fn take(sessions: &[Session], calls: u64, contiguous: bool) -> Option<(Vec<Session>, Sample)> {
    let size = |session: &Session| session.calls.len() as u64;
    let of_calls: u64 = sessions.iter().map(size).sum();
    if of_calls <= calls || sessions.len() < 2 {
        return None;
    }
    let every = if contiguous { 1 } else { (of_calls.div_ceil(calls.max(1)) as usize).min(sessions.len()) };
    let mut taken: Vec<Session> = Vec::new();
    let mut sum = 0;
    for session in sessions.iter().step_by(every) {
        if !taken.is_empty() && sum + size(session) > calls {
            // A long session does not fit; a later one may, unless the clock is to go on without gaps.
            if contiguous {
                break;
            }
            continue;
        }
        sum += size(session);
        taken.push(session.clone());
    }
    let sample =
        Sample { sessions: taken.len() as u64, of_sessions: sessions.len() as u64, calls: sum, of_calls };
    Some((taken, sample))
}

/// The sessions in another order, which decides who runs beside whom. Seed 0 leaves them as they are.
pub fn shuffled(sessions: &[Session], seed: u64) -> Vec<Session> {
    if seed == 0 {
        return sessions.to_vec();
    }
    let mut chance = Chance::part(seed, &[sessions.len() as u64]);
    drawn_order(sessions.len(), &mut chance).into_iter().map(|place| sessions[place].clone()).collect()
}

/// So many places in an order drawn at random.
pub(super) fn drawn_order(count: usize, chance: &mut Chance) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = (chance.uniform() * (last + 1) as f64) as usize;
        order.swap(last, other.min(last));
    }
    order
}
