//! From plans to sessions: messages, segments, calls and the graph between them.

use super::chance::{Chance, number_of};
use super::draw::{Agent, Drawer, Fate, Plan};
use super::profile::{Prefix, Profile, Tools};
use crate::import;
use crate::trace::{
    Call, CallRole, Ending, MAX_US, Mark, Message, MessageKind, MessageRole, Run, Scope, Segment, Session,
    ToolUse, fold,
};

/// Prompts are built from chunks of so many tokens, as those of importers are; folding joins them.
const CHUNK: u32 = 64;
/// The stream of a session's chance that names are drawn from.
const NAMES: u64 = u64::MAX - 1;

/// Makes `count` sessions of one profile. Each depends on the profile, the seed and its number alone.
pub fn generate(profile: &Profile, count: u32, seed: u64) -> Vec<Session> {
    generate_set(&[(profile, count)], seed)
}

/// Makes sessions of several profiles, one profile after the other, with ids that hold across the set.
pub fn generate_set(parts: &[(&Profile, u32)], seed: u64) -> Vec<Session> {
    let mut sessions = Vec::new();
    for &(profile, count) in parts {
        let drawer = Drawer::new(profile, seed);
        sessions.extend((1..=count).map(|number| session(profile, &drawer, number)));
    }
    fold::fold(&mut sessions);
    sessions.iter_mut().for_each(import::keep_known_names);
    sessions
}

fn session(profile: &Profile, drawer: &Drawer<'_>, number: u32) -> Session {
    let plan = drawer.plan(number);
    let mut chance = drawer.chance(number, NAMES);
    let model =
        chance.pick(profile.models.iter().map(|model| model.count)).map(|place| &profile.models[place].name);
    let ending =
        chance.pick(profile.endings.iter().map(|row| row.count)).map(|place| &profile.endings[place]);
    let base = Chance::part(number_of(&profile.name), &[number.into()]).bits();
    let mut builder =
        Builder { profile, base, messages: Vec::new(), chunks: Vec::new(), calls: Vec::new(), chance };
    builder.all(&plan);
    let dropped = builder.dropped();
    let mut session = Session {
        id: format!("synthetic-{}-{number:04}", profile.name),
        source: "synthetic".to_owned(),
        harness: profile.harness.clone(),
        models: vec![model.cloned().unwrap_or_else(|| "unknown".to_owned())],
        scope: profile.scope,
        block_tokens: None,
        counts_from: "synthetic".to_owned(),
        marks: Vec::new(),
        messages: builder.messages,
        segments: builder.chunks,
        calls: builder.calls,
        outcome: ending.map(|row| Ending {
            exit: row.exit.clone(),
            submitted: row.submitted,
            ..Ending::default()
        }),
    };
    if profile.session.mid_session_tokens.is_some_and(|least| plan.main.first_prompt >= least) {
        session.mark(Mark::MidSession);
    }
    if dropped {
        session.mark(Mark::ContextDrop);
    }
    session
}

/// What one agent's next prompt holds.
struct Context {
    agent: u32,
    view: Vec<u32>,
}

struct Builder<'a> {
    profile: &'a Profile,
    /// The id of the first chunk. In a set, those of one session must not meet those of another.
    base: u64,
    messages: Vec<Message>,
    chunks: Vec<Segment>,
    calls: Vec<Call>,
    chance: Chance,
}

/// What the next call waits for, and when that ends.
struct Wait {
    after: Vec<u32>,
    end_us: u64,
}

