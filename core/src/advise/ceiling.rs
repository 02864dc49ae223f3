//! How far traffic is from its ceiling, policy by policy, and what broke its prefixes.

use super::Sentence;
use super::capacity::ONE_CACHE;
use super::units::times;
use crate::figure::units::{grouped, listed, percent, plural};
use crate::metrics::PolicyMetrics;
use crate::metrics::breaks::{Breaks, CauseRow};
use crate::policy::by_name;
use crate::trace::Session;
use serde::Serialize;

/// A smaller difference between two policies is none.
const LEAST_SHARE: f64 = 0.001;
/// A smaller distance to the ceiling needs no explanation.
const LEAST_LOSS: f64 = 0.005;

/// What the advice is made from.
#[derive(Clone, Copy, Debug)]
pub struct CeilingFigures<'a> {
    /// Hit rate of an infinite shared cache over the whole trace, as `inspect` counts it.
    pub ceiling_hit_rate: Option<f64>,
    /// One row a policy.
    pub policies: &'a [PolicyMetrics],
    /// Hit rate of one LRU cache with the memory of all replicas, in the order in which calls were admitted.
    pub shared_hit_rate: Option<f64>,
    /// That memory.
    pub shared_kv_tokens: u64,
    /// Where prompts stopped continuing the one before.
    pub breaks: &'a Breaks,
    /// Whether the trace says what prompts share; where it does not, nothing is known of hits.
    pub identified: bool,
}

/// Whether the trace says of any prompt what it is made of; some have counts alone.
pub(super) fn is_identified(sessions: &[Session]) -> bool {
    sessions.iter().any(|session| !session.segments.is_empty())
}

/// One policy against its ceiling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CeilingRow {
    /// The policy.
    pub name: String,
    /// Cached over prompt tokens.
    pub hit_rate: Option<f64>,
    /// The same of an infinite shared cache under the simulator's rules, over the prompts of this policy.
    pub ceiling_hit_rate: Option<f64>,
    /// The one over the other.
    pub share_of_ceiling: Option<f64>,
    /// Prompt tokens computed.
    pub prefill_tokens: u64,
    /// Mean time to first token.
    pub ttft_mean_ms: Option<f64>,
    /// Mean time of a session.
    pub job_mean_ms: Option<f64>,
    /// Share of the time that replicas were busy.
    pub utilisation: Option<f64>,
}

/// How far the traffic is from its ceiling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CeilingAdvice {
    /// Hit rate of an infinite shared cache over the whole trace.
    pub ceiling_hit_rate: Option<f64>,
    /// Policy by policy.
    pub policies: Vec<CeilingRow>,
    /// One LRU cache with the memory of all replicas.
    pub shared_hit_rate: Option<f64>,
    /// How many prompts did not continue the one before.
    pub breaks: u64,
    /// Tokens computed again for it.
    pub again_tokens: u64,
    /// By cause, the most expensive first.
    pub by_cause: Vec<CauseRow>,
    /// What is said of it.
    pub says: Vec<Sentence>,
}

fn row(row: &PolicyMetrics) -> CeilingRow {
    let share = row.hit_rate.zip(row.ceiling_hit_rate).filter(|(_, ceiling)| *ceiling > 0.0);
    CeilingRow {
        name: row.name.clone(),
        hit_rate: row.hit_rate,
        ceiling_hit_rate: row.ceiling_hit_rate,
        share_of_ceiling: share.map(|(hit, ceiling)| hit / ceiling),
        prefill_tokens: row.prefill_tokens,
        ttft_mean_ms: row.ttft_ms.map(|spread| spread.mean),
        job_mean_ms: row.job_ms.map(|spread| spread.mean),
        utilisation: row.utilisation,
    }
}

/// Says how far.
pub fn ceiling(figures: &CeilingFigures<'_>) -> CeilingAdvice {
    let mut policies: Vec<CeilingRow> = figures.policies.iter().map(row).collect();
    let breaks = figures.breaks;
    let mut says = Vec::new();
    if figures.identified {
        says.push(distance(figures.ceiling_hit_rate, &policies));
        says.extend(lost(figures, &policies));
    } else {
        for row in &mut policies {
            (row.hit_rate, row.ceiling_hit_rate, row.share_of_ceiling) = (None, None, None);
        }
        says.push(unknown());
    }
    says.push(broke(breaks));
    CeilingAdvice {
        ceiling_hit_rate: figures.ceiling_hit_rate.filter(|_| figures.identified),
        policies,
        shared_hit_rate: figures.shared_hit_rate.filter(|_| figures.identified),
        breaks: breaks.count(),
        again_tokens: breaks.ledger.again_tokens,
        by_cause: breaks.by_cause.clone(),
        says,
    }
}

/// Of a trace that has counts alone.
fn unknown() -> Sentence {
    let text = "The trace says how long prompts are, not what they share: its ceiling is not known, simulated caches find \
                nothing, and routers are compared by load alone. That is no reason to turn a prefix cache off, which vLLM \
                and SGLang have on by default.";
    Sentence::new(text).counted("prompts whose content is identified", 0.0)
}

