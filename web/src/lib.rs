//! What the page and its worker agree on, free of any browser: the messages between them, the state
//! in the address, the catalogue of files, and how numbers are written.

pub mod advice;
pub mod catalogue;
pub mod held;
pub mod listen;
pub mod protocol;
pub mod sentences;
pub mod shapes;
pub mod state;
pub mod tables;
pub mod words;

/// Identifies the sources that a binary was built from; page and worker compare theirs.
pub const BUILD: &str = env!("ATR_BUILD");
