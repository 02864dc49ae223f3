//! The documents of a session, by the names that results give them.

use super::raw::{Answer, Trajectory};
use std::collections::HashMap;

/// All documents of a session, and which of them was read.
pub(super) struct Pool<'a> {
    pub(super) all: Vec<&'a Trajectory<'a>>,
    pub(super) read: Vec<bool>,
    by_id: HashMap<&'a str, usize>,
    by_session: HashMap<&'a str, usize>,
}

impl<'a> Pool<'a> {
    /// The first document is the main agent's; those that it holds, and those behind it, are sub-agents.
    pub(super) fn new(documents: &'a [Trajectory<'a>]) -> Self {
        let (mut all, mut next): (Vec<&Trajectory<'_>>, Vec<&Trajectory<'_>>) = (Vec::new(), Vec::new());
        next.extend(documents.iter().rev());
        while let Some(document) = next.pop() {
            all.push(document);
            next.extend(document.subagents.items.iter().rev());
        }
        let (mut by_id, mut by_session) = (HashMap::new(), HashMap::new());
        // Sub-agents may bear the session's own id, which then tells nothing.
        let own = all.first().map_or("", |main| main.session.as_str());
        for (place, document) in all.iter().enumerate().skip(1) {
            by_id.entry(document.id.as_str()).or_insert(place);
            by_session.entry(document.session.as_str()).or_insert(place);
        }
        by_id.remove("");
        by_session.remove("");
        by_session.remove(own);
        Pool { read: vec![false; all.len()], all, by_id, by_session }
    }

    /// The document that an answer names first and nobody read yet.
    pub(super) fn named(&mut self, answer: &Answer<'_>) -> Vec<usize> {
        let references = answer.subagents.each().iter().filter_map(|reference| reference.here());
        let found = references.filter_map(|reference| {
            let ids = [reference.id.as_str(), reference.session.as_str()];
            ids.iter().find_map(|id| self.by_id.get(id).or_else(|| self.by_session.get(id))).copied()
        });
        let mut found: Vec<usize> = found.filter(|place| !self.read[*place]).collect();
        found.dedup();
        found
    }
}
