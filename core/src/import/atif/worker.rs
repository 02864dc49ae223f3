//! An agent at work: what it was sent so far, what its next call waits for.

use super::raw::Trajectory;
use crate::import::dialogue::Said;
use crate::import::json::Num;
use crate::trace::{CallRole, MessageKind, Run};

/// An agent at work.
pub(super) struct Worker<'a> {
    pub(super) document: &'a Trajectory<'a>,
    pub(super) agent: u32,
    pub(super) role: CallRole,
    pub(super) ours: bool,
    pub(super) measured: bool,
    pub(super) view: Vec<Run>,
    pub(super) tasks: bool,
    pub(super) replied: bool,
    /// When the latest prompt was complete, where a stamp says so.
    pub(super) ready_us: Option<u64>,
    /// The latest stamp.
    pub(super) stamp_us: Option<u64>,
    /// Its latest call.
    pub(super) latest: Option<u32>,
    /// The latest call and its message, as long as another step may go on with that reply.
    pub(super) open: Option<(u32, u32)>,
    /// Tokens of the latest prompt.
    pub(super) prompt: Option<u32>,
    /// Calls of others that its next call waits for.
    pub(super) waits: Vec<u32>,
    /// The message that the context may begin with anew, and whether the source says that it does.
    pub(super) anew: Option<(u32, bool)>,
}

impl<'a> Worker<'a> {
    /// At the document's beginning, where its first call waits for `after`.
    pub(super) fn new(document: &'a Trajectory<'a>, agent: u32, after: Option<u32>) -> Self {
        Worker {
            document,
            agent,
            role: role(document, agent),
            ours: document.is_ours(),
            measured: document.is_measured(),
            view: Vec::new(),
            tasks: false,
            replied: false,
            ready_us: None,
            stamp_us: None,
            latest: None,
            open: None,
            prompt: None,
            waits: after.into_iter().collect(),
            anew: None,
        }
    }

    /// Takes out of the view what stood before the place where the context began anew: where the source
    /// says so, all but the system's; where only a smaller prompt shows it, the first task is kept too.
    pub(super) fn begin_anew(&mut self, said: &[Said<'_>], prompt: Option<u32>) {
        let Some((from, said_so)) = self.anew.take() else { return };
        let smaller = prompt.zip(self.prompt).map(|(now, before)| now < before);
        if smaller != Some(true) && (smaller.is_some() || !said_so) {
            return;
        }
        let (mut view, mut tasks) = (Vec::new(), 0);
        for index in self.view.iter().flat_map(|run| run.indices()) {
            let kind = said[index as usize].kind;
            tasks += u32::from(kind == MessageKind::Task);
            let head = matches!(kind, MessageKind::SystemPrompt | MessageKind::Tools)
                || kind == MessageKind::Task && tasks == 1 && !said_so;
            if index >= from || head {
                Run::push(&mut view, index);
            }
        }
        self.view = view;
    }
}

/// Who the agent of a document is. Summaries are made by agents of their own that say so.
fn role(document: &Trajectory<'_>, agent: u32) -> CallRole {
    match agent {
        0 => CallRole::Agent,
        _ if document.agent.extra.summarization != Num::Absent => CallRole::Summariser,
        _ => CallRole::Subagent,
    }
}