impl Builder<'_> {
    /// All agents, then all calls in time order.
    fn all(&mut self, plan: &Plan) {
        let mut context = self.open(0, plan.main.first_prompt, plan.prefix);
        let mut wait = Wait { after: Vec::new(), end_us: 0 };
        let mut delay_us = None;
        let mut subagents = plan.subagents.iter().zip(1..).peekable();
        for place in 0..plan.main.turns.len() {
            let drawn = &plan.main.turns[place];
            let call = self.call(&mut context, &plan.main, place, &wait, delay_us);
            let end_us = self.end_us(call, drawn.model_us);
            wait = Wait { after: vec![call], end_us };
            while let Some(((_, delay, agent), number)) =
                subagents.next_if(|((start, ..), _)| *start == place)
            {
                let launched = Wait { after: vec![call], end_us };
                let (last, ended_us) = self.subagent(number, agent, &launched, *delay);
                wait.after.push(last);
                wait.end_us = wait.end_us.max(ended_us);
            }
            delay_us = drawn.delay_us;
        }
        self.sort();
    }

    /// A sub-agent's calls. Returns its last call, and when that ends.
    fn subagent(&mut self, number: u32, agent: &Agent, launched: &Wait, delay_us: Option<u64>) -> (u32, u64) {
        let mut context = self.open(number, agent.first_prompt, Prefix { tools: 0, system: 0, count: 0 });
        let mut wait = Wait { after: launched.after.clone(), end_us: launched.end_us };
        let mut delay_us = delay_us;
        for (place, drawn) in agent.turns.iter().enumerate() {
            let call = self.call(&mut context, agent, place, &wait, delay_us);
            wait = Wait { end_us: self.end_us(call, drawn.model_us), after: vec![call] };
            delay_us = drawn.delay_us;
        }
        (wait.after[0], wait.end_us)
    }

    fn end_us(&self, call: u32, model_us: Option<u64>) -> u64 {
        self.calls[call as usize].at_us.unwrap_or(0).saturating_add(model_us.unwrap_or(0))
    }

    /// One call with the context as it is, which then becomes that of the agent's next call.
    fn call(
        &mut self,
        context: &mut Context,
        agent: &Agent,
        place: usize,
        wait: &Wait,
        delay_us: Option<u64>,
    ) -> u32 {
        let drawn = &agent.turns[place];
        let id = self.calls.len() as u32;
        let (mut prompt, mut view, mut prompt_tokens) = (Vec::new(), Vec::new(), 0);
        for &message in &context.view {
            Run::push(&mut view, message);
            prompt_tokens += self.messages[message as usize].tokens;
            self.messages[message as usize].parts.iter().for_each(|&part| Run::push(&mut prompt, part));
        }
        let last = place + 1 == agent.turns.len();
        let main = context.agent == 0;
        let tools = if main && !drawn.person { self.tools() } else { Vec::new() };
        let reply = if last {
            self.append(context, drawn.reply, MessageRole::Assistant, MessageKind::Action)
        } else {
            self.advance(context, agent, place, prompt_tokens, &tools)
        };
        self.calls.push(Call {
            id,
            agent: context.agent,
            role: if main { CallRole::Agent } else { CallRole::Subagent },
            after: wait.after.clone(),
            delay_us: delay_us.filter(|_| !wait.after.is_empty()),
            at_us: Some(wait.end_us.saturating_add(delay_us.unwrap_or(0))),
            prompt,
            prompt_tokens,
            view,
            reply,
            output_tokens: Some(drawn.output),
            reasoning_tokens: drawn.reasoning,
            tools,
            ..Call::default()
        });
        id
    }

    /// What the agent's next prompt holds. Returns the message that the reply became.
    fn advance(
        &mut self,
        context: &mut Context,
        agent: &Agent,
        place: usize,
        prompt: u32,
        tools: &[ToolUse],
    ) -> Option<u32> {
        let drawn = &agent.turns[place];
        match drawn.fate {
            Fate::Drop { remaining, kept } => {
                let kept = self.cut(context, kept as u32);
                let left = (remaining as u32).saturating_sub(kept);
                self.append(context, left, MessageRole::User, MessageKind::Other);
                return None;
            }
            Fate::Break(kept) => self.renew(context, (kept as u32).min(prompt)),
            Fate::Grow => {}
        }
        let reply = self.append(context, drawn.reply, MessageRole::Assistant, MessageKind::Action);
        if drawn.person {
            self.append(context, drawn.input, MessageRole::User, MessageKind::Task);
        } else {
            let role = self.profile.turn.observation_role;
            let message = self.append(context, drawn.input, role, MessageKind::Observation);
            if let Some(message) = message {
                self.messages[message as usize].tool = tools.first().map(|tool| tool.name.clone());
            }
        }
        reply
    }

    /// A first prompt: tools, system prompt, task.
    fn open(&mut self, agent: u32, first_prompt: u32, prefix: Prefix) -> Context {
        let mut context = Context { agent, view: Vec::new() };
        let first = self.chunks.len();
        self.append(&mut context, prefix.tools, MessageRole::System, MessageKind::Tools);
        let system = self.chunks.len();
        self.append(&mut context, prefix.system, MessageRole::System, MessageKind::SystemPrompt);
        if self.profile.scope == Scope::Set {
            // Equal variants of one harness are one content, in every session.
            let name = number_of(&self.profile.name);
            for (place, chunk) in self.chunks.iter_mut().enumerate().skip(first) {
                let of_system = if place >= system { u64::from(prefix.system) + 1 } else { 0 };
                chunk.id =
                    Chance::part(name, &[prefix.tools.into(), of_system, place as u64]).bits() | SHARED;
            }
        }
        let task = first_prompt - (prefix.tools + prefix.system).min(first_prompt);
        self.append(&mut context, task, MessageRole::User, MessageKind::Task);
        context
    }

    /// A new message of so many tokens, none of nothing.
    fn append(
        &mut self,
        context: &mut Context,
        tokens: u32,
        role: MessageRole,
        kind: MessageKind,
    ) -> Option<u32> {
        if tokens == 0 {
            return None;
        }
        let mut parts = Vec::new();
        let mut left = tokens;
        while left > 0 {
            parts.push(self.fresh(left.min(CHUNK)));
            left -= left.min(CHUNK);
        }
        let id = self.messages.len() as u32;
        self.messages.push(Message {
            agent: context.agent,
            role,
            kind,
            tokens,
            parts,
            tool: None,
            lines: 0,
            words: 0,
            path: None,
            window: None,
            tags: Vec::new(),
        });
        context.view.push(id);
        Some(id)
    }

    /// A chunk that nothing else holds.
    fn fresh(&mut self, tokens: u32) -> u32 {
        let place = self.chunks.len() as u32;
        self.chunks.push(Segment { id: self.base.wrapping_add(place.into()) & !SHARED, tokens });
        place
    }

    /// Keeps the chunks that end within the first `tokens`. Returns how many tokens are kept.
    fn cut(&mut self, context: &mut Context, tokens: u32) -> u32 {
        let mut kept = 0;
        let view = std::mem::take(&mut context.view);
        for message in view {
            let whole = self.messages[message as usize].tokens;
            if kept + whole <= tokens {
                context.view.push(message);
                kept += whole;
                continue;
            }
            let mut shorter = self.messages[message as usize].clone();
            let chunks = ((tokens - kept) / CHUNK) as usize;
            if chunks > 0 {
                shorter.parts.truncate(chunks);
                shorter.tokens = shorter.parts.iter().map(|&part| self.chunks[part as usize].tokens).sum();
                kept += shorter.tokens;
                context.view.push(self.messages.len() as u32);
                self.messages.push(shorter);
            }
            break;
        }
        kept
    }

    /// Gives every message that reaches behind the first `tokens` a new version of equal size.
    fn renew(&mut self, context: &mut Context, tokens: u32) {
        let mut start = 0;
        for place in 0..context.view.len() {
            let message = context.view[place];
            let mut renewed = self.messages[message as usize].clone();
            let end = start + renewed.tokens;
            if end > tokens {
                let kept = (tokens.saturating_sub(start) / CHUNK) as usize;
                for part in renewed.parts.iter_mut().skip(kept) {
                    *part = self.fresh(self.chunks[*part as usize].tokens);
                }
                context.view[place] = self.messages.len() as u32;
                self.messages.push(renewed);
            }
            start = end;
        }
    }

    fn tools(&mut self) -> Vec<ToolUse> {
        let Some(Tools { per_turn, mix }) = &self.profile.tools else { return Vec::new() };
        let count = self.chance.pick(per_turn.iter().copied()).unwrap_or(0);
        let chance = &mut self.chance;
        let one = |_| {
            let tool = &mix[chance.pick(mix.iter().map(|tool| tool.count))?];
            let unknown = tool.count.saturating_sub(tool.ok + tool.failed);
            let ok = match chance.pick([tool.ok, tool.failed, unknown].into_iter()) {
                Some(0) => Some(true),
                Some(1) => Some(false),
                _ => None,
            };
            Some(ToolUse { name: tool.name.clone(), us: None, ok })
        };
        (0..count).filter_map(one).collect()
    }

    /// Whether a prompt of the main agent fell below half of the one before.
    fn dropped(&self) -> bool {
        let main: Vec<&Call> = self.calls.iter().filter(|call| call.agent == 0).collect();
        main.windows(2).any(|pair| pair[1].prompt_tokens < pair[0].prompt_tokens / 2)
    }

    /// Puts calls in time order and numbers them anew. A call never stands before one it waits for,
    /// since it is not earlier and was made later. Times that rest on no recorded model time go.
    fn sort(&mut self) {
        self.calls.sort_by_key(|call| call.at_us);
        let mut places = vec![0; self.calls.len()];
        for (place, call) in (0..).zip(&self.calls) {
            places[call.id as usize] = place;
        }
        let timed = self.profile.turn.model_us.is_some() && self.profile.turn.has_delays();
        for (place, call) in (0..).zip(&mut self.calls) {
            call.id = place;
            call.after.iter_mut().for_each(|earlier| *earlier = places[*earlier as usize]);
            call.after.sort_unstable();
            call.at_us = call.at_us.filter(|&us| timed && us <= MAX_US);
        }
    }
}

/// The bit that tells ids of shared chunks from all others.
const SHARED: u64 = 1 << 63;
