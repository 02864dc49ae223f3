//! What tempers the figures of a run, in sentences: calls that were not answered, and what the trace does not say.

use super::units::{grouped, percent, plural};
use crate::metrics::PolicyMetrics;
use crate::policy::Resolved;

/// Whether what a call exceeds first is a replica's KV memory, and not the model's context.
pub(crate) fn is_memory_short(resolved: &Resolved) -> bool {
    resolved.scenario.kv_tokens.is_some_and(|kv_tokens| kv_tokens < resolved.context_tokens)
}

/// `5 of 9 calls (55.6 %) are not answered: 3 exceed a replica's 500 KV tokens, 2 come after such a call of their session.`
pub(crate) fn unanswered(calls: u64, rejected: u64, skipped: u64, resolved: &Resolved) -> String {
    let limit = match resolved.scenario.kv_tokens.filter(|_| is_memory_short(resolved)) {
        Some(kv_tokens) => format!("a replica's {} KV tokens", grouped(kv_tokens)),
        None => format!("the model's context of {} tokens", grouped(resolved.context_tokens)),
    };
    let failed = rejected + skipped;
    let mut text = format!(
        "{} of {} ({}) are not answered: {} exceed {limit}",
        grouped(failed),
        plural(calls, "call"),
        percent(Some(failed as f64 / calls.max(1) as f64)),
        grouped(rejected),
    );
    if skipped > 0 {
        text.push_str(&format!(", {} come after such a call of their session", grouped(skipped)));
    }
    text.push('.');
    text
}

/// How many calls a policy did not answer, and why; nothing where all were.
pub fn refused(row: &PolicyMetrics, resolved: &Resolved) -> Option<String> {
    if row.failed == 0 {
        return None;
    }
    let mut text = unanswered(resolved.calls, row.rejected, row.skipped, resolved);
    if row.failed >= resolved.calls {
        text.push_str(" No call is answered: larger replicas or a longer context mend that.");
    }
    Some(text)
}

/// What the trace does not say of its calls, and what was simulated instead; nothing where it says all.
pub fn unknown(resolved: &Resolved) -> Option<String> {
    let found = resolved.unknown;
    let mut parts = Vec::new();
    if found.output_tokens > 0 {
        parts.push(format!("{} have no known output and make no token", grouped(found.output_tokens)));
    }
    if found.delays > 0 {
        parts.push(format!(
            "{} wait for another without a known pause and follow at once",
            grouped(found.delays)
        ));
    }
    if parts.is_empty() {
        return None;
    }
    let mut text = format!("Of {} {}", plural(resolved.calls, "call"), parts.join(", "));
    if found.sessions > 0 {
        let all = plural(resolved.sessions, "session");
        text.push_str(&format!(": job times of {} of {all} lack it", grouped(found.sessions)));
    }
    text.push('.');
    Some(text)
}
