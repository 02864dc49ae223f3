//! From single requests to sessions, for logs that hold one request after the other.
//!
//! A request belongs to the session that the source names. Where it names none, the request continues
//! the session whose latest prompt, or latest prompt and reply, is the longest beginning of its own
//! prompt in whole messages. Where there is none, but the prompt holds replies, something in it was
//! changed, masked or compacted: it continues the latest session that began with the same messages up
//! to the first reply, if that is at most an hour old. Everything else begins a session. Equal prompts
//! are two sessions, since repeating a request does not continue it.
//!
//! Within a session that the source names, requests with one system prompt or one task are of one
//! agent. The agent with the most calls is the main one.

use super::{Asked, Dialogue, Said};
use crate::trace::{CallRole, Mark, MessageRole};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// How long after its latest call a session may go on with a changed prompt.
const NEAR_US: u64 = 3_600_000_000;

/// One request, as a log shows it.
#[derive(Debug, Default)]
pub(in crate::import) struct Request<'a> {
    /// What the source says that it belongs to.
    pub(in crate::import) session: Option<String>,
    /// Which agent of the session asks, where the source or a text's beginning says so.
    pub(in crate::import) agent: Option<u32>,
    /// The whole prompt; empty where the source does not show it.
    pub(in crate::import) prompt: Vec<Said<'a>>,
    pub(in crate::import) reply: Option<Said<'a>>,
    /// Everything else. Agent, role, view and reply are filled in.
    pub(in crate::import) asked: Asked<'a>,
}

/// The requests of one session, in order.
#[derive(Debug, Default)]
pub(in crate::import) struct Thread<'a> {
    /// As the source names it.
    pub(in crate::import) id: Option<String>,
    requests: Vec<Request<'a>>,
    /// The place in the source of the request added last.
    last: usize,
    out_of_order: bool,
}

impl<'a> Thread<'a> {
    fn add(&mut self, place: usize, request: Request<'a>) {
        self.out_of_order |= place < self.last;
        self.last = place;
        self.requests.push(request);
    }

    /// Its requests.
    pub(in crate::import) fn requests(&self) -> &[Request<'a>] {
        &self.requests
    }
}

