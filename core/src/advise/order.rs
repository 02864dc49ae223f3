//! What to turn on first, what each adds to what is on already, and what is said of it.

use super::gain::{Gain, Glance, LEAST_GAIN, MEAN_TTFT, Ranking};
use super::units::{calls_of, change, span, value};
use super::{Draws, Sentence, Setup};
use crate::figure::units::{grouped, listed, percent, plural, time};
use serde::Serialize;

/// What to turn on, in which order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OrderAdvice {
    /// The figure that decides.
    pub ranked_by: String,
    /// What everything begins with: what was given as the present set-up, else `naive`.
    pub base: String,
    /// Draws that a lever must gain in to be a step.
    pub draws: u32,
    /// Lossless levers, each the best one on top of those before it.
    pub steps: Vec<Gain>,
    /// All steps together, against the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Gain>,
    /// What else was tried in the place of one of the steps, on top of what that was added to.
    pub instead: Vec<Gain>,
    /// Lossless levers that add nothing worth it on top of all steps.
    pub left: Vec<Gain>,
    /// Levers that no released engine has, each alone on top of all steps, the best first.
    pub research: Vec<Gain>,
    /// Lossy levers, each alone on top of all steps, the best first.
    pub lossy: Vec<Gain>,
    /// All steps together.
    pub setup: Setup,
    /// Cache blocks that were evicted with all steps; where none were, what makes room otherwise was not tried.
    pub evicted_blocks: Option<u64>,
    /// What is said of it.
    pub says: Vec<Sentence>,
    /// What lossy levers put at risk.
    pub warnings: Vec<Sentence>,
}

impl OrderAdvice {
    /// Nothing was tried.
    pub(super) fn none(base: &Setup, ranking: Ranking, draws: u32) -> Self {
        OrderAdvice {
            ranked_by: ranking.quantity.to_string(),
            base: base.name(),
            draws,
            steps: Vec::new(),
            total: None,
            instead: Vec::new(),
            left: Vec::new(),
            research: Vec::new(),
            lossy: Vec::new(),
            setup: base.clone(),
            evicted_blocks: None,
            says: Vec::new(),
            warnings: Vec::new(),
        }
    }
}

/// One step.
pub(super) fn step(gain: &Gain, ranking: Ranking) -> Sentence {
    let text = format!("On top of `{}`, `{}` gives {}.", gain.to, gain.lever, changes(gain, ranking));
    rests(Sentence::new(text), gain, ranking)
}

/// All that is shown beside the table.
pub(super) fn sentences(advice: &OrderAdvice, ranking: Ranking, draws: Draws) -> Vec<Sentence> {
    let mut says = vec![summary(advice, ranking)];
    says.push(rule(advice, ranking));
    says.push(drawn(advice, draws));
    says.extend(instead(advice, ranking));
    says.extend(left(advice, ranking));
    says.extend(left_on(advice, ranking));
    says.extend(unpressed(advice));
    says.extend(research(advice, ranking));
    says.extend(admits(advice, ranking));
    says
}

fn summary(advice: &OrderAdvice, ranking: Ranking) -> Sentence {
    match &advice.total {
        Some(total) => {
            let steps: Vec<String> = advice.steps.iter().map(named).collect();
            let one = if let [_] = &steps[..] { "" } else { ", in this order" };
            let text = format!(
                "Turn on {}{one}. From `{}` that is {}.",
                listed(&steps),
                advice.base,
                changes(total, ranking)
            );
            rests(Sentence::new(text), total, ranking)
        }
        None => {
            let text = format!(
                "Turn on nothing: no lossless lever that was tried on top of `{}` gains {:.0} % in `{}` or in mean TTFT{}.",
                advice.base,
                LEAST_GAIN * 100.0,
                advice.ranked_by,
                if advice.draws > 1 { ", in every draw" } else { "" },
            );
            let sentence = Sentence::new(text).given("least gain", LEAST_GAIN);
            advice.left.iter().fold(sentence, |sentence, gain| rests(sentence, gain, ranking))
        }
    }
}

/// How the order is found.
fn rule(advice: &OrderAdvice, ranking: Ranking) -> Sentence {
    let moves = if ranking.is_mean_ttft() { "" } else { " (in mean TTFT where that moves by less than 1 %)" };
    let text = format!(
        "Ordered by what each adds to `{}`{moves}, the column `gain`, on top of what stands above it; the lossy ones each \
         alone on top of all steps.",
        advice.ranked_by
    );
    let all = advice.steps.iter().chain(&advice.lossy);
    all.fold(Sentence::new(text).given("least gain", LEAST_GAIN), |sentence, gain| {
        sentence.on(&gain.gives, format!("gain in {}", advice.ranked_by), gain.gain)
    })
}

