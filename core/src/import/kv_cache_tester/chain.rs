//! Messages from the growth of prompts.
//!
//! Calls of one agent to one model form a chain. Between two calls of a chain the prompt usually
//! grows by the previous output and by new input; a block that straddles two messages belongs to
//! the later one. Ids depend on everything before them, so one edit early in a prompt changes all
//! ids behind it. Where a prompt shares less than the whole of the one before but is not shorter,
//! the messages behind the shared blocks are taken to have kept their sizes: each gets a new version.
//! Where it is shorter (a compaction, a reset), the messages are cut at the last shared block, and
//! what follows is one new message.

use super::{Asked, BLOCK};
use crate::import::json::Fault;
use crate::trace::{Message, MessageKind, MessageRole, Run, Segment};

/// How a first prompt begins, as the source gives it.
#[derive(Clone, Copy)]
pub(super) struct Layout<T> {
    pub(super) tools: T,
    pub(super) system: T,
}

impl Layout<Result<u32, Fault>> {
    /// The layout, if both sizes are usable.
    pub(super) fn or_none(self) -> Option<Layout<u32>> {
        Some(Layout { tools: self.tools.ok()?, system: self.system.ok()? })
    }
}

/// A message at its place in a prompt, in tokens.
#[derive(Clone, Copy)]
struct Placed {
    message: u32,
    start: u32,
    end: u32,
}

/// One agent's calls to one model, up to the latest.
struct Chain {
    agent: u32,
    model: u32,
    call: u32,
    prompt_tokens: u32,
    output_tokens: u32,
    ids: Vec<u64>,
    prompt: Vec<Run>,
    view: Vec<Placed>,
}

/// What a call adds to the session.
pub(super) struct Grown {
    pub(super) prompt: Vec<Run>,
    pub(super) view: Vec<Run>,
    /// The chain's previous call, and the message that its output became.
    pub(super) previous: Option<u32>,
    pub(super) reply: Option<u32>,
}

/// All chains of a session, and what they have made so far.
pub(super) struct Chains<'a> {
    layouts: &'a [Option<Layout<u32>>],
    chains: Vec<Chain>,
    pub(super) messages: Vec<Message>,
    pub(super) chunks: Vec<Segment>,
    /// Whether a main agent's prompt fell below half of the one before.
    pub(super) dropped: bool,
}

impl<'a> Chains<'a> {
    /// No calls yet; `layouts` by agent.
    pub(super) fn new(layouts: &'a [Option<Layout<u32>>]) -> Self {
        Chains { layouts, chains: Vec::new(), messages: Vec::new(), chunks: Vec::new(), dropped: false }
    }

    /// Takes the next call, in time order.
    pub(super) fn grow(&mut self, call: u32, model: u32, asked: &Asked) -> Grown {
        let agent = asked.stamp.agent;
        let known = self.chains.iter().position(|chain| chain.agent == agent && chain.model == model);
        let mut chain = match known {
            Some(at) => self.chains.swap_remove(at),
            None => Chain {
                agent,
                model,
                call,
                prompt_tokens: 0,
                output_tokens: 0,
                ids: Vec::new(),
                prompt: Vec::new(),
                view: Vec::new(),
            },
        };
        self.dropped |= agent == 0 && asked.prompt_tokens < chain.prompt_tokens / 2;
        let shared = chain.ids.iter().zip(&asked.ids).take_while(|(a, b)| a == b).count() as u32;
        let arena = self.extend(&mut chain.prompt, shared, &asked.ids);
        let reply = if known.is_some() {
            self.follow(&mut chain, asked, shared, arena)
        } else {
            self.open(&mut chain, asked, arena);
            None
        };
        let grown = Grown {
            prompt: chain.prompt.clone(),
            view: runs(&chain.view),
            previous: known.map(|_| chain.call),
            reply,
        };
        chain.call = call;
        chain.prompt_tokens = asked.prompt_tokens;
        chain.output_tokens = asked.output_tokens;
        chain.ids.clone_from(&asked.ids);
        self.chains.push(chain);
        grown
    }

    /// Cuts `prompt` to the shared chunks and appends the new ones. Returns what to add to a block's
    /// place in the prompt to find its chunk, for new blocks.
    fn extend(&mut self, prompt: &mut Vec<Run>, shared: u32, ids: &[u64]) -> u32 {
        let mut left = shared;
        prompt.retain_mut(|run| {
            run.count = run.count.min(left);
            left -= run.count;
            run.count > 0
        });
        let first = self.chunks.len() as u32;
        let fresh = &ids[shared as usize..];
        self.chunks.extend(fresh.iter().map(|&id| Segment { id, tokens: BLOCK }));
        let count = fresh.len() as u32;
        match prompt.last_mut() {
            _ if count == 0 => {}
            Some(last) if last.first + last.count == first => last.count += count,
            _ => prompt.push(Run { first, count }),
        }
        first.wrapping_sub(shared)
    }

