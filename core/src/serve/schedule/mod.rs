//! Schedulers: in which order a replica admits the calls that wait for it. One file each; the registry
//! lists them.
//!
//! An order may change only when a call comes, is admitted or ends, never by the passing of time: a stretch of
//! decode steps is advanced at once.

mod critical_path;
mod fcfs;
mod keyed;
mod mlfq;
mod pause_resume;
mod plas;
mod priority;
mod program_fcfs;
mod shortest;

pub use fcfs::Fcfs;
pub use priority::main_first;

use super::latency::Ps;
use crate::choice::{self, About, Choice};
use crate::trace::{CallRole, Workload};
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
    /// Who asks.
    pub role: CallRole,
    /// Tokens computed and made for its session's ended calls so far, on any replica.
    pub served: u64,
    /// The same along one chain of calls that led to it: of all such chains, the one that was served most.
    pub chain: u64,
}

/// A replica's waiting calls.
pub trait Queue: DynClone {
    /// Adds a call.
    fn push(&mut self, waiting: Waiting);
    /// Takes a call back that was thrown out.
    fn take_back(&mut self, call: u32);
    /// The call to admit next; none where the rest is to wait for something else than room.
    fn head(&self) -> Option<u32>;
    /// Removes the head.
    fn pop(&mut self) -> Option<u32>;
    /// Whether a new call can only stand behind the present head.
    fn keeps_head(&self) -> bool;
    /// Whom to throw out when decoding runs out of room: a place in `running`, which holds one call at least and is
    /// in order of admission.
    fn victim(&self, running: &[u32]) -> usize {
        running.len().saturating_sub(1)
    }
    /// A call that had been admitted ended.
    fn ended(&mut self, _call: u32) {}
    /// Whether it asks what sessions and chains of calls were served ([`Waiting::served`], [`Waiting::chain`]).
    fn reads_service(&self) -> bool {
        true
    }
    /// Whether it must be told when sessions are over.
    fn watches_sessions(&self) -> bool {
        false
    }
    /// A session sends nothing more to any replica. Returns whether a call may be admitted that could not before.
    fn session_over(&mut self, _session: u32) -> bool {
        false
    }
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
    shortest::ABOUT,
    priority::ABOUT,
    plas::ABOUT,
    mlfq::ABOUT,
    critical_path::ABOUT,
    program_fcfs::ABOUT,
    pause_resume::ABOUT,
];

/// Makes a replica's queue.
pub fn make<'a>(choice: &Choice, program: &Program<'a>) -> Box<dyn Queue + 'a> {
    let queue: keyed::Keyed = match choice.name() {
        "shortest" => shortest::queue(choice),
        "priority" => priority::queue(choice),
        "plas" => plas::queue(choice),
        "mlfq" => mlfq::queue(choice),
        "critical-path" => critical_path::queue(choice),
        "program-fcfs" => program_fcfs::queue(),
        "pause-resume" => return Box::new(pause_resume::PauseResume::new(choice, program)),
        _ => return Box::new(Fcfs::default()),
    };
    Box::new(queue)
}

/// The accepted names, for help texts and errors.
pub fn known() -> String {
    choice::known(SCHEDULERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn chosen(text: &str) -> Choice {
        choice::choose(SCHEDULERS, text).unwrap()
    }

    #[test]
    fn every_name_makes_a_queue_that_gives_back_what_it_took() {
        let work = Workload::default();
        for about in SCHEDULERS {
            let mut queue = make(&chosen(about.name), &Program { work: &work, kv_tokens: 0 });
            assert_eq!((queue.head(), queue.pop()), (None, None), "{}", about.name);
        }
        assert!(known().starts_with("fcfs, shortest, "));
    }
}
