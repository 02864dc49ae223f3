//! A dialogue in the making: what reading steps adds to.

use super::pool::Pool;
use super::worker::Worker;
use crate::import::dialogue::{Dialogue, Said};
use crate::trace::Run;

/// A dialogue in the making.
pub(super) struct Talk<'d, 'a> {
    pub(super) dialogue: &'d mut Dialogue<'a>,
    pub(super) pool: Pool<'a>,
    /// Why steps were left out, or parts of them.
    pub(super) faults: Vec<String>,
    /// How many agents there are so far.
    pub(super) agents: u32,
}

impl<'d, 'a> Talk<'d, 'a> {
    pub(super) fn new(dialogue: &'d mut Dialogue<'a>, pool: Pool<'a>) -> Self {
        Talk { dialogue, pool, faults: Vec::new(), agents: 0 }
    }

    /// Says a message, which the next prompts of its agent hold.
    pub(super) fn say(&mut self, worker: &mut Worker<'a>, said: Said<'a>) -> u32 {
        let index = self.dialogue.say(Said { agent: worker.agent, ..said });
        Run::push(&mut worker.view, index);
        index
    }
}
