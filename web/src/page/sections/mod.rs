//! The sections of the paper, in order.

pub(super) mod advice;
pub(super) mod appendix;
mod breaks;
pub(super) mod explorer;
pub(super) mod failures;
mod live;
pub(super) mod overview;
mod player;
mod policies;
mod published;
pub(super) mod results;
mod results_asked;
mod results_controls;
pub(super) mod results_words;
mod session_list;
mod session_steps;
pub(super) mod shapes;
mod turn;
pub(super) mod your_trace;
