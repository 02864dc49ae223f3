//! Schedulers: in which order a replica admits the calls that wait for it. One file each; the registry
//! lists them.
//!
//! An order may change only when a call comes, is admitted or ends, never by the passing of time: a stretch of
//! decode steps is advanced at once.

mod fcfs;
mod shortest;

pub use fcfs::Fcfs;
pub use shortest::Shortest;

use super::latency::Ps;
use crate::choice::{self, About, Choice};
use crate::trace::Workload;
use dyn_clone::DynClone;

/// A call that waits, and what is known of it when it comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The call.
    pub call: u32,
    /// Index of its session.
    pub session: u32,
    /// When it came to the replica.
    pub at: Ps,
    /// When its session's first call was due.
    pub session_at: Ps,
    /// Length of its prompt.
    pub prompt_tokens: u32,
    /// Output that it is expected to make: as predicted, else as asked for.
    pub predicted: u64,
    /// Lower goes first, where the client says so.
    pub priority: i32,
    /// Tokens computed and made for its session so far, on any replica.
    pub served: u64,
}

/// A replica's waiting calls.
pub trait Queue: DynClone {
    /// Adds a call.
    fn push(&mut self, waiting: Waiting);
    /// Puts a call that was thrown out at the head.
    fn push_front(&mut self, call: u32);
    /// The call to admit next; none where the rest is to wait for something else than room.
    fn head(&self) -> Option<u32>;
    /// Removes the head.
    fn pop(&mut self) -> Option<u32>;
    /// Whether a new call can only stand behind the present head.
    fn keeps_head(&self) -> bool;
    /// A call that had been admitted ended.
    fn ended(&mut self, _call: u32) {}
}

dyn_clone::clone_trait_object!(Queue);

/// What schedulers are made from.
#[derive(Clone, Copy)]
pub struct Program<'a> {
    /// What is asked: who waits for whom, and which session a call belongs to. Lengths are not for them.
    pub work: &'a Workload,
    /// Tokens that the replica's memory holds.
    pub kv_tokens: u64,
}

/// All schedulers.
pub const SCHEDULERS: &[About] = &[
    About::plain("fcfs", "first come, first served"),
    About::plain("shortest", "the shortest predicted output first; who was overtaken too often goes next"),
];

/// Makes a replica's queue.
pub fn make<'a>(choice: &Choice, _program: &Program<'a>) -> Box<dyn Queue + 'a> {
    match choice.name() {
        "shortest" => Box::new(Shortest::default()),
        _ => Box::new(Fcfs::default()),
    }
}

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    choice::known(SCHEDULERS)
}
