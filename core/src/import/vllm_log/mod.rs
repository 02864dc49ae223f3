//! The log of a vLLM server that logs requests.
//!
//! Versions differ in where the prompt stands: with the request, or with its details on a line of its own
//! when the server logs for debugging. Replies are in the log only where the server was told to log
//! outputs; else the next prompt shows them, and a last reply is unknown. Stamps are whole seconds without a year. A log may cut
//! prompts at a length; token ids are kept longer than texts then, and prompts that have neither whole are
//! named and as short as the log shows them.

mod line;
mod python;

use super::dialogue::flat::{self, Flat};
use super::dialogue::threads::{self, Request};
use super::dialogue::{Asked, Counts, Dialogue, Said};
use super::tokens::TokenCounter;
use super::{ImportError, Imported, Importer, Source, names};
use crate::trace::lines::Lines;
use crate::trace::{MessageKind, MessageRole};
use line::{Clock, Event, event};
use std::collections::HashMap;
use std::io::BufRead;

const NAME: &str = "vllm-log";

pub(super) struct VllmLog;

/// What a log says of one request.
#[derive(Debug, Default)]
struct Logged {
    line: u64,
    prompt: Option<String>,
    ids: Option<Vec<u32>>,
    output: Option<String>,
    output_ids: Vec<u32>,
    /// As the log counts it, where it does not show it.
    output_tokens: Option<u32>,
    sent_us: Option<u64>,
    done_us: Option<u64>,
    /// The prompt as numbers, where there is no text of it.
    numbers: String,
    output_numbers: String,
}

impl Importer for VllmLog {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "vLLM server logs with requests (--enable-log-requests)"
    }

    fn detect(&self, head: &[u8]) -> bool {
        let text = String::from_utf8_lossy(head);
        let json =
            text.trim_start().starts_with('{') || text.trim_start().starts_with('[') && text.contains("\":");
        let line = |line: &str| {
            line.contains("Received request ")
                && (line.contains(": prompt: ") || line.contains("SamplingParams("))
                || line.contains("Request ") && line.contains(" details: prompt: ")
                || line.contains("INFO ")
                    && (line.contains("vLLM API server version") || line.contains("Avg prompt throughput: "))
        };
        !json && text.lines().any(line)
    }

    fn read(
        &self,
        input: &mut dyn BufRead,
        source: &Source<'_>,
        into: &mut Imported,
    ) -> Result<(), ImportError> {
        let mut log = Log::default();
        let mut lines = Lines::new(input);
        while into.next_line(source, &mut lines) {
            let number = lines.number();
            let line = String::from_utf8_lossy(lines.line());
            if let Err(fault) = log.take(&line, number) {
                into.skip(source, format!("line {number}: {fault}"));
            }
        }
        let Log { mut requests, model, .. } = log;
        if requests.is_empty() && into.skipped.is_empty() {
            let why = "no line of a request; does the server log them (--enable-log-requests)?".to_owned();
            return Err(ImportError::Malformed { file: source.name.to_owned(), why });
        }
        if let Some((limit, count, line)) = cut(&mut requests) {
            let expected = "expected whole texts or token ids; they are longer than counted";
            into.skip(
                source,
                format!("line {line}: {count} prompts are cut at {limit} characters, {expected}"),
            );
        }
        requests.retain(|logged| {
            let shown = logged.prompt.is_some() || logged.ids.is_some();
            if !shown {
                into.skip(
                    source,
                    format!(
                        "line {}: the log does not show the prompt, expected a text or token ids",
                        logged.line
                    ),
                );
            }
            shown
        });
        for logged in requests.iter_mut().filter(|logged| logged.prompt.is_none()) {
            logged.numbers = numbers(logged.ids.as_deref().unwrap_or_default());
            logged.output_numbers = numbers(&logged.output_ids);
        }
        import(&requests, &model, source, into);
        Ok(())
    }
}

/// A log as far as it was read.
#[derive(Default)]
struct Log {
    requests: Vec<Logged>,
    places: HashMap<String, usize>,
    clock: Clock,
    model: String,
}

impl Log {
    fn take(&mut self, line: &str, number: u64) -> Result<(), super::json::Fault> {
        let Some(event) = event(line)? else { return Ok(()) };
        let stamp = self.clock.read(line);
        match event {
            Event::Model(model) if self.model.is_empty() => model.clone_into(&mut self.model),
            Event::Model(_) => {}
            Event::Received { id, prompt, ids } => {
                let logged = self.request(id, number, stamp);
                logged.prompt = prompt.or(logged.prompt.take());
                logged.ids = ids.or(logged.ids.take());
            }
            Event::Named { id } => {
                self.request(id, number, stamp);
            }
            Event::Generated { id, text, ids, part } => {
                let Some(logged) = self.known(id) else { return Ok(()) };
                logged.done_us = stamp.or(logged.done_us);
                let counted =
                    text.strip_prefix("<streaming_complete: ").and_then(|rest| rest.strip_suffix(" tokens>"));
                if let Some(counted) = counted.and_then(|count| count.parse().ok()) {
                    logged.output_tokens = Some(counted);
                } else if part {
                    logged.output.get_or_insert_default().push_str(&text);
                    logged.output_ids.extend(ids.unwrap_or_default());
                } else {
                    logged.output = Some(text);
                    logged.output_ids =
                        ids.filter(|ids| !ids.is_empty()).unwrap_or(std::mem::take(&mut logged.output_ids));
                }
            }
            Event::Ended { id } => {
                if let Some(logged) = self.known(id) {
                    logged.done_us = logged.done_us.or(stamp);
                }
            }
        }
        Ok(())
    }

