//! From steps and history to messages and calls.

use super::history;
use super::prompts::{self, Sent};
use super::raw::{Document, Raw, Step};
use super::stats::Named;
use super::talk::{self, Reading, reply_of};
use super::thread::{Beside, Talk};
use crate::import::dialogue::Asked;
use crate::import::json::Fault;

impl<'a> Talk<'a> {
    /// Says all that one attempt did, the calls included that judged it.
    pub(super) fn attempt(&mut self, document: &'a Document<'_>, attempt: usize, named: &'a Named) {
        for (field, wrong) in [("trajectory", document.trajectory.wrong), ("history", document.history.wrong)]
        {
            if let Some(found) = wrong {
                self.fault("run", &Fault::new(field, found, "a list"));
            }
        }
        let steps = document.trajectory.items.as_slice();
        let main = prompts::main_agent(&document.history.items);
        let replies: Vec<&Raw<'_>> = document
            .history
            .items
            .iter()
            .filter(|raw| talk::is_reply(raw) && prompts::is_of(raw, main))
            .collect();
        let pairs = talk::pair(steps, &replies);
        let timed = steps.iter().any(|step| step.execution_s.amount().is_some_and(|seconds| seconds > 0.0));
        let mut besides = Vec::with_capacity(steps.len());
        for (place, (step, pair)) in steps.iter().zip(&pairs).enumerate() {
            besides.push(self.beside(place, step, pair.map(|reply| replies[reply]), timed));
        }
        let model = named.agent(attempt);
        match Sent::of(steps) {
            Sent::Nowhere => history::tell(self, document, main, &pairs, besides, model),
            sent => self.repeated(document, sent, &replies, &pairs, besides, named, model),
        }
        self.review(&document.info.review, &named.reviewer);
    }

    /// What a step says besides its messages. `timed` says whether times of 0 are measured ones: nothing ran.
    fn beside(
        &mut self,
        place: usize,
        step: &'a Step<'_>,
        reply: Option<&'a Raw<'_>>,
        timed: bool,
    ) -> Beside<'a> {
        let statistics = self.known(format_args!("step {place}"), &step.statistics);
        let execution_us = match step.execution_s.time_us("execution_time", 1e6) {
            Ok(us) => us.filter(|_| timed),
            Err(fault) => {
                self.fault(format_args!("step {place}"), &fault);
                None
            }
        };
        let ran = execution_us != Some(0);
        let tools = if ran {
            talk::tools(reply, step.action.as_str(), step.observation.as_str(), execution_us)
        } else {
            Vec::new()
        };
        Beside { statistics, tools, execution_us }
    }

    /// Steps that repeat what was sent.
    #[allow(clippy::too_many_arguments, reason = "all of one run, taken apart once")]
    fn repeated(
        &mut self,
        document: &'a Document<'_>,
        sent: Sent,
        replies: &[&'a Raw<'_>],
        pairs: &[Option<usize>],
        besides: Vec<Beside<'a>>,
        named: &'a Named,
        model: &'a str,
    ) {
        let steps = document.trajectory.items.as_slice();
        let mut prompts = prompts::Prompts::new(sent, &document.history.items);
        let mut summaries = document.summaries.items.iter().peekable();
        for (place, ((step, pair), beside)) in steps.iter().zip(pairs).zip(besides).enumerate() {
            if sent.is_end(step) {
                continue;
            }
            let (prompt, failed) = prompts.next(step);
            if prompt.is_empty() {
                let field = if sent == Sent::Query { "query" } else { "messages" };
                self.fault(
                    format_args!("step {place}"),
                    &Fault::new(field, "empty", "the messages that were sent"),
                );
                continue;
            }
            while let Some(summary) = summaries.next_if(|summary| talk::shows(&prompt, summary.text.as_str()))
            {
                self.summarise(summary, named);
            }
            let mut said = self.read(&prompt);
            said.extend(failed.map(reply_of));
            let view = self.dialogue.prompt(0, said);
            let call = self.ask(Asked { model: model.into(), view, ..Asked::default() }, beside);
            let reply = pair.and_then(|at| talk::said(replies[at], &mut Reading::default()).ok());
            self.dialogue.answered(call, reply.unwrap_or_else(|| reply_of(step)));
        }
        summaries.for_each(|summary| self.summarise(summary, named));
    }
}
