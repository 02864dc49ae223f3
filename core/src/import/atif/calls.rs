//! From a step of the agent to the calls that it stands for.

use super::counts;
use super::raw::Step;
use super::said::{message, reply};
use super::talk::Talk;
use super::worker::Worker;
use crate::import::dialogue::Asked;
use crate::import::json::Text;
use crate::trace::{MessageKind, MessageRole};

/// Output tokens per second that model time is estimated with, where a tool ran for an unknown time
/// before the call.
const ESTIMATED_TOKENS_PER_S: u64 = 60;

/// Most calls that one step may stand for.
const MAX_CALLS: u64 = 64;

impl<'a> Talk<'_, 'a> {
    /// Asks what the step answers, and says the reply.
    pub(super) fn ask(&mut self, worker: &mut Worker<'a>, step: &'a Step<'a>, number: usize) {
        let faults = &mut self.faults;
        let mut skip = |fault| faults.push(format!("step {number}: {fault}"));
        let usage = counts::usage(&step.metrics, &mut skip);
        let calls = step.calls.whole("llm_call_count", MAX_CALLS).unwrap_or_else(|fault| {
            skip(fault);
            None
        });
        let prompt = usage.as_ref().and_then(|usage| usage.prompt);
        worker.begin_anew(&self.dialogue.said, prompt);
        worker.prompt = prompt.or(worker.prompt);
        let output = usage.as_ref().and_then(|usage| usage.output).unwrap_or(0);
        let time = counts::time(step, worker.ours, worker.ready_us, worker.stamp_us, estimate_us(output));
        let view = worker.view.clone();
        let mut said = message(step, worker.ours, MessageRole::Assistant, MessageKind::Action);
        if !worker.ours {
            said.text = reply(step);
        }
        // What this project wrote states the size of every reply.
        let replied = !worker.ours || !said.text.is_empty() || said.tokens.is_some();
        let index = replied.then(|| self.say(worker, said));
        let mut after = std::mem::take(&mut worker.waits);
        after.extend(worker.latest);
        let asked = Asked {
            agent: worker.agent,
            role: worker.role,
            model: [&step.model, &worker.document.agent.model]
                .into_iter()
                .map(Text::as_str)
                .find(|model| !model.is_empty())
                .unwrap_or_default()
                .into(),
            view,
            reply: index,
            written_output: counts::written(&step.metrics, worker.ours),
            ttft_us: counts::us(step.metrics.extra.ttft_us, worker.ours),
            e2e_us: counts::us(step.metrics.extra.e2e_us, worker.ours),
            delay_us: counts::us(step.extra.delay_us, worker.ours),
            sent_us: time.sent_us,
            done_us: time.done_us,
            after: Some(after),
            tools: counts::tools(step, worker.ours),
            cost_usd: usage.as_ref().and(step.metrics.cost.amount()),
            estimated: time.estimated,
            usage,
        };
        let call = self.ask_all(asked, calls.unwrap_or(1));
        worker.latest = Some(call);
        worker.open = index.map(|index| (call, index));
        worker.replied = true;
        // Tools run for an unknown time; where none ran, the next prompt is complete with the reply.
        worker.ready_us = time.done_us.filter(|_| step.is_idle());
    }

    /// Asks as many calls as a step stands for. Their counts add up to those of the step; the last one
    /// has the reply.
    fn ask_all(&mut self, last: Asked<'a>, calls: u64) -> u32 {
        let mut after = last.after.clone();
        for part in 0..calls - 1 {
            let sent_us = last.sent_us.filter(|_| part == 0);
            let call = self.dialogue.ask(Asked {
                agent: last.agent,
                role: last.role,
                model: last.model.clone(),
                view: last.view.clone(),
                usage: last.usage.as_ref().map(|usage| counts::share(usage, part, calls)),
                cost_usd: last.cost_usd.map(|cost| cost / calls as f64),
                sent_us,
                after: after.take(),
                estimated: true,
                ..Asked::default()
            });
            after = Some(vec![call]);
        }
        if calls == 1 {
            return self.dialogue.ask(last);
        }
        self.dialogue.ask(Asked {
            usage: last.usage.as_ref().map(|usage| counts::share(usage, calls - 1, calls)),
            cost_usd: last.cost_usd.map(|cost| cost / calls as f64),
            sent_us: None,
            estimated: true,
            after,
            ..last
        })
    }
}

fn estimate_us(output: u32) -> u64 {
    u64::from(output) * 1_000_000 / ESTIMATED_TOKENS_PER_S
}
