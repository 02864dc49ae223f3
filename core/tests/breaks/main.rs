//! Where prefixes break and what it costs: counted by hand for every cause, held against another
//! way of counting for random sessions.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used)]

mod causes;
#[path = "../common.rs"]
mod common;
mod laws;
mod made;
mod masked;
mod prompts;