    /// A request that is new, or whose prompt stands on another line than its parameters.
    fn request(&mut self, id: &str, line: u64, stamp: Option<u64>) -> &mut Logged {
        let new = self.requests.len();
        // An id that was done before is used again after a restart.
        let open = self.places.get(id).copied().filter(|&place| self.requests[place].done_us.is_none());
        let place = open.unwrap_or(new);
        if place == new {
            self.places.insert(id.to_owned(), new);
            self.requests.push(Logged { line, sent_us: stamp, ..Logged::default() });
        }
        &mut self.requests[place]
    }

    /// Replies to completions are logged without the number of the prompt.
    fn known(&mut self, id: &str) -> Option<&mut Logged> {
        let place = self.places.get(id).or_else(|| self.places.get(&format!("{id}-0"))).copied()?;
        self.requests.get_mut(place)
    }
}

/// Forgets what was cut: where different prompts are of the same, largest length, the log cuts there.
/// Token ids that are fewer are whole. Says where it cuts, how many prompts have nothing that is whole, and
/// the line of the first of them.
fn cut(requests: &mut [Logged]) -> Option<(usize, usize, u64)> {
    let length = |text: &Option<String>| text.as_ref().map_or(0, |text| text.chars().count());
    let limit = requests.iter().map(|logged| length(&logged.prompt)).max().unwrap_or(0);
    let longest =
        || requests.iter().filter(|logged| length(&logged.prompt) == limit).map(|logged| &logged.prompt);
    let first = longest().next();
    if limit == 0 || longest().all(|prompt| Some(prompt) == first) {
        return None;
    }
    for logged in requests.iter_mut() {
        let whole = |ids: &Vec<u32>| ids.len() < limit;
        if length(&logged.prompt) == limit && logged.ids.as_ref().is_some_and(whole) {
            logged.prompt = None;
        } else {
            logged.ids = logged.ids.take().filter(whole);
        }
        if length(&logged.output) >= limit && logged.output_tokens.is_none() && whole(&logged.output_ids) {
            logged.output_tokens = Some(logged.output_ids.len() as u32).filter(|&tokens| tokens > 0);
        }
        logged.output_ids.truncate(if whole(&logged.output_ids) { limit } else { 0 });
    }
    let mut short =
        requests.iter().filter(|logged| length(&logged.prompt) == limit).map(|logged| logged.line);
    let line = short.next()?;
    Some((limit, 1 + short.count(), line))
}

fn numbers(ids: &[u32]) -> String {
    ids.iter().map(|id| format!("{id} ")).collect()
}

/// Counts tokens in a list of their ids, each with a space behind it.
struct TokenIds;

impl TokenCounter for TokenIds {
    fn name(&self) -> String {
        "token-ids".to_owned()
    }

    fn count(&self, text: &str) -> u32 {
        text.bytes().filter(|byte| *byte == b' ').count() as u32
    }

    fn split<'a>(&self, text: &'a str, tokens: u32) -> Vec<(&'a str, u32)> {
        let mut pieces = Vec::new();
        let (mut start, mut counted) = (0, 0);
        for end in text.bytes().enumerate().filter(|(_, byte)| *byte == b' ').map(|(at, _)| at + 1) {
            counted += 1;
            if counted == tokens {
                pieces.push((&text[start..end], counted));
                (start, counted) = (end, 0);
            }
        }
        if start < text.len() {
            pieces.push((&text[start..], counted.max(1)));
        }
        pieces
    }
}

fn import(requests: &[Logged], model: &str, source: &Source<'_>, into: &mut Imported) {
    let (mut texts, mut lists) = (Flat::default(), Flat::default());
    let mut shown = Vec::new();
    let mut listed = Vec::new();
    for logged in requests {
        let asked = asked(logged, model);
        match &logged.prompt {
            Some(text) => {
                let output = logged.output.as_deref().unwrap_or_default();
                let prompt = flat::templated(text).unwrap_or_else(|| texts.read(text, output, false).1);
                shown.push(Request { prompt, reply: Some(reply(output)), asked, ..Request::default() });
            }
            None => {
                let (_, prompt) = lists.read(&logged.numbers, &logged.output_numbers, false);
                listed.push(Request {
                    prompt,
                    reply: Some(reply(&logged.output_numbers)),
                    asked,
                    ..Request::default()
                });
            }
        }
    }
    let by_id = Source { name: source.name, counter: &TokenIds, keep_text: source.keep_text };
    let shown = threads::sessions(shown).into_iter().map(|thread| (thread, source));
    let listed = threads::sessions(listed).into_iter().map(|thread| (thread, &by_id));
    let all: Vec<_> = shown.chain(listed).collect();
    let single = all.len() == 1;
    for (number, (thread, source)) in (1..).zip(all) {
        let file = names::id_from_file(source.name);
        let id = if single { file } else { format!("{file:.60}-{number}") };
        let mut dialogue = Dialogue::new(id, NAME);
        threads::converse(thread, &mut dialogue);
        dialogue.finish(NAME, source, into);
    }
}

/// The reply; where the log does not show it, it is what the next prompt goes on with.
fn reply(text: &str) -> Said<'_> {
    Said::new(MessageRole::Assistant, MessageKind::Action, text)
}

fn asked<'a>(logged: &Logged, model: &'a str) -> Asked<'a> {
    let output = logged.output_tokens.or(Some(logged.output_ids.len() as u32).filter(|&tokens| tokens > 0));
    let prompt = logged.ids.as_ref().map(|ids| ids.len() as u32);
    let usage =
        (prompt.is_some() || output.is_some()).then(|| Counts { prompt, output, ..Counts::default() });
    let done_us = logged.done_us.filter(|done| logged.sent_us.is_none_or(|sent| sent <= *done));
    Asked { model: model.into(), usage, sent_us: logged.sent_us, done_us, ..Asked::default() }
}
