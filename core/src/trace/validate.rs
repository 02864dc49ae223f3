//! What must hold in every session, whoever made it. Limits on everything: a trace is input.

use super::{Call, Run, Session};

/// Most tokens one prompt or one reply may claim.
pub const MAX_TOKENS: u32 = 100_000_000;
/// Longest time one delay or stamp may claim: ten years.
pub const MAX_US: u64 = 10 * 365 * 24 * 3_600 * 1_000_000;

/// Why a session cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A number is larger than anything real.
    #[error("call {call}: `{field}` is {found}, expected at most {limit}")]
    TooLarge {
        /// The call.
        call: u32,
        /// The field.
        field: &'static str,
        /// Its value.
        found: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A prompt without tokens.
    #[error("call {call}: `prompt_tokens` is 0, expected at least 1: no server answers an empty prompt")]
    NoPrompt {
        /// The call.
        call: u32,
    },
    /// A prompt is shorter than what is said to be in it.
    #[error(
        "call {call}: `prompt_tokens` is {found}, expected at least {least}, as its segments hold {held}"
    )]
    TooShort {
        /// The call.
        call: u32,
        /// Its length.
        found: u32,
        /// The least that can be.
        least: u64,
        /// What its segments add up to.
        held: u64,
    },
    /// An index points nowhere.
    #[error("call {call}: `{field}` names {found}, but there are only {count}")]
    OutOfRange {
        /// The call.
        call: u32,
        /// The field.
        field: &'static str,
        /// The index.
        found: u64,
        /// How many there are.
        count: usize,
    },
    /// A message names a segment that does not exist.
    #[error("message {message}: `parts` names segment {found}, but there are only {count}")]
    Part {
        /// The message.
        message: usize,
        /// The index.
        found: u32,
        /// How many there are.
        count: usize,
    },
    /// A segment is longer than anything real.
    #[error("`segments`: {found} tokens in one segment, expected at most {limit}")]
    Segment {
        /// Its length.
        found: u32,
        /// What is allowed.
        limit: u32,
    },
    /// A call waits for itself, directly or through others.
    #[error("call {call}: `after` forms a cycle; expected calls to wait for earlier ones only")]
    Cycle {
        /// One call of the cycle.
        call: u32,
    },
    /// Calls are not numbered 0, 1, 2, …
    #[error("call at place {place} has `id` {found}, expected {place}")]
    Numbering {
        /// Its place.
        place: usize,
        /// Its id.
        found: u32,
    },
    /// A session without calls.
    #[error("`calls` is empty, expected at least one call")]
    Empty,
}

/// Checks one session.
///
/// # Errors
/// The first rule that does not hold.
pub fn validate(session: &Session) -> Result<(), Invalid> {
    if session.calls.is_empty() {
        return Err(Invalid::Empty);
    }
    let long = session.segments.iter().find(|segment| segment.tokens > MAX_TOKENS);
    if let Some(segment) = long {
        return Err(Invalid::Segment { found: segment.tokens, limit: MAX_TOKENS });
    }
    let segments = session.segments.len();
    for (message, part) in
        session.messages.iter().enumerate().flat_map(|(i, m)| m.parts.iter().map(move |p| (i, *p)))
    {
        if part as usize >= segments {
            return Err(Invalid::Part { message, found: part, count: segments });
        }
    }
    for (place, call) in session.calls.iter().enumerate() {
        if call.id as usize != place {
            return Err(Invalid::Numbering { place, found: call.id });
        }
        check_call(session, call)?;
    }
    acyclic(session)
}