/// The policy that finds most of what its own prompts let it find; of those that hardly differ the first.
fn closest(policies: &[CeilingRow]) -> Option<&CeilingRow> {
    let share = |row: &CeilingRow| row.share_of_ceiling.unwrap_or(0.0);
    policies.iter().reduce(|best, row| if share(row) > share(best) + LEAST_SHARE { row } else { best })
}

fn distance(ceiling: Option<f64>, policies: &[CeilingRow]) -> Sentence {
    let mut text = match ceiling {
        Some(rate) if rate > 0.0 => {
            format!("An infinite shared cache would find {} of all prompt tokens.", percent(Some(rate)))
        }
        Some(_) => "No prompt repeats another's beginning: there is nothing for a cache to find.".to_owned(),
        None => "No prompt tokens were sent: nothing can be said of a cache.".to_owned(),
    };
    let sentence = |text: String| Sentence::new(text).counted("ceiling_hit_rate", ceiling);
    let Some(best) = closest(policies).filter(|row| row.share_of_ceiling.is_some_and(|share| share > 0.0))
    else {
        return sentence(text);
    };
    text.push_str(&format!(
        " Of what it could find among the calls simulated, `{}` finds {}: a hit rate of {} of {}.",
        best.name,
        percent(best.share_of_ceiling),
        percent(best.hit_rate),
        percent(best.ceiling_hit_rate),
    ));
    policies.iter().fold(sentence(text), |sentence, row| {
        sentence
            .on(&row.name, "hit_rate", row.hit_rate)
            .on(&row.name, "ceiling_hit_rate", row.ceiling_hit_rate)
            .on(&row.name, "share of the ceiling", row.share_of_ceiling)
    })
}

/// Where the rest went, of the policy that comes closest with prompts as they are.
fn lost(figures: &CeilingFigures<'_>, policies: &[CeilingRow]) -> Option<Sentence> {
    let best = closest(policies)?;
    let (hit, ceiling) = (best.hit_rate?, best.ceiling_hit_rate?);
    if ceiling - hit < LEAST_LOSS {
        return None;
    }
    let sentence = |text: String| {
        Sentence::new(text).on(&best.name, "hit_rate", hit).on(&best.name, "ceiling_hit_rate", ceiling)
    };
    if by_name(&best.name).is_ok_and(|policy| !policy.cache) {
        let text = format!(
            "`{}` keeps nothing from one call to the next: all of the {} are lost to that, whatever the memory.",
            best.name,
            percent(Some(ceiling)),
        );
        return Some(sentence(text));
    }
    let shared = figures.shared_hit_rate?;
    let memory = (ceiling - shared).max(0.0);
    let rest = (shared.min(ceiling) - hit).max(0.0);
    let memory_text =
        format!("about {} of prompt tokens are lost to too little memory", percent(Some(memory)));
    let rest_text = format!(
        "{} of prompt tokens are lost to memory that running calls hold, to being split over replicas, and to calls that \
         come before what they share is computed",
        percent(Some(rest))
    );
    let parts = match (memory >= LEAST_LOSS, rest >= LEAST_LOSS) {
        (true, false) => memory_text,
        (false, true) => format!("memory is not what is missing, and {rest_text}"),
        _ => format!("{memory_text}, and {rest_text}"),
    };
    let text = format!(
        "One LRU cache with the memory of all replicas ({} tokens) would find {}: {parts}.",
        grouped(figures.shared_kv_tokens),
        percent(Some(shared)),
    );
    Some(
        sentence(text)
            .on(ONE_CACHE, "hit_rate", shared)
            .on(ONE_CACHE, "share of prompt tokens lost to too little memory", memory)
            .on(&best.name, "share of prompt tokens lost otherwise", rest)
            .given("kv_tokens of all replicas", figures.shared_kv_tokens as f64),
    )
}

fn broke(breaks: &Breaks) -> Sentence {
    let ledger = &breaks.ledger;
    if ledger.prompt_tokens == 0 {
        let text = "No prefix can break: the source knows single requests only.";
        return Sentence::new(text).counted("single_requests", breaks.sessionless as f64);
    }
    if breaks.by_cause.is_empty() {
        return Sentence::new("No prefix broke: every prompt continues the one before it.")
            .counted("breaks", 0.0)
            .counted("prompt_tokens", ledger.prompt_tokens as f64);
    }
    let cause = |row: &CauseRow| {
        let (count, again) = (times(row.breaks), plural(row.again_tokens, "token"));
        format!("{} ({count}, {again})", row.cause.title())
    };
    let causes: Vec<String> = breaks.by_cause.iter().map(cause).collect();
    let share = ledger.again_tokens as f64 / ledger.prompt_tokens as f64;
    let text = format!(
        "Prefixes broke {}, which makes {} ({} of all prompt tokens) computed again whatever the cache: {}.",
        times(breaks.count()),
        plural(ledger.again_tokens, "token"),
        percent(Some(share)),
        listed(&causes),
    );
    let sentence = Sentence::new(text)
        .counted("breaks", breaks.count() as f64)
        .counted("again_tokens", ledger.again_tokens as f64)
        .counted("again_tokens over prompt_tokens", share);
    breaks.by_cause.iter().fold(sentence, |sentence, row| {
        let title = row.cause.title();
        sentence
            .counted(format!("breaks: {title}"), row.breaks as f64)
            .counted(format!("again_tokens: {title}"), row.again_tokens as f64)
    })
}