/// Groups requests into sessions, which come in the order of their first requests.
pub(in crate::import) fn sessions(requests: Vec<Request<'_>>) -> Vec<Thread<'_>> {
    let mut threads: Vec<Thread<'_>> = Vec::new();
    let mut named: HashMap<String, usize> = HashMap::new();
    let mut chains = Chains::default();
    for (place, request) in by_time(requests) {
        let new = threads.len();
        let thread = match &request.session {
            Some(id) => *named.entry(id.clone()).or_insert(new),
            None => chains.place(&request, new),
        };
        if thread == new {
            threads.push(Thread { id: request.session.clone(), ..Thread::default() });
        }
        threads[thread].add(place, request);
    }
    threads
}

/// Requests in the order in which they were sent, each with its place in the source. One without a
/// stamp stays behind the one before it.
fn by_time(requests: Vec<Request<'_>>) -> Vec<(usize, Request<'_>)> {
    let mut before = 0;
    let mut stamped: Vec<(u64, usize, Request<'_>)> = Vec::with_capacity(requests.len());
    for (place, request) in requests.into_iter().enumerate() {
        before = request.asked.sent_us.unwrap_or(before);
        stamped.push((before, place, request));
    }
    stamped.sort_by_key(|(stamp, place, _)| (*stamp, *place));
    stamped.into_iter().map(|(_, place, request)| (place, request)).collect()
}

/// What the latest prompts of sessions end with.
#[derive(Debug, Default)]
struct Chains {
    /// The session by the hash of its latest prompt, with and without the reply.
    ends: HashMap<u64, usize>,
    /// The latest session by the hash of what precedes its first reply.
    heads: HashMap<u64, usize>,
    /// Per session: its entries in `ends`, and when it was last heard of.
    latest: HashMap<usize, ([u64; 2], Option<u64>)>,
}

impl Chains {
    /// The session that a request continues, or `new`.
    fn place(&mut self, request: &Request<'_>, new: usize) -> usize {
        let hashes = prefixes(&request.prompt);
        let head = head(&request.prompt);
        let spoken = |said: &Said<'_>| said.role != MessageRole::System;
        let Some(first) = request.prompt.iter().position(spoken) else { return new };
        let continued = (first + 1..request.prompt.len()).rev().find_map(|end| self.ends.get(&hashes[end]));
        let begun = || {
            let replied = head < request.prompt.len() && head > first;
            let thread = self.heads.get(&hashes[head]).copied().filter(|_| replied)?;
            let (_, heard) = self.latest.get(&thread)?;
            let near = |(sent, heard): (u64, u64)| sent <= heard.saturating_add(NEAR_US);
            request.asked.sent_us.zip(*heard).is_none_or(near).then_some(thread)
        };
        let thread = continued.copied().or_else(begun).unwrap_or(new);
        self.note(thread, request, &hashes, head);
        thread
    }

    fn note(&mut self, thread: usize, request: &Request<'_>, hashes: &[u64], head: usize) {
        if let Some((ends, _)) = self.latest.get(&thread) {
            for end in ends {
                if self.ends.get(end) == Some(&thread) {
                    self.ends.remove(end);
                }
            }
        }
        let prompt = hashes.last().copied().unwrap_or_default();
        let replied = request.reply.as_ref().map_or(prompt, |reply| link(prompt, reply));
        self.ends.extend([(prompt, thread), (replied, thread)]);
        self.heads.insert(hashes[head], thread);
        let heard = request.asked.done_us.max(request.asked.sent_us);
        self.latest.insert(thread, ([prompt, replied], heard));
    }
}

/// How many messages precede the first reply.
fn head(prompt: &[Said<'_>]) -> usize {
    let asks = |said: &Said<'_>| matches!(said.role, MessageRole::System | MessageRole::User);
    prompt.iter().position(|said| !asks(said)).unwrap_or(prompt.len())
}

/// The hashes of a prompt's beginnings, the empty one first.
fn prefixes(prompt: &[Said<'_>]) -> Vec<u64> {
    let mut hashes = vec![0];
    for said in prompt {
        let before = hashes.last().copied().unwrap_or_default();
        hashes.push(link(before, said));
    }
    hashes
}

fn link(before: u64, said: &Said<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (before, said.role as u8, &said.text).hash(&mut hasher);
    hasher.finish()
}

/// Says and asks everything that stands in a session.
pub(in crate::import) fn converse<'a>(mut thread: Thread<'a>, dialogue: &mut Dialogue<'a>) {
    number_agents(&mut thread);
    if thread.out_of_order {
        dialogue.marks.push(Mark::OutOfOrder);
    }
    let mut waits = Waits::default();
    for request in thread.requests {
        let agent = request.agent.unwrap_or(0);
        // A prompt that the source does not show has a size, and shares nothing that anybody knows of.
        let view = match request.prompt.is_empty() {
            true => Vec::new(),
            false => dialogue.prompt(agent, request.prompt),
        };
        let role = if agent == 0 { CallRole::Agent } else { CallRole::Subagent };
        let after = Some(waits.of(agent, &request.asked));
        let call = dialogue.ask(Asked { agent, role, view, after, ..request.asked });
        if let Some(reply) = request.reply {
            dialogue.answered(call, reply);
        }
    }
}

/// Gives every request its agent, where the source does not. The main agent, with the most calls, is 0.
fn number_agents(thread: &mut Thread<'_>) {
    let mut known: HashMap<(bool, u64), u32> = HashMap::new();
    let mut calls: Vec<usize> = Vec::new();
    let given = thread.requests.iter().any(|request| request.agent.is_some());
    for request in &mut thread.requests {
        let agent = match request.agent {
            Some(agent) => agent,
            None if given || thread.id.is_none() || request.prompt.is_empty() => 0,
            None => by_beginning(&request.prompt, &mut known, calls.len() as u32),
        };
        request.agent = Some(agent);
        if calls.len() <= agent as usize {
            calls.resize(agent as usize + 1, 0);
        }
        calls[agent as usize] += 1;
    }
    let most = calls.iter().copied().max().unwrap_or(0);
    let main = calls.iter().position(|&count| count == most).unwrap_or(0) as u32;
    for agent in thread.requests.iter_mut().filter_map(|request| request.agent.as_mut()) {
        *agent = match *agent {
            0 => main,
            agent if agent == main => 0,
            agent => agent,
        };
    }
}

/// The agent whose system prompt or task this prompt begins with, or `new`.
fn by_beginning(prompt: &[Said<'_>], known: &mut HashMap<(bool, u64), u32>, new: u32) -> u32 {
    let system = prompt.iter().take_while(|said| said.role == MessageRole::System);
    let system = (true, system.fold(0, link));
    let task = prompt.iter().find(|said| said.role == MessageRole::User).map(|said| (false, link(0, said)));
    let found = known.get(&system).or_else(|| known.get(&task?)).copied();
    let agent = found.unwrap_or(new);
    for key in std::iter::once(system).chain(task) {
        known.entry(key).or_insert(agent);
    }
    agent
}

/// Which calls of its session a call waits for: its agent's previous one, and of every other agent the
/// latest that had ended by then and began after that. An agent's first call waits for the latest call
/// that had ended.
#[derive(Debug, Default)]
struct Waits {
    /// The latest call of every agent: agent, number, when it ended.
    latest: Vec<(u32, u32, Option<u64>)>,
    calls: u32,
}

impl Waits {
    fn of(&mut self, agent: u32, asked: &Asked<'_>) -> Vec<u32> {
        let ended = |end: &Option<u64>| asked.sent_us.zip(*end).is_none_or(|(sent, end)| end <= sent);
        let own = self.latest.iter().find(|(other, ..)| *other == agent).map(|(_, number, _)| *number);
        let others = self.latest.iter().filter(|(other, _, end)| *other != agent && ended(end));
        let after = match own {
            Some(own) => {
                let since = others.map(|(_, number, _)| *number).filter(|number| *number > own);
                std::iter::once(own).chain(since).collect()
            }
            None => others
                .max_by_key(|(_, number, end)| (*end, *number))
                .map(|latest| latest.1)
                .into_iter()
                .collect(),
        };
        let end = asked.done_us.or(asked.sent_us);
        let entry = (agent, self.calls, end);
        match self.latest.iter_mut().find(|(other, ..)| *other == agent) {
            Some(latest) => *latest = entry,
            None => self.latest.push(entry),
        }
        self.calls += 1;
        after
    }
}
