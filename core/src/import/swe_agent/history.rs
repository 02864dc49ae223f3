//! Files whose only account of what was sent is the history: 0.x, the first of 1.0, demonstrations.
//!
//! A prompt is taken to be the agent's history before the reply, unmasked, since the file holds the full
//! texts and does not name a history processor (the default settings of 0.x sent the last five
//! observations in full and one line for each before them). Demonstrations in the history were sent.
//! Commands of 0.x may start agents of their own, whose history stands between a reply and its
//! observation.

use super::prompts::is_of;
use super::raw::{Document, Raw};
use super::talk::{self, Reading, reply_of};
use super::thread::{Beside, Talk};
use crate::import::dialogue::{Asked, Said};
use crate::trace::{CallRole, Run};

/// One agent while its history is told.
#[derive(Clone)]
struct Frame<'a> {
    agent: u32,
    name: &'a str,
    view: Vec<Run>,
    reading: Reading<'a>,
    replied: bool,
}

impl<'a> Frame<'a> {
    fn new(agent: u32, name: &'a str) -> Self {
        Frame { agent, name, view: Vec::new(), reading: Reading::default(), replied: false }
    }
}

/// The history, told with the steps beside it.
struct Teller<'t, 'a, 'd> {
    talk: &'t mut Talk<'a>,
    document: &'a Document<'d>,
    model: &'a str,
    /// The main agent, and those that were started and have not returned.
    frames: Vec<Frame<'a>>,
    besides: std::iter::Peekable<std::iter::Enumerate<std::vec::IntoIter<Beside<'a>>>>,
    /// The reply that was asked for again.
    refused: Option<u32>,
}

/// Says the whole history. `pairs` names for each step its reply among the main agent's.
pub(super) fn tell<'a>(
    talk: &mut Talk<'a>,
    document: &'a Document<'_>,
    main: &'a str,
    pairs: &[Option<usize>],
    besides: Vec<Beside<'a>>,
    model: &'a str,
) {
    let frames = vec![Frame::new(0, main)];
    let besides = besides.into_iter().enumerate().peekable();
    let mut teller = Teller { talk, document, model, frames, besides, refused: None };
    let mut replies = 0;
    for (place, raw) in document.history.items.iter().enumerate() {
        // The harness leaves out what is of no agent that it runs.
        if talk::is_demo(raw) && !is_of(raw, main) {
            continue;
        }
        teller.enter(raw);
        let frame = &mut teller.frames;
        let Some(frame) = frame.last_mut() else { continue };
        let said = match talk::said(raw, &mut frame.reading) {
            Ok(said) => said,
            Err(fault) => {
                teller.talk.fault(format_args!("message {place}"), &fault);
                continue;
            }
        };
        if !talk::is_reply(raw) {
            teller.say(said);
            continue;
        }
        let of_main = teller.frames.len() == 1;
        let beside = if of_main { teller.step_of(replies, pairs) } else { None };
        replies += usize::from(of_main);
        let beside = beside.unwrap_or_else(|| unpaired(&document.history.items[place..]));
        teller.reply(said, beside, true);
    }
    teller.frames.truncate(1);
    while let Some((step, beside)) = teller.besides.next() {
        teller.refuse(step, beside);
    }
}

/// What a reply without a step says of its tools.
fn unpaired<'a>(history: &'a [Raw<'_>]) -> Beside<'a> {
    let Some((raw, behind)) = history.split_first() else { return Beside::default() };
    let observation =
        behind.first().filter(|next| next.agent == raw.agent).map_or("", |next| next.content.as_str());
    Beside { tools: talk::tools(Some(raw), raw.action.as_str(), observation, None), ..Beside::default() }
}

impl<'a> Teller<'_, 'a, '_> {
    /// Finds the agent that a message belongs to, which is new, running, or the one that started it.
    fn enter(&mut self, raw: &'a Raw<'_>) {
        let name = raw.agent.as_str();
        let system = raw.role.as_str() == "system";
        let running = match name {
            "" => Some(0),
            name => self.frames.iter().rposition(|frame| frame.name == name),
        };
        match running {
            Some(place) if place > 0 && system && self.frames[place].replied => {
                self.frames.truncate(place);
                self.start(name);
            }
            Some(place) => self.frames.truncate(place + 1),
            None => self.start(name),
        }
    }

    fn start(&mut self, name: &'a str) {
        let agent = self.talk.new_agent();
        self.frames.push(Frame::new(agent, name));
    }

    fn say(&mut self, said: Said<'a>) -> u32 {
        let Some(frame) = self.frames.last_mut() else { return 0 };
        let index = self.talk.dialogue.say(Said { agent: frame.agent, ..said });
        Run::push(&mut frame.view, index);
        index
    }

    /// What the step of a reply says, after those before it that led to no reply of the history.
    fn step_of(&mut self, reply: usize, pairs: &[Option<usize>]) -> Option<Beside<'a>> {
        while let Some((step, beside)) = self.besides.next_if(|(step, _)| pairs[*step].is_none()) {
            self.refuse(step, beside);
        }
        self.besides.next_if(|(step, _)| pairs[*step] == Some(reply)).map(|(_, beside)| beside)
    }

    /// A step whose reply stayed out of the history. The next prompt shows it where steps are timed: there
    /// it was refused.
    fn refuse(&mut self, step: usize, beside: Beside<'a>) {
        let step = &self.document.trajectory.items[step];
        if talk::made_up(&step.response, &step.action) {
            return;
        }
        let refusable = beside.execution_us.is_some();
        let index = self.reply(reply_of(step), beside, false);
        self.refused = Some(index).filter(|_| refusable);
    }

    /// Asks for a reply and says it.
    fn reply(&mut self, said: Said<'a>, beside: Beside<'a>, stays: bool) -> u32 {
        let Some(frame) = self.frames.last_mut() else { return 0 };
        let agent = frame.agent;
        let mut view = frame.view.clone();
        self.refused.take().into_iter().for_each(|refused| Run::push(&mut view, refused));
        frame.replied = true;
        let role = if agent == 0 { CallRole::Agent } else { CallRole::Subagent };
        let call =
            self.talk.ask(Asked { agent, role, model: self.model.into(), view, ..Asked::default() }, beside);
        let index = match stays {
            true => self.say(said),
            false => self.talk.dialogue.say(Said { agent, ..said }),
        };
        self.talk.dialogue.asked[call as usize].reply = Some(index);
        index
    }
}
