//! From steps to a dialogue: what is sent, what replies, what is put in its place, who asks.

use super::counts;
use super::raw::Step;
use super::said::{answer, is_media_or_text, kind, message, reply};
use super::talk::Talk;
use super::worker::Worker;
use crate::import::dialogue::Said;
use crate::import::json::Num;
use crate::trace::{MessageKind, MessageRole};

/// How deep sub-agents start sub-agents; deeper ones are read, but nobody knows who started them.
const MAX_DEPTH: usize = 32;

impl<'a> Talk<'_, 'a> {
    /// Reads all documents: the main agent's, what it names, and then what nobody names.
    pub(super) fn converse(&mut self) {
        for place in 0..self.pool.all.len() {
            if !self.pool.read[place] {
                self.agent(place, None, 0);
            }
        }
    }

    /// Reads one agent's document. Returns its last call.
    fn agent(&mut self, place: usize, after: Option<u32>, depth: usize) -> Option<u32> {
        self.pool.read[place] = true;
        let document = self.pool.all[place];
        let agent = self.agents;
        self.agents += 1;
        let mut worker = Worker::new(document, agent, after);
        self.begin(&mut worker);
        let mut steps: Vec<&Step<'_>> = document.steps.items.iter().collect();
        if steps.iter().all(|step| matches!(step.number, Num::Int(_))) {
            steps.sort_by_key(|step| if let Num::Int(number) = step.number { number } else { 0 });
        }
        for (number, step) in (1..).zip(steps) {
            if let Some(found) = step.wrong {
                self.faults.push(format!("step {number}: `step` is {found}, expected an object"));
                continue;
            }
            self.step(&mut worker, step, number, depth);
        }
        worker.latest
    }

    /// Says what is sent before the steps: the schemas of tools, and what the document does not show.
    fn begin(&mut self, worker: &mut Worker<'a>) {
        let tools = worker.document.agent.tools.as_str();
        if !matches!(tools, "" | "null" | "[]" | "{}") {
            self.say(worker, Said::new(MessageRole::System, MessageKind::Tools, tools));
        }
        let mut first = worker.document.steps.items.iter().take_while(|step| step.source.as_str() != "agent");
        if !worker.ours && !first.any(|step| step.source.as_str() == "system") {
            self.say(worker, Said::hidden(worker.agent));
        }
    }

    fn step(&mut self, worker: &mut Worker<'a>, step: &'a Step<'a>, number: usize, depth: usize) {
        match step.source.as_str() {
            "system" => self.system(worker, step),
            "user" => {
                let usual = if worker.tasks { MessageKind::Other } else { MessageKind::Task };
                worker.tasks = true;
                let said = message(step, worker.ours, MessageRole::User, usual);
                self.say(worker, said);
                worker.ready_us = step.stamp.0.or(worker.ready_us);
                worker.open = None;
            }
            "agent" => self.agent_step(worker, step, number),
            _ => {
                let expected = "expected system, user or agent";
                self.faults.push(format!("step {number}: `source` is of no known name, {expected}"));
                return;
            }
        }
        worker.stamp_us = worker.stamp_us.max(step.stamp.0);
        self.observed(worker, step, depth);
    }

    /// A system step is the prompt's beginning, a note, or the place where the context began anew.
    fn system(&mut self, worker: &mut Worker<'a>, step: &'a Step<'a>) {
        worker.open = None;
        worker.ready_us = step.stamp.0.or(worker.ready_us);
        let context = &step.extra.context;
        let replaced = context.boundary.as_str() == "replace";
        let managed = replaced || !step.observation.results.items.is_empty();
        if worker.replied && managed {
            worker.anew = Some((self.dialogue.said.len() as u32, replaced));
        }
        let begun = worker.replied
            || worker.view.iter().any(|run| {
                run.indices().any(|at| {
                    let said = &self.dialogue.said[at as usize];
                    said.kind == MessageKind::SystemPrompt && !said.hidden
                })
            });
        let usual = if begun { MessageKind::Other } else { MessageKind::SystemPrompt };
        if worker.ours || is_media_or_text(&step.message) {
            let said = message(step, worker.ours, MessageRole::System, usual);
            self.say(worker, said);
        }
    }

    /// A step of the agent is the reply to a call, unless it says that it is none or goes on with one.
    fn agent_step(&mut self, worker: &mut Worker<'a>, step: &'a Step<'a>, number: usize) {
        let ours_said = worker.ours && !step.metrics.counts();
        if step.is_copied() || ours_said || step.is_no_call() {
            worker.open = None;
            let copied = step.is_copied() || ours_said;
            worker.ready_us = step.stamp.0.filter(|_| !copied && step.is_idle());
            worker.replied |= copied;
            let usual = if copied { MessageKind::Action } else { MessageKind::Other };
            if worker.ours || is_media_or_text(&step.message) || !step.tool_calls.items.is_empty() {
                let mut said = message(step, worker.ours, MessageRole::Assistant, usual);
                if !worker.ours {
                    said.text = reply(step);
                }
                self.say(worker, said);
            }
            return;
        }
        let goes_on = worker.measured && !step.metrics.counts() && step.calls == Num::Absent;
        if let Some((call, index)) = worker.open.filter(|_| goes_on) {
            let text = reply(step);
            if !text.is_empty() {
                self.dialogue.said[index as usize].text.to_mut().push_str(&text);
            }
            self.dialogue.asked[call as usize].tools.extend(counts::tools(step, worker.ours));
            return;
        }
        self.ask(worker, step, number);
    }

    /// Says the results of a step, and reads the sub-agents that they name.
    fn observed(&mut self, worker: &mut Worker<'a>, step: &'a Step<'a>, depth: usize) {
        for (place, result) in step.observation.results.items.iter().enumerate() {
            let names = !result.subagents.each().is_empty();
            if is_media_or_text(&result.content) || !names {
                let mut said = answer(step, result, place, worker.ours);
                if step.source.as_str() == "system" && !worker.ours {
                    said.role = MessageRole::System;
                    said.kind = kind(step);
                }
                self.say(worker, said);
            }
            for sub in self.pool.named(result) {
                if depth < MAX_DEPTH && !self.pool.read[sub] {
                    worker.waits.extend(self.agent(sub, worker.latest, depth + 1));
                }
            }
        }
    }
}