/// How far gains can be relied on.
fn drawn(advice: &OrderAdvice, draws: Draws) -> Sentence {
    let text = match draws {
        Draws::Arrivals(1) => {
            "Gains are of one draw of arrivals: what another one would give is not known.".to_owned()
        }
        Draws::Halves(1, _) => "Gains are of the one run: nothing was drawn again.".to_owned(),
        Draws::Arrivals(count) => format!(
            "Gains are medians over {count} draws of arrivals, with the least and the most where they differ; what does not gain \
             in each is no step. All other figures are of the first draw, and so is what is no gain there."
        ),
        Draws::Halves(count, _) => format!(
            "Arrivals are as recorded, so gains are medians over {count} parts of the one run (the whole, and halves of its sessions), \
             with the least and the most where they differ; what does not gain in each is no step. All other figures \
             are of the whole."
        ),
    };
    Sentence::new(text).on("all runs", "draws", f64::from(advice.draws))
}

/// What else was tried in the place of each step.
fn instead(advice: &OrderAdvice, ranking: Ranking) -> Vec<Sentence> {
    let say = |step: &Gain| {
        let all = || advice.instead.iter().filter(|other| other.to == step.to);
        let list = |equal: bool| all().filter(|other| other.equal == equal).map(gained).collect::<Vec<_>>();
        let (equal, other) = (list(true), list(false));
        let mut parts = Vec::new();
        parts.extend(
            (!equal.is_empty()).then(|| format!("equal within the spread of draws, {}", equal.join(", "))),
        );
        parts.extend((!other.is_empty()).then(|| other.join(", ")));
        let text = format!("In the place of {}: {}.", gained(step), parts.join("; otherwise "));
        (!parts.is_empty()).then(|| {
            all().fold(rests(Sentence::new(text), step, ranking), |sentence, other| {
                rests(sentence, other, ranking)
            })
        })
    };
    advice.steps.iter().filter_map(say).collect()
}

/// What is no step on top of all: what gains in some draws, and what does not in the first.
fn left(advice: &OrderAdvice, ranking: Ranking) -> Vec<Sentence> {
    let list = |wavers: bool, before: &str| {
        let some: Vec<&Gain> = advice.left.iter().filter(|gain| gain.wavers() == wavers).collect();
        let each: Vec<String> = some.iter().map(|gain| gained(gain)).collect();
        let text = format!("{before}: {}.", each.join(", "));
        (!some.is_empty()).then(|| {
            some.into_iter().fold(Sentence::new(text), |sentence, gain| rests(sentence, gain, ranking))
        })
    };
    let some = list(true, "Gains in some draws only, which makes no step on top of that");
    some.into_iter().chain(list(false, "Not worth it on top of that")).collect()
}

/// Engines have the cache on: what was not shown to gain is not to be turned off for that.
fn left_on(advice: &OrderAdvice, ranking: Ranking) -> Option<Sentence> {
    let cache = advice.left.iter().find(|gain| gain.kind == "cache")?;
    let why = match cache.gain <= -LEAST_GAIN {
        true => "what it loses here it loses with these replicas and routers",
        false => "that no gain is shown here is no reason to turn it off",
    };
    let text = format!("vLLM and SGLang have the prefix cache on by default: {why}.");
    Some(rests(Sentence::new(text), cache, ranking))
}

/// Where no cache ever had to make room.
fn unpressed(advice: &OrderAdvice) -> Option<Sentence> {
    let evicted = advice.evicted_blocks.filter(|evicted| *evicted == 0)?;
    let text = "Nothing had to leave a cache: another eviction or a tier in the host's memory changes nothing on top of \
                all steps.";
    Some(Sentence::new(text).on(&advice.setup.name(), "evicted_blocks", evicted as f64))
}

fn research(advice: &OrderAdvice, ranking: Ranking) -> Option<Sentence> {
    if advice.research.is_empty() {
        return None;
    }
    let each: Vec<String> = advice.research.iter().map(gained).collect();
    let text = format!(
        "Evictions that no released engine has, each alone on top of all steps: {}.",
        each.join(", ")
    );
    Some(advice.research.iter().fold(Sentence::new(text), |sentence, gain| rests(sentence, gain, ranking)))
}

/// Levers that let calls in that were refused.
fn admits(advice: &OrderAdvice, ranking: Ranking) -> Vec<Sentence> {
    let all = advice.steps.iter().chain(&advice.lossy).filter(|gain| gain.after.failed != gain.before.failed);
    all.map(|gain| {
        let text = format!(
            "With `{}` {} are not answered, without it {}; its figures cover the {} that are answered either way.",
            gain.lever,
            calls_of(gain.after.failed),
            grouped(gain.before.failed),
            calls_of(gain.before.calls),
        );
        rests(Sentence::new(text), gain, ranking)
            .on(&gain.to, "failed", gain.before.failed as f64)
            .on(&gain.gives, "failed", gain.after.failed as f64)
            .on(&gain.gives, "calls answered either way", gain.before.calls as f64)
    })
    .collect()
}

