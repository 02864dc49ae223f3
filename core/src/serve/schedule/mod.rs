//! Schedulers: in which order a replica admits the calls that wait for it. One file each.

mod fcfs;
mod shortest;

pub use fcfs::Fcfs;
pub use shortest::Shortest;

/// A replica's waiting calls.
pub trait Queue {
    /// Adds a call with its predicted output.
    fn push(&mut self, call: u32, predicted: u64);
    /// Puts a call that was thrown out at the head.
    fn push_front(&mut self, call: u32);
    /// The call to admit next.
    fn head(&self) -> Option<u32>;
    /// Removes the head.
    fn pop(&mut self) -> Option<u32>;
    /// Whether a new call can only stand behind the present head.
    fn keeps_head(&self) -> bool;
}
