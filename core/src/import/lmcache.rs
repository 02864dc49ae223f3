//! LMCache agent traces: one request a line, with its prompt and reply as texts.
//!
//! The public traces write `timestamp` in microseconds, out of order, and count no tokens. The later
//! collections write prompts as lists of messages, output tokens, and the pause before each request;
//! their clock is made of the pauses and of model times at a stated rate.
//!
//! Where a benchmark plays the user with a model, that model's requests lie between those of the agent. They
//! are no calls of the agent or of one that it started: they are left out, counted and named, and their time
//! is part of the pause, as a person's would be.

use super::chat::{self, Held1, Reader};
use super::dialogue::flat::{self, Flat};
use super::dialogue::threads::{self, Request, Thread};
use super::dialogue::{Asked, Counts, Dialogue, Said};
use super::head::Shape;
use super::held::Held;
use super::json::{Fault, Num, Text, read_document};
use super::{ImportError, Imported, Importer, Source, names};
use crate::trace::{MessageKind, MessageRole};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::BufRead;

const NAME: &str = "lmcache";

/// Output tokens per second that the clock of a source without stamps is made with.
const ESTIMATED_TOKENS_PER_S: u64 = 60;

pub(super) struct LmCache;

record! {
    /// One line.
    Line<'a> {
        "timestamp" => timestamp: Num,
        "session_timestamp" => session_timestamp: Num,
        "pre_gap" => pre_gap: Num,
        "input" => input: Held1<'a>,
        "output" => output: Held1<'a>,
        "output_length" => output_length: Num,
        "session_id" => session: Text<'a>,
        "model" => model: Text<'a>,
    } ignoring ["input_length", "turn", "iteration"]
}

impl Importer for LmCache {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "LMCache agent traces: one request a line, with texts or messages"
    }

    fn detect(&self, head: &[u8]) -> bool {
        // The first line may be the bad one, so a few more are asked.
        let lines = head.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).take(4);
        lines.filter_map(Shape::of).any(|shape| {
            let foreign = ["/messages", "/response", "/request", "/usage", "/choices", "/input_length"];
            if foreign.iter().any(|path| shape.has(path)) || !shape.has("/input") {
                return false;
            }
            let named = shape.has("/session_id");
            let texts = named && shape.text("/input").is_some() && shape.has_all(&["/timestamp", "/output"]);
            let messages = named && shape.has("/input/[]/role") && (shape.cut || shape.has("/output_length"));
            // A long prompt hides what follows it.
            let begun = shape.cut && shape.first_key.as_deref() == Some("timestamp");
            texts || messages || begun
        })
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let bytes = read_document(input, source)?;
        let mut lines = Vec::new();
        for (number, line) in (1_u64..).zip(bytes.split(|byte| *byte == b'\n')) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Line<'_>>(line) {
                Err(error) => into.skip(source, format!("line {number}: no JSON: {error}")),
                Ok(line) => {
                    into.unknown_keys += line.unknown;
                    match check(&line) {
                        Ok(()) => lines.push(line),
                        Err(fault) => into.skip(source, format!("line {number}: {fault}")),
                    }
                }
            }
        }
        let (requests, played) = requests(&lines);
        for (session, calls) in played {
            let why = format!("{calls} calls of a simulated user, expected calls of an agent");
            into.skip(source, format!("session `{}`: {why}", names::id_of_log(session, 0)));
        }
        for thread in threads::sessions(requests) {
            session(thread, source, into);
        }
        Ok(())
    }
}

/// Whether a line is a request, with nothing impossible in it.
fn check(line: &Line<'_>) -> Result<(), Fault> {
    if let Some(found) = line.wrong {
        return Err(Fault::new("request", found, "an object"));
    }
    if line.session.as_str().is_empty() {
        return Err(Fault::new("session_id", "no text", "the name of a session"));
    }
    if matches!(line.input, Held::Nothing) {
        return Err(Fault::new("input", "neither a text nor a list", "the prompt"));
    }
    line.timestamp.time_us("timestamp", 1.0e-3)?;
    line.session_timestamp.time_us("session_timestamp", 1e6)?;
    line.pre_gap.time_us("pre_gap", 1e6)?;
    line.output_length.tokens_or_none("output_length")?;
    Ok(())
}

/// What tau-bench and its successor let an agent say first. The prompt of the model that plays the user begins
/// with it, and nothing else is in its first.
const GREETING: &str = "Hi! How can I help you today?";

