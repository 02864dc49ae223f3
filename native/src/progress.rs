//! How far work of many points is, on standard error.

use crate::output;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Says now and then how far the work is: often on a terminal, seldom in a log.
pub(crate) struct Progress {
    done: usize,
    of: usize,
    begun: Instant,
    said: Instant,
    pause: Duration,
}

impl Progress {
    pub(crate) fn new(of: usize) -> Self {
        let now = Instant::now();
        let pause = Duration::from_secs(if io::stderr().is_terminal() { 2 } else { 60 });
        Progress { done: 0, of, begun: now, said: now, pause }
    }

    /// One more of points that take about as long as each other is done.
    pub(crate) fn step(&mut self) {
        self.done += 1;
        if self.done == self.of || !self.is_due() {
            return;
        }
        let left_s = self.begun.elapsed().as_secs_f64() / self.done as f64 * (self.of - self.done) as f64;
        output::note(format_args!("{} of {} points, about {left_s:.0} s left", self.done, self.of));
    }

    /// Another of points that take anything from no time to seconds begins.
    pub(crate) fn next(&mut self, what: &str) {
        if self.is_due() {
            let s = self.begun.elapsed().as_secs_f64();
            output::note(format_args!("{} of {} points after {s:.0} s, next: {what}", self.done, self.of));
        }
        self.done += 1;
    }

    fn is_due(&mut self) -> bool {
        let due = self.said.elapsed() >= self.pause;
        if due {
            self.said = Instant::now();
        }
        due
    }
}
