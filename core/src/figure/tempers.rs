//! What tempers the figures of a run, in sentences: calls that were not answered, and what the trace does not say.

use super::units::{grouped, percent, plural};
use crate::metrics::PolicyMetrics;
use crate::policy::Resolved;

/// How many calls a policy did not answer, and why; nothing where all were.
pub fn refused(row: &PolicyMetrics, resolved: &Resolved) -> Option<String> {
    if row.failed == 0 {
        return None;
    }
    let kv_tokens = resolved.scenario.kv_tokens.unwrap_or(u64::MAX);
    let limit = if kv_tokens < resolved.context_tokens {
        format!("a replica's {} KV tokens", grouped(kv_tokens))
    } else {
        format!("the model's context of {} tokens", grouped(resolved.context_tokens))
    };
    let share = percent(Some(row.failed as f64 / resolved.calls.max(1) as f64));
    let mut text = format!(
        "{} of {} ({share}) are not answered: {} exceed {limit}",
        grouped(row.failed),
        plural(resolved.calls, "call"),
        grouped(row.rejected),
    );
    if row.skipped > 0 {
        text.push_str(&format!(", {} come after such a call of their session", grouped(row.skipped)));
    }
    text.push('.');
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
