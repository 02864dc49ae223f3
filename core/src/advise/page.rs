//! Advice as it is read: parts of sentences and tables, the same in a terminal and on a page.

use super::gain::MEAN_TTFT;
use super::units::{gib, replicas_of, span, value};
use super::{Advice, Because, Gain, Glance, Probe, Recommended, ReplicaAdvice, Sentence, Strain};
use crate::figure::units::{grouped, known_time, percent};
use crate::metrics::objective::Quantity;

/// A heading and what stands below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The question that it answers.
    pub title: &'static str,
    /// What stands below it, in order.
    pub blocks: Vec<Block>,
    /// The figures that its sentences rest on.
    pub because: Vec<Because>,
}

/// What a part is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// A paragraph.
    Say(String),
    /// A paragraph that tempers everything after it.
    Warn(String),
    /// A table. The first column is text, the others are numbers.
    Table {
        /// Heads of its columns.
        heads: Vec<String>,
        /// Its rows.
        rows: Vec<Vec<String>>,
    },
    /// What one component is told.
    Flags {
        /// The component, and what was checked of it.
        title: String,
        /// As it is written, and what it sets.
        flags: Vec<(String, String)>,
    },
}

impl Part {
    fn new(title: &'static str) -> Self {
        Part { title, blocks: Vec::new(), because: Vec::new() }
    }

    fn say(mut self, sentences: &[Sentence]) -> Self {
        for sentence in sentences {
            self.blocks.push(Block::Say(sentence.text.clone()));
            self.rest_on(sentence);
        }
        self
    }

    fn warn(mut self, sentences: &[Sentence]) -> Self {
        for sentence in sentences {
            self.blocks.push(Block::Warn(sentence.text.clone()));
            self.rest_on(sentence);
        }
        self
    }

    fn table(mut self, heads: &[&str], rows: Vec<Vec<String>>) -> Self {
        if !rows.is_empty() {
            self.blocks
                .push(Block::Table { heads: heads.iter().map(|head| (*head).to_owned()).collect(), rows });
        }
        self
    }

    fn rest_on(&mut self, sentence: &Sentence) {
        for figure in &sentence.because {
            if !self.because.contains(figure) {
                self.because.push(figure.clone());
            }
        }
    }
}

/// All parts, in the order in which they are read.
pub fn parts(advice: &Advice) -> Vec<Part> {
    let setting = Part::new("What was simulated").warn(&advice.setting.warns).say(&advice.setting.says);
    if advice.setting.strain.as_ref().is_some_and(Strain::is_in_vain) {
        return vec![setting];
    }
    let ceiling = Part::new("How far is this traffic from its ceiling?")
        .table(&["policy", "hit rate", "ceiling", "of it", "TTFT mean", "job mean", "busy"], ceiling(advice))
        .say(&advice.jobs.says)
        .say(&advice.ceiling.says);
    let mut all = vec![setting, ceiling, order(advice)];
    let heads = ["of the ceiling", "KV tokens a replica", "memory", "one LRU cache, nothing running"];
    all.push(Part::new("How much KV memory?").table(&heads, capacity(advice)).say(&advice.capacity.says));
    if let Some(found) = &advice.replicas {
        let heads = ["replicas", "objective", "least", "median", "most", "draws met"];
        all.push(Part::new("How many replicas?").table(&heads, probes(found)).say(&found.says));
        if let Some(part) = all.last_mut().filter(|_| !found.probes.is_empty()) {
            part.blocks.insert(0, Block::Say(format!("Searched with `{}`.", found.setup)));
        }
    }
    let mut flags = Part::new("What sets it up?");
    flags.blocks = components(advice);
    all.push(flags);
    if !advice.cannot_say.is_empty() {
        all.push(Part::new("What this cannot tell").say(&advice.cannot_say));
    }
    all
}

fn ceiling(advice: &Advice) -> Vec<Vec<String>> {
    let row = |row: &super::CeilingRow| {
        vec![
            row.name.clone(),
            percent(row.hit_rate),
            percent(row.ceiling_hit_rate),
            percent(row.share_of_ceiling),
            known_time(row.ttft_mean_ms),
            known_time(row.job_mean_ms),
            percent(row.utilisation),
        ]
    };
    advice.ceiling.policies.iter().map(row).collect()
}