/// A prompt may be longer than its segments: the rest has no identity. It may be shorter by less than a block of the
/// source, the last one being partial. Where the provider counts prompts and a tokenizer messages, the two need not agree.
fn check_length(session: &Session, call: &Call) -> Result<(), Invalid> {
    let found = call.prompt_tokens;
    if found == 0 {
        return Err(Invalid::NoPrompt { call: call.id });
    }
    let place = |run: &Run| run.first as usize..run.first as usize + run.count as usize;
    let segments = call.prompt.iter().flat_map(|run| &session.segments[place(run)]);
    let held: u64 = segments.map(|segment| u64::from(segment.tokens)).sum();
    let block = u64::from(session.block_tokens.unwrap_or(1).max(1));
    let least = if session.counts_from.contains('+') { 1 } else { held.saturating_sub(block - 1) };
    match u64::from(found) < least {
        true => Err(Invalid::TooShort { call: call.id, found, least, held }),
        false => Ok(()),
    }
}

fn check_call(session: &Session, call: &Call) -> Result<(), Invalid> {
    let too_large = |field, found: u64, limit: u64| {
        if found > limit { Err(Invalid::TooLarge { call: call.id, field, found, limit }) } else { Ok(()) }
    };
    too_large("prompt_tokens", call.prompt_tokens.into(), MAX_TOKENS.into())?;
    too_large("output_tokens", call.output().into(), MAX_TOKENS.into())?;
    too_large("reasoning_tokens", call.reasoning_tokens.into(), call.output().into())?;
    if let Some(recorded) = &call.recorded {
        let limit = MAX_TOKENS.into();
        too_large("recorded.cached_tokens", recorded.cached_tokens.unwrap_or(0), limit)?;
        too_large("recorded.cache_write_tokens", recorded.cache_write_tokens.unwrap_or(0), limit)?;
        too_large("recorded.output_tokens", recorded.output_tokens.unwrap_or(0), limit)?;
        too_large("recorded.ttft_us", recorded.ttft_us.unwrap_or(0), MAX_US)?;
        too_large("recorded.e2e_us", recorded.e2e_us.unwrap_or(0), MAX_US)?;
    }
    for tool in &call.tools {
        too_large("tools.us", tool.us.unwrap_or(0), MAX_US)?;
    }
    too_large("delay_us", call.delay_us.unwrap_or(0), MAX_US)?;
    too_large("at_us", call.at_us.unwrap_or(0), MAX_US)?;
    let within = |field, end: u64, count: usize| {
        let found = end.saturating_sub(1);
        if end > count as u64 {
            Err(Invalid::OutOfRange { call: call.id, field, found, count })
        } else {
            Ok(())
        }
    };
    let end = |run: &Run| u64::from(run.first) + u64::from(run.count);
    for run in &call.prompt {
        within("prompt", end(run), session.segments.len())?;
    }
    check_length(session, call)?;
    for run in &call.view {
        within("view", end(run), session.messages.len())?;
    }
    if let Some(reply) = call.reply {
        within("reply", u64::from(reply) + 1, session.messages.len())?;
    }
    within("model", u64::from(call.model) + 1, session.models.len())?;
    for &earlier in &call.after {
        within("after", u64::from(earlier) + 1, session.calls.len())?;
    }
    Ok(())
}

/// Removes calls that wait for nothing until none is left; what is left over waits in a circle.
fn acyclic(session: &Session) -> Result<(), Invalid> {
    if session.calls.iter().all(|call| call.after.iter().all(|&earlier| earlier < call.id)) {
        return Ok(());
    }
    let count = session.calls.len();
    let mut waits: Vec<usize> = session.calls.iter().map(|call| call.after.len()).collect();
    let mut waiters: Vec<Vec<u32>> = vec![Vec::new(); count];
    for call in &session.calls {
        for &earlier in &call.after {
            waiters[earlier as usize].push(call.id);
        }
    }
    let mut free: Vec<u32> = (0..).zip(&waits).filter(|(_, n)| **n == 0).map(|(id, _)| id).collect();
    while let Some(id) = free.pop() {
        for &waiter in &waiters[id as usize] {
            waits[waiter as usize] -= 1;
            if waits[waiter as usize] == 0 {
                free.push(waiter);
            }
        }
    }
    match (0..).zip(&waits).find(|(_, n)| **n > 0) {
        Some((call, _)) => Err(Invalid::Cycle { call }),
        None => Ok(()),
    }
}