    /// The first prompt of a chain: tools, system prompt, task.
    fn open(&mut self, chain: &mut Chain, asked: &Asked, arena: u32) {
        let mut growth = Growth { chain, messages: &mut self.messages, asked, arena };
        if let Some(Some(layout)) = self.layouts.get(growth.chain.agent as usize)
            && u64::from(layout.tools) + u64::from(layout.system) <= u64::from(asked.prompt_tokens)
        {
            growth.append(layout.tools, MessageRole::System, MessageKind::Tools);
            growth.append(layout.system, MessageRole::System, MessageKind::SystemPrompt);
        }
        growth.append(asked.prompt_tokens, MessageRole::User, MessageKind::Task);
    }

    /// A later prompt. Returns the message that the previous output became.
    fn follow(&mut self, chain: &mut Chain, asked: &Asked, shared: u32, arena: u32) -> Option<u32> {
        let (before, output) = (chain.prompt_tokens, chain.output_tokens);
        let kept = (shared * BLOCK).min(before);
        let whole = shared as usize == chain.ids.len();
        let mut growth = Growth { chain, messages: &mut self.messages, asked, arena };
        let Some(grew) = asked.prompt_tokens.checked_sub(before) else {
            growth.cut(kept);
            growth.append(asked.prompt_tokens, MessageRole::User, MessageKind::Other);
            return None;
        };
        if !whole {
            growth.renew(shared);
        }
        let reply = growth.append(output.min(grew), MessageRole::Assistant, MessageKind::Action);
        let (role, kind) = if asked.from_tool {
            (MessageRole::Tool, MessageKind::Observation)
        } else {
            (MessageRole::User, MessageKind::Task)
        };
        growth.append(asked.prompt_tokens, role, kind);
        reply
    }
}

/// A chain while its view becomes that of the next prompt.
struct Growth<'a> {
    chain: &'a mut Chain,
    messages: &'a mut Vec<Message>,
    asked: &'a Asked,
    /// See [`Chains::extend`].
    arena: u32,
}

impl Growth<'_> {
    /// Where the view ends, in tokens.
    fn end(&self) -> u32 {
        self.chain.view.last().map_or(0, |placed| placed.end)
    }

    /// Keeps the first `tokens` of the view. A message that is kept in part becomes a new, shorter one.
    fn cut(&mut self, tokens: u32) {
        self.chain.view.retain(|placed| placed.start < tokens);
        let Some(last) = self.chain.view.last_mut().filter(|last| last.end > tokens) else { return };
        let mut shorter = self.messages[last.message as usize].clone();
        shorter.tokens = tokens - last.start;
        shorter.parts.truncate((tokens / BLOCK - last.start / BLOCK) as usize);
        *last = Placed { message: self.messages.len() as u32, start: last.start, end: tokens };
        self.messages.push(shorter);
    }

    /// Gives every message that reaches behind the first `shared` blocks a new version of equal size.
    fn renew(&mut self, shared: u32) {
        for placed in self.chain.view.iter_mut().filter(|placed| placed.end > shared * BLOCK) {
            let mut renewed = self.messages[placed.message as usize].clone();
            let (first, behind) = (placed.start / BLOCK, placed.end / BLOCK);
            renewed.parts.truncate(shared.saturating_sub(first) as usize);
            renewed.parts.extend((first.max(shared)..behind).map(|block| self.arena.wrapping_add(block)));
            placed.message = self.messages.len() as u32;
            self.messages.push(renewed);
        }
    }

    /// Appends a message of at most `tokens`, none where nothing is left of the prompt.
    fn append(&mut self, tokens: u32, role: MessageRole, kind: MessageKind) -> Option<u32> {
        let (start, total) = (self.end(), self.asked.prompt_tokens);
        let end = start.saturating_add(tokens).min(total);
        if end <= start {
            return None;
        }
        // The last message also owns a partial block, where the source hashes one.
        let blocks = self.asked.ids.len() as u32;
        let behind = if end == total { blocks } else { (end / BLOCK).min(blocks) };
        let parts = (start / BLOCK..behind).map(|block| self.arena.wrapping_add(block)).collect();
        let message = self.messages.len() as u32;
        self.messages.push(Message {
            agent: self.chain.agent,
            role,
            kind,
            tokens: end - start,
            parts,
            tool: None,
            lines: 0,
            words: 0,
            path: None,
            window: None,
            tags: Vec::new(),
        });
        self.chain.view.push(Placed { message, start, end });
        Some(message)
    }
}

fn runs(view: &[Placed]) -> Vec<Run> {
    let mut runs = Vec::new();
    view.iter().for_each(|placed| Run::push(&mut runs, placed.message));
    runs
}
