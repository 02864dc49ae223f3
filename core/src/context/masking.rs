//! Observation masking: all but the newest observations become a one-line placeholder. Reasoning and
//! actions stay.

use super::{ContextStrategy, Fate};
use crate::trace::{Call, MessageKind, MessageRole, Session, Tag};

/// Keeps the newest observations, in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masking {
    /// How many observations stay at least.
    pub keep: u32,
    /// The mask moves every so many observations, so that the prompt's prefix holds in between.
    pub polling: u32,
    /// Length of the placeholder.
    pub placeholder_tokens: u32,
}

impl Default for Masking {
    /// Ten observations, moved every turn, placeholder of 15 tokens.
    fn default() -> Self {
        Masking { keep: 10, polling: 1, placeholder_tokens: 15 }
    }
}

impl Masking {
    /// How many of `count` observations are masked, the first (the task) never among them: the mask
    /// covers places 1 up to the result, exclusive.
    pub fn masked_until(&self, count: usize) -> usize {
        let polling = self.polling.max(1) as usize;
        (count / polling * polling).saturating_sub(self.keep as usize)
    }
}

impl ContextStrategy for Masking {
    fn name(&self) -> String {
        format!("masking:{}:{}", self.keep, self.polling)
    }

    /// The first user message counts among the observations and is never masked; demonstrations do
    /// not count; `remove` wins over `keep`. An observation shorter than the placeholder is left
    /// alone: the source may not even give it an identity of its own.
    fn fates(&self, session: &Session, _call: &Call, view: &[u32], fates: &mut Vec<Fate>) {
        fates.clear();
        let mut observations = Vec::new();
        for (place, &index) in view.iter().enumerate() {
            let message = &session.messages[index as usize];
            let first_user = observations.is_empty() && message.role == MessageRole::User;
            let counted = first_user || message.kind == MessageKind::Observation;
            if counted && !message.tags.contains(&Tag::Demo) {
                observations.push(place);
            }
        }
        let until = self.masked_until(observations.len());
        for (nth, &place) in observations.iter().enumerate().skip(1) {
            let message = &session.messages[view[place] as usize];
            let masked =
                message.tags.contains(&Tag::Remove) || (nth < until && !message.tags.contains(&Tag::Keep));
            let tokens: u32 = message.parts.iter().map(|&part| session.segments[part as usize].tokens).sum();
            if masked && tokens > self.placeholder_tokens {
                if fates.is_empty() {
                    fates.resize(view.len(), Fate::Keep);
                }
                fates[place] = Fate::Replace(self.placeholder_tokens);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden values of the original: n = 5, after T completed turns, tool observations masked.
    /// The task counts as the first observation, so the count is T + 1.
    #[test]
    fn masks_when_the_original_does() {
        let each = Masking { keep: 5, polling: 1, ..Masking::default() };
        let hidden = |masking: &Masking, turns: usize| masking.masked_until(turns + 1).saturating_sub(1);
        assert_eq!(hidden(&each, 5), 0);
        assert_eq!(hidden(&each, 6), 1);
        assert_eq!(hidden(&each, 10), 5);
        let batched = Masking { keep: 5, polling: 3, ..Masking::default() };
        for turns in 4..=7 {
            assert_eq!(hidden(&batched, turns), 0, "turn {turns}");
        }
        for turns in 8..=10 {
            assert_eq!(hidden(&batched, turns), 3, "turn {turns}");
        }
        for turns in 11..=13 {
            assert_eq!(hidden(&batched, turns), 6, "turn {turns}");
        }
        let default = Masking { keep: 10, polling: 10, ..Masking::default() };
        assert_eq!(hidden(&default, 18), 0);
        assert_eq!(hidden(&default, 19), 9);
    }
}
