//! The command line as its users meet it: the built binary is run, and what it prints, writes and
//! returns is held against expectations. One test binary, one file a topic.
#![allow(clippy::unwrap_used)]

mod advise;
mod advise_numbers;
mod calibrate;
mod calls;
mod commands;
mod doctor;
mod evictions;
mod export;
mod guide;
mod harness;
mod inspect;
#[path = "../../../core/tests/figures/made_up.rs"]
mod made_up;
mod options;
mod peer;
mod probe;
mod reports;
mod sweep;
mod sweep_calls;
mod synth;
mod tempers;
