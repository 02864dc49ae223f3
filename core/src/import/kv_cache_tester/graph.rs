//! What waits for what, and for how long, from the stamps of a trace.
//!
//! The main agent's calls follow one another, and so do those of each sub-agent. A sub-agent begins
//! after the main agent's call before it, and the main agent's first call after its end waits for it.

use super::{Asked, Request, SECOND};
use crate::import::json::Fault;

/// When a request was sent, and what the source says about the time around it.
pub(super) struct Stamp {
    pub(super) agent: u32,
    /// Time since the trace's start.
    pub(super) at_us: u64,
    /// From send to the last token.
    pub(super) api_us: Option<u64>,
    /// From the end of the previous call to this one.
    pub(super) think_us: Option<u64>,
}

impl Stamp {
    /// When the answer was there; the send time where that is all that is known.
    fn end_us(&self) -> u64 {
        self.at_us + self.api_us.unwrap_or(0)
    }
}

/// A call's place in the graph.
#[derive(Clone, Default)]
pub(super) struct Link {
    pub(super) after: Vec<u32>,
    pub(super) delay_us: Option<u64>,
    /// Whether the delay holds model time that the source does not tell apart.
    pub(super) estimated: bool,
}

/// When a sub-agent began. The stamps of its requests count from there.
///
/// Its own `t` is the time of its start if it runs beside the main agent, and the time of its end
/// if the main agent waits for it; the source does not say which. A sub-agent starts right after the
/// call that asks for it, so of `t` and `t - duration_ms` the one closer to a call's end is taken.
pub(super) fn began(asked: &[Asked], sub_agent: &Request<'_>) -> Result<u64, Fault> {
    let missing = || Fault::new("t", "missing", "a time in seconds");
    let stamp = sub_agent.t.time_us("t", SECOND)?.ok_or_else(missing)?;
    let duration = sub_agent.duration_ms.time_us("duration_ms", 1_000.0)?;
    let Some(earlier) = duration.and_then(|duration| stamp.checked_sub(duration)) else {
        return Ok(stamp);
    };
    let gap = |start: u64| {
        let launchers = asked.iter().filter(|call| call.stamp.agent == 0 && call.stamp.at_us <= start);
        let launcher = launchers.max_by_key(|call| call.stamp.at_us);
        launcher.map_or(u64::MAX, |call| call.stamp.end_us().abs_diff(start))
    };
    Ok(if gap(earlier) < gap(stamp) { earlier } else { stamp })
}

/// Sorts by time, the main agent first where times are equal, and sets the clock to 0 at the first
/// call. Says whether an agent's calls were out of order.
pub(super) fn sort(asked: &mut [Asked]) -> bool {
    let mut latest = vec![0; asked.iter().map(|call| call.stamp.agent as usize + 1).max().unwrap_or(0)];
    let mut out_of_order = false;
    for call in asked.iter() {
        let latest = &mut latest[call.stamp.agent as usize];
        out_of_order |= call.stamp.at_us < *latest;
        *latest = call.stamp.at_us.max(*latest);
    }
    asked.sort_by_key(|call| (call.stamp.at_us, call.stamp.agent));
    let start = asked.first().map_or(0, |call| call.stamp.at_us);
    for call in asked.iter_mut() {
        call.stamp.at_us -= start;
    }
    out_of_order
}

/// The graph over sorted calls.
pub(super) fn links(asked: &[Asked]) -> Vec<Link> {
    let agents = asked.iter().map(|call| call.stamp.agent as usize + 1).max().unwrap_or(0);
    let mut links = vec![Link::default(); asked.len()];
    let mut latest: Vec<Option<usize>> = vec![None; agents];
    let mut end = vec![0; agents];
    for (place, call) in asked.iter().enumerate() {
        let agent = call.stamp.agent as usize;
        let before = latest[agent].or(if agent == 0 { None } else { latest[0] });
        links[place].after.extend(before.map(|before| before as u32));
        latest[agent] = Some(place);
        end[agent] = call.stamp.end_us().max(end[agent]);
    }
    for agent in 1..agents {
        let Some(last) = latest[agent] else { continue };
        let waits = (last + 1..asked.len())
            .find(|&place| asked[place].stamp.agent == 0 && asked[place].stamp.at_us >= end[agent]);
        if let Some(waits) = waits {
            links[waits].after.push(last as u32);
        }
    }
    for (place, link) in links.iter_mut().enumerate() {
        time(link, asked, place);
    }
    links
}

/// Finds the delay of one call. A pause that the source gives is used where it means what it says:
/// after a call of unknown length it spans that call too.
fn time(link: &mut Link, asked: &[Asked], place: usize) {
    let call = &asked[place].stamp;
    let before = |index: &u32| &asked[*index as usize].stamp;
    let Some(end) = link.after.iter().map(before).map(Stamp::end_us).max() else { return };
    link.estimated = link.after.iter().map(before).any(|before| before.api_us.is_none());
    let follows = link.after.len() == 1 && before(&link.after[0]).agent == call.agent;
    link.delay_us = match call.think_us {
        Some(think) if follows && !link.estimated => Some(think),
        _ => Some(call.at_us.saturating_sub(end)),
    };
}