/// A lever with its kind, where its name does not say it.
fn named(gain: &Gain) -> String {
    match gain.kind.as_str() {
        "cache" => "the prefix cache".to_owned(),
        "memory" => format!("a tier of so many tokens in each host's memory, `{}`", gain.lever),
        "together" => format!("`{}` together", gain.lever.replace('+', "` and `")),
        kind => format!("the {kind} `{}`", gain.lever),
    }
}

/// A lever with what it gains.
fn gained(gain: &Gain) -> String {
    format!("`{}` {}", gain.lever, share(gain))
}

/// What a lever gains in the ranking figure, and in mean TTFT where that is all that moves; how it is spread over draws.
fn share(gain: &Gain) -> String {
    let percent = |share: f64, over: Option<(f64, f64)>| {
        let over = over.map_or_else(String::new, |(least, most)| format!(" ({})", span(least, most)));
        format!("{:+.1} %{over}", share * 100.0)
    };
    let ranked = percent(gain.gain, gain.over_draws());
    if gain.moves_ttft_alone() {
        return format!("{ranked}, mean TTFT {}", percent(gain.ttft_gain, gain.ttft_over_draws()));
    }
    ranked
}

/// `mean TTFT 283 ms → 174 ms (-38.6 %), hit rate 0.0 % → 44.6 %`.
fn changes(gain: &Gain, ranking: Ranking) -> String {
    let (was, is) = (&gain.before, &gain.after);
    if was.calls == 0 {
        return "nothing to compare: no call is answered on both sides".to_owned();
    }
    let mut parts = Vec::new();
    let mut times = |name: &str, was: Option<f64>, is: Option<f64>, write: &dyn Fn(f64) -> String| {
        if let (Some(was), Some(is)) = (was, is) {
            let more = change(was, is).map_or_else(String::new, |change| format!(" ({change})"));
            parts.push(format!("{name} {} → {}{more}", write(was), write(is)));
        }
    };
    if !ranking.is_mean_ttft() {
        let ranked = |of: f64| value(ranking.quantity, of);
        times(&format!("`{}`", ranking.quantity), was.ranked, is.ranked, &ranked);
    }
    times("mean TTFT", was.ttft_mean_ms, is.ttft_mean_ms, &time);
    if !ranking.quantity.to_string().starts_with("job_ms") {
        times("mean job time", was.job_mean_ms, is.job_mean_ms, &time);
    }
    if ranking.quantity.metric.name != "hit_rate" && is.hit_rate.is_some() {
        parts.push(format!("hit rate {} → {}", percent(was.hit_rate), percent(is.hit_rate)));
    }
    parts.push(format!(
        "{} to compute instead of {}",
        plural(is.prefill_tokens, "prompt token"),
        grouped(was.prefill_tokens)
    ));
    parts.join(", ")
}

fn rests(sentence: Sentence, gain: &Gain, ranking: Ranking) -> Sentence {
    let figures = |sentence: Sentence, name: &str, at: &Glance| {
        let ranked = at.ranked.filter(|_| !ranking.is_mean_ttft());
        sentence
            .on(name, ranking.quantity, ranked)
            .on(name, MEAN_TTFT, at.ttft_mean_ms)
            .on(name, "job_ms.mean", at.job_mean_ms)
            .on(name, "hit_rate", at.hit_rate)
            .on(name, "prefill_tokens", at.prefill_tokens as f64)
    };
    let sentence = figures(figures(sentence, &gain.to, &gain.before), &gain.gives, &gain.after);
    let over = |sentence: Sentence, figure: &dyn std::fmt::Display, ends: Option<(f64, f64)>| {
        let (least, most) = ends.unzip();
        sentence.on(&gain.gives, format!("gain in {figure} (least of draws)"), least).on(
            &gain.gives,
            format!("gain in {figure} (most of draws)"),
            most,
        )
    };
    let changed = |was: Option<f64>, is: Option<f64>| {
        was.zip(is).filter(|(was, _)| was.abs() > 0.0).map(|(was, is)| is / was - 1.0)
    };
    let (was, is) = (&gain.before, &gain.after);
    let sentence = sentence
        .on(&gain.gives, format!("gain in {}", ranking.quantity), gain.gain)
        .on(&gain.gives, format!("gain in {MEAN_TTFT}"), gain.ttft_gain)
        .on(&gain.gives, format!("change of {}", ranking.quantity), changed(was.ranked, is.ranked))
        .on(&gain.gives, format!("change of {MEAN_TTFT}"), changed(was.ttft_mean_ms, is.ttft_mean_ms))
        .on(&gain.gives, "change of job_ms.mean", changed(was.job_mean_ms, is.job_mean_ms));
    let sentence = over(sentence, &ranking.quantity, gain.over_draws());
    let ttft = gain.ttft_over_draws().filter(|_| gain.moves_ttft_alone());
    over(sentence, &MEAN_TTFT, ttft)
}