/// Takes out what a simulated user asked, where an agent's requests are left in its session, and counts it.
fn leave_out_users<'a>(
    lines: &'a [Line<'_>],
    requests: &mut [Option<Request<'a>>],
) -> BTreeMap<&'a str, u64> {
    let mut users: BTreeMap<&str, u32> = BTreeMap::new();
    let mut others: BTreeSet<&str> = BTreeSet::new();
    for (line, request) in lines.iter().zip(requests.iter()) {
        let agent = request.as_ref().and_then(|request| request.agent);
        if let Some(agent) = agent.filter(|_| line.input.text().is_some_and(|text| text.trim() == GREETING)) {
            users.insert(line.session.as_str(), agent);
        }
    }
    let plays = |line: &Line<'_>, request: &Option<Request<'_>>| {
        let user = users.get(line.session.as_str());
        user.is_some() && user.copied() == request.as_ref().and_then(|request| request.agent)
    };
    for (line, _) in lines.iter().zip(requests.iter()).filter(|(line, request)| !plays(line, request)) {
        others.insert(line.session.as_str());
    }
    let mut played = BTreeMap::new();
    for (line, request) in lines.iter().zip(requests.iter_mut()) {
        if others.contains(line.session.as_str()) && plays(line, request) {
            *played.entry(line.session.as_str()).or_default() += 1;
            *request = None;
        }
    }
    played
}

/// One request a line, and how many of a simulated user each session had. Stamps may lie in any year, so they
/// are not held against the limit of a trace.
fn requests<'a>(lines: &'a [Line<'_>]) -> (Vec<Request<'a>>, BTreeMap<&'a str, u64>) {
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let stamp = |line: &Line<'_>| match line.timestamp {
        Num::Int(us) => Some(us),
        Num::Float(us) => Some(us as u64),
        _ => line.session_timestamp.time_us("", 1e6).ok().flatten(),
    };
    order.sort_by_key(|&place| stamp(&lines[place]));
    let mut flats: HashMap<&str, Flat<'a>> = HashMap::new();
    let mut clocks: HashMap<&str, u64> = HashMap::new();
    let mut requests: Vec<Option<Request<'a>>> = lines.iter().map(|_| None).collect();
    for place in order {
        let line = &lines[place];
        let session = line.session.as_str();
        let mut request = Request { session: Some(session.to_owned()), ..Request::default() };
        (request.reply, request.asked.tools) = chat::reply(&line.output);
        match &line.input {
            Held::Text(text) => match flat::templated(text) {
                Some(prompt) => request.prompt = prompt,
                None => {
                    let flat = flats.entry(session).or_default();
                    let reply = line.output.text().unwrap_or_default();
                    let (thread, prompt) = flat.read(text, reply, true);
                    (request.agent, request.prompt) = (Some(thread), prompt);
                }
            },
            messages => {
                let mut reader = Reader::default();
                reader.read(messages, MessageRole::User);
                request.prompt = reader.finish();
            }
        }
        let output = line.output_length.tokens_or_none("").ok().flatten();
        let clock = clocks.entry(session).or_default();
        request.asked = times(line, stamp(line), output, clock, request.asked);
        if request.reply.is_none() && output.is_some() {
            // The next prompt shows what it was.
            request.reply = Some(Said::new(MessageRole::Assistant, MessageKind::Action, ""));
        }
        requests[place] = Some(request);
    }
    let played = leave_out_users(lines, &mut requests);
    (requests.into_iter().flatten().collect(), played)
}

fn times<'a>(
    line: &'a Line<'_>,
    stamp: Option<u64>,
    output: Option<u32>,
    clock: &mut u64,
    asked: Asked<'a>,
) -> Asked<'a> {
    let usage = output
        .filter(|&output| output > 0)
        .map(|output| Counts { output: Some(output), ..Counts::default() });
    let model_us = u64::from(output.unwrap_or(0)) * 1_000_000 / ESTIMATED_TOKENS_PER_S;
    let asked = Asked { model: line.model.as_str().into(), usage, ..asked };
    if stamp.is_some() {
        return Asked { sent_us: stamp, ..asked };
    }
    let Some(gap) = line.pre_gap.time_us("", 1e6).ok().flatten() else { return asked };
    let sent = clock.saturating_add(gap);
    *clock = sent.saturating_add(model_us);
    Asked { sent_us: Some(sent), done_us: Some(*clock), estimated: true, ..asked }
}

fn session<'a>(thread: Thread<'a>, source: &Source<'_>, into: &mut Imported) {
    let id = names::id_of_log(thread.id.as_deref().unwrap_or_default(), into.accepted() as u32);
    let harness =
        harness(thread.requests().first().map(|request| request.prompt.as_slice()).unwrap_or_default());
    let mut dialogue = Dialogue::new(id, harness);
    threads::converse(thread, &mut dialogue);
    dialogue.finish(NAME, source, into);
}

/// The harness where its own words are in the prompt: the command that its runs end with, or what it calls
/// itself.
fn harness(prompt: &[Said<'_>]) -> &'static str {
    const SIGNS: &[(&str, &str)] = &[
        ("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "mini-swe-agent"),
        ("You are OpenHands agent", "openhands"),
    ];
    let sign = |(sign, _): &&(&str, &str)| prompt.iter().any(|said| said.text.contains(sign));
    SIGNS.iter().find(sign).map_or(NAME, |(_, harness)| harness)
}
