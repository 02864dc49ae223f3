//! What formats cannot hold: named once, counted over any session.

use super::Exported;
use crate::trace::{Call, CallRole, Scope, Session};

/// Something a session may have and a format may lack.
#[derive(Clone, Copy)]
pub struct Fact {
    what: &'static str,
    of: fn(&Session) -> u64,
}

fn calls(session: &Session, mut holds: impl FnMut(&Call) -> bool) -> u64 {
    session.calls.iter().filter(|call| holds(call)).count() as u64
}

/// Messages of sessions.
pub const MESSAGES: Fact = Fact { what: "messages", of: |session| session.messages.len() as u64 };
/// Calls that name a model.
pub const MODELS: Fact = Fact {
    what: "models of calls",
    of: |session| {
        let named =
            |call: &Call| session.models.get(call.model as usize).is_some_and(|name| name != "unknown");
        calls(session, named)
    },
};
/// Sessions whose agent software is known.
pub const HARNESS: Fact =
    Fact { what: "names of agent software", of: |session| u64::from(!session.harness.is_empty()) };
/// Sessions whose tokens are not, or not only, the source's own counts.
pub const COUNTS: Fact = Fact {
    what: "origins of token counts",
    of: |session| u64::from(!matches!(session.counts_from.as_str(), "" | "source")),
};
/// Tools that ran on replies.
pub const TOOLS: Fact = Fact {
    what: "tools of calls",
    of: |session| session.calls.iter().map(|call| call.tools.len() as u64).sum(),
};
/// Calls with reasoning that is not sent again.
pub const REASONING: Fact = Fact {
    what: "reasoning counts of calls",
    of: |session| calls(session, |call| call.reasoning_tokens > 0),
};
/// Calls whose output the source does not know. Where a format must have a number, it is 0.
pub const OUTPUTS: Fact = Fact {
    what: "outputs of calls that are unknown",
    of: |session| calls(session, |call| call.output_tokens.is_none()),
};
/// Calls whose times were measured.
pub const TIMINGS: Fact = Fact {
    what: "recorded times of calls",
    of: |session| {
        calls(session, |call| {
            call.recorded.as_ref().is_some_and(|r| r.ttft_us.is_some() || r.e2e_us.is_some())
        })
    },
};
/// Calls whose cache hits or writes were measured.
pub const CACHE: Fact = Fact {
    what: "recorded cache counts of calls",
    of: |session| {
        let has = |call: &Call| {
            call.recorded
                .as_ref()
                .is_some_and(|r| r.cached_tokens.is_some() || r.cache_write_tokens.is_some())
        };
        calls(session, has)
    },
};
/// Calls with a price.
pub const COSTS: Fact = Fact {
    what: "recorded costs of calls",
    of: |session| calls(session, |call| call.recorded.as_ref().is_some_and(|r| r.cost_usd.is_some())),
};
/// Sessions whose end is known.
pub const ENDINGS: Fact =
    Fact { what: "outcomes of sessions", of: |session| u64::from(session.outcome.is_some()) };
/// Prompts with an identity.
pub const IDENTITIES: Fact =
    Fact { what: "known sharing of prompts", of: |session| calls(session, |call| !call.prompt.is_empty()) };
/// Prompts without any identity. Where a format must have ids of blocks, each block gets one of its own.
pub const UNKNOWN: Fact = Fact {
    what: "prompts whose sharing is unknown, written as sharing nothing",
    of: |session| calls(session, |call| call.prompt.is_empty() && call.prompt_tokens > 0),
};
/// Sessions whose ids hold across the set.
pub const SHARING: Fact = Fact {
    what: "known sharing of sessions with others",
    of: |session| u64::from(session.scope == Scope::Set && !session.segments.is_empty()),
};
/// Calls of neither an agent nor a sub-agent.
pub const ROLES: Fact = Fact {
    what: "calls of summarisers and reviewers",
    of: |session| calls(session, |call| matches!(call.role, CallRole::Summariser | CallRole::Reviewer)),
};
/// Calls that do not simply follow their agent's call before.
pub const GRAPH: Fact = Fact {
    what: "calls that wait for others than their agent's call before",
    of: |session| {
        let mut latest: Vec<(u32, u32)> = Vec::new();
        calls(session, |call| {
            let Some((_, before)) = latest.iter_mut().find(|(agent, _)| *agent == call.agent) else {
                latest.push((call.agent, call.id));
                return !call.after.is_empty();
            };
            let simple = call.after == [*before];
            *before = call.id;
            !simple
        })
    },
};

/// Counts what `facts` a session has.
pub fn count(exported: &mut Exported, session: &Session, facts: &[Fact]) {
    facts.iter().for_each(|fact| exported.lose(fact.what, (fact.of)(session)));
}