/// The table of steps shows what ranks them.
fn order(advice: &Advice) -> Part {
    let order = &advice.order;
    let ranked = order.ranked_by.as_str();
    let by_mean = ranked == MEAN_TTFT;
    let mut heads = vec!["set-up", ranked, "gain"];
    let spread = order.steps.iter().chain(&order.lossy).any(|gain| gain.over_draws().is_some());
    heads.extend(spread.then_some("over draws"));
    heads.extend((!by_mean).then_some("TTFT mean"));
    heads.extend(["job mean", "hit rate", "prefill tokens"]);
    let cells = |name: String, (gain, over): (String, String), at: &Glance| {
        let quantity = Quantity::parse(ranked).ok();
        let figure = at.ranked.zip(quantity).map(|(of, quantity)| value(quantity, of));
        let mut row = vec![name, figure.unwrap_or_else(|| "–".to_owned()), gain];
        row.extend(spread.then_some(over));
        row.extend((!by_mean).then(|| known_time(at.ttft_mean_ms)));
        row.extend([known_time(at.job_mean_ms), percent(at.hit_rate), grouped(at.prefill_tokens)]);
        row
    };
    let shown = |name: String, gain: &Gain| {
        let over = gain.over_draws().map_or_else(String::new, |(least, most)| span(least, most));
        cells(name, (format!("{:+.1} %", gain.gain * 100.0), over), &gain.after)
    };
    let mut rows = Vec::new();
    let tried = order.steps.iter().chain(&order.left).chain(&order.lossy).find(|gain| gain.to == order.base);
    rows.extend(tried.map(|first| cells(order.base.clone(), Default::default(), &first.before)));
    for (place, step) in (1..).zip(&order.steps) {
        rows.push(shown(format!("{place}. {}", step.lever), step));
    }
    rows.extend(order.lossy.iter().map(|lossy| shown(format!("lossy: {}", lossy.lever), lossy)));
    let mut part = Part::new("What to turn on first?")
        .table(&heads, rows)
        .say(&advice.jobs.says_of_steps)
        .say(&order.says)
        .say(&order.warnings);
    order.steps.iter().chain(&order.lossy).for_each(|gain| part.rest_on(&gain.says));
    part
}

fn capacity(advice: &Advice) -> Vec<Vec<String>> {
    let row = |row: &super::CapacityRow| {
        vec![
            format!("{:.0} %", row.share_of_ceiling * 100.0),
            row.kv_tokens.map_or_else(|| "–".to_owned(), grouped),
            row.kv_bytes.map_or_else(|| "–".to_owned(), gib),
            grouped(row.curve_kv_tokens),
        ]
    };
    // Where nothing was found there is nothing to search.
    let searched = advice.capacity.rows.iter().filter(|_| !advice.capacity.tried.is_empty());
    searched.map(row).collect()
}

fn probes(found: &ReplicaAdvice) -> Vec<Vec<String>> {
    let row = |probe: &Probe| {
        probe
            .kept
            .iter()
            .map(|kept| {
                let shown = |figure| value(kept.objective.quantity, figure);
                vec![
                    probe.replicas.to_string(),
                    kept.objective.to_string(),
                    shown(kept.least),
                    shown(kept.median),
                    shown(kept.most),
                    format!("{} of {}", kept.met, probe.draws),
                ]
            })
            .collect::<Vec<_>>()
    };
    found.probes.iter().flat_map(row).collect()
}

fn components(advice: &Advice) -> Vec<Block> {
    let mut done: Vec<&str> = Vec::new();
    let mut blocks = Vec::new();
    for flag in &advice.flags {
        if done.contains(&flag.component.name) {
            continue;
        }
        done.push(flag.component.name);
        let own = advice.flags.iter().filter(|other| other.component == flag.component);
        blocks.push(Block::Flags {
            title: format!("{} (checked: {})", flag.component.name, flag.component.checked),
            flags: own.map(|flag| (flag.flag.clone(), flag.sets.clone())).collect(),
        });
    }
    let Recommended { setup, replicas } = &advice.recommended;
    let given = match &advice.replicas {
        Some(found) if found.replicas.is_none() => {
            ", as given: no number that was tried meets the objectives"
        }
        _ => "",
    };
    blocks.insert(0, Block::Say(format!("For `{setup}` on {}{given}.", replicas_of(*replicas))));
    blocks
}
