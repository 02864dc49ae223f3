//! One file per command: its arguments and what it does with them.

pub mod completions;
pub mod inspect;
pub mod report;
pub mod simulate;
