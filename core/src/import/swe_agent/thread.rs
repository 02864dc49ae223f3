//! A run in the making. It is one thread: every call waits for the one before it, whoever asks.

use super::raw::{Raw, Review, Statistics, Summary};
use super::stats::{self, Named};
use super::talk::{self, Reading};
use crate::import::dialogue::{Asked, Counts, Dialogue, Said, Tool};
use crate::import::json::Fault;
use crate::import::names;
use crate::trace::{CallRole, MessageKind, MessageRole};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A run in the making.
pub(super) struct Talk<'a> {
    pub(super) dialogue: Dialogue<'a>,
    /// What could not be used.
    pub(super) faults: Vec<String>,
    /// Places in prompts that hold no message. Prompts repeat them.
    bad_places: BTreeSet<usize>,
    /// The latest call.
    last: Option<u32>,
    /// How long after its end the next one begins.
    delay_us: Option<u64>,
    /// How many agents there are, the main one included.
    agents: u32,
    summariser: Option<u32>,
    reviewer: Option<u32>,
}

/// What a step says of its call.
#[derive(Default)]
pub(super) struct Beside<'a> {
    pub(super) statistics: Known,
    pub(super) tools: Vec<Tool<'a>>,
    /// How long the tool ran.
    pub(super) execution_us: Option<u64>,
}

/// What statistics say of a call.
#[derive(Default)]
pub(super) struct Known {
    usage: Option<Counts>,
    e2e_us: Option<u64>,
    cost_usd: Option<f64>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(dialogue: Dialogue<'a>) -> Self {
        Talk {
            dialogue,
            faults: Vec::new(),
            bad_places: BTreeSet::new(),
            last: None,
            delay_us: None,
            agents: 1,
            summariser: None,
            reviewer: None,
        }
    }

    pub(super) fn fault(&mut self, place: impl std::fmt::Display, fault: &Fault) {
        self.faults.push(format!("{place}: {fault}"));
    }

    pub(super) fn new_agent(&mut self) -> u32 {
        self.agents += 1;
        self.agents - 1
    }

    /// What statistics say of a call.
    pub(super) fn known(
        &mut self,
        place: impl std::fmt::Display + Copy,
        statistics: &Statistics<'_>,
    ) -> Known {
        let usage = stats::counts(&statistics.tokens).unwrap_or_else(|fault| {
            self.fault(place, &fault);
            None
        });
        let e2e_us = stats::inference_us(statistics).unwrap_or_else(|fault| {
            self.fault(place, &fault);
            None
        });
        Known { usage, e2e_us, cost_usd: stats::cost(statistics) }
    }

    /// Asks for a prompt of the run's only thread.
    pub(super) fn ask(&mut self, asked: Asked<'a>, beside: Beside<'a>) -> u32 {
        let Known { usage, e2e_us, cost_usd } = beside.statistics;
        let delay_us = self.delay_us.take().filter(|_| self.last.is_some());
        let call = self.dialogue.ask(Asked {
            usage,
            e2e_us,
            cost_usd,
            tools: beside.tools,
            after: Some(self.last.into_iter().collect()),
            delay_us,
            ..asked
        });
        self.last = Some(call);
        self.delay_us = beside.execution_us;
        call
    }

    /// The messages of a prompt that can be read.
    pub(super) fn read(&mut self, prompt: &[&'a Raw<'_>]) -> Vec<Said<'a>> {
        let mut reading = Reading::default();
        let mut read = Vec::with_capacity(prompt.len() + 1);
        for (place, raw) in prompt.iter().enumerate() {
            match talk::said(raw, &mut reading) {
                Ok(said) => read.push(said),
                Err(fault) if self.bad_places.insert(place) => {
                    self.fault(format_args!("message {place} of a prompt"), &fault);
                }
                Err(_) => {}
            }
        }
        read
    }

    /// The call that wrote a summary. Nothing was asked where no context is given.
    pub(super) fn summarise(&mut self, summary: &'a Summary<'_>, named: &'a Named) {
        if summary.context.items.is_empty() {
            return;
        }
        let agent = match self.summariser {
            Some(agent) => agent,
            None => self.new_agent(),
        };
        self.summariser = Some(agent);
        let statistics = self.known("summary", &summary.statistics);
        // What follows a summary follows at once.
        let execution_us = self.delay_us.map(|_| 0);
        let beside = Beside { statistics, execution_us, ..Beside::default() };
        let context: Vec<&Raw<'_>> = summary.context.items.iter().collect();
        let asked = Asked {
            agent,
            role: CallRole::Summariser,
            model: named.summariser.as_str().into(),
            ..Asked::default()
        };
        self.apart(&context, asked, beside, summary.text.as_str());
    }

    /// A call with a prompt of its own.
    fn apart(&mut self, prompt: &[&'a Raw<'_>], asked: Asked<'a>, beside: Beside<'a>, reply: &'a str) {
        let said = self.read(prompt);
        let view = self.dialogue.prompt(asked.agent, said);
        let call = self.ask(Asked { view, ..asked }, beside);
        self.dialogue.answered(call, Said::new(MessageRole::Assistant, MessageKind::Other, reply));
    }

    /// The calls that reviewed an attempt.
    pub(super) fn review(&mut self, review: &'a Review<'_>, model: &'a str) {
        for output in &review.outputs.items {
            self.judge(&review.messages.items, output.as_str(), model);
        }
    }

    /// A call that judges what agents did.
    pub(super) fn judge(&mut self, messages: &'a [Raw<'_>], reply: &'a str, model: &'a str) {
        if messages.is_empty() {
            return;
        }
        let agent = match self.reviewer {
            Some(agent) => agent,
            None => self.new_agent(),
        };
        self.reviewer = Some(agent);
        let prompt: Vec<&Raw<'_>> = messages.iter().collect();
        let model = Cow::Borrowed(if model.is_empty() { names::UNKNOWN } else { model });
        let asked = Asked { agent, role: CallRole::Reviewer, model, ..Asked::default() };
        self.apart(&prompt, asked, Beside::default(), reply);
    }
}
