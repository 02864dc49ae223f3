//! A moving quantile per session: what this agent's last calls needed.

use super::window::{WINDOW, Window};
use super::{COVERED, Kind, Predictor};
use crate::choice::{About, Choice, Param};

pub(super) const ABOUT: About = About {
    name: "per-session",
    about: "a moving quantile over the session's last calls",
    params: &[
        COVERED,
        Param {
            key: "window",
            about: "ended calls of a session at most",
            default: 16.0,
            whole: true,
            range: (1.0, 4_096.0),
        },
        Param {
            key: "enough",
            about: "ended calls of a session at least",
            default: 4.0,
            whole: true,
            range: (1.0, 4_096.0),
        },
    ],
    presets: &[],
};

/// A moving quantile per session, and over all sessions while a session has too few.
#[derive(Clone, Debug)]
pub(super) struct PerSession {
    percent: usize,
    window: usize,
    enough: usize,
    sessions: Vec<Window>,
    all: Window,
}

impl PerSession {
    pub(super) fn new(sessions: usize, choice: &Choice) -> Self {
        PerSession {
            percent: choice.whole("percent") as usize,
            window: choice.whole("window") as usize,
            enough: choice.whole("enough") as usize,
            sessions: vec![Window::default(); sessions],
            all: Window::default(),
        }
    }
}

impl Predictor for PerSession {
    fn predict(&self, kind: &Kind) -> Option<u64> {
        let own = self.sessions.get(kind.session as usize);
        let own = own.and_then(|window| window.quantile(self.percent, self.enough));
        own.or_else(|| self.all.quantile(self.percent, self.enough))
    }

    fn observe(&mut self, kind: &Kind, output_tokens: u64) {
        if let Some(window) = self.sessions.get_mut(kind.session as usize) {
            window.add(output_tokens, self.window);
        }
        self.all.add(output_tokens, WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choice;

    /// Of 3, 9, 5, 7 the smallest that covers half is the second: 5.
    #[test]
    fn a_session_is_told_from_the_others() {
        let choice = choice::choose(&[ABOUT], "per-session:percent=50,window=4,enough=3").unwrap();
        let mut predictor = PerSession::new(2, &choice);
        let [zero, one] = [0, 1].map(|session| Kind { session, ..Kind::default() });
        [3, 9].into_iter().for_each(|length| predictor.observe(&zero, length));
        assert_eq!(predictor.predict(&zero), None, "two calls are not enough, of whichever session");
        [5, 7].into_iter().for_each(|length| predictor.observe(&zero, length));
        assert_eq!(predictor.predict(&zero), Some(5));
        assert_eq!(predictor.predict(&one), Some(5), "all sessions stand in");
        [100, 200, 300].into_iter().for_each(|length| predictor.observe(&one, length));
        assert_eq!((predictor.predict(&zero), predictor.predict(&one)), (Some(5), Some(200)));
        // A window of four: 5, 7, 40, 41.
        [40, 41].into_iter().for_each(|length| predictor.observe(&zero, length));
        assert_eq!(predictor.predict(&zero), Some(7));
    }
}
