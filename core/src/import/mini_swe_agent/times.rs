//! When calls were sent, from the stamps of a run.
//!
//! Format 1.1 stamps every message, so model time lies between an observation and the reply to it.
//! Format 1 knows only the whole second in which the provider made a response: model time is then
//! estimated from the output at a stated rate, and the rest of the gap is the delay.

use super::talk::Said;

/// Output tokens per second that model time is estimated with.
pub(super) const ESTIMATED_TOKENS_PER_S: u64 = 60;

/// The times of one call.
#[derive(Clone, Copy, Default)]
pub(super) struct Time {
    /// Since the first call was sent.
    pub(super) at_us: Option<u64>,
    /// Since the previous reply.
    pub(super) delay_us: Option<u64>,
    /// Between two stamps of the source.
    pub(super) e2e_us: Option<u64>,
    /// From this reply to the last observation that followed it.
    pub(super) tool_us: Option<u64>,
    /// Whether the model time is an estimate.
    pub(super) estimated: bool,
}

/// The times of every reply, in order.
pub(super) fn clock(said: &[Said<'_>]) -> Vec<Time> {
    let mut times: Vec<Time> = Vec::new();
    let (mut start, mut previous_end, mut latest, mut observed) = (None, None, 0, None);
    for message in said {
        let Some(reply) = &message.reply else {
            observed = message.stamp_us.or(observed);
            if let (Some(stamp), Some(end), Some(time)) = (message.stamp_us, previous_end, times.last_mut()) {
                time.tool_us = Some(stamp.saturating_sub(end));
            }
            continue;
        };
        let Some(end) = message.stamp_us else {
            times.push(Time { estimated: true, ..Time::default() });
            (previous_end, observed) = (None, None);
            continue;
        };
        let e2e_us = observed.filter(|_| !reply.coarse).and_then(|sent| end.checked_sub(sent));
        let output = reply.usage.as_ref().and_then(|usage| usage.output).unwrap_or(0);
        let model_us = e2e_us.unwrap_or(u64::from(output) * 1_000_000 / ESTIMATED_TOKENS_PER_S);
        let sent = end.saturating_sub(model_us);
        latest = sent.saturating_sub(*start.get_or_insert(sent)).max(latest);
        times.push(Time {
            at_us: Some(latest),
            delay_us: previous_end.map(|previous| sent.saturating_sub(previous)),
            e2e_us,
            tool_us: None,
            estimated: e2e_us.is_none(),
        });
        (previous_end, observed) = (Some(end), None);
    }
    times
}
